//! The kernel for any processor.

use super::hash::Hash;
use super::{BLOCK, LEAD, Marks, Peaks};

/// Parts of a block that are hashed at the same time, because each step depends on the one before.
const STREAMS: usize = 4;
const STREAM: usize = BLOCK / STREAMS;

pub(super) fn find_peaks(hash: &Hash, window: &[u8], peaks: &mut Peaks) {
    for (block, from) in (0..window.len() - LEAD).step_by(BLOCK).enumerate() {
        let mut high = [i32::MIN; STREAMS];
        walk(hash, &window[from..], |_, hashes| {
            for (high, h) in high.iter_mut().zip(hashes) {
                *high = (*high).max(h.cast_signed());
            }
        });
        let high = high.into_iter().fold(i32::MIN, i32::max);
        peaks.offer(block, (high >> 16) as i16);
    }
}

pub(super) fn marks(hash: &Hash, window: &[u8], top: i16) -> Marks {
    let mut marks = Marks::default();
    walk(hash, window, |i, hashes| {
        for (stream, h) in hashes.into_iter().enumerate() {
            let position = stream * STREAM + i;
            marks[position / 64] |= u64::from((h >> 16) as u16 == top.cast_unsigned()) << (position % 64);
        }
    });
    marks
}

/// The hashes of a block, as the upper halves of `u32`, for [`STREAMS`] parts at once.
#[inline(always)]
fn walk(hash: &Hash, window: &[u8], mut each: impl FnMut(usize, [u32; STREAMS])) {
    const WARM: usize = 15;
    let parts: [&[u8; WARM + STREAM]; STREAMS] = std::array::from_fn(|s| {
        let part = window[LEAD - WARM + s * STREAM..].first_chunk();
        part.unwrap_or_else(|| unreachable!("a window has whole blocks"))
    });
    let mut hashes = [0u32; STREAMS];
    let mut step = |i: usize| {
        for (h, part) in hashes.iter_mut().zip(parts) {
            *h = (*h << 1).wrapping_add(hash.upper[usize::from(part[i])]);
        }
        hashes
    };
    for i in 0..WARM {
        step(i);
    }
    for i in 0..STREAM {
        each(i, step(WARM + i));
    }
}
