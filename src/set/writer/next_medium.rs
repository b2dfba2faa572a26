//! From a medium that is full to the next one.
//!
//! The full one is closed by a seal of its own, so that everything on it can be proved without the next. The next one
//! begins with its label and with copies of all earlier seals, so that the whole chain can be followed on it alone.

use super::leftovers::only_with_number;
use super::sealing::SealFacts;
use super::{Result, SetWriter, WriteError};
use crate::env::{Env, TOOL};
use crate::event::Observer;
use crate::format::check_code::CheckCode;
use crate::format::label::{Fingerprint, Label};
use crate::format::limit;
use crate::format::merkle::MerkleTree;
use crate::format::object::{Id, Object, ObjectKind};
use crate::format::seal::Verdict;
use crate::medium::loader::MediumRequest;
use crate::medium::{AttachedMedium, Listed, MediumError};
use crate::seal::chain::{ReadError, read_object};

/// A medium that was closed within a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Its place in the set, from 1.
    pub place: u64,
    /// The generation number that its closing seal has used up.
    pub generation: u64,
    /// Of its closing seal.
    pub check_code: CheckCode,
    /// Objects that its closing seal covers, and that seal.
    pub objects: u64,
    /// Bytes of these objects.
    pub bytes: u64,
}

impl SetWriter {
    /// Opens the set on an attached medium, whose label is `label`.
    pub(super) fn open_medium(
        &mut self,
        attached: AttachedMedium,
        label: &Label,
        env: &Env,
        observer: &dyn Observer,
    ) -> Result<()> {
        self.mounted.mount(attached.without_interruption().open_to_write(self.host.id())?);
        (self.mounted.place, self.mounted.label) = (label.place, *blake3::hash(&label.encode()).as_bytes());
        (self.log.root_key, self.log.succession_key) = (label.root_key, label.succession_key);
        if !self.complete_beginning(label)? {
            return self.replace_half_begun(env, observer);
        }
        self.resume_from_medium()?;
        // Not before: now the label is known to belong to a medium of this chain.
        self.host.add_medium(label)?;
        self.miss_lost_seals()?;
        self.adopt_leftovers(env, observer)
    }

    /// Begins the mounted medium as the one behind the last that anything is sealed on. A medium that an earlier run
    /// began at the same place no longer belongs to the set; its objects are void.
    pub(super) fn begin_medium(&mut self, env: &Env, observer: &dyn Observer) -> Result<()> {
        self.resume_from_catalog()?;
        self.adopt_leftovers(env, observer)?;
        self.write_label(env)
    }

    /// Replaces the mounted medium, on which a copy of a seal is torn: the chain could never be followed on it. Nothing
    /// on it is sealed.
    fn replace_half_begun(&mut self, env: &Env, observer: &dyn Observer) -> Result<()> {
        let torn = MediumError::Abandoned { medium: self.mounted.root.display().to_string() };
        self.mount_blank(self.mounted.place, Some(torn), env)?;
        self.begin_medium(env, observer)
    }

    /// Closes the full medium and continues on the next one. Returns the closed one; `None` if no seal found room on it
    /// or was needed.
    pub fn continue_on_next_medium(&mut self, env: &Env) -> Result<Option<Closed>> {
        let first_behind = self.log.next;
        let closed = match self.close(Verdict::Continued, env) {
            // Not even the seal found room: the next seal covers what lies here.
            Err(WriteError::Medium(MediumError::Full { .. })) => {
                self.host.catalog.forget_seal(self.host.row, self.log.next_seal())?;
                let next = std::mem::replace(&mut self.log.next, first_behind);
                self.void_up_to(next)?;
                None
            }
            other => other?,
        };
        self.mount_blank(self.mounted.place + 1, None, env)?;
        self.write_label(env)?;
        Ok(closed)
    }

    /// Appends an object that the next seal covers; on the next medium if this one is full.
    pub fn append_here_or_next(&mut self, kind: ObjectKind, bytes: &[u8], env: &Env) -> Result<Option<Closed>> {
        match self.append_unsealed(kind, bytes) {
            Err(WriteError::Medium(MediumError::Full { torn, .. })) => {
                if torn {
                    let next = self.log.next;
                    self.log.next -= 1;
                    self.void_up_to(next)?;
                }
                let closed = self.continue_on_next_medium(env)?;
                self.append_unsealed(kind, bytes)?;
                Ok(closed)
            }
            other => other.map(|()| None),
        }
    }

    /// Records all objects below `next` that were begun and not finished as void: their numbers are used.
    pub fn void_up_to(&mut self, next: u64) -> Result<()> {
        let listed = if self.log.next < next { self.mounted.list()? } else { Vec::new() };
        while self.log.next < next {
            let number = self.log.next;
            let reread = self.reread(only_with_number(&listed, number))?;
            let void = self.host.void(number, reread.map(|(_, r)| r))?;
            self.log.push(void);
        }
        Ok(())
    }

    /// Unmounts the medium, and has a blank one attached.
    fn mount_blank(&mut self, place: u64, mut wrong: Option<MediumError>, env: &Env) -> Result<()> {
        self.mounted.unmount();
        let (set, root, block) = (self.host.id(), self.mounted.root.clone(), self.mounted.tape_block);
        let wanted = MediumRequest { set, set_name: self.host.info.name.clone(), place, blank: true };
        loop {
            env.loader.bring(&root, &wanted, wrong.take())?;
            let attached = AttachedMedium::find(&root, env.loader).map(AttachedMedium::without_interruption);
            match attached.and_then(|attached| Ok((attached.sets()?.is_blank(), attached))) {
                Ok((true, attached)) => {
                    self.mounted.mount(attached.begin(set, block)?);
                    return Ok(());
                }
                Ok((false, _)) => wrong = Some(MediumError::NotBlank { medium: root.display().to_string() }),
                Err(e) => wrong = Some(e),
            }
        }
    }

    /// Seals what lies on the medium, within a run, so that it is kept if the run is interrupted.
    pub fn checkpoint(&mut self, env: &Env) -> Result<Option<Closed>> {
        self.close(Verdict::Checkpoint, env)
    }

    /// Writes a closing seal. Nothing needs to be done if the last seal covers everything.
    fn close(&mut self, verdict: Verdict, env: &Env) -> Result<Option<Closed>> {
        if self.log.unsealed.is_empty() {
            return Ok(None);
        }
        let facts = SealFacts {
            time: env.time_text(),
            verdict,
            record_count: 0,
            records: MerkleTree::default().root(),
            started: self.log.last.as_ref().map_or(0, |g| g.started),
            // The host still keeps the entry stream of the last generation.
            entries_digest: self.log.last.as_ref().map_or([0; 32], |g| g.entries_digest),
        };
        let (objects, bytes) = (self.log.unsealed.len() as u64, self.log.unsealed.iter().map(|o| o.length).sum::<u64>());
        let sealed = self.seal(facts)?;
        Ok(Some(Closed {
            place: self.mounted.place,
            generation: sealed.generation,
            check_code: CheckCode::of(&sealed.digest),
            objects: objects + 1,
            bytes: bytes + sealed.length,
        }))
    }

    /// Writes the label of the medium that comes behind the set's last one, and copies of all earlier seals.
    pub(super) fn write_label(&mut self, env: &Env) -> Result<()> {
        let mut medium = Id([0; 16]);
        (env.random)(&mut medium.0);
        let (host, last) = (&self.host, self.host.catalog.last_medium(self.host.row)?);
        self.mounted.place = last.map_or(1, |m| m.place + 1);
        let label = Label {
            set: host.id(),
            name: host.info.name.clone(),
            medium,
            place: self.mounted.place,
            first_object: self.log.next,
            created: env.time_text(),
            recipients: host.info.recipients.iter().map(|r| Fingerprint::of(r)).collect(),
            root_key: self.log.root_key,
            succession_key: self.log.succession_key,
            tool: TOOL.into(),
            quarantine: host.info.quarantine,
        };
        let bytes = label.encode();
        self.host.put_label(label.first_object, &bytes)?;
        self.mounted.label = *blake3::hash(&bytes).as_bytes();
        self.append_unsealed(ObjectKind::Label, &bytes)?;
        self.host.add_medium(&label)?;
        self.copy_seals(label.first_object)
    }

    /// Adds the copies of earlier seals that an interrupted run left out at the beginning of the mounted medium, whose
    /// label is `label`. Returns `false` if one of them is torn.
    fn complete_beginning(&mut self, label: &Label) -> Result<bool> {
        let listed = self.mounted.list()?;
        let last = self.host.last_durable_seal()?;
        let has_own_seal = listed.iter().any(|o| o.number > label.first_object && o.kind == ObjectKind::Seal);
        let is_behind_all = last.is_none_or(|g| label.first_object > g.seal_object);
        // Seals are copied once, behind the label; and only to a medium that lies behind all of them.
        if has_own_seal || !is_behind_all {
            return Ok(true);
        }
        let is_whole = self.are_copies_whole(&listed)?;
        if is_whole {
            self.copy_seals(label.first_object)?;
        }
        Ok(is_whole)
    }

    /// Whether the copies of seals on the medium equal the seals.
    fn are_copies_whole(&self, listed: &[Listed]) -> Result<bool> {
        for o in listed.iter().filter(|o| o.kind == ObjectKind::Seal) {
            let Ok(bytes) = self.host.catalog.seal(self.host.row, o.number) else { continue };
            match read_object(&*self.mounted.medium, o.number, ObjectKind::Seal, limit::SEAL_BYTES) {
                Ok(there) if there == bytes => {}
                Ok(_) | Err(ReadError::Damaged(_)) => return Ok(false),
                Err(ReadError::Medium(e)) => return Err(e.into()),
            }
        }
        Ok(true)
    }

    /// Copies the seals of earlier media to this one, whose first object is `first`.
    fn copy_seals(&mut self, first: u64) -> Result<()> {
        let there = self.mounted.list()?;
        let numbers = self.host.catalog.seal_numbers(self.host.row, first)?;
        let mut copies = Vec::new();
        for number in numbers.into_iter().filter(|n| !there.iter().any(|o| o.number == *n)) {
            let bytes = self.host.catalog.seal(self.host.row, number)?;
            self.mounted.medium.append(number, ObjectKind::Seal, &bytes)?;
            copies.push(Object::of(number, ObjectKind::Seal, &bytes));
        }
        if !copies.is_empty() {
            self.mounted.medium.sync()?;
        }
        copies.iter().try_for_each(|copy| self.mounted.check(copy))
    }
}
