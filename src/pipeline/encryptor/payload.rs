//! Whole age files: written in a buffer; read from a buffer, or from a file with seeking.

use super::segment::{SEGMENT_BYTES, TAG_BYTES, divide};
use super::stanzas::Stanzas;
use super::{DecryptError, EncryptError, HEADER_BYTES, Identity, Recipients, header, segment::PayloadKey};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::DerefMut;

/// Writes an age file into the caller's buffer. Segments are encrypted in place, and memory is allocated only when the buffer
/// grows: give it one with enough capacity. Writing appends and never fails.
pub struct Encryptor<B = Vec<u8>> {
    key: PayloadKey,
    out: B,
    /// Where the open segment begins in `out`.
    segment: usize,
    index: u64,
}

impl<B: Write + DerefMut<Target = [u8]>> Encryptor<B> {
    /// Begins a file behind what `out` already contains.
    pub fn begin(recipients: &Recipients, mut out: B) -> Result<Self, EncryptError> {
        let key = header::write(recipients, &mut out)?;
        Ok(Self { key, segment: out.len(), out, index: 0 })
    }

    /// Appends content.
    pub fn write(&mut self, mut content: &[u8]) {
        while !content.is_empty() {
            // A full segment is encrypted only when more content follows, because the last one is marked.
            if self.out.len() - self.segment == SEGMENT_BYTES {
                self.close(false);
            }
            let room = SEGMENT_BYTES - (self.out.len() - self.segment);
            let (now, rest) = content.split_at(room.min(content.len()));
            append(&mut self.out, now);
            content = rest;
        }
    }

    /// How long the buffer would be if the file were finished now.
    pub fn length(&self) -> usize {
        self.out.len() + TAG_BYTES
    }

    /// Ends the file and returns the buffer.
    pub fn finish(mut self) -> B {
        self.close(true);
        self.out
    }

    fn close(&mut self, last: bool) {
        let tag = self.key.encrypt(self.index, last, &mut self.out[self.segment..]);
        append(&mut self.out, &tag);
        self.segment = self.out.len();
        self.index += 1;
    }
}

fn append(out: &mut impl Write, bytes: &[u8]) {
    out.write_all(bytes).unwrap_or_else(|_| unreachable!("a buffer in memory takes everything"));
}

/// The content of a whole age file, at most `limit` bytes.
pub fn decrypt(identity: &Identity, file: &[u8], limit: u64) -> Result<Vec<u8>, DecryptError> {
    let mut out = Vec::new();
    decrypt_into(identity, file, limit, &mut out)?;
    Ok(out)
}

/// Appends the content of a whole age file to `out` and returns the stanzas of its header; after an error `out` is
/// unchanged.
pub fn decrypt_into(identity: &Identity, file: &[u8], limit: u64, out: &mut Vec<u8>) -> Result<Stanzas, DecryptError> {
    let header::Opened { key, payload, stanzas } = header::read(identity, file)?;
    let payload = &file[payload..];
    let (count, length) = divide(payload.len() as u64).ok_or_else(|| cut_short(payload.len() as u64))?;
    if length > limit {
        return Err(DecryptError::TooLarge { size: length, limit });
    }
    let begin = out.len();
    // Before it is decrypted, the last segment is in `out` with its tag.
    out.reserve(length as usize + TAG_BYTES);
    for (index, segment) in (0..count).zip(payload.chunks(SEGMENT_BYTES + TAG_BYTES)) {
        let at = out.len();
        out.extend_from_slice(segment);
        match key.decrypt(index, index + 1 == count, &mut out[at..]) {
            Ok(n) => out.truncate(at + n),
            Err(e) => {
                out.truncate(begin);
                return Err(e);
            }
        }
    }
    Ok(stanzas)
}

/// A payload whose length no writer makes has lost its end.
fn cut_short(payload: u64) -> DecryptError {
    DecryptError::segment(payload / (SEGMENT_BYTES + TAG_BYTES) as u64)
}

/// Reads the content of an age file that is not in memory, with seeking. One segment is read at a time.
///
/// Damage is an [`io::Error`] of kind `InvalidData` with a [`DecryptError`] as its source.
pub struct Decryptor<R> {
    input: R,
    key: PayloadKey,
    stanzas: Stanzas,
    /// Where the payload begins in `input`, and its length there.
    start: u64,
    stored: u64,
    count: u64,
    length: u64,
    position: u64,
    /// The content of segment `loaded`.
    segment: Vec<u8>,
    loaded: Option<u64>,
    /// The position of `input`.
    at: u64,
    /// The last segment was decrypted as the last one, so `length` is right.
    end_seen: bool,
}

impl<R: Read + Seek> Decryptor<R> {
    /// Reads the header from the input's beginning.
    pub fn open(identity: &Identity, mut input: R) -> Result<Self, DecryptError> {
        let failed = |source| DecryptError::Read { source };
        let end = input.seek(SeekFrom::End(0)).map_err(failed)?;
        input.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut head = Vec::with_capacity(HEADER_BYTES);
        input.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut head).map_err(failed)?;
        let header::Opened { key, payload, stanzas } = header::read(identity, &head)?;
        let stored = end.saturating_sub(payload as u64);
        let (count, length) = divide(stored).ok_or_else(|| cut_short(stored))?;
        Ok(Self {
            input,
            key,
            stanzas,
            start: payload as u64,
            stored,
            count,
            length,
            position: 0,
            segment: Vec::with_capacity(SEGMENT_BYTES + TAG_BYTES),
            loaded: None,
            at: head.len() as u64,
            end_seen: false,
        })
    }

    /// The stanzas of the header.
    pub fn stanzas(&self) -> Stanzas {
        self.stanzas
    }

    /// Bytes of content. Reads the last segment unless it was read before.
    pub fn length(&mut self) -> io::Result<u64> {
        if !self.end_seen {
            self.load(self.count - 1)?;
        }
        Ok(self.length)
    }

    /// Decrypts segment `index` into `segment`.
    fn load(&mut self, index: u64) -> io::Result<()> {
        if self.loaded == Some(index) {
            return Ok(());
        }
        self.loaded = None;
        let offset = index * (SEGMENT_BYTES + TAG_BYTES) as u64;
        let stored = (self.stored - offset).min((SEGMENT_BYTES + TAG_BYTES) as u64);
        if self.at != self.start + offset {
            self.at = self.input.seek(SeekFrom::Start(self.start + offset))?;
        }
        self.segment.resize(stored as usize, 0);
        if let Err(e) = self.input.read_exact(&mut self.segment) {
            // The position is now unknown: seek before the next read.
            self.at = u64::MAX;
            return Err(e);
        }
        self.at += stored;
        let last = index + 1 == self.count;
        let content = self.key.decrypt(index, last, &mut self.segment);
        let content = content.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        self.segment.truncate(content);
        self.loaded = Some(index);
        self.end_seen |= last;
        Ok(())
    }
}

impl<R: Read + Seek> Read for Decryptor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.length {
            // The end is reported only if the last segment is marked as the last one.
            self.length()?;
            return Ok(0);
        }
        self.load(self.position / SEGMENT_BYTES as u64)?;
        let content = &self.segment[(self.position % SEGMENT_BYTES as u64) as usize..];
        let n = content.len().min(buffer.len());
        buffer[..n].copy_from_slice(&content[..n]);
        self.position += n as u64;
        Ok(n)
    }
}

impl<R: Read + Seek> Seek for Decryptor<R> {
    /// A position behind the end is allowed; nothing can be read there.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::Current(n) => self.position.checked_add_signed(n),
            SeekFrom::End(n) => self.length()?.checked_add_signed(n),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
