//! A medium, a proof or a session that takes over whatever decodes it: it is in a cage, and opens, starts and sends nothing.

mod machine;

use azekura::cage::{self, Cage, Walls};
use machine::{is_root, skipped};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const EPERM: i32 = 1;
const EACCES: i32 = 13;

/// A host with a backup of one file.
struct Host {
    dir: tempfile::TempDir,
    intruder: PathBuf,
}

impl Host {
    fn new() -> Option<Self> {
        // Not `/tmp`, which is often memory: nothing on it is read back from a medium.
        let dir = tempfile::tempdir_in("/var/tmp").expect("a folder");
        let host = Self { intruder: dir.path().join("intruder.so"), dir };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cage/intruder.c");
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&host.intruder).arg(source).status();
        if !compiled.as_ref().is_ok_and(|s| s.success()) {
            skipped(format!("an intruder in the program: cc ended with {compiled:?}"));
            return None;
        }
        for folder in ["medium", "chart"] {
            fs::create_dir(host.path(folder)).expect("a folder");
        }
        fs::write(host.path("chart/letter.doc"), b"a letter").expect("a file");
        host.run(&["backup", "--to", "medium", "--init", "chart"]);
        Some(host)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        command.env_clear().env("HOME", self.dir.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("AZEKURA_STATE", self.path("state")).env("AZEKURA_IDENTITY", self.path("azekura-recovery-key.txt"));
        command.current_dir(self.dir.path()).args(arguments).stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().expect("the program");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// What the kernel answered to an intruder, in each thread of the command: name of the call, and number of the error.
    #[track_caller]
    fn intrude(&self, command: Command, read: &Path, allowed: &Path) -> Vec<Vec<(String, i32)>> {
        let threads = self.intrude_to_write(command, read, &self.path("state/planted"), allowed);
        fs::remove_file(self.path("state/planted")).expect("what was planted before the cage");
        threads
    }

    #[track_caller]
    fn intrude_to_write(&self, mut command: Command, read: &Path, write: &Path, allowed: &Path) -> Vec<Vec<(String, i32)>> {
        command.env("LD_PRELOAD", &self.intruder).env("INTRUDER_READ", read).env("INTRUDER_ALLOWED", allowed);
        command.env("INTRUDER_WRITE", write);
        let output = command.output().expect("the program");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{command:?}: {said}");
        let calls = |line: &str| {
            let call = |pair: &str| pair.split_once('=').map(|(name, n)| (name.to_owned(), n.parse().expect("a number")));
            line.strip_prefix("intruder: ").map(|rest| rest.split(' ').filter_map(call).collect())
        };
        let threads: Vec<Vec<(String, i32)>> = said.lines().filter_map(calls).collect();
        // The thread that waits for signals until the cage is entered reads nothing of a medium.
        assert_eq!(of(&threads[0], "read"), 0, "{command:?}: there is something to read");
        assert_eq!(of(&threads[0], "write"), 0, "{command:?}: there is somewhere to write");
        threads
    }

    fn seal_keys(&self) -> PathBuf {
        let mut sets = fs::read_dir(self.path("state/sets")).expect("sets");
        sets.next().expect("a set").expect("a set").path().join("seal-keys")
    }
}

fn of(thread: &[(String, i32)], call: &str) -> i32 {
    thread.iter().find(|(name, _)| name == call).unwrap_or_else(|| panic!("{call} was not tried: {thread:?}")).1
}

/// All calls that the cage refuses, in every thread after the first; what is allowed is allowed.
#[track_caller]
fn assert_refused(threads: &[Vec<(String, i32)>], command: &str, restores: bool) {
    let walls = cage::tried();
    assert!(threads.len() > 1, "{command}: no thread came after the cage was entered");
    for thread in &threads[1..] {
        assert_eq!(of(thread, "allowed"), 0, "{command}: {thread:?}");
        if walls.landlock.is_some() {
            assert_eq!((of(thread, "read"), of(thread, "write")), (EACCES, EACCES), "{command}: {thread:?}");
        }
        if walls.seccomp {
            for call in ["exec", "internet", "unix", "mount", "unshare", "ptrace", "io_uring", "typing", "truncate"] {
                assert_eq!(of(thread, call), EPERM, "{command}: {call}: {thread:?}");
            }
            assert_eq!(of(thread, "chmod") == EPERM, !restores, "{command}: {thread:?}");
        }
    }
}

/// Says what this kernel does not have.
fn has_both() -> bool {
    let Walls { landlock, seccomp } = cage::tried();
    if landlock.is_none() {
        skipped("files that a decoder may not open: this kernel has no Landlock");
    }
    if !seccomp {
        skipped("calls that a decoder may not make: this kernel has no seccomp");
    }
    landlock.is_some() && seccomp
}

#[test]
fn a_decoder_that_was_taken_over_opens_no_other_file_and_starts_nothing() {
    has_both();
    let Some(host) = Host::new() else { return };
    let keys = host.seal_keys();
    fs::write(host.path("indicators"), "evil.exe\n").expect("a list");
    host.run(&["prove", "--from", "medium", "chart/letter.doc", "--out", "proof"]);
    let verified = String::from_utf8(host.run(&["--json", "verify", "medium"]).stdout).expect("text");
    let verified: serde_json::Value = serde_json::from_str(&verified).expect("JSON");
    let code = verified["result"]["generations"][0]["check_code"].as_str().expect("a code").to_owned();
    let medium = host.path("medium").join("AZEKURA");
    let medium = if medium.exists() { medium } else { host.path("medium") };
    let time = Path::new("/proc/self/status");
    let commands: &[(&[&str], &Path, bool)] = &[
        (&["verify", "medium"], &medium, false),
        (&["media", "scrub", "medium"], &medium, false),
        (&["generations", "medium"], &medium, false),
        (&["generations", "--clean", "medium", "--ioc", "indicators"], &medium, false),
        (&["find", "--from", "medium", "*.doc"], &medium, false),
        (&["diff", "--from", "medium", "1", "1"], &medium, false),
        (&["keys", "rehearse", "medium"], &medium, false),
        (&["prove", "--from", "medium", "chart/letter.doc", "--out", "2nd"], &medium, false),
        (&["restore", "--from", "medium", "--dry-run"], &medium, false),
        (&["restore", "--from", "medium", "--to", "to/1"], &medium, true),
        (&["restore", "--from", "medium", "--to", "to/2", "--privileged", "--scan", "true"], &host.path("to/2"), true),
        (&["check-proof", "proof", "--expect", &code, "--record", "chart/letter.doc"], time, false),
    ];
    for (arguments, allowed, restores) in commands {
        let threads = host.intrude(host.command(arguments), &keys, allowed);
        assert_refused(&threads, &arguments.join(" "), *restores);
    }
    assert_eq!(fs::read(host.path("to/2/chart/letter.doc")).expect("the letter"), b"a letter");
    // Nobody can bring another medium: what lies beside this one is out of reach.
    let threads = host.intrude(host.command(&["verify", "medium"]), &host.path("chart/letter.doc"), &medium);
    assert_refused(&threads, "verify beside", false);
}

/// Somebody sits at the terminal, and could bring the next medium to the same place.
#[test]
fn what_lies_beside_a_medium_is_out_of_reach_while_a_person_may_bring_another() {
    has_both();
    let Some(host) = Host::new() else { return };
    let medium = host.path("medium/AZEKURA");
    let with_person = |arguments: &[&str]| {
        let mut command = host.command(arguments);
        command.stdin(Stdio::piped());
        command
    };
    let threads = host.intrude(with_person(&["verify", "medium"]), &host.path("chart/letter.doc"), &medium);
    assert_refused(&threads, "verify beside", false);
    // In a folder that has nothing else, the next medium can appear.
    fs::create_dir(host.path("alone")).expect("a folder");
    fs::rename(host.path("medium"), host.path("alone/medium")).expect("moved");
    let threads = host.intrude(with_person(&["verify", "alone/medium"]), &host.path("chart/letter.doc"), &host.path("alone"));
    assert_refused(&threads, "verify alone", false);
}

#[test]
fn a_session_is_read_and_recorded_in_the_cage() {
    has_both();
    let Some(host) = Host::new() else { return };
    host.run(&["evidence", "start", "--from", "medium", "--to", "session", "--by", "A", "--witness", "B", "--place", "here"]);
    let session = host.path("session");
    let recorded = |arguments: &[&str]| {
        let mut command = host.command(arguments);
        command.env("AZEKURA_EVIDENCE", &session);
        command
    };
    // What was recorded before cannot be overwritten by whoever reads a medium or the session.
    let (medium, record) = (host.path("medium/AZEKURA"), session.join("record.jsonl"));
    for arguments in [&["verify", "medium"][..], &["restore", "--from", "medium", "--to", "to"]] {
        let threads = host.intrude_to_write(recorded(arguments), &host.seal_keys(), &record, &medium);
        assert_refused(&threads, &arguments.join(" "), arguments[0] == "restore");
    }
    let report = ["report", "incident", "--session", "session", "--out", "page.html"];
    assert_refused(&host.intrude(host.command(&report), &host.seal_keys(), &session), "report", false);
    assert!(fs::read_to_string(host.path("page.html")).expect("the page").contains("<html"));
    // The page stays, and one that exists is not overwritten.
    let again = host.command(&report).output().expect("the program");
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("page.html"), "{again:?}");
    let itself = recorded(&["report", "incident", "--out", "2.html"]);
    assert_refused(&host.intrude_to_write(itself, &host.seal_keys(), &record, &session), "report of itself", false);
    let kept = fs::read_dir(session.join("reports")).expect("reports").count();
    assert_eq!(kept, 1);
    host.run(&["evidence", "check", "session"]);
}

/// A small system, or a container, in which `/proc` is not mounted.
#[test]
fn without_proc_a_proof_is_written_and_a_pipe_has_its_time() {
    let Some(host) = Host::new() else { return };
    let pipe = host.path("chart/pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).expect("a pipe");
    let link = host.path("chart/link");
    std::os::unix::fs::symlink("letter.doc", &link).expect("a link");
    for path in [&pipe, &link] {
        let touched = Command::new("touch").args(["-h", "-d", "2001-02-03T04:05:06Z"]).arg(path).status();
        assert!(touched.expect("touch").success());
    }
    host.run(&["backup", "--to", "medium", "chart"]);
    let program = env!("CARGO_BIN_EXE_azekura");
    let script = format!(
        "umount -l /proc && [ ! -e /proc/self ] || exit 99
         {program} prove --from medium chart/letter.doc --out proof && {program} restore --from medium --to to &&
         {program} evidence start --from medium --to session --by A --witness B --place here &&
         AZEKURA_EVIDENCE=$PWD/session {program} verify medium"
    );
    let mut command = Command::new("unshare");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(host.dir.path());
    command.env("AZEKURA_STATE", host.path("state")).env("AZEKURA_IDENTITY", host.path("azekura-recovery-key.txt"));
    let output = command.args(["--mount", "sh", "-c", &script]).stdin(Stdio::null()).output();
    let Some(output) = output.ok().filter(|o| is_root() && o.status.code() != Some(99)) else {
        return skipped("without /proc: it cannot be unmounted here");
    };
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(host.path("proof").exists());
    for name in ["pipe", "link"] {
        let restored = fs::symlink_metadata(host.path("to/chart").join(name)).expect("an entry").modified().expect("a time");
        assert_eq!(restored.duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs(), 981_173_106, "{name}");
    }
    host.run(&["evidence", "check", "session"]);
}

/// The folder is made before the cage is entered, so before anybody knows whether there is something to restore.
#[test]
fn no_folder_stays_that_nothing_was_restored_to() {
    let Some(host) = Host::new() else { return };
    let restore = |options: &[&str]| {
        let arguments = [&["restore", "--from", "medium", "--to", "deep/er/to"], options].concat();
        host.command(&arguments).output().expect("the program").status.code()
    };
    assert_eq!(restore(&["--expect", "0000-0000-0000-0000"]), Some(5));
    assert!(!host.path("deep").exists());
    fs::create_dir(host.path("deep")).expect("a folder");
    assert_eq!(restore(&["--generation", "2"]), Some(2));
    assert_eq!(fs::read_dir(host.path("deep")).expect("the folder").count(), 0);
    assert_eq!(restore(&[]), Some(0));
    assert!(host.path("deep/er/to/chart/letter.doc").exists());
}

/// No file can be made beside the ledger: what shows that its end is missing is overwritten.
#[test]
fn the_ledger_is_kept_in_the_cage() {
    let Some(host) = Host::new() else { return };
    for _ in 0..3 {
        host.run(&["media", "scrub", "medium"]);
    }
    let ledger = fs::read_to_string(host.path("state/ledger.jsonl")).expect("the ledger");
    let end = fs::read_to_string(host.path("state/ledger.end")).expect("its end");
    let last: serde_json::Value = serde_json::from_str(ledger.lines().last().expect("a line")).expect("JSON");
    let end: serde_json::Value = serde_json::from_str(&end).expect("JSON");
    assert_eq!((&end["line"], &end["chain"]), (&last["line"], &last["chain"]), "{ledger}");
    host.run(&["media", "list"]);
    // What SQLite leaves beside the catalog is taken over by the next run.
    fs::write(host.path("chart/second.doc"), b"another").expect("a file");
    host.run(&["backup", "--to", "medium", "chart"]);
    assert!(!host.path("state/catalog.sqlite-wal").exists());
    host.run(&["verify", "medium"]);
}

#[test]
fn version_says_what_the_kernel_has() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_azekura")).env_clear().args(arguments).output().expect("the program");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(run(&["version"]), format!("azekura {}\n", env!("CARGO_PKG_VERSION")));
    let walls = cage::tried();
    let document: serde_json::Value = serde_json::from_str(&run(&["version", "--verbose", "--json"])).expect("JSON");
    assert_eq!(document["result"]["cage"]["landlock"].as_u64(), walls.landlock.map(u64::from));
    assert_eq!(document["result"]["cage"]["seccomp"].as_bool(), Some(walls.seccomp));
    let said = run(&["--lang", "en", "version", "--verbose"]);
    let expected = walls.landlock.map_or_else(|| "no Landlock".into(), |abi| format!("Landlock ABI {abi}"));
    assert!(said.contains(&expected), "{said}");
}

/// Runs a test of this program that enters a cage, in a process of its own.
#[track_caller]
fn in_child(test: &str, folder: &Path) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let output = command.args(["--exact", test, "--ignored", "--nocapture"]).env("CAGED", folder).output().expect("a child");
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

#[test]
fn within_the_cage_there_is_what_was_asked_for_and_nothing_else() {
    if !has_both() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    for folder in ["read/deep", "target/inner", "session", "other"] {
        fs::create_dir_all(dir.path().join(folder)).expect("a folder");
    }
    for file in ["read/deep/file", "used", "other/file", "session/old"] {
        fs::write(dir.path().join(file), file).expect("a file");
    }
    in_child("caged", dir.path());
    assert_eq!(fs::read(dir.path().join("used")).expect("a file"), b"new");
    assert_eq!(fs::read(dir.path().join("other/file")).expect("a file"), b"other/file");
}

#[test]
#[ignore = "run in a process of its own by within_the_cage_there_is_what_was_asked_for_and_nothing_else"]
fn caged() {
    let dir = PathBuf::from(std::env::var_os("CAGED").expect("the folder"));
    let at = |name: &str| dir.join(name);
    let is = |done: io::Result<()>| done.map_err(|e| e.raw_os_error().unwrap_or(0));
    let cage = Cage::new().reads(&at("read")).uses(&at("used")).adds_to(&at("session")).restores_to(&at("target"), is_root());
    let walls = cage.reads(&at("nowhere")).enter();
    assert!(walls.landlock.is_some() && walls.seccomp, "{walls:?}");
    let read = |name: &str| is(fs::File::open(at(name)).map(drop));
    let write = |name: &str| is(fs::File::options().write(true).open(at(name)).map(drop));
    let make = |name: &str| is(fs::File::create_new(at(name)).and_then(|mut f| f.write_all(b"new")));
    // To read.
    assert_eq!((read("read/deep/file"), read("read")), (Ok(()), Ok(())));
    assert_eq!((write("read/deep/file"), make("read/new")), (Err(EACCES), Err(EACCES)));
    assert_eq!((read("other/file"), read("other"), write("other/file")), (Err(EACCES), Err(EACCES), Err(EACCES)));
    assert_eq!(is(fs::remove_file(at("other/file"))), Err(EACCES));
    // One file.
    assert_eq!(is(fs::write(at("used"), "new")), Ok(()));
    assert_eq!(is(fs::rename(at("used"), at("other/used"))), Err(EACCES));
    // To add to.
    assert_eq!((make("session/new"), write("session/old"), is(fs::create_dir(at("session/folder")))), (Ok(()), Ok(()), Ok(())));
    assert_eq!(is(fs::remove_file(at("session/old"))), Err(EACCES));
    // To restore to: everything that entries are made of.
    assert_eq!(make("target/a"), Ok(()));
    assert_eq!(is(fs::hard_link(at("target/a"), at("target/inner/b"))), Ok(()));
    assert_eq!(is(std::os::unix::fs::symlink("/etc/shadow", at("target/link"))), Ok(()));
    assert_eq!(read("target/link"), Err(EACCES));
    assert_eq!(is(fs::set_permissions(at("target/a"), fs::metadata(at("target/a")).expect("it").permissions())), Ok(()));
    let pipe = rustix::fs::mkfifoat(rustix::fs::CWD, at("target/pipe"), rustix::fs::Mode::RUSR);
    assert_eq!(pipe, Ok(()));
    assert_eq!(is(fs::remove_file(at("target/inner/b"))), Ok(()));
    assert_eq!(is(fs::hard_link(at("target/a"), at("other/a"))), Err(EACCES));
    // Programs and sockets.
    let program = Command::new(OsStr::from_bytes(b"true")).status();
    assert_eq!(program.map(drop).map_err(|e| e.raw_os_error()), Err(Some(EPERM)));
    assert_eq!(is(std::os::unix::net::UnixStream::pair().map(drop)), Err(EPERM));
    assert_eq!(is(std::net::TcpStream::connect("127.0.0.1:1").map(drop)), Err(EPERM));
    // Threads are still made, and are in the cage.
    let thread = std::thread::spawn(move || fs::File::open("/etc/passwd").is_err());
    assert!(thread.join().expect("a thread"));
}
