//! Nights onto tape.

use crate::world::{Deck, Hospital, tree};
use azekura::event::Deaf;
use azekura::job::backup::{BackupError, Options};
use azekura::job::rebuild::rebuild;
use azekura::job::restore;
use azekura::job::writer::Opened;
use azekura::medium::MediumError;
use azekura::medium::tape::simulated::Cartridge;

fn hospital(cartridge: &Cartridge) -> Hospital {
    let h = Hospital::new();
    h.deck.load(cartridge);
    for i in 0..300 {
        h.write(&format!("small/{}/{i}", i % 7), format!("record {i} of the patient"));
    }
    h.write("large", noise(1, 3_000_000));
    h
}

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

#[test]
fn nights_onto_one_cartridge_come_back() {
    let cartridge = Cartridge::new();
    let h = hospital(&cartridge);
    let mut nights = Vec::new();
    for night in 1..=3 {
        h.write(&format!("new {night}"), noise(night, 400_000));
        let report = h.try_backup(&to_tape(&h)).expect("a backup");
        assert_eq!((report.generation, report.findings.len()), (night, 0));
        assert_eq!(report.opened, if night == 1 { Opened::New } else { Opened::Known });
        nights.push(tree(&h.source()));
    }
    assert_eq!(cartridge.filemarks(), 3);
    let verified = h.try_verify(&Deck::path(), None, None).expect("a verification");
    assert!(verified.is_good(), "{verified:?}");
    assert_eq!(verified.generations.len(), 3);
    for (generation, night) in (1..).zip(&nights) {
        let name = format!("restored {generation}");
        let options = restore::Options { generation: Some(generation), ..from_tape(&h, &name) };
        let report = h.try_restore(&options).expect("a restore");
        assert_eq!(report.findings, []);
        assert_eq!(&tree(&h.path(&name).join("source")), night);
    }
}

#[test]
fn a_catalog_is_made_anew_from_a_cartridge() {
    let cartridge = Cartridge::new();
    let h = hospital(&cartridge);
    h.try_backup(&to_tape(&h)).expect("a backup");
    std::fs::remove_file(h.path("state/catalog.sqlite")).expect("lost");
    let reports = h.with_world(|w| rebuild(&Deck::path(), &h.path("state"), &h.identity, w, &Deaf)).expect("a catalog");
    assert_eq!(reports.len(), 1);
    let report = h.try_backup(&to_tape(&h)).expect("a backup");
    assert_eq!((report.generation, report.opened, report.count("bytes read")), (2, Opened::Known, 0));
}

#[test]
fn nothing_is_written_on_a_cartridge_that_is_not_ours() {
    let cartridge = Cartridge::new();
    cartridge.record(b"LTFS");
    let h = hospital(&cartridge);
    let refused = h.try_backup(&to_tape(&h));
    assert!(matches!(refused, Err(BackupError::Medium(MediumError::Foreign { .. }))), "{refused:?}");
    assert_eq!(cartridge.end(), 1);

    let other = Cartridge::new();
    hospital(&other).try_backup_to_tape();
    let before = other.copy(0, other.end());
    h.deck.load(&other);
    let refused = h.try_backup(&to_tape(&h));
    assert!(
        matches!(refused, Err(BackupError::Unregistered { .. } | BackupError::Medium(MediumError::NotBlank { .. }))),
        "{refused:?}"
    );
    assert_eq!(other.copy(0, other.end()), before);
}

trait Nightly {
    fn try_backup_to_tape(&self);
}

impl Nightly for Hospital {
    fn try_backup_to_tape(&self) {
        self.try_backup(&to_tape(self)).expect("a backup");
    }
}
