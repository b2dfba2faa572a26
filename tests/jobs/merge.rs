//! A week on the wards: files are made, changed, renamed, linked and thrown away, and every night is to come back as it was.

use crate::tools::{Dice, Picture, assert_same, fast_folder, picture};
use crate::world::{Hospital, tree};
use azekura::generation::Generation;
use azekura::job::backup::Options;
use azekura::medium::Directory;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

const NIGHTS: u64 = 6;

/// All names below the root; folders only where they are wanted.
fn names(root: &Path, wanted: impl Fn(&fs::Metadata) -> bool) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name().into_iter();
    let all = all.map(|e| e.expect("an entry").into_path());
    all.filter(|p| wanted(&p.symlink_metadata().expect("a status"))).collect()
}

/// A name in some folder, which may be in use already.
fn name(dice: &mut Dice, root: &Path) -> PathBuf {
    let mut folders = names(root, |m| m.is_dir());
    folders.push(root.to_owned());
    let names: [&[u8]; 12] = [
        b"a",
        b"a b",
        b"a.txt",
        b"a0",
        b"b",
        b"B",
        b"c",
        b"\x83\x4a\x83\x8b\x83\x65",
        b"new\nline",
        b"\xe7\x97\x85",
        b"-rf",
        b"z",
    ];
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(dice.pick::<&[u8]>(&names));
    dice.pick(&folders).join(name)
}

fn content(dice: &mut Dice) -> Vec<u8> {
    match dice.below(10) {
        0 => Vec::new(),
        1..=5 => format!("temperature {}, pulse {}", dice.below(42), dice.below(180)).into_bytes(),
        6 => vec![dice.below(4) as u8; 150_000],
        7 | 8 => {
            let length = 10_000 + dice.below(400_000);
            dice.noise(length)
        }
        // Shared among the workers.
        _ => dice.noise((4 << 20) + 50_000),
    }
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(m) if m.is_dir() => fs::remove_dir_all(path).expect("a folder removed"),
        Ok(_) => fs::remove_file(path).expect("a file removed"),
        Err(_) => {}
    }
}

/// One thing that happens to a tree. Not everything that is tried is possible.
fn something(dice: &mut Dice, root: &Path) {
    let files = names(root, fs::Metadata::is_file);
    let any = names(root, |_| true);
    let new = name(dice, root);
    let what = dice.below(if any.is_empty() || files.is_empty() { 3 } else { 17 });
    match what {
        0 | 1 => {
            remove(&new);
            let content = content(dice);
            // Its folder may just have been removed as the file that was in its way.
            let _ = fs::write(&new, content);
        }
        2 => drop(fs::create_dir(&new)),
        3 => {
            let content = content(dice);
            let _ = fs::write(dice.pick(&files), content);
        }
        4 => {
            // As a database changes a page: the length stays, and a careful program puts the time back.
            let file = dice.pick(&files);
            let meta = file.metadata().expect("a status");
            if meta.len() > 0 {
                let at = dice.next() % meta.len();
                crate::tools::overwrite(file, at, &[dice.below(256) as u8]);
                let time = meta.modified().expect("a time");
                fs::File::options().write(true).open(file).and_then(|f| f.set_modified(time)).expect("the time put back");
            }
        }
        5 => {
            use std::io::Write;
            let text = format!("\nand {}", dice.below(100));
            let mut file = fs::File::options().append(true).open(dice.pick(&files)).expect("a file");
            file.write_all(text.as_bytes()).expect("more");
        }
        6 => {
            let file = fs::File::options().write(true).open(dice.pick(&files)).expect("a file");
            let length = file.metadata().expect("a status").len();
            // Shorter, or longer by a hole.
            let length = if dice.chance(50) { length / 2 } else { length + 300_000 };
            file.set_len(length).expect("another length");
        }
        7 | 8 => {
            // Over whatever has the name, if the kernel lets it.
            let _ = fs::rename(dice.pick(&any), &new);
        }
        9 => {
            let (a, b) = (dice.pick(&any).clone(), dice.pick(&any).clone());
            let aside = root.join("aside");
            let nested = a.starts_with(&b) || b.starts_with(&a);
            if !nested {
                fs::rename(&a, &aside)
                    .and_then(|()| fs::rename(&b, &a))
                    .and_then(|()| fs::rename(&aside, &b))
                    .expect("places changed");
            }
        }
        10 => remove(dice.pick::<PathBuf>(&any)),
        11 | 12 => drop(fs::hard_link(dice.pick(&files), &new)),
        13 => {
            let path = dice.pick(&any);
            if !path.is_symlink() {
                let mode = 0o600 | [0o7, 0o70, 0o4000, 0o1000, 0o111][dice.below(5)] | if path.is_dir() { 0o700 } else { 0 };
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
            }
        }
        14 => drop(symlink(dice.pick(&any), &new)),
        15 => {
            // A copy: new names, known content.
            let _ = fs::copy(dice.pick(&files), &new);
        }
        _ => {
            let path = dice.pick(&any);
            let value = format!("{}", dice.below(9));
            // Not every file system keeps such attributes, and no link does.
            let _ = rustix::fs::lsetxattr(path, "user.ward", value.as_bytes(), rustix::fs::XattrFlags::empty());
        }
    }
}

#[test]
fn every_night_comes_back_as_it_was() {
    let mut dice = Dice::new("every_night_comes_back_as_it_was");
    let cases = std::env::var("AZEKURA_CASES").map_or(8, |n| n.parse().expect("a number"));
    for case in 0..cases {
        let h = Hospital::within(fast_folder());
        let mut nights: Vec<Picture> = Vec::new();
        for night in 0..NIGHTS {
            // One night nothing has happened.
            let count = if night == 3 { 0 } else { 5 + dice.below(60) };
            (0..count).for_each(|_| something(&mut dice, &h.source()));
            nights.push(picture(&h.source()));
            // A file system's clock ticks a few times a second hundredth; tomorrow comes later than that.
            std::thread::sleep(Duration::from_millis(12));
            let options = Options { full: night > 0 && dice.chance(30), ..h.options() };
            let report = h.try_backup(&options).expect("a backup");
            assert_eq!(report.generation, night + 1);
            // What happens at random may empty the source, and be an alarm that stays open.
            let odd: Vec<_> = report.findings.iter().filter(|f| !["source-empty", "alarm-open"].contains(&&f.kind[..])).collect();
            assert!(odd.is_empty(), "case {case}, night {night}: {odd:?}");
            if night == 3 && !options.full {
                assert_eq!(report.count("bytes read"), 0, "case {case}: a quiet night reads nothing");
            }
        }
        assert!(h.verify().is_good(), "case {case}");
        for (night, expected) in nights.iter().enumerate() {
            let generation = Some(night as u64 + 1);
            let to = format!("restored {night}");
            let report =
                h.try_restore(&azekura::job::restore::Options { generation, ..h.restore_options(&to) }).expect("a restore");
            assert!(report.findings.is_empty(), "case {case}, night {night}: {:?}", report.findings);
            assert!(report.trusted);
            assert_same(expected, &picture(&h.path(&to).join("source")), &format!("case {case}, night {night}"));
        }
    }
}

/// A program saves twice within the clock's tick, the backup comes in between, and the length is the same: only the caution
/// about young files can tell.
#[test]
fn a_file_saved_again_in_the_same_moment_is_not_taken_for_unchanged() {
    let mut h = Hospital::within(fast_folder());
    h.threads = 1;
    for i in 0..10u8 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
        h.clock.store(now as i64, Ordering::Relaxed);
        let path = h.write("chart", [b'a', i]);
        let before = path.metadata().expect("a status");
        h.backup();
        fs::write(&path, [b'b', i]).expect("saved again");
        // As if the clock had not ticked: what can be set is set back.
        fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(before.modified()?)).expect("the time put back");
        assert_eq!(path.metadata().expect("a status").mtime(), before.mtime());
        h.backup();
        let restored = h.restore(&format!("restored {i}"));
        assert_eq!(fs::read(restored.join("chart")).expect("the chart"), [b'b', i]);
    }
}

/// A database is rewritten in place. A page that changes costs the block of fixed offset it is in, wherever the pages before it changed.
#[test]
fn a_page_of_a_database_costs_one_block() {
    let mut dice = Dice::new("a_page_of_a_database");
    let h = Hospital::new();
    let mut database = [&b"SQLite format 3\0"[..], &dice.noise(5_000_000)].concat();
    h.write("records.db", &database);
    h.backup();
    for (i, at) in [300_000, 2_000_000, 4_900_000].into_iter().enumerate() {
        let page = dice.noise(4096);
        database[at..at + 4096].copy_from_slice(&page);
        h.write("records.db", &database);
        let night = h.backup();
        // A page may lie across two blocks of 32 KiB.
        assert!((4096..=64 << 10).contains(&night.count("new bytes")), "night {i}: {}", night.count("new bytes"));
        assert_eq!(tree(&h.source()), tree(&h.restore(&format!("restored {i}"))));
    }
}

fn is_found_by_its_order(h: &Hospital, paths: &[Vec<u8>]) -> bool {
    let chain = h.chain();
    let medium = Directory::open(&h.medium(), chain.set).expect("the set");
    let generation = Generation::open(&medium, &chain, None, &h.identity).expect("a generation");
    generation.entry_frames().and_then(|frames| frames.select(paths)).expect("no damage").is_some()
}

/// Out of a large tree a few paths are wanted. They come back with their folders and everything below them, as from a whole restore, and
/// nothing else does; also when a long record lies on the way.
#[test]
fn a_few_paths_come_back_as_from_a_whole_restore() {
    let mut dice = Dice::new("a_few_paths");
    let h = Hospital::within(fast_folder());
    for i in 0..6_000 {
        let name: String = dice.noise(60).iter().map(|b| format!("{b:02x}")).collect();
        h.write(&format!("ward {}/bed {:02}/{i:05} {name}", i % 4, i / 4 % 40), i.to_string());
    }
    // A record of more than 64 KiB: many holes.
    let many = fs::File::create(h.source().join("ward 1/bed 20/many")).expect("a file");
    for i in 0..12_000u64 {
        std::os::unix::fs::FileExt::write_at(&many, b"x", i * 8192).expect("a byte");
    }
    many.set_len(12_000 * 8192 + 4096).expect("an end");
    h.backup();
    h.write("ward 2/bed 00/new", "new");
    h.backup();
    let whole = picture(&h.restore("whole"));
    let all: Vec<PathBuf> = whole.keys().cloned().collect();
    let files: Vec<&PathBuf> = all.iter().filter(|p| h.source().join(p).is_file()).collect();
    for round in 0..40 {
        let wanted: Vec<PathBuf> = match round {
            0 => vec!["ward 1/bed 20/many".into()],
            1 => vec!["ward 1/bed 20".into(), "ward 1/bed 20/many".into(), "ward 3".into()],
            2 => vec!["".into()],
            3 => vec!["ward 2/bed 00/new".into()],
            4 => vec![all[all.len() - 1].clone(), all[1].clone()],
            _ => (0..1 + dice.below(4)).map(|_| (*dice.pick(&files)).clone()).collect(),
        };
        let to = format!("part {round}");
        let path = |p: &PathBuf| {
            // Its components leave out the slash that an empty path would add.
            let path: PathBuf = Path::new("source").join(p).components().collect();
            std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec()
        };
        let options = azekura::job::restore::Options { paths: wanted.iter().map(path).collect(), ..h.restore_options(&to) };
        assert!(is_found_by_its_order(&h, &options.paths), "{wanted:?}");
        let report = h.try_restore(&options).expect("a restore");
        assert!(report.findings.is_empty() && report.not_found.is_empty(), "{wanted:?}: {report:?}");
        let mut expected = whole.clone();
        expected.retain(|p, _| wanted.iter().any(|w| p.starts_with(w) || w.starts_with(p)));
        assert_same(&expected, &picture(&h.path(&to).join("source")), &format!("{wanted:?}"));
    }
    let options = azekura::job::restore::Options { paths: vec![b"source/ward 1/bed 99".to_vec()], ..h.restore_options("none") };
    assert_eq!(h.try_restore(&options).expect("a restore").not_found, [b"source/ward 1/bed 99".to_vec()]);
}
