//! The answers of a session that reports use.

use crate::answer::backup::Backup;
use crate::answer::compare::Compare;
use crate::answer::generations::Clean;
use crate::answer::history::PeriodHistory;
use crate::answer::hold::HoldAnswer;
use crate::answer::media::{Log, Media};
use crate::answer::proof::Proof;
use crate::answer::restore::Restore;
use crate::answer::stamp::Import;
use crate::answer::verify::Verify;

/// What was answered.
#[derive(Debug, Clone)]
pub enum Content {
    /// `backup`.
    Backup(Box<Backup>),
    /// `verify`.
    Verify(Box<Verify>),
    /// `generations --clean`.
    Clean(Box<Clean>),
    /// `compare`.
    Compare(Box<Compare>),
    /// `restore`.
    Restore(Box<Restore>),
    /// `history --since`.
    Period(Box<PeriodHistory>),
    /// `stamp import`.
    Stamp(Box<Import>),
    /// `media list`.
    Media(Box<Media>),
    /// `media log`.
    Ledger(Box<Log>),
    /// `hold on`, `hold show`, `hold off`, `hold harmless`.
    Hold(Box<HoldAnswer>),
    /// `prove`, `check-proof`.
    Proof(Box<Proof>),
}

macro_rules! picks {
    ($($name:ident: $kind:ident -> $answer:ty),*) => { $(
        #[doc = concat!("The answer, if it is a `", stringify!($answer), "`.")]
        pub fn $name(content: &Content) -> Option<&$answer> {
            if let Content::$kind(answer) = content { Some(answer) } else { None }
        }
    )* };
}
picks!(
    of_backup: Backup -> Backup,
    of_verify: Verify -> Verify,
    of_clean: Clean -> Clean,
    of_compare: Compare -> Compare,
    of_restore: Restore -> Restore,
    of_period: Period -> PeriodHistory,
    of_stamp: Stamp -> Import,
    of_media: Media -> Media,
    of_ledger: Ledger -> Log,
    of_hold: Hold -> HoldAnswer,
    of_proof: Proof -> Proof
);
