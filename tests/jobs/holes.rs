//! Sparse files: disk images, databases, and what somebody makes with `truncate` to hold up the night.

use crate::machine::skipped;
use crate::tools::fast_folder;
use crate::world::Hospital;
use azekura::env::Env;
use azekura::event::NoObserver;
use azekura::format::entry::{ContentDigests, Core, DataRange, HASHED_HOLE_BYTES};
use azekura::generation::Generation;
use azekura::job::compare::{Class, ComparedWith, NamedTree, Options as CompareOptions, compare};
use azekura::job::inspect::diff::{DiffOptions, diff};
use azekura::job::inspect::prove::{Mismatch, compare as compare_file};
use azekura::job::restore::Options as RestoreOptions;
use azekura::medium::Directory;
use azekura::pipeline::hasher::{DigestHasher, Digests, Hashes, zeros};
use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

const GIB: u64 = 1 << 30;
const EIB: u64 = 1 << 60;
/// Linux's page: no hole of a file system in memory is smaller.
const PAGE: u64 = 4096;

/// A hospital on a file system that has files of exbibytes: tmpfs.
fn hospital() -> Hospital {
    Hospital::within(fast_folder())
}

/// Makes a sparse file as long as the file system permits, up to `length`. Returns its length.
fn sparse(h: &Hospital, name: &str, length: u64, data: &[(u64, &[u8])]) -> u64 {
    let file = File::create_new(h.source().join(name)).expect("a file");
    let mut longest = length;
    while file.set_len(longest).is_err() {
        longest /= 2;
    }
    if longest < length {
        skipped(format!("a file of {length} bytes: the file system has {longest} at most"));
    }
    for (offset, bytes) in data {
        file.write_all_at(bytes, (offset / 2).min(longest / 2) * 2).expect("data");
    }
    longest
}

/// Where data is in a file, by what the file system says.
fn data_in(path: &Path) -> Vec<(u64, u64)> {
    let file = File::open(path).expect("a file");
    let (mut runs, mut at) = (Vec::new(), 0);
    while let Ok(data) = seek(&file, SeekFrom::Data(at)) {
        at = seek(&file, SeekFrom::Hole(data)).expect("the end of data");
        runs.push((data, at));
    }
    runs
}

/// Length, data and holes are equal.
#[track_caller]
fn assert_same_file(a: &Path, b: &Path) {
    let size = |p: &Path| fs::metadata(p).expect("a status").len();
    let runs = data_in(a);
    assert_eq!((size(a), &runs), (size(b), &data_in(b)));
    let (a, b) = (File::open(a).expect("a file"), File::open(b).expect("a file"));
    for (begin, end) in runs {
        let read = |file: &File| {
            let mut bytes = vec![0; (end - begin) as usize];
            let n = file.read_at(&mut bytes, begin).expect("data");
            bytes.truncate(n);
            bytes
        };
        assert!(read(&a) == read(&b), "{begin}");
    }
}

fn cores(h: &Hospital, generation: u64) -> Vec<Core> {
    let chain = h.chain();
    let medium = Directory::open(&h.medium(), chain.set).expect("the set");
    let generation = Generation::open(&medium, &chain, Some(generation), &h.identity).expect("a generation");
    generation.entries().map(|r| r.expect("a record").entry.expect("an entry").core).collect()
}

fn core(h: &Hospital, generation: u64, path: &str) -> Core {
    cores(h, generation).into_iter().find(|c| c.path == path.as_bytes()).expect("a record")
}

/// What a comparison of the source with the last generation says.
fn compared(h: &Hospital, tree: &Path) -> Vec<(Class, String)> {
    let with = ComparedWith::trees(vec![NamedTree { name: Some(b"source".to_vec()), path: tree.to_owned() }]);
    let options = CompareOptions::new(h.medium(), with, h.path("medium"));
    let mut all = Vec::new();
    let mut each = |d: azekura::job::compare::Difference, _| {
        all.push((d.class, String::from_utf8(d.path).expect("a plain name")));
    };
    h.with_env(|w: &Env| compare(&options, &h.identity, w, &NoObserver, &mut each)).expect("a comparison");
    all
}

/// A file of 7 EiB with three bytes of data is in the backup in no time, and comes back with its holes.
#[test]
fn a_file_of_seven_exbibytes_is_backed_up_and_restored() {
    let h = hospital();
    let length = sparse(&h, "image", 7 * EIB, &[(0, b"begin"), (3 * EIB, b"middle"), (7 * EIB - 3 * PAGE, b"end")]);
    fs::hard_link(h.source().join("image"), h.source().join("image again")).expect("a further name");
    // Their sum is more than any counter has.
    sparse(&h, "second", 7 * EIB, &[(7 * EIB - 2, b"e")]);
    sparse(&h, "third", 7 * EIB, &[]);
    let begun = Instant::now();
    let report = h.backup();
    assert_eq!(report.findings, []);
    let target = h.restore("restored");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    for name in ["image", "image again", "second", "third"] {
        assert_same_file(&h.source().join(name), &target.join(name));
    }
    assert_eq!(fs::metadata(target.join("image")).unwrap().ino(), fs::metadata(target.join("image again")).unwrap().ino());

    let image = core(&h, 1, "source/image");
    assert_eq!((image.size, image.holes.len()), (length, 3));
    let stored: u64 = length - image.holes.iter().map(|h| h.length).sum::<u64>();
    assert_eq!(stored, data_in(&h.source().join("image")).iter().map(|(a, b)| b - a).sum::<u64>());
    assert!(matches!(image.digests, Some(ContentDigests::Stored(Digests { sha256: Some(_), .. }))));
    assert_eq!(core(&h, 1, "source/image again").digests, image.digests);
    let third = core(&h, 1, "source/third");
    assert_eq!(third.digests, Some(ContentDigests::Stored(Digests::of(b"", true))));

    // The tree is what the generation says, and so is the restored one.
    assert_eq!(compared(&h, &h.source()), []);
    assert_eq!(compared(&h, &target), []);
    // The next night takes it as unchanged; one with all read again finds no change either.
    let night = h.backup();
    assert_eq!((night.count("unchanged"), night.count("changed")), (5, 0));
    assert!(h.verify().is_good());
}

/// A restore that was cut off does not read through exbibytes to see what it has.
#[test]
fn a_restore_of_huge_files_can_be_continued() {
    let h = hospital();
    sparse(&h, "image", 7 * EIB, &[(5 * EIB, b"data")]);
    sparse(&h, "empty", 8 << 40, &[]);
    h.backup();
    let target = h.restore("restored");
    // What an earlier attempt may have left: the right length and nothing in it; no length.
    let image = target.join("image");
    let file = File::options().write(true).open(&image).expect("a file");
    let length = file.metadata().expect("a status").len();
    for left in [length, 0] {
        file.set_len(0).and_then(|()| file.set_len(left)).expect("a length");
        let options = h.restore_options("restored");
        let options =
            RestoreOptions { target: azekura::pipeline::target::TargetOptions { resume: true, ..options.target }, ..options };
        let begun = Instant::now();
        let report = h.try_restore(&options).expect("a restore");
        assert_eq!(report.findings, []);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_same_file(&h.source().join("image"), &image);
        assert_same_file(&h.source().join("empty"), &target.join("empty"));
    }
}

/// Up to 1 GiB of holes are in the digests; one byte more, and none is.
#[test]
fn one_byte_decides_whether_holes_are_hashed() {
    let h = hospital();
    let half = HASHED_HOLE_BYTES / 2;
    let cases = [("all", HASHED_HOLE_BYTES, false), ("more", HASHED_HOLE_BYTES + 1, true)];
    for (name, holes, _) in cases {
        // A hole at the beginning and one at the end, with a page of data between them.
        sparse(&h, name, holes + PAGE, &[(half, &[7; PAGE as usize])]);
    }
    h.backup();
    for (name, holes, is_left_out) in cases {
        let found = core(&h, 1, &format!("source/{name}"));
        assert_eq!(found.holes, [DataRange { offset: 0, length: half }, DataRange { offset: half + PAGE, length: holes - half }]);
        let data = [7; PAGE as usize];
        let expected = if is_left_out {
            ContentDigests::Stored(Digests::of(&data, true))
        } else {
            let mut hasher = DigestHasher::new(Hashes::Both);
            zeros(half).for_each(|part| hasher.update(part));
            hasher.update(&data);
            zeros(half).for_each(|part| hasher.update(part));
            ContentDigests::Whole(hasher.finish())
        };
        assert_eq!(found.digests, Some(expected), "{name}");
    }
    let target = h.restore("restored");
    for (name, ..) in cases {
        assert_same_file(&h.source().join(name), &target.join(name));
    }
}

/// Holes at the beginning, at the end and between, ten thousand of them.
#[test]
fn many_small_holes_come_back() {
    let h = hospital();
    let page = [1; PAGE as usize];
    let step = 2 * PAGE;
    let data: Vec<(u64, &[u8])> = (0..10_000).map(|i| (PAGE + i * step, &page[..])).collect();
    sparse(&h, "many", 10_001 * step, &data);
    let far: Vec<(u64, &[u8])> = (0..10_000).map(|i| (GIB + i * GIB, &page[..])).collect();
    sparse(&h, "many and large", 10_002 * GIB, &far);
    h.backup();
    assert_eq!(core(&h, 1, "source/many").holes.len(), 10_001);
    assert!(core(&h, 1, "source/many").whole().is_some() && core(&h, 1, "source/many and large").stored().is_some());
    let target = h.restore("restored");
    for name in ["many", "many and large"] {
        assert_same_file(&h.source().join(name), &target.join(name));
    }
    assert_eq!(compared(&h, &target), []);
}

/// Whatever somebody makes with `truncate`, `fallocate` or a program costs the night no time.
#[test]
fn nobody_holds_up_the_night_with_holes() {
    let h = hospital();
    sparse(&h, "truncated", 8 << 40, &[]);
    let begun = Instant::now();
    h.backup();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());

    // More holes than a record has, each a terabyte.
    let file = File::create_new(h.source().join("more holes")).expect("a file");
    let more = 70_000;
    for i in 0..more {
        file.write_all_at(b"x", i << 40).expect("data");
    }
    let is_huge = file.set_len(more << 40).is_ok();
    let begun = Instant::now();
    let report = h.backup();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!((report.findings.len(), is_huge), (1, true), "it is named");
    assert!(core(&h, 2, "source/more holes").digests.is_none(), "recorded without content");
}

/// Blocks that were reserved and never written are holes, and no hours of zeros.
#[test]
fn reserved_blocks_are_holes() {
    let h = Hospital::new();
    let file = File::create_new(h.source().join("reserved")).expect("a file");
    if let Err(e) = fallocate(&file, FallocateFlags::empty(), 0, 3 * GIB) {
        return skipped(format!("blocks without content: {e}"));
    }
    if seek(&file, SeekFrom::Data(0)).is_ok() {
        return skipped("blocks without content: the temporary folder's file system reads them as data");
    }
    let begun = Instant::now();
    h.backup();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(core(&h, 1, "source/reserved").holes, [DataRange { offset: 0, length: 3 * GIB }]);
}

/// Where the holes are left out, another content is found in and out of them.
#[test]
fn a_changed_byte_in_a_huge_file_is_found() {
    let h = hospital();
    let (at, length) = (3 << 40, 8 << 40);
    sparse(&h, "image", length, &[(0, b"begin"), (at, b"middle")]);
    h.backup();
    let path = h.source().join("image");
    let file = File::options().write(true).open(&path).expect("a file");
    let mtime = fs::metadata(&path).and_then(|m| m.modified()).expect("a time");
    let is_found = |what: &str| {
        file.set_modified(mtime).expect("a time");
        // Its time was put back.
        assert_eq!(compared(&h, &h.source()), [(Class::OutsideRules, "source/image".to_owned())], "{what}");
        let found = core(&h, 1, "source/image");
        let same = h.with_env(|w| compare_file(&found, &File::open(&path).expect("a file"), w)).expect("a comparison");
        assert_eq!(same, Some(Mismatch::Digest), "{what}");
    };
    file.write_all_at(b"M", at).expect("data");
    is_found("in the data");
    file.write_all_at(b"m", at).expect("data");
    file.write_all_at(b"hidden", 1 << 40).expect("data");
    is_found("in a hole");
    // Zeros in a hole change nothing.
    file.write_all_at(&[0; 6], 1 << 40).expect("data");
    file.set_modified(mtime).expect("a time");
    assert_eq!(compared(&h, &h.source()), []);
    let found = core(&h, 1, "source/image");
    let file = File::open(&path).expect("a file");
    assert_eq!(h.with_env(|w| compare_file(&found, &file, w)).expect("a comparison"), None);
    // Another length is found without reading.
    File::options().write(true).open(&path).and_then(|f| f.set_len(length + 1)).expect("a length");
    let longer = h.with_env(|w| compare_file(&found, &file, w)).expect("a comparison");
    assert_eq!(longer, Some(Mismatch::Size { found: length + 1 }));
}

/// Two nights of a huge file: what changed is told from what did not.
#[test]
fn generations_with_huge_files_are_compared() {
    let h = hospital();
    sparse(&h, "same", 8 << 40, &[(4 << 40, b"data")]);
    sparse(&h, "data", 8 << 40, &[(4 << 40, b"data")]);
    sparse(&h, "place", 8 << 40, &[(4 << 40, b"data")]);
    h.backup();
    let write = |name: &str, at: u64, bytes: &[u8]| {
        File::options().write(true).open(h.source().join(name)).and_then(|f| f.write_all_at(bytes, at)).expect("data");
    };
    write("same", 4 << 40, b"data");
    write("data", 4 << 40, b"DATA");
    fs::remove_file(h.source().join("place")).expect("a deletion");
    // The same bytes elsewhere between the same number of zeros.
    sparse(&h, "place", 8 << 40, &[(5 << 40, b"data")]);
    h.backup();
    let options = DiffOptions { from: h.medium(), set: None, before: 1, after: 2 };
    let mut changed = Vec::new();
    h.with_env(|w| {
        diff(&options, &h.identity, w, |d| {
            if d.change == azekura::job::inspect::diff::Change::Content {
                changed.push(String::from_utf8(d.path).expect("a plain name"));
            }
        })
    })
    .expect("a comparison");
    assert_eq!(changed, ["source/data", "source/place"]);
}

/// Where the target's file system has no such long files, that is said of the file, and no shorter one is left.
#[test]
fn a_target_that_cannot_hold_the_file_says_so() {
    let h = hospital();
    let disk = tempfile::tempdir().expect("a temporary folder");
    let probe = File::create_new(disk.path().join("probe")).expect("a file");
    let length = 6 * EIB;
    if probe.set_len(length).is_ok() {
        return skipped("a file system with short files: the temporary folder's has long ones");
    }
    if sparse(&h, "image", length, &[(5 * EIB, b"data")]) < length {
        return;
    }
    sparse(&h, "hole", length, &[]);
    h.write("other", "other");
    h.backup();
    let to = disk.path().join("restored");
    let options = RestoreOptions { to: to.clone(), ..h.restore_options("unused") };
    let report = h.try_restore(&options).expect("a restore");
    let named: Vec<_> = report.findings.iter().map(|f| String::from_utf8_lossy(&f.path).into_owned()).collect();
    assert_eq!(named, ["source/hole", "source/image"]);
    for f in &report.findings {
        assert!(f.detail.contains("cannot hold a file of 6917529027641081856 bytes"), "{}", f.detail);
    }
    assert!(!to.join("source/image").exists() && !to.join("source/hole").exists());
    assert_eq!(fs::read(to.join("source/other")).expect("a file"), b"other");
}
