//! The format holds still: vectors, the examples in `docs/format.md`, and media that earlier versions wrote.
//!
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes the vectors and the page's examples anew, and a golden medium for the
//! format's version where there is none; it refuses to where `CI` is set. A golden medium that is there is never written again:
//! what was once released must be read for good.

#[path = "golden/cbor.rs"]
mod cbor;
#[path = "golden/chains.rs"]
mod chains;
#[path = "golden/curve.rs"]
mod curve;
#[path = "golden/damaged.rs"]
mod damaged;
#[path = "golden/ed25519.rs"]
mod ed25519;
#[path = "golden/example.rs"]
mod example;
#[path = "golden/folded.rs"]
mod folded;
#[path = "golden/frozen.rs"]
mod frozen;
#[path = "golden/hostile.rs"]
mod hostile;
mod machine;
#[path = "golden/media.rs"]
mod media;
#[path = "golden/reader.rs"]
mod reader;
#[path = "golden/sizes.rs"]
mod sizes;
#[path = "golden/texts.rs"]
mod texts;
#[path = "golden/vectors.rs"]
mod vectors;
#[path = "jobs/world.rs"]
#[allow(dead_code, reason = "the jobs' tests need more of it")]
mod world;
#[path = "golden/write.rs"]
mod write;

use azekura::pipeline::encryptor::Identity;
use machine::updates;
use std::path::{Path, PathBuf};

/// `tests/golden`
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn key_file() -> PathBuf {
    folder().join("identity.txt")
}

fn identity() -> Identity {
    Identity::parse(&std::fs::read(key_file()).expect("the key"), None).expect("a key")
}

/// Compares a file with what it should hold; with `UPDATE_GOLDEN=1`, writes it.
fn holds(path: &Path, expected: &str) {
    if updates() {
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, expected).expect("a file");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let line = found.lines().zip(expected.lines()).position(|(f, e)| f != e);
    let at = line.unwrap_or_else(|| found.lines().count().min(expected.lines().count()));
    assert!(
        found == expected,
        "{} does not hold what the code makes (UPDATE_GOLDEN=1 writes it)\nline {}\n  there: {:?}\n  code:  {:?}",
        path.display(),
        at + 1,
        found.lines().nth(at),
        expected.lines().nth(at)
    );
}
