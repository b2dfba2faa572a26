//! Writing a file to its device, and reading it again, past the page cache.
//!
//! There are three ways to read, best first: `O_DIRECT`; dropping the file's pages from the cache before reading; plain
//! reading. Reading and hashing overlap, because each alone leaves the disk or a core idle.
//!
//! There are two ways to write: `O_DIRECT`, which on ext4 is two to five times as fast as the cache, leaves no
//! unwritten memory behind, and reports errors at once; and through the cache, with writing back started early.

use super::file_system::FileSystem;
use crate::buffer::{Buffer, Buffers};
use crate::format::digests::{DigestHasher, Digests, Hashes};
use crate::format::seal::ReadBack;
use crate::interruption::Interruption;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Advice, AtFlags, Mode, OFlags, StatxFlags, fadvise, fcntl_setfl, fstat, openat, statx};
use rustix::io::{Errno, pread, write};
use std::num::NonZeroU64;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// The strictest alignment of addresses, offsets and lengths that `O_DIRECT` demands on disks in use (4 KiB sectors).
const ALIGNMENT_BYTES: usize = 4096;
/// Bytes of one direct read or write. Large enough that a disk reaches its speed with one request in flight.
const BUFFER_BYTES: usize = 2 << 20;
/// One is read into, one is hashed, one waits in between.
const BUFFERS: usize = 3;

/// Bytes of one write through the cache, after which writing back is started.
const CACHED_WRITE_BYTES: usize = 8 << 20;

/// Writes `bytes` to the new, empty file that `file` is open on. On an error some prefix of them is in the file, or
/// none.
pub(super) fn write_whole(file: BorrowedFd, bytes: &[u8], kind: FileSystem, buffers: &Buffers) -> Result<(), Errno> {
    let mut done = 0;
    // Small objects are not worth a buffer. The flag is set on the open file: with `O_CREAT`, a file system without
    // `O_DIRECT` creates the file and then fails.
    if bytes.len() >= BUFFER_BYTES && kind.writes_directly() && fcntl_setfl(file, OFlags::DIRECT).is_ok() {
        let written = write_direct(file, bytes, buffers);
        fcntl_setfl(file, OFlags::empty())?;
        done = written?;
    }
    for part in bytes[done..].chunks(CACHED_WRITE_BYTES) {
        write_all(file, part)?;
        // On this advice Linux starts to write dirty pages back, and drops only clean ones: the disk works while the
        // next object is prepared, and the sync at the end is short. Nothing depends on it.
        let _ = fadvise(file, done as u64, NonZeroU64::new(part.len() as u64), Advice::DontNeed);
        done += part.len();
    }
    Ok(())
}

/// Writes the whole blocks of `bytes`, and returns how many bytes that was. Aligned bytes are written without a copy,
/// others through a buffer.
fn write_direct(file: BorrowedFd, bytes: &[u8], buffers: &Buffers) -> Result<usize, Errno> {
    let is_aligned = bytes.as_ptr().align_offset(ALIGNMENT_BYTES) == 0;
    let mut buffer = (!is_aligned).then(|| buffers.take(BUFFER_BYTES));
    let whole = bytes.len() - bytes.len() % ALIGNMENT_BYTES;
    let mut done = 0;
    while done < whole {
        let mut part = &bytes[done..whole.min(done + BUFFER_BYTES)];
        if let Some(buffer) = &mut buffer {
            buffer.truncate(0);
            buffer.append(part);
            part = buffer;
        }
        match write(file, part) {
            Ok(0) => return Err(Errno::IO),
            // The rest goes through the cache: a direct write must begin on a boundary, and this disk may have larger
            // sectors.
            Ok(n) if !n.is_multiple_of(ALIGNMENT_BYTES) => return Ok(done + n),
            Ok(n) => done += n,
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(done),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

fn write_all(file: BorrowedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Bytes read, their digests, and how they were read.
pub(super) type Seen = (u64, Digests, ReadBack);

/// How a file is read again.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub hashes: Hashes,
    /// Reading ends with `ECANCELED` when it comes.
    pub interruption: Interruption,
    pub buffers: &'a Buffers,
}

impl Reading<'_> {
    /// Reads the file that `file` is open on; `name` is its name in `folder`.
    ///
    /// The file's own writes must be on the device already: only clean pages can be dropped.
    pub fn read_back(self, folder: BorrowedFd, name: &str, file: BorrowedFd, kind: FileSystem) -> Result<Seen, Errno> {
        let best = kind.best_read_back();
        // Before a direct read too: some file systems serve it from the cache without reporting that.
        let dropped = fadvise(file, 0, None, Advice::DontNeed).is_ok() && best >= ReadBack::Dropped;
        let length = fstat(file)?.st_size as u64;
        if best == ReadBack::Direct
            && let Some(direct) = open_direct(folder, name, file)
        {
            match self.hash(direct.as_fd(), length, true) {
                Ok((length, digests)) => return Ok((length, digests, ReadBack::Direct)),
                // The file system demands another alignment: larger sectors, or no end of file within a sector.
                Err(Errno::INVAL | Errno::OPNOTSUPP) => {}
                Err(e) => return Err(e),
            }
        }
        let (length, digests) = self.hash(file, length, false)?;
        Ok((length, digests, if dropped { ReadBack::Dropped } else { ReadBack::Cached }))
    }

    /// Hashes the file up to `length`, or up to its end. `EINVAL` if a direct read reaches neither.
    fn hash(self, file: BorrowedFd, length: u64, direct: bool) -> Result<(u64, Digests), Errno> {
        let mut hasher = DigestHasher::new(self.hashes);
        let mut total = 0;
        if length <= BUFFER_BYTES as u64 {
            let mut buffer = self.buffers.take(BUFFER_BYTES);
            self.fill(&mut buffer, file, 0, direct)?;
            hasher.update(&buffer);
            total = buffer.len() as u64;
        } else {
            thread::scope(|scope| {
                // Every buffer fits into either channel, so that nobody waits to hand one over.
                let (return_empty, empty) = sync_channel(BUFFERS);
                let (filled, receive_filled) = sync_channel(BUFFERS);
                for _ in 0..BUFFERS {
                    // Cannot fail: the receiver is in this function.
                    let _ = return_empty.send(self.buffers.take(BUFFER_BYTES));
                }
                scope.spawn(move || self.read_ahead(file, length, direct, &empty, &filled));
                for buffer in receive_filled {
                    let mut buffer: Buffer = buffer?;
                    hasher.update(&buffer);
                    total += buffer.len() as u64;
                    buffer.truncate(0);
                    // Fails after the reader has reached the end: no more buffers are needed.
                    let _ = return_empty.send(buffer);
                }
                Ok(())
            })?;
        }
        if direct && total != length {
            return Err(Errno::INVAL);
        }
        Ok((total, hasher.finish()))
    }

    /// Fills buffers until `length` is reached, the file ends, or it cannot be read.
    fn read_ahead(
        self,
        file: BorrowedFd,
        length: u64,
        direct: bool,
        empty: &Receiver<Buffer>,
        filled: &SyncSender<Result<Buffer, Errno>>,
    ) {
        let mut offset = 0;
        while offset < length {
            let Ok(mut buffer) = empty.recv() else { return };
            let result = self.fill(&mut buffer, file, offset, direct);
            let (n, short) = (buffer.len() as u64, buffer.len() < BUFFER_BYTES);
            if filled.send(result.map(|()| buffer)).is_err() || short {
                return;
            }
            offset += n;
        }
    }

    /// Fills an empty buffer from `offset`, with fewer bytes than [`BUFFER_BYTES`] only at the end of the file.
    fn fill(self, buffer: &mut Buffer, file: BorrowedFd, offset: u64, direct: bool) -> Result<(), Errno> {
        if self.interruption.is_there() {
            return Err(Errno::CANCELED);
        }
        let read = |room: &mut [u8], filled: usize| match direct && !filled.is_multiple_of(ALIGNMENT_BYTES) {
            // A direct read must begin on a boundary. One that ended elsewhere has reached the end of the file.
            true => Ok(0),
            false => Ok(pread(file, room, offset + filled as u64)?),
        };
        buffer.fill(BUFFER_BYTES, read).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
    }
}

/// Opens the same file for direct reads, if the file system supports them for this file.
fn open_direct(folder: BorrowedFd, name: &str, file: BorrowedFd) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECT | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let direct = openat(folder, name, flags, Mode::empty()).ok()?;
    let (a, b) = (fstat(file).ok()?, fstat(&direct).ok()?);
    if (a.st_dev, a.st_ino) != (b.st_dev, b.st_ino) {
        return None;
    }
    // ext4 accepts the flag and reads through the cache if a file is encrypted, or its data are journaled or in the
    // inode. Since Linux 6.1 it reports that here.
    let facts = statx(&direct, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).ok();
    let through_cache = facts.is_some_and(|f| f.stx_mask & StatxFlags::DIOALIGN.bits() != 0 && f.stx_dio_offset_align == 0);
    (!through_cache).then_some(direct)
}

/// Opens a file, or a disk, for direct reads.
pub(super) fn open_past_cache(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECT | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
}

/// Reads the first bytes of a file: directly, else with its pages dropped from the cache.
pub(super) fn read_first(file: BorrowedFd) -> Result<(), Errno> {
    let mut buffer = Buffers::default().take(ALIGNMENT_BYTES);
    let mut read = |file: BorrowedFd| {
        buffer.truncate(0);
        let filled = buffer.fill(ALIGNMENT_BYTES, |room, filled| if filled == 0 { Ok(pread(file, room, 0)?) } else { Ok(0) });
        filled.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
    };
    let direct = open_past_cache(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())));
    if let Ok(direct) = direct {
        match read(direct.as_fd()) {
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {}
            answer => return answer,
        }
    }
    let _ = fadvise(file, 0, None, Advice::DontNeed);
    read(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn every_way_hashes_the_same_bytes_at_every_boundary() -> Result<(), Box<dyn std::error::Error>> {
        let (dir, buffers) = (tempfile::tempdir()?, Buffers::default());
        let folder = rustix::fs::open(dir.path(), OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty())?;
        let reading = Reading { hashes: Hashes::Both, interruption: Interruption::default(), buffers: &buffers };
        let block = ALIGNMENT_BYTES;
        let lengths = [0, 1, block - 1, block, block + 1, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1];
        for length in lengths.into_iter().chain([3 * BUFFER_BYTES + block, 7 * BUFFER_BYTES + 513]) {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 7 + i / 251) as u8).collect();
            let mut file = tempfile::Builder::new().prefix("f").tempfile_in(dir.path())?;
            file.write_all(&bytes)?;
            file.as_file().sync_all()?;
            let name = file.path().file_name().and_then(|n| n.to_str()).ok_or("name")?;
            let expected = Digests::of(&bytes, true);
            let kind = FileSystem::of(&folder);
            for kind in [kind, FileSystem::Nfs, FileSystem::Tmpfs] {
                let (n, digest, how) = reading.read_back(folder.as_fd(), name, file.as_file().as_fd(), kind)?;
                assert_eq!((n, digest), (length as u64, expected), "{length} {kind}");
                assert!(how <= kind.best_read_back());
            }
            assert_eq!(reading.hash(file.as_file().as_fd(), length as u64, false)?, (length as u64, expected));
        }
        Ok(())
    }

    #[test]
    fn every_way_writes_the_same_bytes_at_every_boundary() -> Result<(), Box<dyn std::error::Error>> {
        let (dir, buffers) = (tempfile::tempdir()?, Buffers::default());
        for length in [0, 1, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, 3 * BUFFER_BYTES + ALIGNMENT_BYTES + 7, 9 << 20] {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 7 + i / 251) as u8).collect();
            for kind in [FileSystem::of(rustix::fs::open(dir.path(), OFlags::RDONLY, Mode::empty())?), FileSystem::Exfat] {
                // Aligned, and on no boundary.
                for before in [0, 1, 512] {
                    let mut memory = buffers.take(before + length);
                    memory.append(&vec![0xEE; before]);
                    memory.append(&bytes);
                    let file = tempfile::NamedTempFile::new_in(dir.path())?;
                    write_whole(file.as_file().as_fd(), &memory[before..], kind, &buffers)?;
                    assert!(std::fs::read(file.path())? == bytes, "{length} {kind} {before}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn reading_ends_when_the_user_wants_to_stop() -> Result<(), Box<dyn std::error::Error>> {
        static STOP: AtomicBool = AtomicBool::new(false);
        let (file, buffers) = (tempfile::tempfile()?, Buffers::default());
        file.set_len(9 << 20)?;
        let reading = Reading { hashes: Hashes::Blake3, interruption: Interruption::by(&STOP), buffers: &buffers };
        assert_eq!(reading.hash(file.as_fd(), 9 << 20, false)?.0, 9 << 20);
        STOP.store(true, Ordering::Relaxed);
        for length in [1, 9 << 20] {
            assert_eq!(reading.hash(file.as_fd(), length, false), Err(Errno::CANCELED));
        }
        Ok(())
    }

    #[test]
    fn a_file_shorter_than_its_length_is_read_to_its_end() -> Result<(), Box<dyn std::error::Error>> {
        let mut file = tempfile::tempfile()?;
        file.write_all(&vec![7; 3 << 20])?;
        let buffers = Buffers::default();
        let reading = Reading { hashes: Hashes::Blake3, interruption: Interruption::default(), buffers: &buffers };
        let (n, digest) = reading.hash(file.as_fd(), 9 << 20, false)?;
        assert_eq!((n, digest), (3 << 20, Digests::of(&vec![7; 3 << 20], false)));
        Ok(())
    }
}
