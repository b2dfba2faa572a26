//! Chunks into finished packs and back: compressor, encryptor and what lies between them, on one core.

#[path = "data/mod.rs"]
mod data;

use azekura::format::pack::{ChunkId, Extent};
use azekura::pipeline::compressor::Effort;
use azekura::pipeline::encryptor::{Decryptor, Identity};
use azekura::pipeline::packer::{FinishedPack, PackReader, Packer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::Cursor;
use std::sync::Mutex;

const CONTENT: usize = 32 << 20;
const CHUNK: usize = 64 << 10;
const PACK: usize = 16 << 20;

fn packs(c: &mut Criterion) {
    let identity = Identity::generate();
    let recipients = identity.recipients();
    for (kind, make) in data::KINDS {
        let content = make(CONTENT);
        let finished = Mutex::new(Vec::new());
        let keep = |pack: FinishedPack| {
            let mut packs = finished.lock().expect("one thread");
            packs.push(pack);
            Some(packs.len() as u64)
        };
        let effort = Effort::new(Some(3));
        let pack = || {
            finished.lock().expect("one thread").clear();
            let mut packer = Packer::new(&recipients, &effort, PACK, &keep).expect("zstd");
            for (i, chunk) in content.chunks(CHUNK).enumerate() {
                packer.next_place(chunk.len()).expect("a place");
                packer.add(ChunkId((i as u128).to_le_bytes()), black_box(chunk));
            }
            packer.finish().expect("a pack");
        };
        let mut group = c.benchmark_group(format!("pack/{kind}"));
        group.throughput(Throughput::Bytes(CONTENT as u64)).sample_size(10);
        group.bench_function("write", |b| b.iter(pack));
        pack();
        let packs = finished.into_inner().expect("one thread");
        group.bench_function("read", |b| {
            b.iter(|| {
                for p in &packs {
                    let payload = Decryptor::open(&identity, Cursor::new(&p.bytes)).expect("its key");
                    let mut reader = PackReader::open(payload).expect("an index");
                    let mut x = Extent { object: 0, frame: 0, offset: 0, length: p.content_bytes };
                    while x.length > 0 {
                        black_box(reader.read_piece(&mut x).expect("content"));
                    }
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, packs);
criterion_main!(benches);
