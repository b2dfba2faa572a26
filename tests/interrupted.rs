//! SIGTERM, as a service manager sends it: whatever a command does at that moment, it ends within a second, and says so.

mod machine;

use machine::{is_root, skipped};
use rustix::fs::{CWD, Mode};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A second, and what a machine that is busy with other tests adds.
const SOON: Duration = Duration::from_secs(3);
/// Nothing here takes so long to begin.
const LONG: Duration = Duration::from_secs(120);
const KEY: [&str; 2] = ["--identity", "azekura-recovery-key.txt"];

struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        // Not `/tmp`, which is often memory: nothing on it is read back from a medium.
        let dir = tempfile::tempdir_in("/var/tmp").expect("a temporary folder");
        fs::create_dir(dir.path().join("medium")).expect("a folder");
        fs::create_dir(dir.path().join("chart")).expect("a folder");
        fs::write(dir.path().join("chart/a"), "a").expect("a file");
        fs::write(dir.path().join("config.toml"), "").expect("a file");
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn azekura(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        command.env_clear().env("HOME", self.dir.path()).env("AZEKURA_STATE", self.path("state")).env("TZ", "UTC");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.current_dir(self.dir.path()).arg("--config").arg(self.path("config.toml")).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    fn run(&self, arguments: &[&str]) {
        let ended = self.azekura(arguments).output().expect("the program");
        assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }

    /// Backs up what a command of the shell writes.
    fn backup_of<'a>(&self, shell: &'a str) -> Vec<&'a str> {
        let init: &[&str] = if self.path("state").exists() { &[] } else { &["--init"] };
        let output = ["--stdin-from-command", "--stdin-name", "dump", "--", "sh", "-c", shell];
        [&["backup", "--to", "medium"][..], init, &output].concat()
    }

    /// Starts a command, and sends SIGTERM when it `is_at_work`.
    #[track_caller]
    fn assert_ends_soon(&self, arguments: &[&str], is_at_work: impl FnMut() -> bool) {
        assert_ends_soon(self.azekura(arguments).spawn().expect("the program"), &format!("{arguments:?}"), is_at_work);
    }
}

#[track_caller]
fn assert_ends_soon(mut child: Child, what: &str, mut is_at_work: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_at_work() {
        assert!(begun.elapsed() < LONG && child.try_wait().expect("a status").is_none(), "{what} did not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    // Well into the work.
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().expect("a status").is_none(), "{what} ended by itself");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("a signal");
    let sent = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        if sent.elapsed() > LONG {
            child.kill().expect("a signal");
            panic!("{what} goes on after SIGTERM");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let took = sent.elapsed();
    println!("{what}: {took:?}");
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said).expect("text");
    }
    assert_eq!(status.code(), Some(130), "{what}: {said}");
    assert!(took < SOON, "{what} took {took:?}");
}

fn exists(path: &Path) -> bool {
    path.exists()
}

#[test]
fn a_backup_does_not_wait_for_its_command() {
    for (what, shell) in [
        ("writes nothing", "echo > begun; exec sleep 600"),
        ("writes a little now and then", "echo > begun; while echo drop; do sleep 0.2; done"),
        ("writes for ever", "echo > begun; exec cat /dev/zero"),
        ("has closed its output and goes on", "echo > begun; exec sleep 600 >&-"),
    ] {
        let host = Host::new();
        println!("a command that {what}");
        host.assert_ends_soon(&host.backup_of(shell), || exists(&host.path("begun")));
        // The next run goes on with what is there.
        host.run(&host.backup_of("echo dump"));
    }
}

/// Holes up to 1 GiB of many files, and data.
#[test]
fn a_backup_ends_while_it_hashes() {
    let host = Host::new();
    for i in 0..200 {
        let file = File::create_new(host.path(&format!("chart/{i}"))).expect("a file");
        file.set_len(1 << 30).expect("a length");
    }
    let state = host.path("state");
    host.assert_ends_soon(&["backup", "--to", "medium", "--init", "chart"], || exists(&state));
}

#[test]
fn a_restore_ends_while_it_writes_and_while_it_reads_what_is_there() {
    let host = Host::new();
    host.run(&host.backup_of("head -c 4G /dev/zero"));
    let restore = [&["restore", "--from", "medium", "--to", "restored"][..], &KEY].concat();
    let restored = host.path("restored/dump");
    let length = || fs::metadata(&restored).map_or(0, |m| m.len());
    host.assert_ends_soon(&restore, || length() > 0);
    // It has all its content, or nearly all: it is read before anything is written.
    File::options().write(true).open(&restored).and_then(|f| f.set_len(4 << 30)).expect("a length");
    let accessed = || fs::metadata(&restored).and_then(|m| m.accessed()).ok();
    let before = accessed();
    let begun = Instant::now();
    let resume = [&restore[..], &["--resume"]].concat();
    host.assert_ends_soon(&resume, || accessed() != before || begun.elapsed() > Duration::from_millis(700));
}

/// Objects that nobody lists, each as long as an object may be: a scrub reads them all.
#[test]
fn a_scrub_ends_within_large_objects() {
    let host = Host::new();
    host.run(&["backup", "--to", "medium", "--init", "chart"]);
    let set = fs::read_dir(host.path("medium/AZEKURA")).expect("sets").next().expect("a set").expect("an entry").path();
    for number in 10..210 {
        let place = set.join(format!("00000/00000{number:03}.pack"));
        File::create_new(place).and_then(|f| f.set_len(1 << 30)).expect("a sparse file");
    }
    let begun = Instant::now();
    host.assert_ends_soon(&["media", "scrub", "medium"], || begun.elapsed() > Duration::from_millis(500));
}

/// A prepared disk: as many folders as a medium may have beside the set, each with labels that are none.
#[test]
fn a_search_for_sets_ends() {
    let host = Host::new();
    host.run(&["backup", "--to", "medium", "--init", "chart"]);
    let label = host.path("label");
    fs::write(&label, vec![b'x'; 64 << 10]).expect("a file");
    for i in 0..3000 {
        let folder = host.path(&format!("medium/AZEKURA/{i:032x}/00000"));
        fs::create_dir_all(&folder).expect("a folder");
        for n in 0..16 {
            fs::hard_link(&label, folder.join(format!("{n:08}.label"))).expect("a link");
        }
    }
    let restore = [&["restore", "--from", "medium", "--to", "restored"][..], &KEY].concat();
    for command in [&["verify", "medium"][..], &restore, &["generations", "medium"]] {
        let begun = Instant::now();
        host.assert_ends_soon(command, || begun.elapsed() > Duration::from_millis(100));
    }
}

/// Each of thousands of folders is looked at a few times, not once for each other one.
#[test]
fn empty_folders_of_sets_take_no_time() {
    let host = Host::new();
    host.run(&["backup", "--to", "medium", "--init", "chart"]);
    let folder = |i: usize| fs::create_dir(host.path(&format!("medium/AZEKURA/{i:032x}"))).expect("a folder");
    (0..4000).for_each(folder);
    let restore = [&["restore", "--from", "medium", "--to", "restored"][..], &KEY].concat();
    for command in [&["verify", "medium"][..], &restore, &["generations", "medium"]] {
        let begun = Instant::now();
        let ended = host.azekura(command).output().expect("the program");
        let took = begun.elapsed();
        println!("{command:?}: {took:?}");
        assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
        assert!(took < Duration::from_secs(20), "{command:?} took {took:?}");
    }
    // More than any medium has.
    (4000..4100).for_each(folder);
    let ended = host.azekura(&["verify", "medium"]).output().expect("the program");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(6) && said.contains("medium/AZEKURA"), "{said}");
}

/// A file to compare with a proof comes out of a pipe: nobody writes to it, somebody writes nothing, or for ever.
#[test]
fn a_proof_does_not_wait_for_its_record() {
    let host = Host::new();
    host.run(&["backup", "--to", "medium", "--init", "chart"]);
    host.run(&[&["prove", "chart/a", "--from", "medium", "--out", "proof"][..], &KEY].concat());
    let label = fs::read_to_string(
        walkdir::WalkDir::new(host.path("medium"))
            .into_iter()
            .filter_map(Result::ok)
            .find(|e| e.path().extension().is_some_and(|x| x == "label"))
            .expect("a label")
            .path(),
    )
    .expect("text");
    let key = label.lines().find_map(|l| l.strip_prefix("root-key ed25519 ")).expect("a root key").to_owned();
    let check = ["check-proof", "proof", "--root-key", &key, "--record", "pipe"];
    let pipe = host.path("pipe");
    rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
    let begun = Instant::now();
    host.assert_ends_soon(&check, || begun.elapsed() > Duration::from_millis(300));
    for writes in [false, true] {
        let begun = Instant::now();
        let child = host.azekura(&check).spawn().expect("the program");
        // Opens when the reader has.
        let mut writer = File::options().write(true).open(&pipe).expect("the pipe");
        let writing = std::thread::spawn(move || {
            while writes && writer.write_all(&[0; 65_536]).is_ok() {}
            writer
        });
        assert_ends_soon(child, &format!("{check:?}"), || begun.elapsed() > Duration::from_millis(300));
        drop(writing.join().expect("no panic"));
    }
}

/// A full medium, and nobody or a program that brings the next one.
#[test]
fn a_run_does_not_wait_for_the_next_medium() {
    if !is_root() {
        return skipped("a full medium: none can be mounted");
    }
    for loader in ["", "loader = [\"sh\", \"-c\", \"echo > asked; exec sleep 600\"]\n"] {
        let host = Host::new();
        let mut noise = vec![0; 30_000_000];
        blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut noise);
        fs::write(host.path("chart/noise"), noise).expect("a file");
        fs::write(host.path("config.toml"), loader).expect("a file");
        let medium = host.path("medium");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(&medium).status();
        if !mounted.is_ok_and(|s| s.success()) {
            return skipped("a full medium: none can be mounted");
        }
        let mut command = host.azekura(&["backup", "--to", "medium", "--init", "--pack-size", "4096", "chart"]);
        let said = host.path("said");
        command.stdin(Stdio::piped());
        let mut child = command.spawn().expect("the program");
        let mut stderr = child.stderr.take().expect("standard error");
        let copy = std::thread::spawn({
            let said = said.clone();
            move || std::io::copy(&mut stderr, &mut File::create(said).expect("a file"))
        });
        let asked = host.path("asked");
        let is_asking = || match loader.is_empty() {
            true => fs::read_to_string(&said).is_ok_and(|text| text.contains("Enter")),
            false => exists(&asked),
        };
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| assert_ends_soon(child, loader, is_asking)));
        let _ = copy.join();
        let unmounted = Command::new("umount").arg("-l").arg(&medium).status();
        assert!(unmounted.is_ok_and(|s| s.success()));
        if let Err(e) = ended {
            println!("{}", fs::read_to_string(&said).unwrap_or_default());
            std::panic::resume_unwind(e);
        }
    }
}

/// Keys, passphrases and lists may come out of a pipe to which nobody writes: no job has begun, and the command ends all the same.
#[test]
fn no_command_waits_for_what_it_is_to_read_first() {
    let host = Host::new();
    host.run(&["backup", "--to", "medium", "--init", "chart"]);
    rustix::fs::mknodat(CWD, host.path("pipe"), rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
    for command in [
        &["restore", "--from", "medium", "--to", "restored", "--identity", "pipe"][..],
        &["restore", "--from", "medium", "--to", "restored", KEY[0], KEY[1], "--only", "pipe"],
        &["find", "a", "--from", "medium", "--identity", "pipe"],
        &["keys", "show-recipient", "--identity", "pipe"],
        &["keys", "new", "--out", "key", "--passphrase-file", "pipe"],
        &["generations", "medium", "--identity", "pipe"],
    ] {
        let begun = Instant::now();
        host.assert_ends_soon(command, || begun.elapsed() > Duration::from_millis(300));
    }
}

/// What a monitor runs at any hour.
#[test]
fn a_copy_and_a_verification_end_within_a_large_object() {
    let host = Host::new();
    host.run(&host.backup_of("head -c 3G /dev/urandom"));
    fs::create_dir(host.path("copy")).expect("a folder");
    for command in [&["verify", "medium"][..], &["media", "copy", "--from", "medium", "--to", "copy"]] {
        let begun = Instant::now();
        host.assert_ends_soon(command, || begun.elapsed() > Duration::from_millis(400));
    }
}
