//! What the last run left: a seal that the catalog does not know yet, packs that are whole, and pieces.

use super::{Result, SetWriter, WriteError};
use crate::event::{Event, FindingKind, Observer};
use crate::format::label::Label;
use crate::format::limit;
use crate::format::object::{Object, ObjectKind, file_name};
use crate::format::seal::Seal;
use crate::host::catalog::GenerationRow;
use crate::medium::{ErrorCategory, Listed, Reread};
use crate::seal::chain::{Chain, ReadError, SealLink, read_object};

/// The element with this number in a slice that ascends by number.
fn find_by_number<T>(all: &[T], number: u64, number_of: impl Fn(&T) -> u64) -> Option<&T> {
    all.get(all.partition_point(|one| number_of(one) < number)).filter(|one| number_of(one) == number)
}

/// Decodes the seal of a generation. Also returns it as an object.
fn decode_seal(generation: &GenerationRow, bytes: &[u8]) -> Result<(Seal, Object)> {
    let seal = Seal::decode(bytes)?.seal;
    let (number, length) = (generation.seal_object, bytes.len() as u64);
    if (seal.generation, seal.number()) != (generation.number, number) {
        return Err(WriteError::StaleCatalog);
    }
    Ok((seal, Object { number, kind: ObjectKind::Seal, length, digest: Some(generation.seal_digest) }))
}

impl SetWriter {
    /// Brings catalog, seal keys and the host's entry stream in step with the last seal on the medium.
    pub(super) fn resume_from_medium(&mut self) -> Result<()> {
        let (host, row) = (&self.host, self.host.row);
        if let Some(pending) = host.catalog.last_generation(row)?.filter(|g| !g.durable) {
            // The run ended between writing its seal and recording it, or before writing it.
            match self.seal_bytes(pending.seal_object, &pending.seal_digest)? {
                Some(bytes) => self.record_seal(pending, &bytes)?,
                None => host.catalog.forget_generation(row, pending.number)?,
            }
        }
        self.log.last = self.host.last_durable_generation()?;
        let mut seal = self.last_seal()?;
        if self.adopt_generations()? {
            seal = self.last_seal()?;
        }
        self.resume_after(seal)
    }

    /// Brings log and seal keys in step with the last seal while its medium is not attached.
    pub(super) fn resume_from_catalog(&mut self) -> Result<()> {
        let (host, row) = (&self.host, self.host.row);
        let last = host.last_durable_generation()?.ok_or(WriteError::StaleCatalog)?;
        let bytes = host.catalog.seal(row, last.seal_object)?;
        if *blake3::hash(&bytes).as_bytes() != last.seal_digest {
            return Err(WriteError::StaleCatalog);
        }
        let seal = decode_seal(&last, &bytes)?;
        self.log.root_key = host.catalog.last_medium(row)?.ok_or(WriteError::StaleCatalog)?.root_key;
        self.log.next = last.seal_object + 1;
        self.log.last = Some(last);
        self.resume_after(Some(seal))
    }

    /// Brings log and seal keys in step with the last seal.
    fn resume_after(&mut self, seal: Option<(Seal, Object)>) -> Result<()> {
        if let Some((seal, object)) = &seal {
            self.log.rebuild(&self.host, seal, object)?;
        }
        // The run may have ended between recording its seal and destroying the key that had signed it.
        Ok(self.host.keys.catch_up(seal.as_ref().map(|s| &s.0))?)
    }

    /// The last seal, read from the medium.
    fn last_seal(&self) -> Result<Option<(Seal, Object)>> {
        let Some(last) = &self.log.last else { return Ok(None) };
        let bytes = self.seal_bytes(last.seal_object, &last.seal_digest)?;
        decode_seal(last, &bytes.ok_or(WriteError::RolledBack { generation: last.number })?).map(Some)
    }

    /// The seal under a number; `None` if it is not on the medium with this digest.
    fn seal_bytes(&self, number: u64, digest: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        let medium = &*self.mounted.medium;
        match medium.read_back(number, ObjectKind::Seal) {
            Ok(reread) if reread.digest == *digest => {}
            Ok(_) => return Ok(None),
            Err(e) if e.category() == ErrorCategory::Damage => return Ok(None),
            Err(e) => return Err(e.into()),
        }
        match read_object(medium, number, ObjectKind::Seal, limit::SEAL_BYTES) {
            Ok(bytes) => Ok(Some(bytes).filter(|b| blake3::hash(b).as_bytes() == digest)),
            Err(ReadError::Damaged(_)) => Ok(None),
            Err(ReadError::Medium(e)) => Err(e.into()),
        }
    }

    /// Records generations that are sealed on the medium and unknown to the catalog: the power failed before they
    /// reached the host's disk. Sealing their numbers once more would fork the chain. Returns whether there were any.
    fn adopt_generations(&mut self) -> Result<bool> {
        let first = self.log.first_unsealed();
        if !self.mounted.list()?.iter().any(|o| o.kind == ObjectKind::Seal && o.number >= first) {
            return Ok(false);
        }
        let mut links = Chain::read(&*self.mounted.medium, self.host.id())?.links;
        links.retain(|l| l.trusted && l.number >= first);
        let Some(newest) = links.last() else { return Ok(false) };
        // Only what this host's own keys have signed.
        self.host.keys.catch_up(Some(&newest.seal))?;
        links.iter().try_for_each(|link| self.adopt_generation(link))?;
        Ok(true)
    }

    fn adopt_generation(&mut self, link: &SealLink) -> Result<()> {
        let bytes = self.seal_bytes(link.number, &link.digest)?.ok_or(WriteError::ReadBack { object: link.number })?;
        let host = &mut self.host;
        let known = host.catalog.unsealed(host.row)?;
        for o in link.seal.objects.iter().filter(|o| find_by_number(&known, o.number, |k| k.number) != Some(*o)) {
            // The catalog does not know where its chunks lie; they are stored again when they are found again.
            host.catalog.void_object(host.row, o)?;
        }
        let seal = Object { number: link.number, kind: ObjectKind::Seal, length: link.length, digest: Some(link.digest) };
        host.add_object(&seal, &mut [])?;
        host.catalog.put_seal(host.row, link.number, &bytes)?;
        let generation = GenerationRow {
            number: link.seal.generation,
            seal_object: link.number,
            seal_digest: link.digest,
            time: link.seal.time.clone(),
            started: 0,
            // The host has no entry stream of this generation: the next run reads everything.
            entries_digest: [0; 32],
            durable: true,
            closing: link.seal.is_closing(),
        };
        host.catalog.put_generation(host.row, &generation)?;
        self.log.last = Some(generation);
        Ok(())
    }

    /// Reads every object behind the last seal. Packs and labels that the catalog knows and that are whole are adopted;
    /// the rest is void.
    pub(super) fn adopt_leftovers(&mut self, observer: &dyn Observer) -> Result<()> {
        let first = self.log.first_unsealed();
        let listed = self.mounted.list()?;
        let known = self.host.catalog.unsealed(self.host.row)?;
        let after = |last: Option<u64>| last.map_or(0, |number| number + 1);
        let end = after(listed.last().map(|o| o.number)).max(after(known.last().map(|o| o.number))).max(first);
        for number in first..end {
            let there = find_by_number(&listed, number, |o| o.number);
            let recorded = find_by_number(&known, number, |o| o.number);
            let expected = recorded.filter(|o| matches!(o.kind, ObjectKind::Pack | ObjectKind::Label)).copied();
            let looks_like_label = there.is_some_and(|o| o.kind == ObjectKind::Label);
            let expected = expected.or_else(|| looks_like_label.then(|| self.own_label(number)).flatten());
            let object = match (expected, self.reread(there)?) {
                (Some(o), Some((kind, r))) if kind == o.kind && r.length == o.length && Some(r.digest) == o.digest => {
                    self.mounted.read_back = self.mounted.read_back.min(r.how);
                    o
                }
                (_, reread) => {
                    let path = there.map_or_else(|| file_name(number, ObjectKind::Pack), |o| file_name(o.number, o.kind));
                    let (kind, path, detail) = (FindingKind::Leftover, path.into_bytes(), String::new());
                    let void = self.host.void(number, reread.map(|(_, r)| r))?;
                    observer.on_event(Event::Finding { kind, path, detail });
                    void
                }
            };
            match (number, object.kind) {
                (_, ObjectKind::Label) => self.host.add_object(&object, &mut [])?,
                (0, _) => return Err(WriteError::HalfWritten),
                _ => {}
            }
            self.log.push(object);
        }
        self.log.next = end;
        Ok(())
    }

    /// Reads an object of the medium again; `None` if it is not there or damaged.
    fn reread(&self, listed: Option<&Listed>) -> Result<Option<(ObjectKind, Reread)>> {
        let Some(listed) = listed else { return Ok(None) };
        match self.mounted.medium.read_back(listed.number, listed.kind) {
            Ok(reread) => Ok(Some((listed.kind, reread))),
            Err(e) if e.category() == ErrorCategory::Damage => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// The label that a run wrote, if that run ended before the catalog recorded it.
    fn own_label(&self, number: u64) -> Option<Object> {
        let bytes = read_object(&*self.mounted.medium, number, ObjectKind::Label, limit::LABEL_BYTES).ok()?;
        let label = Label::decode(&bytes).ok()?;
        let digest = Some(*blake3::hash(&bytes).as_bytes());
        // Of a set's first run nothing but the key is known, which no other label can name.
        let root_key = if number == 0 { self.host.keys.current().public() } else { self.log.root_key };
        let is_own = label.set == self.host.id() && label.first_object == number && label.root_key == root_key;
        is_own.then_some(Object { number, kind: ObjectKind::Label, length: bytes.len() as u64, digest })
    }
}
