//! The kernel for AVX-512BW and GFNI: 64 positions a step.

use super::hash::Hash;
use super::{BLOCK, Marks, Peaks};
use std::arch::x86_64::*;

/// Distance of the prefetch in bytes: far enough for the latency of memory, near enough to stay in the cache.
const AHEAD: usize = 2048;

#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn find_peaks(hash: &Hash, window: &[u8], peaks: &mut Peaks) {
    let mut hasher = LaneHasher::new(hash);
    let (steps, _) = window.as_chunks::<64>();
    let [lead, steps @ ..] = steps else { return };
    hasher.step(lead);
    for (block, steps) in steps.chunks_exact(BLOCK / 64).enumerate() {
        let mut high = _mm512_set1_epi16(i16::MIN);
        for bytes in steps {
            _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(AHEAD).cast());
            let (even, odd) = hasher.step(bytes);
            high = _mm512_max_epi16(high, _mm512_max_epi16(even, odd));
        }
        peaks.offer(block, highest(high));
    }
}

#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn marks(hash: &Hash, window: &[u8], top: i16) -> Marks {
    let mut marks = Marks::default();
    let mut hasher = LaneHasher::new(hash);
    let top = _mm512_set1_epi16(top);
    let (steps, _) = window.as_chunks::<64>();
    let [lead, steps @ ..] = steps else { return marks };
    hasher.step(lead);
    for (mark, bytes) in marks.iter_mut().zip(steps) {
        let (even, odd) = hasher.step(bytes);
        let (even, odd) = (_mm512_cmpeq_epi16_mask(even, top), _mm512_cmpeq_epi16_mask(odd, top));
        // The low byte of each lane from one, the high byte from the other: a mask of the positions in order.
        let both = _mm512_mask_blend_epi8(0xaaaa_aaaa_aaaa_aaaa, _mm512_movm_epi16(even), _mm512_movm_epi16(odd));
        *mark = _mm512_movepi8_mask(both);
    }
    marks
}

/// The hash as doublings: with `g1 = S`, `g2n(q) = gn(q) + 2^n gn(q - n)`, and `g16(q)` the hash of the bytes up to `q`.
///
/// A lane of 16 bits contains the sum that ends at an even byte; in a second vector, at the odd byte after it. Terms from before the
/// vector come from the previous step. The first step lacks them: its results belong to the lead and are dropped.
struct LaneHasher {
    rows: __m512i,
    bytes: __m512i,
    even4: __m512i,
    odd4: __m512i,
    even8: __m512i,
    odd8: __m512i,
}

impl LaneHasher {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,gfni")]
    fn new(hash: &Hash) -> Self {
        let zero = _mm512_setzero_si512();
        let rows = _mm512_set1_epi64(hash.rows.cast_signed());
        Self { rows, bytes: zero, even4: zero, odd4: zero, even8: zero, odd8: zero }
    }

    /// The hashes after the bytes at even and at odd positions.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,gfni")]
    fn step(&mut self, bytes: &[u8; 64]) -> (__m512i, __m512i) {
        // SAFETY: the array has 64 bytes, and an unaligned load does not need more.
        let raw = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
        let b0 = _mm512_gf2p8affine_epi64_epi8::<0>(raw, self.rows);
        let before = _mm512_alignr_epi64::<6>(b0, self.bytes);
        let b1 = _mm512_alignr_epi8::<15>(b0, before);
        let b2 = _mm512_alignr_epi8::<14>(b0, before);
        let b3 = _mm512_alignr_epi8::<13>(b0, before);
        self.bytes = b0;

        let near = _mm512_set1_epi16(0x0102);
        let far = _mm512_set1_epi16(0x0408);
        let odd4 = _mm512_add_epi16(_mm512_maddubs_epi16(b0, near), _mm512_maddubs_epi16(b2, far));
        let even4 = _mm512_add_epi16(_mm512_maddubs_epi16(b1, near), _mm512_maddubs_epi16(b3, far));

        let odd8 = _mm512_add_epi16(odd4, _mm512_slli_epi16::<4>(_mm512_alignr_epi32::<15>(odd4, self.odd4)));
        let even8 = _mm512_add_epi16(even4, _mm512_slli_epi16::<4>(_mm512_alignr_epi32::<15>(even4, self.even4)));
        (self.odd4, self.even4) = (odd4, even4);

        let odd = _mm512_add_epi16(odd8, _mm512_slli_epi16::<8>(_mm512_alignr_epi64::<7>(odd8, self.odd8)));
        let even = _mm512_add_epi16(even8, _mm512_slli_epi16::<8>(_mm512_alignr_epi64::<7>(even8, self.even8)));
        (self.odd8, self.even8) = (odd8, even8);
        (even, odd)
    }
}

/// The largest lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn highest(lanes: __m512i) -> i16 {
    let half = _mm256_max_epi16(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64::<1>(lanes));
    super::avx2::highest(half)
}
