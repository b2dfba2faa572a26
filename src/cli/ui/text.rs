//! Messages: a key of the catalogue under `locales/`, and the values of its gaps.
//!
//! **Invariant:** every value passes [`Printable`], so no name or text from outside reaches a terminal unescaped.

use super::catalogue::{filled, text};
use super::lang::Lang;
use super::printable::Printable;
use super::units::time;
use azekura::host::nights::Words;
use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// `message!("key", gap = value, …)`: every value must be [`Printable`].
macro_rules! message {
    ($key:literal $(, $gap:ident = $value:expr)* $(,)?) => {
        $crate::cli::ui::text::Message::new($key, vec![$((stringify!($gap), $crate::cli::ui::printable::Printable::words(&$value))),*])
    };
}
pub(crate) use message;

/// One message of the catalogue, in the language that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    key: Cow<'static, str>,
    gaps: Box<[(Cow<'static, str>, Words)]>,
}

impl Message {
    pub fn new(key: &'static str, gaps: Vec<(&'static str, Words)>) -> Self {
        Self { key: key.into(), gaps: gaps.into_iter().map(|(name, value)| (name.into(), value)).collect() }
    }

    /// What a run has recorded of what it said. What earlier versions have recorded stays in the language of the run.
    pub fn recorded(words: &Words) -> Self {
        match words {
            Words::Message { key, gaps } => {
                let gaps = gaps.iter().map(|(name, value)| (name.clone().into(), value.clone()));
                Self { key: key.clone().into(), gaps: gaps.collect() }
            }
            other => Self::plain(&said(other)),
        }
    }

    /// A text that is already in the language chosen, as an answer has it.
    pub fn plain(text: &str) -> Self {
        message!("reason.plain", text = text)
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    /// The message that says what to do about this one: the same gaps, and `hint.` in place of `error.`.
    pub fn hint(&self) -> Self {
        Self { key: self.key.replacen("error.", "hint.", 1).into(), gaps: self.gaps.clone() }
    }

    /// A message whose key is put together at run time, if the catalogue has it.
    pub fn optional(key: String) -> Option<Self> {
        find_optional(&key).map(|_| Self { key: key.into(), gaps: Box::default() })
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gaps: Vec<_> = self.gaps.iter().map(|(name, value)| (&**name, said(value))).collect();
        f.write_str(&filled(&find(&self.key), &gaps))
    }
}

/// Words in the language now spoken.
fn said(words: &Words) -> String {
    match words {
        Words::Message { .. } => Message::recorded(words).to_string(),
        Words::Time { time: at } => time(at, Lang::spoken()).printable(),
        Words::Text(text) => text.printable(),
    }
}

/// A parser of a value can fail with a message in the language chosen.
impl std::error::Error for Message {}

impl Printable for Message {
    fn printable(&self) -> String {
        self.to_string()
    }

    fn words(&self) -> Words {
        let gaps = self.gaps.iter().map(|(name, value)| (name.clone().into_owned(), value.clone()));
        Words::Message { key: self.key.clone().into_owned(), gaps: gaps.collect() }
    }
}

/// The text of a key that is put together at run time; the key itself where there is none.
pub fn find(key: &str) -> String {
    find_optional(key).unwrap_or_else(|| key.to_owned())
}

/// The text of a key, if the catalogue has it.
pub fn find_optional(key: &str) -> Option<String> {
    under_hold(key).or_else(|| text(key, Lang::spoken())).map(str::to_owned)
}

/// A hold is active.
static IS_HELD: AtomicBool = AtomicBool::new(false);
/// An alarm is open.
static IS_ALARMED: AtomicBool = AtomicBool::new(false);

/// From now on no text asks for a medium: a hold is active.
pub fn speak_under_hold() {
    IS_HELD.store(true, Ordering::Relaxed);
}

/// From now on no text asks for a medium: an alarm is open, whether or not a hold is active.
pub fn speak_under_alarm() {
    IS_ALARMED.store(true, Ordering::Relaxed);
}

/// What is said instead of a text while a hold is active, or while an alarm is open.
fn under_hold(key: &str) -> Option<&'static str> {
    let is_held = IS_HELD.load(Ordering::Relaxed);
    if !is_held && !IS_ALARMED.load(Ordering::Relaxed) {
        return None;
    }
    // Texts that say that a hold is active. Those for both say either, or neither.
    let is_of_both =
        ["status.", "error.media.", "error.medium."].iter().any(|start| key.starts_with(start)) || key == "media.not-swapped";
    let is_of_hold = !is_of_both;
    let instead = match is_held {
        _ if ASKING_ACTIONS.contains(&key) => "status.do.hold",
        true if ASKING_HINTS.contains(&key) => "held.hint",
        false if ASKING_HINTS.contains(&key) => "alarm.hint",
        false if is_of_hold => return None,
        _ => &format!("held.{key}"),
    };
    text(instead, Lang::spoken())
}

/// Actions of `status` that ask for a medium, or for a backup. While a hold is active or an alarm is open, `status.do.hold`
/// takes the place of each.
pub const ASKING_ACTIONS: &[&str] = &[
    "status.do.clock-wrong",
    "status.do.foreign",
    "status.do.full",
    "status.do.night-cut-off",
    "status.do.night-failed",
    "status.do.night-interrupted",
    "status.do.no-backup",
    "status.do.not-read-back",
    "status.do.not-registered",
    "status.do.not-swapped",
    "status.do.out-of-use",
    "status.do.pool-ahead",
    "status.do.pool-old",
    "status.do.source-ahead",
    "status.do.source-incomplete",
    "status.do.source-never",
    "status.do.source-nowhere",
    "status.do.source-old",
];

/// Hints that ask for a medium. While a hold is active, `held.hint` takes the place of each, and `alarm.hint` while an alarm is
/// open; a text that is no hint has one of its own, `held.KEY`.
pub const ASKING_HINTS: &[&str] = &[
    "hint.backup.blank-known",
    "hint.backup.blank-other",
    "hint.backup.disk-gone",
    "hint.backup.foreign",
    "hint.backup.half-written",
    "hint.backup.in-quarantine",
    "hint.backup.nothing-mounted",
    "hint.backup.out-of-use",
    "hint.backup.unregistered",
    "hint.copy.nothing-sealed",
    "hint.copy.other-object",
    "hint.copy.other-set",
    "hint.copy.read-back",
    "hint.copy.same-place",
    "hint.copy.torn-object",
    "hint.copy.unknown-object",
    "hint.generation.lost-seal",
    "hint.generation.no-readable-seal",
    "hint.generation.none",
    "hint.media.all-full",
    "hint.media.blank",
    "hint.media.blank-in-dock",
    "hint.media.damaged",
    "hint.media.full",
    "hint.media.full-unsealed",
    "hint.media.mismatched",
    "hint.media.not-mounted",
    "hint.media.not-mounted-due",
    "hint.media.nothing-sealed",
    "hint.media.no-turn",
    "hint.media.other-medium",
    "hint.media.other-name",
    "hint.media.other-pool",
    "hint.media.other-set",
    "hint.media.out-of-turn",
    "hint.media.out-of-use",
    "hint.media.overstayed",
    "hint.media.pool-out-of-use",
    "hint.media.unregistered",
    "hint.media.unprepared",
    "hint.media.unprepared-bare",
    "hint.media.wiped",
    "hint.medium.foreign",
    "hint.medium.full",
    "hint.medium.full-tape",
    "hint.medium.gone",
    "hint.medium.half-begun",
    "hint.medium.no-blank-brought",
    "hint.medium.no-cartridge",
    "hint.medium.not-blank",
    "hint.medium.not-brought",
    "hint.medium.not-found",
    "hint.rebuild.unknown",
    "hint.restore.blank",
];
