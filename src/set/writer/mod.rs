//! A set opened for writing: found on the medium, its host state at hand, leftovers of interrupted work sorted out.
//!
//! **Invariant:** opening changes nothing that lies on the medium. What the last run left is adopted where it is whole and named `void` by
//! the next seal where it is not. What is missing at the beginning of a medium that the set goes on on is added: its label, and copies of
//! earlier seals.

mod leftovers;
mod sealing;
mod succession;

pub use sealing::SealFacts;
pub use succession::Closed;

use crate::env::Env;
use crate::event::Observer;
use crate::format::label::{Label, fingerprint};
use crate::format::merkle::MerkleTree;
use crate::format::object::{Id, Object, ObjectKind};
use crate::format::seal::ReadBack;
use crate::format::set_key::SetKey;
use crate::host::catalog::{Catalog, GenerationRow, SetRow};
use crate::host::state::{SetInfo, SetState, StateDir};
use crate::job::backup::BackupError;
use crate::lock::FileLock;
use crate::medium::loader::MediumRequest;
use crate::medium::{AttachedMedium, BrokenLabel, Medium, MediumError, NoMedium, Writable, bring};
use crate::pipeline::encryptor::Recipients;
use crate::seal::SealKeys;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A set that this run may append to.
pub struct SetWriter {
    pub id: Id,
    pub state: SetState,
    pub info: SetInfo,
    pub key: SetKey,
    pub recipients: Recipients,
    pub catalog: Catalog,
    pub row: SetRow,
    pub medium: Arc<dyn Medium>,
    /// What the user calls the medium.
    root: PathBuf,
    /// Bytes of a block on the next tape.
    block: u32,
    /// The medium's place in the set.
    pub place: u64,
    pub keys: SealKeys,
    /// The last seal.
    pub last: Option<GenerationRow>,
    /// The log up to and with the last seal.
    log: MerkleTree,
    /// Objects behind the last seal, in their order.
    pub unsealed: Vec<Object>,
    pub read_back: ReadBack,
    /// Number of the next object.
    pub next: u64,
    /// Generations from now on lean on no object before this one.
    pub base: u64,
    /// What the labels say: it verifies the seal of generation 1.
    root_key: [u8; 32],
    _lock: FileLock,
    guard: Option<FileLock>,
}

/// What to do when the medium has no set of this host.
pub struct NewSet<'a> {
    pub name: &'a str,
    pub recipients: &'a [String],
}

/// Where a set is to be written.
#[derive(Debug, Clone, Copy)]
pub struct WriteTarget<'a> {
    /// What the user calls the medium.
    pub root: &'a Path,
    /// Only this set, whatever else is there.
    pub only: Option<Id>,
    /// Bytes of a block on a tape that the set begins on, see [`crate::medium::tape::check_block`].
    pub block: u32,
    /// To a set in quarantine, and to no other; or to no such set.
    pub quarantine: bool,
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

/// Opens the set of this host on the medium at `root`, goes on with one whose last medium is full, or begins one.
pub fn open(
    at: WriteTarget,
    state: &StateDir,
    begin: Option<&NewSet>,
    env: &Env,
    observer: &dyn Observer,
) -> Result<(SetWriter, Opened)> {
    let WriteTarget { root, only, .. } = at;
    let place = AttachedMedium::find(root, env.loader).map_err(BackupError::Medium)?;
    let mut sets = place.sets().map_err(BackupError::Medium)?;
    if let Some(only) = only {
        sets.found.retain(|s| s.id == only);
        sets.broken.retain(|b| b.folder_id() == Some(only));
        if sets.is_blank() {
            return Err(BackupError::Medium(MediumError::NoSuchSet { path: root.into(), set: only }));
        }
    }
    let is_apart = |b: &BrokenLabel| match b.folder_id().and_then(|id| state.set(id)) {
        Some(ours) => Ok(ours.info().map_err(BackupError::State)?.quarantine == at.quarantine),
        None => Ok(!at.quarantine),
    };
    let mut apart = sets.found.iter().all(|s| s.label.quarantine == at.quarantine);
    for b in &sets.broken {
        apart &= is_apart(b)?;
    }
    if !apart {
        return Err(BackupError::NotApart { path: root.into(), quarantine: at.quarantine });
    }
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
            Some(row) => known.push((label, set_state, row)),
            None => succeeded = Some((set_state, Opened::NewWithoutCatalog)),
        }
    }
    known.sort_by(|a, b| a.0.created.cmp(&b.0.created).then(a.0.set.cmp(&b.0.set)));
    if let Some((label, set_state, row)) = known.pop() {
        let (place, label) = right_medium(place, root, label, &catalog, row, env)?;
        let mut writer = SetWriter::closed(at, set_state, catalog, row)?;
        writer.open(place, &label, env, observer)?;
        return Ok((writer, Opened::Known));
    }
    for on_medium in sets.broken {
        let Some((id, set_state)) = on_medium.folder_id().and_then(|id| Some((id, state.set(id)?))) else { continue };
        let row = catalog.set(id).map_err(BackupError::Catalog)?;
        let last = row.map(|row| catalog.last_durable_generation(row)).transpose().map_err(BackupError::Catalog)?.flatten();
        if matches!(on_medium.why, MediumError::NewerFormat { .. }) {
            return Err(BackupError::Medium(on_medium.why));
        }
        if let (Some(row), Some(last)) = (row, &last) {
            // Nothing on it is sealed: the set was about to go on on it when its run ended.
            let listed = place.list(id).map_err(BackupError::Medium)?.objects;
            if listed.iter().all(|o| o.number > last.seal_object) {
                let mut writer = SetWriter::closed(at, set_state, catalog, row)?;
                writer.take(place.open_to_write(id).map_err(BackupError::Medium)?);
                writer.begin_medium(env, observer)?;
                return Ok((writer, Opened::Known));
            }
            return Err(BackupError::Medium(on_medium.why));
        }
        // Its first run ended before its label was whole; it is begun again.
        succeeded = succeeded.or(Some((set_state, Opened::New)));
    }
    if let Some((old, opened)) = succeeded {
        let info = old.info().map_err(BackupError::State)?;
        let begin = NewSet { name: &info.name, recipients: &info.recipients };
        return Ok((SetWriter::begin(place, at, state, catalog, &begin, env)?, opened));
    }
    if is_blank {
        for (id, row) in catalog.sets_to_continue().map_err(BackupError::Catalog)? {
            if let Some(set_state) = state.set(id)
                && set_state.info().map_err(BackupError::State)?.quarantine == at.quarantine
            {
                let mut writer = SetWriter::closed(at, set_state, catalog, row)?;
                writer.take(place.begin(id, at.block).map_err(BackupError::Medium)?);
                writer.begin_medium(env, observer)?;
                return Ok((writer, Opened::Known));
            }
        }
    }
    match begin {
        Some(begin) => Ok((SetWriter::begin(place, at, state, catalog, begin, env)?, Opened::New)),
        None if is_blank => Err(BackupError::Blank { path: root.into() }),
        None => Err(BackupError::Unregistered { path: root.into() }),
    }
}

/// Begins a set on a medium that has none, before anything is backed up. Answers with its id.
pub fn register(at: WriteTarget, state: &StateDir, begin: &NewSet, env: &Env) -> Result<Id> {
    let root = at.root;
    let place = AttachedMedium::find(root, env.loader).map_err(BackupError::Medium)?;
    let sets = place.sets().map_err(BackupError::Medium)?;
    if let Some(there) = sets.found.first() {
        return Err(BackupError::Medium(MediumError::SetExists { path: root.into(), set: there.id }));
    }
    if !sets.is_blank() {
        return Err(BackupError::Medium(MediumError::NotBlank { medium: root.display().to_string() }));
    }
    let catalog = Catalog::open(&state.catalog()).map_err(BackupError::Catalog)?;
    Ok(SetWriter::begin(place, at, state, catalog, begin, env)?.id)
}

/// The medium that the set goes on on. If it is another one of the set, that one is asked for.
fn right_medium(
    place: AttachedMedium,
    root: &Path,
    label: Label,
    catalog: &Catalog,
    row: SetRow,
    env: &Env,
) -> Result<(AttachedMedium, Label)> {
    let Some(current) = catalog.last_medium(row).map_err(BackupError::Catalog)? else { return Ok((place, label)) };
    let listed = place.list(label.set).map_err(BackupError::Medium)?.objects;
    let last = catalog.last_durable_generation(row).map_err(BackupError::Catalog)?;
    let end = last.as_ref().map_or(0, |g| g.seal_object + 1);
    let holds_last =
        last.is_none_or(|g| !g.closing && listed.iter().any(|o| (o.number, o.kind) == (g.seal_object, ObjectKind::Seal)));
    // One that came after what the catalog knows of is taken as it is: its seals tell more.
    let is_later = label.place > current.place && label.first_object >= end;
    if holds_last || is_later || label.medium == current.medium {
        return Ok((place, label));
    }
    drop(place);
    let wanted = MediumRequest { set: label.set, set_name: label.name.clone(), place: current.place, blank: false };
    let wrong = match label.place == current.place {
        true => MediumError::Abandoned { medium: root.display().to_string() },
        false => MediumError::OtherMedium { path: root.to_owned(), found: label.place, wanted: current.place },
    };
    let (place, label) =
        bring(env.loader, root, &wanted, Some(current.first_object), Some(wrong)).map_err(BackupError::Medium)?;
    let unlabelled = || BackupError::Medium(MediumError::NoLabel { path: root.to_owned() });
    Ok((place, label.ok_or_else(unlabelled)?))
}

/// **Invariant:** a set is written to the recipients that its label was made with. Whoever could slip in one of his own would leave the
/// hospital with backups that its keys do not open, and nobody would notice before they are needed.
fn check_recipients(info: &SetInfo, label: &Label) -> Result<()> {
    let ours: Vec<String> = info.recipients.iter().map(|r| fingerprint(r)).collect();
    if ours == label.recipients { Ok(()) } else { Err(BackupError::OtherRecipients { name: label.name.clone() }) }
}

/// Whether anything that looks like a seal lies in a set.
fn has_seal(place: &AttachedMedium, id: Id) -> Result<bool> {
    let listing = place.list(id).map_err(BackupError::Medium)?;
    Ok(listing.objects.iter().any(|o| o.kind == ObjectKind::Seal))
}

impl SetWriter {
    /// Begins a set: state on the host first, then the label on the medium.
    fn begin(
        place: AttachedMedium,
        at: WriteTarget,
        state: &StateDir,
        catalog: Catalog,
        begin: &NewSet,
        env: &Env,
    ) -> Result<Self> {
        if begin.recipients.is_empty() {
            return Err(BackupError::NoRecipients);
        }
        Recipients::parse(begin.recipients).map_err(BackupError::Recipient)?;
        let (mut id, mut key) = (Id([0; 16]), SetKey([0; 32]));
        (env.random)(&mut id.0);
        (env.random)(&mut key.0);
        let opened = place.begin(id, at.block).map_err(BackupError::Medium)?;
        let (name, recipients) = (begin.name.to_owned(), begin.recipients.to_vec());
        let info = SetInfo { name, recipients, quarantine: at.quarantine };
        let state = state.create_set(id, &info, &key).map_err(BackupError::State)?;
        SealKeys::create(&state.seal_keys()).map_err(BackupError::SealKeys)?;
        let row = catalog.add_set(id, &info.name, &env.time_text()).map_err(BackupError::Catalog)?;
        let mut writer = Self::closed(at, state, catalog, row)?;
        writer.take(opened);
        writer.root_key = writer.keys.current().public();
        writer.put_label(env)?;
        Ok(writer)
    }

    /// The set as the host knows it, without a medium.
    fn closed(at: WriteTarget, state: SetState, catalog: Catalog, row: SetRow) -> Result<Self> {
        let lock = state.lock().map_err(BackupError::State)?;
        let info = state.info().map_err(BackupError::State)?;
        Ok(Self {
            id: state.id(),
            key: state.key().map_err(BackupError::State)?,
            recipients: Recipients::parse(&info.recipients).map_err(BackupError::Recipient)?,
            keys: SealKeys::load(&state.seal_keys()).map_err(BackupError::SealKeys)?,
            state,
            info,
            catalog,
            row,
            medium: Arc::new(NoMedium),
            root: at.root.to_owned(),
            block: at.block,
            place: 0,
            last: None,
            log: MerkleTree::default(),
            unsealed: Vec::new(),
            read_back: ReadBack::Direct,
            next: 0,
            base: 0,
            root_key: [0; 32],
            _lock: lock,
            guard: None,
        })
    }

    /// Works on a medium from now on.
    fn take(&mut self, (medium, guard): Writable) {
        (self.medium, self.guard) = (medium.into(), guard);
    }

    /// Goes on on the medium at `place`, whose label is `label`.
    fn open(&mut self, place: AttachedMedium, label: &Label, env: &Env, observer: &dyn Observer) -> Result<()> {
        self.take(place.open_to_write(self.id).map_err(BackupError::Medium)?);
        (self.place, self.root_key) = (label.place, label.root_key);
        if !self.make_good(label)? {
            return self.begin_medium_again(env, observer);
        }
        self.find_last_generation()?;
        // Only now is it sure that the label is that of a medium of this chain.
        self.know(label)?;
        self.sort_out_leftovers(observer)
    }
}
