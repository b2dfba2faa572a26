//! How fast each kernel cuts, and the fastest beside `fastcdc` and `mincdc` with the same mean, in the processor's cache and from memory.
//! Then with BLAKE3 of each chunk while it is in the cache.

use crate::cutters::{self, Cutter};
use crate::data;
use crate::measure::{Clock, Entrant, Race};
use azekura::pipeline::chunker::{ChunkClass, Chunker, Kernel};
use criterion::{Criterion, Throughput};
use fastcdc::v2020::Normalization;
use rustix::time::ClockId;
use std::hint::black_box;

const MIB: usize = 1 << 20;

/// Cuts until fewer than `end` bytes are left. The last chunk of a buffer is known by its length, so only bytes before it were looked through
/// and count.
fn cutting<'a>(cutter: Cutter<'a>, data: &'a [u8], end: usize) -> Entrant<impl FnMut() -> usize + 'a> {
    let work = move || {
        let mut at = 0;
        while data.len() - at > end {
            at = cutter(black_box(at));
        }
        at
    };
    Entrant { units: work() as u64, work }
}

/// The same, with BLAKE3 of each chunk, to the end.
fn hashing<'a>(cutter: Cutter<'a>, data: &'a [u8]) -> Entrant<impl FnMut() + 'a> {
    let work = move || {
        let mut at = 0;
        while at < data.len() {
            let end = cutter(black_box(at));
            black_box(blake3::hash(&data[at..end]));
            at = end;
        }
    };
    Entrant { units: data.len() as u64, work }
}

fn peers(data: &[u8], class: ChunkClass) -> [(&'static str, Cutter<'_>); 3] {
    let (min, mean, max) = (class.min(), 2 * class.min(), class.max());
    [
        ("fastcdc", cutters::fastcdc(data, [mean / 4, mean, mean * 4], Normalization::Level1, 0)),
        ("fastcdc NC2", cutters::fastcdc(data, [min, mean, mean * 4], Normalization::Level2, 0)),
        ("mincdc", cutters::mincdc(data, min, max, 0)),
    ]
}

pub fn cut(c: &mut Criterion<Clock>) {
    let data = data::random(256 * MIB);
    let chunker = Chunker::new(&[7; 32]);
    for class in [ChunkClass::Data, ChunkClass::Large] {
        for mib in [1, 256] {
            let data = &data[..mib * MIB];
            let ours = cutting(cutters::ours(&chunker, class, data), data, class.max());
            let name = format!("cut/{class:?}/{mib} MiB");
            let mut race = Race::new(c, ClockId::ThreadCPUTime, &name, Throughput::Bytes, ours);
            for (name, cutter) in peers(data, class) {
                race.against(name, cutting(cutter, data, class.max()));
            }
            for kernel in Kernel::ALL.into_iter().filter(|k| *k != chunker.kernel()) {
                if let Some(other) = Chunker::with_kernel(&[7; 32], kernel) {
                    race.against(&format!("{kernel:?}"), cutting(cutters::ours(&other, class, data), data, class.max()));
                }
            }
        }
    }
}

pub fn cut_and_hash(c: &mut Criterion<Clock>) {
    let data = data::random(256 * MIB);
    let chunker = Chunker::new(&[7; 32]);
    let class = ChunkClass::Large;
    for mib in [1, 256] {
        let data = &data[..mib * MIB];
        let ours = cutters::ours(&chunker, class, data);
        let mut ends = Vec::new();
        while ends.last() != Some(&data.len()) {
            ends.push(ours(ends.last().copied().unwrap_or(0)));
        }
        // Cuts that an earlier generation tells, and that only have to be confirmed: no rule for cutting can do better.
        let told: Cutter = Box::new(move |at| ends[ends.partition_point(|end| *end <= at)]);
        let name = format!("cut and hash/{class:?}/{mib} MiB");
        let mut race = Race::new(c, ClockId::ThreadCPUTime, &name, Throughput::Bytes, hashing(ours, data));
        for (name, cutter) in peers(data, class) {
            race.against(name, hashing(cutter, data));
        }
        race.against("hash at known cuts", hashing(told, data));
    }
}
