//! What is restored in haste, or from a doubtful generation, is marked: for reference only, not verified.
//!
//! A folder of patients' records on some PC soon looks like the truth. So a page that says what it is lies on top of it, and nobody can
//! write to it by mistake.

use super::{Options, RestoreError};
use crate::format::check_code::CheckCode;
use crate::format::object::Id;
use crate::format::seal::Verdict;
use crate::generation::Generation;
use crate::pipeline::target::Target;
use crate::seal::chain::Chain;

/// Whether what is restored is marked as provisional, and so read-only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Marking {
    /// What a list names, and what is from a generation with an alarm or from a set in quarantine.
    #[default]
    WhenDoubtful,
    Always,
    Never,
}

/// What the page tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub set: Id,
    pub set_name: String,
    pub generation: u64,
    /// As the seal writes it.
    pub time: String,
    pub check_code: CheckCode,
    /// A tripwire was raised when the generation was made.
    pub has_alarm: bool,
    /// The set keeps a state that is suspected of contamination, as evidence.
    pub quarantine: bool,
}

impl Origin {
    pub fn new(chain: &Chain, generation: &Generation) -> Self {
        let seal = &generation.link.seal;
        Self {
            set: chain.set,
            set_name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
            generation: seal.generation,
            time: seal.time.clone(),
            check_code: CheckCode::of(&generation.link.digest),
            has_alarm: seal.verdict == Verdict::Alarm,
            quarantine: chain.label.as_ref().is_some_and(|l| l.quarantine),
        }
    }

    pub fn is_marked(&self, options: &Options) -> bool {
        match options.marking {
            Marking::WhenDoubtful => options.only.is_some() || self.has_alarm || self.quarantine,
            Marking::Always => true,
            Marking::Never => false,
        }
    }

    /// Where the page lies: digits come first in every list of a folder, and generations of several sets may be restored into one.
    pub fn page_name(&self) -> String {
        format!("00_未検証・参照のみ_UNVERIFIED_REFERENCE-ONLY_{}_{}.txt", self.generation, self.check_code)
    }

    /// Before anything else comes: an interrupted restore is marked, too.
    pub fn mark(&self, options: &Options, target: &Target) -> Result<(), RestoreError> {
        let mark = self.check_code.to_string();
        target.put_page(&self.page_name(), &(options.page)(self), &mark).map_err(RestoreError::Target)
    }
}
