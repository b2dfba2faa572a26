//! Everything that goes wrong while a restore runs. What can be had is brought back; what is missing is named.

use crate::tools::{assert_same, picture};
use crate::world::{Deck, Hospital};
use azekura::event::{Event, Observer};
use azekura::job::backup::Options;
use azekura::job::restore::{self, restore};
use azekura::medium::tape::simulated::Cartridge;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn to_tape(h: &Hospital) -> Options {
    Options { to: Deck::path(), ..h.options() }
}

fn from_tape(h: &Hospital, to: &str) -> restore::Options {
    restore::Options { from: Deck::path(), ..h.restore_options(to) }
}

/// Counts the files below a folder that this process has open, whenever one of them is finished.
struct OpenFiles {
    below: PathBuf,
    most: AtomicUsize,
}

impl Observer for OpenFiles {
    fn hear(&self, event: Event) {
        if !matches!(event, Event::Progress { entries: 0, .. }) {
            return;
        }
        let open = fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
        let files = open.filter_map(|e| fs::read_link(e.path()).ok()).filter(|to| to.starts_with(&self.below) && to.is_file());
        self.most.fetch_max(files.count(), Ordering::Relaxed);
    }
}

/// Patients whose files begin alike: the beginning was stored long ago, the rest tonight. None is whole before the last pack is read, and
/// there are more of them than a process may have files open.
#[test]
fn more_files_in_several_packs_than_may_be_open() {
    let h = Hospital::new();
    h.deck.load(&Cartridge::new());
    // Longer than the longest chunk, so that it is cut.
    let form = noise(1, 100_000);
    h.write("form", &form);
    h.try_backup(&to_tape(&h)).expect("a backup");
    for i in 0..1_500 {
        h.write(&format!("ward {}/patient {i}", i % 5), [&form[..], format!("record {i}").as_bytes()].concat());
    }
    let report = h.try_backup(&to_tape(&h)).expect("a backup");
    assert!(report.added_bytes < 75_000_000, "the beginning is stored once: {}", report.added_bytes);
    let open = OpenFiles { below: h.path("restored"), most: AtomicUsize::new(0) };
    let report = h.with_world(|w| restore(&from_tape(&h, "restored"), &h.identity, w, &open)).expect("a restore");
    assert_eq!(report.findings, []);
    assert_same(&picture(&h.source()), &picture(&h.path("restored/source")), "restored");
    let most = open.most.into_inner();
    assert!((1..300).contains(&most), "{most} files were open at once");
}
