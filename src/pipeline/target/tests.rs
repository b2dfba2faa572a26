use super::*;
use crate::format::cbor::Time;
use crate::format::entry::DataRange;
use crate::machine::{is_root, skipped, tried};
use crate::pipeline::source::tests::chain;
use crate::pipeline::source::{SourceTree, TreeOptions, data_ranges};
use rustix::fs::{CWD, FileType, XattrFlags, makedev, mknodat, setxattr, symlinkat};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

fn target(dir: &Path) -> Target {
    target_with(dir, TargetOptions::default())
}

fn target_with(dir: &Path, options: TargetOptions) -> Target {
    Target::create(dir, TargetOptions { owners: is_root(), privileged: true, ..options }).unwrap()
}

fn core(path: &str, kind: EntryKind) -> Core {
    let mut core = Core::new(path.into(), kind);
    core.mode = 0o755;
    core.uid = rustix::process::geteuid().as_raw();
    core.gid = rustix::process::getegid().as_raw();
    core
}

/// Copies a tree as a restore would. Returns its records and all shortfalls.
fn bring_over(from: &Path, to: &Path, options: TargetOptions) -> (Vec<Core>, Vec<Shortfall>) {
    let tree = SourceTree::open(b"src".to_vec(), from, TreeOptions::default()).unwrap();
    let target = target_with(to, options);
    let (mut cores, mut short, mut first) = (Vec::new(), Vec::new(), HashMap::new());
    for found in tree.walk() {
        let found = found.unwrap();
        let file = (found.stat.kind == EntryKind::File).then(|| tree.open_file(&found.path).unwrap());
        let described = match &file {
            Some(file) => tree.describe_file(&found.path, file, &|| false).unwrap(),
            None => tree.describe(&found).unwrap(),
        };
        assert_eq!(described.lacks, []);
        let mut core = described.core;
        if core.kind != EntryKind::Directory && found.stat.nlink > 1 {
            let one = first.entry(found.stat.inode).or_insert_with(|| found.path.clone());
            core.link_to = (*one != found.path).then(|| one.clone());
        }
        match core.kind {
            _ if core.link_to.is_some() => drop(target.link(&core).unwrap()),
            EntryKind::Directory => drop(target.create_directory(&core).unwrap()),
            EntryKind::File => {
                let made = target.create_file(&core).unwrap();
                for run in data_ranges(core.size, &core.holes) {
                    let mut bytes = vec![0; run.length as usize];
                    file.as_ref().unwrap().file().read_exact_at(&mut bytes, run.offset).unwrap();
                    made.file.write_all_at(&bytes, run.offset).unwrap();
                }
                short.extend(target.finish_file(&made.file, &core));
            }
            EntryKind::Symlink => short.extend(target.create_symlink(&core).unwrap().1),
            _ => short.extend(target.create_special(&core).unwrap().1),
        }
        cores.push(core);
    }
    for directory in cores.iter().rev().filter(|c| c.kind == EntryKind::Directory) {
        short.extend(target.finish_directory(directory));
    }
    (cores, short)
}

/// The part of a record that a restore has to reproduce. Inodes and ctimes are the file system's own.
fn records(root: &Path) -> Vec<Core> {
    let tree = SourceTree::open(b"src".to_vec(), root, TreeOptions::default()).unwrap();
    tree.walk()
        .map(|found| {
            let found = found.unwrap();
            let described = match found.stat.kind {
                EntryKind::File => tree.describe_file(&found.path, &tree.open_file(&found.path).unwrap(), &|| false).unwrap(),
                _ => tree.describe(&found).unwrap(),
            };
            Core { inode: 0, ctime: Time::default(), ..described.core }
        })
        .collect()
}

fn set_mtime(path: &Path, seconds: i64, nanoseconds: u32) {
    let fd = open(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).unwrap();
    Node::handle(fd.as_fd()).set_mtime(Time { seconds, nanoseconds }).unwrap();
}

#[test]
fn everything_is_restored() {
    let from = tempfile::tempdir().unwrap();
    let at = |name: &str| from.path().join(name);
    for name in [&b"line\nbreak"[..], b"\x83\x4a\x83\x8b\x83\x65", b"\xff\xc0", &[b'n'; 255]] {
        fs::write(from.path().join(OsStr::from_bytes(name)), name).unwrap();
    }
    fs::create_dir_all(at("d/e/f")).unwrap();
    for mode in [0o000, 0o400, 0o1644, 0o2755, 0o4711, 0o6777, 0o7777] {
        let path = at(&format!("d/mode {mode:04o}"));
        fs::write(&path, b"").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(if is_root() { mode } else { mode | 0o400 })).unwrap();
        let path = at(&format!("d/e/folder {mode:04o}"));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(if is_root() { mode } else { mode | 0o500 })).unwrap();
    }
    for (i, seconds) in [-2_000_000_000, -1, 0, 1 << 31, 1 << 32, 10_000_000_000].into_iter().enumerate() {
        fs::write(at(&format!("time {i}")), b"x").unwrap();
        symlink("nowhere", at(&format!("link {i}"))).unwrap();
        for name in ["time", "link"] {
            set_mtime(&at(&format!("{name} {i}")), seconds, 123_456_789);
        }
    }
    let sparse = fs::File::create(at("sparse")).unwrap();
    sparse.write_all_at(b"data", 1 << 20).unwrap();
    sparse.set_len(5 << 20).unwrap();
    fs::File::create(at("all hole")).unwrap().set_len(1 << 20).unwrap();
    fs::hard_link(at("sparse"), at("d/e/second name")).unwrap();
    fs::hard_link(at("link 0"), at("second link")).unwrap();
    symlink(OsStr::from_bytes(&[b'\xfe'; 4_095]), at("long link")).unwrap();
    rustix::fs::mkfifoat(CWD, at("fifo"), Mode::RUSR | Mode::WGRP).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    tried("attributes come back", setxattr(at("d"), "user.azekura", &[1; 3_000], XattrFlags::empty()));
    // An access list: owner rwx, user 12345 r-x, group r-x, mask r-x, others none.
    let acl = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x02\0\x05\0\x39\x30\0\0\x04\0\x05\0\xff\xff\xff\xff\x10\0\x05\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";
    for name in ["system.posix_acl_access", "system.posix_acl_default"] {
        tried("access lists come back", setxattr(at("d/e"), name, acl, XattrFlags::empty()));
    }
    if is_root() {
        let device = makedev(250, 1_000);
        for (name, kind) in [("char", FileType::CharacterDevice), ("block", FileType::BlockDevice)] {
            tried("devices come back", mknodat(CWD, at(name), kind, Mode::RUSR, device));
        }
        std::os::unix::fs::lchown(at("long link"), Some(4_000_000_000), Some(7)).unwrap();
        std::os::unix::fs::chown(at("d/mode 6777"), Some(12_345), Some(54_321)).unwrap();
        fs::set_permissions(at("d/mode 6777"), fs::Permissions::from_mode(0o6777)).unwrap();
        let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        tried("capabilities come back", setxattr(at("sparse"), "security.capability", capability, XattrFlags::empty()));
        tried("root's attributes come back", setxattr(at("all hole"), "trusted.t", b"\0", XattrFlags::empty()));
    } else {
        skipped("devices, owners, capabilities and root's attributes come back: this is not root");
    }
    let flagged = fs::File::open(at("all hole")).unwrap();
    let flags = Node::open(flagged.as_fd()).set_flags(0x40 | if is_root() { 0x10 } else { 0 });
    tried("a file's flags come back", flags);
    set_mtime(&at("d"), -86_400, 1);

    let to = tempfile::tempdir().unwrap();
    let (cores, short) = bring_over(from.path(), to.path(), TargetOptions::default());
    let restored = to.path().join("src");
    let same = records(from.path()) == records(&restored);
    let differing: Vec<_> = records(from.path()).into_iter().zip(records(&restored)).filter(|(a, b)| a != b).take(3).collect();
    let content = fs::read(from.path().join("sparse")).unwrap() == fs::read(restored.join("sparse")).unwrap();
    let ino = |name: &str| fs::symlink_metadata(restored.join(name)).unwrap().ino();
    let linked = ino("sparse") == ino("d/e/second name") && ino("link 0") == ino("second link");
    for root in [from.path(), &restored] {
        if let Ok(file) = fs::File::open(root.join("all hole")) {
            let _ = Node::open(file.as_fd()).set_flags(0);
        }
    }
    assert_eq!(short, []);
    assert!(same, "{differing:#?}");
    assert!(content && linked);
    assert!(cores.iter().all(|c| c.path.starts_with(b"src")));
}

#[test]
fn a_very_deep_tree_is_restored() {
    const DEPTH: usize = 1_200;
    let from = tempfile::tempdir().unwrap();
    let deepest = chain(from.path(), "a folder", DEPTH);
    symlinkat("x", &deepest, "link").unwrap();
    let to = tempfile::tempdir().unwrap();
    let (cores, short) = bring_over(from.path(), to.path(), TargetOptions::default());
    assert_eq!(short, []);
    assert_eq!(cores.len(), DEPTH + 2);
    assert_eq!(records(from.path()), records(&to.path().join("src")));
}

#[test]
fn a_folder_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    target(dir.path());
    fs::write(dir.path().join("f"), b"precious").unwrap();
    let refused = Target::create(dir.path(), TargetOptions::default());
    assert!(matches!(refused, Err(TargetError::NotEmpty { .. })));
    let inside = target_with(dir.path(), TargetOptions { into_existing: true, ..Default::default() });
    let mut link = core("f", EntryKind::Symlink);
    link.target = Some(b"x".to_vec());
    assert!(matches!(inside.create_file(&core("f", EntryKind::File)), Err(TargetError::Exists { .. })));
    assert!(matches!(inside.create_symlink(&link), Err(TargetError::Exists { .. })));
    assert!(matches!(inside.create_special(&core("f", EntryKind::Fifo)), Err(TargetError::Exists { .. })));
    assert!(matches!(inside.create_directory(&core("f", EntryKind::Directory)), Err(TargetError::Exists { .. })));
    assert_eq!(inside.create_directory(&core("lost+found", EntryKind::Directory)).unwrap(), Creation::Existing);
    assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"precious");
    let file = dir.path().join("f");
    assert!(matches!(Target::create(&file, TargetOptions::default()), Err(TargetError::Folder { .. })));
}

#[test]
fn nothing_escapes_through_a_planted_link() {
    let outside = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir().unwrap();
    symlink(outside.path(), dir.path().join("out")).unwrap();
    symlink(outside.path().join("new"), dir.path().join("dangling")).unwrap();
    fs::write(outside.path().join("old"), b"old").unwrap();
    fs::hard_link(outside.path().join("old"), dir.path().join("hard")).unwrap();
    let options =
        [TargetOptions { into_existing: true, ..Default::default() }, TargetOptions { resume: true, ..Default::default() }];
    for options in options {
        let target = target_with(dir.path(), options);
        let mut link = core("out/l", EntryKind::Symlink);
        link.target = Some(b"x".to_vec());
        assert!(matches!(target.create_file(&core("out/f", EntryKind::File)), Err(TargetError::Blocked { .. })));
        assert!(matches!(target.create_directory(&core("out/d", EntryKind::Directory)), Err(TargetError::Blocked { .. })));
        assert!(matches!(target.create_symlink(&link), Err(TargetError::Blocked { .. })));
        assert!(matches!(target.create_special(&core("out/p", EntryKind::Fifo)), Err(TargetError::Blocked { .. })));
        assert!(matches!(target.create_directory(&core("out", EntryKind::Directory)), Err(TargetError::Exists { .. })));
        assert!(target.create_parents(b"out/a/b").is_err());
        assert!(matches!(target.create_file(&core("dangling", EntryKind::File)), Err(TargetError::Exists { .. })));
        assert_eq!(target.finish_directory(&core("out", EntryKind::Directory))[0].what, Aspect::Entry);
        let mut further = core("further", EntryKind::File);
        further.link_to = Some(b"out/old".to_vec());
        assert!(matches!(target.link(&further), Err(TargetError::Blocked { .. })));
        for bad in ["../f", "/f", "a/../../f", "", "a//b"] {
            assert!(matches!(target.create_file(&core(bad, EntryKind::File)), Err(TargetError::Path { .. })), "{bad}");
        }
        let mut hard = core("hard", EntryKind::File);
        hard.size = 3;
        match target.create_file(&hard) {
            Ok(made) => assert!(options.resume && made.file.write_all_at(b"new", 0).is_err()),
            Err(e) => assert!(!options.resume && matches!(e, TargetError::Exists { .. })),
        }
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(fs::read(outside.path().join("old")).unwrap(), b"old");
}

#[test]
fn an_interrupted_restore_continues() {
    let from = tempfile::tempdir().unwrap();
    fs::create_dir(from.path().join("d")).unwrap();
    fs::write(from.path().join("d/f"), b"content").unwrap();
    fs::hard_link(from.path().join("d/f"), from.path().join("d/g")).unwrap();
    symlink("f", from.path().join("d/l")).unwrap();
    rustix::fs::mkfifoat(CWD, from.path().join("p"), Mode::RUSR).unwrap();
    let to = tempfile::tempdir().unwrap();
    bring_over(from.path(), to.path(), TargetOptions::default());

    let resumed = target_with(to.path(), TargetOptions { resume: true, ..Default::default() });
    for path in ["src", "src/d"] {
        assert_eq!(resumed.create_directory(&core(path, EntryKind::Directory)).unwrap(), Creation::Existing);
    }
    let mut file = core("src/d/f", EntryKind::File);
    file.size = 7;
    assert_eq!(resumed.create_file(&file).unwrap().existing, Some(7));
    file.size = 6;
    assert!(matches!(resumed.create_file(&file), Err(TargetError::Exists { .. })));
    let mut further = core("src/d/g", EntryKind::File);
    further.link_to = Some(b"src/d/f".to_vec());
    assert_eq!(resumed.link(&further).unwrap(), Creation::Existing);
    let mut link = core("src/d/l", EntryKind::Symlink);
    link.target = Some(b"f".to_vec());
    assert_eq!(resumed.create_symlink(&link).unwrap().0, Creation::Existing);
    link.target = Some(b"g".to_vec());
    assert!(matches!(resumed.create_symlink(&link), Err(TargetError::Exists { .. })));
    assert_eq!(resumed.create_special(&core("src/p", EntryKind::Fifo)).unwrap().0, Creation::Existing);
    assert!(matches!(resumed.create_special(&core("src/p", EntryKind::Socket)), Err(TargetError::Exists { .. })));
}

#[test]
fn everything_that_cannot_be_set_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let target = target(dir.path());
    let mut file = core("f", EntryKind::File);
    file.xattrs = vec![(b"nonsense.name".to_vec(), vec![1])];
    file.size = 10;
    file.holes = vec![DataRange { offset: 0, length: 4 }];
    let made = target.create_file(&file).unwrap();
    let short = target.finish_file(&made.file, &file);
    assert_eq!(short.len(), 2, "{short:?}");
    assert_eq!(short[0].what, Aspect::Attribute(b"nonsense.name".to_vec()));
    assert_eq!((&short[1].what, short[1].errno), (&Aspect::Size, 0));
    assert!(matches!(target.create_symlink(&core("l", EntryKind::Symlink)), Err(TargetError::Incomplete { .. })));
    assert!(matches!(target.create_special(&core("c", EntryKind::CharDevice)), Err(TargetError::Incomplete { .. })));
}

#[test]
fn a_set_id_bit_needs_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::create(dir.path(), TargetOptions { privileged: true, ..TargetOptions::default() }).unwrap();
    let mut file = core("f", EntryKind::File);
    file.uid += 1;
    file.mode = 0o4755;
    let made = target.create_file(&file).unwrap();
    let short = target.finish_file(&made.file, &file);
    assert_eq!(short.iter().map(|s| &s.what).collect::<Vec<_>>(), [&Aspect::Mode]);
    assert_eq!(made.file.metadata().unwrap().mode() & 0o7777, 0o755);
}

/// What an attacker puts on a medium must not become root's without anybody having asked for it.
#[test]
fn what_gives_rights_is_withheld_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::create(dir.path(), TargetOptions { owners: is_root(), ..TargetOptions::default() }).unwrap();
    let mut file = core("f", EntryKind::File);
    file.mode = 0o6755;
    file.xattrs = [&b"security.capability"[..], b"security.evm", b"trusted.t"].map(|name| (name.to_vec(), vec![0; 20])).to_vec();
    let made = target.create_file(&file).unwrap();
    let short: Vec<Aspect> = target.finish_file(&made.file, &file).into_iter().map(|s| s.what).collect();
    let attributes = file.xattrs.iter().map(|(name, _)| Withheld::Attribute(name.clone()));
    let withheld: Vec<Aspect> = attributes.chain([Withheld::SetId]).map(Aspect::Withheld).collect();
    assert_eq!(short, withheld);
    assert_eq!(made.file.metadata().unwrap().mode() & 0o7777, 0o755);
    assert!(Node::open(made.file.as_fd()).xattrs().0.iter().all(|(name, _)| file.xattrs.iter().all(|x| x.0 != *name)));
    for kind in [EntryKind::CharDevice, EntryKind::BlockDevice] {
        let mut device = core("d", kind);
        device.device = Some((1, 3));
        assert!(matches!(target.create_special(&device), Err(TargetError::Withheld { .. })));
        device.link_to = Some(b"c".to_vec());
        assert!(matches!(target.link(&device), Err(TargetError::Withheld { .. })));
    }
    assert!(!dir.path().join("d").exists());
    // Of a folder the bit gives no rights: new files in it have its group.
    let mut folder = core("folder", EntryKind::Directory);
    folder.mode = 0o2755;
    target.create_directory(&folder).unwrap();
    assert_eq!(target.finish_directory(&folder), []);
    assert_eq!(fs::metadata(dir.path().join("folder")).unwrap().mode() & 0o7777, 0o2755);
}

/// Whoever owns a folder may move away what is in it: files that only a folder above protects, for one.
#[test]
fn root_restores_nothing_to_where_others_may_change_it() {
    if !is_root() {
        return skipped("a folder of somebody else: this is not root");
    }
    let dir = tempfile::tempdir().unwrap();
    let theirs = dir.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    std::os::unix::fs::chown(&theirs, Some(12_345), None).unwrap();
    for to in [theirs.clone(), theirs.join("new")] {
        let refused = Target::create(&to, TargetOptions::default());
        assert!(matches!(&refused, Err(TargetError::Others { at, .. }) if *at == theirs), "{:?}", refused.err());
    }
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
    let into_existing = TargetOptions { into_existing: true, ..Default::default() };
    // Without the recorded owners nothing gives the folder back to its owner.
    let target = Target::create(dir.path(), into_existing).unwrap();
    assert!(matches!(target.create_directory(&core("theirs", EntryKind::Directory)), Err(TargetError::OthersWithin { .. })));
    assert!(target.create_file(&core("theirs/f", EntryKind::File)).is_err());
    assert!(target.create_parents(b"theirs/a/f").is_err());
    assert_eq!(target.finish_directory(&core("theirs", EntryKind::Directory))[0].what, Aspect::Entry);
    assert_eq!((fs::read_dir(&theirs).unwrap().count(), fs::metadata(&theirs).unwrap().uid()), (0, 12_345));
    // With them it is root's until everything in it is finished.
    let target = target_with(dir.path(), into_existing);
    let mut folder = core("theirs", EntryKind::Directory);
    (folder.uid, folder.mode) = (12_345, 0o770);
    assert_eq!(target.create_directory(&folder).unwrap(), Creation::Existing);
    assert_eq!(fs::metadata(&theirs).unwrap().uid(), 0);
    target.create_file(&core("theirs/f", EntryKind::File)).unwrap();
    assert_eq!(target.finish_directory(&folder), []);
    let finished = fs::metadata(&theirs).unwrap();
    assert_eq!((finished.uid(), finished.mode() & 0o7777), (12_345, 0o770));
    // What somebody has put there is not taken for what an interrupted restore left: they may have it open.
    fs::write(theirs.join("planted"), "").unwrap();
    std::os::unix::fs::chown(theirs.join("planted"), Some(12_345), None).unwrap();
    let resumed = target_with(dir.path(), TargetOptions { resume: true, ..Default::default() });
    resumed.create_directory(&folder).unwrap();
    let mut planted = core("theirs/planted", EntryKind::File);
    planted.size = 6;
    assert!(matches!(resumed.create_file(&planted), Err(TargetError::Exists { .. })));
    planted.uid = 12_345;
    assert_eq!(resumed.create_file(&planted).unwrap().existing, Some(0), "it was finished for its owner");
}

/// `chown` takes this number as "leave it as it is": the file stays root's, and with its bit it would run as root.
#[test]
fn a_set_id_bit_is_not_given_to_an_owner_that_cannot_be_set() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let target = target(dir.path());
    for (uid, gid) in [(u32::MAX, 0), (0, u32::MAX), (u32::MAX, u32::MAX)] {
        let mut file = core(&format!("{uid} {gid}"), EntryKind::File);
        (file.uid, file.gid, file.mode) = (uid, gid, 0o6755);
        file.xattrs = vec![(b"security.capability".to_vec(), b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec())];
        let made = target.create_file(&file).unwrap();
        let short: Vec<Aspect> = target.finish_file(&made.file, &file).into_iter().map(|s| s.what).collect();
        let withheld = Aspect::Attribute(b"security.capability".to_vec());
        assert!([Aspect::Owner, withheld, Aspect::Mode].iter().all(|what| short.contains(what)), "{short:?}");
        let kept = if uid == u32::MAX { 0 } else { 0o4000 } | if gid == u32::MAX { 0 } else { 0o2000 };
        assert_eq!(made.file.metadata().unwrap().mode() & 0o7777, 0o755 | kept);
        assert!(Node::open(made.file.as_fd()).xattrs().0.iter().all(|x| x.0 != b"security.capability"));
    }
}

#[test]
fn access_lists_are_not_inherited_from_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let acl = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x02\0\x05\0\x39\x30\0\0\x04\0\x05\0\xff\xff\xff\xff\x10\0\x05\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";
    if !tried("a folder's access list", setxattr(dir.path(), "system.posix_acl_default", acl, XattrFlags::empty())) {
        return;
    }
    let target = target(dir.path());
    let file = core("f", EntryKind::File);
    let made = target.create_file(&file).unwrap();
    assert_eq!(target.finish_file(&made.file, &file), []);
    let folder = core("d", EntryKind::Directory);
    target.create_directory(&folder).unwrap();
    assert_eq!(target.finish_directory(&folder), []);
    for name in ["f", "d"] {
        let opened = fs::File::open(dir.path().join(name)).unwrap();
        let found = Node::open(opened.as_fd()).xattrs().0;
        assert!(!found.iter().any(|x| x.0.starts_with(b"system.posix_acl")), "{found:?}");
    }
}

#[test]
fn many_threads_create_in_many_folders() {
    let dir = tempfile::tempdir().unwrap();
    let target = target(dir.path());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let target = &target;
            scope.spawn(move || {
                for i in 0..300 {
                    let path = format!("src/{}/{i}/file {thread}", i % 7);
                    target.create_parents(path.as_bytes()).unwrap();
                    let file = core(&path, EntryKind::File);
                    let made = target.create_file(&file).unwrap();
                    assert_eq!(target.finish_file(&made.file, &file), []);
                }
            });
        }
    });
    let tree = SourceTree::open(b"t".to_vec(), dir.path(), TreeOptions::default()).unwrap();
    assert_eq!(tree.walk().flatten().filter(|f| f.stat.kind == EntryKind::File).count(), 1_200);
    target.sync().unwrap();
}

/// Only a limited number of files is open at once. While one is closed, somebody replaces it, or its folder.
#[test]
fn a_file_is_opened_again_only_if_it_is_still_the_created_one() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("f"), b"precious").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let target = target(dir.path());
    let at = |name: &str| dir.path().join(name);
    target.create_directory(&core("d", EntryKind::Directory)).unwrap();
    let file = core("d/f", EntryKind::File);
    let made = target.create_file(&file).unwrap();
    made.file.write_all_at(b"begun", 0).unwrap();
    let closed = target.close_file(&made.file).unwrap();
    drop(made);
    target.reopen_file(&file, &closed).unwrap().write_all_at(b", ended", 5).unwrap();
    assert_eq!(fs::read(at("d/f")).unwrap(), b"begun, ended");

    // The created file is kept elsewhere, so that no other file gets its inode.
    fs::rename(at("d/f"), at("d/aside")).unwrap();
    assert!(matches!(target.reopen_file(&file, &closed), Err(TargetError::Refused { .. })));
    fs::write(at("d/f"), b"another").unwrap();
    assert!(matches!(target.reopen_file(&file, &closed), Err(TargetError::Replaced { .. })));
    fs::remove_file(at("d/f")).unwrap();
    symlink(at("d/aside"), at("d/f")).unwrap();
    assert!(target.reopen_file(&file, &closed).is_err());
    fs::remove_file(at("d/f")).unwrap();
    rustix::fs::mkfifoat(CWD, at("d/f"), Mode::RUSR).unwrap();
    assert!(matches!(target.reopen_file(&file, &closed), Err(TargetError::Replaced { .. })));
    fs::remove_file(at("d/f")).unwrap();
    // With another name it may belong to somebody else: it is opened only for reading.
    fs::rename(at("d/aside"), at("d/f")).unwrap();
    fs::hard_link(at("d/f"), outside.path().join("theirs")).unwrap();
    assert!(target.reopen_file(&file, &closed).unwrap().write_all_at(b"x", 0).is_err());
    fs::remove_file(outside.path().join("theirs")).unwrap();
    assert_eq!(fs::read(at("d/f")).unwrap(), b"begun, ended");
    // The folder is opened again: the created one was moved away, and a link out of the target has replaced it.
    let target = target_with(dir.path(), TargetOptions { into_existing: true, ..Default::default() });
    fs::rename(at("d"), at("e")).unwrap();
    symlink(outside.path(), at("d")).unwrap();
    assert!(matches!(target.reopen_file(&file, &closed), Err(TargetError::Blocked { .. })));
    assert_eq!(fs::read(outside.path().join("f")).unwrap(), b"precious");
}

/// A temporary file may contain names of patients: nobody else may see it, and nothing of it may remain, however the restore ends.
#[test]
fn temporary_files_have_no_name() {
    let dir = tempfile::tempdir().unwrap();
    let target = target(dir.path());
    let random = |b: &mut [u8]| b.fill(7);
    for file in [target.nameless_file(&random), target.unnamed_file(&random)] {
        let file = file.unwrap();
        let status = file.metadata().unwrap();
        assert_eq!((status.nlink(), status.mode() & 0o7777), (0, 0o600));
        assert_eq!(status.dev(), fs::metadata(dir.path()).unwrap().dev(), "it takes no room in memory");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        file.write_all_at(b"Aoki", 0).unwrap();
        let mut read = [0; 4];
        file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"Aoki");
    }
    // A file that has the name stays as it is.
    let outside = tempfile::tempdir().unwrap();
    let name = dir.path().join(format!(".azekura-{}", "07".repeat(16)));
    symlink(outside.path().join("new"), &name).unwrap();
    assert!(target.unnamed_file(&random).is_err());
    assert!(name.is_symlink() && fs::read_dir(outside.path()).unwrap().count() == 0);
}

/// At the end of a long restore, a folder without a record is gone, or on a file system without permissions.
#[test]
fn a_folder_that_cannot_become_read_only_is_a_shortfall() {
    let dir = tempfile::tempdir().unwrap();
    let target = target_with(dir.path(), TargetOptions { read_only: true, ..Default::default() });
    for path in ["a/b/f", "c/f"] {
        target.create_parents(path.as_bytes()).unwrap();
    }
    fs::rename(dir.path().join("a/b"), dir.path().join("elsewhere")).unwrap();
    let lacking: Vec<_> = target.finish_parents().into_iter().map(|s| (s.path, s.what, s.errno)).collect();
    assert_eq!(lacking, [(b"a/b".to_vec(), Aspect::Mode, Errno::NOENT.raw_os_error() as u32)]);
    for folder in ["a", "c"] {
        assert_eq!(fs::metadata(dir.path().join(folder)).unwrap().mode() & 0o777, 0o555);
    }
}

/// On a file system of which nothing is known, every file and every folder is flushed by itself, also those above the
/// target and those without a record. What cannot be flushed
/// is said to be so.
#[test]
fn where_syncfs_may_not_flush_each_file_is_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("a/b");
    for (systems, is_flushed) in [(FileSystems::unknown(), true), (FileSystems::new(), false)] {
        let options = TargetOptions { into_existing: true, ..TargetOptions::default() };
        let target = Target::create_on(&to, options, systems).unwrap();
        let name = format!("deep/er/{is_flushed}");
        target.create_parents(name.as_bytes()).unwrap();
        let file = core(&name, EntryKind::File);
        let made = target.create_file(&file).unwrap();
        assert_eq!(target.finish_file(&made.file, &file), []);
        assert_eq!((target.flushes_each(), target.flush_file(&made.file, &file)), (is_flushed, None));
        let last = target.folders.file_systems().last_inode();
        // tmpfs, where everything is gone with the machine, needs nothing.
        assert_eq!(last, is_flushed.then(|| made.file.metadata().unwrap().ino()));
        let parents: Vec<_> = target.made_parents.lock().iter().cloned().collect();
        assert_eq!(parents, if is_flushed { vec![b"deep".to_vec(), b"deep/er".to_vec()] } else { vec![] });
        target.sync().unwrap();
        assert!(target.made_parents.lock().is_empty());
    }
    // A file that cannot be flushed is said to be so: a pipe has no disk.
    let target = Target::create_on(&to, TargetOptions { into_existing: true, ..Default::default() }, FileSystems::unknown());
    let (reader, _writer) = std::io::pipe().unwrap();
    let systems = target.unwrap();
    systems.folders.file_systems().note_as(&reader);
    let short = systems.flush_file(&fs::File::from(OwnedFd::from(reader)), &core("pipe", EntryKind::Fifo));
    assert!(short.as_ref().is_some_and(|s| s.what == Aspect::Durable && s.errno == 22), "{short:?}");
}
