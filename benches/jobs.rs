//! Whole jobs on a generated tree, in memory (`/dev/shm` where there is one): the first night, a night without changes, the proof, the
//! way back. Bytes are those of the source.

#[path = "data/mod.rs"]
mod data;

use azekura::env::Env;
use azekura::event::NoObserver;
use azekura::format::cbor::Time;
use azekura::job::backup::{self, NewSetOptions, SourceOptions, backup};
use azekura::job::inspect::verify;
use azekura::job::inspect::verify::verify;
use azekura::job::restore::{self, restore};
use azekura::pipeline::encryptor::Identity;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tempfile::TempDir;

const LARGE_FILES: usize = 6;
const LARGE: usize = 16 << 20;
const SMALL_FILES: usize = 4000;
const SMALL: usize = 8 << 10;
const BYTES: u64 = (LARGE_FILES * LARGE + SMALL_FILES * SMALL) as u64;

/// A third each of text, images and what does not compress.
fn fill(source: &Path) {
    let kind = |i: usize, len: usize| {
        let mut content = data::KINDS[i % 3].1(len);
        // No two files share chunks.
        content.chunks_mut(4 << 10).for_each(|c| c[..8].copy_from_slice(&(i as u64).to_le_bytes()));
        content
    };
    for i in 0..LARGE_FILES {
        fs::write(source.join(format!("large-{i}")), kind(i, LARGE)).expect("a file");
    }
    for i in 0..SMALL_FILES {
        let folder = source.join(format!("{}", i / 100));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(format!("{i}")), kind(i, SMALL)).expect("a file");
    }
}

fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a temporary folder")
}

fn with_env<T>(f: impl FnOnce(&Env) -> T) -> T {
    // Ahead of the files' times: what was written a moment ago is read again.
    static CLOCK: AtomicI64 = AtomicI64::new(1 << 33);
    let now = || Time { seconds: CLOCK.fetch_add(1, Ordering::Relaxed), nanoseconds: 0 };
    let random = |b: &mut [u8]| getrandom::fill(b).expect("randomness");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    f(&Env {
        now: &now,
        random: &random,
        host: "host",
        loader: &azekura::medium::loader::NoLoader,
        interrupted: &AtomicBool::new(false),
        threads,
    })
}

/// Backs `source` up into `night/medium`.
fn run(night: &Path, source: &Path, identity: &Identity) {
    fs::create_dir_all(night.join("medium")).expect("a folder");
    let source = SourceOptions::new("source", source);
    let mut options = backup::Options::new(night.join("state"), night.join("medium"), vec![source]);
    options.init = Some(NewSetOptions::new("bench", identity.recipients().texts().to_vec()));
    options.memory_bytes = 256 << 20;
    with_env(|w| backup(&options, w, &NoObserver)).expect("a backup");
}

fn jobs(c: &mut Criterion) {
    let identity = Identity::generate();
    let source = folder();
    fill(source.path());
    let night = folder();
    run(night.path(), source.path(), &identity);

    let mut group = c.benchmark_group("job");
    group.throughput(Throughput::Bytes(BYTES)).sample_size(10);
    group.bench_function("first backup", |b| {
        b.iter_batched(folder, |night| run(night.path(), source.path(), &identity), BatchSize::PerIteration);
    });
    group.bench_function("backup without changes", |b| b.iter(|| run(night.path(), source.path(), &identity)));
    group.bench_function("verify", |b| {
        let options = verify::Options::new(night.path().join("medium"));
        b.iter(|| with_env(|w| verify(&options, w, &NoObserver)).expect("a verification"));
    });
    group.bench_function("restore", |b| {
        let options = |to: &TempDir| restore::Options {
            marking: restore::Marking::Never,
            memory_bytes: 256 << 20,
            ..restore::Options::new(night.path().join("medium"), to.path().join("restored"))
        };
        let run = |to: TempDir| {
            with_env(|w| restore(&options(&to), &identity, w, &NoObserver)).expect("a restore");
            to
        };
        b.iter_batched(folder, run, BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, jobs);
criterion_main!(benches);
