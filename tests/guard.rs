//! An ordinary user of the backup host: what he can change, swap or keep busy does not make root read, run or overwrite anything of his
//! choice, and does not keep the disk.

mod machine;

use machine::{is_root, skipped};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Nobody.
const USER: u32 = 65_534;

struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    /// `None` where this is not root: then there is nobody else.
    fn new() -> Option<Self> {
        if !is_root() {
            skipped("what another user can do to root: this is not root");
            return None;
        }
        let dir = tempfile::tempdir_in("/var/tmp").expect("a folder");
        mode(dir.path(), 0o755);
        let host = Self { dir };
        for folder in ["chart", "disk"] {
            fs::create_dir(host.path(folder)).expect("a folder");
        }
        fs::write(host.path("chart/a"), "a letter").expect("a file");
        Some(host)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn program(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        command.env_clear().env("HOME", self.dir.path()).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("AZEKURA_STATE", self.path("state")).current_dir(self.dir.path()).stdin(Stdio::null());
        command.arg("--config").arg(self.path("config.toml")).args(arguments);
        command
    }

    fn json(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let output = self.program(&[&["--json"], arguments].concat());
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code(), document)
    }

    /// With a configuration that names nothing.
    fn configured(self) -> Self {
        fs::write(self.path("config.toml"), "set = \"clinic\"\n").expect("a file");
        self
    }

    #[track_caller]
    fn backup(&self, arguments: &[&str], exit: i32) -> Value {
        let (code, document) = self.json(&[&["backup", "--to", "disk", "--init"], arguments].concat());
        assert_eq!(code, Some(exit), "{document:#}");
        document["result"].clone()
    }

    /// A shell's command as the other user.
    fn as_user(&self, line: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.dir.path()).uid(USER).gid(USER).stdin(Stdio::null());
        command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("a shell")
    }

    fn user_can(&self, line: &str) -> bool {
        self.as_user(line).wait().expect("a status").success()
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

fn kinds(findings: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let found = findings.as_array().cloned().unwrap_or_default();
    found.iter().map(|f| (text(&f["kind"]), text(&f["path"]))).collect()
}

const KEY: &str = "azekura-recovery-key.txt";

#[test]
fn root_restores_to_no_folder_of_another_user() {
    let Some(host) = Host::new().map(Host::configured) else { return };
    host.backup(&["chart"], 0);
    fs::create_dir(host.path("home")).expect("a folder");
    chown(host.path("home"), Some(USER), None).expect("an owner");
    symlink("restored", host.path("link")).expect("a link");
    lchown(host.path("link"), Some(USER), None).expect("an owner");
    for (to, named) in [("home", "home"), ("home/restored", "home"), ("link", "link")] {
        let restored = host.program(&["restore", "--from", "disk", "--identity", KEY, "--to", to]);
        let said = String::from_utf8_lossy(&restored.stderr).into_owned();
        assert_eq!(restored.status.code(), Some(2), "{to}: {said}");
        assert!(said.contains(&host.path(named).display().to_string()) && said.contains("without sudo"), "{to}: {said}");
    }
    assert_eq!(fs::read_dir(host.path("home")).expect("a folder").count(), 0);
    // Whoever owns the folder may.
    let key = fs::read(host.path(KEY)).expect("a key");
    fs::write(host.path("home/key"), key).expect("a key");
    chown(host.path("home/key"), Some(USER), None).expect("an owner");
    let medium = host.path("disk");
    for entry in walkdir::WalkDir::new(&medium) {
        chown(entry.expect("an entry").path(), Some(USER), None).expect("an owner");
    }
    let line = format!(
        "HOME=$PWD/home {} restore --from disk --identity home/key --to home/restored && test -f home/restored/chart/a",
        env!("CARGO_BIN_EXE_azekura")
    );
    // The program lies where this user may not look in some places.
    if host.user_can(&format!("test -x {}", env!("CARGO_BIN_EXE_azekura"))) {
        assert!(host.user_can(&line));
    }
}

#[test]
fn what_gives_rights_comes_back_only_when_asked_for() {
    let Some(host) = Host::new().map(Host::configured) else { return };
    fs::write(host.path("chart/tool"), "#!").expect("a file");
    mode(&host.path("chart/tool"), 0o4755);
    let device = rustix::fs::mknodat(
        rustix::fs::CWD,
        host.path("chart/null"),
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::RUSR,
        rustix::fs::makedev(1, 3),
    );
    let has_device = machine::tried("a device is withheld", device);
    host.backup(&["chart"], 0);
    let restore = |more: &[&str]| host.json(&[&["restore", "--from", "disk", "--identity", KEY], more].concat());
    let (code, answer) = restore(&["--to", "plain"]);
    let result = &answer["result"];
    let withheld = 1 + u64::from(has_device);
    assert_eq!((code, &result["withheld"], &result["not_restored"]), (Some(3), &withheld.into(), &0.into()), "{answer:#}");
    let mut expected = vec![("withheld".to_owned(), "chart/tool".to_owned())];
    if has_device {
        expected.insert(0, ("withheld".into(), "chart/null".into()));
    }
    assert_eq!(kinds(&result["findings"]), expected);
    assert_eq!(fs::metadata(host.path("plain/chart/tool")).expect("a file").mode() & 0o7777, 0o755);
    assert!(!host.path("plain/chart/null").exists());
    let (code, answer) = restore(&["--to", "all", "--privileged"]);
    assert_eq!((code, &answer["result"]["withheld"]), (Some(0), &0.into()), "{answer:#}");
    assert_eq!(fs::metadata(host.path("all/chart/tool")).expect("a file").mode() & 0o7777, 0o4755);
    assert_eq!(host.path("all/chart/null").exists(), has_device);
}

#[test]
fn the_medium_is_closed_to_other_users() {
    let Some(host) = Host::new().map(Host::configured) else { return };
    host.backup(&["chart"], 0);
    let sets = host.path("disk/AZEKURA");
    let set = fs::read_dir(&sets).expect("a folder").next().expect("a set").expect("a set").path();
    assert!(!host.user_can("cd disk/AZEKURA") && host.user_can("cd disk"));
    // One of an earlier version is open, and somebody has locked it.
    mode(&sets, 0o755);
    mode(&set, 0o755);
    let name = set.display().to_string();
    let mut flock = host.as_user(&format!("exec flock -s {name} sh -c 'exec sleep 60'"));
    while !fs::read_to_string("/proc/locks").expect("locks").contains(&format!(" {} ", flock.id())) {
        assert!(flock.try_wait().expect("a status").is_none(), "flock has ended");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    fs::write(host.path("chart/b"), "another").expect("a file");
    host.backup(&["chart"], 0);
    flock.kill().expect("a signal");
    flock.wait().expect("a status");
    for folder in [&sets, &set, &set.join("00000")] {
        assert_eq!(fs::metadata(folder).expect("a folder").mode() & 0o777, 0o700, "{folder:?}");
    }
}

/// A whole disk of the backup's is closed at its root, too: a working directory there would keep it from being unmounted.
#[test]
fn nobody_keeps_the_disk_from_being_unmounted() {
    let Some(host) = Host::new().map(Host::configured) else { return };
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|s| s.success())
    };
    let (image, disk) = (host.path("image").display().to_string(), host.path("disk").display().to_string());
    fs::File::create(&image).and_then(|f| f.set_len(64 << 20)).expect("an image");
    if !run("mkfs.ext4", &["-q", &image]) || !run("mount", &["-o", "loop", &image, &disk]) {
        return skipped("a disk that a user wants to keep: no file system can be mounted");
    }
    let tried = std::panic::catch_unwind(|| {
        // Used for something else as well, the root stays as it is.
        fs::write(host.path("disk/other"), "").expect("a file");
        host.backup(&["chart"], 0);
        assert!(host.user_can("cd disk") && !host.user_can("cd disk/AZEKURA"));
        fs::remove_file(host.path("disk/other")).expect("removed");
        host.backup(&["chart"], 0);
        assert!(!host.user_can("cd disk"));
    });
    assert!(run("umount", &[&disk]), "nobody uses it");
    tried.unwrap_or_else(|e| std::panic::resume_unwind(e));
}

#[test]
fn a_root_that_a_user_has_swapped_for_a_link_is_not_followed() {
    let Some(host) = Host::new().map(Host::configured) else { return };
    fs::create_dir_all(host.path("share/docs")).expect("a folder");
    fs::write(host.path("share/docs/letter"), "a letter").expect("a file");
    for path in ["share", "share/docs", "share/docs/letter"] {
        chown(host.path(path), Some(USER), None).expect("an owner");
    }
    fs::create_dir(host.path("secret")).expect("a folder");
    mode(&host.path("secret"), 0o700);
    fs::write(host.path("secret/key"), "of root").expect("a file");
    host.backup(&["share/docs", "chart"], 0);
    assert!(host.user_can("mv share/docs share/aside && ln -s ../secret share/docs"));
    for sources in [&["share/docs", "chart"][..], &["share/docs"]] {
        let result = host.backup(sources, 3);
        let found = kinds(&result["findings"]);
        assert!(found.contains(&("source-elsewhere".into(), "docs".into())), "{result:#}");
        let to = format!("restored-{}", sources.len());
        let (_, restored) = host.json(&["restore", "--from", "disk", "--identity", KEY, "--to", &to]);
        assert!(!host.path(&to).join("docs/key").exists(), "{restored:#}");
        assert_eq!(fs::read_to_string(host.path(&to).join("docs/letter")).expect("last night's"), "a letter");
    }
    // A folder above it, too.
    assert!(host.user_can("rm share/docs && mv share/aside share/docs"));
    host.backup(&["share/docs", "chart"], 0);
    fs::create_dir(host.path("secret/docs")).expect("a folder");
    let elsewhere = host.path("share");
    fs::rename(&elsewhere, host.path("real-share")).expect("renamed");
    symlink(host.path("secret"), &elsewhere).expect("a link");
    lchown(&elsewhere, Some(USER), None).expect("an owner");
    host.backup(&["share/docs", "chart"], 3);
}

#[test]
fn a_root_that_leads_elsewhere_than_last_night_waits_for_a_person() {
    let Some(host) = Host::new().map(Host::configured) else { return };
    for folder in ["one", "two"] {
        fs::create_dir(host.path(folder)).expect("a folder");
        fs::write(host.path(folder).join("f"), folder).expect("a file");
    }
    symlink("one", host.path("data")).expect("a link");
    host.backup(&["data", "chart"], 0);
    host.backup(&["data", "chart"], 0);
    fs::remove_file(host.path("data")).expect("removed");
    symlink("two", host.path("data")).expect("a link");
    for _ in 0..2 {
        let result = host.backup(&["data", "chart"], 3);
        let found = kinds(&result["findings"]);
        assert!(found.contains(&("source-elsewhere".into(), "data".into())), "{result:#}");
    }
    host.backup(&["--tag", "moved to the new disk", "data", "chart"], 0);
    host.backup(&["data", "chart"], 0);
    let (_, _) = host.json(&["restore", "--from", "disk", "--identity", KEY, "--to", "restored"]);
    assert_eq!(fs::read_to_string(host.path("restored/data/f")).expect("a file"), "two");
}

#[test]
fn root_runs_no_program_that_others_may_change() {
    let Some(host) = Host::new() else { return };
    for folder in ["theirs", "roots"] {
        fs::create_dir(host.path(folder)).expect("a folder");
        fs::write(host.path(folder).join("hook"), "#!/bin/sh\nexit 0\n").expect("a file");
        mode(&host.path(folder).join("hook"), 0o755);
    }
    chown(host.path("theirs"), Some(USER), None).expect("an owner");
    fs::write(host.path("open"), "#!/bin/sh\n").expect("a file");
    mode(&host.path("open"), 0o777);
    let at = |name: &str| host.path(name).display().to_string();
    let pool = |leave: &str| format!("[[pool]]\nname = \"p\"\nmedia = [\"a\"]\nat = \"{}\"\nleave = [\"{leave}\"]\n", at("disk"));
    let source = |key: &str, program: &str| match key {
        "command" => format!("[[source]]\nname = \"c\"\ncommand = [\"{program}\"]\n"),
        _ => format!("[[source]]\nname = \"c\"\ncommand = [\"true\"]\ncheck = [\"{program}\"]\n"),
    };
    for program in [at("theirs/hook"), at("open"), "./open".into()] {
        for text in
            [format!("loader = [\"{program}\"]\n"), pool(&program), source("command", &program), source("check", &program)]
        {
            fs::write(host.path("config.toml"), &text).expect("a file");
            let refused = host.program(&["status"]);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(refused.status.code() == Some(2) && said.contains("Users other than root"), "{text}: {said}");
        }
    }
    fs::write(host.path("config.toml"), format!("loader = [\"{}\"]\n{}", at("roots/hook"), pool("umount"))).expect("a file");
    let said = String::from_utf8_lossy(&host.program(&["status"]).stderr).into_owned();
    assert!(!said.contains("Users other than root"), "{said}");
    let host = host.configured();
    host.backup(&["chart"], 0);
    let scan = host.program(&["restore", "--from", "disk", "--identity", KEY, "--to", "r", "--scan", "./open"]);
    assert_eq!(scan.status.code(), Some(2), "{scan:?}");
    assert!(!host.path("r").exists());
}

#[test]
fn a_key_that_others_can_read_is_warned_of() {
    let Some(host) = Host::new().map(Host::configured) else { return };
    host.backup(&["chart"], 0);
    for (permissions, is_exposed) in [(0o600, false), (0o640, true), (0o604, true)] {
        mode(&host.path(KEY), permissions);
        let said = host.program(&["keys", "rehearse", "disk", "--identity", KEY]);
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(text.contains("Other users of this PC"), is_exposed, "{permissions:o}: {text}");
        assert_eq!(said.status.code(), Some(0), "{text}");
    }
}

/// The user of the host's backups, of whom the system has no name, so that nothing has to be made for the test.
const BACKUP_USER: u32 = 4_321;

impl Host {
    /// In a mount namespace where the host's records belong to a user of their own. `DISK` is that user's.
    fn with_own_user(&self, script: &str) -> Output {
        let setup = format!(
            "set -eu; mount -t tmpfs tmpfs /var/lib; install -d -o {BACKUP_USER} -g {BACKUP_USER} -m 0700 /var/lib/azekura
             program={}; azekura() {{ \"$program\" --config {} \"$@\"; }}; cd {}\n{script}",
            env!("CARGO_BIN_EXE_azekura"),
            self.path("config.toml").display(),
            self.dir.path().display(),
        );
        let mut command = Command::new("unshare");
        command.env_clear().env("HOME", self.dir.path()).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command.args(["--mount", "sh", "-c", &setup]).output().expect("unshare")
    }
}

#[test]
fn the_hosts_backups_run_as_their_own_user() {
    let Some(host) = Host::new().map(Host::configured) else { return };
    mode(&host.path("chart/a"), 0o600);
    mode(&host.path("chart"), 0o700);
    chown(host.path("disk"), Some(BACKUP_USER), Some(BACKUP_USER)).expect("an owner");
    let rights = "grep -hE '^(Uid|CapEff|CapAmb)' /proc/self/status; cat chart/a 2>/dev/null || true";
    let source = |name: &str, user: &str| {
        format!(
            "[[source]]\nname = \"{name}\"\npath = \"{}\"\n{user}command = [\"sh\", \"-c\", \"{rights}\"]\n",
            host.dir.path().display()
        )
    };
    let tree = format!("[[source]]\npath = \"{}\"\n", host.path("chart").display());
    fs::write(host.path("config.toml"), format!("{tree}{}", source("own", ""))).expect("a file");
    let output = host.with_own_user(
        "azekura keys new --out key >&2
         # It makes the configuration, and so it stays root.
         mkdir etc; \"$program\" --config etc/config.toml init --recipient age1yt3tfqlfrwdwx0z0ynwplcr6qxcxfaqycuprpmy89nr83ltx74tqdpszlw chart >&2
         azekura --json backup --init --to disk --recipient \"$(azekura --json keys show-recipient --identity key | grep -o 'age1[a-z0-9]*')\"
         find disk/AZEKURA /var/lib/azekura ! -uid 4321 >&2
         azekura --json verify disk >/dev/null; azekura hold on --by suzuki --why test >&2; azekura status >&2 || echo $? >&2
         # A command that stays root leaves the records alone, whatever their user has put there.
         mv /var/lib/azekura/ledger.jsonl kept; mkfifo /var/lib/azekura/ledger.jsonl; rm /var/lib/azekura/ledger.end
         mkdir victim; chmod 755 victim; mv /var/lib/azekura/sets kept.sets; ln -s $PWD/victim /var/lib/azekura/sets
         chown -h 4321:4321 /var/lib/azekura/*
         timeout 20 $program --config config.toml restore --from disk --identity key --to r >&2;
         [ $(stat -c %a victim) = 755 ]; [ -z \"$(ls victim)\" ]; [ ! -e /var/lib/azekura/ledger.end ]; stat -c '%u %n' key r/chart/a >&2
         find /var/lib/azekura ! -uid 4321 >&2; cat r/own >&2",
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let backup: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!(backup["result"]["findings"], serde_json::json!([]), "{backup}");
    for line in ["0 key", "0 r/chart/a", "Uid:\t4321\t4321\t4321\t4321", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000"]
    {
        assert!(said.lines().any(|l| l == line), "{line}: {said}");
    }
    assert!(!said.lines().any(|l| l.starts_with("disk/AZEKURA") || l.starts_with("/var/lib/azekura")), "{said}");
    assert!(!said.contains("a letter"), "a command may read only what its user may: {said}");
}

#[test]
fn a_command_runs_as_the_user_that_is_named() {
    let Some(host) = Host::new() else { return };
    let with_user = |user: &str| {
        let chart = host.path("chart");
        let source =
            format!("name = \"who\"\ncommand = [\"id\", \"-u\"]\ncheck = [\"sh\", \"-c\", \"id -u | cmp -\"]\nuser = \"{user}\"");
        let text = format!("[[source]]\npath = \"{}\"\n[[source]]\n{source}\n", chart.display());
        fs::write(host.path("config.toml"), text).expect("a file");
    };
    with_user("nobody");
    host.backup(&[], 0);
    let restored = host.program(&["restore", "--from", "disk", "--identity", KEY, "--to", "r"]);
    assert_eq!(restored.status.code(), Some(0), "{restored:?}");
    assert_eq!(fs::read_to_string(host.path("r/who")).expect("a file"), format!("{USER}\n"));
    with_user("nobody-of-this-name");
    let failed = host.backup(&[], 3);
    assert!(failed.to_string().contains("there is no user nobody-of-this-name"), "{failed}");
}

/// What a debugger of root's would find, or a core that it makes. The identity in use is the library's, and has to be somewhere; the text
/// of the key file is nowhere.
#[test]
fn a_debugger_of_roots_finds_no_text_of_the_key() {
    let Some(host) = Host::new().map(Host::configured) else { return };
    let mut block = vec![0_u8; 1 << 20];
    let mut large = fs::File::create(host.path("chart/large")).expect("a file");
    for i in 0..200_u64 {
        block
            .chunks_mut(8)
            .zip(0_u64..)
            .for_each(|(to, j)| to.copy_from_slice(&(i << 32 | j).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()));
        large.write_all(&block).expect("written");
    }
    host.backup(&["chart"], 0);
    let key = fs::read_to_string(host.path(KEY)).expect("a key");
    let key = key.lines().find(|l| l.starts_with("AGE-SECRET-KEY-")).expect("a key");
    // Less than the whole is enough to find the rest.
    let (upper, lower) = (key.as_bytes()[30..60].to_vec(), key[30..60].to_lowercase().into_bytes());
    let arguments = ["restore", "--from", "disk", "--identity", KEY, "--to", "r"];
    let mut restore = host.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program");
    while !host.path("r/chart").exists() {
        assert!(restore.try_wait().expect("a status").is_none(), "it has ended before it was looked at");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let process = rustix::process::Pid::from_child(&restore);
    rustix::process::kill_process(process, rustix::process::Signal::STOP).expect("a signal");
    let (mut bytes, mut found) = (0, Vec::new());
    let memory = fs::File::open(format!("/proc/{}/mem", restore.id())).expect("memory");
    for line in fs::read_to_string(format!("/proc/{}/maps", restore.id())).expect("a map").lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().expect("a range"), fields.next().expect("rights"));
        let (from, to) = range.split_once('-').expect("a range");
        let [from, to] = [from, to].map(|n| u64::from_str_radix(n, 16).expect("a number"));
        let mut part = vec![0; (to - from) as usize];
        if !rights.starts_with("rw") || memory.read_exact_at(&mut part, from).is_err() {
            continue;
        }
        bytes += part.len();
        let has = |text: &[u8]| part.windows(text.len()).any(|w| w == text);
        if has(&upper) || has(&lower) {
            found.push(line.to_owned());
        }
    }
    restore.kill().expect("a signal");
    restore.wait().expect("a status");
    assert!(bytes > 1 << 20, "{bytes} bytes were looked at");
    assert_eq!(found, Vec::<String>::new());
}

/// A user has made the folder before: what is restored into it has no other protection than the folder that it was in.
#[test]
fn a_restore_closes_the_existing_folders_of_others_first() {
    let Some(host) = Host::new().map(Host::configured) else { return };
    fs::create_dir(host.path("chart/private")).expect("a folder");
    for i in 0..600 {
        fs::write(host.path(&format!("chart/private/{i}")), "a letter").expect("a file");
    }
    mode(&host.path("chart/private"), 0o700);
    host.backup(&["chart"], 0);
    for (to, owner) in [("theirs", USER), ("open", 0)] {
        let folder = host.path(&format!("{to}/chart/private"));
        fs::create_dir_all(&folder).expect("a folder");
        chown(&folder, Some(owner), Some(owner)).expect("an owner");
        mode(&folder, if owner == 0 { 0o755 } else { 0o777 });
        // Stays in the folder, and reads whatever is in it.
        let mut reader = host.as_user(&format!(
            "cd {to}/chart/private; while :; do for f in ./*; do cat $f >>/var/tmp/azekura-seen-$$ && exit 9; done; done"
        ));
        std::thread::sleep(std::time::Duration::from_millis(100));
        let restore = host.program(&["restore", "--from", "disk", "--identity", KEY, "--to", to, "--into-existing"]);
        let seen = reader.try_wait().expect("a status");
        let _ = reader.kill();
        let _ = reader.wait();
        let _ = fs::remove_file(format!("/var/tmp/azekura-seen-{}", reader.id()));
        assert!(seen.is_none(), "{to}: something was read: {restore:?}");
        assert_eq!(fs::metadata(&folder).expect("a folder").mode() & 0o777, 0o700, "{to}");
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 600, "{to}: {restore:?}");
    }
}

/// A state that an earlier version, or a copy by hand, has left open.
#[test]
fn what_the_host_keeps_is_closed_again() {
    let Some(host) = Host::new().map(Host::configured) else { return };
    host.backup(&["chart"], 0);
    for name in ["catalog.sqlite", "ledger.jsonl", "nights.jsonl", "sets"] {
        let path = host.path("state").join(name);
        if path.exists() {
            mode(&path, if path.is_dir() { 0o755 } else { 0o666 });
        }
    }
    mode(&host.path("state"), 0o755);
    host.backup(&["chart"], 0);
    for entry in walkdir::WalkDir::new(host.path("state")) {
        let entry = entry.expect("an entry");
        assert_eq!(fs::metadata(entry.path()).expect("a mode").mode() & 0o077, 0, "{:?}", entry.path());
    }
    // What is appended to is no link.
    let (ledger, victim) = (host.path("state/nights.jsonl"), host.path("victim"));
    fs::remove_file(&ledger).expect("removed");
    fs::write(&victim, "").expect("a file");
    symlink(&victim, &ledger).expect("a link");
    host.json(&["backup", "--to", "disk", "chart"]);
    assert_eq!(fs::read_to_string(&victim).expect("a file"), "");
}
