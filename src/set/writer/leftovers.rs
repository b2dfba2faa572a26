//! What the last run left: a seal that the catalog does not know yet, packs that are whole, pieces.

use super::{Result, SetWriter};
use crate::event::{Event, FindingKind, Observer};
use crate::format::label::Label;
use crate::format::limit;
use crate::format::merkle::object_leaf;
use crate::format::object::{Object, ObjectKind, file_name};
use crate::format::seal::Seal;
use crate::host::catalog::GenerationRow;
use crate::job::backup::BackupError;
use crate::medium::{ErrorCategory, Reread};
use crate::seal::chain::{Chain, ReadError, SealLink, read_object};

/// The one with this number, of some that ascend by it.
fn numbered<T>(all: &[T], number: u64, number_of: impl Fn(&T) -> u64) -> Option<&T> {
    all.get(all.partition_point(|one| number_of(one) < number)).filter(|one| number_of(one) == number)
}

/// The seal of a generation out of its bytes, and the object that it is.
pub(super) fn sealed_by(g: &GenerationRow, bytes: &[u8]) -> Result<(Seal, Object)> {
    let seal = Seal::decode(bytes).map_err(BackupError::Format)?.seal;
    if (seal.generation, seal.number()) != (g.number, g.seal_object) {
        return Err(BackupError::StaleCatalog);
    }
    let (number, length) = (g.seal_object, bytes.len() as u64);
    Ok((seal, Object { number, kind: ObjectKind::Seal, length, digest: Some(g.seal_digest) }))
}

impl SetWriter {
    /// Brings catalog, keys and the host's entry stream in step with the last seal on the medium.
    pub(super) fn find_last_generation(&mut self) -> Result<()> {
        let last = self.catalog.last_generation(self.row).map_err(BackupError::Catalog)?;
        if let Some(pending) = last.filter(|g| !g.durable) {
            // The run ended between writing its seal and recording it, or before writing it.
            match self.seal_bytes(pending.seal_object, &pending.seal_digest)? {
                Some(bytes) => self.sealed(pending, &bytes)?,
                None => self.catalog.forget_generation(self.row, pending.number).map_err(BackupError::Catalog)?,
            }
        }
        self.last = self.catalog.last_durable_generation(self.row).map_err(BackupError::Catalog)?;
        let seal = self.seal_of_last()?;
        let seal = if self.adopt_generations()? { self.seal_of_last()? } else { seal };
        self.stand_on(seal)
    }

    /// Brings the log and the keys in step with the last seal.
    pub(super) fn stand_on(&mut self, seal: Option<(Seal, Object)>) -> Result<()> {
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

    /// The last seal, and the object that it is.
    fn seal_of_last(&self) -> Result<Option<(Seal, Object)>> {
        let Some(g) = &self.last else { return Ok(None) };
        let bytes = self.seal_bytes(g.seal_object, &g.seal_digest)?;
        sealed_by(g, &bytes.ok_or(BackupError::RolledBack { generation: g.number })?).map(Some)
    }

    /// The seal under a number; `None` where it is not on the medium with this digest.
    fn seal_bytes(&self, number: u64, digest: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        match self.medium.read_back(number, ObjectKind::Seal) {
            Ok(reread) if reread.digest == *digest => {}
            Ok(_) => return Ok(None),
            Err(e) if e.category() == ErrorCategory::Damage => return Ok(None),
            Err(e) => return Err(BackupError::Medium(e)),
        }
        match read_object(&*self.medium, number, ObjectKind::Seal, limit::SEAL_BYTES) {
            Ok(bytes) => Ok(Some(bytes).filter(|b| blake3::hash(b).as_bytes() == digest)),
            Err(ReadError::Damaged(_)) => Ok(None),
            Err(ReadError::Medium(e)) => Err(BackupError::Medium(e)),
        }
    }

    /// Takes over generations that are sealed on the medium and that the catalog does not know: the power failed before its last
    /// words were on the host's disk. To seal their numbers once more would fork the chain. Whether there were any.
    fn adopt_generations(&mut self) -> Result<bool> {
        let end = self.last.as_ref().map_or(0, |g| g.seal_object + 1);
        let listing = self.medium.list().map_err(BackupError::Medium)?;
        if !listing.objects.iter().any(|o| o.kind == ObjectKind::Seal && o.number >= end) {
            return Ok(false);
        }
        let mut links = Chain::read(&*self.medium, self.id).map_err(BackupError::Medium)?.links;
        links.retain(|l| l.trusted && l.number >= end);
        let Some(newest) = links.last() else { return Ok(false) };
        // Only what this host's own keys have signed.
        self.keys.catch_up(Some(&newest.seal)).map_err(BackupError::SealKeys)?;
        links.iter().try_for_each(|link| self.adopt_generation(link))?;
        Ok(true)
    }

    fn adopt_generation(&mut self, link: &SealLink) -> Result<()> {
        let bytes = self.seal_bytes(link.number, &link.digest)?.ok_or(BackupError::ReadBack { object: link.number })?;
        let known = self.catalog.unsealed(self.row).map_err(BackupError::Catalog)?;
        for o in link.seal.objects.iter().filter(|o| numbered(&known, o.number, |k| k.number) != Some(*o)) {
            // Where its chunks lie is not known; they are stored again when they are met again.
            self.catalog.void_object(self.row, o).map_err(BackupError::Catalog)?;
        }
        let seal = Object { number: link.number, kind: ObjectKind::Seal, length: link.length, digest: Some(link.digest) };
        self.catalog.add_object(self.row, &seal, &mut []).map_err(BackupError::Catalog)?;
        self.catalog.put_seal(self.row, link.number, &bytes).map_err(BackupError::Catalog)?;
        let row = GenerationRow {
            number: link.seal.generation,
            seal_object: link.number,
            seal_digest: link.digest,
            time: link.seal.time.clone(),
            started: 0,
            // No entry stream on the host is this one's: everything is read.
            entries_digest: [0; 32],
            durable: true,
            closing: link.seal.is_closing(),
        };
        self.catalog.put_generation(self.row, &row).map_err(BackupError::Catalog)?;
        self.last = Some(row);
        Ok(())
    }

    /// Looks at every object behind the last seal: packs and labels that the catalog knows and that are whole are adopted, the rest is
    /// void.
    pub(super) fn sort_out_leftovers(&mut self, observer: &dyn Observer) -> Result<()> {
        let first = self.end_of_log();
        let listed = self.medium.list().map_err(BackupError::Medium)?.objects;
        let known = self.catalog.unsealed(self.row).map_err(BackupError::Catalog)?;
        let end = listed.last().map_or(0, |o| o.number + 1).max(known.last().map_or(0, |o| o.number + 1)).max(first);
        for number in first..end {
            let there = numbered(&listed, number, |o| o.number);
            let expected =
                numbered(&known, number, |o| o.number).filter(|o| matches!(o.kind, ObjectKind::Pack | ObjectKind::Label));
            let looks_like_label = there.is_some_and(|o| o.kind == ObjectKind::Label);
            let expected = expected.copied().or_else(|| looks_like_label.then(|| self.own_label(number)).flatten());
            let reread = match there.map(|o| (o.kind, self.medium.read_back(o.number, o.kind))) {
                Some((kind, Ok(reread))) => Some((kind, reread)),
                Some((_, Err(e))) if e.category() != ErrorCategory::Damage => return Err(BackupError::Medium(e)),
                _ => None,
            };
            let is_label = expected.is_some_and(|o| o.kind == ObjectKind::Label);
            let object = match (expected, reread) {
                (Some(o), Some((kind, r))) if kind == o.kind && r.length == o.length && Some(r.digest) == o.digest => {
                    self.read_back = self.read_back.min(r.how);
                    o
                }
                (_, reread) => {
                    let void = self.void(number, reread.map(|(_, r)| r))?;
                    let name = there.map_or_else(|| file_name(number, ObjectKind::Pack), |o| file_name(o.number, o.kind));
                    observer.on_event(Event::Finding {
                        kind: FindingKind::Leftover,
                        path: name.into_bytes(),
                        detail: String::new(),
                    });
                    void
                }
            };
            match (number, object.kind) {
                (_, ObjectKind::Label) if is_label => {
                    self.catalog.add_object(self.row, &object, &mut []).map_err(BackupError::Catalog)?
                }
                (0, _) => return Err(BackupError::HalfWritten),
                _ => {}
            }
            self.unsealed.push(object);
        }
        self.next = end;
        Ok(())
    }

    /// Names what lies under a number as leftovers: its bytes are sealed, and mean nothing.
    pub(super) fn void(&mut self, number: u64, reread: Option<Reread>) -> Result<Object> {
        let (length, digest) = reread.map_or((0, None), |r| (r.length, Some(r.digest)));
        let void = Object { number, kind: ObjectKind::Void, length, digest };
        self.catalog.void_object(self.row, &void).map_err(BackupError::Catalog)?;
        Ok(void)
    }

    /// The label that a run wrote, when it ended before the catalog knew of it.
    fn own_label(&self, number: u64) -> Option<Object> {
        let bytes = read_object(&*self.medium, number, ObjectKind::Label, limit::LABEL_BYTES).ok()?;
        let label = Label::decode(&bytes).ok()?;
        let digest = Some(*blake3::hash(&bytes).as_bytes());
        // Of a first run only the key is known, which no other label can name.
        let root_key = if number == 0 { self.keys.current().public() } else { self.root_key };
        let is_own = label.set == self.id && label.first_object == number && label.root_key == root_key;
        is_own.then_some(Object { number, kind: ObjectKind::Label, length: bytes.len() as u64, digest })
    }
}
