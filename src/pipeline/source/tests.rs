use super::beneath::{Beneath, FOLDER, STEP_BYTES, last_cut};
use super::*;
use crate::format::entry::{Core, DataRange, compare_paths};
use crate::machine::{skipped, tried, without_privileges};
use proptest::prelude::*;
use rustix::fs::{CWD, mkdirat, openat};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

fn tree(root: &Path) -> SourceTree {
    tree_with(root, TreeOptions::default())
}

fn tree_with(root: &Path, options: TreeOptions) -> SourceTree {
    SourceTree::open(b"src".to_vec(), root, options).unwrap()
}

fn paths(tree: &SourceTree) -> Vec<String> {
    tree.walk().map(|f| String::from_utf8_lossy(&f.unwrap().path).into_owned()).collect()
}

fn found(tree: &SourceTree, path: &str) -> WalkedEntry {
    tree.walk().flatten().find(|f| f.path == path.as_bytes()).unwrap()
}

fn mkdir(path: &Path) {
    fs::create_dir_all(path).unwrap();
}

/// Makes `depth` folders of `name` in one another, each beneath the one before, and opens the deepest.
pub(in crate::pipeline) fn chain(root: &Path, name: &str, depth: usize) -> rustix::fd::OwnedFd {
    let mut at = open(root, FOLDER | OFlags::CLOEXEC, Mode::empty()).unwrap();
    for _ in 0..depth {
        mkdirat(&at, name, Mode::RWXU).unwrap();
        at = openat(&at, name, FOLDER | OFlags::CLOEXEC, Mode::empty()).unwrap();
    }
    at
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_walk_gives_every_entry_in_the_streams_order(
        names in prop::collection::vec(
            prop::collection::vec("[ -.0a\u{e9}\u{3042}]{1,12}|[\u{1}-~&&[^/.]]{1,30}|x{248}[a-c]{0,7}", 1..4), 0..40)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut made = std::collections::BTreeSet::from(["src".to_string()]);
        for parts in &names {
            if parts.iter().any(|p| p == "." || p == "..") {
                continue;
            }
            let _ = fs::create_dir_all(dir.path().join(parts.join("/")));
            for n in 1..=parts.len() {
                let path = parts[..n].join("/");
                if dir.path().join(&path).is_dir() {
                    made.insert(format!("src/{path}"));
                }
            }
        }
        let walked: Vec<_> = tree(dir.path()).walk().map(|f| f.unwrap().path).collect();
        prop_assert!(walked.is_sorted_by(|a, b| compare_paths(a, b).is_lt()));
        prop_assert_eq!(walked.len(), made.len());
        prop_assert!(walked.iter().all(|p| made.contains(str::from_utf8(p).unwrap())));
    }
}

#[test]
fn children_follow_their_folder_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for d in ["a", "a-", "b"] {
        mkdir(&dir.path().join(d));
    }
    for f in ["a/z", "a-/y", "a.txt", "b/x"] {
        File::create(dir.path().join(f)).unwrap();
    }
    let expected = ["src", "src/a", "src/a/z", "src/a-", "src/a-/y", "src/a.txt", "src/b", "src/b/x"];
    assert_eq!(paths(&tree(dir.path())), expected);
}

#[test]
fn names_are_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let long = [b'n'; 255];
    let names: [&[u8]; 6] = [b"\n", b" ", b"\x83\x4a\x83\x8b\x83\x65", b"\xff\xfe", b"-rf", &long];
    for name in names {
        File::create(dir.path().join(OsStr::from_bytes(name))).unwrap();
    }
    let tree = tree_with(dir.path(), TreeOptions { excludes: vec![b"*.tmp".into()], ..Default::default() });
    let mut expected: Vec<_> = names.iter().map(|n| [b"src/", *n].concat()).collect();
    expected.sort();
    let walked: Vec<_> = tree.walk().map(|f| f.unwrap().path).skip(1).collect();
    assert_eq!(walked, expected);
    for path in walked {
        tree.open_file(&path).unwrap();
    }
}

#[test]
fn a_root_may_be_a_file_missing_or_empty() {
    let dir = tempfile::tempdir().unwrap();
    assert!(tree(dir.path()).is_empty().unwrap());
    let missing = SourceTree::open(b"src".to_vec(), &dir.path().join("no"), TreeOptions::default());
    assert!(matches!(missing, Err(SourceError::Missing { .. })));
    let file = dir.path().join("dump.sql");
    fs::write(&file, b"abc").unwrap();
    let single = tree(&file);
    assert!(!single.is_empty().unwrap() && !tree(dir.path()).is_empty().unwrap());
    assert_eq!(paths(&single), ["src"]);
    assert_eq!(single.open_file(b"src").unwrap().opened().size, 3);
    assert_eq!(single.describe(&found(&single, "src")).unwrap().core.size, 3);
    for foreign in ["src/x", "other", "srcx"] {
        assert!(single.open_file(foreign.as_bytes()).is_err());
    }
    for name in ["", "..", "/a", "a//b"] {
        let refused = SourceTree::open(name.into(), dir.path(), TreeOptions::default());
        assert!(matches!(refused, Err(SourceError::Name { .. })), "{name}");
    }
}

#[test]
fn excludes_are_gitignores() {
    let dir = tempfile::tempdir().unwrap();
    for d in ["cache/deep", "keep/cache", "build"] {
        mkdir(&dir.path().join(d));
    }
    for f in ["a.tmp", "keep/b.tmp", "keep/important.tmp", "keep/c", "build/o", "keep/build"] {
        File::create(dir.path().join(f)).unwrap();
    }
    fs::write(dir.path().join(OsStr::from_bytes(b"\xff.tmp")), b"").unwrap();
    let excludes = ["*.tmp", "!important.tmp", "/cache", "build/", "# a remark"].map(|x| x.into()).to_vec();
    let tree = tree_with(dir.path(), TreeOptions { excludes, ..Default::default() });
    let expected = ["src", "src/keep", "src/keep/build", "src/keep/c", "src/keep/cache", "src/keep/important.tmp"];
    assert_eq!(paths(&tree), expected);
    for pattern in [&b"\xff"[..], b"a{b"] {
        let options = TreeOptions { excludes: vec![pattern.into()], ..Default::default() };
        let refused = SourceTree::open(b"src".to_vec(), dir.path(), options);
        assert!(matches!(refused, Err(SourceError::ExcludeText { .. } | SourceError::Exclude { .. })));
    }
}

#[test]
fn the_medium_in_the_source_is_reported_and_not_entered() {
    let dir = tempfile::tempdir().unwrap();
    mkdir(&dir.path().join("medium/AZEKURA"));
    mkdir(&dir.path().join("other"));
    let m = fs::metadata(dir.path().join("medium")).unwrap();
    for one_file_system in [false, true] {
        let options = TreeOptions { skip: vec![(m.dev(), m.ino())], one_file_system, ..Default::default() };
        let items: Vec<_> = tree_with(dir.path(), options).walk().collect();
        assert_eq!(items.len(), 3);
        assert_eq!(items[1], Err(Problem::new(b"src/medium", ProblemKind::Skipped)));
    }
}

#[test]
fn a_folder_on_another_file_system_is_an_entry_and_not_entered() {
    let options = TreeOptions { one_file_system: true, excludes: vec![b"/*".into(), b"!/proc".into()], ..Default::default() };
    assert_ne!(fs::metadata("/").unwrap().dev(), fs::metadata("/proc").unwrap().dev());
    assert_eq!(paths(&tree_with(Path::new("/"), options)), ["src", "src/proc"]);
}

#[test]
fn a_very_deep_tree_needs_few_descriptors() {
    const DEPTH: usize = 3_000;
    let dir = tempfile::tempdir().unwrap();
    let deepest = chain(dir.path(), "folder", DEPTH);
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    File::from(openat(&deepest, "f", flags, Mode::RUSR).unwrap()).write_all(b"deep").unwrap();
    // Another entry after the child in every tenth folder, so that the walk has to return to it.
    let mut at = open(dir.path(), FOLDER | OFlags::CLOEXEC, Mode::empty()).unwrap();
    for i in 0..DEPTH {
        if i % 10 == 0 {
            openat(&at, "later", flags, Mode::RUSR).unwrap();
        }
        at = openat(&at, "folder", FOLDER | OFlags::CLOEXEC, Mode::empty()).unwrap();
    }
    let tree = tree_with(dir.path(), TreeOptions { no_atime: true, ..Default::default() });
    let before = open_descriptors();
    let (mut count, mut most, mut last) = (0, 0, Vec::new());
    let mut longest = Vec::new();
    for found in tree.walk() {
        let path = found.unwrap().path;
        assert!(last.is_empty() || compare_paths(&last, &path).is_lt());
        count += 1;
        if count % 50 == 0 {
            most = most.max(open_descriptors());
        }
        if path.ends_with(b"/f") {
            longest = path.clone();
        }
        last = path;
    }
    assert_eq!(count, 1 + DEPTH + DEPTH / 10 + 1);
    // Other tests open files meanwhile.
    assert!(most < before + 500, "{most} descriptors");
    assert!(longest.len() > 5 * STEP_BYTES);
    let mut content = [0; 4];
    tree.open_file(&longest).unwrap().file().read_exact_at(&mut content, 0).unwrap();
    assert_eq!(&content, b"deep");
}

#[test]
fn a_folder_moved_during_the_walk_is_found_again_or_reported() {
    let dir = tempfile::tempdir().unwrap();
    chain(dir.path(), "d", 100);
    for d in ["", "d/d"] {
        File::create(dir.path().join(d).join("later")).unwrap();
    }
    let tree = tree(dir.path());
    let mut walk = tree.walk();
    assert_eq!(walk.by_ref().take(101).filter(|f| f.is_ok()).count(), 101);
    // Both ways back fail: `..` leads elsewhere, and the path leads to another folder.
    fs::rename(dir.path().join("d/d/d"), dir.path().join("moved")).unwrap();
    fs::rename(dir.path().join("d/d"), dir.path().join("old")).unwrap();
    mkdir(&dir.path().join("d/d/d"));
    let rest: Vec<_> = walk.collect();
    let problems: Vec<_> = rest.iter().filter_map(|r| r.as_ref().err()).collect();
    assert_eq!(problems.len(), 1);
    assert_eq!((&problems[0].path[..], problems[0].kind), (&b"src/d/d"[..], ProblemKind::Replaced));
    assert_eq!(rest.iter().flatten().map(|f| &f.path[..]).collect::<Vec<_>>(), [b"src/later"]);
}

#[test]
fn what_was_replaced_since_the_walk_is_not_opened() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), b"secret").unwrap();
    let dir = tempfile::tempdir().unwrap();
    mkdir(&dir.path().join("d"));
    for f in ["d/secret", "fifo", "link", "gone"] {
        fs::write(dir.path().join(f), b"mine").unwrap();
    }
    let tree = tree(dir.path());
    let walked: Vec<_> = tree.walk().map(Result::unwrap).collect();
    fs::remove_dir_all(dir.path().join("d")).unwrap();
    symlink(outside.path(), dir.path().join("d")).unwrap();
    for f in ["fifo", "link", "gone"] {
        fs::remove_file(dir.path().join(f)).unwrap();
    }
    rustix::fs::mkfifoat(CWD, dir.path().join("fifo"), Mode::RUSR).unwrap();
    symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
    for (path, kind) in [
        ("src/d/secret", ProblemKind::Replaced),
        ("src/fifo", ProblemKind::Replaced),
        ("src/link", ProblemKind::Replaced),
        ("src/gone", ProblemKind::Vanished),
        ("src/../secret", ProblemKind::Replaced),
    ] {
        assert_eq!(tree.open_file(path.as_bytes()).unwrap_err().kind, kind, "{path}");
    }
    for found in walked.iter().filter(|f| f.path != b"src") {
        assert!(tree.describe(found).is_err(), "{found:?}");
    }
}

#[test]
fn without_openat2_nothing_is_followed_either() {
    let dir = tempfile::tempdir().unwrap();
    mkdir(&dir.path().join("a/b"));
    fs::write(dir.path().join("a/b/f"), b"x").unwrap();
    symlink("a", dir.path().join("l")).unwrap();
    let root = || open(dir.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    for beneath in [Beneath::new(root()), Beneath::stepwise(root())] {
        for good in ["a/b/f", "a", "."] {
            beneath.open(good.as_bytes(), OFlags::RDONLY).unwrap();
        }
        beneath.open(b"l", OFlags::PATH).unwrap();
        for bad in ["l/b/f", "..", "a/../..", "/etc/passwd", "l"] {
            assert!(beneath.open(bad.as_bytes(), OFlags::RDONLY).is_err(), "{bad}");
        }
    }
}

#[test]
fn long_paths_with_a_common_beginning_are_cut_at_the_same_places() {
    let name = "n".repeat(99);
    let path = vec![name.as_str(); 200].join("/").into_bytes();
    assert_eq!(last_cut(&path[..STEP_BYTES]), None);
    let cut = last_cut(&path).unwrap();
    assert_eq!(cut % 100, 99);
    assert!(path.len() - cut - 1 <= STEP_BYTES);
    let before = last_cut(&path[..cut]).unwrap();
    assert!(cut - before - 1 <= STEP_BYTES && cut - before + 100 > STEP_BYTES);
    assert_eq!(last_cut(&path[..cut + 300]), Some(cut));
}

#[test]
fn records_have_links_devices_attributes_and_owners() {
    let dir = tempfile::tempdir().unwrap();
    let target = vec![b't'; 4_095];
    symlink(OsStr::from_bytes(&target), dir.path().join("link")).unwrap();
    mkdir(&dir.path().join("d"));
    let m = fs::metadata(dir.path()).unwrap();
    let tree = tree(dir.path());
    let link = tree.describe(&found(&tree, "src/link")).unwrap();
    assert_eq!(link.core.target.as_deref(), Some(&target[..]));
    assert_eq!(link.lacks, []);
    let set = |name: &str, value: &[u8]| rustix::fs::setxattr(dir.path().join("d"), name, value, rustix::fs::XattrFlags::empty());
    if !tried("attributes of a source", set("user.z", &[7; 2_000])) {
        return;
    }
    set("user.a", b"").unwrap();
    let core = tree.describe(&found(&tree, "src/d")).unwrap().core;
    let user = |c: &Core| c.xattrs.iter().filter(|x| x.0.starts_with(b"user.")).cloned().collect::<Vec<_>>();
    assert_eq!(user(&core), [(b"user.a".to_vec(), vec![]), (b"user.z".to_vec(), vec![7; 2_000])]);
    assert_eq!((core.uid, core.inode), (m.uid(), fs::metadata(dir.path().join("d")).unwrap().ino()));
    if m.uid() == 0 {
        assert_eq!(core.user.as_deref(), Some(&b"root"[..]));
    }
    // An entry like any other, but nothing that is a source by itself.
    let device = SourceTree::open(b"null".to_vec(), Path::new("/dev/null"), TreeOptions::default());
    assert!(matches!(device, Err(SourceError::NoFile { .. })));
    let devices = SourceTree::open(b"dev".to_vec(), Path::new("/dev"), TreeOptions::default()).unwrap();
    let null = found(&devices, "dev/null");
    let core = devices.describe(&null).unwrap().core;
    assert_eq!((core.kind, core.device), (EntryKind::CharDevice, Some((1, 3))));
}

#[test]
fn holes_are_found_and_reading_begins_at_the_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join("f")).unwrap();
    file.write_all_at(b"middle", 1 << 20).unwrap();
    file.set_len(3 << 20).unwrap();
    fs::write(dir.path().join("plain"), vec![0; 100_000]).unwrap();
    let tree = tree(dir.path());
    let core = tree.describe_file(b"src/f", &tree.open_file(b"src/f").unwrap(), &|| false).unwrap().core;
    if let [first, last] = core.holes[..] {
        assert_eq!(first, DataRange { offset: 0, length: 1 << 20 });
        assert_eq!(last.offset + last.length, 3 << 20);
    } else {
        assert_eq!(core.holes, []);
        // What does not know holes says that the first is the file's end.
        assert_eq!(rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(0)).unwrap(), 3 << 20);
        skipped("holes of a source: the temporary folder's file system has none");
    }
    let mut content = Vec::new();
    let opened = tree.open_file(b"src/f").unwrap();
    opened.holes(3 << 20, &|| false);
    std::io::Read::read_to_end(&mut opened.file(), &mut content).unwrap();
    assert_eq!(content.len(), 3 << 20);
    assert_eq!(tree.open_file(b"src/plain").unwrap().holes(100_000, &|| false), Holes::default());
    assert_eq!(tree.open_file(b"src/f").unwrap().holes(3 << 20, &|| true), Holes::default(), "it ends early");
}

#[test]
fn an_unreadable_entry_is_reported_and_the_walk_continues() {
    without_privileges(walk_with_unreadable_entries);
}

fn walk_with_unreadable_entries() {
    let dir = tempfile::tempdir().unwrap();
    mkdir(&dir.path().join("closed"));
    File::create(dir.path().join("closed/f")).unwrap();
    File::create(dir.path().join("open")).unwrap();
    fs::set_permissions(dir.path().join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let tree = tree(dir.path());
    let items: Vec<_> = tree.walk().collect();
    assert_eq!(items.iter().flatten().count(), 3);
    assert_eq!(items[2].as_ref().unwrap_err().kind, ProblemKind::Unreadable);
    assert!(tree.describe(items[1].as_ref().unwrap()).is_ok());
    fs::set_permissions(dir.path().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn several_threads_may_read_one_tree() {
    fn shared<T: Sync + Send>(_: &T) {}
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path());
    shared(&tree);
    shared(&tree.walk());
}

/// A process that takes leases and never releases them.
fn leases(dir: &Path) -> Option<std::process::Child> {
    let program = "import fcntl,os,signal,sys
signal.signal(signal.SIGIO,signal.SIG_IGN)
fds=[os.open(p,os.O_RDWR) for p in sys.argv[1:]]
for fd in fds: fcntl.fcntl(fd,fcntl.F_SETLEASE,fcntl.F_WRLCK)
print('ready',flush=True)
sys.stdin.read()";
    let files = ["a", "b", "c"].map(|name| dir.join(name));
    files.iter().for_each(|file| fs::write(file, "x").unwrap());
    let mut python = std::process::Command::new("python3");
    let (piped, said) = (std::process::Stdio::piped, &mut [0; 5]);
    let mut child = python.arg("-c").arg(program).args(files).stdin(piped()).stdout(piped()).spawn().ok()?;
    let read = std::io::Read::read_exact(child.stdout.as_mut().unwrap(), said);
    read.is_ok_and(|()| said == b"ready").then_some(child)
}

/// Waiting for leases has one limit for all files of a source, and ends when the user wants to stop.
#[test]
fn leases_are_waited_for_together_and_not_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut holder) = leases(dir.path()) else { return skipped("leases: the system has none, or no python3") };
    let begun = std::time::Instant::now();
    let mut tree = tree(dir.path());
    tree.lease_wait.store(300_000, Relaxed);
    for name in ["src/a", "src/b", "src/c"] {
        assert_eq!(tree.open_file(name.as_bytes()).unwrap_err().kind, ProblemKind::Leased);
    }
    assert!((0.3..3.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    static STOP: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(true);
    tree.stopped_by(Interruption::by(&STOP));
    tree.lease_wait.store(LEASE_WAIT_US, Relaxed);
    assert!(tree.open_file(b"src/a").is_err() && begun.elapsed().as_secs() < 3);
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(tree.open_file(b"src/a").is_ok());
}
