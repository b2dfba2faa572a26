//! What this host keeps of the set: its folder in the state directory, its keys, its rows in the catalog.

use super::Result;
use crate::format::label::Label;
use crate::format::object::{Id, Object, ObjectKind};
use crate::format::pack::ChunkId;
use crate::format::set_key::SetKey;
use crate::host::catalog::{Catalog, ChunkLookup, Location, MediumRow, SealRow, SetRow};
use crate::host::state::{SetInfo, SetState};
use crate::lock::FileLock;
use crate::medium::Reread;
use crate::pipeline::encryptor::Recipients;
use crate::seal::SealKeys;

/// This host's part of a set, locked against other runs.
pub struct HostSide {
    /// The set's folder in the state directory.
    pub state: SetState,
    /// Its name, its recipients, and whether it is in quarantine.
    pub info: SetInfo,
    /// The secret that ids, cuts and salts are derived from.
    pub key: SetKey,
    /// Whom packs and manifests are encrypted to.
    pub recipients: Recipients,
    /// The catalog of all sets of this host.
    pub catalog: Catalog,
    /// The set in the catalog.
    pub row: SetRow,
    pub(super) keys: SealKeys,
    _lock: FileLock,
}

impl HostSide {
    /// Locks the set and loads its keys.
    pub(super) fn open(state: SetState, catalog: Catalog, row: SetRow) -> Result<Self> {
        let lock = state.lock()?;
        let info = state.info()?;
        let recipients = Recipients::parse(&info.recipients)?;
        let (key, keys) = (state.key()?, SealKeys::load(&state.seal_keys())?);
        Ok(Self { state, info, key, recipients, catalog, row, keys, _lock: lock })
    }

    /// The set's id.
    pub fn id(&self) -> Id {
        self.state.id()
    }

    /// Finds chunks that lie in object `oldest` or in a later one. Each thread needs its own.
    pub fn chunk_lookup(&self, oldest: u64) -> Result<ChunkLookup> {
        Ok(self.catalog.chunk_lookup(self.row, oldest)?)
    }

    /// The last generation whose seal was read back.
    pub(super) fn last_durable_seal(&self) -> Result<Option<SealRow>> {
        Ok(self.catalog.last_durable_seal(self.row)?)
    }

    /// Records an object that was read back, and the chunks in it.
    pub(super) fn add_object(&mut self, object: &Object, chunks: &mut [(ChunkId, Location)]) -> Result<()> {
        Ok(self.catalog.add_object(self.row, object, chunks)?)
    }

    /// Records the bytes under a number as void: the next seal covers them, and they mean nothing. Without a `reread`,
    /// the seal promises nothing of them.
    pub(super) fn void(&mut self, number: u64, reread: Option<Reread>) -> Result<Object> {
        let (length, digests) = reread.map_or((0, None), |r| (r.length, Some(r.digests)));
        let void = Object { number, kind: ObjectKind::Void, length, digests };
        self.catalog.void_object(self.row, &void)?;
        Ok(void)
    }

    /// Records a label that is about to be written.
    pub(super) fn put_label(&self, number: u64, bytes: &[u8]) -> Result<()> {
        Ok(self.catalog.put_label(self.row, number, blake3::hash(bytes).as_bytes())?)
    }

    /// Records the medium that a label is on.
    pub(super) fn add_medium(&self, label: &Label) -> Result<()> {
        Ok(self.catalog.put_medium(self.row, &MediumRow::of(label))?)
    }

    /// Records that the seal of `generation` is durable, keeps its bytes for the beginnings of later media, and
    /// destroys the key that has signed it.
    pub(super) fn add_seal(&mut self, generation: &mut SealRow, bytes: &[u8]) -> Result<()> {
        generation.durable = true;
        let number = generation.seal_object;
        let seal = Object::of(number, ObjectKind::Seal, bytes);
        self.add_object(&seal, &mut [])?;
        self.catalog.put_seal(self.row, number, bytes)?;
        // A closing seal does not end the run: the entry stream is not whole yet.
        if !generation.closing && self.state.has_new_entries() {
            self.state.promote_entries()?;
        }
        self.catalog.put_seal_row(self.row, generation)?;
        if self.keys.seal() == generation.seal {
            self.keys.advance()?;
        }
        Ok(())
    }
}
