//! From a medium that is full to the next one.
//!
//! The full one is closed by a seal of its own, so that everything on it can be proved without the next; the next one begins with its
//! label and with copies of all seals before it, so that the whole chain can be followed on it alone.

use super::leftovers::sealed_by;
use super::sealing::SealFacts;
use super::{Result, SetWriter};
use crate::env::{Env, TOOL};
use crate::event::Observer;
use crate::format::check_code::CheckCode;
use crate::format::label::{Label, fingerprint};
use crate::format::limit;
use crate::format::merkle::MerkleTree;
use crate::format::object::{Id, Object, ObjectKind};
use crate::format::seal::Verdict;
use crate::host::catalog::MediumRow;
use crate::job::backup::{BackupError, append};
use crate::medium::loader::MediumRequest;
use crate::medium::{AttachedMedium, Listed, MediumError, NoMedium};
use crate::seal::chain::{ReadError, read_object};
use std::sync::Arc;

/// A medium that was closed within a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Its place in the set.
    pub place: u64,
    /// The number that its closing seal has used up.
    pub generation: u64,
    pub check_code: CheckCode,
    /// What its closing seal covers, and that seal.
    pub objects: u64,
    pub bytes: u64,
}

impl SetWriter {
    /// Closes the medium, which takes no more, and goes on on the next one.
    pub fn succeed(&mut self, env: &Env) -> Result<Option<Closed>> {
        let begun = self.next;
        let closed = match self.close(env) {
            // Not even the seal found room: the next one covers what lies here.
            Err(BackupError::Medium(MediumError::Full { .. })) => {
                self.catalog.forget_generation(self.row, self.generation()).map_err(BackupError::Catalog)?;
                let next = std::mem::replace(&mut self.next, begun);
                self.skip_to(next)?;
                None
            }
            other => other?,
        };
        self.bring_blank(self.place + 1, None, env)?;
        self.put_label(env)?;
        Ok(closed)
    }

    /// Lets go of the medium, and has a blank one brought.
    fn bring_blank(&mut self, place: u64, mut wrong: Option<MediumError>, env: &Env) -> Result<()> {
        self.medium = Arc::new(NoMedium);
        self.guard = None;
        let wanted = MediumRequest { set: self.id, set_name: self.info.name.clone(), place, blank: true };
        loop {
            env.loader.bring(&self.root, &wanted, wrong.take()).map_err(BackupError::Medium)?;
            match AttachedMedium::find(&self.root, env.loader).and_then(|place| Ok((place.sets()?.is_blank(), place))) {
                Ok((true, place)) => {
                    self.take(place.begin(self.id, self.block).map_err(BackupError::Medium)?);
                    return Ok(());
                }
                Ok((false, _)) => wrong = Some(MediumError::NotBlank { medium: self.root.display().to_string() }),
                Err(e) => wrong = Some(e),
            }
        }
    }

    /// The medium at hand was begun, and a copy of a seal on it is torn, so that the chain could never be followed on it. Nothing on it is
    /// sealed: another takes its place.
    pub(super) fn begin_medium_again(&mut self, env: &Env, observer: &dyn Observer) -> Result<()> {
        let torn = MediumError::Abandoned { medium: self.root.display().to_string() };
        self.bring_blank(self.place, Some(torn), env)?;
        self.begin_medium(env, observer)
    }

    /// Begins the medium at hand as the one behind the last that anything is sealed on. One that was begun before for the same place is no
    /// part of the set any more: what lies on it is void.
    pub(super) fn begin_medium(&mut self, env: &Env, observer: &dyn Observer) -> Result<()> {
        self.find_last_seal()?;
        self.sort_out_leftovers(observer)?;
        self.put_label(env)
    }

    /// Appends an object that the seal to come covers; on the next medium where this one is full.
    pub fn append_here_or_next(&mut self, kind: ObjectKind, bytes: &[u8], env: &Env) -> Result<Option<Closed>> {
        match self.append_unsealed(kind, bytes) {
            Err(BackupError::Medium(MediumError::Full { torn, .. })) => {
                if torn {
                    let next = self.next;
                    self.next -= 1;
                    self.skip_to(next)?;
                }
                let closed = self.succeed(env)?;
                self.append_unsealed(kind, bytes)?;
                Ok(closed)
            }
            other => other.map(|()| None),
        }
    }

    /// What was begun below `next` and not finished keeps its number.
    pub fn skip_to(&mut self, next: u64) -> Result<()> {
        while self.next < next {
            let listed = self.medium.list().map_err(BackupError::Medium)?.objects;
            let there = listed.iter().find(|o| o.number == self.next);
            let reread = there.and_then(|o| self.medium.read_back(o.number, o.kind).ok());
            let void = self.void(self.next, reread)?;
            self.unsealed.push(void);
            self.next += 1;
        }
        Ok(())
    }

    /// Seals what lies on the medium; nothing needs to be done where the last seal covers everything.
    fn close(&mut self, env: &Env) -> Result<Option<Closed>> {
        if self.unsealed.is_empty() {
            return Ok(None);
        }
        let facts = SealFacts {
            time: env.time_text(),
            verdict: Verdict::Continued,
            record_count: 0,
            records: MerkleTree::default().root(),
            started: self.last.as_ref().map_or(0, |g| g.started),
            // What the host keeps is still the last generation's.
            entries_digest: self.last.as_ref().map_or([0; 32], |g| g.entries_digest),
        };
        let (objects, bytes) = (self.unsealed.len() as u64, self.unsealed.iter().map(|o| o.length).sum::<u64>());
        let sealed = self.seal(facts)?;
        Ok(Some(Closed {
            place: self.place,
            generation: sealed.generation,
            check_code: CheckCode::of(&sealed.digest),
            objects: objects + 1,
            bytes: bytes + sealed.length,
        }))
    }

    /// Writes the label of the medium that comes behind the set's last one, and copies of all seals before it.
    pub(super) fn put_label(&mut self, env: &Env) -> Result<()> {
        let mut medium = Id([0; 16]);
        (env.random)(&mut medium.0);
        let last = self.catalog.last_medium(self.row).map_err(BackupError::Catalog)?;
        self.place = last.map_or(1, |m| m.place + 1);
        let label = Label {
            set: self.id,
            name: self.info.name.clone(),
            medium,
            place: self.place,
            first_object: self.next,
            created: env.time_text(),
            recipients: self.info.recipients.iter().map(|r| fingerprint(r)).collect(),
            root_key: self.root_key,
            tool: TOOL.into(),
            quarantine: self.info.quarantine,
        };
        self.append_unsealed(ObjectKind::Label, &label.encode())?;
        self.know(&label)?;
        self.carry_seals(label.first_object)
    }

    pub(super) fn know(&self, l: &Label) -> Result<()> {
        self.catalog.put_medium(self.row, &MediumRow::of(l)).map_err(BackupError::Catalog)
    }

    /// Makes good what a run left undone at the beginning of the medium at hand, whose label is `label`. `false` where it cannot be made
    /// good.
    pub(super) fn make_good(&mut self, label: &Label) -> Result<bool> {
        let listed = self.medium.list().map_err(BackupError::Medium)?.objects;
        let last = self.catalog.last_durable_generation(self.row).map_err(BackupError::Catalog)?;
        let is_begun = listed.iter().any(|o| o.number > label.first_object && o.kind == ObjectKind::Seal);
        let is_later = last.is_none_or(|g| label.first_object > g.seal_object);
        // Seals are copied once, behind the label; and only to a medium that lies behind all of them.
        if is_begun || !is_later {
            return Ok(true);
        }
        let is_whole = self.are_copies_whole(&listed)?;
        if is_whole {
            self.carry_seals(label.first_object)?;
        }
        Ok(is_whole)
    }

    /// Whether those copies of seals that are on the medium are what the seals are.
    fn are_copies_whole(&self, listed: &[Listed]) -> Result<bool> {
        for o in listed.iter().filter(|o| o.kind == ObjectKind::Seal) {
            let Ok(bytes) = self.catalog.seal(self.row, o.number) else { continue };
            match read_object(&*self.medium, o.number, ObjectKind::Seal, limit::SEAL_BYTES) {
                Ok(there) if there == bytes => {}
                Ok(_) | Err(ReadError::Damaged(_)) => return Ok(false),
                Err(ReadError::Medium(e)) => return Err(BackupError::Medium(e)),
            }
        }
        Ok(true)
    }

    /// Whether any content lies on the medium.
    pub fn is_fresh(&self) -> Result<bool> {
        let listing = self.medium.list().map_err(BackupError::Medium)?;
        Ok(!listing.objects.iter().any(|o| o.kind == ObjectKind::Pack))
    }

    /// Copies the seals of earlier media to this one, whose first object is `first`.
    fn carry_seals(&mut self, first: u64) -> Result<()> {
        let there = self.medium.list().map_err(BackupError::Medium)?.objects;
        let numbers = self.catalog.seal_numbers(self.row, first).map_err(BackupError::Catalog)?;
        let missing: Vec<u64> = numbers.into_iter().filter(|n| !there.iter().any(|o| o.number == *n)).collect();
        let mut carried = Vec::new();
        for number in missing {
            let bytes = self.catalog.seal(self.row, number).map_err(BackupError::Catalog)?;
            self.medium.append(number, ObjectKind::Seal, &bytes).map_err(BackupError::Medium)?;
            let digest = Some(*blake3::hash(&bytes).as_bytes());
            carried.push(Object { number, kind: ObjectKind::Seal, length: bytes.len() as u64, digest });
        }
        if carried.is_empty() {
            return Ok(());
        }
        self.medium.sync().map_err(BackupError::Medium)?;
        for seal in carried {
            self.read_back = self.read_back.min(append::read_back(&*self.medium, &seal)?);
        }
        Ok(())
    }

    /// Brings log and keys in step with the last seal, whose medium is not at hand.
    pub(super) fn find_last_seal(&mut self) -> Result<()> {
        self.last = self.catalog.last_durable_generation(self.row).map_err(BackupError::Catalog)?;
        let Some(last) = &self.last else { return Err(BackupError::StaleCatalog) };
        let bytes = self.catalog.seal(self.row, last.seal_object).map_err(BackupError::Catalog)?;
        if *blake3::hash(&bytes).as_bytes() != last.seal_digest {
            return Err(BackupError::StaleCatalog);
        }
        let sealed = sealed_by(last, &bytes)?;
        let medium = self.catalog.last_medium(self.row).map_err(BackupError::Catalog)?.ok_or(BackupError::StaleCatalog)?;
        self.root_key = medium.root_key;
        self.next = self.end_of_log();
        self.stand_on(Some(sealed))
    }
}
