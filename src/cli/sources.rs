//! What is to be backed up: `SOURCE` arguments or the configuration's sources.

use super::config::{Config, ConfigSource};
use super::environment::{absolute, last_name};
use super::patterns;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::text::message;
use azekura::job::backup::SourceOptions;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Options that apply to all sources that were typed.
#[derive(Debug, Default)]
pub struct ForAll {
    pub excludes: Vec<String>,
    pub one_file_system: bool,
}

/// The typed sources; without any, the configuration's.
pub fn choose(typed: &[OsString], for_all: &ForAll, config: &Config) -> Result<Vec<SourceOptions>, CommandError> {
    let sources: Vec<SourceOptions> = match typed {
        [] => config.sources.iter().map(|s| configured(s, for_all)).collect::<Result<_, _>>()?,
        _ => typed
            .iter()
            .map(|t| {
                let (name, path) = split(t);
                tree(name, &path, for_all.excludes.clone(), for_all.one_file_system)
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(sources)
}

/// Refuses an empty list, and two sources of one name.
pub fn check(sources: Vec<SourceOptions>) -> Result<Vec<SourceOptions>, CommandError> {
    if sources.is_empty() {
        return Err(CommandError::usage(message!("error.source.none"), message!("hint.source.none")));
    }
    for (i, a) in sources.iter().enumerate() {
        if let Some(b) = sources[..i].iter().find(|b| b.name == a.name) {
            let message = message!("error.source.same-name-of", name = a.name, first = b.path, second = a.path);
            return Err(CommandError::usage(message.clone(), message.hint()));
        }
    }
    Ok(sources)
}

/// A command whose standard output is the source, run in the folder `path`.
pub fn command(name: &OsStr, path: &Path, command: Vec<OsString>) -> SourceOptions {
    let mut source = SourceOptions::new(name.as_bytes(), absolute(path));
    source.command = command;
    source
}

fn configured(s: &ConfigSource, for_all: &ForAll) -> Result<SourceOptions, CommandError> {
    let excludes = s.excludes.iter().chain(&for_all.excludes).cloned().collect();
    let source = match (&s.name, &s.path, s.command.is_empty()) {
        (Some(name), path, false) => {
            let path = path.as_deref().unwrap_or(Path::new("/"));
            Ok(command(OsStr::new(name), path, s.command.iter().map(OsString::from).collect()))
        }
        (name, Some(path), true) => {
            tree(name.clone().map(String::into_bytes), path, excludes, s.one_file_system || for_all.one_file_system)
        }
        _ => {
            let name = s.name.clone().unwrap_or_default();
            Err(CommandError::new(message!("error.config.source", name = name), Exit::Usage))
        }
    };
    source.map(|source| {
        let below = |path: &String| [&source.name[..], patterns::canary(path, &source.path).as_bytes()].join(&b'/');
        SourceOptions {
            rules: s.rules,
            priority: s.priority,
            canaries: s.canaries.iter().map(below).collect(),
            check: s.check.iter().map(OsString::from).collect(),
            user: s.user.clone(),
            fresh_hours: s.fresh_hours,
            max_entries: s.max_entries,
            ..source
        }
    })
}

/// `NAME=PATH`, or a path alone. A path may contain a `=` itself: a part with a `/` before the `=` is no name.
pub fn split(typed: &OsStr) -> (Option<Vec<u8>>, PathBuf) {
    let bytes = typed.as_bytes();
    match bytes.iter().position(|b| *b == b'=') {
        Some(at) if at > 0 && !bytes[..at].contains(&b'/') => {
            (Some(bytes[..at].to_vec()), OsString::from_vec(bytes[at + 1..].to_vec()).into())
        }
        _ => (None, typed.into()),
    }
}

fn tree(name: Option<Vec<u8>>, path: &Path, excludes: Vec<String>, one_file_system: bool) -> Result<SourceOptions, CommandError> {
    let last = || last_name(path).map(OsString::into_vec);
    let Some(name) = name.or_else(last) else {
        let message = message!("error.source.no-name", path = path);
        return Err(CommandError::usage(message.clone(), message.hint()));
    };
    let mut source = SourceOptions::new(name, absolute(path));
    source.excludes = excludes.iter().map(|pattern| patterns::exclude(pattern, &source.path)).collect();
    source.one_file_system = one_file_system;
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(typed: &[&[u8]]) -> Result<Vec<(Vec<u8>, PathBuf)>, String> {
        let typed: Vec<OsString> = typed.iter().map(|t| OsString::from_vec(t.to_vec())).collect();
        match choose(&typed, &ForAll::default(), &Config::default()).and_then(check) {
            Ok(all) => Ok(all.into_iter().map(|s| (s.name, s.path)).collect()),
            Err(e) => Err(e.message.key().to_owned()),
        }
    }

    #[test]
    fn a_source_is_called_by_its_last_name() {
        assert_eq!(chosen(&[b"/srv/ehr/"]).unwrap(), [(b"ehr".to_vec(), "/srv/ehr".into())]);
        assert_eq!(chosen(&[b"/srv/a=b"]).unwrap()[0].0, b"a=b");
        assert_eq!(chosen(&[b"/srv/\x83J"]).unwrap()[0].0, b"\x83J");
    }

    #[test]
    fn a_source_may_be_given_a_name() {
        assert_eq!(chosen(&[b"root=/"]).unwrap(), [(b"root".to_vec(), "/".into())]);
        assert_eq!(chosen(&[b"/"]).unwrap_err(), "error.source.no-name");
    }

    #[test]
    fn two_sources_of_one_name_are_refused() {
        assert_eq!(chosen(&[b"/a/x", b"/b/x"]).unwrap_err(), "error.source.same-name-of");
        assert_eq!(chosen(&[b"/a/x", b"y=/b/x"]).unwrap().len(), 2);
    }

    #[test]
    fn without_any_source_there_is_nothing_to_do() {
        assert_eq!(chosen(&[]).unwrap_err(), "error.source.none");
    }
}
