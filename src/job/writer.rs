//! A set opened for writing: found on the medium, its host state at hand, leftovers of interrupted work sorted out.
//!
//! **Invariant:** opening changes nothing on the medium. What the last run left is adopted where it is whole and named
//! `void` by the next seal where it is not.

use super::World;
use super::backup::BackupError;
use crate::catalog::{Catalog, GenerationRow, SetRow};
use crate::event::{Event, FindingKind, Observer};
use crate::format::label::{Label, fingerprint};
use crate::format::merkle::{Tree, object_leaf};
use crate::format::object::{Id, Kind, Object, file_name};
use crate::format::seal::ReadBack;
use crate::job::TOOL;
use crate::medium::{Directory, Guard, Medium};
use crate::pipeline::encryptor::Recipients;
use crate::seal::SealKeys;
use crate::set_key::SetKey;
use crate::state::{Lock, SetInfo, SetState, StateDir};
use std::path::Path;

/// A set that this run may append to.
pub struct Writer {
    pub id: Id,
    pub state: SetState,
    pub info: SetInfo,
    pub key: SetKey,
    pub recipients: Recipients,
    pub catalog: Catalog,
    pub row: SetRow,
    pub medium: Directory,
    pub keys: SealKeys,
    /// The last generation, and its seal's digest.
    pub last: Option<GenerationRow>,
    /// The log up to and with the last seal.
    pub log: Tree,
    /// Objects behind the last seal, sorted out: adopted or void.
    pub adopted: Vec<Object>,
    pub read_back: ReadBack,
    /// Number of the next object.
    pub next: u64,
    _locks: (Lock, Guard),
}

/// What to do when the medium has no set of this host.
pub struct Begin<'a> {
    pub name: &'a str,
    pub recipients: &'a [String],
}

/// How the set came to be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    Known,
    /// A new set was begun: the medium had none.
    New,
    /// A new set was begun: the catalog of the old one is lost.
    NewWithoutCatalog,
}

type Result<T> = std::result::Result<T, BackupError>;

/// Opens the set of this host on the medium at `root`, or begins one.
pub fn open(
    root: &Path,
    state: &StateDir,
    begin: Option<&Begin>,
    world: &World,
    observer: &dyn Observer,
) -> Result<(Writer, Opened)> {
    let sets = Directory::sets(root).map_err(BackupError::Medium)?;
    let catalog = Catalog::open(&state.catalog()).map_err(BackupError::Catalog)?;
    let mut forgotten = None;
    // The newest set of this host: a set whose catalog was lost has been succeeded by another.
    let mut known = Vec::new();
    for on_medium in &sets.found {
        let Some(set_state) = state.set(on_medium.id) else { continue };
        match catalog.set(on_medium.id).map_err(BackupError::Catalog)? {
            Some(row) => known.push((on_medium.label.created.clone(), on_medium.id, set_state, row)),
            None => forgotten = Some(set_state),
        }
    }
    known.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(&b.1)));
    if let Some((_, id, set_state, row)) = known.pop() {
        return Ok((Writer::open(root, id, set_state, catalog, row, observer)?, Opened::Known));
    }
    if let Some(old) = forgotten {
        let info = old.info().map_err(BackupError::State)?;
        let begin = Begin { name: &info.name, recipients: &info.recipients };
        return Ok((Writer::begin(root, state, catalog, &begin, world)?, Opened::NewWithoutCatalog));
    }
    match begin {
        Some(begin) => Ok((Writer::begin(root, state, catalog, begin, world)?, Opened::New)),
        None if sets.found.is_empty() && sets.broken.is_empty() => Err(BackupError::Blank { path: root.into() }),
        None => Err(BackupError::Unregistered { path: root.into() }),
    }
}

impl Writer {
    /// Begins a set: state on the host first, then the label on the medium.
    fn begin(root: &Path, state: &StateDir, mut catalog: Catalog, begin: &Begin, world: &World) -> Result<Self> {
        if begin.recipients.is_empty() {
            return Err(BackupError::NoRecipients);
        }
        let recipients = Recipients::parse(begin.recipients).map_err(BackupError::Recipient)?;
        let (mut id, mut medium_id, mut key) = (Id([0; 16]), Id([0; 16]), SetKey([0; 32]));
        (world.random)(&mut id.0);
        (world.random)(&mut medium_id.0);
        (world.random)(&mut key.0);
        let immutable = Directory::wants_immutable(root);
        let medium = Directory::create(root, id).map_err(BackupError::Medium)?.with_immutable(immutable);
        let guard = medium.lock().map_err(BackupError::Medium)?;
        let info = SetInfo { name: begin.name.to_owned(), recipients: begin.recipients.to_vec() };
        let set_state = state.create_set(id, &info, &key).map_err(BackupError::State)?;
        let lock = set_state.lock().map_err(BackupError::State)?;
        let keys = SealKeys::create(&set_state.seal_keys()).map_err(BackupError::SealKeys)?;
        let created = world.time_text();
        let label = Label {
            set: id,
            name: info.name.clone(),
            medium: medium_id,
            place: 1,
            first_object: 0,
            created: created.clone(),
            recipients: info.recipients.iter().map(|r| fingerprint(r)).collect(),
            root_key: keys.current().public(),
            tool: TOOL.into(),
        };
        let bytes = label.encode();
        medium.append(0, Kind::Label, &bytes).and_then(|()| medium.sync()).map_err(BackupError::Medium)?;
        let object =
            Object { number: 0, kind: Kind::Label, length: bytes.len() as u64, digest: Some(*blake3::hash(&bytes).as_bytes()) };
        let read_back = super::backup::shelf::read_back(&medium, &object)?;
        let row = catalog.add_set(id, &info.name, &created).map_err(BackupError::Catalog)?;
        catalog.add_object(row, &object, &mut []).map_err(BackupError::Catalog)?;
        Ok(Self {
            id,
            state: set_state,
            info,
            key,
            recipients,
            catalog,
            row,
            medium,
            keys,
            last: None,
            log: Tree::default(),
            adopted: vec![object],
            read_back,
            next: 1,
            _locks: (lock, guard),
        })
    }

    fn open(root: &Path, id: Id, state: SetState, catalog: Catalog, row: SetRow, observer: &dyn Observer) -> Result<Self> {
        let lock = state.lock().map_err(BackupError::State)?;
        let medium = Directory::open(root, id).map_err(BackupError::Medium)?.with_immutable(Directory::wants_immutable(root));
        let guard = medium.lock().map_err(BackupError::Medium)?;
        let info = state.info().map_err(BackupError::State)?;
        let mut writer = Self {
            id,
            key: state.key().map_err(BackupError::State)?,
            recipients: Recipients::parse(&info.recipients).map_err(BackupError::Recipient)?,
            keys: SealKeys::load(&state.seal_keys()).map_err(BackupError::SealKeys)?,
            state,
            info,
            catalog,
            row,
            medium,
            last: None,
            log: Tree::default(),
            adopted: Vec::new(),
            read_back: ReadBack::Direct,
            next: 0,
            _locks: (lock, guard),
        };
        writer.find_last_generation()?;
        writer.sort_out_leftovers(observer)?;
        Ok(writer)
    }

    /// Brings catalog, keys and the host's entry stream in step with the last seal on the medium.
    fn find_last_generation(&mut self) -> Result<()> {
        let last = self.catalog.last_generation(self.row).map_err(BackupError::Catalog)?;
        if let Some(pending) = last.filter(|g| !g.durable) {
            // The run ended between writing its seal and recording it, or before writing it.
            if self.seal_digest(pending.seal_object)? == Some(pending.seal_digest) {
                self.sealed(pending)?;
            } else {
                self.catalog.forget_generation(self.row, pending.number).map_err(BackupError::Catalog)?;
            }
        }
        self.last = self.catalog.last_durable_generation(self.row).map_err(BackupError::Catalog)?;
        let end = match &self.last {
            None => 0,
            Some(g) => {
                if self.seal_digest(g.seal_object)? != Some(g.seal_digest) {
                    return Err(BackupError::RolledBack { generation: g.number });
                }
                g.seal_object + 1
            }
        };
        let log = &mut self.log;
        self.catalog.each_object(self.row, end, |o| log.push(object_leaf(&o))).map_err(BackupError::Catalog)?;
        if self.log.count() != end {
            return Err(BackupError::StaleCatalog);
        }
        let generation = self.last.as_ref().map_or(1, |g| g.number + 1);
        if self.keys.generation() + 1 == generation {
            // The run ended between recording its seal and destroying the key that had signed it.
            self.keys.advance().map_err(BackupError::SealKeys)?;
        }
        if self.keys.generation() != generation {
            return Err(BackupError::StaleCatalog);
        }
        Ok(())
    }

    fn seal_digest(&self, number: u64) -> Result<Option<[u8; 32]>> {
        match self.medium.read_back(number, Kind::Seal) {
            Ok(reread) => Ok(Some(reread.digest)),
            Err(e) if e.blame() == crate::medium::Blame::Damage => Ok(None),
            Err(e) => Err(BackupError::Medium(e)),
        }
    }

    /// Records that a generation's seal is durable, and lets go of what only the next one needs.
    pub fn sealed(&mut self, mut g: GenerationRow) -> Result<()> {
        g.durable = true;
        let reread = self.medium.read_back(g.seal_object, Kind::Seal).map_err(BackupError::Medium)?;
        let seal = Object { number: g.seal_object, kind: Kind::Seal, length: reread.length, digest: Some(g.seal_digest) };
        self.catalog.add_object(self.row, &seal, &mut []).map_err(BackupError::Catalog)?;
        if self.state.has_new_entries() {
            self.state.promote_entries().map_err(BackupError::State)?;
        }
        self.catalog.put_generation(self.row, &g).map_err(BackupError::Catalog)?;
        if self.keys.generation() == g.number {
            self.keys.advance().map_err(BackupError::SealKeys)?;
        }
        self.last = Some(g);
        Ok(())
    }

    /// Looks at every object behind the last seal: packs and labels that the catalog knows and that are whole are adopted, the rest is
    /// void.
    fn sort_out_leftovers(&mut self, observer: &dyn Observer) -> Result<()> {
        let first = self.last.as_ref().map_or(0, |g| g.seal_object + 1);
        let listed = self.medium.list().map_err(BackupError::Medium)?.objects;
        let known = self.catalog.unsealed(self.row).map_err(BackupError::Catalog)?;
        let end = listed.last().map_or(0, |o| o.number + 1).max(known.last().map_or(0, |o| o.number + 1)).max(first);
        for number in first..end {
            let there = listed.iter().find(|o| o.number == number);
            let expected = known.iter().find(|o| o.number == number && matches!(o.kind, Kind::Pack | Kind::Label));
            let reread = there.and_then(|o| self.medium.read_back(o.number, o.kind).ok().map(|r| (o.kind, r)));
            let object = match (expected, reread) {
                (Some(o), Some((kind, r))) if kind == o.kind && r.length == o.length && Some(r.digest) == o.digest => {
                    self.read_back = self.read_back.min(r.how);
                    *o
                }
                (_, reread) => {
                    let (length, digest) = reread.map_or((0, None), |(_, r)| (r.length, Some(r.digest)));
                    let void = Object { number, kind: Kind::Void, length, digest };
                    self.catalog.void_object(self.row, &void).map_err(BackupError::Catalog)?;
                    let name = there.map_or_else(|| file_name(number, Kind::Pack), |o| file_name(o.number, o.kind));
                    observer.hear(Event::Finding { kind: FindingKind::Leftover, path: name.into_bytes(), detail: String::new() });
                    void
                }
            };
            if first == 0 && number == 0 && object.kind != Kind::Label {
                return Err(BackupError::HalfWritten);
            }
            self.adopted.push(object);
        }
        self.next = end;
        Ok(())
    }
}
