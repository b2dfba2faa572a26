//! The disk lay in the safe for years. Whatever has changed on it is found with no key, and named; and a restore brings
//! back everything else.

use crate::machine::{object_file, put_object};
use crate::tools::{Dice, copy_folder, fast_folder, noise, objects, overwrite, picture, set_folder};
use crate::world::{Hospital, tree};
use azekura::event::FindingKind;
use azekura::format::object::{ObjectKind, object_path};
use azekura::host::catalog::Catalog;
use azekura::job::backup::Options;
use azekura::job::inspect::InspectError;
use azekura::job::inspect::damaged_files::{DamagedFiles, damaged_files};
use azekura::job::inspect::verify::{Expected, Report};
use azekura::job::restore::RestoreError;
use azekura::medium::MediumError;
use azekura::seal::chain::FaultKind;
use azekura::set::open::OpenError;
use std::fs;
use std::path::{Path, PathBuf};

/// Three nights with every kind of object on a medium of a few kilobytes. Between the first and the second a run was cut off: it left
/// a whole object, a torn one and an empty one.
fn small_medium() -> Hospital {
    let mut h = Hospital::within(fast_folder());
    h.threads = 1;
    h.write("patients/1", "Aoki");
    h.write("patients/2", "Baba");
    h.backup();
    let next = objects(&h.medium()).len() as u64;
    let leave = |number, kind, bytes: &[u8]| put_object(&set_folder(&h.medium()), number, kind, bytes);
    leave(next, ObjectKind::Pack, b"age-encryption.org/v1, and then the power failed");
    leave(next + 1, ObjectKind::Manifest, b"a");
    leave(next + 2, ObjectKind::Pack, b"");
    h.write("patients/2", "Baba, moved");
    h.backup();
    h.write("patients/3", "Chiba");
    h.backup();
    assert!(h.verify().is_good());
    h
}

/// A copy of the medium that may be written to.
fn copy(h: &Hospital) -> PathBuf {
    let copy = h.path("copy");
    copy_folder(&h.medium(), &copy);
    copy
}

/// The objects as their seals call them: a leftover is void, whatever its name says.
fn sealed_objects(h: &Hospital, medium: &Path) -> Vec<(u64, ObjectKind, PathBuf)> {
    let chain = h.chain();
    let kind = |n, kind| chain.object(n).map_or(kind, |(o, _)| o.kind);
    objects(medium).into_iter().map(|(n, k, path)| (n, kind(n, k), path)).collect()
}

/// Whether a report says that this object is not what it was.
fn names(report: &Report, number: u64, kind: ObjectKind) -> bool {
    report.damage.iter().any(|d| (d.object.number, d.object.kind) == (number, kind))
        || report.faults.iter().any(|f| (f.object, f.kind) == (number, kind))
}

/// Verifies a damaged copy. It must not be good, and this object is to be named; of objects that everything else does not hang on, it
/// alone.
#[track_caller]
fn assert_named(h: &Hospital, medium: &Path, number: u64, kind: ObjectKind, what: &str) {
    let report = match h.try_verify(medium, None, None) {
        Ok(report) => report,
        // A version that this program does not know is for a newer program to judge. The path names the label.
        Err(InspectError::Open(OpenError::Medium(MediumError::NewerFormat { path, .. }))) if kind == ObjectKind::Label => {
            assert!(path.ends_with(object_path(number, kind)), "{what}: {path:?}");
            return;
        }
        Err(e) => panic!("{what}: {e:?}"),
    };
    assert!(!report.is_good(), "{what} was not noticed");
    assert!(names(&report, number, kind), "{what}: {:?} {:?}", report.damage, report.faults);
    // Nothing vouches for the label when the first seal is damaged.
    let is_label_accused = kind == ObjectKind::Seal && report.faults.iter().any(|f| f.what == FaultKind::Label);
    let others = report.damage.len() + report.faults.len() - 1 - usize::from(is_label_accused);
    // The label's key vouches for the first seal; and what a damaged seal says of its objects may be what is damaged.
    let may_accuse = kind == ObjectKind::Label || kind == ObjectKind::Seal && report.faults.len() == 1;
    assert!(others == 0 || may_accuse, "{what}: {:?} {:?}", report.damage, report.faults);
}

#[test]
fn every_byte_that_flips_is_found_and_named_without_a_key() {
    let mut dice = Dice::new("every_byte_that_flips");
    let h = small_medium();
    let medium = copy(&h);
    for (number, kind, path) in sealed_objects(&h, &medium) {
        let good = fs::read(&path).expect("an object");
        for (at, byte) in good.iter().enumerate() {
            let bit = 1u8 << dice.below(8);
            overwrite(&path, at as u64, &[byte ^ bit]);
            assert_named(&h, &medium, number, kind, &format!("bit {bit:#x} of byte {at} of {kind} {number}"));
            overwrite(&path, at as u64, &[*byte]);
        }
    }
    assert!(h.try_verify(&medium, None, None).expect("a verification").is_good(), "all was put back");
}

#[test]
fn an_object_cut_short_anywhere_is_found_and_named() {
    let h = small_medium();
    let medium = copy(&h);
    for (number, kind, path) in sealed_objects(&h, &medium) {
        let good = fs::read(&path).expect("an object");
        let file = fs::OpenOptions::new().write(true).open(&path).expect("an object");
        for length in (0..good.len()).rev() {
            file.set_len(length as u64).expect("a cut");
            assert_named(&h, &medium, number, kind, &format!("{kind} {number} cut to {length} of {} bytes", good.len()));
        }
        fs::write(&path, [&good[..], b"\n"].concat()).expect("a byte too much");
        assert_named(&h, &medium, number, kind, &format!("a byte behind {kind} {number}"));
        fs::write(&path, &good).expect("the object");
    }
    assert!(h.try_verify(&medium, None, None).expect("a verification").is_good(), "all was put back");
}

#[test]
fn an_object_that_is_gone_is_named() {
    let h = small_medium();
    let medium = copy(&h);
    let all = sealed_objects(&h, &medium);
    let last = h.chain().links.last().map(|l| (l.seal.generation, l.digest())).expect("a seal");
    for (number, kind, path) in &all {
        let good = fs::read(path).expect("an object");
        fs::remove_file(path).expect("a deletion");
        if *number == all.len() as u64 - 1 {
            // Without its seal the last generation never was, and nobody can tell but who was there: the host, and the paper.
            let report = h.try_verify(&medium, None, Some(last)).expect("a verification");
            assert_eq!(report.known, Some(Expected::NotFound));
            assert!(!report.is_good());
            assert_eq!(report.generations.len(), 2);
            assert!(!report.leftovers.is_empty());
        } else {
            assert_named(&h, &medium, *number, *kind, &format!("without {kind} {number}"));
        }
        fs::write(path, &good).expect("the object");
    }
}

#[test]
fn two_objects_that_changed_places_are_both_named() {
    let h = small_medium();
    let medium = copy(&h);
    let all = sealed_objects(&h, &medium);
    for (i, (a, a_kind, a_path)) in all.iter().enumerate() {
        for (b, b_kind, b_path) in &all[i + 1..] {
            let (a_bytes, b_bytes) = (fs::read(a_path).expect("an object"), fs::read(b_path).expect("an object"));
            fs::write(a_path, &b_bytes).expect("an object");
            fs::write(b_path, &a_bytes).expect("an object");
            let what = format!("{a_kind} {a} and {b_kind} {b} changed places");
            let report = h.try_verify(&medium, None, None).expect("a verification");
            assert!(!report.is_good(), "{what} was not noticed");
            let sealed = [(*a, *a_kind), (*b, *b_kind)];
            // Without the seal that lists an object nothing can be said of it.
            let seals_only = sealed.iter().any(|(_, kind)| *kind == ObjectKind::Seal);
            for (n, kind) in sealed.into_iter().filter(|(_, kind)| !seals_only || *kind == ObjectKind::Seal) {
                assert!(names(&report, n, kind), "{what}: {n} is not named: {:?} {:?}", report.damage, report.faults);
            }
            fs::write(a_path, &a_bytes).expect("an object");
            fs::write(b_path, &b_bytes).expect("an object");
        }
    }
}

/// What somebody put there is shown, and beside what was sealed it is not good. Behind the last seal it is only a leftover: an
/// interrupted run leaves the same.
#[test]
fn what_somebody_put_there_is_shown() {
    let h = small_medium();
    let medium = copy(&h);
    let folder = set_folder(&medium);
    let all = objects(&medium);
    let strange =
        ["letter.txt", "00000001.pack.bak", "000000001.pack", "00000001.void", "0000001.pack", "99999999999999999999.pack"];
    let mut put: Vec<String> = strange.iter().flat_map(|name| [name.to_string(), format!("00000/{name}")]).collect();
    // An object's name where no object with this number belongs.
    fs::create_dir(folder.join("00001")).expect("a folder of thousands");
    put.extend(["00000001.pack", "00001/00000001.pack", "00000/00001001.pack", "000001", "0000"].map(String::from));
    for (number, kind, _) in &all {
        let others = [ObjectKind::Label, ObjectKind::Pack, ObjectKind::Manifest, ObjectKind::Seal, ObjectKind::Parity]
            .into_iter()
            .filter(|k| k != kind);
        put.extend(others.map(|k| object_path(*number, k)));
    }
    for name in &put {
        for content in [&b"x"[..], b"", &fs::read(&all[1].2).expect("an object")] {
            fs::write(folder.join(name), content).expect("a file");
            let report = h.try_verify(&medium, None, None).expect("a verification");
            assert!(!report.is_good(), "{name} with {} bytes was not noticed", content.len());
            let is_void = |d: &azekura::job::inspect::verify::Damage| d.object.kind == ObjectKind::Void;
            let beside = |f: &String| f == name || f.split('.').next() == name.split('.').next();
            assert!(report.foreign.iter().any(beside), "{name}: {:?} {:?} {:?}", report.foreign, report.damage, report.faults);
            // Which of two files is the leftover, their names do not say.
            assert!(report.faults.is_empty() && report.damage.iter().all(is_void), "{name}: {:?}", report.damage);
            fs::remove_file(folder.join(name)).expect("a deletion");
        }
        fs::create_dir(folder.join(name)).expect("a folder");
        let report = h.try_verify(&medium, None, None).expect("a verification");
        assert!(report.foreign.contains(name) && !report.is_good(), "a folder {name}: {:?}", report.foreign);
        assert!(report.damage.is_empty() && report.faults.is_empty(), "a folder {name}: {:?} {:?}", report.damage, report.faults);
        fs::remove_dir(folder.join(name)).expect("a deletion");
    }
    let behind = all.len() as u64;
    put_object(&folder, behind, ObjectKind::Pack, "age-encryption.org/v1");
    let report = h.try_verify(&medium, None, None).expect("a verification");
    assert!(report.is_good());
    assert_eq!(report.leftovers.iter().map(|o| (o.number, o.kind)).collect::<Vec<_>>(), [(behind, ObjectKind::Pack)]);
    // An object that is not a plain file is not that object.
    fs::remove_file(&all[1].2).expect("a deletion");
    std::os::unix::fs::symlink(&all[3].2, &all[1].2).expect("a link");
    let report = h.try_verify(&medium, None, None).expect("a verification");
    assert!(!report.is_good() && names(&report, all[1].0, all[1].1));
}

/// Files of many sizes over several packs, some with several names.
fn ward(dice: &mut Dice) -> Hospital {
    let h = Hospital::within(fast_folder());
    for i in 0..150 {
        let length = *dice.pick(&[0, 10, 1_000, 20_000, 90_000, 300_000]);
        h.write(&format!("ward {}/record {i}", i % 7), dice.noise(length));
    }
    h.write("series", dice.noise(16_000_000));
    fs::hard_link(h.source().join("series"), h.source().join("ward 1/series")).expect("a link");
    h
}

/// Restores generation 1 past damage. Returns how many files were lost; `None` when nothing could be restored.
#[track_caller]
fn restore_past_damage(h: &Hospital, from: &Path, what: &str) -> Option<usize> {
    let to = h.path("restored");
    let options = azekura::job::restore::Options { from: from.into(), ..h.restore_options("restored") };
    let expected = picture(&h.source());
    let lost = match h.try_restore(&options) {
        Ok(report) => {
            let found = picture(&to.join("source"));
            let lost: Vec<_> = expected.keys().filter(|p| !found.contains_key(*p)).collect();
            for (path, seen) in &expected {
                match found.get(path) {
                    Some(there) => assert_eq!((&seen.content, seen.mode), (&there.content, there.mode), "{what}: {path:?}"),
                    None => {
                        let name = [b"source/", std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())].concat();
                        let named = report.findings.iter().any(|f| f.kind == FindingKind::NotRestored && f.path == name);
                        assert!(named, "{what}: {path:?} is lost and not named: {:?}", report.findings);
                    }
                }
            }
            assert!(found.keys().all(|p| expected.contains_key(p)), "{what}: something was made up");
            assert_eq!(report.not_restored as usize, lost.len(), "{what}: {:?}", report.findings);
            Some(lost.len())
        }
        Err(e) => {
            // Only where the entries themselves lie.
            assert!(matches!(e, RestoreError::Generation(_)), "{what}: {e:?}");
            None
        }
    };
    let _ = fs::remove_dir_all(&to);
    lost
}

#[test]
fn one_flipped_byte_in_a_pack_costs_only_the_files_in_it_and_names_them() {
    let mut dice = Dice::new("one_flipped_byte_in_a_pack");
    let h = ward(&mut dice);
    // Packs of a megabyte.
    h.try_backup(&Options { memory_bytes: 1 << 20, ..h.options() }).expect("a backup");
    let medium = copy(&h);
    let packs: Vec<_> = objects(&medium).into_iter().filter(|o| o.1 == ObjectKind::Pack).collect();
    assert!(packs.len() > 4, "{packs:?}");
    // The collector's pack comes last: damage to the entries costs names too.
    let (_, packs) = packs.split_last().expect("packs");
    let mut lost = Vec::new();
    for (number, _, path) in packs {
        let length = fs::metadata(path).expect("a pack").len();
        let at = 1000 + dice.next() % (length - 1000);
        let good = fs::read(path).expect("a pack")[at as usize];
        overwrite(path, at, &[good ^ 1 << dice.below(8)]);
        let what = format!("byte {at} of {length} of pack {number}");
        lost.push(restore_past_damage(&h, &medium, &what).unwrap_or_else(|| panic!("{what} lost everything")));
        overwrite(path, at, &[good]);
    }
    assert!(lost.iter().any(|n| *n > 0), "no file was ever in the way: {lost:?}");
    assert_eq!(restore_past_damage(&h, &medium, "all put back"), Some(0));
}

/// Each pack's last bytes hold its index, which a restore does not need.
#[test]
fn the_end_of_a_pack_costs_no_more_than_any_other_place() {
    let mut dice = Dice::new("the_end_of_a_pack");
    let h = ward(&mut dice);
    // Packs of some frames each.
    h.try_backup(&Options { memory_bytes: 15 << 20, ..h.options() }).expect("a backup");
    let medium = copy(&h);
    let mut packs: Vec<_> = objects(&medium).into_iter().filter(|o| o.1 == ObjectKind::Pack).collect();
    packs.retain(|(_, _, path)| fs::metadata(path).expect("a pack").len() > 1 << 20);
    assert!(packs.len() > 4, "{packs:?}");
    // A pack that holds nothing but a part of the one large file has nothing else to lose.
    let mut some_are_left = 0;
    let files = picture(&h.source()).len();
    for (number, _, path) in &packs {
        let length = fs::metadata(path).expect("a pack").len();
        let whole = fs::read(path).expect("a pack");
        overwrite(path, length - 30, &[whole[length as usize - 30] ^ 1]);
        let end = restore_past_damage(&h, &medium, &format!("the end of pack {number}"));
        overwrite(path, 30, &[whole[30] ^ 1]);
        let all = restore_past_damage(&h, &medium, &format!("the key of pack {number}"));
        fs::write(path, &whole).expect("the pack");
        if let (Some(end), Some(all)) = (end, all) {
            assert!(end <= all && all < files, "pack {number}: {end} of {all}");
            some_are_left += usize::from(end < all);
        }
    }
    // How the small files spread over the packs is up to the threads.
    assert!(some_are_left > 0, "{some_are_left} of {}", packs.len());
}

/// Where names were written, damage costs these names and no others, and the restore says between which two they were.
#[test]
fn damage_among_the_entries_costs_only_the_entries_there() {
    let mut dice = Dice::new("damage_among_the_entries");
    let h = Hospital::within(fast_folder());
    for i in 0..9_000 {
        let noise: String = dice.noise(90).iter().map(|b| format!("{b:02x}")).collect();
        h.write(&format!("ward {:02}/bed {:02}/{i:05} {noise}", i / 900, i / 90 % 10), b"1");
    }
    h.backup();
    let medium = copy(&h);
    let (_, _, path) = objects(&medium).into_iter().rfind(|o| o.1 == ObjectKind::Pack).expect("the pack of the entries");
    let length = fs::metadata(&path).expect("a pack").len();
    assert!(length > 1 << 20, "{length}: more than a frame or two");
    let files: std::collections::BTreeSet<_> = picture(&h.source()).into_keys().collect();
    let mut lost_most = 0;
    for round in 0..8 {
        // The last round takes the end, where the pack's index is, with a place in the middle.
        let mut at = vec![1_000 + dice.next() % (length - 200_000)];
        if round == 7 {
            at.push(length - 30);
        }
        let what = format!("bytes {at:?} of {length}");
        let good = fs::read(&path).expect("a pack");
        at.iter().for_each(|at| overwrite(&path, *at, &[good[*at as usize] ^ 1 << dice.below(8)]));
        let options = azekura::job::restore::Options { from: medium.clone(), ..h.restore_options("restored") };
        let report = h.try_restore(&options).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        let found: std::collections::BTreeSet<_> = picture(&h.path("restored/source")).into_keys().collect();
        assert!(found.is_subset(&files), "{what}: something was made up");
        let lost: Vec<_> = files.difference(&found).map(|p| ["source/", p.to_str().expect("a name")].concat()).collect();
        // Folders whose own record is lost are made for what is in them.
        assert!(report.entries_lost >= lost.len() as u64 && report.entries_lost <= lost.len() as u64 + 20, "{what}: {report:?}");
        let gaps: Vec<_> = report.findings.iter().filter(|f| f.kind == FindingKind::EntriesLost).collect();
        assert!(gaps.len() == 1 && report.not_restored == 1, "{what}: {:?}", report.findings);
        assert!(lost.iter().all(|p| p.as_bytes() > &gaps[0].path[..]), "{what}: {:?}", gaps[0]);
        if round < 7 {
            assert!(!lost.is_empty() && lost.len() < 2_500, "{what}: {} lost", lost.len());
        }
        lost_most = lost_most.max(lost.len());
        at.iter().for_each(|at| overwrite(&path, *at, &[good[*at as usize]]));
        fs::remove_dir_all(h.path("restored")).expect("cleared");
    }
    println!("at most {lost_most} of {} were lost", files.len());
}

/// The entries of one generation cannot be read: that is said, nothing wrong is left, and every other generation comes back.
#[test]
fn a_lost_list_of_entries_costs_its_generation_and_no_other() {
    let h = small_medium();
    let medium = copy(&h);
    let chain = h.chain();
    let (mut told, mut refused) = (0, 0);
    for generation in 1..=3 {
        let link = chain.generation(generation).expect("a generation");
        for o in link.objects.iter().filter(|o| matches!(o.kind, ObjectKind::Pack | ObjectKind::Manifest)) {
            let path = object_file(&set_folder(&medium), o.number, o.kind);
            let good = fs::read(&path).expect("an object");
            overwrite(&path, o.length - 1, &[good[o.length as usize - 1] ^ 1]);
            for other in 1..=3 {
                let what = format!("generation {other} without {} {} of {generation}", o.kind, o.number);
                let to = h.path("restored");
                let options = azekura::job::restore::Options {
                    from: medium.clone(),
                    generation: Some(other),
                    ..h.restore_options("restored")
                };
                match h.try_restore(&options) {
                    Ok(report) => {
                        let is_lost = |k| matches!(k, FindingKind::NotRestored | FindingKind::EntriesLost);
                        let lost = report.findings.iter().filter(|f| is_lost(f.kind)).count();
                        assert_eq!(report.not_restored as usize, lost, "{what}");
                        told += lost;
                        assert!(other >= generation || lost == 0, "{what}: {:?}", report.findings);
                        for (path, seen) in picture(&to.join("source")).iter().filter(|(_, seen)| !seen.content.is_empty()) {
                            let good = ["Aoki", "Baba", "Baba, moved", "Chiba"].iter().any(|c| seen.content == c.as_bytes());
                            assert!(good, "{what}: {path:?}");
                        }
                    }
                    Err(RestoreError::Generation(e)) => {
                        assert!(other >= generation, "{what}: {e:?}");
                        refused += 1;
                        let left = if to.exists() { picture(&to) } else { Default::default() };
                        assert!(left.values().all(|s| s.size == 0), "{what}: {left:?}");
                    }
                    Err(e) => panic!("{what}: {e:?}"),
                }
                let _ = fs::remove_dir_all(&to);
            }
            overwrite(&path, o.length - 1, &[good[o.length as usize - 1]]);
        }
    }
    assert!(told > 0 && refused > 0, "{told} losses told, {refused} restores refused");
}

/// What verification found damaged is stored anew by the next night, as far as the source still has it.
#[test]
fn the_next_night_heals_what_the_source_still_has() {
    let h = Hospital::new();
    for i in 0..40u32 {
        h.write(&format!("record-{i}"), format!("record {i} ").repeat(500));
    }
    h.backup();
    let packs: Vec<_> = walkdir::WalkDir::new(h.medium())
        .into_iter()
        .map(|e| e.expect("an entry").into_path())
        .filter(|p| p.extension().is_some_and(|x| x == "pack"))
        .collect();
    assert!(!packs.is_empty());
    for pack in &packs {
        let mut bytes = std::fs::read(pack).expect("a pack");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::remove_file(pack).expect("the pack gone");
        std::fs::write(pack, bytes).expect("a damaged pack");
    }
    let report = h.verify();
    assert_eq!(report.damage.len(), packs.len());
    // Without being told, the next night would build on the damage.
    let mut catalog = azekura::host::catalog::Catalog::open(&h.path("state/catalog.sqlite")).expect("the catalog");
    assert_eq!(
        azekura::job::inspect::verify::remember_damage(report.set, &report.damage, &mut catalog).expect("remembered"),
        packs.len()
    );
    drop(catalog);
    let healed = h.backup();
    assert_eq!(healed.generation, 2);
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
    // And the night after that reads nothing again.
    let third = h.backup();
    assert_eq!(third.count("bytes read"), 0);
    assert_eq!(tree(&h.source()), tree(&h.restore("restored-3")));
}

/// The host is new and the medium is not whole: the catalog is rebuilt as far as it goes, and the next night stores what is missing.
#[test]
fn a_catalog_is_rebuilt_from_a_medium_with_a_damaged_list_of_entries() {
    let h = Hospital::new();
    for i in 0..3_000u32 {
        h.write(&format!("ward {}/record {i}", i % 30), format!("record {i} ").repeat(20));
    }
    h.backup();
    let (_, _, pack) = objects(&h.medium()).into_iter().rfind(|o| o.1 == ObjectKind::Pack).expect("the pack of the entries");
    let mut bytes = fs::read(&pack).expect("a pack");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&pack).expect("the pack gone");
    fs::write(&pack, bytes).expect("a damaged pack");
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = fs::remove_file(h.path("state").join(name));
    }
    let rebuild = |w: &azekura::env::Env| {
        azekura::job::rebuild::rebuild(&h.medium(), &h.path("state"), &h.identity, w, &azekura::event::NoObserver)
    };
    let rebuilt = h.with_env(rebuild).expect("a rebuilt catalog");
    assert!(rebuilt[0].unreadable_entries.is_some(), "{rebuilt:?}");
    let second = h.backup();
    assert_eq!(second.generation, 2);
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
}

fn lose_catalog(h: &Hospital) {
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = fs::remove_file(h.path("state").join(name));
    }
}

fn rebuild(h: &Hospital) -> azekura::job::rebuild::Report {
    let run = |w: &azekura::env::Env| {
        azekura::job::rebuild::rebuild(&h.medium(), &h.path("state"), &h.identity, w, &azekura::event::NoObserver)
    };
    h.with_env(run).expect("a rebuilt catalog").remove(0)
}

/// The catalog is lost, and on the medium a pack and a manifest are gone and a seal was cut short: the rest is known again, and the next night
/// stores what is missing.
#[test]
fn a_catalog_is_rebuilt_from_a_medium_that_lacks_a_pack_and_a_manifest() {
    let h = Hospital::new();
    h.write("large", noise(1, 500_000));
    h.backup();
    h.write("larger", noise(2, 700_000));
    h.backup();
    let all = objects(&h.medium());
    let (_, _, pack) = all.iter().find(|o| o.1 == ObjectKind::Pack).expect("a pack");
    let (_, _, manifest) = all.iter().find(|o| o.1 == ObjectKind::Manifest).expect("a manifest");
    fs::remove_file(pack).expect("the pack gone");
    fs::remove_file(manifest).expect("the manifest gone");
    put_object(&set_folder(&h.medium()), all.len() as u64, ObjectKind::Seal, "azekura seal 1");
    lose_catalog(&h);
    let rebuilt = rebuild(&h);
    assert_eq!((rebuilt.generations, rebuilt.unreadable_packs.len()), (2, 1), "{rebuilt:?}");
    let third = h.backup();
    assert!(third.generation == 3 && third.added_bytes > 400_000, "what lay in the pack is stored again: {third:?}");
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
}

/// A pack was found damaged, and then the catalog is made anew: nothing leans on that pack all the same.
#[test]
fn what_was_known_to_be_damaged_is_found_again_by_a_rebuild() {
    let h = Hospital::new();
    h.write("large", noise(1, 500_000));
    let set = h.backup().set;
    let (_, _, pack) = objects(&h.medium()).into_iter().find(|o| o.1 == ObjectKind::Pack).expect("a pack");
    let mut bytes = fs::read(&pack).expect("a pack");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&pack).expect("the pack gone");
    fs::write(&pack, bytes).expect("a damaged pack");
    let verified = h.verify();
    let mut catalog = Catalog::open(&h.path("state/catalog.sqlite")).expect("a catalog");
    assert_eq!(azekura::set::check::remember_damage(set, &verified.damage, &mut catalog).expect("remembered"), 1);
    drop(catalog);
    assert_eq!(rebuild(&h).unreadable_packs.len(), 1);
    let second = h.backup();
    assert!(second.added_bytes > 400_000, "what lay in the pack is stored again: {second:?}");
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
}

/// A verification with the recovery key says which files a damaged pack costs, and in which generations; of a generation whose
/// list is damaged, that its files are not known.
#[test]
fn with_an_identity_the_files_that_damage_touches_are_named() {
    let h = small_medium();
    let packs: Vec<_> = sealed_objects(&h, &h.medium()).into_iter().filter(|(_, kind, _)| *kind == ObjectKind::Pack).collect();
    let set = h.chain().set;
    let mut costs = Vec::new();
    for (number, _, path) in &packs {
        let medium = copy(&h);
        let path = medium.join(path.strip_prefix(h.medium()).expect("below"));
        let middle = path.metadata().expect("a status").len() / 2;
        let byte = fs::read(&path).expect("a pack")[middle as usize];
        overwrite(&path, middle, &[byte ^ 1]);
        let report = h.try_verify(&medium, None, None).expect("a verification");
        let found = h.with_env(|w| damaged_files(&medium, set, &report.damage, &h.identity, w)).expect("what the damage touches");
        assert!(!found.generations.is_empty() && !found.is_cut, "pack {number}");
        assert!(found.files.iter().all(|f| f.object == *number));
        let files: Vec<_> =
            found.files.iter().map(|f| (String::from_utf8_lossy(&f.path).into_owned(), f.first, f.last)).collect();
        let known: u64 = found.generations.iter().map(|g| g.files).sum();
        assert_eq!(known, files.iter().map(|(_, first, last)| last - first + 1).sum::<u64>());
        let is_dark = found.generations.iter().any(|g| g.unknown.is_some() || g.entries_lost > 0);
        costs.push((files, is_dark));
        fs::remove_dir_all(&medium).expect("cleared");
    }
    let file = |name: &str, first, last| (format!("source/patients/{name}"), first, last);
    assert!(costs.iter().any(|(files, _)| *files == [file("1", 1, 3), file("2", 1, 1)]), "{costs:?}");
    assert!(costs.iter().any(|(files, _)| *files == [file("3", 3, 3)]), "{costs:?}");
    assert!(costs.iter().any(|(_, is_dark)| *is_dark), "{costs:?}");
    let whole = h.with_env(|w| damaged_files(&h.medium(), set, &[], &h.identity, w)).expect("nothing");
    assert_eq!(whole, DamagedFiles::default());
}
