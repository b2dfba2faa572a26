//! What somebody at the host can do to hold up the night: leases, files that grow, pipes in the place of files.

use crate::machine::skipped;
use crate::tools::fast_folder;
use crate::world::Hospital;
use azekura::format::seal::Verdict;
use azekura::job::backup::SourceOptions;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Thirty files, each with a lease whose holder takes a second to release it: one after the other they would take half a
/// minute.
#[test]
fn leases_are_waited_for_side_by_side() {
    let h = Hospital::within(fast_folder());
    let files: Vec<_> = (0..30).map(|n| h.write(&format!("record {n:02}"), format!("record {n}"))).collect();
    let program = "import fcntl,os,signal,sys,time
signal.signal(signal.SIGIO,signal.SIG_IGN)
held={os.open(p,os.O_RDWR):None for p in sys.argv[1:]}
for fd in held: fcntl.fcntl(fd,fcntl.F_SETLEASE,fcntl.F_WRLCK)
print('ready',flush=True)
while held:
  for fd,asked in list(held.items()):
    if asked is None and fcntl.fcntl(fd,fcntl.F_GETLEASE)!=fcntl.F_WRLCK: held[fd]=time.time()
    if asked and time.time()-asked>1: fcntl.fcntl(fd,fcntl.F_SETLEASE,fcntl.F_UNLCK); del held[fd]
  time.sleep(0.02)";
    let mut python = Command::new("python3");
    let spawned = python.arg("-c").arg(program).args(&files).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let Ok(mut holder) = spawned else { return skipped("leases: there is no python3") };
    let mut said = [0; 5];
    if holder.stdout.as_mut().expect("its output").read_exact(&mut said).is_err() {
        return skipped("leases: the file system has none");
    }
    let begun = Instant::now();
    let report = h.backup();
    let took = begun.elapsed();
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Good, 0), "{:?}", report.findings);
    assert!((Duration::from_secs(1)..Duration::from_secs(10)).contains(&took), "{took:?}");
    holder.kill().and_then(|()| holder.wait()).expect("its end");
}

/// A file is read up to the length that it had when it was opened, whoever goes on writing to it.
#[test]
fn a_file_that_grows_for_ever_ends() {
    let h = Hospital::within(fast_folder());
    let path = h.write("log", vec![b'x'; 6 << 20]);
    let (stop, begun) = (AtomicBool::new(false), Instant::now());
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = OpenOptions::new().append(true).open(&path).expect("the file");
            let mut more = 400 << 20;
            while !stop.load(Ordering::Relaxed) && more > 0 {
                file.write_all(&[b'x'; 4096]).expect("more");
                more -= 4096;
            }
        });
        let report = h.backup();
        stop.store(true, Ordering::Relaxed);
        report
    });
    assert_eq!(report.verdict, Verdict::Incomplete);
    assert!(report.findings.iter().any(|f| f.kind == "changed" && f.path == b"source/log"), "{:?}", report.findings);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(fs::metadata(&path).expect("a status").len() > 6 << 20);
}

/// Somebody fills his folder with files while everybody sleeps. What lay behind them in its source is neither gone nor new, and the
/// other source is whole.
#[test]
fn more_entries_than_a_source_may_have_cost_the_others_nothing() {
    let h = Hospital::within(fast_folder());
    let homes = h.path("homes");
    fs::create_dir_all(homes.join("z")).expect("a folder");
    fs::write(homes.join("z/letter"), "of last week").expect("a file");
    h.write("record", "a record");
    let mut options = h.options();
    options.sources.push(SourceOptions { max_entries: Some(100), ..SourceOptions::new("homes", &homes) });
    let first = h.try_backup(&options).expect("the first night");
    assert_eq!((first.verdict, first.findings.len()), (Verdict::Good, 0), "{:?}", first.findings);

    for n in 0..500 {
        fs::write(homes.join(format!("{n:03}")), "").expect("a file");
    }
    let second = h.try_backup(&options).expect("the second night");
    assert_eq!(second.verdict, Verdict::Incomplete);
    assert_eq!(second.count("gone"), 0);
    let found: Vec<_> = second.findings.iter().map(|f| (&f.kind[..], &f.path[..], &f.detail[..])).collect();
    let too_many = "homes: what is beyond the limit was not read: 100 entries";
    assert_eq!(found, [("unreadable", &b"homes"[..], too_many), ("taken-over", b"homes", "2 entries")]);
    let source = h.restore("back");
    assert_eq!(fs::read(source.join("record")).expect("the other source"), b"a record");
    let back = source.parent().expect("a folder");
    assert_eq!(fs::read(back.join("homes/z/letter")).expect("the letter"), b"of last week");
    assert_eq!(fs::read_dir(back.join("homes")).expect("a folder").count(), 99 + 1);

    for n in 0..500 {
        fs::remove_file(homes.join(format!("{n:03}"))).expect("removed");
    }
    let third = h.try_backup(&options).expect("the third night");
    assert_eq!((third.verdict, third.count("gone")), (Verdict::Good, 99), "{:?}", third.findings);
}
