//! The kernel for AVX2: 32 positions a step.

use super::hash::Hash;
use super::{BLOCK, Marks, Peaks};
use std::arch::x86_64::*;

/// Distance of the prefetch in bytes: far enough for the latency of memory, near enough to stay in the cache.
const AHEAD: usize = 2048;

#[target_feature(enable = "avx2")]
pub(super) fn find_peaks(hash: &Hash, window: &[u8], peaks: &mut Peaks) {
    let mut hasher = LaneHasher::new(hash);
    let (steps, _) = window.as_chunks::<32>();
    let [_, lead, steps @ ..] = steps else { return };
    hasher.step(lead);
    for (block, steps) in steps.chunks_exact(BLOCK / 32).enumerate() {
        let mut high = _mm256_set1_epi16(i16::MIN);
        for bytes in steps {
            _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(AHEAD).cast());
            let (even, odd) = hasher.step(bytes);
            high = _mm256_max_epi16(high, _mm256_max_epi16(even, odd));
        }
        peaks.offer(block, highest(high));
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn marks(hash: &Hash, window: &[u8], top: i16) -> Marks {
    let mut marks = Marks::default();
    let mut hasher = LaneHasher::new(hash);
    let top = _mm256_set1_epi16(top);
    let (steps, _) = window.as_chunks::<32>();
    let [_, lead, steps @ ..] = steps else { return marks };
    hasher.step(lead);
    for (i, bytes) in steps.iter().enumerate() {
        let (even, odd) = hasher.step(bytes);
        let (even, odd) = (_mm256_cmpeq_epi16(even, top), _mm256_cmpeq_epi16(odd, top));
        // The low byte of each lane from one, the high byte from the other: a mask of the positions in order.
        let both = _mm256_blendv_epi8(even, odd, _mm256_set1_epi16(0xff00_u16.cast_signed()));
        let bits = _mm256_movemask_epi8(both).cast_unsigned();
        marks[i / 2] |= u64::from(bits) << (i % 2 * 32);
    }
    marks
}

/// The hash as doublings: with `g1 = S`, `g2n(q) = gn(q) + 2^n gn(q - n)`, and `g16(q)` the hash of the bytes up to `q`.
///
/// A lane of 16 bits contains the sum that ends at an even byte; in a second vector, at the odd byte after it. Terms from before the
/// vector come from the previous step. The first step lacks them: its results belong to the lead and are dropped.
struct LaneHasher {
    /// `S` of the lower four bits, and of the upper four: `S` is linear, so their XOR is `S` of the byte.
    low: __m256i,
    high: __m256i,
    bytes: __m256i,
    even4: __m256i,
    odd4: __m256i,
    even8: __m256i,
    odd8: __m256i,
}

impl LaneHasher {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(hash: &Hash) -> Self {
        let zero = _mm256_setzero_si256();
        let low: [u8; 32] = std::array::from_fn(|i| hash.table[i % 16]);
        let high: [u8; 32] = std::array::from_fn(|i| hash.table[i % 16 * 16]);
        Self { low: load(&low), high: load(&high), bytes: zero, even4: zero, odd4: zero, even8: zero, odd8: zero }
    }

    /// The hashes after the bytes at even and at odd positions.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn step(&mut self, bytes: &[u8; 32]) -> (__m256i, __m256i) {
        let raw = load(bytes);
        let nibble = _mm256_set1_epi8(0x0f);
        let low = _mm256_shuffle_epi8(self.low, _mm256_and_si256(raw, nibble));
        let high = _mm256_shuffle_epi8(self.high, _mm256_and_si256(_mm256_srli_epi16::<4>(raw), nibble));
        let b0 = _mm256_xor_si256(low, high);
        let before = across(self.bytes, b0);
        let b1 = _mm256_alignr_epi8::<15>(b0, before);
        let b2 = _mm256_alignr_epi8::<14>(b0, before);
        let b3 = _mm256_alignr_epi8::<13>(b0, before);
        self.bytes = b0;

        let near = _mm256_set1_epi16(0x0102);
        let far = _mm256_set1_epi16(0x0408);
        let odd4 = _mm256_add_epi16(_mm256_maddubs_epi16(b0, near), _mm256_maddubs_epi16(b2, far));
        let even4 = _mm256_add_epi16(_mm256_maddubs_epi16(b1, near), _mm256_maddubs_epi16(b3, far));

        let odd8 = double4(odd4, self.odd4);
        let even8 = double4(even4, self.even4);
        (self.odd4, self.even4) = (odd4, even4);

        let (odd, even) = (double8(odd8, self.odd8), double8(even8, self.even8));
        (self.odd8, self.even8) = (odd8, even8);
        (even, odd)
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the array has 32 bytes, and an unaligned load does not need more.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// The upper half of the previous step, then the lower half of this one: the bytes 16 positions earlier.
#[inline]
#[target_feature(enable = "avx2")]
fn across(before: __m256i, now: __m256i) -> __m256i {
    _mm256_permute2x128_si256::<0x21>(before, now)
}

/// `g8` from `g4`, with the lanes of 4 bytes earlier.
#[inline]
#[target_feature(enable = "avx2")]
fn double4(now: __m256i, before: __m256i) -> __m256i {
    let back = _mm256_alignr_epi8::<12>(now, across(before, now));
    _mm256_add_epi16(now, _mm256_slli_epi16::<4>(back))
}

/// `g16` from `g8`, with the lanes of 8 bytes earlier.
#[inline]
#[target_feature(enable = "avx2")]
fn double8(now: __m256i, before: __m256i) -> __m256i {
    let back = _mm256_alignr_epi8::<8>(now, across(before, now));
    _mm256_add_epi16(now, _mm256_slli_epi16::<8>(back))
}

/// The largest lane.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn highest(lanes: __m256i) -> i16 {
    let half = _mm_max_epi16(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
    // There is an instruction for the smallest of eight unsigned lanes. Inverting all bits except the sign reverses the order of
    // signed numbers and makes it that of unsigned ones.
    let least = _mm_minpos_epu16(_mm_xor_si128(half, _mm_set1_epi16(i16::MAX)));
    _mm_extract_epi16::<0>(least) as i16 ^ i16::MAX
}
