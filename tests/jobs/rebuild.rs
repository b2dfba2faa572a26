//! The host's catalog is lost and is made anew from the medium: what is looked up in it afterwards has to lie where it says.

use crate::tools::{forge, noise, objects};
use crate::world::{Deck, Hospital, tree};
use azekura::event::NoObserver;
use azekura::format::object::ObjectKind;
use azekura::host::catalog::Catalog;
use azekura::job::backup::Options;
use azekura::job::rebuild::{RebuildError, Report, rebuild};
use azekura::medium::tape::simulated::Cartridge;
use azekura::set::writer::Opened;
use std::fs;
use std::path::Path;

fn lose_catalog(h: &Hospital) {
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = fs::remove_file(h.path("state").join(name));
    }
}

fn try_rebuild(h: &Hospital, from: &Path) -> Result<Report, RebuildError> {
    h.with_env(|w| rebuild(from, &h.path("state"), &h.identity, w, &NoObserver)).map(|mut all| all.remove(0))
}

/// A pack of many frames: a chunk that is found in it again after the rebuild is one of its bytes, not of another frame's.
#[test]
fn what_is_used_again_lies_where_the_new_catalog_says() {
    let h = Hospital::new();
    for n in 0..4 {
        h.write(&format!("scan {n}"), noise(n, 3_000_000));
    }
    for n in 0..2_000 {
        h.write(&format!("small/{n}"), noise(1_000 + n, 900));
    }
    let set = h.backup().set;
    let known = {
        let catalog = Catalog::open(&h.path("state/catalog.sqlite")).expect("the catalog");
        let row = catalog.set(set).expect("a row").expect("the set");
        catalog.chunk_count(row).expect("a count")
    };
    lose_catalog(&h);
    let rebuilt = try_rebuild(&h, &h.medium()).expect("a catalog");
    assert!(known > 10);
    let packs = objects(&h.medium()).iter().filter(|o| o.1 == ObjectKind::Pack).count() as u64;
    assert_eq!((rebuilt.chunks, rebuilt.packs, rebuilt.generations), (known, packs, 1));
    // Everything once more under other names: it is read, and found in the packs that there are.
    fs::rename(h.source().join("small"), h.source().join("moved")).expect("renamed");
    for n in 0..4 {
        fs::rename(h.source().join(format!("scan {n}")), h.source().join(format!("image {n}"))).expect("renamed");
    }
    let second = h.backup();
    assert!(second.added_bytes < 2_000_000, "what is there is used again: {second:?}");
    assert!(h.verify().is_good());
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
}

/// A catalog that is none is not thrown away: whoever wants to know what happened to it finds it.
#[test]
fn a_damaged_catalog_is_set_aside() {
    let h = Hospital::new();
    h.write("chart", "a record");
    h.backup();
    lose_catalog(&h);
    let rubbish = noise(7, 20_000);
    fs::write(h.path("state/catalog.sqlite"), &rubbish).expect("rubbish");
    let aside = try_rebuild(&h, &h.medium()).expect("a catalog").set_aside.expect("set aside");
    assert_eq!(fs::read(aside).expect("the damaged catalog"), rubbish);
    assert_eq!(h.backup().generation, 2);
}

/// No catalog is made from seals that somebody may have made.
#[test]
fn no_catalog_is_made_from_a_chain_that_does_not_hold() {
    let h = Hospital::new();
    for night in 0..3 {
        h.write("chart", format!("night {night}"));
        h.backup();
    }
    let seals: Vec<_> = objects(&h.medium()).into_iter().filter(|o| o.1 == ObjectKind::Seal).collect();
    assert_eq!(seals.len(), 3);
    for (_, _, path) in seals {
        forge(&path);
        lose_catalog(&h);
        assert!(matches!(try_rebuild(&h, &h.medium()), Err(RebuildError::Untrusted)), "{}", path.display());
        forge(&path);
    }
    try_rebuild(&h, &h.medium()).expect("a catalog");
}

/// The newest manifest is gone: it is said why the next night will take long, and that night stores what it needs.
#[test]
fn the_newest_manifest_is_gone() {
    let h = Hospital::new();
    for night in 0..2 {
        h.write("chart", noise(night, 300_000));
        h.backup();
    }
    let manifest = objects(&h.medium()).into_iter().rfind(|o| o.1 == ObjectKind::Manifest).expect("a manifest").2;
    fs::remove_file(manifest).expect("gone");
    lose_catalog(&h);
    let rebuilt = try_rebuild(&h, &h.medium()).expect("a catalog");
    assert!(rebuilt.unreadable_entries.is_some(), "{rebuilt:?}");
    assert_eq!(h.backup().generation, 3);
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
}

/// After the rebuild the set goes on on a third cartridge, which has to be proved alone: copies of all earlier seals lie on it.
#[test]
fn a_set_goes_on_on_the_next_cartridge_after_a_rebuild() {
    let cartridges: Vec<Cartridge> = (0..6).map(|_| Cartridge::with_capacity(3_000_000, 700_000)).collect();
    let h = Hospital::new();
    h.deck.load(&cartridges[0]);
    let options = Options { to: Deck::path(), memory_bytes: 6 << 20, ..h.options() };
    h.deck.shelf.lock().expect("no panic").extend(cartridges[1..].iter().cloned());
    h.write("first", noise(1, 3_500_000));
    let first = h.try_backup(&options).expect("a backup");
    assert_eq!(first.place, 2);
    lose_catalog(&h);
    h.deck.library.lock().expect("no panic").clone_from(&cartridges[..2].to_vec());
    try_rebuild(&h, &Deck::path()).expect("a catalog");
    // The wrong one is in the drive: which one goes on is known.
    h.deck.load(&cartridges[0]);
    h.deck.asked();
    h.write("second", noise(2, 2_500_000));
    let second = h.try_backup(&options).expect("a backup");
    assert!(second.opened == Opened::Known && second.place > 2, "{second:?}");
    let asked: Vec<(u64, bool)> = h.deck.asked().iter().map(|w| (w.place, w.blank)).collect();
    assert_eq!(asked[..2], [(2, false), (3, true)]);
    let verified = h.try_verify(&Deck::path(), None, None).expect("a verification");
    assert!(verified.is_good() && verified.generations.last().is_some_and(|g| g.generation == second.generation), "{verified:?}");
}
