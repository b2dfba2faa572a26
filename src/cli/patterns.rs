//! What people mean by exclude patterns and canaries: the program takes them as gitignore patterns and as paths below the
//! source, and people write comments, `./` and absolute paths.

use azekura::job::backup::SourceOptions;
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

/// Patterns that exclude nothing in any of the sources, whatever is there.
pub fn without_effect(sources: &[SourceOptions]) -> Vec<&str> {
    let has_effect = |pattern: &str, source: &SourceOptions| {
        let pattern = pattern.strip_prefix('!').unwrap_or(pattern);
        let path = pattern.trim().trim_end_matches('/');
        let is_elsewhere = || {
            let parts = path.trim_start_matches('/');
            path.starts_with('/')
                && parts.contains('/')
                && Path::new(path).symlink_metadata().is_ok()
                && source.path.join(parts).symlink_metadata().is_err()
        };
        !(path.is_empty()
            || matches!(path, "." | "~")
            || path.starts_with("~/")
            // A comment, and not the name of a folder.
            || pattern.starts_with("\\# ")
            || path.split('/').any(|name| name == "..")
            || is_elsewhere())
    };
    let mut found = Vec::new();
    for pattern in sources.iter().flat_map(|s| &s.excludes) {
        let of_it = sources.iter().filter(|s| s.excludes.contains(pattern));
        if !found.contains(&&pattern[..]) && of_it.clone().all(|s| !has_effect(pattern, s)) {
            found.push(&pattern[..]);
        }
    }
    found
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
        let good = source(&["*.tmp", "/tmp", "!keep", "a b", "\\#recycle", "/no-such-folder/x", "**/cache"]);
        assert!(without_effect(&[good]).is_empty());
        for pattern in ["", "  ", "\t", "!", "\\# logs", ".", "/", "../x", "a/../b", "~/x", "/proc/self", "/dev/null"] {
            assert_eq!(without_effect(&[source(&[pattern])]), [pattern]);
        }
        std::fs::create_dir_all(dir.path().join("dev/null")).unwrap();
        assert!(without_effect(&[source(&["/dev/null"])]).is_empty());
    }
}
