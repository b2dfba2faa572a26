//! What the last run left: a seal that the catalog does not know yet, packs that are whole, pieces.

use super::{Result, Writer};
use crate::catalog::GenerationRow;
use crate::event::{Event, FindingKind, Observer};
use crate::format::label::Label;
use crate::format::limit;
use crate::format::merkle::object_leaf;
use crate::format::object::{Kind, Object, file_name};
use crate::format::seal::Seal;
use crate::job::backup::BackupError;
use crate::medium::{Blame, Reread};
use crate::seal::chain::{Chain, Link, ReadError, read_object};

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
    Ok((seal, Object { number, kind: Kind::Seal, length, digest: Some(g.seal_digest) }))
}

impl Writer {
    /// Brings catalog, keys and the host's entry stream in step with the last seal on the medium.
    pub(super) fn find_last_generation(&mut self) -> Result<()> {
        let last = self.catalog.last_generation(self.row).map_err(BackupError::Catalog)?;
        if let Some(pending) = last.filter(|g| !g.durable) {
            // The run ended between writing its seal and recording it, or before writing it.
            if self.seal_digest(pending.seal_object)? == Some(pending.seal_digest) {
                self.sealed(pending)?;
            } else {
                self.catalog.forget_generation(self.row, pending.number).map_err(BackupError::Catalog)?;
            }
        }
        self.last = self.catalog.last_durable_generation(self.row).map_err(BackupError::Catalog)?;
        if let Some(g) = &self.last
            && self.seal_digest(g.seal_object)? != Some(g.seal_digest)
        {
            return Err(BackupError::RolledBack { generation: g.number });
        }
        self.adopt_generations()?;
        let seal = self.last.as_ref().map(|g| self.seal_of(g)).transpose()?;
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

    /// The seal of a generation, and the object that it is.
    fn seal_of(&self, g: &GenerationRow) -> Result<(Seal, Object)> {
        let bytes = match read_object(&*self.medium, g.seal_object, Kind::Seal, limit::SEAL_BYTES) {
            Ok(bytes) if *blake3::hash(&bytes).as_bytes() == g.seal_digest => bytes,
            Ok(_) | Err(ReadError::Damaged(_)) => return Err(BackupError::RolledBack { generation: g.number }),
            Err(ReadError::Medium(e)) => return Err(BackupError::Medium(e)),
        };
        sealed_by(g, &bytes)
    }

    /// Takes over generations that are sealed on the medium and that the catalog does not know: the power failed before its last
    /// words were on the host's disk. To seal their numbers once more would fork the chain.
    fn adopt_generations(&mut self) -> Result<()> {
        let end = self.last.as_ref().map_or(0, |g| g.seal_object + 1);
        let listing = self.medium.list().map_err(BackupError::Medium)?;
        if !listing.objects.iter().any(|o| o.kind == Kind::Seal && o.number >= end) {
            return Ok(());
        }
        let mut links = Chain::read(&*self.medium, self.id).map_err(BackupError::Medium)?.links;
        links.retain(|l| l.trusted && l.number >= end);
        let Some(newest) = links.last() else { return Ok(()) };
        // Only what this host's own keys have signed.
        self.keys.catch_up(Some(&newest.seal)).map_err(BackupError::SealKeys)?;
        links.iter().try_for_each(|link| self.adopt_generation(link))
    }

    fn adopt_generation(&mut self, link: &Link) -> Result<()> {
        if self.seal_digest(link.number)? != Some(link.digest) {
            return Err(BackupError::ReadBack { object: link.number });
        }
        let known = self.catalog.unsealed(self.row).map_err(BackupError::Catalog)?;
        for o in link.seal.objects.iter().filter(|o| numbered(&known, o.number, |k| k.number) != Some(*o)) {
            // Where its chunks lie is not known; they are stored again when they are met again.
            self.catalog.void_object(self.row, o).map_err(BackupError::Catalog)?;
        }
        let seal = Object { number: link.number, kind: Kind::Seal, length: link.length, digest: Some(link.digest) };
        self.catalog.add_object(self.row, &seal, &mut []).map_err(BackupError::Catalog)?;
        self.keep_seal(link.number)?;
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

    fn seal_digest(&self, number: u64) -> Result<Option<[u8; 32]>> {
        match self.medium.read_back(number, Kind::Seal) {
            Ok(reread) => Ok(Some(reread.digest)),
            Err(e) if e.blame() == Blame::Damage => Ok(None),
            Err(e) => Err(BackupError::Medium(e)),
        }
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
            let expected = numbered(&known, number, |o| o.number).filter(|o| matches!(o.kind, Kind::Pack | Kind::Label));
            // The first object behind the last seal is the label of a medium that the set has begun on.
            let expected = expected.copied().or_else(|| (number == first).then(|| self.own_label(number)).flatten());
            let reread = match there.map(|o| (o.kind, self.medium.read_back(o.number, o.kind))) {
                Some((kind, Ok(reread))) => Some((kind, reread)),
                Some((_, Err(e))) if e.blame() != Blame::Damage => return Err(BackupError::Medium(e)),
                _ => None,
            };
            let is_label = expected.is_some_and(|o| o.kind == Kind::Label);
            let object = match (expected, reread) {
                (Some(o), Some((kind, r))) if kind == o.kind && r.length == o.length && Some(r.digest) == o.digest => {
                    self.read_back = self.read_back.min(r.how);
                    o
                }
                (_, reread) => {
                    let void = self.void(number, reread.map(|(_, r)| r))?;
                    let name = there.map_or_else(|| file_name(number, Kind::Pack), |o| file_name(o.number, o.kind));
                    observer.hear(Event::Finding { kind: FindingKind::Leftover, path: name.into_bytes(), detail: String::new() });
                    void
                }
            };
            match (number, object.kind) {
                (_, Kind::Label) if is_label => {
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
        let void = Object { number, kind: Kind::Void, length, digest };
        self.catalog.void_object(self.row, &void).map_err(BackupError::Catalog)?;
        Ok(void)
    }

    /// The label that a run wrote, when it ended before the catalog knew of it.
    fn own_label(&self, number: u64) -> Option<Object> {
        let bytes = read_object(&*self.medium, number, Kind::Label, limit::LABEL_BYTES).ok()?;
        let label = Label::decode(&bytes).ok()?;
        let digest = Some(*blake3::hash(&bytes).as_bytes());
        // Of a first run only the key is known, which no other label can name.
        let is_own = label.set == self.id && (number > 0 || label.root_key == self.keys.current().public());
        is_own.then_some(Object { number, kind: Kind::Label, length: bytes.len() as u64, digest })
    }
}
