//! A scanner on what was restored: it may find something, fail, hang on to its output or not exist; the restore is told all the same.

mod machine;

use azekura::format::object::hex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn azekura(home: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
    command.env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap()).current_dir(home);
    let output = command.env("AZEKURA_STATE", home.join("state")).arg("--json").args(arguments).output().unwrap();
    let document = serde_json::from_slice(&output.stdout);
    (output.status.code(), document.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
}

/// A night with one file of these bytes.
fn night(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    // Not `/tmp`, which is often memory: nothing on it is read back from a medium.
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let home = dir.path().to_owned();
    for folder in ["chart", "medium"] {
        std::fs::create_dir(home.join(folder)).unwrap();
    }
    std::fs::write(home.join("chart/letter.doc"), content).unwrap();
    assert_eq!(azekura(&home, &["backup", "--to", "medium", "--init", "chart"]).0, Some(0));
    (dir, home)
}

fn scanned(home: &Path, to: &str, scanner: &str) -> (Option<i32>, Value) {
    let options = ["--identity", "azekura-recovery-key.txt", "--to", to, "--scan", scanner];
    let (code, document) = azekura(home, &[&["restore", "--from", "medium"], &options[..]].concat());
    assert_eq!(document["result"]["files"], 1, "the restore is told: {document:#}");
    (code, document["result"]["scan"].clone())
}

#[test]
fn only_a_scanner_that_ended_well_and_found_nothing_makes_it_clean() {
    let (_dir, home) = night(b"a letter");
    let script = |name: &str, body: &str| {
        let path = home.join(name);
        let version = "case \"$*\" in *--version) echo \"Fake 1.2/345/Mon Nov 23 2026\"; exit 0;; esac";
        std::fs::write(&path, format!("#!/bin/sh\n{version}\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    // Quotes divide words; the folder is the last one.
    script("clean scanner", "[ \"$1\" = 'two words' ] && [ -f \"$2/chart/letter.doc\" ] && echo summary");
    let (code, scan) = scanned(&home, "1", "'./clean scanner' 'two words'");
    assert_eq!((code, &scan["result"], &scan["exit_code"]), (Some(0), &"clean".into(), &0.into()), "{scan:#}");
    assert_eq!((&scan["engine"], &scan["signatures"]), (&"Fake 1.2".into(), &"345".into()));
    assert_eq!((&scan["signature_date"], &scan["output"]), (&"Mon Nov 23 2026".into(), &"summary\n".into()));

    script("finds", "for i in 1 2 3; do echo \"$1/a: b/$i: Evil.Thing-$i FOUND\"; done; exit 1");
    let (code, scan) = scanned(&home, "2", "./finds");
    assert_eq!((code, &scan["result"], &scan["found_count"]), (Some(5), &"found".into(), &3.into()), "{scan:#}");
    assert_eq!(scan["found"][1]["name"], "Evil.Thing-2");
    assert!(scan["found"][1]["path"].as_str().unwrap().ends_with("/2/a: b/2"), "{scan:#}");
    // A wrapper that loses the exit code, and one that fails after it has found something.
    script("loses", "echo \"$1/x: Evil FOUND\"; exit 0");
    let (code, scan) = scanned(&home, "3", "./loses");
    assert_eq!((code, &scan["result"]), (Some(5), &"found".into()));
    script("breaks", "echo \"$1/x: Evil FOUND\"; exit 2");
    let (code, scan) = scanned(&home, "4", "./breaks");
    assert_eq!((code, &scan["result"]), (Some(5), &"failed".into()));

    script("fails", "echo LibClamAV Error >&2; exit 2");
    let (code, scan) = scanned(&home, "5", "./fails");
    assert_eq!((code, &scan["result"], &scan["exit_code"]), (Some(1), &"failed".into(), &2.into()));
    assert!(scan["output"].as_str().unwrap().contains("LibClamAV Error"));
    script("killed", "kill -9 $$");
    assert_eq!(scanned(&home, "6", "./killed").1["result"], "failed");
    let (code, scan) = scanned(&home, "7", "/nowhere/clamscan");
    assert_eq!((code, &scan["result"], &scan["engine"]), (Some(1), &"failed".into(), &Value::Null), "{scan:#}");
    // It leaves somebody behind who holds its output, and writes more than anybody wants to keep.
    script("leaves", "sleep 60 & head -c 3000000 /dev/zero | tr '\\0' x; exit 0");
    let (code, scan) = scanned(&home, "8", "./leaves");
    assert_eq!((code, &scan["result"]), (Some(0), &"clean".into()));
    assert!(scan["output"].as_str().unwrap().len() <= 16 << 10);
    // What it wrote last is there, however much of it is still on its way.
    script("ends", "head -c 60000 /dev/zero | tr '\\0' x; echo; echo \"$1/x: Evil FOUND\"; exit 1");
    let (code, scan) = scanned(&home, "11", "./ends");
    assert_eq!((code, &scan["found_count"]), (Some(5), &1.into()));
    // Or somebody who never stops writing.
    script("leaves more", "yes & yes & exit 0");
    let (code, scan) = scanned(&home, "9", "'./leaves more'");
    assert_eq!((code, &scan["result"]), (Some(0), &"clean".into()));
    let usage = ["restore", "--from", "medium", "--to", "10", "--scan", "'open"];
    assert_eq!(azekura(&home, &usage).0, Some(2));
}

/// What takes hostile files apart could be made to do anything: it reads what was restored, and changes nothing.
#[test]
fn the_scanner_of_root_is_nobody() {
    if !machine::is_root() {
        return machine::skipped("a scanner of root's: this is not root");
    }
    let (_dir, home) = night(b"a letter");
    let script =
        "#!/bin/sh\nid -u; chmod 777 \"$1\" && exit 2; (: > \"$1/chart/letter.doc\") && exit 2\ncat \"$1/chart/letter.doc\"\n";
    std::fs::write(home.join("looks"), script).unwrap();
    std::fs::set_permissions(home.join("looks"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(home.join("chart/letter.doc"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(azekura(&home, &["backup", "--to", "medium", "chart"]).0, Some(0));
    let (code, scan) = scanned(&home, "back", "./looks");
    let said = scan["output"].as_str().unwrap();
    assert!(said.contains("65534\n") && said.ends_with("a letter"), "{scan:#}");
    assert_eq!((code, &scan["result"]), (Some(0), &"clean".into()), "{scan:#}");
}

/// It takes hours, and somebody needs the drive.
#[test]
fn a_scan_that_is_broken_off_is_ended_and_never_clean() {
    let (_dir, home) = night(b"a letter");
    let scanner = home.join("waits");
    // Without its input it would not wait; and what it has seen so far was clean.
    let body = "case \"$*\" in *--version) cat; exit 0;; esac; cat; echo \"$1/a: OK\"; cd own; echo $$ > pid.new; mv pid.new pid; exec sleep 600";
    // As root's it runs as nobody, and writes only where everybody may.
    std::fs::create_dir(home.join("own")).unwrap();
    std::fs::set_permissions(home.join("own"), std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::write(&scanner, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&scanner, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
    command.env_clear().env("HOME", &home).env("PATH", std::env::var_os("PATH").unwrap()).current_dir(&home);
    command.env("AZEKURA_STATE", home.join("state")).args(["--json", "restore", "--from", "medium", "--to", "back"]);
    command.args(["--identity", "azekura-recovery-key.txt", "--scan", "./waits"]);
    let run = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (pid, began) = (home.join("own/pid"), Instant::now());
    while !pid.exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "it waits for somebody's input");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Not INT, which whoever runs the tests in the background may ignore, and the program with them.
    kill_process(Pid::from_child(&run), Signal::TERM).unwrap();
    let output = run.wait_with_output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let scan = &document["result"]["scan"];
    assert_eq!((output.status.code(), &document["result"]["files"]), (Some(130), &1.into()), "{document:#}");
    assert_eq!((&scan["result"], &scan["interrupted"], &scan["exit_code"]), (&"failed".into(), &true.into(), &Value::Null));
    let process = format!("/proc/{}", std::fs::read_to_string(pid).unwrap().trim());
    assert!(!Path::new(&process).exists(), "the scanner goes on");
}

/// The real one, with a signature of the test's own. The test string never stands whole in a file of this project: scanners would take the
/// project for infected.
#[test]
fn clamav_finds_its_test_file() {
    if !Command::new("clamscan").arg("--version").output().is_ok_and(|o| o.status.success()) {
        machine::skipped("ClamAV and its test file: clamscan is missing");
        return;
    }
    let test = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat();
    for (content, code, result) in [(test.as_bytes(), 5, "found"), (b"a letter", 0, "clean")] {
        let (_dir, home) = night(content);
        std::fs::write(home.join("own.hdb"), "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test-Signature\n").unwrap();
        let (exit, scan) = scanned(&home, "back", "clamscan --recursive --database own.hdb");
        assert_eq!((exit, &scan["result"]), (Some(code), &result.into()), "{scan:#}");
        assert!(scan["engine"].as_str().unwrap().starts_with("ClamAV "), "{scan:#}");
        if code == 5 {
            assert!(scan["found"][0]["path"].as_str().unwrap().ends_with("back/chart/letter.doc"), "{scan:#}");
            assert!(scan["found"][0]["name"].as_str().unwrap().starts_with("Eicar-Test-Signature"), "{scan:#}");
        }
    }
}

/// By itself ClamAV passes over a file of more than 100 MB, and says that all is well.
#[test]
fn clamav_is_made_to_look_at_everything_or_to_say_that_it_has_not() {
    if !Command::new("clamscan").arg("--version").output().is_ok_and(|o| o.status.success()) {
        machine::skipped("ClamAV and a large file: clamscan is missing");
        return;
    }
    let content = vec![b'x'; 105_000_000];
    let (_dir, home) = night(&content);
    let digest = hex(&Sha256::digest(&content));
    std::fs::write(home.join("own.hsb"), format!("{digest}:{}:Known-Large\n", content.len())).unwrap();
    let (exit, scan) = scanned(&home, "back", "clamscan --recursive --database own.hsb");
    assert_eq!((exit, &scan["result"], &scan["found_count"]), (Some(5), &"found".into(), &1.into()), "{scan:#}");
    // With a limit of the user's own, it is told that the file was not looked at.
    let (exit, scan) = scanned(&home, "again", "clamscan --recursive --max-filesize=1M --database own.hsb");
    assert_eq!((exit, &scan["result"], &scan["skipped_count"]), (Some(1), &"skipped".into(), &1.into()), "{scan:#}");
    assert_eq!(scan["found_count"], 0);
}
