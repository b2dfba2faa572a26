//! `catalog rebuild`: the catalog of a set, made anew from its medium and an identity.
//!
//! Needs the set's folder in the state directory: the key of the next seal is nowhere else. Without it the set can be read and
//! restored as ever, and the next backup begins a new one.

use crate::env::Env;
use crate::event::{Event, Observer, Phase, chain_text};
use crate::format::label::Label;
use crate::format::limit;
use crate::format::object::{Id, Object, ObjectKind};
use crate::format::pack::Index;
use crate::format::watch;
use crate::generation::{Generation, GenerationError};
use crate::host::catalog::{Catalog, CatalogError, GenerationRow, Location, MediumRow, SetRow};
use crate::host::state::{SetState, StateDir, StateError};
use crate::medium::{AttachedMedium, ErrorCategory, Medium, MediumError};
use crate::pipeline::compressor::{FrameError, read_index};
use crate::pipeline::encryptor::{DecryptError, Decryptor, Identity};
use crate::seal::chain::{Fault, FaultKind, ReadError, SealLink, read_object};
use crate::seal::{KeyError, SealKeys};
use crate::set::open::{OpenError, OpenSet};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub struct Report {
    pub set: Id,
    pub generations: u64,
    pub packs: u64,
    pub chunks: u64,
    /// Packs whose index could not be read; what lies in them is stored again when it is met.
    pub unreadable_packs: Vec<u64>,
    /// Why the last generation's entries could not be read: the next run then reads everything, as on the first night.
    pub unreadable_entries: Option<String>,
    /// Where a damaged catalog was put.
    pub set_aside: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("no set on {} is known to this host", path.display())]
    Unknown { path: PathBuf },
    #[error("the chain of seals does not hold")]
    Untrusted,
    #[error("the run was interrupted")]
    Interrupted,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the medium failed")]
    Medium(#[source] MediumError),
    #[error("the generation cannot be opened")]
    Generation(#[source] GenerationError),
    #[error("the catalog failed")]
    Catalog(#[source] CatalogError),
    #[error("the state directory failed")]
    State(#[source] StateError),
    #[error("the seal keys failed")]
    SealKeys(#[source] KeyError),
    #[error("the host's copy of the entries cannot be written")]
    Entries(#[source] std::io::Error),
}

type Result<T> = std::result::Result<T, RebuildError>;

/// Rebuilds the catalog of every set on the medium that this host writes.
pub fn rebuild(from: &Path, state: &Path, identity: &Identity, env: &Env, observer: &dyn Observer) -> Result<Vec<Report>> {
    let state = StateDir::open(state).map_err(RebuildError::State)?;
    let sets = AttachedMedium::find(from, env.loader).and_then(|place| place.sets()).map_err(RebuildError::Medium)?;
    let known: Vec<SetState> = sets.found.iter().filter_map(|s| state.set(s.id)).collect();
    if known.is_empty() {
        return Err(RebuildError::Unknown { path: from.into() });
    }
    let mut set_aside = None;
    let mut catalog = match Catalog::open(&state.catalog()) {
        Err(CatalogError::Damaged { .. }) => {
            set_aside = Some(state.set_catalog_aside().map_err(RebuildError::State)?);
            Catalog::open(&state.catalog())
        }
        other => other,
    }
    .map_err(RebuildError::Catalog)?;
    known.iter().map(|set| rebuild_set(from, set, &mut catalog, identity, env, observer, set_aside.clone())).collect()
}

fn rebuild_set(
    from: &Path,
    set: &SetState,
    catalog: &mut Catalog,
    identity: &Identity,
    env: &Env,
    observer: &dyn Observer,
    set_aside: Option<PathBuf>,
) -> Result<Report> {
    let _lock = set.lock().map_err(RebuildError::State)?;
    observer.on_event(Event::Phase(Phase::Checking));
    let opened = OpenSet::open(from, Some(set.id()), env.loader)?;
    let id = opened.id;
    let chain = opened.chain()?;
    let opened = opened.with_earlier_media(&chain, from, env.loader)?;
    let medium = &*opened.medium;
    // A seal that was cut short behind the last one is a leftover.
    let end = chain.last().map_or(0, |l| l.number + 1);
    let is_leftover = |f: &Fault| f.object >= end && f.kind == ObjectKind::Seal && matches!(f.what, FaultKind::Unreadable { .. });
    if !chain.links.iter().all(|l| l.trusted) || !chain.faults.iter().all(is_leftover) {
        return Err(RebuildError::Untrusted);
    }
    let old = catalog.set(id).map_err(RebuildError::Catalog)?;
    let knew_damage = old.map(|row| catalog.wants_reread(row)).transpose().map_err(RebuildError::Catalog)?.unwrap_or(false);
    let name = set.info().map_err(RebuildError::State)?.name;
    let created = chain.label.as_ref().map(|l| l.created.clone()).unwrap_or_default();
    catalog.forget_set(id).map_err(RebuildError::Catalog)?;
    let row = catalog.add_set(id, &name, &created).map_err(RebuildError::Catalog)?;
    let mut report = Report {
        set: id,
        generations: chain.generations().count() as u64,
        packs: 0,
        chunks: 0,
        unreadable_packs: Vec::new(),
        unreadable_entries: None,
        set_aside,
    };
    observer.on_event(Event::Phase(Phase::Reading));
    let mut complete: Option<GenerationRow> = None;
    let mut damaged: Vec<u64> = Vec::new();
    for link in &chain.links {
        for object in &link.seal.objects {
            if env.is_interrupted() {
                return Err(RebuildError::Interrupted);
            }
            // Which packs were found damaged is forgotten with the old catalog: it is found out anew.
            let is_good = !(knew_damage && object.kind == ObjectKind::Pack) || is_whole(medium, object)?;
            add_object(catalog, row, medium, identity, object, is_good, &mut report)?;
            observer.on_event(Event::Progress { entries: 1, bytes: object.length });
        }
        let seal = Object { number: link.number, kind: ObjectKind::Seal, length: link.length, digest: Some(link.digest) };
        catalog.add_object(row, &seal, &mut []).map_err(RebuildError::Catalog)?;
        catalog.put_seal(row, link.number, &seal_bytes(medium, link)?).map_err(RebuildError::Catalog)?;
        let mut g = GenerationRow {
            number: link.seal.generation,
            seal_object: link.number,
            seal_digest: link.digest,
            time: link.seal.time.clone(),
            started: complete.as_ref().map_or(0, |g: &GenerationRow| g.started),
            entries_digest: complete.as_ref().map_or([0; 32], |g| g.entries_digest),
            durable: true,
            closing: link.seal.is_closing(),
        };
        if !g.closing {
            let is_last = Some(link.number) == chain.generations().next_back().map(|l| l.number);
            let copied = match Generation::open(medium, &chain, Some(g.number), identity) {
                Ok(generation) => {
                    g.started = generation.manifest.started.as_nanoseconds_64();
                    g.entries_digest = generation.manifest.entries.blake3;
                    if is_last {
                        set.put_watch(&watch::encode(&generation.manifest.watch)).map_err(RebuildError::State)?;
                        copy_entries(set, &generation)?
                    } else {
                        None
                    }
                }
                // It costs its own generation and no other.
                Err(e @ GenerationError::Damaged { .. }) => Some(e).filter(|_| is_last),
                Err(e) => return Err(RebuildError::Generation(e)),
            };
            complete = Some(g.clone());
            if let Some(e) = copied {
                // No later generation may lean on what lies there.
                damaged = e.object().into_iter().collect();
                report.unreadable_entries = Some(chain_text(&e));
            }
        }
        catalog.put_generation(row, &g).map_err(RebuildError::Catalog)?;
        if !damaged.is_empty() {
            catalog.mark_damaged(row, &std::mem::take(&mut damaged)).map_err(RebuildError::Catalog)?;
        }
    }
    if !report.unreadable_packs.is_empty() {
        catalog.mark_damaged(row, &report.unreadable_packs).map_err(RebuildError::Catalog)?;
    }
    let mut keys = SealKeys::load(&set.seal_keys()).map_err(RebuildError::SealKeys)?;
    keys.catch_up(chain.last().map(|l| &l.seal)).map_err(RebuildError::SealKeys)?;
    let detail = format!("set {id} generations {} packs {}", report.generations, report.packs);
    catalog.log(&env.time_text(), "catalog rebuild", &detail).map_err(RebuildError::Catalog)?;
    Ok(report)
}

fn seal_bytes(medium: &dyn Medium, link: &SealLink) -> Result<Vec<u8>> {
    read_object(medium, link.number, ObjectKind::Seal, limit::SEAL_BYTES).map_err(|e| match e {
        ReadError::Medium(e) => RebuildError::Medium(e),
        ReadError::Damaged(_) => RebuildError::Untrusted,
    })
}

fn add_object(
    catalog: &mut Catalog,
    row: SetRow,
    medium: &dyn Medium,
    identity: &Identity,
    object: &Object,
    is_good: bool,
    report: &mut Report,
) -> Result<()> {
    let mut chunks = Vec::new();
    if object.kind == ObjectKind::Label
        && let Ok(bytes) = read_object(medium, object.number, ObjectKind::Label, limit::LABEL_BYTES)
        && let Ok(label) = Label::decode(&bytes)
    {
        catalog.put_medium(row, &MediumRow::of(&label)).map_err(RebuildError::Catalog)?;
    }
    if object.kind == ObjectKind::Pack {
        report.packs += 1;
        match if is_good { index_of(medium, identity, object.number)? } else { None } {
            Some(index) => {
                let mut frame_at = 0;
                for frame in &index.frames {
                    let mut offset = 0;
                    for (id, length) in &frame.chunks {
                        chunks.push((*id, Location { object: object.number, frame: frame_at, offset, length: *length }));
                        offset += length;
                    }
                    frame_at += frame.stored;
                }
            }
            None => report.unreadable_packs.push(object.number),
        }
    }
    report.chunks += chunks.len() as u64;
    catalog.add_object(row, object, &mut chunks).map_err(RebuildError::Catalog)
}

/// What lies in a pack; `None` where that cannot be read.
fn index_of(medium: &dyn Medium, identity: &Identity, number: u64) -> Result<Option<Index>> {
    let open = match medium.open(number, ObjectKind::Pack) {
        Ok(open) => open,
        Err(e) if e.category() == ErrorCategory::Damage => return Ok(None),
        Err(e) => return Err(RebuildError::Medium(e)),
    };
    let gone = |e| MediumError::unwrap_io(e).map_or(Ok(None), |said| Err(RebuildError::Medium(said)));
    match Decryptor::open(identity, open) {
        Ok(mut payload) => match read_index(&mut payload) {
            Ok(index) => Ok(Some(index)),
            Err(FrameError::Read { source }) => gone(source),
            Err(_) => Ok(None),
        },
        Err(DecryptError::Read { source }) => gone(source),
        Err(_) => Ok(None),
    }
}

fn is_whole(medium: &dyn Medium, object: &Object) -> Result<bool> {
    match medium.read_back(object.number, object.kind) {
        Ok(r) => Ok(r.length == object.length && Some(r.digest) == object.digest),
        Err(e) if e.category() == ErrorCategory::Damage => Ok(false),
        Err(e) => Err(RebuildError::Medium(e)),
    }
}

/// The host's copy of the last entry stream, so that the next night reads only what changed. What is damaged is not copied in part.
fn copy_entries(set: &SetState, generation: &Generation) -> Result<Option<GenerationError>> {
    let mut copy = std::io::BufWriter::new(set.new_entries().map_err(RebuildError::State)?);
    let mut record = Vec::new();
    for entry in generation.entries() {
        record.clear();
        // The encoding is deterministic: these are the bytes of the stream.
        match entry {
            Ok(read) => read.entry.encode(&mut record),
            Err(e) => return Ok(Some(e)),
        };
        copy.write_all(&record).map_err(RebuildError::Entries)?;
    }
    copy.flush().map_err(RebuildError::Entries)?;
    set.promote_entries().map_err(RebuildError::State)?;
    Ok(None)
}
