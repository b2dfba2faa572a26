//! The weeks of recovery: systems come back in the order in which the hospital needs them, each whole before the next begins.

use crate::tools::{assert_same, noise, picture};
use crate::world::{Deck, Hospital};
use azekura::env::Env;
use azekura::event::{Event, Observer};
use azekura::job::backup::{Options, SourceOptions};
use azekura::job::restore::{self, NameList, RestoreError, restore};
use azekura::medium::tape::simulated::Cartridge;
use azekura::pipeline::target::TargetOptions;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

/// Four systems whose names are in another order than their priorities: images last, the booking list first.
const SYSTEMS: [(&str, Option<u8>); 4] = [("booking", Some(2)), ("ehr", Some(1)), ("lab", Some(2)), ("archive", None)];

fn hospital(h: &Hospital) -> Options {
    let base = h.options().sources.remove(0);
    for (i, (name, _)) in (0..).zip(SYSTEMS) {
        for file in 0..20 {
            h.write(&format!("{name}/{}/{file}", file % 3), noise(i * 100 + file, 30_000));
        }
    }
    let source = |(name, priority): (&str, Option<u8>)| SourceOptions {
        name: name.into(),
        path: h.source().join(name),
        priority,
        ..base.clone()
    };
    Options { sources: SYSTEMS.map(source).into(), ..h.options() }
}

/// Looks at the target whenever a source is done; and stops the run after one of them.
struct Order<'a> {
    h: &'a Hospital,
    to: &'a str,
    done: Mutex<Vec<(String, u64)>>,
    stop_after: &'a str,
}

impl Observer for Order<'_> {
    fn on_event(&self, event: Event) {
        let Event::SourceRestored { name, entries, .. } = event else { return };
        let name = String::from_utf8(name).expect("text");
        let (expected, found) = (picture(&self.h.source().join(&name)), picture(&self.h.path(self.to).join(&name)));
        assert_same(&expected, &found, &name);
        if name == self.stop_after {
            self.h.interrupted.store(true, Ordering::Relaxed);
        }
        self.done.lock().expect("no panic").push((name, entries));
    }
}

fn order<'a>(h: &'a Hospital, to: &'a str, stop_after: &'a str) -> Order<'a> {
    Order { h, to, done: Mutex::default(), stop_after }
}

fn run(h: &Hospital, options: &restore::Options, order: &Order) -> Result<restore::Report, RestoreError> {
    h.with_env(|w: &Env| restore(options, &h.identity, w, order))
}

fn names(order: Order) -> Vec<String> {
    order.done.into_inner().expect("no panic").into_iter().map(|d| d.0).collect()
}

/// The restore is broken off when the electronic records are back: they are whole, and nothing of the images has been touched.
#[test]
fn what_is_needed_first_is_whole_before_the_next_begins() {
    let h = Hospital::new();
    h.try_backup(&hospital(&h)).expect("a backup");
    let options = h.restore_options("back");
    let first = order(&h, "back", "ehr");
    assert!(matches!(run(&h, &options, &first), Err(RestoreError::Interrupted)));
    assert_eq!(*first.done.lock().expect("no panic"), [("ehr".to_owned(), 24)]);
    let there: Vec<_> = fs::read_dir(h.path("back")).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
    assert!(there.iter().all(|name| name != "archive"), "{there:?}");

    h.interrupted.store(false, Ordering::Relaxed);
    let target = TargetOptions { resume: true, ..options.target };
    let again = order(&h, "back", "");
    let report = run(&h, &restore::Options { target, ..options }, &again).expect("a restore");
    assert_eq!((report.findings, report.entries, report.files), (Vec::new(), 96, 80));
    assert_eq!(names(again), ["ehr", "booking", "lab", "archive"]);
    let counted: Vec<_> = report.sources.iter().map(|s| (s.priority, s.entries, s.bytes)).collect();
    assert_eq!(counted, [Some(1), Some(2), Some(2), None].map(|p| (p, 24, 600_000)));
}

/// What would be done is told in the same order, with the packs of each source; and a list is restored in it, too.
#[test]
fn the_plan_shows_the_order() {
    let h = Hospital::new();
    h.try_backup(&hospital(&h)).expect("a backup");
    let plan = h.try_restore(&restore::Options { dry_run: true, ..h.restore_options("nowhere") }).expect("a plan");
    let order_of =
        |r: &restore::Report| r.sources.iter().map(|s| String::from_utf8_lossy(&s.name).into_owned()).collect::<Vec<_>>();
    assert_eq!(order_of(&plan), ["ehr", "booking", "lab", "archive"]);
    for s in &plan.sources {
        assert_eq!((s.packs.iter().map(|p| p.1).sum::<u64>(), s.media.len()), (600_000, 1), "{s:?}");
    }
    let only = Some(NameList::parse(b"archive/1\nlab\nbooking/2\n").expect("a list"));
    let lab = restore::Options { only, ..h.restore_options("part") };
    let paths = restore::Options { only: None, paths: vec![b"archive".to_vec(), b"lab".to_vec()], ..h.restore_options("two") };
    let report = h.try_restore(&lab).expect("a restore");
    assert_eq!((order_of(&report), report.findings), (vec!["booking".into(), "lab".into(), "archive".into()], Vec::new()));
    let spy = order(&h, "two", "");
    let report = run(&h, &paths, &spy).expect("a restore");
    assert_eq!((names(spy), report.files), (vec!["lab".to_owned(), "archive".into()], 40));
}

/// Two names of one file in two systems: the one that comes first has the content, and so has the other; nothing is lost, and it is said
/// that they are no longer one.
#[test]
fn a_file_that_two_systems_share_comes_with_each() {
    let h = Hospital::new();
    let options = hospital(&h);
    h.write("archive/shared", "one file");
    for name in ["ehr/late", "lab/later"] {
        fs::hard_link(h.source().join("archive/shared"), h.source().join(name)).expect("a link");
    }
    h.try_backup(&options).expect("a backup");
    let report = h.try_restore(&h.restore_options("back")).expect("a restore");
    for name in ["archive/shared", "ehr/late", "lab/later"] {
        assert_eq!(fs::read(h.path("back").join(name)).expect("content"), b"one file");
    }
    let told: Vec<_> = report.findings.iter().map(|f| String::from_utf8_lossy(&f.path).into_owned()).collect();
    assert_eq!((told, report.not_restored), (vec!["ehr/late".to_owned(), "lab/later".into()], 0));

    // The other way round the first name is there already.
    let mut options = hospital(&h);
    options.sources.iter_mut().for_each(|s| s.priority = if s.name == b"archive" { Some(1) } else { None });
    h.try_backup(&options).expect("a backup");
    let report = h.try_restore(&h.restore_options("linked")).expect("a restore");
    assert_eq!(report.findings, []);
    assert_same(&picture(&h.source().join("ehr")), &picture(&h.path("linked/ehr")), "linked");
}

/// The head goes back for the manifest, for the entries, and once for each priority.
#[test]
fn on_tape_the_packs_of_each_priority_are_read_forwards() {
    let cartridge = Cartridge::new();
    let h = Hospital::new();
    h.deck.load(&cartridge);
    let options = Options { to: Deck::path(), memory_bytes: 6 << 20, tape_block: 16 << 10, ..hospital(&h) };
    for (i, (name, _)) in (0..).zip(SYSTEMS) {
        h.write(&format!("{name}/large"), noise(1_000 + i, 3_000_000));
    }
    h.try_backup(&options).expect("a backup");
    let options = restore::Options { from: Deck::path(), ..h.restore_options("back") };
    let plan = h.try_restore(&restore::Options { dry_run: true, ..options.clone() }).expect("a plan");
    assert!(plan.packs.len() >= 8, "{:?}", plan.packs);
    cartridge.take_locates();
    let spy = order(&h, "back", "");
    assert_eq!(run(&h, &options, &spy).expect("a restore").findings, []);
    let locates = cartridge.take_locates();
    let label = locates.iter().rposition(|(_, to)| *to == 1).expect("it was looked at");
    let back = locates[label + 1..].iter().filter(|(from, to)| to < from).count();
    assert!((1..=5).contains(&back), "{locates:?}");
}

#[test]
fn systems_come_from_tape_in_their_order() {
    let cartridges: Vec<Cartridge> = (0..9).map(|_| Cartridge::with_capacity(3_000_000, 700_000)).collect();
    let h = Hospital::new();
    h.deck.load(&cartridges[0]);
    h.deck.shelf.lock().expect("no panic").extend(cartridges[1..].iter().cloned());
    let options = Options { to: Deck::path(), memory_bytes: 6 << 20, ..hospital(&h) };
    for (i, (name, _)) in (0..).zip(SYSTEMS) {
        h.write(&format!("{name}/large"), noise(1_000 + i, 1_500_000));
    }
    let night = h.try_backup(&options).expect("a backup");
    assert!(night.place > 1, "{}", night.place);
    *h.deck.library.lock().expect("no panic") = cartridges;
    let options = restore::Options { from: Deck::path(), ..h.restore_options("back") };
    let plan = h.try_restore(&restore::Options { dry_run: true, ..options.clone() }).expect("a plan");
    assert!(plan.sources.iter().any(|s| s.media != plan.media), "{:?}", plan.sources);
    let spy = order(&h, "back", "");
    let report = run(&h, &options, &spy).expect("a restore");
    assert_eq!(report.findings, []);
    assert_eq!(names(spy), ["ehr", "booking", "lab", "archive"]);
}
