//! The objects on a cartridge, and their addresses.
//!
//! A cartridge of 18 TB contains a million objects; reading one header after the other would take days. So every seal
//! is followed by a list of all objects before it, which is found from the end of data by its filemark. Header by
//! header, only what an interrupted run has left behind the last list is searched.

use super::drive::{DriveError, ReadOutcome};
use super::log::TapeLog;
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
                    for i in contents.items {
                        self.objects.insert(i.number, TapeObject { kind: i.kind, at: i.at, length: i.length });
                    }
                    self.last = contents.last;
                    self.closed = true;
                    return Ok(Some(mark + 1));
                }
                // Reading has moved the head away from the filemark.
                None => drop(self.go(mark).map_err(|e| self.fault("looking for a filemark", e))?),
            }
        }
        Ok(None)
    }

    /// The list whose trailer is at an address, if it is this set's and whole.
    fn contents_before(&mut self, at: u64) -> Result<Option<Contents>> {
        let mut block = vec![0; self.block as usize];
        let trailer = match self.go(at).and_then(|()| self.read(&mut block)) {
            Ok(ReadOutcome::Block(HEADER_BYTES)) => Trailer::decode(&block[..HEADER_BYTES]),
            Ok(_) | Err(DriveError::Failed(_) | DriveError::TooLong { .. }) => return Ok(None),
            Err(e) => return Err(self.fault("reading the list of contents", e)),
        };
        let Ok(Some(trailer)) = trailer else { return Ok(None) };
        let blocks = trailer.blocks(self.block);
        let Some(first) = at.checked_sub(blocks).filter(|_| trailer.set == self.set) else { return Ok(None) };
        let mut bytes = Vec::new();
        for address in first..at {
            match self.go(address).and_then(|()| self.read(&mut block)) {
                Ok(ReadOutcome::Block(n)) => bytes.extend_from_slice(&block[..n]),
                Ok(_) | Err(DriveError::Failed(_) | DriveError::TooLong { .. }) => return Ok(None),
                Err(e) => return Err(self.fault("reading the list of contents", e)),
            }
        }
        Ok(Contents::decode(&trailer, &bytes, first).ok())
    }

    /// Writes the list of all objects, and the trailer that leads to it.
    pub fn write_contents(&mut self) -> std::result::Result<(), DriveError> {
        let item = |(number, o): (&u64, &TapeObject)| Item { number: *number, kind: o.kind, length: o.length, at: o.at };
        let contents = Contents { items: self.objects.iter().map(item).collect(), last: self.last };
        let (bytes, trailer) = contents.encode(self.set);
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
                    None => return Ok(()),
                }
                continue;
            }
            let Some(header) = self.own_header(at)? else {
                at += 1;
                continue;
            };
            if header.previous != self.last
                && let Some((torn_at, behind_torn)) = self.behind_torn(from, at)?
            {
                at = self.add_object(torn_at, behind_torn);
            } else {
                at = self.add_object(at, header);
            }
        }
    }

    /// Searches, block by block, for the header that follows the last object found. If the header at `beyond` is not
    /// its successor, the object is torn and has fewer blocks than its header says. Objects before `from` are whole: a
    /// list names them.
    fn behind_torn(&mut self, from: u64, beyond: u64) -> Result<Option<(u64, Header)>> {
        let Some(torn) = self.last.filter(|at| *at >= from) else { return Ok(None) };
        let Some(length) = self.objects.values().find(|o| o.at == torn).map(|o| o.length) else { return Ok(None) };
        let within = torn + 1 + length.div_ceil(self.block.into());
        for at in torn + 1..beyond.min(within) {
            let Some(header) = self.own_header(at)? else { continue };
            if header.previous == Some(torn) {
                let present = (at - torn - 1) * u64::from(self.block);
                if let Some(o) = self.objects.values_mut().find(|o| o.at == torn) {
                    o.length = o.length.min(present);
                }
                return Ok(Some((at, header)));
            }
        }
        Ok(None)
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
