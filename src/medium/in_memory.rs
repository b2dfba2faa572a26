//! An object in memory, as far as it could be read. Reading a range that could not be read returns the error met there.
//!
//! **Invariant:** damage stays local. The bytes around a bad range can be read as they could on the medium itself.

use super::OpenObject;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// The longest step over bytes that cannot be read: one segment of the encryption, which is lost with any of its bytes.
/// Each attempt may take a disk many seconds.
const STEP_BYTES: u64 = 64 << 10;

pub(super) struct BufferedObject {
    bytes: Vec<u8>,
    /// Ascending, apart from one another.
    bad: Vec<BadRange>,
    at: u64,
}

struct BadRange {
    bytes: Range<u64>,
    why: io::Error,
}

impl BufferedObject {
    /// Reads an object's first `limit_bytes`. Fails only if a seek behind a bad range fails.
    pub fn read(object: &mut dyn OpenObject, limit_bytes: u64) -> io::Result<Self> {
        let (length, grain) = (object.length().min(limit_bytes), object.grain());
        let mut bytes = vec![0; length as usize];
        let mut bad: Vec<BadRange> = Vec::new();
        let (mut at, mut step) = (0, grain);
        while at < length {
            match object.read(&mut bytes[at as usize..]) {
                Ok(0) => break,
                Ok(n) => (at, step) = (at + n as u64, grain),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => {
                    let end = (at - at % grain + step).min(length);
                    match bad.last_mut().filter(|last| last.bytes.end == at) {
                        Some(last) => last.bytes.end = end,
                        None => bad.push(BadRange { bytes: at..end, why }),
                    }
                    at = object.seek(SeekFrom::Start(end))?;
                    step = (2 * step).min(STEP_BYTES.max(grain));
                }
            }
        }
        bytes.truncate(at as usize);
        Ok(Self { bytes, bad, at: 0 })
    }

    /// Whether every byte could be read.
    pub fn is_whole(&self) -> bool {
        self.bad.is_empty()
    }
}

impl Read for BufferedObject {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let at = self.at.min(self.bytes.len() as u64);
        let next = self.bad.get(self.bad.partition_point(|b| b.bytes.end <= at));
        if let Some(bad) = next.filter(|b| b.bytes.start <= at && !into.is_empty()) {
            return Err(copy_of(&bad.why));
        }
        let end = next.map_or(self.bytes.len(), |b| b.bytes.start as usize);
        let n = (&self.bytes[at as usize..end]).read(into)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// A copy of the error: it has no `Clone`.
fn copy_of(e: &io::Error) -> io::Error {
    e.raw_os_error().map_or_else(|| io::Error::new(e.kind(), e.to_string()), io::Error::from_raw_os_error)
}

impl Seek for BufferedObject {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.length().checked_add_signed(n),
            SeekFrom::Current(n) => self.at.checked_add_signed(n),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a seek before the beginning"))?;
        Ok(self.at)
    }
}

impl OpenObject for BufferedObject {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// An object on a disk with bad sectors, which counts the failed reads.
    struct BadSectors {
        object: Cursor<Vec<u8>>,
        /// Where each begins and ends.
        bad: Vec<(u64, u64)>,
        failures: u64,
    }

    impl BadSectors {
        fn new(length: usize, bad: &[(u64, u64)]) -> Self {
            let bytes = (0..length).map(|i| (i / 7) as u8).collect();
            Self { object: Cursor::new(bytes), bad: bad.to_vec(), failures: 0 }
        }
    }

    impl Read for BadSectors {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let at = self.object.position();
            // As the kernel does: bytes up to the bad page, then the error.
            let next = self.bad.iter().find(|b| b.1 > at);
            if next.is_some_and(|b| b.0 <= at) {
                self.failures += 1;
                return Err(rustix::io::Errno::IO.into());
            }
            let room = next.map_or(into.len(), |b| into.len().min((b.0 - at) as usize)).min(10_000);
            self.object.read(&mut into[..room])
        }
    }

    impl Seek for BadSectors {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.object.seek(to)
        }
    }

    impl OpenObject for BadSectors {
        fn length(&self) -> u64 {
            self.object.get_ref().len() as u64
        }
    }

    /// The bytes that can be read, each with its offset.
    fn readable(object: &mut BufferedObject) -> Vec<(u64, u8)> {
        let mut found = Vec::new();
        for at in 0..object.length() {
            let mut byte = [0];
            object.seek(SeekFrom::Start(at)).expect("a seek");
            match object.read_exact(&mut byte) {
                Ok(()) => found.push((at, byte[0])),
                Err(e) => assert_eq!(e.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error())),
            }
        }
        found
    }

    #[test]
    fn the_bytes_around_a_bad_sector_are_kept() {
        for bad in [
            vec![],
            vec![(0, 4096)],
            vec![(8192, 12_288)],
            vec![(4096, 8192), (12_288, 16_384), (98_304, 99_999)],
            vec![(0, 99_999)],
            vec![(20_480, 81_920)],
        ] {
            let mut disk = BadSectors::new(99_999, &bad);
            let mut object = BufferedObject::read(&mut disk, u64::MAX).expect("an object");
            assert_eq!(object.length(), 99_999);
            let whole = disk.object.into_inner();
            let good = |at: u64| !bad.iter().any(|b| (b.0..b.1).contains(&at));
            // A step over a long bad range may end so far behind it.
            let long = |at: u64| bad.iter().any(|b| b.1 - b.0 > 4096 && (b.1..b.1 + STEP_BYTES).contains(&at));
            let found = readable(&mut object);
            assert!(found.iter().all(|(at, byte)| good(*at) && whole[*at as usize] == *byte), "{bad:?}");
            let wanted = (0..99_999).filter(|at| good(*at) && !long(*at)).count();
            assert!(found.len() >= wanted, "{bad:?}: {} of {wanted}", found.len());
        }
    }

    /// Each attempt takes a failing disk seconds, so there must not be one for each sector of a pack.
    #[test]
    fn a_disk_that_cannot_be_read_at_all_costs_few_attempts() {
        let length = 8 << 20;
        let mut disk = BadSectors::new(length, &[(0, length as u64)]);
        let mut object = BufferedObject::read(&mut disk, u64::MAX).expect("an object");
        assert!(object.read(&mut [0]).is_err());
        assert!((2..140).contains(&disk.failures), "{}", disk.failures);
    }

    #[test]
    fn an_object_shorter_than_its_length_ends_early() {
        let mut disk = BadSectors::new(10_000, &[]);
        let object = BufferedObject::read(&mut disk, 5_000).expect("an object");
        assert_eq!(object.length(), 5_000);
        let disk = BadSectors::new(10_000, &[]);
        struct Short(BadSectors);
        impl Read for Short {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                self.0.read(into)
            }
        }
        impl Seek for Short {
            fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
                self.0.seek(to)
            }
        }
        impl OpenObject for Short {
            fn length(&self) -> u64 {
                12_000
            }
        }
        let mut object = BufferedObject::read(&mut Short(disk), u64::MAX).expect("an object");
        let mut bytes = Vec::new();
        object.seek(SeekFrom::Start(9_990)).expect("a seek");
        object.read_to_end(&mut bytes).expect("the rest");
        assert_eq!((object.length(), bytes.len()), (10_000, 10));
    }
}
