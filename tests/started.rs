//! However the program is started, by a shell, `nohup`, cron or a service manager: what it makes has fixed modes, it can
//! be ended, and nothing of it is written where something else belongs.

mod machine;

use machine::{is_root, skipped};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["medium", "chart"] {
            fs::create_dir(dir.path().join(name)).expect("a folder");
        }
        fs::write(dir.path().join("chart/a"), "a").expect("a file");
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A line of the shell; `$AZ` is the program with this host's files.
    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(self.dir.path());
        command.env("HOME", self.dir.path()).env("AZEKURA_STATE", self.path("state"));
        command.env("AZ", format!("{} --config config/config.toml", env!("CARGO_BIN_EXE_azekura")));
        command.args(["-c", line]).stdin(Stdio::null());
        command
    }

    fn output(&self, line: &str) -> Output {
        self.shell(line).output().expect("the shell")
    }

    #[track_caller]
    fn run(&self, line: &str) -> Output {
        let out = self.output(line);
        assert_eq!(out.status.code(), Some(0), "{line}: {out:?}");
        out
    }

    #[track_caller]
    fn assert_ends(&self, mut child: Child, what: &str) {
        let sent = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("a status") {
                break status;
            }
            if sent.elapsed() > Duration::from_secs(60) {
                child.kill().expect("a signal");
                panic!("{what} goes on");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(status.code(), Some(130), "{what}");
        assert!(sent.elapsed() < Duration::from_secs(3), "{what} took {:?}", sent.elapsed());
    }

    fn wait_for(&self, name: &str) {
        let begun = Instant::now();
        while !self.path(name).exists() {
            assert!(begun.elapsed() < Duration::from_secs(60), "no {name}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap_or_else(|e| panic!("{path:?}: {e}")).mode() & 0o7777
}

#[test]
fn what_the_program_makes_has_fixed_modes_whatever_the_umask_is() {
    for umask in ["0", "0022", "0777"] {
        let host = Host::new();
        for line in [
            "$AZ init --to medium --identity-out key.txt chart",
            "$AZ backup --init",
            "$AZ backup",
            "$AZ keys sheet --out sheet.html --identity key.txt",
            "$AZ prove chart/a --from medium --out proof --identity key.txt",
            "$AZ restore --from medium --to restored --identity key.txt",
        ] {
            host.run(&format!("umask {umask}; {line}"));
        }
        assert_eq!(mode(&host.path("config/config.toml")) & !0o044, 0o600, "{umask}");
        assert_eq!(mode(&host.path("config")) & !0o055, 0o700, "{umask}");
        for name in ["key.txt", "proof", "sheet.html"] {
            assert_eq!(mode(&host.path(name)), 0o600, "{umask}: {name}");
        }
        for entry in walkdir::WalkDir::new(host.path("state")) {
            let entry = entry.expect("an entry");
            let expected = if entry.file_type().is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(entry.path()), expected, "{umask}: {:?}", entry.path());
        }
        for entry in walkdir::WalkDir::new(host.path("medium/AZEKURA")) {
            let entry = entry.expect("an entry");
            match entry.file_type().is_dir() {
                true => assert_eq!(mode(entry.path()) & !0o055, 0o700, "{umask}: {:?}", entry.path()),
                false => assert_eq!(mode(entry.path()), 0o444, "{umask}: {:?}", entry.path()),
            }
        }
        // Modes of what was backed up are not the umask's business.
        let restored = host.path("restored/chart/a");
        assert_eq!(mode(&restored), mode(&host.path("chart/a")), "{umask}");
    }
}

#[test]
fn sigterm_is_obeyed_even_where_it_was_ignored() {
    let host = Host::new();
    host.run("$AZ init --to medium --identity-out key.txt chart");
    let slow = "$AZ backup --init --stdin-from-command --stdin-name dump -- sh -c 'echo > begun; exec sleep 600'";
    for ignored in ["TERM", "TERM INT HUP PIPE QUIT USR1 USR2 CHLD ALRM"] {
        let _ = fs::remove_file(host.path("begun"));
        let child = host.shell(&format!("trap '' {ignored}; exec {slow}")).stderr(Stdio::null()).spawn().expect("the shell");
        host.wait_for("begun");
        kill_process(Pid::from_child(&child), Signal::TERM).expect("a signal");
        host.assert_ends(child, ignored);
    }
}

/// `nohup azekura backup &` goes on when the terminal is closed.
#[test]
fn a_hangup_that_is_ignored_ends_nothing() {
    let host = Host::new();
    host.run("$AZ init --to medium --identity-out key.txt chart");
    let line = |seconds: u32| {
        format!("$AZ backup --init --stdin-from-command --stdin-name dump -- sh -c 'echo > begun; sleep {seconds}; echo dump'")
    };
    let signals = [("HUP", Signal::HUP), ("INT", Signal::INT)];
    for (name, signal) in signals {
        let _ = fs::remove_file(host.path("begun"));
        let mut child =
            host.shell(&format!("trap '' {name}; exec {}", line(1))).stderr(Stdio::null()).spawn().expect("the shell");
        host.wait_for("begun");
        kill_process(Pid::from_child(&child), signal).expect("a signal");
        assert_eq!(child.wait().expect("a status").code(), Some(0), "{name}");
    }
    for (name, signal) in signals {
        let _ = fs::remove_file(host.path("begun"));
        // So long that it is still there, however busy the machine is.
        // Whoever runs the tests in the background may ignore it, too.
        let line = format!("exec env --default-signal={name} {}", line(50));
        let child = host.shell(&line).stderr(Stdio::null()).spawn().expect("the shell");
        host.wait_for("begun");
        kill_process(Pid::from_child(&child), signal).expect("a signal");
        host.assert_ends(child, name);
    }
}

/// A shell that is ended leaves what it has started behind, unless somebody ends that, too.
#[test]
fn what_a_command_has_started_ends_with_it() {
    let host = Host::new();
    host.run("$AZ init --to medium --identity-out key.txt chart");
    let command = "sleep 600 & echo $! > new; mv new begun; echo dump; wait";
    let line = format!("exec $AZ backup --init --stdin-from-command --stdin-name dump -- sh -c '{command}'");
    let child = host.shell(&line).stderr(Stdio::null()).spawn().expect("the shell");
    host.wait_for("begun");
    let started: u32 = fs::read_to_string(host.path("begun")).expect("a number").trim().parse().expect("a number");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("a signal");
    host.assert_ends(child, "a shell with a child");
    // What has ended may wait for somebody to ask how.
    let state = fs::read_to_string(format!("/proc/{started}/stat"));
    let runs = state.is_ok_and(|s| s.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X'])));
    if fs::File::open("/dev/tty").is_ok() {
        return skipped("what a command has started: at a terminal Ctrl-C ends it");
    }
    assert!(!runs, "{started} goes on");
}

/// A parent that ignores SIGCHLD leaves that to its children, and the kernel then forgets how a program ended.
#[test]
fn a_command_that_fails_is_seen_where_sigchld_is_ignored() {
    let host = Host::new();
    host.run("$AZ init --to medium --identity-out key.txt chart");
    let backup = |command: &str| {
        let line = "exec $AZ backup --init --stdin-from-command --stdin-name dump -- sh -c";
        host.output(&format!("trap '' CHLD; {line} '{command}'")).status.code()
    };
    assert_eq!(backup("echo dump"), Some(0));
    assert_eq!(backup("echo dump; exit 3"), Some(1));
}

#[test]
fn a_closed_descriptor_never_becomes_a_file_of_the_medium() {
    let host = Host::new();
    host.run("$AZ init --to medium --identity-out key.txt chart");
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        host.run(&format!("$AZ backup --init {closed}"));
        host.run(&format!("$AZ generations medium --identity key.txt {closed}"));
        host.run(&format!("$AZ restore --from medium --to restored --identity key.txt {closed}"));
        fs::remove_dir_all(host.path("restored")).expect("a folder");
    }
    host.run("$AZ verify medium");
    // The reader has all that it wanted.
    for command in ["generations medium --identity key.txt", "--help", "find a --from medium --identity key.txt", "reference"] {
        let out = host.run(&format!("{{ $AZ {command}; echo $? >&2; }} | head -c 1"));
        assert_eq!(String::from_utf8_lossy(&out.stderr).lines().last(), Some("0"), "{command}");
        assert!(!String::from_utf8_lossy(&out.stderr).contains("ipe"), "{command}: {out:?}");
    }
    let sealed = host.output("$AZ backup --init >/dev/full");
    assert_eq!(sealed.status.code(), Some(8), "{sealed:?}");
}

/// Whoever may change root's configuration runs commands as root, and whoever may change its state forges seals.
#[test]
fn root_trusts_no_file_that_others_may_change() {
    if !is_root() {
        return skipped("root's configuration: only root has one");
    }
    let host = Host::new();
    host.run("$AZ init --to medium --identity-out key.txt chart");
    host.run("$AZ backup --init");
    let (config, state) = (host.path("config/config.toml"), host.path("state"));
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    let set_owner = |path: &Path, uid| std::os::unix::fs::chown(path, Some(uid), None).expect("an owner");
    for path in [&config, &state] {
        // Above it, too: whoever may write there can put another in its place.
        let above = path.parent().expect("a folder");
        for path in [path, above] {
            let good = mode(path);
            for bad in [good | 0o020, good | 0o002] {
                set_mode(path, bad);
                assert_refused(&host, path, &["chmod go-w"], &["chown"]);
                set_mode(path, good);
            }
            set_owner(path, 1234);
            assert_refused(&host, path, &["chown root"], &["chmod"]);
            set_mode(path, good | 0o020);
            assert_refused(&host, path, &["chown root", "chmod go-w"], &[]);
            set_mode(path, good);
            set_owner(path, 0);
        }
        // What root has in a folder like /tmp is nobody else's to replace.
        let good = mode(above);
        set_mode(above, 0o1777);
        host.run("$AZ backup");
        set_mode(above, good);
    }
    let link = host.path("config/link.toml");
    std::os::unix::fs::symlink("config.toml", &link).expect("a link");
    host.run("${AZ%% *} --config config/link.toml status || [ $? -ne 2 ]");
    std::os::unix::fs::lchown(&link, Some(1234), None).expect("an owner");
    let out = host.output("${AZ%% *} --lang en --config config/link.toml status");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(2) && said.contains("chown -h root"), "{said}");
}

/// A disk that root began, read by somebody else: the hint names the folder that is closed, and whose it is.
#[test]
fn a_disk_that_root_began_is_roots() {
    if !is_root() {
        return skipped("a disk that root began: only root begins one");
    }
    let host = Host::new();
    host.run("$AZ init --to medium --identity-out key.txt chart; $AZ backup --init");
    fs::copy(env!("CARGO_BIN_EXE_azekura"), host.path("azekura")).expect("a copy");
    for name in [".", "medium", "azekura"] {
        fs::set_permissions(host.path(name), fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    let out = host.output("setpriv --reuid 65534 --regid 65534 --clear-groups ./azekura --lang en verify medium");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let closed = host.path("medium/AZEKURA");
    assert_eq!(out.status.code(), Some(6), "{said}");
    assert!(said.contains(&format!("Hint: {} belongs to user number 0, and you are number 65534.", closed.display())), "{said}");
}

#[track_caller]
fn assert_refused(host: &Host, path: &Path, does: &[&str], does_not: &[&str]) {
    let out = host.output("$AZ --lang en backup");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{path:?}: {said}");
    assert!(said.contains(path.to_str().expect("UTF-8")), "{path:?}: {said}");
    assert!(does.iter().all(|word| said.contains(word)) && !does_not.iter().any(|word| said.contains(word)), "{path:?}: {said}");
}
