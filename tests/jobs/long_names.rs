//! Names and attributes as long as somebody can make them. They take no night its memory: what is too long is named, and the
//! rest is in the backup.

use crate::machine::skipped;
use crate::tools::fast_folder;
use crate::world::Hospital;
use azekura::format::seal::Verdict;
use azekura::job::backup::Options;
use azekura::job::restore;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, XattrFlags, fsetxattr, mkdirat, openat};
use std::path::Path;

const NAME: &str = match str::from_utf8(&[b'd'; 255]) {
    Ok(name) => name,
    Err(_) => unreachable!(),
};

/// Folders in one another, each with a file: the paths of the inner ones are longer than any call takes.
fn nested(at: &Path, depth: usize) {
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open =
        |at: &OwnedFd| mkdirat(at, NAME, Mode::RWXU).and_then(|()| openat(at, NAME, folder, Mode::empty())).expect("a folder");
    let mut at = openat(CWD, at, folder, Mode::empty()).expect("the source");
    for _ in 0..depth {
        at = open(&at);
        openat(&at, "file", OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR).expect("a file");
    }
}

fn with_memory(h: &Hospital, memory_bytes: u64) -> Options {
    Options { memory_bytes, ..h.options() }
}

/// The paths of eighty nested folders take 1.7 MB, and those of four thousand 8 GB.
#[test]
fn nested_folders_take_no_more_than_their_share() {
    let h = Hospital::within(fast_folder());
    h.write("aoki", "the record");
    h.write("watanabe", "the record");
    nested(&h.source(), 80);
    for night in 1..=2 {
        let report = h.try_backup(&with_memory(&h, 200_000)).expect("a backup");
        assert_eq!(report.verdict, Verdict::Incomplete, "night {night}");
        let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
        assert!(finding.detail.contains("memory") && finding.path.ends_with(NAME.as_bytes()), "{}", finding.detail);
        let entries = report.count("entries");
        assert!((60..150).contains(&entries), "{entries}");
        assert_eq!((report.count("gone"), report.count("changed")), (0, 0), "night {night}");
        let options = restore::Options { generation: None, ..h.restore_options(&format!("restored {night}")) };
        let restored = h.try_restore(&options).expect("a restore");
        assert_eq!((restored.entries, restored.not_restored), (entries, 0), "{:?}", restored.findings);
        assert!(h.path(&format!("restored {night}/source/watanabe")).exists(), "what comes behind it");
    }
    // All of it fits when there is memory, and nothing is said to be gone when there is none again.
    let report = h.try_backup(&with_memory(&h, 96 << 20)).expect("a backup");
    assert_eq!((report.verdict, report.count("entries")), (Verdict::Good, 163), "{:?}", report.findings);
    let options = restore::Options { generation: None, ..h.restore_options("all") };
    let restored = h.try_restore(&options).expect("a restore");
    assert_eq!((restored.entries, restored.not_restored), (163, 0), "{:?}", restored.findings);
    let report = h.try_backup(&with_memory(&h, 200_000)).expect("a backup");
    assert_eq!((report.verdict, report.count("entries"), report.count("gone")), (Verdict::Incomplete, 163, 0));
}

#[test]
fn attributes_take_no_more_than_their_share() {
    let h = Hospital::within(fast_folder());
    for n in 0..20 {
        let path = h.write(&format!("image {n:02}"), "x");
        let file = std::fs::File::open(path).expect("the file");
        if fsetxattr(&file, "user.long", &[b'a'; 60_000], XattrFlags::empty()).is_err() {
            return skipped("long attributes: the file system has none");
        }
    }
    let report = h.try_backup(&with_memory(&h, 300_000)).expect("a backup");
    assert_eq!((report.verdict, report.count("files")), (Verdict::Incomplete, 20));
    let lacking = report.findings.iter().filter(|f| f.kind == "attributes-unreadable").count();
    assert!((10..18).contains(&lacking), "{:?}", report.findings.iter().map(|f| &f.kind).collect::<Vec<_>>());
    let report = h.try_backup(&with_memory(&h, 96 << 20)).expect("a backup");
    assert_eq!((report.verdict, report.count("changed")), (Verdict::Good, lacking as u64), "{:?}", report.findings);
}
