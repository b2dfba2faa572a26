//! Frames: levels on three kinds of content, with the check that decodes each again; how soon the incompressible is seen; and back.
//!
//! Bytes are those of the content.

use crate::data;
use crate::measure::Clock;
use azekura::pipeline::compressor::{Compressor, Decompressor};
use criterion::{Criterion, Throughput};
use std::hint::black_box;

const FRAME: usize = 1 << 20;

pub fn compress(c: &mut Criterion<Clock>) {
    for (kind, make) in data::KINDS {
        let content = make(FRAME);
        let mut group = c.benchmark_group(format!("compress/{kind}"));
        group.throughput(Throughput::Bytes(FRAME as u64));
        for level in [1, 3, 9, 15] {
            let mut compressor = Compressor::new(level).expect("zstd");
            let mut frame = Vec::new();
            let stored = compressor.compress(&content, &mut frame).expect("a frame");
            group.bench_function(format!("level {level} to {} %", u64::from(stored) * 100 / FRAME as u64), |b| {
                b.iter(|| {
                    frame.clear();
                    compressor.compress(black_box(&content), &mut frame).expect("a frame")
                });
            });
        }
        group.finish();
    }
}

pub fn decompress(c: &mut Criterion<Clock>) {
    let mut group = c.benchmark_group("decompress");
    group.throughput(Throughput::Bytes(FRAME as u64));
    for (kind, make) in data::KINDS {
        let mut frame = Vec::new();
        Compressor::new(3).and_then(|mut z| z.compress(&make(FRAME), &mut frame)).expect("a frame");
        let mut decompressor = Decompressor::new().expect("zstd");
        let mut content = Vec::with_capacity(FRAME);
        group.bench_function(kind, |b| {
            b.iter(|| {
                content.clear();
                decompressor.decompress(black_box(&frame), &mut content).expect("a whole frame");
            });
        });
    }
    group.finish();
}
