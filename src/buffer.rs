//! Reused buffers for reads and packs. They consist of whole pages, so that they can be written to a device without a
//! copy, and of huge pages where the kernel has them.
//!
//! With fresh memory, the kernel handles a fault for each page and clears it, and a direct write looks up each page: on
//! data that does not compress, a fifth of the processor's time in a backup.

use memmap2::{Advice, MmapMut};
use parking_lot::Mutex;
use std::alloc::{Layout, handle_alloc_error};
use std::io::{self, Write};
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Bytes of a huge page on the processors in use. Where they are larger or smaller, only speed is lost.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Buffers that wait for reuse. Clones share them. There are never more than were in use at the same time.
#[derive(Debug, Clone, Default)]
pub struct Buffers(Arc<Mutex<Vec<MmapMut>>>);

impl Buffers {
    /// An empty buffer with room for at least so many bytes.
    pub fn take(&self, bytes: usize) -> Buffer {
        let mut spare = self.0.lock();
        let memory = match spare.iter().rposition(|m| m.len() >= bytes) {
            Some(at) => spare.swap_remove(at),
            None => map(bytes),
        };
        Buffer { memory: Some(memory), length: 0, home: self.clone() }
    }
}

/// Bytes that grow at their end. When it is dropped, its memory returns to its [`Buffers`].
pub struct Buffer {
    /// `None` only while it is dropped.
    memory: Option<MmapMut>,
    length: usize,
    home: Buffers,
}

impl Buffer {
    /// Appends bytes, with more memory if necessary.
    pub fn append(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let (had, end) = (self.length, self.length + bytes.len());
        self.memory()[had..end].copy_from_slice(bytes);
        self.length = end;
    }

    /// Appends up to `most` bytes, fewer only if `read` returns 0. `read` receives the remaining room and how many
    /// bytes it has read before. After an error nothing is appended.
    pub fn fill(&mut self, most: usize, mut read: impl FnMut(&mut [u8], usize) -> io::Result<usize>) -> io::Result<()> {
        self.reserve(most);
        let had = self.length;
        let room = &mut self.memory()[had..had + most];
        let mut filled = 0;
        while filled < most {
            match read(&mut room[filled..], filled) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.length = had + filled;
        Ok(())
    }

    /// Keeps the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    fn reserve(&mut self, more: usize) {
        let end = self.length + more;
        if end > self.memory().len() {
            let mut larger = map(end.max(2 * self.memory().len()));
            larger[..self.length].copy_from_slice(self);
            self.memory = Some(larger);
        }
    }

    fn memory(&mut self) -> &mut MmapMut {
        self.memory.get_or_insert_with(|| map(0))
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.as_ref().map_or(&[], |m| &m[..self.length])
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let length = self.length;
        &mut self.memory()[..length]
    }
}

/// Appends; never fails.
impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(memory) = mem::take(&mut self.memory) {
            self.home.0.lock().push(memory);
        }
    }
}

/// A new mapping. It occupies memory only where it has been written to.
fn map(bytes: usize) -> MmapMut {
    let bytes = bytes.max(1).next_multiple_of(HUGE_PAGE_BYTES);
    // As for any other allocation that fails.
    let memory = MmapMut::map_anon(bytes).unwrap_or_else(|_| match Layout::array::<u8>(bytes) {
        Ok(layout) => handle_alloc_error(layout),
        Err(_) => unreachable!("no buffer is larger than the address space"),
    });
    // Only advice: nothing depends on it.
    let _ = memory.advise(Advice::HugePage);
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_contains_what_was_written_and_outgrows_its_room() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take(1);
        let mut expected = Vec::new();
        for n in 0..40_u32 {
            let part = vec![n as u8; 500_000 + n as usize];
            buffer.write_all(&part).unwrap();
            expected.extend_from_slice(&part);
            buffer[n as usize] ^= 1;
            expected[n as usize] ^= 1;
        }
        assert!(*buffer == *expected);
    }

    #[test]
    fn it_is_filled_until_the_end_and_not_at_all_after_an_error() {
        let mut buffer = Buffers::default().take(4);
        let mut parts = [Ok(2), Err(io::ErrorKind::Interrupted), Ok(3), Ok(0), Ok(1)].into_iter();
        let give = |room: &mut [u8], got: usize| {
            let n = parts.next().unwrap()?;
            room[..n].fill(got as u8 + 1);
            Ok(n)
        };
        buffer.fill(9, give).unwrap();
        assert_eq!(*buffer, [1, 1, 3, 3, 3]);
        let mut parts = [Ok(2), Err(io::ErrorKind::UnexpectedEof)].into_iter();
        assert!(buffer.fill(9, |_, _| Ok(parts.next().unwrap()?)).is_err());
        buffer.fill(1, |room, _| Ok(room.len())).unwrap();
        assert_eq!(buffer.len(), 6);
    }

    #[test]
    fn memory_is_used_again_and_begins_empty() {
        let buffers = Buffers::default();
        let mut first = buffers.take(3 << 20);
        first.write_all(b"plaintext of another pack").unwrap();
        let at = first.as_ptr();
        drop(first);
        let again = buffers.take(2 << 20);
        assert_eq!((again.as_ptr(), again.len()), (at, 0));
        assert_ne!(buffers.take(2 << 20).as_ptr(), at, "it is in use");
        drop(again);
        assert_ne!(buffers.take(8 << 20).as_ptr(), at, "it is too small");
    }
}
