//! Closing what was stored with a seal.

use super::{Result, SetWriter};
use crate::format::merkle::{MerkleHash, object_leaf};
use crate::format::object::{Object, ObjectKind};
use crate::format::seal::{Seal, Verdict};
use crate::host::catalog::GenerationRow;
use crate::job::backup::{BackupError, append};
use crate::medium::MediumError;
use crate::seal;

/// What a seal says beside the objects behind the last one.
pub struct SealFacts {
    /// RFC 3339, UTC.
    pub time: String,
    pub verdict: Verdict,
    pub record_count: u64,
    pub records: MerkleHash,
    /// Nanoseconds since 1970 when the run began.
    pub started: i64,
    /// BLAKE3 of the entry stream that the host keeps.
    pub entries_digest: [u8; 32],
}

/// A seal that was written.
pub struct Sealed {
    pub generation: u64,
    pub digest: [u8; 32],
    /// Bytes.
    pub length: u64,
}

impl SetWriter {
    /// Number of the first object that no seal covers.
    pub(super) fn end_of_log(&self) -> u64 {
        self.last.as_ref().map_or(0, |g| g.seal_object + 1)
    }

    /// The generation that is being written.
    pub fn generation(&self) -> u64 {
        self.last.as_ref().map_or(1, |g| g.number + 1)
    }

    /// Appends the next object, makes it durable and reads it back.
    pub fn append(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<Object> {
        let number = self.next;
        match self.medium.append(number, kind, bytes).and_then(|()| self.medium.sync()) {
            Ok(()) => {}
            Err(e) => {
                // A number that may be on the medium is not used again.
                self.next += u64::from(!matches!(e, MediumError::Full { torn: false, .. }));
                return Err(BackupError::Medium(e));
            }
        }
        self.next += 1;
        let object = Object { number, kind, length: bytes.len() as u64, digest: Some(*blake3::hash(bytes).as_bytes()) };
        self.read_back = self.read_back.min(append::read_back(&*self.medium, &object)?);
        Ok(object)
    }

    /// Appends the next object, which the seal to come covers.
    pub fn append_unsealed(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        let object = self.append(kind, bytes)?;
        self.catalog.add_object(self.row, &object, &mut []).map_err(BackupError::Catalog)?;
        self.unsealed.push(object);
        Ok(())
    }

    /// Seals everything behind the last seal.
    pub fn seal(&mut self, facts: SealFacts) -> Result<Sealed> {
        let mut log = self.log.clone();
        self.unsealed.iter().for_each(|o| log.push(object_leaf(o)));
        let seal = Seal {
            set: self.id,
            generation: self.generation(),
            time: facts.time.clone(),
            previous: self.last.as_ref().map(|g| g.seal_digest),
            first: self.end_of_log(),
            objects: self.unsealed.clone(),
            log: log.root(),
            record_count: facts.record_count,
            records: facts.records,
            read_back: self.read_back,
            verdict: facts.verdict,
            next: self.keys.prepare_next().map_err(BackupError::SealKeys)?,
        };
        if seal.number() != self.next {
            return Err(BackupError::StaleCatalog);
        }
        let bytes = seal::sign(&seal, &self.keys.current()).map_err(BackupError::Format)?;
        let digest = *blake3::hash(&bytes).as_bytes();
        let row = GenerationRow {
            number: seal.generation,
            seal_object: seal.number(),
            seal_digest: digest,
            time: facts.time,
            started: facts.started,
            entries_digest: facts.entries_digest,
            durable: false,
            closing: seal.is_closing(),
        };
        // Recorded before the seal is written: a run that ends in between is recognised by the next one.
        self.catalog.put_generation(self.row, &row).map_err(BackupError::Catalog)?;
        let object = self.append(ObjectKind::Seal, &bytes)?;
        log.push(object_leaf(&object));
        self.log = log;
        self.unsealed.clear();
        self.sealed(row, &bytes)?;
        Ok(Sealed { generation: seal.generation, digest, length: object.length })
    }

    /// Records that a seal is durable, keeps its bytes for the beginnings of later media, and lets go of what only the next one needs.
    pub(super) fn sealed(&mut self, mut g: GenerationRow, bytes: &[u8]) -> Result<()> {
        g.durable = true;
        let seal =
            Object { number: g.seal_object, kind: ObjectKind::Seal, length: bytes.len() as u64, digest: Some(g.seal_digest) };
        self.catalog.add_object(self.row, &seal, &mut []).map_err(BackupError::Catalog)?;
        self.catalog.put_seal(self.row, g.seal_object, bytes).map_err(BackupError::Catalog)?;
        // A closing seal ends no run: the entry stream is not whole yet.
        if !g.closing && self.state.has_new_entries() {
            self.state.promote_entries().map_err(BackupError::State)?;
        }
        self.catalog.put_generation(self.row, &g).map_err(BackupError::Catalog)?;
        if self.keys.generation() == g.number {
            self.keys.advance().map_err(BackupError::SealKeys)?;
        }
        self.last = Some(g);
        Ok(())
    }
}
