//! Ways to cut the same bytes: ours, and two others' with the lengths and the key that are asked for.
//!
//! Each answers where the chunk that begins at a place ends.

use azekura::pipeline::chunker::{ChunkClass, Chunker};
use fastcdc::v2020::{FastCDC, Normalization};
use mincdc::{Cdc, MinCdcHash4};

pub type Cutter<'a> = Box<dyn Fn(usize) -> usize + 'a>;

pub fn ours<'a>(chunker: &'a Chunker, class: ChunkClass, data: &'a [u8]) -> Cutter<'a> {
    Box::new(move |at| at + chunker.cut(class, &data[at..], true).expect("not at the end"))
}

/// `lengths`: the smallest, the mean aimed at, the largest. Key 0 is the crate's own table.
pub fn fastcdc(data: &[u8], lengths: [usize; 3], level: Normalization, key: u64) -> Cutter<'_> {
    // The crate takes even lengths only.
    let [min, mean, max] = lengths.map(|n| n & !1);
    let rule = FastCDC::with_level_and_seed(data, min, mean, max, level, key);
    Box::new(move |at| rule.cut(at, data.len() - at).1)
}

/// As the crate's `SliceChunker` does. Key 0 is the crate's own hash.
pub fn mincdc(data: &[u8], min: usize, max: usize, key: u64) -> Cutter<'_> {
    let rule = match key {
        0 => MinCdcHash4::new(),
        _ => {
            let k = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            MinCdcHash4::with_params((k >> 32) as u32 | 1, k as u32)
        }
    };
    Box::new(move |at| {
        let rest = &data[at..];
        if rest.len() <= min { data.len() } else { at + min - 4 + rule.best_splitpoint(&rest[min - 4..max.min(rest.len())]) }
    })
}
