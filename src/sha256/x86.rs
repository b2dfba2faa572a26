//! Two streams at once with the SHA instructions of x86-64.
//!
//! The instructions take a state as two vectors, words A B E F and C D G H. The two of `sha256rnds2` for four rounds depend on
//! each other; those of the other stream stand between them.

use super::BLOCK;
use std::arch::x86_64::*;

/// A state in the order of the instructions.
type State = [__m128i; 2];

/// FIPS 180-4, 4.2.2: the constants of four rounds each.
static ROUNDS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1")
}

/// Adds as many blocks to the one state as to the other: the shorter list says how many.
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub(super) fn compress_both([x, y]: [&mut [u32; 8]; 2], [a, b]: [&[[u8; BLOCK]]; 2]) {
    let mut states = [enter(x), enter(y)];
    for (a, b) in a.iter().zip(b) {
        let before = states;
        let mut words = [message(a), message(b)];
        for (n, constants) in ROUNDS.as_chunks::<4>().0.iter().enumerate() {
            for (quarter, constants) in constants.iter().enumerate() {
                let constants = load(constants);
                for (state, words) in states.iter_mut().zip(&mut words) {
                    if n > 0 {
                        words[quarter] = next_words(words, quarter);
                    }
                    let sum = _mm_add_epi32(words[quarter], constants);
                    state[1] = _mm_sha256rnds2_epu32(state[1], state[0], sum);
                    state[0] = _mm_sha256rnds2_epu32(state[0], state[1], _mm_shuffle_epi32::<0b1110>(sum));
                }
            }
        }
        for (state, before) in states.iter_mut().zip(before) {
            *state = [_mm_add_epi32(state[0], before[0]), _mm_add_epi32(state[1], before[1])];
        }
    }
    [*x, *y] = [leave(states[0]), leave(states[1])];
}

/// The first sixteen words of the message schedule: the block's, which are big-endian.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn message(block: &[u8; BLOCK]) -> [__m128i; 4] {
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let (quarters, _) = block.as_chunks::<16>();
    let [a, b, c, d] = quarters else { unreachable!("a block has four quarters") };
    [a, b, c, d].map(|bytes| {
        // SAFETY: sixteen bytes are read from an array of sixteen.
        let raw = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
        _mm_shuffle_epi8(raw, swap)
    })
}

/// The four words after these sixteen, of which the oldest are those at `first`.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn next_words(words: &[__m128i; 4], first: usize) -> __m128i {
    let [a, b, c, d] = [0, 1, 2, 3].map(|n| words[(first + n) % 4]);
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8::<4>(d, c));
    _mm_sha256msg2_epu32(sum, d)
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn enter(state: &[u32; 8]) -> State {
    let (halves, _) = state.as_chunks::<4>();
    let [abcd, efgh] = halves else { unreachable!("a state has two halves") };
    let (badc, efgh) = (_mm_shuffle_epi32::<0xb1>(load(abcd)), _mm_shuffle_epi32::<0x1b>(load(efgh)));
    [_mm_alignr_epi8::<8>(badc, efgh), _mm_blend_epi16::<0xf0>(efgh, badc)]
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn leave([abef, cdgh]: State) -> [u32; 8] {
    let (feba, dchg) = (_mm_shuffle_epi32::<0x1b>(abef), _mm_shuffle_epi32::<0xb1>(cdgh));
    let mut state = [[0; 4]; 2];
    // SAFETY: sixteen bytes are written to an array of sixteen.
    unsafe {
        _mm_storeu_si128(state[0].as_mut_ptr().cast(), _mm_blend_epi16::<0xf0>(feba, dchg));
        _mm_storeu_si128(state[1].as_mut_ptr().cast(), _mm_alignr_epi8::<8>(dchg, feba));
    }
    let [[a, b, c, d], [e, f, g, h]] = state;
    [a, b, c, d, e, f, g, h]
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn load(words: &[u32; 4]) -> __m128i {
    // SAFETY: sixteen bytes are read from an array of sixteen.
    unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
}
