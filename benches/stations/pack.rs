//! From a file's bytes to encrypted packs, beside a chain of public crates; packs of chunks that are already cut; and back.

use crate::measure::{Clock, Entrant, Race};
use crate::{cutters, data};
use age::x25519;
use azekura::buffer::Buffers;
use azekura::format::pack::{ChunkId, Extent};
use azekura::format::set_key::SetKey;
use azekura::pipeline::chunker::{ChunkClass, Chunker};
use azekura::pipeline::compressor::{CompressionLevel, DEFAULT_LEVEL};
use azekura::pipeline::encryptor::{Decryptor, Identity, Recipients};
use azekura::pipeline::hasher::{DigestHasher, Hashes, Ids};
use azekura::pipeline::pack_hasher::PackHasher;
use azekura::pipeline::packer::{PackReader, Packer};
use azekura::pipeline::place::FinishedPack;
use criterion::{Criterion, Throughput};
use fastcdc::v2020::Normalization;
use rustix::time::ClockId;
use std::hint::black_box;
use std::io::{Cursor, Write};
use std::sync::Mutex;

const CONTENT: usize = 32 << 20;
const CHUNK: usize = 64 << 10;
const PACK: usize = 16 << 20;
/// What a worker reads at a time.
const RUN: usize = 1 << 20;
const CLASS: ChunkClass = ChunkClass::Large;

/// Of the whole file, besides the digests of its chunks.
#[derive(Clone, Copy)]
enum FileDigests {
    None,
    Blake3,
    Blake3AndSha256,
}

struct Ours {
    level: CompressionLevel,
    chunker: Chunker,
    ids: Ids,
    recipients: Recipients,
    /// As in a run, where a pack's memory has held an earlier one.
    buffers: Buffers,
}

impl Ours {
    /// What a worker does with a large file. Packs are dropped when they are finished.
    fn store(&self, content: &[u8], digests: FileDigests) {
        let sink = |pack: FinishedPack| !black_box(pack).bytes.is_empty();
        let hasher = PackHasher::new(true, &sink);
        let mut packer = Packer::new(&self.recipients, &self.level, PACK, &self.buffers, &hasher).expect("zstd");
        let mut file = match digests {
            FileDigests::None => None,
            FileDigests::Blake3 => Some(DigestHasher::new(Hashes::Blake3)),
            FileDigests::Blake3AndSha256 => Some(DigestHasher::new(Hashes::Both)),
        };
        let cut = cutters::ours(&self.chunker, CLASS, content);
        let (mut at, mut digested) = (0, 0);
        while at < content.len() {
            if at >= digested {
                let run = &content[digested..content.len().min(digested + RUN)];
                file.iter_mut().for_each(|f| assert!(hasher.update(f, run)));
                digested += run.len();
            }
            let end = cut(at);
            let chunk = &content[at..end];
            let id = self.ids.id(blake3::hash(chunk).as_bytes());
            packer.next_place(chunk.len()).expect("a place");
            packer.add(id, chunk);
            at = end;
        }
        packer.finish().expect("a pack");
        black_box(file.map(DigestHasher::finish));
    }
}

/// The same with public crates: `fastcdc` (NC2), `blake3` and `zstd` (level 1) for each chunk, `age`.
fn store_by_crates(content: &[u8], to: &x25519::Recipient) {
    let (min, mean) = (CLASS.min(), 2 * CLASS.min());
    let cut = cutters::fastcdc(content, [min, mean, mean * 4], Normalization::Level2, 0);
    let mut zstd = zstd::bulk::Compressor::new(1).expect("zstd");
    let mut at = 0;
    while at < content.len() {
        let mut out = Vec::with_capacity(PACK + RUN);
        let encryptor = age::Encryptor::with_recipients(std::iter::once(to as _)).expect("a recipient");
        let mut writer = encryptor.wrap_output(&mut out).expect("a header");
        let mut stored = 0;
        while at < content.len() && stored < PACK {
            let end = cut(at);
            let chunk = &content[at..end];
            black_box(blake3::hash(chunk));
            let frame = zstd.compress(chunk).expect("a frame");
            writer.write_all(&frame).expect("memory");
            stored += frame.len();
            at = end;
        }
        writer.finish().expect("memory");
        black_box(out);
    }
}

fn ours(identity: &Identity) -> Ours {
    let (chunker, ids) = (Chunker::new(&[7; 32]), Ids::new(&SetKey([7; 32])));
    Ours {
        level: CompressionLevel::new(Some(DEFAULT_LEVEL)),
        chunker,
        ids,
        recipients: identity.recipients(),
        buffers: Buffers::default(),
    }
}

pub fn store(c: &mut Criterion<Clock>) {
    let identity = Identity::generate();
    let to = identity.texts()[0].parse::<x25519::Identity>().expect("an identity").to_public();
    let ours = ours(&identity);
    let content = data::random(CONTENT);
    for (name, digests) in [
        ("chunks only", FileDigests::None),
        ("with the file's BLAKE3", FileDigests::Blake3),
        ("with BLAKE3 and SHA-256", FileDigests::Blake3AndSha256),
    ] {
        let work = || ours.store(black_box(&content), digests);
        let entrant = Entrant { units: CONTENT as u64, work };
        Race::new(c, ClockId::ThreadCPUTime, &format!("store/{name}"), Throughput::Bytes, entrant).against(
            "fastcdc, blake3, zstd, age",
            Entrant { units: CONTENT as u64, work: || store_by_crates(black_box(&content), &to) },
        );
    }
}

/// Two threads with their own packers and files, against one: by the clock on the wall.
pub fn store_in_two_threads(c: &mut Criterion<Clock>) {
    let ours = ours(&Identity::generate());
    let content = data::random(2 * CONTENT);
    let halves: Vec<&[u8]> = content.chunks(CONTENT).collect();
    let store = |half: &[u8]| ours.store(black_box(half), FileDigests::Blake3);
    let two = || {
        std::thread::scope(|s| {
            let other = s.spawn(|| store(halves[1]));
            store(halves[0]);
            other.join().expect("a thread");
        });
    };
    let entrant = Entrant { units: 2 * CONTENT as u64, work: two };
    Race::new(c, ClockId::Monotonic, "store/in two threads", Throughput::Bytes, entrant)
        .against("one thread", Entrant { units: CONTENT as u64, work: || store(halves[0]) });
}

/// Packer and reader alone, by kinds of content.
pub fn packs(c: &mut Criterion<Clock>) {
    let identity = Identity::generate();
    let recipients = identity.recipients();
    let level = CompressionLevel::new(Some(DEFAULT_LEVEL));
    for (kind, make) in data::KINDS {
        let content = make(CONTENT);
        let buffers = Buffers::default();
        let finished = Mutex::new(Vec::new());
        let keep = |pack: FinishedPack| {
            let mut packs = finished.lock().expect("one thread");
            packs.push(pack);
            true
        };
        let pack = || {
            finished.lock().expect("one thread").clear();
            let hasher = PackHasher::new(true, &keep);
            let mut packer = Packer::new(&recipients, &level, PACK, &buffers, &hasher).expect("zstd");
            for (i, chunk) in content.chunks(CHUNK).enumerate() {
                packer.next_place(chunk.len()).expect("a place");
                packer.add(ChunkId((i as u128).to_le_bytes()), black_box(chunk));
            }
            packer.finish().expect("a pack");
        };
        let mut group = c.benchmark_group(format!("pack/{kind}"));
        group.throughput(Throughput::Bytes(CONTENT as u64));
        group.bench_function("write", |b| b.iter(pack));
        pack();
        let packs = finished.into_inner().expect("one thread");
        group.bench_function("read", |b| {
            b.iter(|| {
                for p in &packs {
                    let payload = Decryptor::open(&identity, Cursor::new(&p.bytes[..])).expect("its key");
                    let mut reader = PackReader::open(payload).expect("an index");
                    let mut x = Extent { object: 0, frame: 0, offset: 0, length: p.content_bytes };
                    while x.length > 0 {
                        black_box(reader.read_frame(&mut x).expect("content"));
                    }
                }
            });
        });
        group.finish();
    }
}
