//! `catalog rebuild`: makes the catalog of a set anew, from its medium and an identity.
//!
//! Needs the set's folder in the state directory: the key of the next seal is nowhere else. Without the folder the set
//! can still be read and restored, and the next backup begins a new set.

use crate::env::Env;
use crate::event::{Event, FindingKind, Observer, Phase, chain_text};
use crate::format::digests::Hashes;
use crate::format::entry::RefusedEntry;
use crate::format::label::Label;
use crate::format::object::{Id, Object, ObjectKind};
use crate::format::pack::{ChunkId, Index};
use crate::format::watch::Alarm;
use crate::format::{limit, watch};
use crate::generation::{EntryRecord, Generation, GenerationError};
use crate::host::catalog::{Catalog, CatalogError, Location, MediumRow, SealRow, SetRow};
use crate::host::state::{SetState, StateDir, StateError};
use crate::job::incident::harmless::recall;
use crate::medium::{AttachedMedium, ErrorCategory, Medium, MediumError};
use crate::pipeline::compressor::{FrameError, read_index};
use crate::pipeline::encryptor::{DecryptError, Decryptor, Identity};
use crate::pipeline::packer::UnpackError;
use crate::seal::chain::{Chain, Fault, FaultKind, ReadError, SealLink, read_object};
use crate::seal::{KeyError, SealKeys};
use crate::set::open::{OpenError, OpenSet};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A set whose catalog was rebuilt.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The set's id.
    pub set: Id,
    /// Number of its generations.
    pub generations: u64,
    /// Number of its packs.
    pub packs: u64,
    /// Number of chunks in the packs that could be read.
    pub chunks: u64,
    /// Packs whose index cannot be read: a backup stores again what lies in them and the sources still have.
    pub unreadable_packs: Vec<u64>,
    /// Why the entries of the last generation cannot be read: the next backup then reads all files, as in the first
    /// night.
    pub unreadable_entries: Option<String>,
    /// Where the damaged catalog was moved.
    pub set_aside: Option<PathBuf>,
}

/// Why the catalog cannot be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The state directory has the folder of no set on the medium.
    #[error("no set on {} is known to this host", path.display())]
    Unknown {
        /// Where the medium is.
        path: PathBuf,
    },
    /// A seal may have been forged: nothing is taken from it.
    #[error("the chain of seals is broken")]
    Untrusted,
    /// The user interrupted the job.
    #[error("the run was interrupted")]
    Interrupted,
    /// The set cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The medium failed.
    #[error(transparent)]
    Medium(#[from] MediumError),
    /// A generation cannot be opened.
    #[error(transparent)]
    Generation(#[from] GenerationError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The state directory cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The seal keys failed.
    #[error(transparent)]
    SealKeys(#[from] KeyError),
    /// A call to the system failed.
    #[error("the host's copy of the entries cannot be written")]
    Entries(#[source] io::Error),
}

type Result<T> = std::result::Result<T, RebuildError>;

/// Rebuilds the catalog of every set on the medium that this host writes.
pub fn rebuild(from: &Path, state: &Path, identity: &Identity, env: &Env, observer: &dyn Observer) -> Result<Vec<Report>> {
    let state = StateDir::open(state)?;
    let sets = AttachedMedium::find(from, env.loader)?.sets()?;
    let known: Vec<SetState> = sets.found.iter().filter_map(|s| state.set(s.id)).collect();
    if known.is_empty() {
        return Err(RebuildError::Unknown { path: from.into() });
    }
    let mut set_aside = None;
    let mut catalog = match Catalog::open(&state.catalog()) {
        Err(CatalogError::Damaged { .. }) => {
            set_aside = Some(state.set_catalog_aside()?);
            Catalog::open(&state.catalog())
        }
        opened => opened,
    }?;
    let mut rebuild_one = |set| {
        let report = rebuild_set(from, set, &mut catalog, identity, env, observer)?;
        Ok(Report { set_aside: set_aside.clone(), ..report })
    };
    known.iter().map(&mut rebuild_one).collect()
}

fn rebuild_set(
    from: &Path,
    set: &SetState,
    catalog: &mut Catalog,
    identity: &Identity,
    env: &Env,
    observer: &dyn Observer,
) -> Result<Report> {
    let _lock = set.lock()?;
    observer.on_event(Event::Phase(Phase::Checking));
    let opened = OpenSet::open(from, Some(set.id()), env.loader)?;
    let chain = opened.chain()?;
    let opened = opened.with_earlier_media(&chain, from, env.loader)?;
    check_trusted(&chain)?;
    let old = catalog.set(opened.id)?;
    let had_damage = old.map(|row| catalog.wants_reread(row)).transpose()?.unwrap_or(false);
    let created = chain.label.as_ref().map(|l| l.created.clone()).unwrap_or_default();
    let name = set.info()?.name;
    catalog.forget_set(opened.id)?;
    let row = catalog.add_set(opened.id, &name, &created)?;
    observer.on_event(Event::Phase(Phase::Reading));
    let mut rebuilding = Rebuilding {
        set,
        chain: &chain,
        medium: &*opened.medium,
        identity,
        catalog,
        row,
        had_damage,
        previous: None,
        alarms: Vec::new(),
    };
    let report = rebuilding.run(env, observer)?;
    let mut keys = SealKeys::load(&set.seal_keys())?;
    keys.catch_up(chain.last().map(|l| &l.seal))?;
    let detail = format!("set {} generations {} packs {}", report.set, report.generations, report.packs);
    catalog.log(&env.time_text(), "catalog rebuild", &detail)?;
    Ok(report)
}

/// Fails unless every seal is trusted. A seal behind the last one that was cut short is a leftover of an interrupted
/// run.
fn check_trusted(chain: &Chain) -> Result<()> {
    let end = chain.last().map_or(0, |l| l.number + 1);
    let is_leftover = |f: &Fault| f.object >= end && f.kind == ObjectKind::Seal && matches!(f.what, FaultKind::Unreadable { .. });
    match chain.links.iter().all(|l| l.trusted) && chain.faults.iter().all(is_leftover) {
        true => Ok(()),
        false => Err(RebuildError::Untrusted),
    }
}

/// Why the entries of the last generation are not copied to the host.
struct UnusableEntries {
    why: String,
    /// The damaged object.
    object: Option<u64>,
}

impl UnusableEntries {
    fn damaged(e: &GenerationError) -> Self {
        Self { why: chain_text(e), object: e.object() }
    }

    fn of(refused: &RefusedEntry) -> Self {
        let why = format!("{}: {}", String::from_utf8_lossy(&refused.path), refused.why);
        Self { why, object: None }
    }
}

/// The new rows of one set.
struct Rebuilding<'r> {
    set: &'r SetState,
    chain: &'r Chain,
    medium: &'r dyn Medium,
    identity: &'r Identity,
    catalog: &'r mut Catalog,
    row: SetRow,
    /// The old catalog listed damaged packs. Which ones is forgotten with it: all packs are read again to find out.
    had_damage: bool,
    /// The last generation before this one that is no closing seal.
    previous: Option<SealRow>,
    /// What each generation has sealed of its alarms.
    alarms: Vec<(u64, Vec<Alarm>)>,
}

impl Rebuilding<'_> {
    fn run(&mut self, env: &Env, observer: &dyn Observer) -> Result<Report> {
        let mut report = Report {
            set: self.chain.set,
            generations: self.chain.generations().count() as u64,
            packs: 0,
            chunks: 0,
            unreadable_packs: Vec::new(),
            unreadable_entries: None,
            set_aside: None,
        };
        for link in &self.chain.links {
            for object in &link.objects {
                if env.is_interrupted() {
                    return Err(RebuildError::Interrupted);
                }
                self.add_object(object, &mut report)?;
                observer.on_event(Event::Progress { entries: 1, bytes: object.length });
            }
            self.add_seal(link)?;
            self.add_generation(link, &mut report)?;
        }
        recall(self.set, &self.alarms)?;
        if !report.unreadable_packs.is_empty() {
            self.catalog.mark_damaged(self.row, &report.unreadable_packs)?;
        }
        Ok(report)
    }

    fn add_object(&mut self, object: &Object, report: &mut Report) -> Result<()> {
        let mut chunks = Vec::new();
        match object.kind {
            ObjectKind::Label => {
                if let Ok(bytes) = read_object(self.medium, object.number, object.kind, limit::LABEL_BYTES)
                    && let Ok(label) = Label::decode(&bytes)
                {
                    self.catalog.put_medium(self.row, &MediumRow::of(&label))?;
                    self.catalog.put_label(self.row, object.number, blake3::hash(&bytes).as_bytes())?;
                }
            }
            ObjectKind::Pack => {
                report.packs += 1;
                let is_whole = !self.had_damage || is_whole(self.medium, object)?;
                match if is_whole { index_of(self.medium, self.identity, object.number)? } else { None } {
                    Some(index) => chunks = locations(object.number, &index),
                    None => report.unreadable_packs.push(object.number),
                }
            }
            _ => {}
        }
        report.chunks += chunks.len() as u64;
        Ok(self.catalog.add_object(self.row, object, &mut chunks)?)
    }

    fn add_seal(&mut self, link: &SealLink) -> Result<()> {
        self.catalog.add_object(self.row, &link.object(), &mut [])?;
        let bytes = read_object(self.medium, link.number, ObjectKind::Seal, limit::SEAL_BYTES).map_err(|e| match e {
            ReadError::Medium(e) => RebuildError::Medium(e),
            ReadError::Damaged(_) => RebuildError::Untrusted,
        })?;
        Ok(self.catalog.put_seal(self.row, link.number, &bytes)?)
    }

    fn add_generation(&mut self, link: &SealLink, report: &mut Report) -> Result<()> {
        let mut generation = SealRow {
            seal: link.seal.earlier + 1,
            number: link.seal.generation,
            seal_object: link.number,
            head: link.head,
            time: link.seal.time.clone(),
            started: self.previous.as_ref().map_or(0, |g| g.started),
            entries_digest: self.previous.as_ref().map_or([0; 32], |g| g.entries_digest),
            durable: true,
            closing: link.seal.is_closing(),
        };
        let mut damaged = None;
        if !generation.closing {
            if let Some(unusable) = self.read_manifest(&mut generation)? {
                // No later generation may refer to entries that lie there.
                damaged = unusable.object;
                report.unreadable_entries = Some(unusable.why);
            }
            self.previous = Some(generation.clone());
        }
        self.catalog.put_seal_row(self.row, &generation)?;
        match damaged {
            Some(object) => Ok(self.catalog.mark_damaged(self.row, &[object])?),
            None => Ok(()),
        }
    }

    /// Completes a generation's row from its manifest. Of the last generation, copies the entries to the host; returns
    /// why that is impossible.
    fn read_manifest(&mut self, row: &mut SealRow) -> Result<Option<UnusableEntries>> {
        let is_last = Some(row.seal_object) == self.chain.generations().next_back().map(|l| l.number);
        let generation = match Generation::open(self.medium, self.chain, Some(row.number), self.identity) {
            Ok(generation) => generation,
            // The damage concerns this generation only.
            Err(e @ GenerationError::Damaged { .. }) => return Ok(is_last.then(|| UnusableEntries::damaged(&e))),
            Err(e) => return Err(e.into()),
        };
        row.started = generation.manifest.started.as_nanoseconds_64();
        row.entries_digest = generation.manifest.entries.blake3;
        self.alarms.push((row.number, generation.manifest.alarms.clone()));
        if !is_last {
            return Ok(None);
        }
        self.set.put_watch(&watch::encode(&generation.manifest.watch), row.number)?;
        let findings = generation.manifest.findings.iter();
        let lacking = findings.filter(|f| f.kind == FindingKind::AttributesUnreadable.name());
        self.set.put_lacking(&lacking.flat_map(|f| [&f.path[..], b"\0"].concat()).collect::<Vec<u8>>())?;
        copy_entries(self.set, &generation)
    }
}

/// Where the chunks of a pack are.
fn locations(object: u64, index: &Index) -> Vec<(ChunkId, Location)> {
    let (mut chunks, mut frame_at) = (Vec::new(), 0);
    for frame in &index.frames {
        let mut offset = 0;
        for (id, length) in &frame.chunks {
            chunks.push((*id, Location { object, frame: frame_at, offset, length: *length }));
            offset += length;
        }
        frame_at += frame.stored;
    }
    chunks
}

/// The index of a pack; `None` if it cannot be read. The ids and lengths in it are taken as they are: no frame is decoded
/// to compute them again. They only tell later backups what is stored; a restore does not use them.
fn index_of(medium: &dyn Medium, identity: &Identity, number: u64) -> Result<Option<Index>> {
    let open = match medium.open(number, ObjectKind::Pack) {
        Ok(open) => open,
        Err(e) if e.category() == ErrorCategory::Damage => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    // An error of the medium ends the job; any other is damage.
    let unreadable = |e| MediumError::unwrap_io(e).map_or(Ok(None), |e| Err(e.into()));
    match Decryptor::open(identity, open) {
        Ok(mut payload) => match read_index(&mut payload) {
            Ok(index) => Ok(Some(index)),
            Err(FrameError::Read { source }) => unreadable(source),
            // Not damaged: a newer program may read it, and this one must not write into such a set.
            Err(FrameError::Malformed(e)) if e.is_newer() => {
                let source = UnpackError::Index(FrameError::Malformed(e));
                Err(GenerationError::Unpack { object: number, source }.into())
            }
            Err(_) => Ok(None),
        },
        Err(DecryptError::Read { source }) => unreadable(source),
        Err(_) => Ok(None),
    }
}

fn is_whole(medium: &dyn Medium, object: &Object) -> Result<bool> {
    match medium.read_back(object.number, object.kind, Hashes::Both) {
        Ok(r) => Ok(r.length == object.length && object.digests.is_some_and(|d| d.agree_with(&r.digests))),
        Err(e) if e.category() == ErrorCategory::Damage => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Copies the entries of the last generation to the host, so that the next backup reads only what changed. Damaged
/// entries are not copied in part: returns what is damaged. Nor are they copied if one is refused for damage: the next
/// backup must not take it over as unchanged. A newer one is read again anyway.
fn copy_entries(set: &SetState, generation: &Generation) -> Result<Option<UnusableEntries>> {
    let mut copy = BufWriter::new(set.new_entries()?);
    let mut entries = generation.entries();
    while let Some(read) = entries.next() {
        match read {
            Ok(EntryRecord { entry: Err(refused), .. }) if !refused.is_newer() => return Ok(Some(UnusableEntries::of(&refused))),
            Ok(_) => copy.write_all(entries.encoded()).map_err(RebuildError::Entries)?,
            Err(e) => return Ok(Some(UnusableEntries::damaged(&e))),
        }
    }
    copy.flush().map_err(RebuildError::Entries)?;
    set.promote_entries()?;
    Ok(None)
}
