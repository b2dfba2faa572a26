//! What the last run left: a seal that the catalog does not know yet, packs that are whole, and pieces.

use super::{Result, SetWriter, WriteError};
use crate::env::Env;
use crate::event::{Event, FindingKind, Observer};
use crate::format::digests::{BothDigests, Hashes};
use crate::format::label::Label;
use crate::format::limit;
use crate::format::object::{Object, ObjectKind, file_name};
use crate::format::seal::{Seal, Signed};
use crate::host::catalog::SealRow;
use crate::medium::{ErrorCategory, Listed, MediumError, Reread};
use crate::seal::KeyError;
use crate::seal::chain::{Chain, LEFTOVER_GAP, ReadError, SealLink, read_object};

/// The element with this number in a slice that ascends by number.
pub(super) fn find_by_number<T>(all: &[T], number: u64, number_of: impl Fn(&T) -> u64) -> Option<&T> {
    all.get(all.partition_point(|one| number_of(one) < number)).filter(|one| number_of(one) == number)
}

/// The object with this number in a listing, if there is only one: of several, a list could name only one.
pub(super) fn only_with_number(listed: &[Listed], number: u64) -> Option<&Listed> {
    let mut of_number = listed[listed.partition_point(|o| o.number < number)..].iter().take_while(|o| o.number == number);
    of_number.next().filter(|_| of_number.next().is_none())
}

/// Decodes the seal of a row.
fn decode_seal(row: &SealRow, bytes: &[u8]) -> Result<Seal> {
    let seal = Seal::decode(bytes)?.seal;
    let same = (seal.earlier + 1, seal.generation, seal.number()) == (row.seal, row.number, row.seal_object);
    // Behind a closing seal its generation goes on; behind any other, the next one begins.
    if same && seal.is_closing() == row.closing { Ok(seal) } else { Err(WriteError::StaleCatalog) }
}

/// Whether these are the bytes of a seal whose head has these digests.
fn has_head(bytes: &[u8], head: &BothDigests) -> bool {
    let is_whole = |s: &Signed| s.seal.decode_list(&bytes[s.head_bytes..]).is_ok();
    Seal::decode(bytes).is_ok_and(|s| BothDigests::of(&bytes[..s.head_bytes]) == *head && is_whole(&s))
}

impl SetWriter {
    /// Brings catalog, seal keys and the host's entry stream in step with the last seal on the medium.
    pub(super) fn resume_from_medium(&mut self) -> Result<()> {
        let (host, row) = (&self.host, self.host.row);
        if let Some(pending) = host.catalog.last_seal_row(row)?.filter(|g| !g.durable) {
            // The run ended between writing its seal and recording it, or before writing it.
            match self.seal_bytes(pending.seal_object, &pending.head)? {
                Some(bytes) => self.record_seal(pending, &bytes)?,
                None => host.catalog.forget_seal(row, pending.seal)?,
            }
        }
        self.log.last = self.host.last_durable_seal()?;
        let mut seal = self.last_seal()?;
        if self.adopt_generations()? {
            seal = self.last_seal()?;
        }
        self.resume_after(seal)
    }

    /// Brings log and seal keys in step with the last seal while its medium is not attached.
    pub(super) fn resume_from_catalog(&mut self) -> Result<()> {
        let (host, row) = (&self.host, self.host.row);
        let last = host.last_durable_seal()?.ok_or(WriteError::StaleCatalog)?;
        let bytes = host.catalog.seal(row, last.seal_object)?;
        if !has_head(&bytes, &last.head) {
            return Err(WriteError::StaleCatalog);
        }
        let seal = decode_seal(&last, &bytes)?;
        self.log.root_key = host.catalog.last_medium(row)?.ok_or(WriteError::StaleCatalog)?.root_key;
        self.log.next = last.seal_object + 1;
        self.log.last = Some(last);
        self.resume_after(Some(seal))
    }

    /// Brings log and seal keys in step with the last seal.
    fn resume_after(&mut self, seal: Option<Seal>) -> Result<()> {
        if let Some(seal) = &seal {
            self.log.rebuild(&self.host, seal)?;
        }
        // The run may have ended between recording its seal and destroying the key that had signed it.
        self.catch_up(seal.as_ref())
    }

    /// Brings the seal keys in step with a seal that is the set's last one. Keys that are older than it were set back.
    fn catch_up(&mut self, seal: Option<&Seal>) -> Result<()> {
        self.host.keys.catch_up(seal).map_err(|e| match (e, seal) {
            (KeyError::OutOfStep { expected, .. }, Some(seal)) if seal.earlier + 1 >= expected => {
                WriteError::StateSetBack { generation: seal.generation }
            }
            (e, _) => e.into(),
        })
    }

    /// The last seal, read from the medium.
    fn last_seal(&self) -> Result<Option<Seal>> {
        let Some(last) = &self.log.last else { return Ok(None) };
        match self.seal_bytes(last.seal_object, &last.head)? {
            Some(bytes) => decode_seal(last, &bytes).map(Some),
            None => {
                // Fails if the disk cannot be read.
                self.mounted.list()?;
                Err(WriteError::RolledBack { generation: last.number })
            }
        }
    }

    /// The seal under a number; `None` if no whole one with this head is on the medium.
    fn seal_bytes(&self, number: u64, head: &BothDigests) -> Result<Option<Vec<u8>>> {
        let medium = &*self.mounted.medium;
        // First, because it reads nothing that is longer than a seal.
        let bytes = match read_object(medium, number, ObjectKind::Seal, limit::SEAL_BYTES) {
            Ok(bytes) => bytes,
            Err(ReadError::Damaged(_)) => return Ok(None),
            Err(ReadError::Medium(e)) => return Err(e.into()),
        };
        // Past the cache: what counts is what is on the medium.
        match medium.read_back(number, ObjectKind::Seal, Hashes::Blake3) {
            Ok(reread) if *blake3::hash(&bytes).as_bytes() != reread.digests.blake3 => Ok(None),
            Ok(_) => Ok(Some(bytes).filter(|bytes| has_head(bytes, head))),
            Err(e) if e.category() == ErrorCategory::Damage => Ok(None),
            Err(e) => Err(e.into()),
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
        // Only what this host's own keys have signed. A run that was cut off is behind by one seal, with the next key prepared.
        self.catch_up(Some(&newest.seal))?;
        links.iter().try_for_each(|link| self.adopt_generation(link))?;
        Ok(true)
    }

    fn adopt_generation(&mut self, link: &SealLink) -> Result<()> {
        let bytes = self.seal_bytes(link.number, &link.head)?.ok_or(WriteError::ReadBack { object: link.number })?;
        let host = &mut self.host;
        let known = host.catalog.unsealed(host.row)?;
        for o in link.objects.iter().filter(|o| find_by_number(&known, o.number, |k| k.number) != Some(*o)) {
            // The catalog does not know where its chunks lie; they are stored again when they are found again.
            host.catalog.void_object(host.row, o)?;
        }
        host.add_object(&link.object(), &mut [])?;
        host.catalog.put_seal(host.row, link.number, &bytes)?;
        let generation = SealRow {
            seal: link.seal.earlier + 1,
            number: link.seal.generation,
            seal_object: link.number,
            head: link.head,
            time: link.seal.time.clone(),
            started: 0,
            // The host has no entry stream of this generation: the next run reads everything.
            entries_digest: [0; 32],
            durable: true,
            closing: link.seal.is_closing(),
        };
        host.catalog.put_seal_row(host.row, &generation)?;
        self.log.last = Some(generation);
        Ok(())
    }

    /// Looks for all seals that this host has written on the mounted medium: each medium begins with copies of the earlier.
    pub(super) fn miss_lost_seals(&mut self) -> Result<()> {
        let listed = self.mounted.list()?;
        let is_there = |number: &u64| {
            let from = listed.partition_point(|o| o.number < *number);
            listed[from..].iter().take_while(|o| o.number == *number).any(|o| o.kind == ObjectKind::Seal)
        };
        let sealed = self.host.catalog.seal_numbers(self.host.row, self.log.first_unsealed())?;
        self.log.lost_seals = sealed.into_iter().filter(|number| !is_there(number)).collect();
        Ok(())
    }

    /// Reads the objects that a run has left behind the last seal. Packs and labels that the catalog knows and that are whole
    /// are adopted; the rest is void. What no run can have left is not looked at: see [`LEFTOVER_GAP`].
    pub(super) fn adopt_leftovers(&mut self, env: &Env, observer: &dyn Observer) -> Result<()> {
        let first = self.log.first_unsealed();
        let listed = self.mounted.list()?;
        let known = self.host.catalog.unsealed(self.host.row)?;
        // A number that was void and has no file any more was never used.
        let mut end = known.iter().rfind(|o| o.kind != ObjectKind::Void).map_or(first, |o| o.number + 1).max(first);
        for o in listed.iter().filter(|o| o.number >= first) {
            if o.number >= end + LEFTOVER_GAP {
                break;
            }
            end = end.max(o.number + 1);
        }
        self.log.next = first;
        while self.log.next < end {
            let number = self.log.next;
            if env.is_interrupted() {
                return Err(MediumError::Interrupted.into());
            }
            let object = self.sort_out(number, &listed, &known, observer)?;
            match (number, object.kind) {
                (_, ObjectKind::Label) => self.host.add_object(&object, &mut [])?,
                (0, _) => return Err(WriteError::HalfWritten),
                _ => {}
            }
            self.log.push(object);
            if self.log.wants_checkpoint() {
                self.checkpoint(env)?;
            }
        }
        Ok(())
    }

    /// What the seal has to list under a number that a run may have used.
    fn sort_out(&mut self, number: u64, listed: &[Listed], known: &[Object], observer: &dyn Observer) -> Result<Object> {
        let there = find_by_number(listed, number, |o| o.number);
        let recorded = find_by_number(known, number, |o| o.number);
        let expected = recorded.filter(|o| matches!(o.kind, ObjectKind::Pack | ObjectKind::Label)).copied();
        let looks_like_label = there.is_some_and(|o| o.kind == ObjectKind::Label);
        let expected = match expected {
            None if looks_like_label => self.own_label(number)?,
            expected => expected,
        };
        match (expected, self.reread(there)?) {
            (Some(o), Some((kind, r)))
                if kind == o.kind && r.length == o.length && o.digests.is_some_and(|d| d.agree_with(&r.digests)) =>
            {
                self.mounted.read_back = self.mounted.read_back.min(r.how);
                Ok(o)
            }
            (_, reread) => {
                let path = there.map_or_else(|| file_name(number, ObjectKind::Pack), |o| file_name(o.number, o.kind));
                let is_alone = only_with_number(listed, number).is_some();
                let void = self.host.void(number, reread.filter(|_| is_alone).map(|(_, r)| r))?;
                let (kind, path, detail) = (FindingKind::Leftover, path.into_bytes(), String::new());
                observer.on_event(Event::Finding { kind, path, detail });
                Ok(void)
            }
        }
    }

    /// Reads an object of the medium again; `None` if it is not there, damaged, or larger than any object.
    pub(super) fn reread(&self, listed: Option<&Listed>) -> Result<Option<(ObjectKind, Reread)>> {
        let Some(listed) = listed.filter(|l| l.length <= limit::PACK_BYTES) else { return Ok(None) };
        match self.mounted.medium.read_back(listed.number, listed.kind, Hashes::Both) {
            Ok(reread) => Ok(Some((listed.kind, reread))),
            Err(e) if e.category() == ErrorCategory::Damage => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// The label that a run of this host wrote, if that run ended before the catalog recorded the object.
    fn own_label(&self, number: u64) -> Result<Option<Object>> {
        let Ok(bytes) = read_object(&*self.mounted.medium, number, ObjectKind::Label, limit::LABEL_BYTES) else {
            return Ok(None);
        };
        let object = Object::of(number, ObjectKind::Label, &bytes);
        let is_own = self.host.catalog.has_label(self.host.row, number, blake3::hash(&bytes).as_bytes())?;
        // The catalog may be as old as the set's first run. Nothing is sealed then, and no other label names this key.
        let is_first = || {
            let (info, key) = (&self.host.info, self.host.keys.current().public());
            Label::decode(&bytes).is_ok_and(|l| {
                let names = (l.set, l.first_object, l.root_key, l.quarantine) == (self.host.id(), 0, key, info.quarantine);
                names && l.name == info.name
            })
        };
        Ok((is_own || number == 0 && self.log.last.is_none() && is_first()).then_some(object))
    }
}
