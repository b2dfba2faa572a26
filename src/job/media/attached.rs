//! When media were attached: what udev tells of hardware that comes and goes, and what generations have sealed of it.

use super::Result;
use crate::env::Env;
use crate::format::Malformed;
use crate::format::digests::Digests;
use crate::format::object::{Id, Object, ObjectKind};
use crate::host::ledger::sealed::{LedgerChange, LedgerToCompare, SealedAttachments, TEXT_BYTES};
use crate::host::ledger::{Ledger, LedgerContent, LedgerEvent, only_with_device};
use crate::medium::{AttachedMedium, Loader, Medium};
use crate::seal::chain::{Chain, ReadError, read_object};
use crate::set::open::{OpenError, OpenSet};
use std::collections::BTreeSet;
use std::path::Path;

/// Enters that hardware came or went. Hardware that the ledger does not know is nobody's concern: returns whether it does.
pub fn seen(state: &Path, device: &str, port: Option<String>, comes: bool, time: &str) -> Result<bool> {
    let ledger = Ledger::of(state);
    let media = ledger.read()?.media();
    if device.is_empty() || media.values().all(|m| m.device.as_deref() != Some(device)) {
        return Ok(false);
    }
    let medium = only_with_device(&media, Some(device)).map(|m| m.name.clone());
    let (device, port) = (device.to_owned(), port.filter(|p| !p.is_empty()));
    let event = match comes {
        true => LedgerEvent::Plugged { medium, device, port },
        false => LedgerEvent::Unplugged { medium, device, port },
    };
    ledger.write(time, event)?;
    Ok(true)
}

/// The most findings that are told one by one.
const FINDINGS: usize = 1_000;

/// What the sealed texts on a medium say of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealedReport {
    /// Texts that were read and compared.
    pub texts: u64,
    /// Number and time of the newest generation that has one.
    pub newest: Option<(u64, String)>,
    /// What does not fit: each change once, with the first generation that shows it.
    pub findings: Vec<SealedFinding>,
    /// Further findings.
    pub more: u64,
    /// Texts of a later version, which this program cannot read.
    pub newer: u64,
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFinding {
    /// The generation.
    pub generation: u64,
    /// When its text was written, or the generation was sealed.
    pub time: String,
    /// What it is.
    pub what: SealedFindingKind,
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealedFindingKind {
    /// The ledger is not what it was when the generation was sealed.
    Ledger(LedgerChange),
    /// The text cannot be read, or is not what its seal lists. Why, in English.
    Damaged(String),
    /// The seal does not fit in its chain: what it lists proves nothing.
    Untrusted,
}

/// Compares the ledger of a state directory with every sealed text on a medium: those of the sets that this host writes. No key
/// is needed.
pub fn compare_with_sealed(
    at: &Path,
    state: &Path,
    book: &LedgerContent,
    env: &Env,
) -> std::result::Result<SealedReport, OpenError> {
    let sets = AttachedMedium::find(at, env.loader)?.sets()?;
    if sets.is_blank() {
        return Err(OpenError::Blank { path: at.to_owned() });
    }
    let media = book.media();
    let ids: BTreeSet<Id> = sets.ids().into_iter().collect();
    let mut comparison = Comparison { ledger: LedgerToCompare::of(book), seen: BTreeSet::new(), report: SealedReport::default() };
    // What another host wrote on the same disk is about another ledger. Whoever removes a ledger is found all the same.
    let is_ours = |id: &Id| {
        let id = id.to_string();
        media.values().any(|m| m.set == id) || state.join("sets").join(id).is_dir()
    };
    for id in ids.into_iter().filter(is_ours) {
        comparison.read_set(at, id, env.loader)?;
    }
    Ok(comparison.report)
}

struct Comparison {
    ledger: LedgerToCompare,
    /// Changes that were told already: a sealed text repeats what the one before says.
    seen: BTreeSet<LedgerChange>,
    report: SealedReport,
}

impl Comparison {
    fn read_set(&mut self, at: &Path, id: Id, loader: &dyn Loader) -> std::result::Result<(), OpenError> {
        let set = OpenSet::open(at, Some(id), loader)?;
        let chain = set.chain()?;
        for link in &chain.links {
            let (generation, time) = (link.seal.generation, &link.seal.time);
            // Earlier objects are on other media.
            let here = |o: &&Object| o.kind == ObjectKind::Extra && o.number >= chain.first;
            for o in link.objects.iter().filter(here) {
                if !link.trusted {
                    self.find(generation, time, SealedFindingKind::Untrusted);
                    continue;
                }
                match read_text(&*set.medium, o)? {
                    Ok(None) => {}
                    Ok(Some(Ok(text))) => self.compare(generation, time, &text),
                    Ok(Some(Err(Malformed::Newer { .. }))) => self.report.newer += 1,
                    Ok(Some(Err(e))) => self.find(generation, time, SealedFindingKind::Damaged(e.to_string())),
                    Err(why) => self.find(generation, time, SealedFindingKind::Damaged(why)),
                }
            }
        }
        self.find_faults(&chain);
        Ok(())
    }

    /// A seal that is missing or does not fit may be the one whose text would tell.
    fn find_faults(&mut self, chain: &Chain) {
        if chain.faults.iter().any(|f| !f.is_newer()) {
            let last = chain.links.last();
            let (generation, time) = last.map_or((0, String::new()), |l| (l.seal.generation, l.seal.time.clone()));
            self.find(generation, &time, SealedFindingKind::Untrusted);
        }
    }

    fn compare(&mut self, generation: u64, time: &str, text: &SealedAttachments) {
        self.report.texts += 1;
        if self.report.newest.as_ref().is_none_or(|(_, newest)| &newest[..] <= time) {
            self.report.newest = Some((generation, time.to_owned()));
        }
        for change in self.ledger.compare(text) {
            // The first text that is contradicted says where the ledger begins to differ; the others only repeat it.
            let is_known = match &change {
                LedgerChange::Lines { .. } => self.seen.iter().any(|c| matches!(c, LedgerChange::Lines { .. })),
                change => self.seen.contains(change),
            };
            if is_known {
                continue;
            }
            if self.seen.len() >= FINDINGS {
                self.report.more += 1;
                continue;
            }
            self.seen.insert(change.clone());
            self.find(generation, time, SealedFindingKind::Ledger(change));
        }
    }

    fn find(&mut self, generation: u64, time: &str, what: SealedFindingKind) {
        let finding = SealedFinding { generation, time: time.to_owned(), what };
        if self.report.findings.contains(&finding) {
            return;
        }
        if self.report.findings.len() < FINDINGS {
            self.report.findings.push(finding);
        } else {
            self.report.more += 1;
        }
    }
}

type ReadText = std::result::Result<Option<std::result::Result<SealedAttachments, Malformed>>, String>;

/// Reads an object of kind `extra`. The inner error is damage; `None` is a file that is none of these texts.
fn read_text(medium: &dyn Medium, o: &Object) -> std::result::Result<ReadText, OpenError> {
    if o.length > TEXT_BYTES {
        return Ok(Ok(None));
    }
    let bytes = match read_object(medium, o.number, o.kind, TEXT_BYTES) {
        Ok(bytes) => bytes,
        Err(ReadError::Damaged(why)) => return Ok(Err(why)),
        Err(ReadError::Medium(e)) => return Err(e.into()),
    };
    let is_listed = bytes.len() as u64 == o.length && o.digests.is_some_and(|d| d.agree_with(&Digests::of(&bytes, true)));
    Ok(if is_listed { Ok(SealedAttachments::decode(&bytes)) } else { Err("it is not what its seal lists".into()) })
}
