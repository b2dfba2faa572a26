//! After the incident: is what lies there what was backed up? One lab digit among thousands of records, a log cut short, a folder gone.

use crate::machine::{tried, without_privileges};
use crate::tools::{Dice, forge, noise, objects, overwrite};
use crate::world::Hospital;
use azekura::event::NoObserver;
use azekura::format::manifest::Rules;
use azekura::job::backup::{Options as BackupOptions, SourceOptions};
use azekura::job::compare::{Class, CompareError, ComparedWith, Difference, NamedTree, Options, Reason, Report, compare};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

impl Hospital {
    fn ruled(&self, rules: Rules) -> BackupOptions {
        let mut options = self.options();
        options.sources[0].rules = rules;
        options
    }

    fn backup_by(&self, rules: Rules) {
        self.try_backup(&self.ruled(rules)).expect("a backup");
    }

    fn compare_options(&self, with: ComparedWith) -> Options {
        Options::new(self.medium(), with, std::env::temp_dir())
    }

    fn try_compare(&self, options: &Options) -> Result<(Report, Vec<Difference>), CompareError> {
        let mut all = Vec::new();
        let report = self.with_env(|w| compare(options, &self.identity, w, &NoObserver, &mut |d, _| all.push(d)))?;
        Ok((report, all))
    }

    /// The live source against the newest generation.
    fn compared(&self) -> (Report, Vec<Difference>) {
        self.try_compare(&self.compare_options(trees(&self.source()))).expect("a comparison")
    }
}

fn trees(path: &Path) -> ComparedWith {
    named(&[(None, path)])
}

fn named(all: &[(Option<&[u8]>, &Path)]) -> ComparedWith {
    let trees = all.iter().map(|(name, path)| NamedTree { name: name.map(<[u8]>::to_vec), path: path.to_path_buf() });
    ComparedWith::trees(trees.collect())
}

/// Class, reason and path, without the source's name.
fn told(all: &[Difference]) -> Vec<(Class, Reason, &str)> {
    let path = |path| std::str::from_utf8(path).expect("text").trim_start_matches("source/");
    all.iter().map(|d| (d.class, d.reason, path(&d.path))).collect()
}

fn counts(report: &Report) -> BTreeMap<&'static str, u64> {
    Class::ALL.iter().map(|c| (c.name(), report.counts.of(*c))).filter(|(_, n)| *n > 0).collect()
}

/// Writes other bytes into a file and puts its times back, as somebody does who does not want it to be seen.
fn tamper(path: &Path, at: u64, bytes: &[u8]) {
    let times = path.metadata().expect("a status");
    overwrite(path, at, bytes);
    let file = fs::File::options().write(true).open(path).expect("a file");
    file.set_times(fs::FileTimes::new().set_accessed(times.accessed().unwrap()).set_modified(times.modified().unwrap()))
        .expect("the times put back");
}

/// Path of a lab result in an SS-MIX2 storage.
fn lab(patient: u64, day: u64, order: u64, time: u64, flag: char) -> String {
    let (id, date) = (format!("{patient:07}"), format!("202511{:02}", day + 1));
    let name = format!("{id}_{date}_OML-11_{order:015}_{date}{time:09}_01_{flag}");
    format!("{}/{}/{id}/{date}/OML-11/{name}", &id[..3], &id[3..6])
}

fn result(dice: &mut Dice) -> String {
    let tests: Vec<String> =
        (1..6 + dice.below(12)).map(|i| format!("OBX|{i}|NM|3B0{i:02}||{}.{}", dice.below(200), dice.below(10))).collect();
    format!("MSH|^~\\&|LAB||||20251103||OUL^R22|{}|P|2.5\r{}\r", dice.next(), tests.join("\r"))
}

/// Size, mode, and times of modification and of access.
type Status = (u64, u32, [(i64, i64); 2]);

/// What the kernel says of all `paths`. Looking at them changes nothing.
fn seen(paths: &[PathBuf]) -> Vec<Status> {
    let status = |p: &PathBuf| {
        let m = p.symlink_metadata().expect("a status");
        (m.size(), m.mode(), [(m.mtime(), m.mtime_nsec()), (m.atime(), m.atime_nsec())])
    };
    paths.iter().map(status).collect()
}

/// All entries below `root`, with times of access so old that the kernel would move them at the first look.
fn long_unread(root: &Path) -> Vec<PathBuf> {
    let all: Vec<PathBuf> = walkdir::WalkDir::new(root).into_iter().map(|e| e.expect("an entry").into_path()).collect();
    for path in &all {
        let times = fs::FileTimes::new().set_accessed(SystemTime::UNIX_EPOCH);
        fs::File::open(path).and_then(|f| f.set_times(times)).expect("an old time of access");
    }
    all
}

#[test]
fn one_lab_digit_among_thousands_is_found_and_nothing_else() {
    let mut dice = Dice::new("one_lab_digit");
    let h = Hospital::new();
    let mut all = Vec::new();
    for n in 0..2_400 {
        let (patient, day, order) = (9_999_000 + n % 300, n / 300, 11_000_000 + n);
        let result = result(&mut dice);
        h.write(&lab(patient, day, order, 103_059_000 + n, '1'), &result);
        all.push((patient, day, order, 103_059_000 + n, result));
    }
    h.write("SSMIXIDX.mdf", noise(1, 50_000));
    h.write("2025/TR_20251101000000000_00001.DAT", "ADT^A01\r");
    h.backup_by(Rules::SsMix2);
    assert_eq!(counts(&h.compared().0), [("identical", 2_402)].into());

    // A day on the wards: corrections rename a result and bring a new one, deletions likewise, and new results come.
    let source = h.source();
    let (mut lawful, mut new) = (0, 0);
    for (i, (patient, day, order, time, _)) in all.iter().enumerate() {
        let path = |time, flag| lab(*patient, *day, *order, time, flag);
        let (old, flag) = match i % 10 {
            3 | 4 => (path(*time, '1'), '2'),
            5 => (path(*time, '1'), '0'),
            _ => continue,
        };
        fs::rename(source.join(&old), source.join(path(*time, flag))).expect("renamed");
        h.write(&path(time + 500_000_000, if flag == '2' { '1' } else { '0' }), result(&mut dice));
        (lawful, new) = (lawful + 1, new + 1);
    }
    for n in 0..200 {
        h.write(&lab(9_999_000 + n, 20, 12_000_000 + n, 93_000_000, '1'), result(&mut dice));
        new += 1;
    }
    h.write("SSMIXIDX.mdf", noise(2, 50_100));
    h.write("2025/TR_20251101000000000_00001.DAT", "ADT^A01\rOML^O33\r");
    h.write("2025/TR_20251102000000000_00001.DAT", "ADT^A03\r");
    let (report, _) = h.compared();
    assert_eq!(
        counts(&report),
        [("identical", 2_400 - lawful), ("updated", lawful + 2), ("added", new + 1)].into_iter().collect()
    );

    // And one digit of one result, with size and times as they were.
    let (patient, day, order, time, text) = &all[1_111];
    let victim = lab(*patient, *day, *order, *time, '1');
    let at = text.find("|3B001||").expect("a result") as u64 + 8;
    let digit = if text.as_bytes()[at as usize] == b'7' { b'1' } else { b'7' };
    tamper(&source.join(&victim), at, &[digit]);
    let paths = long_unread(&source);
    let before = seen(&paths);
    let (report, differences) = h.compared();
    assert!(seen(&paths) == before, "the tree is only read");
    assert!(paths.len() > 5_000 && before.iter().all(|(_, _, times)| times[1].0 == 0));
    let bad: Vec<_> = differences.iter().filter(|d| !matches!(d.class, Class::Updated | Class::Added)).cloned().collect();
    assert_eq!(told(&bad), [(Class::OutsideRules, Reason::TimeKept, victim.as_str())]);
    assert_eq!(bad[0].before.unwrap().size, bad[0].after.unwrap().size);
    let mut changed = text.clone().into_bytes();
    changed[at as usize] = digit;
    assert_eq!(bad[0].after.unwrap().content.unwrap().whole(), Some(*blake3::hash(&changed).as_bytes()));
    assert_eq!(report.counts.of(Class::OutsideRules), 1);
    assert_eq!(differences.len() as u64, lawful + 2 + new + 1 + 1);
    assert!(differences.windows(2).all(|w| azekura::format::entry::compare_paths(&w[0].path, &w[1].path).is_lt()), "in order");
}

#[test]
fn a_lawful_rename_hides_no_other_bytes_and_a_record_without_any_name_left_is_missing() {
    let h = Hospital::new();
    let path = |order, flag| lab(9_999_013, 2, order, 103_059_000, flag);
    for order in 1..=4 {
        h.write(&path(order, '1'), format!("MSH|{order}"));
    }
    // The extended storage gives the folder of a document its flag.
    let document = |flag| format!("{}/main_document.xml", path(9, flag).replace("OML-11", "L-NOTES"));
    h.write(&document('1'), "<text/>");
    h.write("notes_1", "unflagged");
    h.backup_by(Rules::SsMix2);
    let source = h.source();
    fs::rename(source.join(path(1, '1')), source.join(path(1, '2'))).unwrap();
    h.write(&path(1, '2'), "MSH|X");
    fs::rename(source.join(path(2, '1')), source.join(path(2, '2'))).unwrap();
    fs::remove_file(source.join(path(3, '1'))).unwrap();
    // Not where the record belongs.
    fs::rename(source.join(path(4, '1')), source.join("elsewhere")).unwrap();
    let folder = |flag| source.join(document(flag)).parent().unwrap().to_owned();
    fs::rename(folder('1'), folder('2')).unwrap();
    fs::rename(source.join("notes_1"), source.join("notes_2")).unwrap();
    let (report, differences) = h.compared();
    let of = |class| -> Vec<String> {
        told(&differences).into_iter().filter(|(c, ..)| *c == class).map(|(_, _, p)| p.to_owned()).collect()
    };
    assert_eq!(of(Class::OutsideRules), [path(1, '2')]);
    assert_eq!(of(Class::Updated), [document('2'), path(2, '2')]);
    assert_eq!(of(Class::Missing), [path(3, '1'), path(4, '1'), "notes_1".into()]);
    assert_eq!(of(Class::Added), ["elsewhere", "notes_2"]);
    let flagged = differences.iter().find(|d| d.path.ends_with(path(2, '2').as_bytes())).unwrap();
    assert_eq!((flagged.reason, &flagged.former), (Reason::Flag, &Some(format!("source/{}", path(2, '1')).into_bytes())));
    assert_eq!(report.counts.of(Class::Renamed), 0);
}

#[test]
fn a_log_may_grow_and_nothing_else() {
    let h = Hospital::new();
    let long = noise(7, 3 << 20);
    let logs: [(&str, &[u8]); 6] = [
        ("grown", b"one\n"),
        ("cut", b"one\ntwo\n"),
        ("middle", b"one\ntwo\n"),
        ("same", b"one\n"),
        ("long", &long),
        ("rewritten", b"one\n"),
    ];
    for (name, content) in logs {
        h.write(name, content);
    }
    h.backup_by(Rules::AppendOnly);
    h.write("grown", "one\ntwo\n");
    h.write("cut", "one\n");
    tamper(&h.source().join("middle"), 1, b"N");
    h.write("long", [&long[..], &noise(8, 2 << 20)].concat());
    h.write("rewritten", "two\none\n");
    let grown = (Class::Updated, Reason::Grown);
    let expected = [
        (Class::OutsideRules, Reason::Cut, "cut"),
        (grown.0, grown.1, "grown"),
        (grown.0, grown.1, "long"),
        (Class::OutsideRules, Reason::TimeKept, "middle"),
        (Class::OutsideRules, Reason::Content, "rewritten"),
    ];
    assert_eq!(told(&h.compared().1), expected);
    // The same between two generations: there the first bytes come out of the packs.
    h.backup_by(Rules::AppendOnly);
    let options = Options { generation: Some(1), ..h.compare_options(ComparedWith::Generation(2)) };
    let (report, differences) = h.try_compare(&options).expect("a comparison");
    assert_eq!(told(&differences), expected);
    assert_eq!(report.with.map(|(n, _)| n), Some(2));
}

#[test]
fn of_an_office_s_folder_every_file_has_its_class() {
    let h = Hospital::new();
    for (name, content) in [("a/minutes.doc", "minutes"), ("a/plan.doc", "plan"), ("gone.txt", "gone"), ("same.txt", "same")] {
        h.write(name, content);
    }
    for copy in ["a/form.pdf", "a/sub/form2.pdf", "twin1", "twin2"] {
        h.write(copy, if copy.starts_with("twin") { "twin" } else { "form" });
    }
    h.write("empty", "");
    symlink("same.txt", h.source().join("link")).unwrap();
    symlink("same.txt", h.source().join("other-link")).unwrap();
    h.write("becomes-a-link", "bytes");
    h.backup();
    let source = h.source();
    fs::rename(source.join("a"), source.join("b")).unwrap();
    h.write("b/plan.doc", "plan, changed");
    h.write("new.txt", "new");
    h.write("same-size.txt", "gome");
    for gone in ["gone.txt", "twin1", "twin2", "empty", "other-link", "becomes-a-link"] {
        fs::remove_file(source.join(gone)).unwrap();
    }
    // Which of the two that is, nobody can tell; and that two files are empty says nothing.
    h.write("third", "twin");
    h.write("void", "");
    symlink("gone.txt", source.join("other-link")).unwrap();
    symlink("same.txt", source.join("becomes-a-link")).unwrap();
    fs::set_permissions(source.join("same.txt"), fs::Permissions::from_mode(0o600)).unwrap();
    let (report, differences) = h.compared();
    let none = Reason::None;
    assert_eq!(
        told(&differences),
        [
            (Class::Missing, none, "a/plan.doc"),
            (Class::Renamed, none, "b/form.pdf"),
            (Class::Renamed, none, "b/minutes.doc"),
            (Class::Added, none, "b/plan.doc"),
            (Class::Renamed, none, "b/sub/form2.pdf"),
            (Class::OutsideRules, Reason::Type, "becomes-a-link"),
            (Class::Missing, none, "empty"),
            (Class::Missing, none, "gone.txt"),
            (Class::Added, none, "new.txt"),
            (Class::Updated, Reason::Target, "other-link"),
            (Class::Added, none, "same-size.txt"),
            (Class::Added, none, "third"),
            (Class::Missing, none, "twin1"),
            (Class::Missing, none, "twin2"),
            (Class::Added, none, "void"),
        ]
    );
    assert_eq!(differences[2].former.as_deref(), Some(&b"source/a/minutes.doc"[..]));
    assert_eq!(report.counts.metadata, 1, "other permissions alone");
    assert_eq!((report.counts.folders_added, report.counts.folders_missing), (2, 2));
    assert_eq!(report.counts.of(Class::Identical), 2);

    // Generation against generation finds the same.
    h.backup();
    let options = Options { generation: Some(1), ..h.compare_options(ComparedWith::Generation(2)) };
    assert_eq!(told(&h.try_compare(&options).expect("a comparison").1), told(&differences));
}

#[test]
fn what_cannot_be_read_is_neither_good_nor_missing() {
    let h = Hospital::new();
    for name in ["a.txt", "locked/b.txt", "locked/deep/c.txt", "z.txt"] {
        h.write(name, name);
    }
    h.backup();
    let (file, folder) = (h.source().join("a.txt"), h.source().join("locked"));
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&file, 0);
    set(&folder, 0);
    set(h.dir.path(), 0o755);
    // The backup has closed the medium.
    for entry in walkdir::WalkDir::new(h.medium()).into_iter().map(|e| e.expect("an entry")) {
        if entry.file_type().is_dir() {
            set(entry.path(), 0o755);
        }
    }
    let compared = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| without_privileges(|| h.compared())));
    set(&file, 0o644);
    set(&folder, 0o755);
    let (report, differences) = compared.expect("a comparison");
    let denied = Reason::Unreadable { errno: 13 };
    assert_eq!(
        told(&differences),
        [
            (Class::NotVerified, denied, "a.txt"),
            (Class::NotVerified, denied, "locked"),
            (Class::NotVerified, denied, "locked/b.txt"),
            (Class::NotVerified, denied, "locked/deep/c.txt"),
        ]
    );
    assert_eq!(counts(&report), [("identical", 1), ("not-verified", 4)].into());
}

#[test]
fn a_record_lost_on_the_medium_accuses_nobody() {
    let h = Hospital::new();
    for n in 0..3_000 {
        h.write(&format!("{:02}/{n:05}.txt", n / 100), noise(n, 40));
    }
    h.backup();
    let clean = h.compared().0;
    assert_eq!(counts(&clean), [("identical", 3_000)].into());
    // Every pack gets a bad spot in turn; whatever lies in it, no file is called added, missing or changed because of it.
    let (mut lost, mut refused) = (0, 0);
    for (_, kind, path) in objects(&h.medium()) {
        if kind != azekura::format::object::ObjectKind::Pack {
            continue;
        }
        let good = fs::read(&path).unwrap();
        for at in [good.len() / 3, good.len() / 2, good.len() - good.len() / 6] {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            overwrite(&path, at as u64, &[good[at] ^ 0x40]);
            match h.try_compare(&h.compare_options(trees(&h.source()))) {
                Ok((report, differences)) => {
                    assert!(differences.iter().all(|d| (d.class, d.reason) == (Class::NotVerified, Reason::NoRecord)));
                    assert_eq!(report.entries_lost > 0, !differences.is_empty());
                    lost += report.entries_lost;
                }
                Err(CompareError::Generation(_)) => refused += 1,
                Err(e) => panic!("{e:?}"),
            }
            overwrite(&path, at as u64, &[good[at]]);
        }
    }
    println!("{lost} records lost, {refused} runs refused");
    assert!(lost > 0 || refused > 0);
}

#[test]
fn which_source_a_tree_is_can_be_told_or_is_asked() {
    let h = Hospital::new();
    h.write("a.txt", "a");
    fs::create_dir(h.path("images")).unwrap();
    fs::write(h.path("images/1.dcm"), "dicom").unwrap();
    let mut options = h.options();
    let images = SourceOptions { name: b"images".into(), path: h.path("images"), ..options.sources[0].clone() };
    options.sources.push(images);
    options.sources[0].excludes = vec!["*.tmp".into()];
    h.try_backup(&options).expect("a backup");
    h.write("left-out.tmp", "never backed up");

    let compared = |with: ComparedWith| h.try_compare(&h.compare_options(with));
    // By its own name.
    let (report, differences) = compared(trees(&h.source())).unwrap();
    assert_eq!((counts(&report), differences.len()), ([("identical", 1)].into(), 0));
    assert_eq!(report.not_compared, [b"images".to_vec()]);
    // Said by the user.
    let moved = h.path("moved");
    fs::rename(h.source(), &moved).unwrap();
    let (report, _) = compared(named(&[(Some(b"source"), &moved), (None, &h.path("images"))])).unwrap();
    assert_eq!((counts(&report), report.not_compared.len()), ([("identical", 2)].into(), 0));
    // A folder that holds them all, as a restore makes it; one that is not there is missing.
    h.restore("back");
    assert_eq!(counts(&compared(trees(&h.path("back"))).unwrap().0), [("identical", 2)].into());
    fs::remove_dir_all(h.path("back/images")).unwrap();
    let (report, differences) = compared(trees(&h.path("back"))).unwrap();
    assert_eq!(counts(&report), [("identical", 1), ("missing", 1)].into());
    assert_eq!(differences[0].path, b"images/1.dcm");
    // Else it is asked for.
    assert!(matches!(compared(trees(&moved)), Err(CompareError::WhichSource { .. })));
    assert!(matches!(compared(named(&[(Some(b"other"), &moved)])), Err(CompareError::NoSuchSource { .. })));
    let twice = compared(named(&[(Some(b"source"), &moved), (Some(b"source"), &moved)]));
    assert!(matches!(twice, Err(CompareError::TwoTrees { .. })));
    assert!(matches!(compared(named(&[(Some(b"source"), &h.path("nowhere"))])), Err(CompareError::Tree(_))));
}

#[test]
fn times_mean_nothing() {
    let h = Hospital::new();
    h.write("touched.txt", "as it was");
    let file = h.write("sly.txt", "0.9 mg");
    h.write("big", noise(3, 6 << 20));
    h.backup();
    let touched = fs::File::options().write(true).open(h.source().join("touched.txt")).unwrap();
    touched.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    tamper(&file, 0, b"9");
    tamper(&h.source().join("big"), (6 << 20) - 1, b"!");
    let (report, differences) = h.compared();
    let kept = (Class::OutsideRules, Reason::TimeKept);
    assert_eq!(told(&differences), [(kept.0, kept.1, "big"), (kept.0, kept.1, "sly.txt")]);
    assert_eq!((report.counts.of(Class::Identical), report.counts.metadata), (1, 1));
}

/// A document of the extended storage is a folder: what is gone from it is missing, whatever else has come; and of two names with another
/// flag, the one with the same bytes is the record.
#[test]
fn a_lawful_rename_of_a_folder_hides_no_file_that_went() {
    let h = Hospital::new();
    let document = |flag, name: &str| format!("{}/{name}", lab(9_999_013, 2, 9, 103_059_000, flag).replace("OML-11", "L-NOTES"));
    h.write(&document('1', "main.xml"), "<text/>");
    h.write(&document('1', "scan.jpg"), "scan");
    let record = |flag| lab(9_999_013, 3, 10, 103_059_000, flag);
    h.write(&record('1'), "MSH|1");
    h.backup_by(Rules::SsMix2);
    let folder = |flag| h.source().join(document(flag, "main.xml")).parent().unwrap().to_owned();
    fs::rename(folder('1'), folder('2')).unwrap();
    fs::remove_file(folder('2').join("scan.jpg")).unwrap();
    fs::write(folder('2').join("zero.jpg"), "scan").unwrap();
    fs::rename(h.source().join(record('1')), h.source().join(record('2'))).unwrap();
    h.write(&record('0'), "MSH|another");
    let (_, differences) = h.compared();
    let mut told = told(&differences);
    told.sort_unstable_by_key(|(class, reason, path)| (*class, *path, reason.name()));
    let (main, gone, come) = (document('2', "main.xml"), document('1', "scan.jpg"), document('2', "zero.jpg"));
    let (kept, other) = (record('2'), record('0'));
    let expected = [
        (Class::Added, Reason::None, &*come),
        (Class::Added, Reason::None, &*other),
        (Class::Updated, Reason::Flag, &*main),
        (Class::Updated, Reason::Flag, &*kept),
        (Class::Missing, Reason::None, &*gone),
    ];
    assert_eq!(told, expected);
}

/// A virtual disk that ends in a hole is read to its end, not to its last data.
#[test]
fn a_file_that_ends_in_a_hole_is_as_it_was() {
    let h = Hospital::new();
    let disk = h.write("disk.img", noise(5, 100_000));
    let end = |bytes| fs::File::options().write(true).open(&disk).unwrap().set_len(bytes).unwrap();
    end(8 << 20);
    h.backup();
    assert_eq!(counts(&h.compared().0), [("identical", 1)].into());
    end(9 << 20);
    assert_eq!(told(&h.compared().1), [(Class::Updated, Reason::Content, "disk.img")]);
}

/// The same between two generations: what of the later one's records is lost is not missing.
#[test]
fn a_record_lost_in_the_later_generation_accuses_nobody() {
    let h = Hospital::new();
    let write = |night: u64, step: usize| {
        for n in (0..3_000).step_by(step) {
            h.write(&format!("{:02}/{n:05}.txt", n / 100), noise(night * 10_000 + n as u64, 40));
        }
    };
    write(0, 1);
    h.backup();
    let first = objects(&h.medium()).len();
    write(1, 7);
    h.backup();
    let options = Options { generation: Some(1), ..h.compare_options(ComparedWith::Generation(2)) };
    let clean = h.try_compare(&options).expect("a comparison").1;
    assert!(clean.len() > 400 && clean.iter().all(|d| d.class == Class::Updated));
    let mut lost = 0;
    for (_, kind, path) in objects(&h.medium()).split_off(first) {
        if kind != azekura::format::object::ObjectKind::Pack {
            continue;
        }
        let good = fs::read(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        for at in (1..16).map(|i| good.len() * i / 16) {
            overwrite(&path, at as u64, &[good[at] ^ 0x40]);
            if let Ok((report, differences)) = h.try_compare(&options) {
                let is_known =
                    |d: &Difference| clean.contains(d) || (d.class, d.reason) == (Class::NotVerified, Reason::NoRecord);
                assert!(differences.iter().all(is_known), "{:?}", differences.iter().find(|d| !is_known(d)));
                lost += report.entries_lost;
            }
            overwrite(&path, at as u64, &[good[at]]);
        }
    }
    assert!(lost > 0);
}

/// The medium and the host's state lie within the tree: they were never backed up, and are not what an intruder has left.
#[test]
fn folders_that_no_backup_holds_are_not_added_files() {
    let h = Hospital::new();
    h.write("a.txt", "a");
    h.backup();
    let inner = h.source().join("medium");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("00000000.label"), "label").unwrap();
    let ComparedWith::Trees { trees, one_file_system, .. } = trees(&h.source()) else { unreachable!() };
    let skip = |skip| ComparedWith::Trees { trees: trees.clone(), one_file_system, skip };
    assert_eq!(told(&h.try_compare(&h.compare_options(skip(vec![inner]))).unwrap().1), []);
    assert_eq!(h.try_compare(&h.compare_options(skip(Vec::new()))).unwrap().1.len(), 1);
}

/// A generation whose seal cannot be trusted proves nothing, whichever of the two it is.
#[test]
fn a_comparison_with_a_generation_that_cannot_be_trusted_says_so() {
    let h = Hospital::new();
    for content in ["1", "2"] {
        h.write("a.txt", content);
        h.backup();
    }
    let seal = objects(&h.medium()).into_iter().rfind(|o| o.1 == azekura::format::object::ObjectKind::Seal).unwrap().2;
    let compared = || h.try_compare(&Options { generation: Some(1), ..h.compare_options(ComparedWith::Generation(2)) });
    assert!(compared().expect("a comparison").0.trusted);
    forge(&seal);
    let report = compared().expect("a comparison").0;
    assert!(!report.trusted && !report.faults.is_empty(), "{report:?}");
    assert!(
        h.try_compare(&Options { generation: Some(1), ..h.compare_options(trees(&h.source())) }).unwrap().0.trusted,
        "the first is"
    );
}

/// Where `null` was, another device lies: what is written there goes elsewhere.
#[test]
fn another_device_of_the_same_name_is_a_change() {
    use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
    let h = Hospital::new();
    let device = h.source().join("null");
    let make = |minor| mknodat(CWD, &device, FileType::CharacterDevice, Mode::RUSR, makedev(1, minor));
    // Not everybody may make one.
    if !tried("another device", make(3)) {
        return;
    }
    h.backup();
    assert_eq!(told(&h.compared().1), []);
    fs::remove_file(&device).unwrap();
    make(5).expect("another device");
    assert_eq!(told(&h.compared().1), [(Class::Updated, Reason::Target, "null")]);
}

/// Sets the time of last modification.
fn set_time(path: &Path, time: SystemTime) {
    let file = fs::File::options().write(true).open(path).expect("a file");
    file.set_times(fs::FileTimes::new().set_modified(time)).expect("a time");
}

/// One value is changed and the time put back: no rules allow that, however exactly the time was put back, and whether
/// the file was written in place or replaced.
#[test]
fn a_changed_value_with_the_time_put_back_is_outside_of_every_rule() {
    use std::time::{Duration, UNIX_EPOCH};
    for rules in [Rules::Plain, Rules::AppendOnly, Rules::SsMix2] {
        let h = Hospital::new();
        let time = UNIX_EPOCH + Duration::new(1_750_000_000, 123_456_789);
        // Rules of an SS-MIX2 storage let this one change in any way.
        let name = |n: &str| if rules == Rules::SsMix2 { format!("SSMIXIDX/{n}") } else { n.to_owned() };
        let names = ["exact", "float", "seconds", "millis", "replaced", "longer", "lawful", "same"].map(name);
        for n in &names {
            set_time(&h.write(n, "HbA1c 6.1 %"), time);
        }
        h.backup_by(rules);
        let source = h.source();
        let put_back = |n: usize, text: &str, nanoseconds: u32| {
            fs::write(source.join(&names[n]), text).expect("written");
            set_time(&source.join(&names[n]), UNIX_EPOCH + Duration::new(1_750_000_000, nanoseconds));
        };
        put_back(0, "HbA1c 9.1 %", 123_456_789);
        put_back(1, "HbA1c 9.1 %", 123_456_716);
        put_back(2, "HbA1c 9.1 %", 0);
        put_back(3, "HbA1c 9.1 %", 123_000_000);
        fs::write(source.join("new"), "HbA1c 9.1 %").expect("written");
        set_time(&source.join("new"), time);
        fs::rename(source.join("new"), source.join(&names[4])).expect("replaced");
        put_back(5, "HbA1c 16.1 %", 123_456_789);
        put_back(6, "HbA1c 9.1 %", 123_556_789);
        let (report, differences) = h.compared();
        let told = told(&differences);
        let kept = names[..6].iter().map(|n| (Class::OutsideRules, Reason::TimeKept, n.as_str()));
        let lawful = match rules {
            Rules::AppendOnly => (Class::OutsideRules, Reason::Content, names[6].as_str()),
            _ => (Class::Updated, Reason::Content, names[6].as_str()),
        };
        let mut expected: Vec<_> = kept.chain([lawful]).collect();
        expected.sort_by_key(|(.., path)| *path);
        assert_eq!(told, expected, "{rules:?}");
        assert_eq!(report.counts.without_rules, u64::from(rules == Rules::Plain));
    }
}

/// A restored tree is the generation, or it is not: no rules allow a change, a name or a folder.
#[test]
fn an_exact_comparison_allows_no_difference() {
    let h = Hospital::new();
    for n in 0..20 {
        h.write(&format!("d/{n}"), format!("value {n}"));
    }
    let flagged = lab(9_999_013, 2, 1, 103_059_000, '1');
    h.write(&flagged, "MSH|1");
    h.backup_by(Rules::SsMix2);
    let mut options = h.restore_options("back");
    options.target.owners = rustix::process::geteuid().is_root();
    h.try_restore(&options).expect("a restore");
    let back = h.path("back").join("source");
    let exact = |with: ComparedWith| {
        let options = Options { exact: true, ..h.compare_options(with) };
        h.try_compare(&options).expect("a comparison")
    };
    let (report, differences) = exact(trees(&back));
    assert_eq!((told(&differences), report.counts.metadata), (vec![], 0));
    assert_eq!((report.counts.folders_added, report.counts.folders_missing), (0, 0));

    // Only attributes: of a file, of a folder, and extended ones.
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(back.join("d/1"), fs::Permissions::from_mode(0o777)).expect("a mode");
    rustix::fs::setxattr(back.join("d/2"), "user.note", b"x", rustix::fs::XattrFlags::empty()).expect("an attribute");
    fs::set_permissions(back.join("d"), fs::Permissions::from_mode(0o777)).expect("a mode");
    let (report, differences) = exact(trees(&back));
    assert_eq!((told(&differences), report.counts.metadata), (vec![], 3));

    // What the rules of the source allow is a difference here, and a folder too.
    fs::write(back.join("d/3"), "other 3").expect("written");
    fs::rename(back.join(&flagged), back.join(lab(9_999_013, 2, 1, 103_059_000, '2'))).expect("a lawful rename");
    fs::create_dir(back.join("empty")).expect("a folder");
    let (report, differences) = exact(trees(&back));
    let renamed = lab(9_999_013, 2, 1, 103_059_000, '2');
    let expected = [
        (Class::Missing, Reason::None, flagged.as_str()),
        (Class::Added, Reason::None, renamed.as_str()),
        (Class::OutsideRules, Reason::Content, "d/3"),
    ];
    assert_eq!(told(&differences), expected);
    assert_eq!((report.counts.folders_added, report.exact), (1, true));

    // Two generations.
    h.write("d/3", "later 3");
    fs::remove_file(h.source().join(&flagged)).expect("removed");
    h.backup_by(Rules::SsMix2);
    let options = Options { exact: true, generation: Some(1), ..h.compare_options(ComparedWith::Generation(2)) };
    let (_, differences) = h.try_compare(&options).expect("a comparison");
    let expected = [(Class::Missing, Reason::None, flagged.as_str()), (Class::OutsideRules, Reason::Content, "d/3")];
    assert_eq!(told(&differences), expected);
}
