//! Digests of content: each alone, both as a backup makes them, and a chunk's id.

use crate::data;
use crate::measure::Clock;
use azekura::format::set_key::SetKey;
use azekura::pipeline::hasher::{DigestHasher, Digests, Hashes, Ids};
use azekura::sha256::{Sha256, update_both};
use criterion::{Criterion, Throughput};
use sha2::Digest as _;
use std::hint::black_box;

pub fn hash(c: &mut Criterion<Clock>) {
    for len in [64 << 10, 1 << 20] {
        let content = data::random(len);
        let mut group = c.benchmark_group(format!("hash/{} KiB", len >> 10));
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function("blake3", |b| b.iter(|| blake3::hash(black_box(&content))));
        group.bench_function("sha256", |b| b.iter(|| sha2::Sha256::digest(black_box(&content))));
        group.bench_function("sha256 of two streams, by their bytes", |b| {
            let half = content.len() / 2;
            b.iter(|| {
                let (mut first, mut second) = (Sha256::default(), Sha256::default());
                update_both((&mut first, black_box(&content[..half])), (&mut second, black_box(&content[half..])));
                (first.finish(), second.finish())
            });
        });
        group.bench_function("both", |b| b.iter(|| Digests::of(black_box(&content), true)));
        group.bench_function("both, in pieces", |b| {
            b.iter(|| {
                let mut h = DigestHasher::new(Hashes::Both);
                content.chunks(64 << 10).for_each(|piece| h.update(black_box(piece)));
                h.finish()
            });
        });
        let ids = Ids::new(&SetKey([7; 32]));
        group.bench_function("chunk id", |b| b.iter(|| ids.id(blake3::hash(black_box(&content)).as_bytes())));
        group.finish();
    }
}
