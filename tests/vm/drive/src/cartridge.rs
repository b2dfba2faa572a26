//! A cartridge: blocks and filemarks in the order in which they were written, kept in a file.
//!
//! `NAME.tape` holds the records as the SIMH simulators do, so that other programs can make and read it: a block is its length in four
//! bytes, little-endian, its bytes, a zero byte where the length is odd, and the length again; a filemark is a length of 0. The end of
//! the file is the end of data.
//!
//! `NAME.conf`, where there is one, holds what the cartridge is, one property a line (see [`Properties`]).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const LENGTH_BYTES: u64 = 4;
pub const MIB: u64 = 1 << 20;
/// What one block may have; SIMH keeps the upper eight bits for other things.
pub const MOST_BLOCK_BYTES: u32 = 8 << 20;

/// What a cartridge is made as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties {
    /// `capacity BYTES`: what all blocks together may have. Filemarks cost nothing.
    pub capacity: u64,
    /// `early-warning BYTES`: how far before the end of the capacity the drive warns.
    pub early_warning: u64,
    /// `cleaning`: cleans the drive, and holds no data.
    pub cleaning: bool,
    /// `worm`: written once.
    pub worm: bool,
    /// `write-protected`: the tab is pushed.
    pub write_protected: bool,
    /// `serial TEXT`: what the maker wrote into the cartridge's memory. The name, when nothing is said.
    pub serial: String,
    /// `barcode TEXT`: the same, of what stands on the label. Without a text there is no label.
    pub barcode: String,
    /// `unreadable POSITION`, as often as needed: the block there cannot be read any more.
    pub unreadable: Vec<usize>,
}

impl Properties {
    fn of(name: &str) -> Self {
        Self {
            capacity: 64 * MIB,
            early_warning: 2 * MIB,
            cleaning: false,
            worm: false,
            write_protected: false,
            serial: name.to_owned(),
            barcode: name.to_owned(),
            unreadable: Vec::new(),
        }
    }

    /// Changes what the lines tell.
    fn read(&mut self, lines: &str) -> io::Result<()> {
        for line in lines.lines() {
            let number = |text: &str| text.parse::<u64>().map_err(|_| io::Error::other(format!("not a number: {line:?}")));
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                [] => {}
                ["capacity", bytes] => self.capacity = number(bytes)?,
                ["early-warning", bytes] => self.early_warning = number(bytes)?,
                ["cleaning"] => self.cleaning = true,
                ["worm"] => self.worm = true,
                ["write-protected"] => self.write_protected = true,
                ["serial", text] => self.serial = (*text).to_owned(),
                ["unreadable", position] => self.unreadable.push(number(position)? as usize),
                ["barcode"] => self.barcode.clear(),
                ["barcode", text] => self.barcode = (*text).to_owned(),
                _ => return Err(io::Error::other(format!("not a property of a cartridge: {line:?}"))),
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// With its length, which is never 0.
    Block(u32),
    Filemark,
}

pub struct Cartridge {
    pub name: String,
    pub properties: Properties,
    /// The address of the slot that a changer took it from last. Forgotten on the shelf.
    pub source: Option<u16>,
    file: File,
    /// Every record, with the place in the file where it begins.
    records: Vec<(u64, Record)>,
    end: u64,
    /// Of all blocks together.
    used: u64,
}

impl Cartridge {
    /// Takes a cartridge out of its folder; one that is not there is new and blank.
    pub fn open(folder: &Path, name: &str) -> io::Result<Self> {
        let mut properties = Properties::of(name);
        match fs::read_to_string(folder.join(format!("{name}.conf"))) {
            Ok(lines) => properties.read(&lines)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        let path = folder.join(format!("{name}.tape"));
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut cartridge = Self { name: name.to_owned(), properties, source: None, file, records: Vec::new(), end: 0, used: 0 };
        cartridge.find_records()?;
        Ok(cartridge)
    }

    fn find_records(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        let number = |at: u64| {
            let mut bytes = [0; 4];
            self.file.read_exact_at(&mut bytes, at).map(|()| u32::from_le_bytes(bytes))
        };
        while self.end < length {
            let record = match number(self.end)? {
                0 => Record::Filemark,
                n if n <= MOST_BLOCK_BYTES && number(self.end + stored(Record::Block(n)) - LENGTH_BYTES)? == n => {
                    Record::Block(n)
                }
                n => return Err(io::Error::other(format!("no block of {n} bytes at {} of the cartridge's file", self.end))),
            };
            self.records.push((self.end, record));
            self.end += stored(record);
            self.used += bytes(record);
        }
        Ok(())
    }

    /// How many records there are: the position of the end of data.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn record(&self, position: usize) -> Option<Record> {
        self.records.get(position).map(|(_, record)| *record)
    }

    /// How many filemarks lie before a position.
    pub fn filemarks_before(&self, position: usize) -> usize {
        self.records[..position].iter().filter(|(_, r)| *r == Record::Filemark).count()
    }

    /// The bytes of the block at a position, up to `most`.
    pub fn read(&self, position: usize, most: u32) -> io::Result<Vec<u8>> {
        let Some((at, Record::Block(length))) = self.records.get(position) else {
            return Err(io::Error::other(format!("no block at position {position}")));
        };
        if self.properties.unreadable.contains(&position) {
            return Err(io::Error::other(format!("the block at position {position} is unreadable")));
        }
        let mut bytes = vec![0; most.min(*length) as usize];
        self.file.read_exact_at(&mut bytes, at + LENGTH_BYTES)?;
        Ok(bytes)
    }

    /// Writes a block. What was at the position and behind it is gone, as on a tape.
    pub fn write(&mut self, position: usize, block: &[u8]) -> io::Result<()> {
        self.erase(position)?;
        let length = block.len() as u32;
        let record = Record::Block(length);
        let mut bytes = Vec::with_capacity(stored(record) as usize);
        bytes.extend(length.to_le_bytes());
        bytes.extend(block);
        bytes.resize((stored(record) - LENGTH_BYTES) as usize, 0);
        bytes.extend(length.to_le_bytes());
        self.append(record, &bytes)
    }

    /// Writes a filemark; the same holds for what was there.
    pub fn write_filemark(&mut self, position: usize) -> io::Result<()> {
        self.erase(position)?;
        self.append(Record::Filemark, &[0; LENGTH_BYTES as usize])
    }

    fn append(&mut self, record: Record, stored: &[u8]) -> io::Result<()> {
        self.file.write_all_at(stored, self.end)?;
        self.records.push((self.end, record));
        self.end += stored.len() as u64;
        self.used += bytes(record);
        Ok(())
    }

    /// Makes a position the end of data.
    pub fn erase(&mut self, position: usize) -> io::Result<()> {
        if position < self.records.len() {
            self.end = self.records[position].0;
            self.file.set_len(self.end)?;
            self.used -= self.records[position..].iter().map(|(_, r)| bytes(*r)).sum::<u64>();
            self.records.truncate(position);
        }
        Ok(())
    }

    /// Whether a block fits at a position.
    pub fn has_room(&self, position: usize, bytes: u32) -> bool {
        self.used_before(position) + u64::from(bytes) <= self.properties.capacity
    }

    /// Whether the end of data lies behind the place from which on the drive warns.
    pub fn is_nearly_full(&self) -> bool {
        self.used + self.properties.early_warning > self.properties.capacity
    }

    pub fn remaining(&self) -> u64 {
        self.properties.capacity.saturating_sub(self.used)
    }

    fn used_before(&self, position: usize) -> u64 {
        // Nearly always asked at the end of data.
        self.used - self.records[position..].iter().map(|(_, r)| bytes(*r)).sum::<u64>()
    }
}

/// What a record takes of the capacity.
fn bytes(record: Record) -> u64 {
    match record {
        Record::Block(length) => length.into(),
        Record::Filemark => 0,
    }
}

/// What a record takes of the file.
fn stored(record: Record) -> u64 {
    match record {
        Record::Block(length) => LENGTH_BYTES + u64::from(length).next_multiple_of(2) + LENGTH_BYTES,
        Record::Filemark => LENGTH_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank(conf: &str) -> (tempfile::TempDir, Cartridge) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("T1.conf"), conf).unwrap();
        let cartridge = Cartridge::open(folder.path(), "T1").unwrap();
        (folder, cartridge)
    }

    #[test]
    fn what_was_written_is_there_when_the_cartridge_is_taken_out_again() {
        let (folder, mut tape) = blank("");
        tape.write(0, b"odd").unwrap();
        tape.write(1, b"even").unwrap();
        tape.write_filemark(2).unwrap();
        tape.write(3, &[7; 100_000]).unwrap();
        let again = Cartridge::open(folder.path(), "T1").unwrap();
        assert_eq!(again.len(), 4);
        assert_eq!(again.record(0), Some(Record::Block(3)));
        assert_eq!(again.record(2), Some(Record::Filemark));
        assert_eq!(again.record(4), None);
        assert_eq!(again.read(0, 100).unwrap(), b"odd");
        assert_eq!(again.read(1, 2).unwrap(), b"ev");
        assert_eq!(again.read(3, u32::MAX).unwrap(), [7; 100_000]);
        assert!(again.read(2, 1).is_err());
        assert_eq!(again.filemarks_before(2), 0);
        assert_eq!(again.filemarks_before(4), 1);
        assert_eq!(again.remaining(), tape.remaining());
    }

    #[test]
    fn the_file_is_laid_out_as_others_expect_it() {
        let (folder, mut tape) = blank("");
        tape.write(0, b"abc").unwrap();
        tape.write_filemark(1).unwrap();
        assert_eq!(fs::read(folder.path().join("T1.tape")).unwrap(), b"\x03\0\0\0abc\0\x03\0\0\0\0\0\0\0");
    }

    #[test]
    fn what_lies_behind_an_overwritten_block_is_gone() {
        let (folder, mut tape) = blank("capacity 1000");
        for i in 0..5 {
            tape.write(i, &[i as u8; 100]).unwrap();
        }
        tape.write(2, &[9; 50]).unwrap();
        assert_eq!((tape.len(), tape.remaining()), (3, 750));
        tape.erase(1).unwrap();
        assert_eq!((tape.len(), tape.remaining()), (1, 900));
        assert_eq!(Cartridge::open(folder.path(), "T1").unwrap().len(), 1);
    }

    #[test]
    fn the_end_is_announced_before_it_comes() {
        let (_folder, mut tape) = blank("capacity 1000\nearly-warning 300\n");
        tape.write(0, &[0; 700]).unwrap();
        assert!(!tape.is_nearly_full());
        tape.write(1, &[0; 100]).unwrap();
        assert!(tape.is_nearly_full());
        assert!(tape.has_room(2, 200));
        assert!(!tape.has_room(2, 201));
        assert!(tape.has_room(0, 1000));
        tape.write_filemark(2).unwrap();
        assert_eq!(tape.remaining(), 200);
    }

    #[test]
    fn a_cartridge_is_what_its_properties_say() {
        let (_folder, tape) =
            blank("worm\n\nwrite-protected\nserial X17\nbarcode AZK001L8\ncapacity 5\nunreadable 7\nunreadable 9\n");
        let told = Properties {
            capacity: 5,
            early_warning: 2 * MIB,
            cleaning: false,
            worm: true,
            write_protected: true,
            serial: "X17".to_owned(),
            barcode: "AZK001L8".to_owned(),
            unreadable: vec![7, 9],
        };
        assert_eq!(tape.properties, told);
        let (_folder, tape) = blank("cleaning\nbarcode\n");
        assert!(tape.properties.cleaning);
        assert_eq!(tape.properties.barcode, "");
        assert!(Properties::of("T1").read("wrm").is_err());
        assert!(Properties::of("T1").read("capacity much").is_err());
    }

    #[test]
    fn an_unreadable_block_costs_no_other() {
        let (_folder, mut tape) = blank("unreadable 1\n");
        for position in 0..3 {
            tape.write(position, b"block").unwrap();
        }
        assert_eq!([0, 1, 2].map(|p| tape.read(p, 5).is_ok()), [true, false, true]);
    }

    #[test]
    fn a_file_that_is_no_cartridge_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b"\x03\0\0\0abc\0\x04\0\0\0"[..], b"\x03\0\0\0a", b"\xff\xff\xff\xff"] {
            fs::write(folder.path().join("T1.tape"), bytes).unwrap();
            assert!(Cartridge::open(folder.path(), "T1").is_err());
        }
    }
}
