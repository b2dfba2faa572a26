//! The power fails. What was synced is there, what was not may be: the catalog's last words, a renamed file, the end of what was
//! being written. Every mixture that a cut can leave is laid out here, and the next run works with it as it is.

use crate::machine::put_object;
use crate::tools::{Disk, Picture, assert_same, copy_folder, fast_folder, noise, objects, picture, set_folder};
use crate::world::Hospital;
use azekura::event::{Event, Observer, Phase};
use azekura::format::object::ObjectKind;
use azekura::host::catalog::{Catalog, SealRow};
use azekura::host::files;
use azekura::host::ledger::{Ledger, LedgerEvent};
use azekura::job::backup::{BackupError, Options, backup};
use azekura::job::restore;
use azekura::seal::chain::{FaultKind, SealLink};
use azekura::set::writer::WriteError;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// How far the host's catalog came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Remembers {
    LastNight,
    Objects,
    /// That a seal was about to be written.
    Intent,
    /// The seal's object, but not yet that it is durable.
    Seal,
    Durable,
}

/// How far the seal keys came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Keys {
    LastNight,
    NextPrepared,
    UsedDestroyed,
}

/// One mixture.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// Tonight's objects that are whole on the medium.
    whole: usize,
    /// The one behind them is there in part.
    torn: bool,
    catalog: Remembers,
    keys: Keys,
    /// The host's entry stream is tonight's.
    entries: bool,
}

/// Two nights, and what the host and the medium looked like after each.
struct Nights {
    h: Hospital,
    first: Picture,
    /// Generation 2 as it was sealed.
    link: SealLink,
    /// Tonight's objects with their bytes, the seal last.
    tonight: Vec<(u64, ObjectKind, Vec<u8>)>,
}

impl Nights {
    fn new() -> Self {
        let mut h = Hospital::within(fast_folder());
        h.threads = 1;
        h.write("patients/1", "Aoki");
        h.write("patients/2", "Baba");
        h.backup();
        let first = picture(&h.source());
        copy_folder(&h.medium(), &h.path("medium 1"));
        copy_folder(&h.path("state"), &h.path("1/state"));
        h.write("patients/2", "Baba, moved");
        h.write("patients/3", "Chiba");
        h.backup();
        copy_folder(&h.path("state"), &h.path("2/state"));
        let link = h.chain().links.pop().expect("a seal");
        let read = |(n, kind, path): (u64, ObjectKind, PathBuf)| (n, kind, fs::read(path).expect("an object"));
        let tonight = objects(&h.medium()).into_iter().filter(|o| o.0 >= link.seal.first).map(read).collect();
        Self { h, first, link, tonight }
    }

    /// What a power cut can leave, given what is synced before what.
    fn is_possible(&self, cut: Cut) -> bool {
        let n = self.tonight.len();
        let seal_begun = cut.whole == n || cut.whole == n - 1 && cut.torn;
        let manifest = cut.whole >= n - 1;
        let sealed = cut.whole == n;
        (cut.catalog < Remembers::Objects || manifest)
            && (cut.catalog < Remembers::Intent || cut.keys >= Keys::NextPrepared)
            && (cut.catalog < Remembers::Seal || sealed)
            && (cut.keys < Keys::NextPrepared || manifest)
            && (cut.keys < Keys::UsedDestroyed || sealed)
            && (!seal_begun || cut.keys >= Keys::NextPrepared)
            && (!cut.entries || sealed)
    }

    /// Lays a mixture out in a folder of its own.
    fn lay_out(&self, cut: Cut) -> Options {
        let (h, root) = (&self.h, self.h.path("cut"));
        let _ = fs::remove_dir_all(&root);
        copy_folder(&h.path("medium 1"), &root.join("medium"));
        copy_folder(&h.path("1/state"), &root.join("state"));
        let folder = set_folder(&root.join("medium"));
        for (i, (number, kind, bytes)) in self.tonight.iter().enumerate() {
            let bytes = match i {
                i if i < cut.whole => &bytes[..],
                i if i == cut.whole && cut.torn => &bytes[..bytes.len() / 2],
                _ => continue,
            };
            put_object(&folder, *number, *kind, bytes);
        }
        let set = root.join("state/sets").join(self.link.seal.set.to_string());
        let after = h.path("2/state/sets").join(self.link.seal.set.to_string());
        match cut.keys {
            Keys::LastNight => {}
            Keys::NextPrepared => {
                let (before, after) = (slot(&set), slot(&after));
                let record = [&before[..8], &2u64.to_le_bytes(), &before[16..56], &after[24..56]].concat();
                let mut slot = [&record[..], blake3::hash(&record).as_bytes()].concat();
                slot.resize(4096, 0);
                fs::write(set.join("seal-keys"), [&slot[..], &slot].concat()).expect("keys");
            }
            Keys::UsedDestroyed => drop(fs::copy(after.join("seal-keys"), set.join("seal-keys")).expect("keys")),
        }
        if cut.entries {
            fs::copy(after.join("entries"), set.join("entries")).expect("entries");
        } else {
            fs::copy(after.join("entries"), set.join("entries.next")).expect("entries");
        }
        self.remember(&root.join("state/catalog.sqlite"), cut.catalog);
        Options { state: root.join("state"), to: root.join("medium"), init: None, ..h.options() }
    }

    fn remember(&self, path: &Path, catalog: Remembers) {
        let mut c = Catalog::open(path).expect("a catalog");
        let row = c.set(self.link.seal.set).expect("a catalog").expect("the set");
        if catalog >= Remembers::Objects {
            for o in &self.link.objects {
                c.add_object(row, o, &mut []).expect("an object");
            }
        }
        let mut generation = SealRow {
            seal: 2,
            number: 2,
            seal_object: self.link.number,
            head: self.link.head,
            time: self.link.seal.time.clone(),
            started: self.h.clock.load(Ordering::Relaxed),
            entries_digest: [0; 32],
            durable: false,
            closing: false,
        };
        if catalog >= Remembers::Intent {
            let after = self.h.path("2/state/sets").join(self.link.seal.set.to_string());
            generation.entries_digest = *blake3::hash(&fs::read(after.join("entries")).expect("entries")).as_bytes();
            c.put_seal_row(row, &generation).expect("a generation");
        }
        if catalog >= Remembers::Seal {
            c.add_object(row, &self.link.object(), &mut []).expect("the seal");
        }
        if catalog >= Remembers::Durable {
            generation.durable = true;
            c.put_seal_row(row, &generation).expect("a generation");
        }
    }
}

fn slot(set: &Path) -> Vec<u8> {
    fs::read(set.join("seal-keys")).expect("keys")[..4096].to_vec()
}

#[test]
fn the_next_run_works_with_every_mixture_that_a_power_cut_leaves() {
    let n = Nights::new();
    let second = picture(&n.h.source());
    n.h.write("patients/4", "Doi");
    let third = picture(&n.h.source());
    let (mut possible, mut refused) = (0, 0);
    for whole in 0..=n.tonight.len() {
        for torn in [false, true].into_iter().take(1 + usize::from(whole < n.tonight.len())) {
            use Remembers as R;
            for catalog in [R::LastNight, R::Objects, R::Intent, R::Seal, R::Durable] {
                for keys in [Keys::LastNight, Keys::NextPrepared, Keys::UsedDestroyed] {
                    for entries in [false, true] {
                        let cut = Cut { whole, torn, catalog, keys, entries };
                        let options = n.lay_out(cut);
                        let is_possible = n.is_possible(cut);
                        possible += usize::from(is_possible);
                        match n.h.try_backup(&options) {
                            Ok(report) => {
                                let sealed = whole == n.tonight.len();
                                let packs = n.tonight.iter().filter(|o| o.1 == ObjectKind::Pack).count() as u64;
                                let known = catalog >= R::Objects && !sealed;
                                assert_eq!(report.adopted_objects, if known { packs.min(whole as u64) } else { 0 }, "{cut:?}");
                                assert_eq!(report.generation, 2 + u64::from(sealed), "{cut:?}");
                                let verified = n.h.try_verify(&options.to, None, None).expect("a report");
                                assert!(verified.is_good() && verified.leftovers.is_empty(), "{cut:?}: {verified:?}");
                                let nights = if sealed { vec![&n.first, &second, &third] } else { vec![&n.first, &third] };
                                for (i, night) in nights.iter().enumerate() {
                                    assert_restores(&n.h, &options.to, i as u64 + 1, night, &format!("{cut:?}"));
                                }
                            }
                            // A host that was put back to an earlier day, or a medium: no cut leaves that, and no run makes it worse.
                            Err(e) => {
                                refused += 1;
                                assert!(!is_possible, "{cut:?}: {e:?}");
                                let typed = matches!(
                                    e,
                                    BackupError::Write(
                                        WriteError::RolledBack { .. }
                                            | WriteError::StateSetBack { .. }
                                            | WriteError::StaleCatalog
                                            | WriteError::SealKeys(_)
                                    )
                                );
                                assert!(typed, "{cut:?}: {e:?}");
                                let verified = n.h.try_verify(&options.to, None, None).expect("a report");
                                let torn = |f: &azekura::seal::chain::Fault| matches!(f.what, FaultKind::Unreadable { .. });
                                assert!(verified.damage.is_empty() && verified.faults.iter().all(torn), "{cut:?}: {verified:?}");
                                assert_restores(&n.h, &options.to, 1, &n.first, &format!("{cut:?}"));
                            }
                        }
                    }
                }
            }
        }
    }
    println!("{possible} mixtures that a cut can leave, {refused} refused of those that it cannot");
    assert!(possible > 20 && refused > 20);
}

#[track_caller]
fn assert_restores(h: &Hospital, from: &Path, generation: u64, expected: &Picture, what: &str) {
    let options = restore::Options { from: from.into(), generation: Some(generation), ..h.restore_options("restored") };
    let report = h.try_restore(&options).expect("a restore");
    assert!(report.findings.is_empty() && report.trusted, "{what}: {:?}", report.findings);
    assert_same(expected, &picture(&h.path("restored/source")), what);
    fs::remove_dir_all(h.path("restored")).expect("a deletion");
}

/// Stops a run when it has begun its set.
struct StopWhenBegun<'a>(&'a Hospital);

impl Observer for StopWhenBegun<'_> {
    fn on_event(&self, event: Event) {
        if event == Event::Phase(Phase::Reading) {
            self.0.interrupted.store(true, Ordering::Relaxed);
        }
    }
}

/// The very first run is cut off at each of its steps. The next one needs to be told nothing but what the first was told, and once the
/// host knows of its set not even that.
#[test]
fn the_first_run_is_cut_off_while_it_begins_its_set() {
    type Undo = fn(&Hospital);
    let undo: [(&str, Undo); 10] = [
        ("everything was made", |_| {}),
        ("the catalog knows the set, not its label", |h| {
            let label = h.label();
            fs::remove_file(h.path("state/catalog.sqlite")).expect("a deletion");
            let catalog = Catalog::open(&h.path("state/catalog.sqlite")).expect("a catalog");
            catalog.add_set(label.set, &label.name, &label.created).expect("a set");
        }),
        ("the catalog knows nothing", |h| fs::remove_file(h.path("state/catalog.sqlite")).expect("a deletion")),
        ("the label is torn", |h| {
            let (_, _, label) = objects(&h.medium()).remove(0);
            fs::set_permissions(&label, fs::Permissions::from_mode(0o644)).expect("a mode");
            fs::File::options().write(true).open(label).and_then(|f| f.set_len(100)).expect("a torn label");
        }),
        ("the label is empty", |h| {
            let (_, _, label) = objects(&h.medium()).remove(0);
            fs::File::options().write(true).open(label).and_then(|f| f.set_len(0)).expect("an empty label");
        }),
        ("the label is missing", |h| fs::remove_file(&objects(&h.medium())[0].2).expect("a deletion")),
        ("the seal keys are torn", |h| {
            let keys = set_state(h).join("seal-keys");
            fs::File::options().write(true).open(keys).and_then(|f| f.set_len(4096)).expect("torn keys");
        }),
        ("the seal keys are missing", |h| fs::remove_file(set_state(h).join("seal-keys")).expect("a deletion")),
        ("the set's facts are missing", |h| fs::remove_file(set_state(h).join("set.json")).expect("a deletion")),
        ("the host knows nothing of it", |h| fs::remove_dir_all(set_state(h)).expect("a deletion")),
    ];
    for again_with_init in [true, false] {
        for steps in 1..=undo.len() {
            let what = undo[steps - 1].0;
            let h = Hospital::within(fast_folder());
            h.write("patients/1", "Aoki");
            let stopped = h.with_env(|w| backup(&h.options(), w, &StopWhenBegun(&h)));
            assert!(matches!(stopped, Err(BackupError::Interrupted)), "{stopped:?}");
            h.interrupted.store(false, Ordering::Relaxed);
            undo[..steps].iter().for_each(|(_, undo)| undo(&h));
            let init = h.options().init.filter(|_| again_with_init);
            let run = h.try_backup(&Options { init, ..h.options() });
            if !again_with_init && steps > 8 {
                assert!(matches!(run, Err(BackupError::Write(WriteError::Unregistered { .. }))), "{what}: {run:?}");
                continue;
            }
            let report = run.unwrap_or_else(|e| panic!("{what}: {e:?}"));
            assert_eq!(report.generation, 1, "{what}");
            // Whatever is left of the other set, a reader need not be told which one is meant.
            let verified = h.verify();
            assert!(verified.is_good() && verified.leftovers.is_empty(), "{what}: {verified:?}");
            assert_restores(&h, &h.medium(), 1, &picture(&h.source()), what);
            assert_eq!(h.backup().generation, 2, "{what}");
        }
    }
}

fn set_state(h: &Hospital) -> PathBuf {
    fs::read_dir(h.path("state/sets")).expect("sets").next().expect("a set").expect("an entry").path()
}

/// The power fails right after a new file, a line of the ledger and a night: the disk as it is then has them.
#[test]
fn what_is_durable_is_on_the_disk() {
    let h = Hospital::within(fast_folder());
    h.write("chart", noise(1, 300_000));
    let (image, at) = (h.path("image"), h.path("disk"));
    let Some(_disk) = Disk::ext4(&at, &image, 64 << 20) else { return };
    let seen = |number: u32| {
        let (cut, left) = (h.path(&format!("cut {number}")), h.path(&format!("left {number}")));
        fs::copy(&image, &cut).expect("the disk as it is");
        (Disk::ext4(&left, &cut, 0).expect("a disk"), left)
    };
    files::write_new(&at.join("file"), files::PRIVATE, b"content").expect("a file");
    let (_first, left) = seen(1);
    assert_eq!(fs::read(left.join("file")).ok().as_deref(), Some(&b"content"[..]));
    let ledger = Ledger::of(&at);
    ledger.write("2026-11-23T01:30:00Z", LedgerEvent::ReleaseAsked { by: "佐藤".into() }).expect("a line");
    let (_second, left) = seen(2);
    assert_eq!(Ledger::of(&left).read().expect("a ledger"), ledger.read().expect("the ledger"));
    fs::create_dir(at.join("medium")).expect("a folder");
    h.try_backup(&Options { to: at.join("medium"), ..h.options() }).expect("a backup");
    let (_third, left) = seen(3);
    let verified = h.try_verify(&left.join("medium"), None, None).expect("a verification");
    assert!(verified.is_good() && verified.generations.len() == 1, "{verified:?}");
}
