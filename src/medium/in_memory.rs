//! An object read whole into memory, as far as it can be read: in places that could not be, reading gives the error that was met there.
//!
//! **Invariant:** damage stays local. What lies around a bad place is as good as it would be on the medium itself.

use super::OpenObject;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// The longest step over what cannot be read. Some segment of the encryption is lost with any of its bytes, and each attempt may take a
/// disk many seconds.
const STEP_BYTES: u64 = 64 << 10;

pub(super) struct InMemory {
    bytes: Vec<u8>,
    /// Ascending, apart from one another.
    bad: Vec<Bad>,
    at: u64,
}

struct Bad {
    place: Range<u64>,
    why: io::Error,
}

impl InMemory {
    /// Reads an object's first `limit_bytes`. Fails where nothing can be read behind a bad place because there is no getting there.
    pub fn read(object: &mut dyn OpenObject, limit_bytes: u64) -> io::Result<Self> {
        let (length, grain) = (object.length().min(limit_bytes), object.grain());
        let mut bytes = vec![0; length as usize];
        let mut bad: Vec<Bad> = Vec::new();
        let (mut at, mut step) = (0, grain);
        while at < length {
            match object.read(&mut bytes[at as usize..]) {
                Ok(0) => break,
                Ok(n) => (at, step) = (at + n as u64, grain),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => {
                    let end = (at - at % grain + step).min(length);
                    match bad.last_mut().filter(|last| last.place.end == at) {
                        Some(last) => last.place.end = end,
                        None => bad.push(Bad { place: at..end, why }),
                    }
                    at = object.seek(SeekFrom::Start(end))?;
                    step = (2 * step).min(STEP_BYTES.max(grain));
                }
            }
        }
        bytes.truncate(at as usize);
        Ok(Self { bytes, bad, at: 0 })
    }

    pub fn is_whole(&self) -> bool {
        self.bad.is_empty()
    }
}

impl Read for InMemory {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let at = self.at.min(self.bytes.len() as u64);
        let next = self.bad.get(self.bad.partition_point(|b| b.place.end <= at));
        if let Some(bad) = next.filter(|b| b.place.start <= at && !into.is_empty()) {
            return Err(again(&bad.why));
        }
        let end = next.map_or(self.bytes.len(), |b| b.place.start as usize);
        let n = (&self.bytes[at as usize..end]).read(into)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// The same error: one cannot be cloned.
fn again(e: &io::Error) -> io::Error {
    e.raw_os_error().map_or_else(|| io::Error::new(e.kind(), e.to_string()), io::Error::from_raw_os_error)
}

impl Seek for InMemory {
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

impl OpenObject for InMemory {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// An object on a disk with bad sectors, which counts attempts that fail.
    struct Scratched {
        object: Cursor<Vec<u8>>,
        /// Where each begins and ends.
        bad: Vec<(u64, u64)>,
        failures: u64,
    }

    impl Scratched {
        fn new(length: usize, bad: &[(u64, u64)]) -> Self {
            let bytes = (0..length).map(|i| (i / 7) as u8).collect();
            Self { object: Cursor::new(bytes), bad: bad.to_vec(), failures: 0 }
        }
    }

    impl Read for Scratched {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let at = self.object.position();
            // What a kernel gives: up to the bad page, and then the error.
            let next = self.bad.iter().find(|b| b.1 > at);
            if next.is_some_and(|b| b.0 <= at) {
                self.failures += 1;
                return Err(rustix::io::Errno::IO.into());
            }
            let room = next.map_or(into.len(), |b| into.len().min((b.0 - at) as usize)).min(10_000);
            self.object.read(&mut into[..room])
        }
    }

    impl Seek for Scratched {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.object.seek(to)
        }
    }

    impl OpenObject for Scratched {
        fn length(&self) -> u64 {
            self.object.get_ref().len() as u64
        }
    }

    /// The bytes that can be read, each with its place.
    fn readable(object: &mut InMemory) -> Vec<(u64, u8)> {
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
    fn what_lies_around_a_bad_sector_is_kept() {
        for bad in [
            vec![],
            vec![(0, 4096)],
            vec![(8192, 12_288)],
            vec![(4096, 8192), (12_288, 16_384), (98_304, 99_999)],
            vec![(0, 99_999)],
            vec![(20_480, 81_920)],
        ] {
            let mut disk = Scratched::new(99_999, &bad);
            let mut object = InMemory::read(&mut disk, u64::MAX).expect("an object");
            assert_eq!(object.length(), 99_999);
            let whole = disk.object.into_inner();
            let good = |at: u64| !bad.iter().any(|b| (b.0..b.1).contains(&at));
            // A step over a long bad place may end so far behind it.
            let long = |at: u64| bad.iter().any(|b| b.1 - b.0 > 4096 && (b.1..b.1 + STEP_BYTES).contains(&at));
            let found = readable(&mut object);
            assert!(found.iter().all(|(at, byte)| good(*at) && whole[*at as usize] == *byte), "{bad:?}");
            let wanted = (0..99_999).filter(|at| good(*at) && !long(*at)).count();
            assert!(found.len() >= wanted, "{bad:?}: {} of {wanted}", found.len());
        }
    }

    /// Each attempt costs a failing disk seconds, so that there must not be one for each sector of a pack.
    #[test]
    fn a_disk_that_gives_nothing_is_given_up_soon() {
        let length = 8 << 20;
        let mut disk = Scratched::new(length, &[(0, length as u64)]);
        let mut object = InMemory::read(&mut disk, u64::MAX).expect("an object");
        assert!(object.read(&mut [0]).is_err());
        assert!((2..140).contains(&disk.failures), "{}", disk.failures);
    }

    #[test]
    fn an_object_that_is_shorter_than_it_said_ends_there() {
        let mut disk = Scratched::new(10_000, &[]);
        let object = InMemory::read(&mut disk, 5_000).expect("an object");
        assert_eq!(object.length(), 5_000);
        let disk = Scratched::new(10_000, &[]);
        struct Short(Scratched);
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
        let mut object = InMemory::read(&mut Short(disk), u64::MAX).expect("an object");
        let mut bytes = Vec::new();
        object.seek(SeekFrom::Start(9_990)).expect("a seek");
        object.read_to_end(&mut bytes).expect("the rest");
        assert_eq!((object.length(), bytes.len()), (10_000, 10));
    }
}
