//! How much of a file's second version is stored again, ours beside `fastcdc` and `mincdc` with the same mean length. Nothing is timed:
//! `cargo bench --bench dedup` prints a table, the same on every machine.
//!
//! A rule with shorter chunks always looks better here, so lengths are scaled until the means differ by less than 3 %; where a rule cannot
//! be brought there, its share is interpolated over the logarithm of the mean.

#[path = "data/cutters.rs"]
mod cutters;

use azekura::pipeline::chunker::{ChunkClass, Chunker};
use cutters::Cutter;
use fastcdc::v2020::Normalization;
use std::collections::HashSet;
use std::io::Write;

const BYTES: usize = 64 << 20;
const KEYS: u64 = 9;
/// How far apart means may be, as a logarithm.
const NEAR: f64 = 0.03;

/// xorshift64
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// Two versions of a file.
struct Versions {
    name: &'static str,
    old: Vec<u8>,
    new: Vec<u8>,
}

/// What happens to records between the versions: of a thousand, so many are edited, and so many new ones stand before one; of the whole,
/// so many thousandths are appended.
struct Changes {
    edited: f64,
    inserted: f64,
    appended: usize,
}

fn of_records(name: &'static str, record: fn(&mut Chance, &mut Vec<u8>), changes: Changes) -> Versions {
    let (mut data, mut edits) = (Chance(0x5eed), Chance(0xed17));
    let (mut old, mut new) = (Vec::new(), Vec::new());
    let mut happens = |per_mille: f64| (edits.below(1_000_000) as f64) < per_mille * 1000.0;
    let mut change = Chance(0xc4a6e);
    while old.len() < BYTES {
        let start = old.len();
        record(&mut data, &mut old);
        if happens(changes.inserted) {
            record(&mut change, &mut new);
        }
        let at = new.len();
        new.extend_from_slice(&old[start..]);
        if happens(changes.edited) {
            let place = at + change.below(new.len() - at - 8);
            let word = change.below(1_000_000).to_string();
            new.splice(place..place + change.below(8), word.into_bytes());
        }
    }
    let end = new.len() + old.len() / 1000 * changes.appended;
    while new.len() < end {
        record(&mut change, &mut new);
    }
    Versions { name, old, new }
}

/// A line of an export in FHIR's JSON.
fn observation(c: &mut Chance, out: &mut Vec<u8>) {
    let code = c.pick(&["15074-8", "718-7", "2160-0", "17861-6", "2951-2", "6690-2"]);
    let (id, patient) = (c.below(1 << 30), c.below(40_000));
    let (day, hour, minute) = (c.below(28) + 1, c.below(24), c.below(60));
    let (value, tenth) = (c.below(300), c.below(10));
    writeln!(
        out,
        "{{\"resourceType\":\"Observation\",\"id\":\"{id:08x}\",\"meta\":{{\"versionId\":\"1\"}},\"status\":\"final\",\
         \"category\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/observation-category\",\"code\":\"laboratory\"}}]}}],\
         \"code\":{{\"coding\":[{{\"system\":\"http://loinc.org\",\"code\":\"{code}\"}}]}},\"subject\":{{\"reference\":\"Patient/{patient:06}\"}},\
         \"effectiveDateTime\":\"2026-11-{day:02}T{hour:02}:{minute:02}:00+09:00\",\
         \"valueQuantity\":{{\"value\":{value}.{tenth},\"unit\":\"mg/dL\",\"system\":\"http://unitsofmeasure.org\"}}}}"
    )
    .expect("memory");
}

/// A row of a database's dump as SQL.
fn row(c: &mut Chance, out: &mut Vec<u8>) {
    let (id, patient, ward) = (c.below(1 << 40), c.below(40_000), c.below(24));
    let (day, amount) = (c.below(28) + 1, c.below(90_000));
    let state = c.pick(&["open", "billed", "paid", "void"]);
    writeln!(out, "INSERT INTO claims VALUES ({id},'{patient:08}',{ward},'2026-11-{day:02}',{amount},'{state}',NULL);")
        .expect("memory");
}

/// A source file in an archive: a header of 512 bytes, and lines of code.
fn source_file(c: &mut Chance, out: &mut Vec<u8>) {
    const WORDS: &[&str] = &[
        "self", "value", "index", "result", "buffer", "length", "offset", "error", "name", "path", "entry", "count", "state",
        "next",
    ];
    let start = out.len();
    write!(out, "src/{}/{}_{:x}.rs", c.pick(WORDS), c.pick(WORDS), c.below(1 << 24)).expect("memory");
    out.resize(start + 512, 0);
    // Most files are short and a few are long.
    let lines = 20 << c.below(7);
    for _ in 0..lines {
        let (a, b, d, n) = (c.pick(WORDS), c.pick(WORDS), c.pick(WORDS), c.below(64));
        match c.below(8) {
            0 => writeln!(out, "\n    pub fn {a}_{b}(&self, {d}: usize) -> Option<usize> {{"),
            1 => writeln!(out, "    }}"),
            2 => writeln!(out, "        // The {a} of the {b} is not the {d}."),
            3 => writeln!(out, "        if {a}.{b} > {n} {{ return None; }}"),
            4 => writeln!(out, "        for {a} in {b}.{d}() {{"),
            _ => writeln!(out, "        let {a} = {b}.{d}({n})?;"),
        }
        .expect("memory");
    }
    out.resize(out.len().next_multiple_of(512), 0);
}

/// Random bytes with places where some were put in, taken out, or replaced.
fn random() -> Versions {
    let mut old = vec![0; BYTES];
    blake3::Hasher::new().update(b"dedup").finalize_xof().fill(&mut old);
    let mut c = Chance(0xed17);
    let mut places: Vec<usize> = (0..50).map(|_| c.below(BYTES - 1000)).collect();
    places.sort_unstable();
    let (mut new, mut at) = (Vec::new(), 0);
    for place in places {
        new.extend_from_slice(&old[at..place.max(at)]);
        at = place.max(at);
        let (put, take) = match c.below(3) {
            0 => (1 + c.below(300), 0),
            1 => (0, 1 + c.below(300)),
            _ => (100, 100),
        };
        (0..put).for_each(|_| new.push(c.below(256) as u8));
        at += take;
    }
    new.extend_from_slice(&old[at..]);
    Versions { name: "random, 50 edits", old, new }
}

#[derive(Clone, Copy)]
struct Outcome {
    /// Bytes a chunk.
    mean: f64,
    /// Bytes of the new version that the old one's chunks do not have, in %.
    share: f64,
}

impl Versions {
    fn store<'a>(&'a self, cutter: impl Fn(&'a [u8]) -> Cutter<'a>) -> Outcome {
        let mut known = HashSet::new();
        let (mut count, mut new) = (0, 0);
        for data in [&self.old, &self.new] {
            new = 0;
            let cut = cutter(data);
            let mut at = 0;
            while at < data.len() {
                let end = cut(at);
                if known.insert(*blake3::hash(&data[at..end]).as_bytes()) {
                    new += end - at;
                }
                count += 1;
                at = end;
            }
        }
        let bytes = self.old.len() + self.new.len();
        Outcome { mean: bytes as f64 / f64::from(count), share: 100.0 * new as f64 / self.new.len() as f64 }
    }
}

/// The outcome at the wanted mean, of a rule that is given a scale for its lengths.
fn at_mean(wanted: f64, run: impl Fn(f64) -> Outcome) -> Outcome {
    let far = |o: &Outcome| (o.mean / wanted).ln();
    let (mut tried, mut scale) = (Vec::new(), 1.0);
    while tried.len() < 4 {
        let o = run(scale);
        if far(&o).abs() < NEAR {
            return o;
        }
        scale *= wanted / o.mean;
        tried.push(o);
    }
    tried.sort_by(|a, b| far(a).abs().total_cmp(&far(b).abs()));
    let (near, other) = (tried[0], tried[1]);
    let apart = far(&other) - far(&near);
    // Two means that hardly differ tell nothing of what lies beyond them.
    let slope = if apart.abs() < NEAR { 0.0 } else { (other.share - near.share) / apart };
    Outcome { share: near.share - slope * far(&near), ..near }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let sets = [
        of_records("FHIR, edits, inserts, appended", observation, Changes { edited: 0.2, inserted: 0.1, appended: 10 }),
        of_records("SQL dump, edits, appended", row, Changes { edited: 0.05, inserted: 0.0, appended: 20 }),
        of_records("source tree, edited files", source_file, Changes { edited: 12.0, inserted: 2.0, appended: 0 }),
        random(),
    ];
    println!("New bytes of version 2 in %, median of {KEYS} keys, and mean chunk in KiB\n");
    println!("{:31} {:>12} {:>16} {:>16} {:>7} {:>7}", "", "ours", "fastcdc NC2", "mincdc", "/ fast", "/ min");
    for class in [ChunkClass::Data, ChunkClass::Large] {
        println!("{class:?}");
        let (min, mean, max) = (class.min() as f64, 2.0 * class.min() as f64, class.max() as f64);
        for set in &sets {
            let by_key = |key: u64| {
                let chunker = Chunker::new(&[key as u8; 32]);
                let ours = set.store(|data| cutters::ours(&chunker, class, data));
                let fast = at_mean(ours.mean, |scale| {
                    let lengths = [min, mean, 4.0 * mean].map(|n| (n * scale) as usize);
                    set.store(|data| cutters::fastcdc(data, lengths, Normalization::Level2, key))
                });
                let least = at_mean(ours.mean, |scale| {
                    set.store(|data| cutters::mincdc(data, (min * scale) as usize, (max * scale) as usize, key))
                });
                [ours, fast, least]
            };
            let outcomes: Vec<_> = (1..=KEYS).map(by_key).collect();
            let share = |i: usize| median(outcomes.iter().map(|o| o[i].share).collect());
            let mean = |i: usize| median(outcomes.iter().map(|o| o[i].mean / 1024.0).collect());
            println!(
                "  {:29} {:6.2} {:5.0} {:10.2} {:5.0} {:10.2} {:5.0} {:>7.3} {:>7.3}",
                set.name,
                share(0),
                mean(0),
                share(1),
                mean(1),
                share(2),
                mean(2),
                share(0) / share(1),
                share(0) / share(2)
            );
        }
    }
}
