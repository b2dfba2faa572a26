//! How fast each kernel cuts, beside `fastcdc` and `mincdc` with the same mean, in the processor's cache and from memory.
//!
//! Only bytes that were looked through count: the last chunk of a buffer is known by its length, so each run ends before it.

use azekura::pipeline::chunker::{Chunker, Class, Kernel};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use fastcdc::v2020::{FastCDC, Normalization};
use mincdc::{Cdc, MinCdcHash4};
use std::hint::black_box;
use std::time::Duration;

const MIB: usize = 1 << 20;

fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(b"bench").finalize_xof().fill(&mut bytes);
    bytes
}

/// Cuts until fewer than `end` bytes are left; gives the bytes cut.
fn run(data: &[u8], end: usize, mut cut: impl FnMut(&[u8]) -> usize) -> usize {
    let mut at = 0;
    while data.len() - at > end {
        at += cut(&data[at..]);
    }
    at
}

fn measure(group: &mut BenchmarkGroup<WallTime>, name: &str, data: &[u8], end: usize, mut cut: impl FnMut(&[u8]) -> usize) {
    group.throughput(Throughput::Bytes(run(data, end, &mut cut) as u64));
    group.bench_function(name, |b| b.iter(|| run(black_box(data), end, &mut cut)));
}

fn cut(c: &mut Criterion) {
    let data = random(256 * MIB);
    for class in [Class::Data, Class::Large] {
        for mib in [1, 256] {
            let data = &data[..mib * MIB];
            let (min, mean, max) = (class.min(), 2 * class.min(), class.max());
            let mut group = c.benchmark_group(format!("cut/{class:?}/{mib} MiB"));
            group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
            for kernel in Kernel::ALL {
                if let Some(chunker) = Chunker::with_kernel(&[7; 32], kernel) {
                    measure(&mut group, &format!("{kernel:?}"), data, max, |d| chunker.cut(class, d, true).unwrap_or(d.len()));
                }
            }
            let fast = FastCDC::new(data, mean / 4, mean, mean * 4);
            let len = data.len();
            measure(&mut group, "fastcdc", data, max, |d| fast.cut(len - d.len(), d.len()).1 - (len - d.len()));
            let fast = FastCDC::with_level(data, min, mean, mean * 4, Normalization::Level2);
            measure(&mut group, "fastcdc NC2", data, max, |d| fast.cut(len - d.len(), d.len()).1 - (len - d.len()));
            let least = MinCdcHash4::new();
            measure(&mut group, "mincdc", data, max, |d| min - 4 + least.best_splitpoint(&d[min - 4..max]));
            group.finish();
        }
    }
}

criterion_group!(benches, cut);
criterion_main!(benches);
