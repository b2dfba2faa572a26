//! Section 12: where a run of bytes is cut into chunks.
//!
//! The cut is the position with the largest hash of the 16 bytes before it, among the positions where a chunk may end. It is found
//! in two steps. `Peaks` collects the blocks that contain the largest hash: a kernel computes one number for each block of
//! positions, so its loop has no branch that depends on the data. Then these few blocks, at most 65, are searched for the
//! positions themselves.
//!
//! **Invariant:** every kernel gives the same cuts. A kernel gets only a slice made by [`Chunker::cut`] and reads it in whole arrays
//! of bytes, so it cannot read outside of it.

mod hash;
pub mod pages;
mod scalar;

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vectors are loaded from arrays of their length")]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vectors are loaded from arrays of their length")]
mod avx512;

#[cfg(test)]
mod tests;

use hash::Hash;
use std::fmt;

const KIB: usize = 1 << 10;
const GIB: u64 = 1 << 30;

/// Bytes at the beginning of a window that only enter hashes of later positions: one vector, of which the last 15 bytes matter.
const LEAD: usize = 64;

/// Positions whose hashes are reduced to one number. Every class has whole blocks.
const BLOCK: usize = 1024;

/// Section 12: there is no cut at a smaller hash. So a run of one byte, whose hash is `-S`, gives chunks of the largest size:
/// hashes are compared as signed numbers.
const FLOOR: i16 = 0x6000;

/// Section 12: positions that are compared by the tie hash, the first and 64 more. This bounds the work on periodic data.
const TIED: usize = 65;

/// One bit for each position of a block, position 0 the lowest bit of the first word.
type Marks = [u64; BLOCK / 64];

/// The size of the chunks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChunkClass {
    /// The entry stream: 4 to 12 KiB.
    Entries,
    /// Files below 16 GiB: 32 to 96 KiB.
    Data,
    /// Files from 16 GiB to 256 GiB, finished images and archives: 128 to 384 KiB.
    Large,
    /// Files from 256 GiB: 512 to 1,536 KiB.
    Huge,
}

impl ChunkClass {
    /// Bytes at a file's beginning that decide its class.
    pub const HEAD: usize = 132;

    /// Fewest bytes of a chunk, except of the last one.
    pub const fn min(self) -> usize {
        match self {
            Self::Entries => 4 * KIB,
            Self::Data => 32 * KIB,
            Self::Large => 128 * KIB,
            Self::Huge => 512 * KIB,
        }
    }

    /// Most bytes of a chunk: three times [`Self::min`], so the mean is twice that.
    pub const fn max(self) -> usize {
        3 * self.min()
    }

    /// The class of a file of `size` bytes that begins with `head`: [`Self::HEAD`] bytes, or the whole file if it is shorter.
    pub fn for_file(size: u64, head: &[u8]) -> Self {
        if size >= 256 * GIB {
            Self::Huge
        } else if size >= 16 * GIB || is_finished(head) {
            Self::Large
        } else {
            Self::Data
        }
    }
}

/// Whether a file that begins so is an image or an archive, which is written once, and replaced only as a whole.
fn is_finished(head: &[u8]) -> bool {
    const MAGIC: [&[u8]; 8] = [
        b"\xff\xd8\xff",     // JPEG
        b"\x89PNG",          // PNG
        b"PK\x03\x04",       // ZIP
        b"\x1f\x8b",         // gzip
        b"\x28\xb5\x2f\xfd", // zstd
        b"\xfd7zXZ\0",       // xz
        b"7z\xbc\xaf\x27\x1c",
        b"age-encr",
    ];
    MAGIC.iter().any(|m| head.starts_with(m)) || head.get(128..132) == Some(b"DICM")
}

/// The processor's instructions that a [`Chunker`] uses. The cuts do not depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Any processor.
    Scalar,
    /// x86-64 with AVX2.
    Avx2,
    /// x86-64 with AVX-512BW and GFNI.
    Avx512,
}

impl Kernel {
    /// Slowest first.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    /// Whether this processor has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("gfni")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }
}

/// Cuts runs of bytes into chunks. A set has one, shared by reference.
pub struct Chunker {
    hash: Hash,
    /// **Invariant:** available on this processor. The `unsafe` calls of the kernels rely on it.
    kernel: Kernel,
}

impl Chunker {
    /// The chunker of the set with this key, with the fastest kernel of this processor.
    pub fn new(set_key: &[u8; 32]) -> Self {
        let kernel = Kernel::ALL.into_iter().rfind(|k| k.is_available()).unwrap_or(Kernel::Scalar);
        Self { hash: Hash::new(set_key), kernel }
    }

    /// The same with a given kernel; `None` if this processor lacks the instructions.
    pub fn with_kernel(set_key: &[u8; 32], kernel: Kernel) -> Option<Self> {
        kernel.is_available().then(|| Self { hash: Hash::new(set_key), kernel })
    }

    /// The kernel in use.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// The length of the first chunk of `data`, which begins where the previous chunk ended.
    ///
    /// With `last`, `data` reaches to the run's end. Otherwise more bytes may follow, and the answer is `None` while `data` has no
    /// more than `class.max()` bytes: whether they are the last chunk depends on what follows. Bytes beyond `class.max() + 1`
    /// never matter. Empty `data` has no chunk: `None`.
    pub fn cut(&self, class: ChunkClass, data: &[u8], last: bool) -> Option<usize> {
        let (min, max) = (class.min(), class.max());
        if data.len() <= max {
            return (last && !data.is_empty()).then_some(data.len());
        }
        // The hash at a position is that of the bytes before it, so the window ends one byte before the last position. The last
        // position would begin another block, and is offered by itself.
        let window = &data[min - 1 - LEAD..max - 1];
        let mut peaks = Peaks::new();
        self.find_peaks(window, &mut peaks);
        peaks.offer((max - min) / BLOCK, self.hash.at(data, max));

        let mut tie_break = TieBreak { hash: &self.hash, data, position: None, tie: None };
        let mut remaining = TIED;
        for &block in peaks.blocks() {
            let from = block * BLOCK;
            if from == max - min {
                tie_break.offer(max);
                break;
            }
            let marks = self.marks(&window[from..][..LEAD + BLOCK], peaks.top);
            for position in ones(&marks).take(remaining) {
                tie_break.offer(min + from + position);
                remaining -= 1;
            }
            if remaining == 0 {
                break;
            }
        }
        Some(tie_break.position.unwrap_or(max))
    }

    /// Offers the largest hash of each block of the window to `peaks`.
    #[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "a kernel may be called where it is available"))]
    fn find_peaks(&self, window: &[u8], peaks: &mut Peaks) {
        match self.kernel {
            Kernel::Scalar => scalar::find_peaks(&self.hash, window, peaks),
            // SAFETY: the kernel is available.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { avx2::find_peaks(&self.hash, window, peaks) },
            // SAFETY: the kernel is available.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => unsafe { avx512::find_peaks(&self.hash, window, peaks) },
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx2 | Kernel::Avx512 => unreachable!("not available"),
        }
    }

    /// The positions of one block whose hash is `top`. The window is the block behind its lead.
    #[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "a kernel may be called where it is available"))]
    fn marks(&self, window: &[u8], top: i16) -> Marks {
        match self.kernel {
            Kernel::Scalar => scalar::marks(&self.hash, window, top),
            // SAFETY: the kernel is available.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { avx2::marks(&self.hash, window, top) },
            // SAFETY: the kernel is available.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => unsafe { avx512::marks(&self.hash, window, top) },
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx2 | Kernel::Avx512 => unreachable!("not available"),
        }
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Chunker {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Chunker").field("kernel", &self.kernel).finish_non_exhaustive()
    }
}

/// The largest hash so far, and the first blocks that contain it.
struct Peaks {
    top: i16,
    /// Every block contains at least one position with that hash, so more blocks than tied positions are not needed.
    found: [usize; TIED],
    len: usize,
}

impl Peaks {
    fn new() -> Self {
        Self { top: FLOOR, found: [0; TIED], len: 0 }
    }

    /// Blocks MUST be offered in ascending order.
    #[inline]
    fn offer(&mut self, block: usize, peak: i16) {
        if peak < self.top {
            return;
        }
        if peak > self.top {
            self.top = peak;
            self.len = 0;
        }
        if let Some(entry) = self.found.get_mut(self.len) {
            *entry = block;
            self.len += 1;
        }
    }

    fn blocks(&self) -> &[usize] {
        &self.found[..self.len]
    }
}

/// Chooses among positions with equal hashes: the earliest of those with the largest tie hash.
struct TieBreak<'a> {
    hash: &'a Hash,
    data: &'a [u8],
    position: Option<usize>,
    /// The tie hash of `position`, once it was needed.
    tie: Option<u64>,
}

impl TieBreak<'_> {
    fn offer(&mut self, position: usize) {
        let Some(best) = self.position else {
            self.position = Some(position);
            return;
        };
        let tie = self.hash.tie(self.data, position);
        let largest = *self.tie.get_or_insert_with(|| self.hash.tie(self.data, best));
        if tie > largest {
            (self.position, self.tie) = (Some(position), Some(tie));
        }
    }
}

/// The numbers of the set bits, ascending.
fn ones(marks: &Marks) -> impl Iterator<Item = usize> {
    marks.iter().enumerate().flat_map(|(i, word)| {
        let mut rest = *word;
        std::iter::from_fn(move || {
            let bit = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            (bit < 64).then_some(i * 64 + bit)
        })
    })
}
