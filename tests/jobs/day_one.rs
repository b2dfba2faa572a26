//! The first days after an incident: a few patients' records and the booking list, on one PC, within minutes.

use crate::tools::{Picture, assert_same, picture};
use crate::world::{Deck, Hospital};
use azekura::event::NoObserver;
use azekura::format::manifest::Rules;
use azekura::job::backup::{Options, SourceOptions};
use azekura::job::compare::{self, Class, ComparedWith, NamedTree, compare};
use azekura::job::restore::{self, Marking, NameList, RestoreError};
use azekura::medium::tape::simulated::Cartridge;
use azekura::pipeline::target::{TargetError, TargetOptions};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// Backs up the folders below `source` as sources: the SS-MIX2 storage, and others.
fn sources(h: &Hospital) -> Vec<SourceOptions> {
    let one = |name: &str| {
        let rules = if name == "ss" { Rules::SsMix2 } else { Rules::Plain };
        SourceOptions { name: name.into(), path: h.source().join(name), rules, ..h.options().sources.remove(0) }
    };
    ["ehr", "pacs", "ss"].map(one).into()
}

/// A hospital with its electronic records, images, and both storages of SS-MIX2 in one source.
fn hospital(h: &Hospital) -> Options {
    for patient in ["0001234", "0001235", "9999013"] {
        let folder = format!("{}/{}/{patient}", &patient[..3], &patient[3..6]);
        h.write(&format!("ss/standard/{folder}/-/ADT-61/{patient}_-_ADT-61_000000000000001_20250603090000000_01_1"), patient);
        h.write(&format!("ss/standard/{folder}/20250603/OMP-01/order"), format!("prescription of {patient}"));
        h.write(&format!("ss/extended/{folder}/20250603/L-NOTE/note/main_document.xml"), format!("<p>{patient}</p>"));
        h.write(&format!("pacs/{folder}/image"), vec![7; 50_000]);
    }
    h.write("ehr/dump/booking.sql", "bookings");
    h.write("ehr/dump/contacts.sql", "contacts");
    h.write("ehr/log/today", "log");
    Options { sources: sources(h), ..h.options() }
}

fn only(list: &str) -> Option<NameList> {
    Some(NameList::parse(list.as_bytes()).expect("a list"))
}

/// What lies below one of these, and the folders above.
fn part(whole: &Picture, names: &[&str]) -> Picture {
    let mut part = whole.clone();
    part.retain(|path, _| path != Path::new("") && names.iter().any(|n| path.starts_with(n) || Path::new(n).starts_with(path)));
    part
}

/// What lies in a folder that was restored to.
fn restored(h: &Hospital, to: &str) -> Picture {
    let mut found = picture(&h.path(to));
    found.remove(Path::new(""));
    found
}

const LIST: &str =
    "\u{feff}# ward 3, and what the desk needs\r\n0001234\r\n\r\n9999013\r\nehr/dump/booking.sql\r\n4711\r\nehr/dmup\r\n";
const LISTED: [&str; 5] = [
    "ss/standard/000/123/0001234",
    "ss/extended/000/123/0001234",
    "ss/standard/999/901/9999013",
    "ss/extended/999/901/9999013",
    "ehr/dump/booking.sql",
];

/// The ward's list, made in Notepad: two patients, a table, a patient who was never here and a slip of the pen.
#[test]
fn a_list_brings_back_the_patients_and_files_on_it_and_names_what_is_not_there() {
    let h = Hospital::new();
    h.try_backup(&hospital(&h)).expect("a backup");
    let options = restore::Options { only: only(LIST), ..h.restore_options("day 1") };
    let report = h.try_restore(&options).expect("a restore");
    assert_eq!(report.findings, []);
    assert_eq!(report.not_found, [b"4711".to_vec(), b"ehr/dmup".to_vec()]);
    assert_eq!((report.files, report.lacks_storages), (7, false));
    assert_same(&part(&picture(&h.source()), &LISTED), &restored(&h, "day 1"), "what is listed");

    // Arguments, too, and a source as a whole.
    let paths = vec![b"ehr/log".to_vec()];
    let options = restore::Options { only: only("ss\n"), paths, ..h.restore_options("more") };
    let report = h.try_restore(&options).expect("a restore");
    assert_same(&part(&picture(&h.source()), &["ss", "ehr/log"]), &restored(&h, "more"), "a source and a path");
    assert!(report.findings.is_empty() && report.not_found.is_empty());
    let plan = restore::Options { only: only(LIST), dry_run: true, ..h.restore_options("nowhere") };
    let plan = h.try_restore(&plan).expect("a plan");
    assert_eq!((plan.files, plan.not_found.len()), (7, 2));
    assert!(!h.path("nowhere").exists());
}

/// The newest copy is on tape, which reads forwards only.
#[test]
fn a_list_is_restored_from_tape_in_one_pass() {
    let h = Hospital::new();
    h.deck.load(&Cartridge::new());
    h.try_backup(&Options { to: Deck::path(), ..hospital(&h) }).expect("a backup");
    let options = restore::Options { from: Deck::path(), only: only(LIST), ..h.restore_options("day 1") };
    let report = h.try_restore(&options).expect("a restore");
    assert_eq!((report.findings, report.not_found.len()), (Vec::new(), 2));
    assert_same(&part(&picture(&h.source()), &LISTED), &restored(&h, "day 1"), "from tape");
}

/// Nobody told the tool that the storage is one: then nobody may believe that the patients are not in it.
#[test]
fn patients_are_not_looked_for_where_no_source_is_a_storage_and_that_is_said() {
    let h = Hospital::new();
    let mut options = hospital(&h);
    options.sources.iter_mut().for_each(|s| s.rules = Rules::Plain);
    h.try_backup(&options).expect("a backup");
    let options = restore::Options { only: only("0001234\n"), ..h.restore_options("day 1") };
    let report = h.try_restore(&options).expect("a restore");
    assert_eq!((report.entries, report.lacks_storages), (0, true));
    assert_eq!(report.not_found, [b"0001234".to_vec()]);
    // Its path does.
    let options = restore::Options { only: only("ss/standard/000/123/0001234\n"), ..h.restore_options("by path") };
    assert_eq!(h.try_restore(&options).expect("a restore").files, 2);
}

/// Sources with names of several parts, and two names of one file of which the list has the second only.
#[test]
fn what_is_listed_comes_back_without_what_belongs_to_it_elsewhere() {
    let h = Hospital::new();
    h.write("chart/first", "shared by two names");
    fs::hard_link(h.source().join("chart/first"), h.source().join("chart/second")).expect("a link");
    let base = h.options().sources.remove(0);
    let named = |name: &str| SourceOptions { name: name.into(), path: h.source().join("chart"), ..base.clone() };
    h.try_backup(&Options { sources: vec![named("main/ehr"), named("main/spare")], ..h.options() }).expect("a backup");
    for (i, list) in ["main/ehr/second\n", "main\n", "main/spare\n"].iter().enumerate() {
        let to = format!("part {i}");
        let report = h.try_restore(&restore::Options { only: only(list), ..h.restore_options(&to) }).expect("a restore");
        assert!(report.findings.is_empty() && report.not_found.is_empty(), "{list}: {report:?}");
    }
    let files = |to: &str| -> Vec<PathBuf> {
        let all = walkdir::WalkDir::new(h.path(to)).sort_by_file_name().into_iter().map(|e| e.expect("an entry"));
        let files = all.filter(|e| e.file_type().is_file());
        files.map(|e| e.path().strip_prefix(h.path(to)).expect("below").to_owned()).collect()
    };
    assert_eq!(files("part 0"), [Path::new("main/ehr/second")]);
    assert_eq!(fs::read(h.path("part 0/main/ehr/second")).expect("content"), b"shared by two names");
    assert_eq!(files("part 1").len(), 4);
    assert_eq!(files("part 2"), [Path::new("main/spare/first"), Path::new("main/spare/second")]);
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("a status").permissions().mode() & 0o7777
}

/// The modes of all files, and of all folders, below one.
fn modes(root: &Path) -> [BTreeSet<u32>; 2] {
    let mut modes = [BTreeSet::new(), BTreeSet::new()];
    for entry in walkdir::WalkDir::new(root).min_depth(1) {
        let entry = entry.expect("an entry");
        modes[usize::from(entry.file_type().is_dir())].insert(mode(entry.path()));
    }
    modes
}

/// The page's name: generation and check code.
fn page_name(h: &Hospital) -> String {
    let code = azekura::format::check_code::CheckCode::of(&h.chain().links[0].digest());
    format!("00_未検証・参照のみ_UNVERIFIED_REFERENCE-ONLY_1_{code}.txt")
}

/// A week later somebody takes the PC with the first day's records for the truth, and writes the next visit into it.
#[test]
fn what_is_restored_in_haste_says_so_and_cannot_be_written_to() {
    let h = Hospital::new();
    let base = h.options().sources.remove(0);
    h.write("chart/a", "a");
    let script = h.write("chart/run", "#!/bin/sh");
    fs::set_permissions(script, fs::Permissions::from_mode(0o6755)).expect("a mode");
    let named = |name: &str| SourceOptions { name: name.into(), path: h.source().join("chart"), ..base.clone() };
    h.try_backup(&Options { sources: vec![named("main/ehr"), named("main/spare")], ..h.options() }).expect("a backup");
    let page_name = page_name(&h);
    let day_one = |list: &str, resume: bool| {
        let target = TargetOptions { into_existing: true, resume, ..h.restore_options("").target };
        let page = |o: &restore::Origin| format!("generation {} {}, for reference", o.generation, o.check_code);
        let marking = Marking::WhenDoubtful;
        h.try_restore(&restore::Options { only: only(list), target, marking, page, ..h.restore_options("day 1") })
    };
    for (list, resume, files) in [("main/ehr/a\n", false, 2), ("main/ehr/run\nmain/spare\n", false, 5), ("main\n", true, 5)] {
        let report = day_one(list, resume).expect("a restore");
        assert_eq!((report.findings, report.page.as_ref()), (Vec::new(), Some(&page_name)));
        assert_eq!(modes(&h.path("day 1")), [[0o444].into(), [0o555].into()], "{list}");
        let all = walkdir::WalkDir::new(h.path("day 1")).into_iter().flatten();
        assert_eq!(all.filter(|e| e.file_type().is_file()).count(), files);
    }
    let code = azekura::format::check_code::CheckCode::of(&h.chain().links[0].digest());
    let page = fs::read_to_string(h.path("day 1").join(&page_name)).expect("a page");
    assert_eq!(page, format!("generation 1 {code}, for reference"));
    assert_eq!(fs::read(h.path("day 1/main/ehr/run")).expect("content"), b"#!/bin/sh");

    // Torn by a crash, the page is written anew; anything else under its name is somebody's.
    fs::remove_file(h.path("day 1").join(&page_name)).expect("removed");
    for (is_refused, length) in [(true, 5), (false, page.len() - 1)] {
        fs::write(h.path("day 1").join(&page_name), &page[..length]).expect("a page");
        assert!(!is_refused || matches!(day_one("main\n", false), Err(RestoreError::Target(TargetError::Exists { .. }))));
        assert!(day_one("main\n", true).is_ok());
        assert_eq!(fs::read_to_string(h.path("day 1").join(&page_name)).expect("a page"), page);
        fs::remove_file(h.path("day 1").join(&page_name)).expect("removed");
    }
    fs::write(h.path("day 1").join(&page_name), "notes of the night shift").expect("a page");
    assert!(matches!(day_one("main\n", true), Err(RestoreError::Target(TargetError::Exists { .. }))));
    // Written by another version, or on a computer in another time zone, it has other words and is the same page.
    fs::write(h.path("day 1").join(&page_name), format!("第 1 世代 {code} UTC{}", " ".repeat(900))).expect("a page");
    assert!(day_one("main\n", true).is_ok());
    assert_eq!(mode(&h.path("day 1").join(&page_name)), 0o444);
}

/// The first generations of two sets on one PC: both pages lie there.
#[test]
fn two_sets_come_into_one_folder_each_with_its_page() {
    let hospitals = ["ehr", "pacs"].map(|name| {
        let h = Hospital::new();
        h.write(&format!("{name}/a"), name);
        let source = SourceOptions { name: name.into(), path: h.source().join(name), ..h.options().sources.remove(0) };
        h.try_backup(&Options { sources: vec![source], ..h.options() }).expect("a backup");
        h
    });
    let to = hospitals[0].path("day 1");
    for h in &hospitals {
        let target = TargetOptions { into_existing: true, ..h.restore_options("").target };
        let page = |o: &restore::Origin| format!("{}", o.check_code);
        let options = restore::Options { marking: Marking::Always, target, page, to: to.clone(), ..h.restore_options("") };
        assert_eq!(h.try_restore(&options).expect("a restore").findings, []);
        assert!(to.join(page_name(h)).exists());
    }
}

/// The page comes first: a restore that was broken off is no more to be trusted.
#[test]
fn an_interrupted_restore_is_marked_already() {
    let h = Hospital::new();
    h.try_backup(&hospital(&h)).expect("a backup");
    let options = restore::Options { marking: Marking::Always, ..h.restore_options("day 1") };
    let page_name = page_name(&h);
    h.interrupted.store(true, Ordering::Relaxed);
    assert!(matches!(h.try_restore(&options), Err(RestoreError::Interrupted)));
    assert!(h.path("day 1").join(&page_name).exists());
    h.interrupted.store(false, Ordering::Relaxed);
    let target = TargetOptions { resume: true, ..options.target };
    assert_eq!(h.try_restore(&restore::Options { target, ..options }).expect("a restore").findings, []);
    assert_eq!(modes(&h.path("day 1"))[0], [0o444].into());
}

/// The newest generation bears an alarm. It is marked without being asked; and not, where somebody says that he has checked it.
#[test]
fn a_generation_with_an_alarm_is_marked_and_compares_as_identical() {
    let h = Hospital::new();
    let canary = h.write("chart/canary", "never touched");
    let mut options = h.options();
    options.sources[0].canaries = vec![b"source/chart/canary".to_vec()];
    h.try_backup(&options).expect("a backup");
    fs::write(&canary, "touched").expect("a change");
    h.try_backup(&options).expect("a backup");
    for (to, marking, generation, marked) in [
        ("second", Marking::WhenDoubtful, 2, true),
        ("first", Marking::WhenDoubtful, 1, false),
        ("checked", Marking::Never, 2, false),
    ] {
        let options = restore::Options { marking, generation: Some(generation), ..h.restore_options(to) };
        let report = h.try_restore(&options).expect("a restore");
        assert_eq!((report.page.is_some(), report.has_alarm), (marked, generation == 2), "{to}");
        assert_eq!(mode(&h.path(to).join("source/chart/canary")) == 0o444, marked);
    }
    let trees = vec![NamedTree { name: None, path: h.path("second") }];
    let options = compare::Options::new(h.medium(), ComparedWith::trees(trees), std::env::temp_dir());
    let mut all = Vec::new();
    let report = h.with_env(|w| compare(&options, &h.identity, w, &NoObserver, &mut |d, _| all.push(d))).expect("a comparison");
    assert_eq!((report.counts.of(Class::Identical), report.counts.of(Class::Added)), (1, 0), "{all:?}");
    assert!(all.is_empty(), "{all:?}");
}
