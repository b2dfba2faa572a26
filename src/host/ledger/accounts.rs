//! What the ledger says about each medium, made from its lines.

use super::{LedgerContent, LedgerEvent, LedgerLine, MediumKind, OutOfUse};
use std::collections::BTreeMap;

/// What the ledger says about one medium. Times are RFC 3339, UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediumAccount {
    /// The medium's name.
    pub name: String,
    /// The set's id in hexadecimal.
    pub set: String,
    /// The pool that it belongs to.
    pub pool: Option<String>,
    /// Model and serial number of the hardware, where known.
    pub device: Option<String>,
    /// What it is, where known.
    pub kind: Option<MediumKind>,
    /// Why it is not used any more: it counts as no copy, and is not due.
    pub out_of_use: Option<OutOfUse>,
    /// It is a copy of another medium: no backup is written to it.
    pub is_copy: bool,
    /// It was once attached at a mount point: it is a disk, and no folder of the host.
    pub was_mounted: bool,
    /// When it was registered.
    pub registered: String,
    /// The location that somebody took it to last.
    pub location: Option<String>,
    /// That location is outside the hospital.
    pub off_site: bool,
    /// When it was last known to be attached.
    pub attached: Option<String>,
    /// The path where a run found it last.
    pub at: Option<String>,
    /// When it was seen to be detached after that.
    pub detached: Option<String>,
    /// It was attached, and neither seen to be detached nor moved since.
    pub at_host: bool,
    /// It was attached, and that it left is known from a person alone: neither udev nor a run has seen it.
    pub left_by_word: bool,
    /// It should have been detached after the last run on it, and was still attached.
    pub stays: bool,
    /// Time, generation and check code of what was written last.
    pub written: Option<(String, u64, String)>,
    /// The last run on it found no space.
    pub is_full: bool,
    /// The newest generation that was read back no better than from the cache, where no one has verified the medium since.
    pub unverified: Option<u64>,
    /// When something else than this host wrote was found on it, where no verification has found it good since.
    pub mismatched: Option<String>,
    /// That was found when it was read in full.
    pub is_mismatch_read: bool,
    /// It is newer than what this host remembered then.
    pub is_newer_than_host: bool,
    /// The newest generation on it when damage, or something else than this host wrote, was found; 0 if none was known.
    pub doubted_to: Option<u64>,
    /// Something that no seal covers was on it when it was read in full, and neither a verification nor a backup has found it
    /// without since.
    pub foreign: Option<String>,
    /// When it was last read in full or damage was found on it, and how many objects were damaged.
    pub scrubbed: Option<(String, u64)>,
}

/// The medium in hardware of this name. `None` if the name is unknown, or if several media share it: it is that of a dock
/// then, and identifies none of them.
pub fn only_with_device<'m>(media: &'m BTreeMap<String, MediumAccount>, device: Option<&str>) -> Option<&'m MediumAccount> {
    let mut with_device = media.values().filter(|m| device.is_some() && m.device.as_deref() == device);
    with_device.next().filter(|_| with_device.next().is_none())
}

impl MediumAccount {
    /// Damage was found on it, and nobody has found it whole since.
    pub fn is_damaged(&self) -> bool {
        self.scrubbed.as_ref().is_some_and(|(_, damaged)| *damaged > 0)
    }

    /// It is not to be written while another medium can be: it is damaged, or not what this host wrote.
    pub fn is_doubtful(&self) -> bool {
        self.is_damaged() || self.mismatched.is_some()
    }

    /// It is attached at this time. Then it is in no safe and not off site, whatever was entered before: nobody knows where it
    /// is kept until somebody takes it there again.
    fn found_at(&mut self, time: &str) {
        (self.attached, self.detached, self.at_host, self.stays) = (Some(time.to_owned()), None, true, false);
        (self.location, self.off_site, self.left_by_word) = (None, false, false);
    }

    /// What is done with a medium is done at the host.
    fn note_presence(&mut self, l: &LedgerLine) {
        match l.event {
            LedgerEvent::Contains { .. }
            | LedgerEvent::Written { .. }
            | LedgerEvent::Full { .. }
            | LedgerEvent::Mismatched { .. }
            | LedgerEvent::Foreign { .. }
            | LedgerEvent::Verified { .. }
            | LedgerEvent::Scrubbed { .. } => self.is_at_host(&l.time),
            _ => {}
        }
    }

    /// Somebody says where it is.
    fn is_moved(&mut self, to: &str, off_site: bool, out_of_use: Option<OutOfUse>) {
        self.left_by_word |= self.at_host;
        (self.off_site, self.at_host, self.stays, self.out_of_use) = (off_site, false, false, out_of_use);
        self.location = Some(to.to_owned()).filter(|to| !to.is_empty());
    }

    /// Something else than this host wrote is on it.
    fn is_other(&mut self, time: &str, is_read: bool, is_newer: bool) {
        (self.mismatched, self.is_newer_than_host) = (Some(time.to_owned()), is_newer);
        self.doubt();
        self.is_mismatch_read |= is_read;
    }

    /// What it has now may not be there; what is written behind is.
    fn doubt(&mut self) {
        self.doubted_to = Some(self.written.as_ref().map_or(0, |(_, generation, _)| *generation));
    }

    /// All of it was read past the cache, and is what was written.
    fn is_verified(&mut self, time: &str, generation: u64) {
        self.unverified = self.unverified.filter(|n| *n > generation);
        self.scrubbed = Some((time.to_owned(), 0));
        self.foreign = None;
        self.is_without_doubt();
    }

    /// All that was sealed is on it.
    fn is_without_doubt(&mut self) {
        self.scrubbed = self.scrubbed.take().filter(|(_, damaged)| *damaged == 0);
        (self.mismatched, self.is_mismatch_read, self.is_newer_than_host, self.doubted_to) = (None, false, false, None);
    }

    /// Damage was looked for.
    fn is_scrubbed(&mut self, time: &str, damaged: u64) {
        self.scrubbed = Some((time.to_owned(), damaged));
        self.is_mismatch_read |= damaged > 0 && self.mismatched.is_some();
        match damaged {
            0 => (self.foreign, self.doubted_to) = (None, self.doubted_to.filter(|_| self.mismatched.is_some())),
            _ => self.doubt(),
        }
    }

    /// A line that only a medium at the host can have.
    fn is_at_host(&mut self, time: &str) {
        if !self.at_host {
            self.found_at(time);
        }
    }
}

/// Enters a line into the accounts. Returns the name that its medium had before, if it joins a pool under another one.
pub fn enter(media: &mut BTreeMap<String, MediumAccount>, l: &LedgerLine) -> Option<String> {
    let name = l.event.medium().to_owned();
    let new = MediumAccount { name: name.clone(), registered: l.time.clone(), ..MediumAccount::default() };
    match &l.event {
        LedgerEvent::Registered { set, pool, device, kind, mounted, .. } => {
            // Once more: a set was begun anew on it, because the catalog of the old one was lost.
            // Or a medium without a pool joins one, and takes the name on its sticker.
            let alone = |m: &&MediumAccount| m.set == *set && m.name != name && m.pool.is_none() && !m.is_copy;
            let before = media.values().find(alone).filter(|_| pool.is_some()).map(|m| m.name.clone());
            let joined = before.as_ref().and_then(|before| media.remove(before));
            let new = joined.map_or(new, |m| MediumAccount { name: name.clone(), ..m });
            let m = media.entry(name).or_insert(new);
            if m.set != *set {
                (m.unverified, m.foreign, m.doubted_to) = (None, None, m.doubted_to.map(|_| 0));
            }
            (m.set, m.pool, m.kind) = (set.clone(), pool.clone(), *kind);
            m.device = device.clone().or(m.device.take());
            m.was_mounted |= *mounted;
            m.is_at_host(&l.time);
            return before;
        }
        LedgerEvent::CopyBegun { set, at, device, kind, mounted, .. } => {
            let copy = media.entry(name).or_insert(new);
            (copy.set, copy.kind, copy.is_copy) = (set.clone(), Some(*kind), true);
            copy.found_at(&l.time);
            (copy.device, copy.at) = (device.clone().or(copy.device.take()), Some(at.clone()));
            copy.was_mounted |= *mounted;
            return None;
        }
        LedgerEvent::Copied { set, device, kind, generation, check_code, from_cache, .. } => {
            let copy = media.entry(name).or_insert(new);
            (copy.set, copy.kind, copy.is_copy) = (set.clone(), Some(*kind), true);
            copy.device = device.clone().or(copy.device.take());
            copy.is_at_host(&l.time);
            copy.written = Some((l.time.clone(), *generation, check_code.clone()));
            copy.unverified = from_cache.then_some(*generation).or(copy.unverified);
            if !from_cache {
                copy.is_without_doubt();
            }
            return None;
        }
        LedgerEvent::Moved { set: Some(set), .. } => {
            media.entry(name).or_insert(MediumAccount { set: set.clone(), ..new });
        }
        _ => {}
    }
    let m = media.get_mut(l.event.medium())?;
    m.note_presence(l);
    match &l.event {
        LedgerEvent::Attached { at, device, mounted, .. } => {
            m.found_at(&l.time);
            (m.device, m.at) = (device.clone().or(m.device.take()), Some(at.clone()));
            m.was_mounted |= *mounted;
        }
        LedgerEvent::Written { generation, check_code, from_cache, .. } => {
            (m.written, m.is_full) = (Some((l.time.clone(), *generation, check_code.clone())), false);
            // What somebody else has written and is still there, the night has named anew.
            (m.unverified, m.foreign) = (from_cache.then_some(*generation).or(m.unverified), None);
        }
        LedgerEvent::Foreign { found, .. } => m.foreign = Some(found.clone()),
        LedgerEvent::Contains { generation, check_code, sealed, .. } => {
            // What the ledger knows of it is newer.
            m.written.get_or_insert((sealed.clone(), *generation, check_code.clone()));
        }
        LedgerEvent::Full { .. } => m.is_full = true,
        LedgerEvent::Verified { generation, .. } => m.is_verified(&l.time, *generation),
        LedgerEvent::Mismatched { in_full, is_newer, .. } => m.is_other(&l.time, *in_full, *is_newer),
        LedgerEvent::Plugged { .. } => m.found_at(&l.time),
        LedgerEvent::Unplugged { .. } | LedgerEvent::Detached { seen: true, .. } => {
            (m.detached, m.at_host, m.stays, m.left_by_word) = (Some(l.time.clone()), false, false, false)
        }
        LedgerEvent::Detached { seen: false, .. } => m.stays = true,
        LedgerEvent::Moved { to, off_site, out_of_use, .. } => m.is_moved(to, *off_site, *out_of_use),
        LedgerEvent::Scrubbed { damaged, .. } => m.is_scrubbed(&l.time, *damaged),
        _ => {}
    }
    None
}

impl LedgerContent {
    /// All registered media, by name.
    pub fn media(&self) -> BTreeMap<String, MediumAccount> {
        let mut media = BTreeMap::new();
        self.lines.iter().for_each(|l| drop(enter(&mut media, l)));
        self.has_left_a_shared_dock(&mut media);
        media
    }

    /// Hardware that several media share does not say which of them has left. Its port does: a medium none of whose intervals
    /// is open has left.
    fn has_left_a_shared_dock(&self, media: &mut BTreeMap<String, MediumAccount>) {
        let is_shared = |m: &&MediumAccount| m.device.is_some() && only_with_device(media, m.device.as_deref()).is_none();
        let here: Vec<String> = media.values().filter(|m| m.at_host).filter(is_shared).map(|m| m.name.clone()).collect();
        let intervals = if here.is_empty() { Vec::new() } else { self.attachments() };
        for name in here {
            let ends: Option<Vec<_>> = intervals.iter().filter(|i| i.media.contains(&name)).map(|i| i.left.as_ref()).collect();
            if let (Some(m), Some((end, _))) = (media.get_mut(&name), ends.and_then(|ends| ends.last().copied())) {
                (m.detached, m.at_host, m.stays) = (Some(end.clone()), false, false);
                m.left_by_word = false;
            }
        }
    }

    /// Those of `media` on which generations were written, in the order of writing: name and time, for each generation.
    pub fn written_media<'b>(&'b self, media: &'b [String]) -> impl DoubleEndedIterator<Item = (&'b str, &'b str)> {
        self.lines.iter().filter_map(move |l| match &l.event {
            LedgerEvent::Written { medium, .. } if media.contains(medium) => Some((medium.as_str(), l.time.as_str())),
            _ => None,
        })
    }
}
