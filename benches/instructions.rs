//! The hot stations on small fixed inputs, for `.ci/instructions` to count what they execute: `instructions STATION TIMES`. Without
//! arguments it names the stations.
//!
//! One thread, fixed keys and content; only an age file's header is random, and it is small beside the rest.

#[path = "data/mod.rs"]
mod data;

use azekura::buffer::Buffers;
use azekura::format::cbor::Time;
use azekura::format::digests::Digests;
use azekura::format::entry::{ContentDigests, Core, Entry, EntryHead, EntryKind, split_record};
use azekura::format::pack::Extent;
use azekura::format::set_key::SetKey;
use azekura::pipeline::chunker::{ChunkClass, Chunker, Kernel};
use azekura::pipeline::compressor::{CompressionLevel, Compressor};
use azekura::pipeline::encryptor::{Encryptor, Recipients};
use azekura::pipeline::hasher::Ids;
use azekura::pipeline::pack_hasher::PackHasher;
use azekura::pipeline::packer::Packer;
use azekura::pipeline::place::FinishedPack;
use std::hint::black_box;

const MIB: usize = 1 << 20;
/// The key of age's own documentation.
const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

type Work = Box<dyn FnMut()>;
type Station = (&'static str, fn() -> Work);

const STATIONS: [Station; 9] = [
    ("cut-avx2", || cut(Kernel::Avx2)),
    ("cut-scalar", || cut(Kernel::Scalar)),
    // Alone too: SHA-256 without its instructions hides what BLAKE3 takes.
    ("hash-blake3", || hash(false)),
    ("hash-both", || hash(true)),
    ("compress", compress),
    ("encrypt", encrypt),
    ("pack", pack),
    ("entry", entry),
    ("entry-head", entry_head),
];

fn random(len: usize) -> Vec<u8> {
    let [.., (_, random)] = data::KINDS;
    random(len)
}

fn text(len: usize) -> Vec<u8> {
    let [(_, text), ..] = data::KINDS;
    text(len)
}

fn each_chunk(chunker: &Chunker, data: &[u8], mut f: impl FnMut(&[u8])) {
    let mut rest = data;
    while let Some(n) = chunker.cut(ChunkClass::Data, rest, true) {
        f(&rest[..n]);
        rest = &rest[n..];
    }
}

fn cut(kernel: Kernel) -> Work {
    let chunker = Chunker::with_kernel(&[7; 32], kernel).expect("the processor has this kernel");
    let data = random(4 * MIB);
    Box::new(move || each_chunk(&chunker, &data, |chunk| _ = black_box(chunk)))
}

fn hash(with_sha256: bool) -> Work {
    let content = random(MIB);
    Box::new(move || content.chunks(64 << 10).for_each(|c| _ = black_box(Digests::of(c, with_sha256))))
}

fn compress() -> Work {
    let content = text(MIB);
    let mut compressor = Compressor::new(3).expect("zstd");
    let mut frame = Vec::new();
    Box::new(move || {
        frame.clear();
        compressor.compress(black_box(&content), &mut frame).expect("a frame");
    })
}

fn encrypt() -> Work {
    let recipients = Recipients::parse([RECIPIENT]).expect("a recipient");
    let content = random(4 * MIB);
    Box::new(move || {
        let mut encryptor = Encryptor::begin(&recipients, Vec::with_capacity(5 * MIB)).expect("a header");
        encryptor.write(black_box(&content));
        black_box(encryptor.finish());
    })
}

/// From a file's bytes to a pack: half of it compresses.
fn pack() -> Work {
    let recipients = Recipients::parse([RECIPIENT]).expect("a recipient");
    let (chunker, ids) = (Chunker::with_kernel(&[7; 32], Kernel::Avx2).expect("AVX2"), Ids::new(&SetKey([7; 32])));
    let content = [text(2 * MIB), random(2 * MIB)].concat();
    let (level, buffers) = (CompressionLevel::new(Some(3)), Buffers::default());
    Box::new(move || {
        let sink = |pack: FinishedPack| !black_box(pack).bytes.is_empty();
        let hasher = PackHasher::new(true, &sink);
        let mut packer = Packer::new(&recipients, &level, 16 * MIB, &buffers, &hasher).expect("zstd");
        each_chunk(&chunker, &content, |chunk| {
            let id = ids.id(blake3::hash(chunk).as_bytes());
            packer.next_place(chunk.len()).expect("a place");
            packer.add(id, chunk);
        });
        packer.finish().expect("a pack");
    })
}

fn entries() -> Vec<Entry> {
    let entry = |n: u64| {
        let time = Time { seconds: 1_790_000_000 + n as i64, nanoseconds: 123_456_789 };
        let path = format!("share/ward-{:02}/2026/{n:08}.dcm", n % 24).into_bytes();
        let core = Core {
            mode: 0o640,
            uid: 1000,
            gid: 1000,
            user: Some(b"records".into()),
            group: Some(b"records".into()),
            mtime: time,
            ctime: time,
            inode: 5_000_000 + n,
            size: 600_000,
            digests: Some(ContentDigests::Whole(Digests { blake3: [n as u8; 32], sha256: Some([n as u8; 32]) })),
            ..Core::new(path, EntryKind::File)
        };
        Entry { core, extents: vec![Extent { object: n / 100, frame: 4000, offset: 100, length: 600_000 }] }
    };
    (0..1000).map(entry).collect()
}

fn entry() -> Work {
    let entries = entries();
    let mut record = Vec::new();
    Box::new(move || {
        for e in &entries {
            record.clear();
            e.encode(&mut record);
            black_box(Entry::decode(&record[4..]).expect("a record"));
        }
    })
}

/// What the merge does with each record of the generation before.
fn entry_head() -> Work {
    let mut stream = Vec::new();
    for e in entries() {
        e.encode(&mut stream);
    }
    Box::new(move || {
        let mut rest = &stream[..];
        while let Some((record, next)) = split_record(rest).expect("a length") {
            black_box(EntryHead::at(record).expect("a record"));
            rest = next;
        }
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [station, times] = &arguments[..] else {
        STATIONS.iter().for_each(|(name, _)| println!("{name}"));
        return;
    };
    let (_, make) = STATIONS.iter().find(|(name, _)| name == station).expect("one of the stations");
    let mut work = make();
    for _ in 0..times.parse().expect("a number") {
        work();
    }
}
