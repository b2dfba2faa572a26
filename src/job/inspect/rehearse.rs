//! `keys rehearse`: proves that a recovery key opens a set, while nothing depends on it yet.

use super::InspectError;
use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::object::Id;
use crate::generation::Generation;
use crate::pipeline::encryptor::Identity;
use crate::seal::chain::Fault;
use crate::set::open::OpenSet;
use std::path::Path;

/// The newest generation, opened and read through with the key.
#[derive(Debug, Clone)]
pub struct Report {
    pub set: Id,
    pub set_name: String,
    pub generation: u64,
    pub time: String,
    /// Records that were decrypted and compared with the seal.
    pub entries: u64,
    pub trusted: bool,
    pub faults: Vec<Fault>,
    /// The set's recipients that the key is not: further keys that open it.
    pub other_recipients: Vec<String>,
}

/// Opens the newest generation and reads all its entries, which takes packs, manifest and key together.
pub fn rehearse(
    from: &Path,
    set: Option<Id>,
    identity: &Identity,
    env: &Env,
    observer: &dyn Observer,
) -> Result<Report, InspectError> {
    observer.on_event(Event::Phase(Phase::Checking));
    let (opened, chain) = OpenSet::with_content(from, set, None, env.loader)?;
    let generation = Generation::open(&*opened.medium, &chain, None, identity)?;
    let mut entries = 0;
    for record in generation.entries() {
        if env.is_interrupted() {
            return Err(InspectError::Interrupted);
        }
        record?;
        entries += 1;
    }
    let own = identity.recipients();
    Ok(Report {
        set: chain.set,
        set_name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
        generation: generation.manifest.generation,
        time: generation.link.seal.time.clone(),
        entries,
        trusted: generation.link.trusted,
        other_recipients: generation.manifest.recipients.iter().filter(|r| !own.texts().contains(r)).cloned().collect(),
        faults: chain.faults,
    })
}
