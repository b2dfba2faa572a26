//! A whole medium on a file system, from somebody who has all keys, or none: made by the forger of `tests/jobs`, whose dice are the
//! bytes of the input. It is verified and restored: without a panic, in the memory that `fuzz/run` allows, and with nothing written
//! but below the target.
//!
//! Ids, keys of age files and times are new in each run, so an input makes the same forgery again and not the same bytes.
#![no_main]
#![allow(dead_code, reason = "the tests, which these modules come from, need more of them")]

#[path = "../../tests/golden/cbor.rs"]
mod cbor;
#[path = "../../tests/jobs/forger/mod.rs"]
mod forger;
#[path = "../../tests/machine/mod.rs"]
mod machine;
#[path = "../../tests/jobs/other_writer.rs"]
mod other_writer;
#[path = "../../tests/jobs/tools.rs"]
mod tools;
#[path = "../../tests/jobs/world.rs"]
mod world;

use azekura::event::NoObserver;
use azekura::job::inspect::verify::{self, verify};
use azekura::job::restore;
use azekura_fuzz as sample;
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use tools::{Dice, assert_same, picture};
use world::Hospital;

/// The folder that the restore may write below.
const TARGET: &str = "target";

fuzz_target!(|bytes: &[u8]| {
    let h = Hospital { identity: sample::identity(), threads: 1, ..other_writer::hospital() };
    let forged = forger::forge(h, &mut Dice::of_input(bytes));
    let (h, call) = (&forged.hospital, &forged.call);
    std::fs::create_dir(h.path(TARGET)).expect("a folder");
    let beside = || {
        let mut all = picture(h.dir.path());
        all.retain(|path, _| !path.starts_with(TARGET));
        all
    };
    let before = beside();

    let set = call.set.as_ref().map(|id| id.parse().expect("an id"));
    let expect = call.expect.as_ref().map(|code| code.parse().expect("a code"));
    let options = verify::Options { set, expect, ..verify::Options::new(h.medium()) };
    let _ = h.with_env(|env| verify(&options, env, &NoObserver));
    let to = Path::new(TARGET).join("restored");
    let options = h.restore_options(to.to_str().expect("text"));
    let _ = h.try_restore(&restore::Options { set, expect, generation: call.generation, ..options });

    assert_same(&before, &beside(), "nothing is written beside the target");
    assert!(Path::new("/s").symlink_metadata().is_err(), "nothing is written where an absolute path leads");
});
