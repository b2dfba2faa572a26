//! What somebody at the host can do to hold up the night: leases, files that grow, pipes in the place of files.

use crate::machine::skipped;
use crate::tools::fast_folder;
use crate::world::Hospital;
use azekura::format::seal::Verdict;
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
