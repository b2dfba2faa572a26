//! Closes what was stored with a seal.

use super::{Result, SetWriter, WriteError};
use crate::format::merkle::{MerkleHash, object_leaf};
use crate::format::object::{Object, ObjectKind};
use crate::format::seal::{Seal, Verdict};
use crate::host::catalog::GenerationRow;
use crate::medium::MediumError;
use crate::seal;

/// What a seal says beside the objects behind the last one.
pub struct SealFacts {
    /// RFC 3339, UTC.
    pub time: String,
    /// What the run found.
    pub verdict: Verdict,
    /// Records in the entry stream.
    pub record_count: u64,
    /// MerkleHash of the tree over the records.
    pub records: MerkleHash,
    /// Nanoseconds since 1970 when the run began.
    pub started: i64,
    /// BLAKE3 of the entry stream that the host keeps.
    pub entries_digest: [u8; 32],
}

/// A seal that was written and read back.
pub struct Sealed {
    /// The generation's number.
    pub generation: u64,
    /// BLAKE3 of the seal.
    pub digest: [u8; 32],
    /// Bytes of the seal.
    pub length: u64,
}

impl SetWriter {
    /// Appends the next object, makes it durable and reads it back.
    fn append(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<Object> {
        let appended = self.mounted.append(self.log.next, kind, bytes);
        // A number that may be on the medium is not used again.
        self.log.next += u64::from(!matches!(appended, Err(MediumError::Full { torn: false, .. })));
        let object = appended?;
        self.mounted.check(&object)?;
        Ok(object)
    }

    /// Appends the next object. The next seal covers it.
    pub(super) fn append_unsealed(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        let object = self.append(kind, bytes)?;
        self.host.add_object(&object, &mut [])?;
        self.log.push(object);
        Ok(())
    }

    /// Seals all objects behind the last seal.
    pub fn seal(&mut self, facts: SealFacts) -> Result<Sealed> {
        let mut tree = self.log.tree();
        let seal = Seal {
            set: self.host.id(),
            generation: self.log.generation(),
            time: facts.time.clone(),
            previous: self.log.last.as_ref().map(|g| g.seal_digest),
            first: self.log.first_unsealed(),
            objects: self.log.unsealed.clone(),
            log: tree.root(),
            record_count: facts.record_count,
            records: facts.records,
            read_back: self.mounted.read_back,
            verdict: facts.verdict,
            next: self.host.keys.prepare_next()?,
        };
        if seal.number() != self.log.next {
            return Err(WriteError::StaleCatalog);
        }
        let bytes = seal::sign(&seal, &self.host.keys.current())?;
        let digest = *blake3::hash(&bytes).as_bytes();
        let generation = GenerationRow {
            number: seal.generation,
            seal_object: seal.number(),
            seal_digest: digest,
            time: facts.time,
            started: facts.started,
            entries_digest: facts.entries_digest,
            durable: false,
            closing: seal.is_closing(),
        };
        // Recorded before the seal is written: the next run recognises a run that ended in between.
        self.host.catalog.put_generation(self.host.row, &generation)?;
        let object = self.append(ObjectKind::Seal, &bytes)?;
        tree.push(object_leaf(&object));
        self.log.sealed = tree;
        self.log.unsealed.clear();
        self.record_seal(generation, &bytes)?;
        Ok(Sealed { generation: seal.generation, digest, length: object.length })
    }

    /// Records that a seal is durable.
    pub(super) fn record_seal(&mut self, mut generation: GenerationRow, bytes: &[u8]) -> Result<()> {
        self.host.add_seal(&mut generation, bytes)?;
        self.log.last = Some(generation);
        Ok(())
    }
}
