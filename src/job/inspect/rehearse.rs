//! `keys rehearse`: proves that a recovery key opens a set, before anything depends on it.

use super::{RefusedEntries, Result, check_interrupted};
use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::object::Id;
use crate::generation::Generation;
use crate::pipeline::encryptor::Identity;
use crate::seal::chain::Fault;
use crate::set::open::{OpenSet, set_name};
use std::path::Path;

/// The newest generation, opened with the key and read to its end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The set's id.
    pub set: Id,
    /// What people call it.
    pub set_name: String,
    /// Number of its newest generation.
    pub generation: u64,
    /// When that was sealed, RFC 3339 in UTC.
    pub time: String,
    /// Records that were decrypted and compared with the seal.
    pub entries: u64,
    /// The entries among them that cannot be restored.
    pub refused: RefusedEntries,
    /// Sources that were not there when the generation was made.
    pub missing_sources: Vec<Vec<u8>>,
    /// Objects that do not have exactly one stanza for each recipient: somebody else may be able to open them.
    pub wrong_stanzas: Vec<u64>,
    /// The chain of seals is valid from the label to this generation.
    pub trusted: bool,
    /// What is wrong with the chain of seals.
    pub faults: Vec<Fault>,
    /// Recipients of the set that the key does not belong to: further keys open it.
    pub other_recipients: Vec<String>,
}

/// Opens the newest generation and reads all its entries. That needs its packs, its manifest and the key together.
pub fn rehearse(from: &Path, set: Option<Id>, identity: &Identity, env: &Env, observer: &dyn Observer) -> Result<Report> {
    observer.on_event(Event::Phase(Phase::Checking));
    let (opened, chain) = OpenSet::with_content(from, set, None, env.loader)?;
    let generation = Generation::open(&*opened.medium, &chain, None, identity)?;
    let (number, mut refused) = (generation.manifest.generation, RefusedEntries::default());
    let mut entries = generation.entries();
    for record in entries.by_ref() {
        check_interrupted(env)?;
        if let Err(entry) = record?.entry {
            refused.add(number, entry);
        }
    }
    let missing_sources = entries.missing_sources().into_iter().map(|s| s.name.clone()).collect();
    let own = identity.recipients();
    Ok(Report {
        set: chain.set,
        set_name: set_name(&chain),
        generation: number,
        time: generation.link.seal.time.clone(),
        entries: entries.seen(),
        refused,
        missing_sources,
        wrong_stanzas: generation.wrong_stanzas(),
        trusted: generation.link.trusted,
        other_recipients: generation.manifest.recipients.iter().filter(|r| !own.texts().contains(r)).cloned().collect(),
        faults: chain.faults,
    })
}
