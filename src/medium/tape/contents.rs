//! What lies on a cartridge, and where.
//!
//! A cartridge of 18 TB holds a million objects; going from header to header would take days. So behind every seal lies a list of all
//! objects before it, which is found from the end by its filemark. Only what an interrupted run has left behind it is looked for.

use super::drive::{DriveError, TapePosition};
use super::log::TapeLog;
use super::{MediumError, Result, Stored};
use crate::format::tape::{Contents, HEADER_BYTES, Header, Item, Trailer};

impl TapeLog {
    /// Finds all objects. What cannot be read costs the objects there, and no others.
    pub fn find_objects(&mut self) -> Result<()> {
        self.find_end()?;
        let at = self.read_last_contents()?.unwrap_or(0);
        self.walk(at)
    }

    /// Takes over the last list that is whole; answers with the address behind it.
    fn read_last_contents(&mut self) -> Result<Option<u64>> {
        while let Some(mark) = self.back_over_filemark()? {
            match mark.checked_sub(1).map(|at| self.contents_before(at)).transpose()?.flatten() {
                Some(contents) => {
                    for i in contents.items {
                        self.objects.insert(i.number, Stored { kind: i.kind, at: i.at, length: i.length });
                    }
                    self.last = contents.last;
                    self.closed = true;
                    return Ok(Some(mark + 1));
                }
                // Reading has moved the head.
                None => drop(self.go(mark).map_err(|e| self.fault("looking for a filemark", e))?),
            }
        }
        Ok(None)
    }

    /// The list whose trailer lies at an address, if it is ours and whole.
    fn contents_before(&mut self, at: u64) -> Result<Option<Contents>> {
        let mut block = vec![0; self.block as usize];
        let trailer = match self.go(at).and_then(|()| self.read(&mut block)) {
            Ok(TapePosition::Block(HEADER_BYTES)) => Trailer::decode(&block[..HEADER_BYTES]),
            Ok(_) | Err(DriveError::Failed(_) | DriveError::TooLong { .. }) => return Ok(None),
            Err(e) => return Err(self.fault("reading the list of contents", e)),
        };
        let Ok(Some(trailer)) = trailer else { return Ok(None) };
        let blocks = trailer.blocks(self.block);
        let Some(first) = at.checked_sub(blocks).filter(|_| trailer.set == self.set) else { return Ok(None) };
        let mut bytes = Vec::new();
        for address in first..at {
            match self.go(address).and_then(|()| self.read(&mut block)) {
                Ok(TapePosition::Block(n)) => bytes.extend_from_slice(&block[..n]),
                Ok(_) | Err(DriveError::Failed(_) | DriveError::TooLong { .. }) => return Ok(None),
                Err(e) => return Err(self.fault("reading the list of contents", e)),
            }
        }
        Ok(Contents::decode(&trailer, &bytes, first).ok())
    }

    /// Writes the list of all objects, and the trailer that leads to it.
    pub fn write_contents(&mut self) -> std::result::Result<(), DriveError> {
        let item = |(number, o): (&u64, &Stored)| Item { number: *number, kind: o.kind, length: o.length, at: o.at };
        let contents = Contents { items: self.objects.iter().map(item).collect(), last: self.last };
        let (bytes, trailer) = contents.encode(self.set);
        for block in bytes.chunks(self.block as usize) {
            self.write_block(block)?;
        }
        self.write_block(&trailer.encode())
    }

    /// Goes from header to header, from `at` to the end.
    fn walk(&mut self, from: u64) -> Result<()> {
        let mut at = from;
        loop {
            if at >= self.end {
                // The last object found may be torn, and others lie behind what there is of it.
                match self.behind_torn(from, self.end)? {
                    Some((torn_at, behind_torn)) => at = self.found(torn_at, behind_torn),
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
                at = self.found(torn_at, behind_torn);
            } else {
                at = self.found(at, header);
            }
        }
    }

    /// Looks, block by block, for the header that follows the last object found: that object has fewer blocks than it should when the
    /// one at `beyond` is not its next. What lies before `from` is whole: a list names it.
    fn behind_torn(&mut self, from: u64, beyond: u64) -> Result<Option<(u64, Header)>> {
        let Some(torn) = self.last.filter(|at| *at >= from) else { return Ok(None) };
        let Some(length) = self.objects.values().find(|o| o.at == torn).map(|o| o.length) else { return Ok(None) };
        let within = torn + 1 + length.div_ceil(self.block.into());
        for at in torn + 1..beyond.min(within) {
            let Some(header) = self.own_header(at)? else { continue };
            if header.previous == Some(torn) {
                let there = (at - torn - 1) * u64::from(self.block);
                if let Some(o) = self.objects.values_mut().find(|o| o.at == torn) {
                    o.length = o.length.min(there);
                }
                return Ok(Some((at, header)));
            }
        }
        Ok(None)
    }

    /// A whole header of this set, if that is what lies at an address and can be read.
    fn own_header(&mut self, address: u64) -> Result<Option<Header>> {
        match self.header(address) {
            Ok(header) => Ok(header.filter(|h| h.set == self.set && h.block == self.block)),
            Err(MediumError::BadHeader { .. } | MediumError::Io { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }
}
