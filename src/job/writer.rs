//! A set opened for writing: found on the medium, its host state at hand, leftovers of interrupted work sorted out.
//!
//! **Invariant:** opening changes nothing on the medium. What the last run left is adopted where it is whole and named
//! `void` by the next seal where it is not.

use super::World;
use super::backup::BackupError;
use crate::catalog::{Catalog, GenerationRow, SetRow};
use crate::event::{Event, FindingKind, Observer};
use crate::format::label::{Label, fingerprint};
use crate::format::limit;
use crate::format::merkle::{Tree, object_leaf};
use crate::format::object::{Id, Kind, Object, file_name};
use crate::format::seal::{ReadBack, Seal};
use crate::job::TOOL;
use crate::medium::{Blame, Guard, Medium, MediumError, Place, tape};
use crate::pipeline::encryptor::Recipients;
use crate::seal::SealKeys;
use crate::seal::chain::{Chain, Link, ReadError, read_object};
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
    pub medium: Box<dyn Medium>,
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
    _locks: (Lock, Option<Guard>),
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
    let place = Place::find(root, world.loader).map_err(BackupError::Medium)?;
    let sets = place.sets().map_err(BackupError::Medium)?;
    let catalog = Catalog::open(&state.catalog()).map_err(BackupError::Catalog)?;
    let mut succeeded = None;
    // The newest set of this host: a set whose catalog was lost has been succeeded by another.
    let mut known = Vec::new();
    let is_blank = sets.is_blank();
    for on_medium in sets.found {
        let (id, label) = (on_medium.id, on_medium.label);
        let Some(set_state) = state.set(id) else { continue };
        check_recipients(&set_state.info().map_err(BackupError::State)?, &label)?;
        let row = match catalog.set(id).map_err(BackupError::Catalog)? {
            // Its first run ended before the catalog knew of it. Nothing is sealed, so nothing needs to be known.
            None if !has_seal(&place, id)? => {
                Some(catalog.add_set(id, &label.name, &label.created).map_err(BackupError::Catalog)?)
            }
            row => row,
        };
        match row {
            Some(row) => known.push((label.created, id, set_state, row)),
            None => succeeded = Some((set_state, Opened::NewWithoutCatalog)),
        }
    }
    known.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(&b.1)));
    if let Some((_, id, set_state, row)) = known.pop() {
        return Ok((Writer::open(place, id, set_state, catalog, row, observer)?, Opened::Known));
    }
    for on_medium in sets.broken {
        let Some((id, set_state)) = on_medium.folder_id().and_then(|id| Some((id, state.set(id)?))) else { continue };
        let row = catalog.set(id).map_err(BackupError::Catalog)?;
        let last = row.map(|row| catalog.last_generation(row)).transpose().map_err(BackupError::Catalog)?.flatten();
        if last.is_some() || matches!(on_medium.why, MediumError::NewerFormat { .. }) {
            return Err(BackupError::Medium(on_medium.why));
        }
        // Its first run ended before its label was whole; it is begun again.
        succeeded = succeeded.or(Some((set_state, Opened::New)));
    }
    if let Some((old, opened)) = succeeded {
        let info = old.info().map_err(BackupError::State)?;
        let begin = Begin { name: &info.name, recipients: &info.recipients };
        return Ok((Writer::begin(place, state, catalog, &begin, world)?, opened));
    }
    match begin {
        Some(begin) => Ok((Writer::begin(place, state, catalog, begin, world)?, Opened::New)),
        None if is_blank => Err(BackupError::Blank { path: root.into() }),
        None => Err(BackupError::Unregistered { path: root.into() }),
    }
}

/// **Invariant:** a set is written to the recipients that its label was made with. Whoever could slip in one of his own would leave the
/// hospital with backups that its keys do not open, and nobody would notice before they are needed.
fn check_recipients(info: &SetInfo, label: &Label) -> Result<()> {
    let ours: Vec<String> = info.recipients.iter().map(|r| fingerprint(r)).collect();
    if ours == label.recipients { Ok(()) } else { Err(BackupError::OtherRecipients { name: label.name.clone() }) }
}

/// Whether anything that looks like a seal lies in a set.
fn has_seal(place: &Place, id: Id) -> Result<bool> {
    let listing = place.list(id).map_err(BackupError::Medium)?;
    Ok(listing.objects.iter().any(|o| o.kind == Kind::Seal))
}

/// The one with this number, of some that ascend by it.
fn numbered<T>(all: &[T], number: u64, number_of: impl Fn(&T) -> u64) -> Option<&T> {
    all.get(all.partition_point(|one| number_of(one) < number)).filter(|one| number_of(one) == number)
}

impl Writer {
    /// Begins a set: state on the host first, then the label on the medium.
    fn begin(place: Place, state: &StateDir, mut catalog: Catalog, begin: &Begin, world: &World) -> Result<Self> {
        if begin.recipients.is_empty() {
            return Err(BackupError::NoRecipients);
        }
        let recipients = Recipients::parse(begin.recipients).map_err(BackupError::Recipient)?;
        let (mut id, mut medium_id, mut key) = (Id([0; 16]), Id([0; 16]), SetKey([0; 32]));
        (world.random)(&mut id.0);
        (world.random)(&mut medium_id.0);
        (world.random)(&mut key.0);
        let (medium, guard) = place.begin(id, tape::BLOCK_BYTES).map_err(BackupError::Medium)?;
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
        let read_back = super::backup::shelf::read_back(&*medium, &object)?;
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

    fn open(place: Place, id: Id, state: SetState, catalog: Catalog, row: SetRow, observer: &dyn Observer) -> Result<Self> {
        let lock = state.lock().map_err(BackupError::State)?;
        let (medium, guard) = place.open_to_write(id).map_err(BackupError::Medium)?;
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
        if let Some(g) = &self.last
            && self.seal_digest(g.seal_object)? != Some(g.seal_digest)
        {
            return Err(BackupError::RolledBack { generation: g.number });
        }
        self.adopt_generations()?;
        let seal = self.last.as_ref().map(|g| self.seal(g)).transpose()?;
        if let Some((seal, object)) = &seal {
            let log = &mut self.log;
            let each = |o: Object| log.push(object_leaf(&o));
            self.catalog.each_object(self.row, object.number, each).map_err(BackupError::Catalog)?;
            // What the next seal says of the whole log stands on what the catalog remembers of it.
            if (log.count(), log.root()) != (object.number, seal.log) {
                return Err(BackupError::StaleCatalog);
            }
            log.push(object_leaf(object));
        }
        // The run may have ended between recording its seal and destroying the key that had signed it.
        self.keys.catch_up(seal.as_ref().map(|s| &s.0)).map_err(BackupError::SealKeys)
    }

    /// The seal of a generation, and the object that it is.
    fn seal(&self, g: &GenerationRow) -> Result<(Seal, Object)> {
        let bytes = match read_object(&*self.medium, g.seal_object, Kind::Seal, limit::SEAL_BYTES) {
            Ok(bytes) if *blake3::hash(&bytes).as_bytes() == g.seal_digest => bytes,
            Ok(_) | Err(ReadError::Damaged(_)) => return Err(BackupError::RolledBack { generation: g.number }),
            Err(ReadError::Medium(e)) => return Err(BackupError::Medium(e)),
        };
        let seal = Seal::decode(&bytes).map_err(BackupError::Format)?.seal;
        if (seal.generation, seal.number()) != (g.number, g.seal_object) {
            return Err(BackupError::StaleCatalog);
        }
        let (number, length) = (g.seal_object, bytes.len() as u64);
        Ok((seal, Object { number, kind: Kind::Seal, length, digest: Some(g.seal_digest) }))
    }

    /// Takes over generations that are sealed on the medium and that the catalog does not know: the power failed before its last
    /// words were on the host's disk. To seal their numbers once more would fork the chain.
    fn adopt_generations(&mut self) -> Result<()> {
        let end = self.last.as_ref().map_or(0, |g| g.seal_object + 1);
        let listing = self.medium.list().map_err(BackupError::Medium)?;
        if !listing.objects.iter().any(|o| o.kind == Kind::Seal && o.number >= end) {
            return Ok(());
        }
        let mut links = Chain::read(&*self.medium, self.id).map_err(BackupError::Medium)?.links;
        links.retain(|l| l.trusted && l.number >= end);
        let Some(newest) = links.last() else { return Ok(()) };
        // Only what this host's own keys have signed.
        self.keys.catch_up(Some(&newest.seal)).map_err(BackupError::SealKeys)?;
        links.iter().try_for_each(|link| self.adopt_generation(link))
    }

    fn adopt_generation(&mut self, link: &Link) -> Result<()> {
        if self.seal_digest(link.number)? != Some(link.digest) {
            return Err(BackupError::ReadBack { object: link.number });
        }
        let known = self.catalog.unsealed(self.row).map_err(BackupError::Catalog)?;
        for o in link.seal.objects.iter().filter(|o| numbered(&known, o.number, |k| k.number) != Some(*o)) {
            // Where its chunks lie is not known; they are stored again when they are met again.
            self.catalog.void_object(self.row, o).map_err(BackupError::Catalog)?;
        }
        let seal = Object { number: link.number, kind: Kind::Seal, length: link.length, digest: Some(link.digest) };
        self.catalog.add_object(self.row, &seal, &mut []).map_err(BackupError::Catalog)?;
        let row = GenerationRow {
            number: link.seal.generation,
            seal_object: link.number,
            seal_digest: link.digest,
            time: link.seal.time.clone(),
            started: 0,
            // No entry stream on the host is this one's: everything is read.
            entries_digest: [0; 32],
            durable: true,
        };
        self.catalog.put_generation(self.row, &row).map_err(BackupError::Catalog)?;
        self.last = Some(row);
        Ok(())
    }

    fn seal_digest(&self, number: u64) -> Result<Option<[u8; 32]>> {
        match self.medium.read_back(number, Kind::Seal) {
            Ok(reread) => Ok(Some(reread.digest)),
            Err(e) if e.blame() == Blame::Damage => Ok(None),
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
            let there = numbered(&listed, number, |o| o.number);
            let expected = numbered(&known, number, |o| o.number).filter(|o| matches!(o.kind, Kind::Pack | Kind::Label));
            let expected = expected.copied().or_else(|| (number == 0).then(|| self.own_label()).flatten());
            let reread = match there.map(|o| (o.kind, self.medium.read_back(o.number, o.kind))) {
                Some((kind, Ok(reread))) => Some((kind, reread)),
                Some((_, Err(e))) if e.blame() != Blame::Damage => return Err(BackupError::Medium(e)),
                _ => None,
            };
            let object = match (expected, reread) {
                (Some(o), Some((kind, r))) if kind == o.kind && r.length == o.length && Some(r.digest) == o.digest => {
                    self.read_back = self.read_back.min(r.how);
                    o
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
            match (number, object.kind) {
                (0, Kind::Label) => self.catalog.add_object(self.row, &object, &mut []).map_err(BackupError::Catalog)?,
                (0, _) => return Err(BackupError::HalfWritten),
                _ => {}
            }
            self.adopted.push(object);
        }
        self.next = end;
        Ok(())
    }

    /// The label that the first run wrote, when it ended before the catalog knew of it.
    fn own_label(&self) -> Option<Object> {
        let bytes = read_object(&*self.medium, 0, Kind::Label, limit::LABEL_BYTES).ok()?;
        let label = Label::decode(&bytes).ok()?;
        let digest = Some(*blake3::hash(&bytes).as_bytes());
        let is_own = label.set == self.id && label.root_key == self.keys.current().public();
        is_own.then_some(Object { number: 0, kind: Kind::Label, length: bytes.len() as u64, digest })
    }
}
