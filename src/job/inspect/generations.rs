//! `generations`: lists the generations of a set, from its label and seals; with an identity also from their manifests.

use super::Result;
use crate::env::Env;
use crate::format::check_code::CheckCode;
use crate::format::manifest::Manifest;
use crate::format::object::Id;
use crate::format::seal::{ReadBack, Verdict};
use crate::generation::Generation;
use crate::medium::{AttachedMedium, Sets};
use crate::pipeline::encryptor::Identity;
use crate::seal::chain::{Chain, Fault};
use crate::set::open::{OpenError, OpenSet, set_name};
use std::path::Path;

/// A set as its seals show it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SetReport {
    /// The set's id.
    pub set: Id,
    /// What people call it; empty if its label is unreadable.
    pub name: String,
    /// When it was begun, RFC 3339 in UTC; empty if its label is unreadable.
    pub created: String,
    /// The set keeps a state that is suspected of contamination.
    pub quarantine: bool,
    /// Ascending by number.
    pub generations: Vec<GenerationReport>,
    /// What is wrong with the chain of seals.
    pub faults: Vec<Fault>,
}

/// A generation as its seal shows it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GenerationReport {
    /// Its number.
    pub generation: u64,
    /// When it was sealed, RFC 3339 in UTC.
    pub time: String,
    /// How the backup ended.
    pub verdict: Verdict,
    /// The weakest way in which the backup read an object back.
    pub read_back: ReadBack,
    /// Of its seal.
    pub check_code: CheckCode,
    /// The chain of seals is valid from the label to this generation.
    pub trusted: bool,
    /// Number of its entries.
    pub entries: u64,
    /// Number of the medium with its seal, within the set, from 1.
    pub place: u64,
    /// Bytes that it added to the medium.
    pub added_bytes: u64,
    /// `None` without an identity, and for generations on earlier media.
    pub details: Option<Details>,
}

/// What only the manifest of a generation contains.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Details {
    /// The host that made the backup.
    pub host: String,
    /// The tag that the user gave it.
    pub tag: Option<String>,
    /// All files were read, whatever their times.
    pub full: bool,
    /// Names and priorities.
    pub sources: Vec<(Vec<u8>, Option<u8>)>,
    /// Names and counts.
    pub statistics: Vec<(String, u64)>,
    /// What a full restore reads: places of media within the set, with the bytes of content on each; empty if there is
    /// only one medium.
    pub media: Vec<(u64, u64)>,
}

impl Details {
    fn of(m: &Manifest) -> Self {
        Self {
            host: m.host.clone(),
            tag: m.tag.clone(),
            full: m.full,
            sources: m.sources.iter().map(|s| (s.name.clone(), s.priority)).collect(),
            statistics: m.statistics.clone(),
            media: m.media.clone(),
        }
    }
}

/// Bytes of all objects and seals of a generation, closing seals included.
fn added_bytes(chain: &Chain, generation: u64) -> u64 {
    let links = chain.links.iter().filter(|l| l.seal.generation == generation);
    links.map(|l| l.objects.iter().map(|o| o.length).sum::<u64>() + l.length).sum()
}

/// Lists the generations of a set; with an identity also what the manifests on the attached medium contain.
pub fn generations(from: &Path, set: Option<Id>, identity: Option<&Identity>, env: &Env) -> Result<SetReport> {
    report(&OpenSet::open(from, set, env.loader)?, identity)
}

/// The same of every set on the medium.
pub fn generations_of_all(from: &Path, identity: Option<&Identity>, env: &Env) -> Result<Vec<SetReport>> {
    let mut attached = Some(AttachedMedium::find(from, env.loader)?);
    let sets = attached.as_ref().map_or_else(|| Ok(Sets::default()), AttachedMedium::sets)?;
    // A set whose label is damaged still has seals.
    let ids = sets.ids_to_read();
    if ids.is_empty() {
        return Err(OpenError::Blank { path: from.to_owned() }.into());
    }
    let mut reports = Vec::new();
    for id in ids {
        // A drive must be free before it is opened once more.
        attached = attached.and_then(|attached| attached.again());
        let opened = match attached.as_ref().and_then(AttachedMedium::again) {
            Some(again) => OpenSet::open_found(id, again, &sets)?,
            None => OpenSet::open(from, Some(id), env.loader)?,
        };
        reports.push(report(&opened, identity)?);
    }
    Ok(reports)
}

fn report(opened: &OpenSet, identity: Option<&Identity>) -> Result<SetReport> {
    let chain = opened.chain()?;
    let first_objects = chain.media();
    let mut generations = Vec::new();
    for l in chain.generations() {
        let identity = identity.filter(|_| chain.manifests(l).iter().any(|m| m.number >= chain.first));
        let opened = identity.map(|i| Generation::open(&*opened.medium, &chain, Some(l.seal.generation), i)).transpose()?;
        generations.push(GenerationReport {
            generation: l.seal.generation,
            time: l.seal.time.clone(),
            verdict: l.seal.verdict,
            read_back: l.seal.read_back,
            check_code: CheckCode::of(&l.digest()),
            trusted: l.trusted,
            entries: l.seal.record_count,
            place: first_objects.partition_point(|first| *first < l.number) as u64,
            added_bytes: added_bytes(&chain, l.seal.generation),
            details: opened.map(|g| Details::of(&g.manifest)),
        });
    }
    Ok(SetReport {
        set: chain.set,
        name: set_name(&chain),
        created: chain.label.as_ref().map(|l| l.created.clone()).unwrap_or_default(),
        quarantine: chain.is_in_quarantine(),
        generations,
        faults: chain.faults,
    })
}
