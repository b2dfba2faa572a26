//! The objects on a cartridge, and their addresses.
//!
//! A cartridge of 18 TB contains a million objects; reading one header after the other would take days. So every seal
//! is followed by a list of all objects before it, which is found from the end of data by its filemark. Header by
//! header, only what an interrupted run has left behind the last list is searched.

use super::drive::{DriveError, ReadOutcome};
use super::log::{TapeLog, key};
use super::{MediumError, Result, TapeObject};
use crate::format::tape::{Contents, HEADER_BYTES, Header, Item, Trailer};

impl TapeLog {
    /// Finds all objects. A spot that cannot be read costs the objects there, and no others.
    pub fn find_objects(&mut self) -> Result<()> {
        self.find_end()?;
        let at = self.read_last_contents()?.unwrap_or(0);
        self.walk(at)
    }

    /// Adopts the last list that is whole, and returns the address behind it.
    fn read_last_contents(&mut self) -> Result<Option<u64>> {
        while let Some(mark) = self.back_over_filemark()? {
            match mark.checked_sub(1).map(|at| self.contents_before(at)).transpose()?.flatten() {
                Some(contents) => {
                    self.adopt(contents)?;
                    self.closed = true;
                    return Ok(Some(mark + 1));
                }
                // Reading has moved the head away from the filemark.
                None => drop(self.go(mark).map_err(|e| self.fault("looking for a filemark", e))?),
            }
        }
        Ok(None)
    }

    fn adopt(&mut self, contents: Contents) -> Result<()> {
        let mut is_last_listed = contents.last.is_none();
        for i in contents.items {
            is_last_listed |= contents.last == Some(i.at);
            self.objects.insert((i.number, i.kind.code()), TapeObject { kind: i.kind, at: i.at, length: i.length });
        }
        self.last = contents.last;
        // The list does not name a foreign header, and the cartridge is recognized by its last one.
        if let Some(last) = self.last.filter(|_| !is_last_listed) {
            self.last_foreign = self.own_header(last)?.as_ref().map(key);
        }
        Ok(())
    }

    /// The list whose trailer is at an address, if it matches.
    fn contents_before(&mut self, at: u64) -> Result<Option<Contents>> {
        let mut block = vec![0; self.block as usize];
        let trailer = match self.go(at).and_then(|()| self.read(&mut block)) {
            Ok(ReadOutcome::Block(HEADER_BYTES)) => Trailer::decode(&block[..HEADER_BYTES]),
            Ok(_) | Err(DriveError::Failed(_) | DriveError::TooLong { .. }) => return Ok(None),
            Err(e) => return Err(self.fault("reading the list of contents", e)),
        };
        let Ok(Some(trailer)) = trailer else { return Ok(None) };
        if trailer.check(self.set, self.block, at).is_err() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        for address in trailer.first..at {
            match self.go(address).and_then(|()| self.read(&mut block)) {
                Ok(ReadOutcome::Block(n)) => bytes.extend_from_slice(&block[..n]),
                Ok(_) | Err(DriveError::Failed(_) | DriveError::TooLong { .. }) => return Ok(None),
                Err(e) => return Err(self.fault("reading the list of contents", e)),
            }
        }
        Ok(Contents::decode(&trailer, &bytes).ok())
    }

    /// Writes the list of all objects, and the trailer that leads to it.
    pub fn write_contents(&mut self) -> std::result::Result<(), DriveError> {
        let item = |(key, o): (&(u64, u8), &TapeObject)| Item { number: key.0, kind: o.kind, length: o.length, at: o.at };
        let contents = Contents { items: self.objects.iter().map(item).collect(), last: self.last };
        let (bytes, trailer) = contents.encode(self.set, self.block, self.end);
        // A list that no reader would take, of too many objects for example, only takes room.
        if Trailer::decode(&trailer.encode()).is_err() || Contents::decode(&trailer, &bytes).is_err() {
            return Ok(());
        }
        for block in bytes.chunks(self.block as usize) {
            self.write_block(block)?;
        }
        self.write_block(&trailer.encode())
    }

    /// Reads header after header, from an address to the end of data.
    fn walk(&mut self, from: u64) -> Result<()> {
        let mut at = from;
        loop {
            if at >= self.end {
                // The last object found may be torn, and others may follow its torn part.
                match self.behind_torn(from, self.end)? {
                    Some((torn_at, behind_torn)) => at = self.add_object(torn_at, behind_torn),
                    None => return self.leave_out_filemarks(from),
                }
                continue;
            }
            let Some(header) = self.own_header(at)? else {
                at += 1;
                continue;
            };
            if header.before != self.last
                && let Some((torn_at, behind_torn)) = self.behind_torn(from, at)?
            {
                at = self.add_object(torn_at, behind_torn);
            } else {
                at = self.add_object(at, header);
            }
        }
    }

    /// Searches, block by block, for the first header that was written after the last object found, and among its blocks: the
    /// object is torn then, and has fewer blocks than its header says. The header directly behind the torn part may be
    /// unreadable, so that one counts too that names another within. Objects before `from` are not torn: a list names them.
    fn behind_torn(&mut self, from: u64, beyond: u64) -> Result<Option<(u64, Header)>> {
        let Some(torn) = self.last.filter(|at| *at >= from) else { return Ok(None) };
        let within = torn + 1 + self.last_length.div_ceil(self.block.into());
        for at in torn + 1..beyond.min(within) {
            let Some(header) = self.own_header(at)? else { continue };
            if header.before.is_some_and(|before| before >= torn) {
                self.cut_last(torn, at)?;
                return Ok(Some((at, header)));
            }
        }
        Ok(None)
    }

    /// A run that ended within an object may have written a filemark behind it.
    fn leave_out_filemarks(&mut self, from: u64) -> Result<()> {
        let Some(last) = self.last.filter(|at| *at >= from) else { return Ok(()) };
        let reaches_end = last + 1 + self.last_length.div_ceil(self.block.into()) >= self.end;
        if reaches_end { self.cut_last(last, self.end) } else { Ok(()) }
    }

    /// The last object found, at `at`, has only the blocks before `end`, without the filemarks directly before it.
    fn cut_last(&mut self, at: u64, mut end: u64) -> Result<()> {
        while end > at + 1 && self.is_filemark(end - 1)? {
            end -= 1;
        }
        self.last_length = self.last_length.min((end - at - 1) * u64::from(self.block));
        if let Some(o) = self.objects.values_mut().find(|o| o.at == at) {
            o.length = self.last_length;
        }
        Ok(())
    }

    fn is_filemark(&mut self, address: u64) -> Result<bool> {
        // The drive moves over a block that does not fit, and reports it as too long.
        match self.go(address).and_then(|()| self.read(&mut [0; HEADER_BYTES])) {
            Ok(found) => Ok(found == ReadOutcome::Filemark),
            Err(DriveError::Failed(_) | DriveError::TooLong { .. }) => Ok(false),
            Err(e) => Err(self.fault("looking for a filemark", e)),
        }
    }

    /// The header at an address, if it can be read and is this set's.
    fn own_header(&mut self, address: u64) -> Result<Option<Header>> {
        match self.header(address) {
            Ok(header) => Ok(header.filter(|h| h.set == self.set && h.block == self.block)),
            Err(MediumError::BadHeader { .. } | MediumError::Io { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }
}
