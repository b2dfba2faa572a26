//! Marks what is restored in haste, or from a doubtful generation, as provisional: for reference only, not verified.
//!
//! A folder of patients' records on some PC soon looks like the truth. So a page in its root says what it is, and the
//! folder is read-only, so that nobody writes to it by mistake.

use super::{Options, RestoreError};
use crate::format::check_code::CheckCode;
use crate::format::object::Id;
use crate::format::seal::Verdict;
use crate::generation::Generation;
use crate::pipeline::target::Target;
use crate::seal::chain::Chain;

/// Whether the target is marked as provisional, and so read-only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Marking {
    /// If a list says what to restore, the generation has an alarm, or the set is in quarantine.
    #[default]
    WhenDoubtful,
    /// Whatever is restored.
    Always,
    /// Even from a doubtful generation.
    Never,
}

/// Where restored data comes from: the facts for the page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The medium set.
    pub set: Id,
    /// Empty if the label is damaged.
    pub set_name: String,
    /// The generation's number.
    pub generation: u64,
    /// When the generation was sealed, as the seal writes it.
    pub time: String,
    /// Of the generation's seal.
    pub check_code: CheckCode,
    /// A tripwire raised an alarm when the generation was made.
    pub has_alarm: bool,
    /// The set keeps a state that is suspected of contamination, as evidence.
    pub quarantine: bool,
}

impl Origin {
    pub(super) fn new(chain: &Chain, generation: &Generation) -> Self {
        let seal = &generation.link.seal;
        Self {
            set: chain.set,
            set_name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
            generation: seal.generation,
            time: seal.time.clone(),
            check_code: CheckCode::of(&generation.link.digest()),
            has_alarm: seal.verdict == Verdict::Alarm,
            quarantine: chain.is_in_quarantine(),
        }
    }

    /// Whether the target is marked.
    pub(super) fn is_marked(&self, options: &Options) -> bool {
        match options.marking {
            Marking::WhenDoubtful => options.only.is_some() || self.has_alarm || self.quarantine,
            Marking::Always => true,
            Marking::Never => false,
        }
    }

    /// The page's file name. It begins with digits, so that it comes first in a listing of the folder. It names the
    /// generation and its check code, because generations of several sets may be restored into one folder.
    pub(super) fn page_name(&self) -> String {
        format!("00_未検証・参照のみ_UNVERIFIED_REFERENCE-ONLY_{}_{}.txt", self.generation, self.check_code)
    }

    /// Writes the page. This must come before anything else is restored, so that an interrupted restore is marked, too.
    pub(super) fn mark(&self, options: &Options, target: &Target) -> Result<(), RestoreError> {
        let mark = self.check_code.to_string();
        Ok(target.put_page(&self.page_name(), &(options.page)(self), &mark)?)
    }
}
