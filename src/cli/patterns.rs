//! What people mean by exclude patterns and canaries: the program takes them as gitignore patterns and as paths below the
//! source, and people write comments, `./` and absolute paths.

use azekura::job::backup::SourceOptions;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The gitignore pattern, relative to `root`, that is meant. A list of patterns has no comments: `#recycle` is a name.
pub fn exclude(typed: &str, root: &Path) -> String {
    let (not, pattern) = match typed.strip_prefix('!') {
        Some(rest) => ("!", rest),
        None => ("", typed),
    };
    let meant = match below(pattern, root) {
        Some(below) => format!("/{below}"),
        None if not.is_empty() && pattern.starts_with('#') => format!("\\{pattern}"),
        None => pattern.to_owned(),
    };
    format!("{not}{meant}")
}

/// The path below the source `root` of a canary.
pub fn canary(typed: &str, root: &Path) -> String {
    below(typed, root).unwrap_or(typed).trim_matches('/').to_owned()
}

/// What follows `./`, or the path of `root`.
fn below<'t>(typed: &'t str, root: &Path) -> Option<&'t str> {
    if let Some(rest) = typed.strip_prefix("./") {
        return Some(below(rest, root).unwrap_or(rest).trim_start_matches('/'));
    }
    let real = root.canonicalize().ok();
    [Some(root), real.as_deref()].into_iter().flatten().find_map(|root| {
        let root = std::str::from_utf8(root.as_os_str().as_bytes()).ok()?.trim_end_matches('/');
        typed.strip_prefix(root).filter(|_| !root.is_empty())?.strip_prefix('/').map(|rest| rest.trim_start_matches('/'))
    })
}

/// Why a pattern excludes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// It is a comment, and not the name of a folder.
    Comment,
    /// It is a path that is not in the source.
    NotThere,
    /// It never does.
    Never,
}

/// Patterns that exclude nothing in any of the sources, and why.
pub fn without_effect(sources: &[SourceOptions]) -> Vec<(&str, Idle)> {
    let mut found: Vec<(&str, Idle)> = Vec::new();
    for pattern in sources.iter().flat_map(|s| &s.excludes) {
        let of_it = sources.iter().filter(|s| s.excludes.contains(pattern));
        let idle: Option<Vec<Idle>> = of_it.map(|source| idle(pattern, source)).collect();
        if let Some(why) = idle.and_then(|all| all.first().copied())
            && found.iter().all(|(other, _)| other != pattern)
        {
            found.push((pattern, why));
        }
    }
    found
}

fn idle(pattern: &str, source: &SourceOptions) -> Option<Idle> {
    let pattern = pattern.strip_prefix('!').unwrap_or(pattern);
    let path = pattern.trim().trim_end_matches('/');
    if is_comment(pattern, source) {
        return Some(Idle::Comment);
    }
    let is_never =
        path.is_empty() || matches!(path, "." | "~") || path.starts_with("~/") || path.split('/').any(|name| name == "..");
    match is_never {
        true => Some(Idle::Never),
        false => is_not_there(path, source).then_some(Idle::NotThere),
    }
}

/// `# words`; or `#name` where the source has `name` and not `#name`: a pattern that somebody wanted to switch off.
fn is_comment(pattern: &str, source: &SourceOptions) -> bool {
    let Some(words) = pattern.strip_prefix("\\#") else { return false };
    let name = words.trim_matches('/');
    let has = |name: &str| source.path.join(name).symlink_metadata().is_ok();
    words.starts_with(' ') || !name.is_empty() && has(name) && !has(&format!("#{name}"))
}

/// Whether a pattern that is bound to the source's root begins with a path that is not there, as far as it has no wildcards.
/// Of a source that is missing, nothing is known.
fn is_not_there(path: &str, source: &SourceOptions) -> bool {
    if !path.contains('/') || !source.path.exists() {
        return false;
    }
    let is_plain = |name: &&str| !name.contains(['*', '?', '[', '\\']);
    let begin: Vec<&str> = path.trim_start_matches('/').split('/').take_while(is_plain).collect();
    let found = source.path.join(begin.join("/")).symlink_metadata();
    !begin.is_empty() && found.is_err_and(|e| matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_what_is_meant() {
        let root = Path::new("/srv/ehr");
        for (typed, meant) in [
            ("*.tmp", "*.tmp"),
            ("#recycle", "\\#recycle"),
            ("\\#recycle", "\\#recycle"),
            ("!#keep", "!#keep"),
            ("./tmp", "/tmp"),
            ("././tmp/", "/tmp/"),
            ("/tmp", "/tmp"),
            ("/srv/ehr/tmp", "/tmp"),
            ("!/srv/ehr/tmp/*", "!/tmp/*"),
            ("/srv/ehr2/tmp", "/srv/ehr2/tmp"),
        ] {
            assert_eq!(exclude(typed, root), meant, "{typed}");
        }
        assert_eq!(exclude("/tmp", Path::new("/")), "/tmp");
        for typed in ["pay.xml", "./pay.xml", "/pay.xml", "/srv/ehr/pay.xml", ".//pay.xml"] {
            assert_eq!(canary(typed, root), "pay.xml", "{typed}");
        }
    }

    #[test]
    fn patterns_that_exclude_nothing_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let source = |excludes: &[&str]| SourceOptions {
            excludes: excludes.iter().map(|x| (*x).to_owned()).collect(),
            ..SourceOptions::new("source", dir.path())
        };
        std::fs::create_dir_all(dir.path().join("tmp/a b")).unwrap();
        let good =
            source(&["*.tmp", "/tmp", "tmp/", "!keep", "a b", "\\#recycle", "**/cache", "/*/x", "tmp/*/x", "tmp/a b/*.log"]);
        assert!(without_effect(&[good]).is_empty());
        for pattern in ["", "  ", "\t", "!", ".", "/", "../x", "a/../b", "~/x"] {
            assert_eq!(without_effect(&[source(&[pattern])]), [(pattern, Idle::Never)]);
        }
        for pattern in ["\\# logs", "\\#tmp"] {
            assert_eq!(without_effect(&[source(&[pattern])]), [(pattern, Idle::Comment)]);
        }
        for pattern in ["/etc", "/proc/self", "/dev/null", "/no-such-folder/x", "log/x", "/var/log/**", "/home/*/tmp", "!/tmp/b"]
        {
            assert_eq!(without_effect(&[source(&[pattern])]), [(pattern, Idle::NotThere)]);
        }
        std::fs::create_dir_all(dir.path().join("dev/null")).unwrap();
        assert!(without_effect(&[source(&["/dev/null"])]).is_empty());
        // It is in one of the sources; or nobody knows, because the source is not there.
        let other = SourceOptions { excludes: vec!["/etc".into()], ..SourceOptions::new("host", "/") };
        assert!(without_effect(&[source(&["/etc"]), other]).is_empty());
        let missing = SourceOptions { excludes: vec!["/x/y".into()], ..SourceOptions::new("no", "/no/such") };
        assert!(without_effect(&[missing]).is_empty());
    }
}
