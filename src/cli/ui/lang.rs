//! The language: chosen by `--lang`, else by the configuration, else by the locale.

use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::sync::atomic::{AtomicBool, Ordering};

static IS_JAPANESE: AtomicBool = AtomicBool::new(false);

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    Ja,
    En,
}

impl Lang {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }

    /// The language now spoken: English, until [`Lang::speak`].
    pub fn spoken() -> Self {
        if IS_JAPANESE.load(Ordering::Relaxed) { Self::Ja } else { Self::En }
    }

    /// All texts are in this language from now on.
    pub fn speak(self) {
        IS_JAPANESE.store(self == Self::Ja, Ordering::Relaxed);
    }

    /// Japanese for a Japanese locale, English for every other. `values` are those of LC_ALL, LC_MESSAGES and LANG; the
    /// first that is set and not empty counts, as in POSIX.
    pub fn of_locale(values: impl IntoIterator<Item = Option<OsString>>) -> Self {
        let set = values.into_iter().flatten().find(|v| !v.is_empty());
        match set.as_deref().and_then(OsStr::to_str) {
            Some(v) if v.starts_with("ja") => Self::Ja,
            _ => Self::En,
        }
    }

    /// The language that the arguments ask for. Read before they are parsed, so that help and complaints about the
    /// other arguments are in that language.
    pub fn asked_for(arguments: &[OsString]) -> Option<Self> {
        let mut found = None;
        let mut arguments = arguments.iter().skip(1).take_while(|a| *a != "--").map(|a| a.to_str().unwrap_or_default());
        while let Some(a) = arguments.next() {
            let value = match a.strip_prefix("--lang") {
                Some("") => arguments.next(),
                Some(rest) => rest.strip_prefix('='),
                None => None,
            };
            found = match value {
                Some("ja") => Some(Self::Ja),
                Some("en") => Some(Self::En),
                _ => found,
            };
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_variable_that_is_set_counts() {
        let lang = |values: [&str; 3]| Lang::of_locale(values.map(|v| Some(OsString::from(v))));
        assert_eq!(lang(["", "", "ja_JP.UTF-8"]), Lang::Ja);
        assert_eq!(lang(["C", "", "ja_JP.UTF-8"]), Lang::En);
        assert_eq!(lang(["", "ja", "C"]), Lang::Ja);
        assert_eq!(Lang::of_locale([None, None, None]), Lang::En);
    }

    #[test]
    fn arguments_behind_two_hyphens_are_not_ours() {
        let asked = |text: &str| Lang::asked_for(&text.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(asked("azekura --lang ja backup"), Some(Lang::Ja));
        assert_eq!(asked("azekura backup --lang=en"), Some(Lang::En));
        assert_eq!(asked("azekura backup -- --lang ja"), None);
        assert_eq!(asked("azekura --lang fr"), None);
    }
}
