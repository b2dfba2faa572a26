//! What it takes to see that a chunk is new: the map and the filter in memory, beside a question to the catalog. A million chunks are stored.

use crate::measure::{Clock, Entrant, Race};
use azekura::format::object::{Id, Object, ObjectKind};
use azekura::format::pack::ChunkId;
use azekura::host::catalog::{Catalog, Location};
use azekura::pipeline::dedup_index::DedupIndex;
use azekura::pipeline::place::ChunkPlace;
use criterion::{Criterion, Throughput};
use rustix::time::ClockId;
use std::cell::Cell;
use std::hint::black_box;

const STORED: u64 = 1_000_000;
/// More new chunks than it takes until the filter is filled.
const RUN: u64 = 10_000;
const ASKED: u64 = 100_000;

fn ids(range: std::ops::Range<u64>) -> impl Iterator<Item = ChunkId> {
    range.map(|n| {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(&n.to_le_bytes()).as_bytes()[..16]);
        ChunkId(id)
    })
}

pub fn look_up(c: &mut Criterion<Clock>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut catalog = Catalog::open(&folder.path().join("catalog.sqlite")).expect("a catalog");
    let set = catalog.add_set(Id([1; 16]), "bench", "2026-01-02T03:04:05Z").expect("a set");
    let at = |n: usize| Location { object: 1, frame: n as u32, offset: 0, length: 1 };
    let mut chunks: Vec<_> = ids(0..STORED).enumerate().map(|(n, id)| (id, at(n))).collect();
    let pack = Object::of(1, ObjectKind::Pack, b"p");
    catalog.add_object(set, &pack, &mut chunks).expect("rows");
    let lookup = catalog.chunk_lookup(set, 0).expect("a look-up");

    let index = DedupIndex::new(STORED);
    let place = || Ok::<_, ()>(ChunkPlace::Stored { object: 2, frame: 0, offset: 0 });
    for id in ids(STORED..STORED + RUN) {
        index.claim(&id, 1, || Ok(None), place).expect("a claim");
    }
    index.fill(|each| lookup.each_id(each)).expect("a catalog");

    let asked: Vec<ChunkId> = ids(2 * STORED..2 * STORED + ASKED).collect();
    let maybe = Cell::new(0);
    let ask_filter = || {
        for id in &asked {
            let doubt = || {
                maybe.set(maybe.get() + 1);
                Ok(None)
            };
            // Refused a place, the chunk is not entered into the map: it will be new again.
            let _ = black_box(index.claim(id, 1, doubt, || Err(())));
        }
    };
    ask_filter();
    println!(
        "filter for {STORED} chunks: {:.2} bytes a chunk; {:.2} % of new chunks are looked up in the catalog all the same",
        index.filter_bytes().unwrap_or(0) as f64 / STORED as f64,
        f64::from(maybe.get()) * 100.0 / ASKED as f64
    );
    let ask_catalog = || {
        for id in &asked {
            assert!(lookup.find(id).expect("a catalog").is_none());
        }
    };
    Race::new(c, ClockId::ThreadCPUTime, "new chunk", Throughput::Elements, Entrant { units: ASKED, work: ask_filter })
        .against("SQLite", Entrant { units: ASKED, work: ask_catalog });
}
