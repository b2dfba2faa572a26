//! Closes what was stored with a seal.

use super::log::free_behind;
use super::{Result, SetWriter, WriteError};
use crate::format::digests::BothDigests;
use crate::format::limit;
use crate::format::merkle::MerkleHash;
use crate::format::object::{Object, ObjectKind};
use crate::format::seal::{Seal, Verdict, encode_list};
use crate::host::catalog::SealRow;
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
    /// BLAKE3 of the seal's head.
    pub digest: [u8; 32],
    /// Bytes of the seal.
    pub length: u64,
    /// Why this host could not record it. The generation is good all the same, and the next run records it: the catalog
    /// has known of the seal since before it was written.
    pub unrecorded: Option<WriteError>,
}

impl SetWriter {
    /// Appends the next object, makes it durable and reads it back. A number that somebody has put a file under is void.
    fn append(&mut self, kind: ObjectKind, bytes: &[u8]) -> Result<Object> {
        let object = loop {
            let appended = self.mounted.append(self.log.next, kind, bytes);
            if let Some(free) = appended.as_ref().err().and_then(|e| free_behind(e, self.log.next)) {
                self.pass_over_names(free)?;
                continue;
            }
            // A number that may be on the medium is not used again.
            self.log.next += u64::from(!matches!(appended, Err(MediumError::Full { torn: false, .. })));
            break appended?;
        };
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

    /// Makes all numbers below `free` void, and those behind it that the medium has files under.
    fn pass_over_names(&mut self, free: u64) -> Result<()> {
        let listed = self.mounted.list()?;
        let mut next = free;
        for o in &listed[listed.partition_point(|o| o.number < free)..] {
            if o.number > next {
                break;
            }
            next = o.number + 1;
        }
        if next - self.log.first_unsealed() > limit::OBJECTS_IN_LIST {
            return Err(WriteError::NamesInTheWay { first: free.saturating_sub(1), behind: next });
        }
        self.void_up_to(next)
    }

    /// Seals all objects behind the last seal.
    pub fn seal(&mut self, facts: SealFacts) -> Result<Sealed> {
        self.pass_over_names(self.log.next)?;
        loop {
            match self.seal_under_next_number(&facts) {
                // Something that is no file has the seal's number.
                Err(WriteError::Medium(e)) => match free_behind(&e, self.log.next) {
                    Some(free) => self.pass_over_names(free)?,
                    None => return Err(e.into()),
                },
                sealed => return sealed,
            }
        }
    }

    fn seal_under_next_number(&mut self, facts: &SealFacts) -> Result<Sealed> {
        let objects = &self.log.unsealed;
        let seal = Seal {
            set: self.host.id(),
            label: self.mounted.label,
            generation: self.log.generation(),
            time: facts.time.clone(),
            earlier: self.log.heads.count(),
            heads: self.log.heads.root(),
            previous: self.log.last.as_ref().map(|g| g.head),
            succession: None,
            first: self.log.first_unsealed(),
            count: objects.len() as u64,
            list: BothDigests::of(&encode_list(objects)),
            record_count: facts.record_count,
            records: facts.records,
            read_back: self.mounted.read_back,
            verdict: facts.verdict,
            next: self.host.keys.prepare_next()?,
        };
        if seal.number() != self.log.next || seal.earlier + 1 != self.log.next_seal() {
            return Err(WriteError::StaleCatalog);
        }
        let new = seal::sign(&seal, objects, &self.host.keys.current())?;
        let row = SealRow {
            seal: self.log.next_seal(),
            number: seal.generation,
            seal_object: seal.number(),
            head: new.head,
            time: facts.time.clone(),
            started: facts.started,
            entries_digest: facts.entries_digest,
            durable: false,
            closing: seal.is_closing(),
        };
        // Recorded before the seal is written: the next run recognises a run that ended in between.
        self.host.catalog.put_seal_row(self.host.row, &row)?;
        let object = self.mounted.append(self.log.next, ObjectKind::Seal, &new.bytes);
        if object.as_ref().is_err_and(|e| free_behind(e, self.log.next).is_some()) {
            self.host.catalog.forget_seal(self.host.row, self.log.next_seal())?;
            return Err(object.err().map_or(WriteError::StaleCatalog, Into::into));
        }
        self.log.next += u64::from(!matches!(object, Err(MediumError::Full { torn: false, .. })));
        let object = object?;
        self.mounted.check(&object)?;
        self.log.sealed(&new.head.blake3);
        // From here on nothing undoes the generation: what the host cannot note down must not be told as a failure of it.
        let unrecorded = self.record_seal(row, &new.bytes).err();
        Ok(Sealed { generation: seal.generation, digest: new.head.blake3, length: object.length, unrecorded })
    }

    /// Records that a seal is durable.
    pub(super) fn record_seal(&mut self, mut row: SealRow, bytes: &[u8]) -> Result<()> {
        self.host.add_seal(&mut row, bytes)?;
        self.log.last = Some(row);
        Ok(())
    }
}
