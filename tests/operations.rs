//! `docs/operations.ja.md` and its English twin: every command of the pages is run as it stands there, in both languages, at a hospital with
//! three disks. Only the folders are others, and what no test can have is played: see [`PLAYED`].

#[path = "machine/days.rs"]
mod days;
mod machine;
#[path = "machine/pages.rs"]
mod pages;

use machine::{is_root, skipped};
use pages::{Hospital, Part, STEP, Step, content, sections, step_line};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

const LANGS: [&str; 2] = ["ja", "en"];
/// The code that stands in the pages for the one on paper, and the recipient.
const CODE: &str = "7F3K-92QX-0M4D-VH1C";
const RECIPIENT: &str = "age1…";
/// What lies below the folder of the hospital.
const ROOTS: [&str; 8] = ["/mnt/", "/srv/", "/media/", "/etc/", "/root/", "/run/", "/usr/local/", "/var/"];

/// The programs that are not run, each with the reason, and what stands for them. `ROOT` is the hospital's folder; the disk that is plugged in
/// is `ROOT/reader`. The real systemd checks the units: see `the_units_are_good`.
const PLAYED: &[(&str, &str)] = &[
    // No test may format a disk. It must be empty.
    ("mkfs.ext4", "[ \"$1 $2 $3 $4\" = '-L AZEKURA -E root_owner=0:0' ] && [ -z \"$(ls -A ROOT/reader)\" ]"),
    // Nobody is made on this machine: what belongs to the user of the backups is this test's.
    ("useradd", "[ \"$1 $7\" = '--system azekura' ]"),
    ("id", "[ \"$2\" = azekura ] && echo 0"),
    ("install", "[ \"$1 $2 $3 $4 $5\" = '-d -o azekura -g azekura' ] && mkdir -p \"$8\""),
    ("psql", "[ \"$1 $3\" = '-c -c' ]"),
    // The disk is a folder, and is really mounted, in a mount namespace of the test's own.
    (
        "mount",
        "for where; do :; done; PATH=/usr/sbin:/usr/bin:/sbin:/bin; disk=ROOT/reader\n\
         [ \"$1\" != /dev/sdY1 ] || disk=ROOT/disks/CL-11; mount --bind $disk/ \"$where\" || exit 32\n\
         case $1,$2 in -o,ro) mount -o remount,bind,ro \"$where\";; esac",
    ),
    // The disk leaves.
    ("udisksctl", "[ \"$1\" = power-off ] && rm ROOT/reader"),
    // There is no systemd here; what the unit runs is run.
    (
        "systemctl",
        "line() { sed -nE \"s|^$2=[-+]*(/usr/bin/)?||p\" ROOT/etc/systemd/system/$1; }\n\
         leaves() {\n\
             while sleep 0.05; do\n\
                 [ -e ROOT/run/azekura-night/leave ] || continue\n\
                 eval \"$(line azekura-leave.service ExecStart)\" && echo success >ROOT/left || echo exit-code >ROOT/left\n\
                 eval \"$(line azekura-leave.service ExecStopPost)\"\n\
             done\n\
         }\n\
         case $1 in daemon-reload) ;; enable) [ -e ROOT/etc/systemd/system/$3 ] ;; show) cat ROOT/left ;;\n\
         start)\n\
             mkdir -p ROOT/run/azekura-night; leaves & code=0\n\
             {\n\
                 mount=$(line $2 Wants); eval \"$(line $mount ExecStart)\"; $(line $2 ExecStart) || code=$?\n\
                 kill %1; eval \"$(line $mount ExecStop)\"\n\
             } >>ROOT/journal 2>&1\n\
             [ $code = 0 ] || cat ROOT/journal >&2\n\
             exit $code ;;\n\
         *) exit 64 ;; esac",
    ),
    ("journalctl", "[ \"$*\" = '-u azekura.service -n 60' ] && cat ROOT/journal"),
    // Nobody here may become somebody else: what the file allows is run.
    (
        "sudo",
        "grep -qE \"^%clerk ALL=\\(root\\) NOPASSWD: (.*, )?ROOT/usr/local/bin/$*(,|$)\" ROOT/etc/sudoers.d/azekura && exec \"$@\"",
    ),
    ("runuser", "[ \"$1 $3\" = '-u --' ] && shift 3 && exec \"$@\""),
    // There is no PostgreSQL here.
    (
        "pg_dump",
        "printf -- '--\\n-- PostgreSQL database dump\\n--\\nCOPY public.tbl_ptinf (ptid) FROM stdin;\\n1\\n\\\\.\\n\\n--\\n\
         -- PostgreSQL database dump complete\\n--\\n'",
    ),
];

/// What people do before they type a command that begins so: it is in no command of the page.
const BY_HAND: &[(&str, &str)] = &[
    ("mkfs.ext4", "insert"),
    ("mount ", "insert"),
    ("systemctl start", "insert"),
    // The same with the other two disks.
    (
        "azekura media label",
        "for disk in CL-02 CL-03; do\nrm -f reader; insert $disk; mount mnt/azekura && azekura media init $disk && umount mnt/azekura || break\n\
         done; rm reader",
    ),
    // The authority answers.
    (
        "azekura stamp import",
        "openssl ts -reply -queryfile media/key/seal.tsq -config srv/tsa/tsa.cnf -out media/key/seal.tsr 2>openssl.txt",
    ),
];

fn page(lang: &str) -> String {
    let name = if lang == "ja" { "docs/operations.ja.md" } else { "docs/operations.md" };
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a page")
}

impl Hospital {
    /// A host, its data, and three new disks.
    fn new(lang: &'static str) -> Self {
        // Not `/tmp`, which is often memory: nothing on it is read back from a medium.
        let h = Self { dir: tempfile::tempdir_in("/var/tmp").expect("a folder"), lang };
        for name in ["tmp", "media/key", "mnt/copy", "etc", "root", "usr/local/sbin"] {
            fs::create_dir_all(h.path(name)).expect("a folder");
        }
        for disk in ["CL-01", "CL-02", "CL-03", "CL-11"] {
            fs::create_dir_all(h.path("disks").join(disk)).expect("a disk");
        }
        let (root, program) = (h.dir.path().display().to_string(), env!("CARGO_BIN_EXE_azekura"));
        h.program(
            "azekura",
            // A configuration that is named must exist, unless it is to be made.
            &format!(
                "#!/bin/sh\nfile={root}/etc/azekura/config.toml\n[ $1 != init ] && [ ! -e $file ] || set -- --config $file \"$@\"\n\
                 exec {program} --lang {lang} \"$@\"\n"
            ),
        );
        h.program("insert", &format!("#!/bin/sh\n[ -e {root}/reader ] || ln -s {root}/disks/${{1:-CL-01}} {root}/reader\n"));
        for (name, script) in PLAYED {
            h.program(name, &format!("#!/bin/bash\n{}\n", script.replace("ROOT", &root)));
        }
        h.scanner();
        h.authority();
        for i in 0..20 {
            h.put(&format!("srv/ehr/karte/{i:04}.xml"), h.chart(i));
        }
        for patient in ["9999013", "9999021"] {
            let (a, b) = (&patient[..3], &patient[3..6]);
            let name = format!("{patient}_20261101_OML-11_000000000000001_20261101103059000_01_1");
            h.put(&format!("srv/ss-mix2/{a}/{b}/{patient}/20261101/OML-11/{name}"), "MSH|^~\\&|HIS|||||ORU^R01|1|P|2.5\r");
        }
        h.a_day_of_work(0);
        h
    }

    fn a_day_of_work(&self, day: usize) {
        self.put(&format!("srv/ehr/booking/{day}.csv"), format!("09:00,9999013,内科,{day}\n"));
        self.put("var/backups/lab/lab.csv", format!("{day}\n"));
    }

    /// In a mount namespace of its own: nothing stays mounted.
    fn with_mounts(&self, script: &str) -> Output {
        let more: &[&str] = if is_root() { &[] } else { &["--map-root-user"] };
        self.command("unshare", &[&["--mount"], more, &["bash", "-c", script]].concat()).output().expect("unshare")
    }

    #[track_caller]
    fn done(&self, script: &str) {
        let out = self.with_mounts(script);
        assert!(out.status.success(), "{}: {script}: {}", self.lang, said(&out));
    }

    fn unplug(&self) {
        let _ = fs::remove_file(self.path("reader"));
    }

    /// A night with this disk in the dock, as the timer starts it.
    fn night(&self, night: usize, disk: &str) {
        days::a_day_passes(&self.path("state"));
        self.a_day_of_work(night);
        self.unplug();
        symlink(self.path("disks").join(disk), self.path("reader")).expect("a link");
        self.done("systemctl start azekura.service || { cat journal; exit 1; }");
        assert!(!self.path("reader").exists(), "night {night}: the disk has left");
    }

    /// The newest check code on a disk.
    fn code(&self, disk: &str) -> String {
        let list = self.good(&format!("azekura generations disks/{disk} --json"));
        let list: Value = serde_json::from_str(&list).expect("JSON");
        let newest = list["result"]["sets"][0]["generations"].as_array().and_then(|g| g.last()).expect("a generation");
        newest["check_code"].as_str().expect("a code").to_owned()
    }

    /// Everything in a section of a page, in one shell.
    fn follow(&self, parts: &[Part]) {
        let is_new = fs::read_dir(self.path("disks/CL-01")).expect("a disk").next().is_none();
        let code = if is_new { String::new() } else { self.code("CL-01") };
        let recipient = "$(azekura keys show-recipient --identity media/key/recovery-key.txt)";
        let mut script = STEP.to_owned();
        for part in parts {
            match part {
                Part::Command(Step { line, exit, typed }) => {
                    for (_, by_hand) in BY_HAND.iter().filter(|(command, _)| typed.starts_with(command)) {
                        script.push_str(&step_line(*line, 0, by_hand));
                    }
                    let typed = self.moved(typed, &ROOTS).replace(CODE, &code).replace(RECIPIENT, recipient);
                    script.push_str(&step_line(*line, *exit, &typed));
                }
                Part::File { path, content } => {
                    let (path, content) = (self.moved(path, &ROOTS), self.moved(content, &ROOTS));
                    script.push_str(&format!("mkdir -p $(dirname {path}); cat >{path} <<'END OF FILE'\n{content}END OF FILE\n"));
                    script.push_str(&format!("sed -i \"s/{RECIPIENT}/{recipient}/\" {path}\n"));
                }
            }
        }
        let out = self.with_mounts(&script);
        assert!(out.status.success(), "{}: {}", self.lang, said(&out));
        self.unplug();
    }
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&[&out.stdout[..], &out.stderr].concat()).into_owned()
}

/// Places among the sections with commands.
const SET_UP: usize = 0;
const MORNING: usize = 1;
const RESTORE: usize = 5;
const DRILL: usize = 8;
const RARE: usize = 9;

#[test]
fn the_pages_can_be_followed() {
    if Command::new("openssl").arg("version").output().is_err() {
        skipped("the pages of operations: openssl is missing");
        return;
    }
    for lang in LANGS {
        let h = Hospital::new(lang);
        fs::create_dir_all(h.path("mnt/azekura")).expect("a folder");
        let out = h.with_mounts("insert; mount mnt/azekura");
        h.unplug();
        if !out.status.success() {
            skipped(format!("the pages of operations: no mounts in a namespace: {}", said(&out)));
            return;
        }
        let page = page(lang);
        for (i, parts) in sections(&page).iter().enumerate() {
            match i {
                MORNING => {
                    for (night, disk) in [(1, "CL-02"), (2, "CL-03"), (3, "CL-01")] {
                        h.night(night, disk);
                    }
                }
                DRILL => h.done("cp media/key/recovery-key.txt media/key/typed-from-paper.txt"),
                RARE => fs::remove_file(h.path("state/catalog.sqlite")).expect("a catalog"),
                _ => {}
            }
            h.follow(parts);
            match i {
                SET_UP => the_units_are_good(&h),
                RESTORE => only_what_was_asked_for_is_restored(&h),
                _ => {}
            }
        }
        a_lost_catalog_costs_no_night(&h);
        a_night_without_a_disk_is_a_failure(&h);
    }
}

fn the_units_are_good(h: &Hospital) {
    let names = ["azekura.service", "azekura.timer", "azekura-mount.service", "azekura-leave.path", "azekura-leave.service"];
    let units = names.map(|unit| h.path("etc/systemd/system").join(unit));
    let analyze = |arguments: &[&str], units: &[std::path::PathBuf]| match Command::new("systemd-analyze")
        .args(arguments)
        .args(units)
        .output()
    {
        Ok(out) => assert!(out.status.success() && out.stderr.is_empty(), "{}: {}", h.lang, said(&out)),
        Err(e) => skipped(format!("the units of the pages: systemd-analyze: {e}")),
    };
    analyze(&["verify"], &units);
    // At most 2.0 of 10.
    analyze(&["security", "--offline=true", "--threshold=20"], &units[..1]);
}

fn only_what_was_asked_for_is_restored(h: &Hospital) {
    assert_eq!(content(&h.path("srv/restored/ehr")), content(&h.path("srv/ehr")), "{}", h.lang);
    let day_1: Vec<String> = content(&h.path("srv/day1")).into_keys().map(|p| p.display().to_string()).collect();
    for there in ["ehr/booking/3.csv", "/9999013/", "orca.sql"] {
        assert!(day_1.iter().any(|p| p.contains(there)), "{}: {day_1:?}", h.lang);
    }
    assert!(!day_1.iter().any(|p| p.contains("karte") || p.contains("9999021")), "{}: {day_1:?}", h.lang);
}

/// The page says that the catalog is rebuilt from each medium. It has done so with the first one.
fn a_lost_catalog_costs_no_night(h: &Hospital) {
    let rebuild = "azekura catalog rebuild --from mnt/azekura --identity media/key/recovery-key.txt";
    h.done(&format!("insert CL-02 && mount mnt/azekura && {rebuild}"));
    h.night(4, "CL-02");
}

/// The script of the page runs the backup also where nothing can be mounted. Otherwise `status` would learn of this night only when the
/// sources are too old.
fn a_night_without_a_disk_is_a_failure(h: &Hospital) {
    // All is good but that the lost disk has to be replaced.
    let out = h.with_mounts("azekura status");
    assert_eq!(out.status.code(), Some(3), "{}: {}", h.lang, said(&out));
    assert!(said(&out).contains("CL-03"), "{}: {}", h.lang, said(&out));
    days::a_day_passes(&h.path("state"));
    let out = h.with_mounts("systemctl start azekura.service");
    assert_eq!(out.status.code(), Some(6), "{}: {}", h.lang, said(&out));
    assert_eq!(h.with_mounts("azekura status").status.code(), Some(1), "{}", h.lang);
}

#[test]
fn both_pages_tell_the_same() {
    // Comments, and what a file calls itself, are in the language of the page.
    let content = |content: &str| -> Vec<String> {
        let told = |line: &&str| !line.starts_with(['#', '!']) && !line.starts_with("Description=");
        let line = |line: &str| line.split("  #").next().unwrap_or_default().trim().to_owned();
        content.lines().filter(told).map(line).filter(|l| !l.starts_with("language =") && !l.starts_with("contact =")).collect()
    };
    let told = |part| match part {
        Part::Command(Step { exit, typed, .. }) => (exit, typed, Vec::new()),
        Part::File { path, content: text } => (0, path, content(&text)),
    };
    let [ja, en] =
        LANGS.map(|lang| sections(&page(lang)).into_iter().map(|s| s.into_iter().map(told).collect()).collect::<Vec<Vec<_>>>());
    assert_eq!(ja, en);
    let headings =
        |lang| page(lang).lines().map(|l| l.bytes().take_while(|b| *b == b'#').count()).filter(|n| *n > 1).collect::<Vec<_>>();
    assert_eq!(headings("ja"), headings("en"), "section by section the same");
}

/// What the text names between backticks exists, too.
#[test]
fn commands_and_options_that_are_only_named_exist() {
    let reference = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md")).expect("the reference");
    let commands: BTreeSet<&str> = reference.lines().filter_map(|l| l.strip_prefix("## azekura ")).collect();
    for lang in LANGS {
        for named in page(lang).lines().flat_map(|l| l.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()) {
            let words: Vec<&str> = named.split_whitespace().collect();
            for option in words.iter().filter(|w| w.starts_with("--")) {
                assert!(
                    reference.contains(&format!("{option} ")) || reference.contains(&format!("{option}\n")),
                    "{lang}: {named}"
                );
            }
            let is_ours = words.first() == Some(&"azekura");
            let words = &words[usize::from(is_ours)..];
            let Some(command) = words.first().filter(|w| is_ours || commands.contains(**w)) else { continue };
            let is_group = commands.iter().any(|c| c.starts_with(&format!("{command} ")));
            let depth = if is_group { words.len().min(2) } else { 1 };
            assert!(commands.contains(&*words[..depth].join(" ")), "{lang}: {named}");
        }
    }
}
