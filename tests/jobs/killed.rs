//! Somebody pulls the plug on the nightly run, again and again, at any moment. What was sealed stays whole, and the next run goes on
//! without anybody's help.

use crate::tools::{Dice, Picture, assert_same, fast_folder, objects, picture};
use crate::world::Hospital;
use azekura::env::Env;
use azekura::event::{Event, NoObserver, Observer, Phase};
use azekura::format::cbor::Time;
use azekura::format::object::ObjectKind;
use azekura::job::backup::backup;
use azekura::job::inspect::InspectError;
use azekura::job::inspect::verify::Report;
use azekura::job::restore::{Options, RestoreError, restore};
use azekura::seal::chain::FaultKind;
use azekura::set::open::OpenError;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A folder that the child backs up, and the key that it encrypts to.
const CHILD: &str = "AZEKURA_TEST_CHILD";
const RECIPIENT: &str = "AZEKURA_TEST_RECIPIENT";

#[test]
#[ignore = "runs in the process that the story below kills"]
fn the_process_that_is_killed() {
    let (Ok(dir), Ok(recipient)) = (std::env::var(CHILD), std::env::var(RECIPIENT)) else { return };
    let options = crate::world::options(dir.as_ref(), vec![recipient]);
    let now = || Time { seconds: now_seconds(), nanoseconds: 0 };
    let random = |b: &mut [u8]| getrandom::fill(b).expect("randomness");
    let env = Env {
        now: &now,
        random: &random,
        host: "host",
        loader: &azekura::medium::loader::NoLoader,
        interrupted: &AtomicBool::new(false),
        threads: 2,
    };
    let report = backup(&options, &env, &NoObserver).expect("a backup that is not killed");
    fs::write(adopted_by(dir.as_ref()), report.adopted_objects.to_string()).expect("a note");
}

/// Where a run that came to its end notes how many packs it took over.
fn adopted_by(dir: &Path) -> PathBuf {
    dir.join("adopted")
}

fn now_seconds() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
    now.as_secs() as i64
}

fn child(h: &Hospital) -> std::process::Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "killed::the_process_that_is_killed"])
        .env(CHILD, h.dir.path())
        .env(RECIPIENT, &h.identity.recipients().texts()[0])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child")
}

/// What a day does to the source: some files new, some changed, some gone.
fn a_day(dice: &mut Dice, h: &Hospital) {
    for _ in 0..1 + dice.below(30) {
        let length = *dice.pick(&[0, 100, 1_000, 1_000, 30_000, 100_000]);
        h.write(&format!("ward {}/record {}", dice.below(5), dice.below(60)), dice.noise(length));
    }
    if dice.chance(40) {
        let length = 1_000_000 + dice.below(6_000_000);
        h.write(&format!("series {}", dice.below(3)), dice.noise(length));
    }
    if dice.chance(30) {
        let _ = fs::remove_file(h.source().join(format!("ward {}/record {}", dice.below(5), dice.below(60))));
    }
}

/// Everything sealed is good. Behind the last seal a torn seal may lie: it is shown until the next run calls it void.
#[track_caller]
fn assert_sealed_is_good(report: &Report, what: &str) {
    assert!(report.damage.is_empty() && report.foreign.is_empty(), "{what}: {:?} {:?}", report.damage, report.foreign);
    assert!(report.generations.iter().all(|g| g.trusted), "{what}: {:?}", report.generations);
    let numbers: Vec<_> = report.generations.iter().map(|g| g.generation).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{what}");
    for f in &report.faults {
        let torn = f.kind == ObjectKind::Seal && matches!(f.what, FaultKind::Unreadable { .. });
        let behind = report.leftovers.iter().any(|o| o.number == f.object && o.kind == ObjectKind::Seal);
        assert!(torn && behind, "{what}: {f:?}");
    }
}

#[track_caller]
fn assert_restores(h: &Hospital, generation: u64, expected: &Picture, what: &str) {
    let to = h.path("restored");
    let report = h.try_restore(&Options { generation: Some(generation), ..h.restore_options("restored") }).expect("a restore");
    assert!(report.findings.is_empty(), "{what}: {:?}", report.findings);
    assert_same(expected, &picture(&to.join("source")), what);
    fs::remove_dir_all(to).expect("a deletion");
}

#[test]
fn kill_9_at_any_moment_loses_nothing_that_was_sealed() {
    let mut dice = Dice::new("kill_9_at_any_moment");
    let kills = std::env::var("AZEKURA_KILLS").map_or(40, |n| n.parse().expect("a number"));
    // On a disk: the moments between its syncs are what this is about.
    let h = Hospital::new();
    let mut nights: Vec<Picture> = Vec::new();
    let (mut adopted, mut whole_runs, mut cut_off) = (0u64, 0, 0);
    // How long a run takes; learned as they come.
    let mut usual = Duration::from_millis(150);
    for kill in 0..kills {
        // Sometimes the source has not changed since the run that was killed.
        if kill == 0 || dice.chance(70) {
            a_day(&mut dice, &h);
        }
        let tonight = picture(&h.source());
        let mut run = child(&h);
        let started = Instant::now();
        let moment = usual.mul_f64(dice.below(1000) as f64 / 800.0);
        std::thread::sleep(moment);
        run.kill().expect("a signal");
        let end = run.wait().expect("an end");
        let done = end.success();
        assert!(done || end.signal() == Some(9), "kill {kill}: the run failed by itself: {end:?}");
        if let Ok(note) = fs::read_to_string(adopted_by(h.dir.path())) {
            adopted += note.parse().unwrap_or(0);
            let _ = fs::remove_file(adopted_by(h.dir.path()));
        }
        if done {
            whole_runs += 1;
            usual = usual.mul_f64(0.9);
        } else {
            cut_off += 1;
            usual = usual.mul_f64(1.05).min(Duration::from_secs(3));
        }
        let what = format!("kill {kill} after {moment:?} of {:?}", started.elapsed());
        let sealed = match h.try_verify(&h.medium(), None, None) {
            // Not even its label may be whole.
            Ok(report) if nights.is_empty() && report.generations.is_empty() => 0,
            Ok(report) => {
                assert_sealed_is_good(&report, &what);
                report.generations.len()
            }
            Err(InspectError::Open(OpenError::Blank { .. })) if nights.is_empty() => 0,
            Err(e) => panic!("{what}: {e:?}"),
        };
        match sealed - nights.len() {
            0 => assert!(!done, "{what}: the run ended well and sealed nothing"),
            1 => nights.push(tonight),
            _ => panic!("{what}: {sealed} generations, {} nights", nights.len()),
        }
        if kill % 4 == 3 {
            // Nobody repairs anything; the next run simply runs.
            let tonight = picture(&h.source());
            h.clock.store(now_seconds(), Ordering::Relaxed);
            let report = h.try_backup(&h.options()).unwrap_or_else(|e| panic!("{what}: {e:?}"));
            nights.push(tonight);
            assert_eq!(report.generation, nights.len() as u64, "{what}");
            adopted += report.adopted_objects;
            let verified = h.verify();
            assert!(verified.is_good() && verified.leftovers.is_empty(), "{what}: {verified:?}");
            assert_restores(&h, nights.len() as u64, &nights[nights.len() - 1], &what);
            let n = dice.below(nights.len());
            assert_restores(&h, n as u64 + 1, &nights[n], &format!("{what}, generation {}", n + 1));
        }
    }
    for (n, night) in nights.iter().enumerate() {
        assert_restores(&h, n as u64 + 1, night, &format!("in the end, generation {}", n + 1));
    }
    println!("{cut_off} runs were cut off, {whole_runs} were not; {} nights, {adopted} packs adopted", nights.len());
    assert!(cut_off > kills / 4, "{cut_off} of {kills} runs were cut off");
    // With few kills chance may have it otherwise; the story below leaves nothing to chance.
    if kills >= 200 {
        assert!(adopted > 0, "whole packs of interrupted runs are taken over");
    }
}

/// The plug is pulled when all packs are whole and nothing is sealed yet.
#[test]
fn what_is_whole_is_not_written_again() {
    struct Plug;
    impl Observer for Plug {
        fn on_event(&self, event: Event) {
            if event == Event::Phase(Phase::Sealing) {
                std::panic::resume_unwind(Box::new("the plug is pulled"));
            }
        }
    }
    let mut dice = Dice::new("what_is_whole_is_not_written_again");
    let h = Hospital::within(fast_folder());
    for i in 0..20 {
        h.write(&format!("series/{i}"), dice.noise(300_000));
    }
    let options = azekura::job::backup::Options { memory_bytes: 1 << 20, ..h.options() };
    let cut = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| h.with_env(|w| backup(&options, w, &Plug))));
    assert!(cut.is_err(), "the run was cut off");
    let packs = objects(&h.medium()).iter().filter(|o| o.1 == ObjectKind::Pack).count() as u64;
    assert!(packs > 3, "{packs}");
    h.write("series/20", dice.noise(1000));
    let report = h.try_backup(&options).expect("a backup");
    assert_eq!((report.generation, report.adopted_objects), (1, packs));
    assert!(report.added_bytes < 20_000, "{} bytes were written", report.added_bytes);
    assert!(h.verify().is_good());
    assert_restores(&h, 1, &picture(&h.source()), "in the end");
}

/// The restore, too, may be cut off at any moment, and goes on where it was.
#[test]
fn a_restore_that_is_cut_off_goes_on() {
    struct Cut<'a>(&'a Hospital, AtomicUsize);
    impl Observer for Cut<'_> {
        fn on_event(&self, event: Event) {
            let left = &self.1;
            if matches!(event, Event::Progress { .. }) && left.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.0.interrupted.store(true, Ordering::Relaxed);
            }
        }
    }
    let mut dice = Dice::new("a_restore_that_is_cut_off");
    let h = Hospital::within(fast_folder());
    for _ in 0..6 {
        a_day(&mut dice, &h);
    }
    h.write("series 9", dice.noise(9_000_000));
    fs::hard_link(h.source().join("series 9"), h.source().join("a")).expect("a further name");
    h.try_backup(&azekura::job::backup::Options { memory_bytes: 1 << 20, ..h.options() }).expect("a backup");
    let expected = picture(&h.source());
    let (count, mut all_cuts) = (expected.len(), 0);
    for turn in 0..20 {
        let mut options = h.restore_options("restored");
        options.memory_bytes = 1;
        let mut cuts = 0;
        for _ in 0..4 {
            let cut = Cut(&h, AtomicUsize::new(1 + dice.below(2 * count)));
            match h.with_env(|w| restore(&options, &h.identity, w, &cut)) {
                Err(RestoreError::Interrupted) => cuts += 1,
                Ok(report) => assert!(report.findings.is_empty(), "turn {turn}: {:?}", report.findings),
                Err(e) => panic!("turn {turn}: {e:?}"),
            }
            h.interrupted.store(false, Ordering::Relaxed);
            options.target.resume = true;
        }
        let report = h.try_restore(&options).expect("a restore");
        assert!(report.findings.is_empty(), "turn {turn}, {cuts} cuts: {:?}", report.findings);
        assert_same(&expected, &picture(&h.path("restored/source")), &format!("turn {turn}, {cuts} cuts"));
        fs::remove_dir_all(h.path("restored")).expect("a deletion");
        all_cuts += cuts;
    }
    assert!(all_cuts > 10, "{all_cuts}");
}
