//! The promises of `Medium`, tested on every kind of medium: in memory, in a folder, inside a disaster that does not
//! happen, and on every file system that can be made and mounted here. What cannot be tested is reported as skipped.

#[path = "medium_contract/folders.rs"]
mod folders;
mod machine;
#[path = "medium_contract/stop.rs"]
mod stop;

use azekura::format::digests::Hashes;
use azekura::format::label::Label;
use azekura::format::object::{Id, ObjectKind, object_path};
use azekura::format::seal::ReadBack;
use azekura::medium::simulated::{Call, FlippedBit, FullAfter, PowerCut, Recorder, Simulated, Unplugged};
use azekura::medium::tape::simulated::Cartridge;
use azekura::medium::tape::{BLOCK_BYTES, Tape};
use azekura::medium::{Directory, ErrorCategory, FileSystem, Immutable, Listed, Medium, MediumError, Sets};
use machine::{object_file, put_object, skipped};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::any::Any;
use std::error::Error;
use std::ffi::{CString, OsString};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

type Outcome = Result<(), Box<dyn Error>>;

const SET: Id = Id([7; 16]);

/// A new medium, and what it needs until it is dropped.
struct Case {
    name: String,
    medium: Arc<dyn Medium>,
    _keep: Box<dyn Any>,
}

fn simulated() -> Arc<dyn Medium> {
    Arc::new(Simulated::new())
}

fn directory() -> Result<Case, Box<dyn Error>> {
    let root = tempfile::tempdir()?;
    let medium = Arc::new(Directory::create(root.path(), SET)?);
    Ok(Case { name: "directory".into(), medium, _keep: Box::new(root) })
}

fn every_medium() -> Result<Vec<Case>, Box<dyn Error>> {
    let case = |name: &str, medium| Case { name: name.into(), medium, _keep: Box::new(()) };
    let mut cases = vec![
        directory()?,
        case("simulated", simulated()),
        case("power cut to come", Arc::new(PowerCut::at_call(simulated(), u64::MAX, PowerCut::nothing()))),
        case("full one day", Arc::new(FullAfter::tearing(simulated(), 1 << 40))),
        case("a bit flipped elsewhere", Arc::new(FlippedBit::new(simulated(), 999_999, 0))),
        case("plugged in", Arc::new(Unplugged::after_calls(simulated(), u64::MAX))),
        case("tape", Arc::new(Tape::create(Box::new(Cartridge::new().load()), SET, BLOCK_BYTES)?)),
        case("tape of short blocks", Arc::new(Tape::create(Box::new(Cartridge::new().load()), SET, 4096)?)),
        case("recorded", Arc::new(Recorder::new(simulated()))),
    ];
    for kind in FILE_SYSTEMS {
        let Some(mount) = Mount::new(kind, 64, "") else { continue };
        // Without the immutable attribute, the default of a mount; another test covers that.
        let medium = Directory::create(&mount.point(), SET)?.with_immutable(false);
        cases.push(Case { name: (*kind).into(), medium: Arc::new(medium), _keep: Box::new(mount) });
    }
    Ok(cases)
}

/// Bytes that differ from object to object.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn read(medium: &dyn Medium, number: u64, kind: ObjectKind) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut out = Vec::new();
    medium.open(number, kind)?.read_to_end(&mut out)?;
    Ok(out)
}

fn names(medium: &dyn Medium) -> Result<Vec<(u64, ObjectKind, u64)>, MediumError> {
    Ok(medium.list()?.objects.into_iter().map(|o| (o.number, o.kind, o.length)).collect())
}

#[test]
fn what_was_appended_comes_back() -> Outcome {
    for Case { name, medium, _keep } in every_medium()? {
        let m = &*medium;
        let lengths = [0, 1, 511, 512, 4095, 4096, 4097, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (9 << 20) + 13];
        for (i, length) in lengths.into_iter().enumerate() {
            m.append(i as u64, ObjectKind::Pack, &bytes(i as u64, length))?;
            // Readable before it is durable.
            assert_eq!(m.read_back(i as u64, ObjectKind::Pack, Hashes::Blake3)?.length, length as u64, "{name}");
        }
        m.sync()?;
        m.sync()?;
        for (i, length) in lengths.into_iter().enumerate() {
            let (i, content) = (i as u64, bytes(i as u64, length));
            assert_eq!(read(m, i, ObjectKind::Pack)?, content, "{name}");
            let again = m.read_back(i, ObjectKind::Pack, Hashes::Blake3)?;
            assert_eq!(
                (again.length, again.digests.blake3),
                (length as u64, *blake3::hash(&content).as_bytes()),
                "{name} {length}"
            );
            let mut object = m.open(i, ObjectKind::Pack)?;
            assert_eq!(object.length(), length as u64, "{name}");
            if length > 100 {
                let mut ten = [0; 10];
                object.seek(SeekFrom::Start(90))?;
                object.read_exact(&mut ten)?;
                assert_eq!(ten, content[90..100], "{name}");
            }
        }
        eprintln!("{name}: read back {}", m.read_back(9, ObjectKind::Pack, Hashes::Blake3)?.how.name());
    }
    Ok(())
}

#[test]
fn a_number_is_used_once_whatever_its_kind() -> Outcome {
    for Case { name, medium, _keep } in every_medium()? {
        medium.append(4, ObjectKind::Pack, b"first")?;
        for kind in [ObjectKind::Pack, ObjectKind::Seal] {
            let again = medium.append(4, kind, b"second");
            assert!(matches!(again, Err(MediumError::Exists { number: 4, .. })), "{name}: {again:?}");
        }
        medium.sync()?;
        assert!(matches!(medium.append(4, ObjectKind::Pack, b"third"), Err(MediumError::Exists { .. })), "{name}");
        assert_eq!(read(&*medium, 4, ObjectKind::Pack)?, b"first", "{name}");
        let missing = medium.open(4, ObjectKind::Seal).err();
        assert!(matches!(missing, Some(MediumError::Missing { .. })), "{name}");
        assert!(matches!(medium.read_back(5, ObjectKind::Pack, Hashes::Blake3), Err(MediumError::Missing { .. })), "{name}");
    }
    Ok(())
}

#[test]
fn names_that_the_format_does_not_know_are_refused() -> Outcome {
    for Case { name, medium, _keep } in every_medium()? {
        for (number, kind) in [(1, ObjectKind::Void), (1 << 48, ObjectKind::Pack)] {
            assert!(matches!(medium.append(number, kind, b"x"), Err(MediumError::BadName { .. })), "{name}");
        }
        assert_eq!(names(&*medium)?, [], "{name}");
    }
    Ok(())
}

#[test]
fn the_list_ascends_by_number() -> Outcome {
    for Case { name, medium, _keep } in every_medium()? {
        for (number, kind) in [
            (300_000_000, ObjectKind::Seal),
            (2, ObjectKind::Manifest),
            (10, ObjectKind::Pack),
            (0, ObjectKind::Label),
            (9, ObjectKind::Parity),
        ] {
            medium.append(number, kind, &bytes(number, number as usize % 1000))?;
        }
        medium.sync()?;
        let expected = [
            (0, ObjectKind::Label, 0),
            (2, ObjectKind::Manifest, 2),
            (9, ObjectKind::Parity, 9),
            (10, ObjectKind::Pack, 10),
            (300_000_000, ObjectKind::Seal, 0),
        ];
        assert_eq!(names(&*medium)?, expected, "{name}");
    }
    Ok(())
}

#[test]
fn many_threads_append_at_once() -> Outcome {
    for Case { name, medium, _keep } in every_medium()? {
        std::thread::scope(|scope| {
            let work: Vec<_> = (0..4u64)
                .map(|t| {
                    let m = &*medium;
                    scope.spawn(move || {
                        for i in 0..40 {
                            let number = i * 4 + t;
                            m.append(number, ObjectKind::Pack, &bytes(number, 3000))?;
                            if i % 16 == 0 {
                                m.sync()?;
                            }
                            m.read_back(number, ObjectKind::Pack, Hashes::Blake3)?;
                        }
                        Ok::<_, MediumError>(())
                    })
                })
                .collect();
            work.into_iter().try_for_each(|w| w.join().unwrap_or_else(|p| std::panic::resume_unwind(p)))
        })?;
        medium.sync()?;
        let listed = names(&*medium)?;
        assert_eq!(listed.len(), 160, "{name}");
        for (i, (number, _, length)) in listed.into_iter().enumerate() {
            assert_eq!((number, length), (i as u64, 3000), "{name}");
            assert_eq!(read(&*medium, number, ObjectKind::Pack)?, bytes(number, 3000), "{name}");
        }
    }
    Ok(())
}

// ---- folders

#[test]
fn foreign_names_are_listed_apart() -> Outcome {
    let root = tempfile::tempdir()?;
    let medium = Directory::create(root.path(), SET)?;
    medium.append(3, ObjectKind::Pack, b"three")?;
    let within = medium.path().join("00000");
    let names = ["00000004.pack.part", "4.pack", "00000005.void", "000000006.pack", "00000007.PACK", "Thumbs.db"];
    for name in names {
        std::fs::write(within.join(name), b"x")?;
    }
    symlink("/etc/passwd", within.join("00000008.pack"))?;
    std::fs::create_dir(within.join("00000009.pack"))?;
    let fifo = CString::new(within.join("00000010.pack").into_os_string().into_vec())?;
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0)?;
    let listing = medium.list()?;
    assert_eq!(listing.objects, [Listed { number: 3, kind: ObjectKind::Pack, length: 5 }]);
    let mut expected: Vec<OsString> = names.iter().map(|n| format!("00000/{n}").into()).collect();
    expected.extend([8, 9, 10].map(|n| object_path(n, ObjectKind::Pack).into()));
    expected.sort();
    let (litter, foreign): (Vec<_>, Vec<_>) = expected.into_iter().partition(|name| name == "00000/Thumbs.db");
    assert_eq!((listing.foreign, listing.litter), (foreign, litter));
    assert_eq!(listing.foreign_count, 8);
    for number in [8, 9, 10] {
        assert!(matches!(medium.open(number, ObjectKind::Pack), Err(MediumError::NotAFile { .. })));
        assert!(matches!(medium.read_back(number, ObjectKind::Pack, Hashes::Blake3), Err(MediumError::NotAFile { .. })));
        // Every file with a number uses up that number.
        assert!(matches!(
            Directory::open(root.path(), SET)?.append(number, ObjectKind::Seal, b""),
            Err(MediumError::Exists { .. })
        ));
    }
    Ok(())
}

#[test]
fn a_number_in_use_is_known_after_opening_anew() -> Outcome {
    let root = tempfile::tempdir()?;
    Directory::create(root.path(), SET)?.append(3, ObjectKind::Pack, b"three")?;
    let again = Directory::open(root.path(), SET)?;
    assert!(matches!(again.append(3, ObjectKind::Manifest, b""), Err(MediumError::Exists { number: 3, .. })));
    // Even if another program has added the file.
    put_object(again.path(), 12, ObjectKind::Seal, b"by another");
    assert!(matches!(again.append(12, ObjectKind::Seal, b""), Err(MediumError::Exists { number: 12, .. })));
    assert_eq!(read(&again, 12, ObjectKind::Seal)?, b"by another");
    Ok(())
}

#[test]
fn stored_files_may_be_read_by_all_and_written_by_none() -> Outcome {
    let root = tempfile::tempdir()?;
    let medium = Directory::create(root.path(), SET)?;
    medium.append(0, ObjectKind::Label, b"{}")?;
    let mode = |path: &Path| Ok::<_, std::io::Error>(std::fs::metadata(path)?.permissions().mode() & 0o7777);
    assert_eq!(mode(&object_file(medium.path(), 0, ObjectKind::Label))?, 0o444);
    assert!(medium.path().ends_with("AZEKURA/07070707070707070707070707070707"));
    // A folder of thousands may be looked into by those who may look into the set's.
    for (number, others) in [(1000, 0o2750), (2000, 0o700)] {
        std::fs::set_permissions(medium.path(), PermissionsExt::from_mode(others))?;
        medium.append(number, ObjectKind::Pack, b"")?;
        let thousands = object_file(medium.path(), number, ObjectKind::Pack).parent().ok_or("no folder")?.to_owned();
        assert_eq!(mode(&thousands)?, others);
    }
    Ok(())
}

fn label(set: Id, name: &str) -> Label {
    Label {
        set,
        name: name.into(),
        medium: Id([2; 16]),
        place: 1,
        first_object: 0,
        created: "2026-11-23T03:31:54Z".into(),
        recipients: vec![],
        root_key: [3; 32],
        succession_key: None,
        tool: "test".into(),
        quarantine: false,
    }
}

#[test]
fn sets_are_found_by_their_labels() -> Outcome {
    let root = tempfile::tempdir()?;
    let root = root.path();
    assert!(Sets::find(root)?.is_blank());
    assert!(matches!(Directory::open(root, SET), Err(MediumError::NoSuchSet { .. })));
    assert!(matches!(Sets::find(&root.join("no")), Err(MediumError::NotFound { .. })));
    std::fs::write(root.join("file"), b"")?;
    assert!(matches!(Sets::find(&root.join("file")), Err(MediumError::NotADirectory { .. })));

    let ids: Vec<Id> = (0..5).map(|i| Id([i; 16])).collect();
    for (id, bytes) in ids.iter().zip([
        label(ids[0], "whole").encode(),
        b"{ torn".to_vec(),
        b"azekura label 2\nset 5\n".to_vec(),
        vec![b' '; 65 << 10],
    ]) {
        Directory::create(root, *id)?.append(0, ObjectKind::Label, &bytes)?;
    }
    Directory::create(root, ids[4])?.append(1, ObjectKind::Pack, b"without a label")?;
    Directory::create(root, Id([5; 16]))?;
    std::fs::create_dir(root.join("AZEKURA/not a set"))?;
    assert!(matches!(Directory::create(root, ids[0]), Err(MediumError::SetExists { .. })));

    let sets = Sets::find(root)?;
    assert_eq!(sets.found.iter().map(|s| (s.id, s.label.name.as_str())).collect::<Vec<_>>(), [(ids[0], "whole")]);
    assert!(matches!(
        sets.broken.iter().map(|b| &b.why).collect::<Vec<_>>()[..],
        [
            MediumError::BadLabel { .. },
            MediumError::NewerFormat { found: 2, .. },
            MediumError::BadLabel { .. },
            MediumError::NoLabel { .. },
            MediumError::NoLabel { .. }
        ]
    ));
    assert_eq!(sets.broken[3].id, Some(ids[4]));
    // A folder without any object is no set to a reader, unless there is nothing else.
    assert_eq!(sets.ids_to_read(), &ids[..5]);
    let alone = tempfile::tempdir()?;
    Directory::create(alone.path(), ids[4])?;
    assert_eq!(Sets::find(alone.path())?.ids_to_read(), [ids[4]]);
    // A set whose label is torn can be continued; one that a newer version has written cannot.
    Directory::open(root, ids[1])?;
    Directory::open(root, ids[4])?;
    assert!(matches!(Directory::open(root, ids[2]), Err(MediumError::NewerFormat { .. })));

    // The label identifies the set, not the folder's name; and a later medium's label has a later number.
    let moved = Id([9; 16]);
    Directory::create(root, Id([8; 16]))?.append(
        5000,
        ObjectKind::Label,
        &Label { first_object: 5000, ..label(moved, "moved") }.encode(),
    )?;
    assert!(Directory::open(root, moved)?.path().ends_with("08080808080808080808080808080808"));
    Ok(())
}

#[test]
fn no_symbolic_link_leads_to_another_medium() -> Outcome {
    let (root, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    symlink(elsewhere.path(), root.path().join("AZEKURA"))?;
    assert!(matches!(Directory::create(root.path(), SET), Err(MediumError::NotADirectory { .. })));
    assert!(matches!(Sets::find(root.path()), Err(MediumError::NotADirectory { .. })));
    assert_eq!(std::fs::read_dir(elsewhere.path())?.count(), 0);
    Ok(())
}

#[test]
fn one_writer_at_a_time() -> Outcome {
    let root = tempfile::tempdir()?;
    let medium = Directory::create(root.path(), SET)?;
    let guard = medium.lock()?;
    let second = Directory::open(root.path(), SET)?;
    for busy in [second.lock(), medium.lock()] {
        match busy {
            Err(e @ MediumError::Busy { pid, .. }) => {
                assert_eq!(e.category(), ErrorCategory::Medium);
                assert!(pid.is_none_or(|p| p == std::process::id()), "{e}");
            }
            other => panic!("{other:?}"),
        }
    }
    drop(guard);
    let guard = second.lock()?;
    // Readers need no lock, and another set has its own.
    medium.list()?;
    Directory::create(root.path(), Id([9; 16]))?.lock()?;
    drop(guard);

    // The kernel releases the lock when its holder dies, however it dies.
    let Ok(mut holder) = Command::new("flock").arg("-F").arg(medium.path()).args(["sleep", "60"]).spawn() else {
        skipped("a lock's death with its holder: flock is missing");
        return Ok(());
    };
    let busy = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        matches!(medium.lock(), Err(MediumError::Busy { .. }))
    });
    holder.kill()?;
    holder.wait()?;
    assert!(busy);
    let free = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        medium.lock().is_ok()
    });
    assert!(free);
    Ok(())
}

#[test]
fn a_folder_below_a_mount_is_not_made_immutable() -> Outcome {
    let root = tempfile::tempdir()?;
    assert!(!Directory::wants_immutable(root.path()));
    assert!(Directory::wants_immutable(Path::new("/proc")));
    assert!(!Directory::wants_immutable(Path::new("/")));
    let medium = Directory::create(root.path(), SET)?;
    assert_eq!(medium.describe().immutable, Immutable::Off);
    Ok(())
}

// ---- mounted file systems

/// File systems that this test mounts, if the machine has the tools and the privileges.
const FILE_SYSTEMS: &[&str] = &["tmpfs", "ext4", "xfs", "btrfs", "vfat", "exfat", "ntfs"];

/// A small file system, mounted until it is dropped.
struct Mount {
    dir: tempfile::TempDir,
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}

impl Mount {
    /// `None`, after a line that reports it, if the file system cannot be made and mounted.
    fn new(kind: &str, size_mib: u64, options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().ok()?;
        let mount = Self { dir };
        let made = match kind {
            "tmpfs" => {
                let options = format!("size={size_mib}m{options}");
                run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &mount.point().to_string_lossy()])
            }
            _ => {
                let image = mount.dir.path().join("image");
                // xfs and btrfs refuse to be small.
                let size = if matches!(kind, "xfs" | "btrfs") { size_mib.max(320) } else { size_mib };
                let image_path = image.to_string_lossy();
                let force = if kind == "ntfs" { "-F" } else { "-q" };
                let quiet: &[&str] = if matches!(kind, "ext4" | "xfs" | "btrfs" | "ntfs") { &[force] } else { &[] };
                let options = format!("loop{options}");
                std::fs::File::create(&image).and_then(|f| f.set_len(size << 20)).is_ok()
                    && run(&format!("mkfs.{kind}"), &[quiet, &[&image_path]].concat())
                    && run("mount", &["-t", kind, "-o", &options, &image_path, &mount.point().to_string_lossy()])
            }
        };
        if !made {
            skipped(format!("the contract on {kind}: none could be made and mounted"));
        }
        made.then_some(mount)
    }

    fn point(&self) -> PathBuf {
        let point = self.dir.path().join("medium");
        let _ = std::fs::create_dir(&point);
        point
    }

    /// Tries for 10 seconds: a program that another test starts has a copy of every open file until it runs, and the file
    /// system is busy as long as one of them is open for writing.
    fn remount(&self, option: &str) -> bool {
        (0..100).any(|n| {
            std::thread::sleep(std::time::Duration::from_millis(if n == 0 { 0 } else { 100 }));
            run("mount", &["-o", &format!("remount,{option}"), &self.point().to_string_lossy()])
        })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l", &self.dir.path().join("medium").to_string_lossy()]);
    }
}

#[test]
fn a_full_disk_is_reported_and_keeps_its_objects() -> Outcome {
    for kind in FILE_SYSTEMS {
        let Some(mount) = Mount::new(kind, 16, "") else { continue };
        let medium = Directory::create(&mount.point(), SET)?.with_immutable(false);
        let mut stored = 0;
        let full = loop {
            match medium.append(stored, ObjectKind::Pack, &bytes(stored, 3 << 20)).and_then(|()| medium.sync()) {
                Ok(()) => stored += 1,
                Err(e) => break e,
            }
            assert!(stored < 200, "{kind} is never full");
        };
        assert!(stored > 0 || *kind == "btrfs", "{kind}");
        assert!(matches!(full, MediumError::Full { needed: 3_145_728, free: Some(_), .. }), "{kind}: {full}");
        assert_eq!(full.category(), ErrorCategory::Medium);
        for i in 0..stored {
            assert_eq!(
                medium.read_back(i, ObjectKind::Pack, Hashes::Blake3)?.digests.blake3,
                *blake3::hash(&bytes(i, 3 << 20)).as_bytes(),
                "{kind}"
            );
        }
        // Where the room is known beforehand, nothing of the object was written, and its number is free.
        if matches!(*kind, "tmpfs" | "ext4") {
            assert!(matches!(full, MediumError::Full { torn: false, .. }), "{kind}: {full}");
            assert_eq!(names(&medium)?.len() as u64, stored, "{kind}");
            medium.append(stored, ObjectKind::Manifest, b"")?;
        }
        // A small object may still fit: a closing seal. Its number was not used before.
        if medium.append(stored + 1, ObjectKind::Seal, b"seal").and_then(|()| medium.sync()).is_err() {
            eprintln!("{kind}: nothing fits any more");
        }
    }
    Ok(())
}

/// A copy of the disk as it is at this moment has everything, without the cache of this host.
#[test]
fn what_was_synced_is_on_the_disk() -> Outcome {
    for kind in FILE_SYSTEMS.iter().filter(|kind| **kind != "tmpfs") {
        let Some(mount) = Mount::new(kind, 64, "") else { continue };
        let medium = Directory::create(&mount.point(), SET)?.with_immutable(false);
        medium.append(0, ObjectKind::Label, &label(SET, "synced").encode())?;
        medium.append(1, ObjectKind::Pack, &bytes(1, 3 << 20))?;
        medium.sync()?;
        let cut = Mount { dir: tempfile::tempdir()? };
        std::fs::copy(mount.dir.path().join("image"), cut.dir.path().join("image"))?;
        // Both file systems have one identity, which xfs and btrfs do not allow at once.
        drop((medium, mount));
        let image = cut.dir.path().join("image").to_string_lossy().into_owned();
        assert!(run("mount", &["-t", kind, "-o", "loop", &image, &cut.point().to_string_lossy()]), "{kind}");
        let medium = Directory::open(&cut.point(), SET)?;
        assert_eq!(read(&medium, 1, ObjectKind::Pack)?, bytes(1, 3 << 20), "{kind}");
    }
    Ok(())
}

#[test]
fn a_disk_that_becomes_full_within_an_object_leaves_it_torn() -> Outcome {
    let Some(mount) = Mount::new("tmpfs", 8, "") else { return Ok(()) };
    let medium = Directory::create(&mount.point(), SET)?;
    // Another writer uses the room after it was checked: here, another thread.
    let content = bytes(0, 5 << 20);
    let results: Vec<_> = std::thread::scope(|scope| {
        let append = |n| medium.append(n, ObjectKind::Pack, &content);
        let work = [0, 1].map(|n| scope.spawn(move || append(n)));
        work.into_iter().map(|w| w.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    });
    assert!(results.iter().any(|r| matches!(r, Err(MediumError::Full { .. }))), "{results:?}");
    for (number, result) in results.iter().enumerate() {
        let listed = medium.list()?.objects.into_iter().find(|o| o.number == number as u64);
        match result {
            Ok(()) => assert_eq!(listed.map(|o| o.length), Some(5 << 20)),
            Err(MediumError::Full { torn: false, .. }) => assert_eq!(listed, None),
            Err(MediumError::Full { torn: true, .. }) => {
                assert!(listed.is_some_and(|o| o.length < 5 << 20));
                assert!(matches!(medium.append(number as u64, ObjectKind::Pack, b""), Err(MediumError::Exists { .. })));
            }
            Err(e) => panic!("{e}"),
        }
    }
    Ok(())
}

#[test]
fn a_read_only_disk_is_reported_and_can_be_read() -> Outcome {
    assert!(matches!(Simulated::new().into_read_only().append(0, ObjectKind::Pack, b""), Err(MediumError::ReadOnly { .. })));
    for kind in FILE_SYSTEMS {
        let Some(mount) = Mount::new(kind, 64, "") else { continue };
        let before = Directory::create(&mount.point(), SET)?.with_immutable(false);
        before.append(0, ObjectKind::Label, &label(SET, "read-only").encode())?;
        before.sync()?;
        drop(before);
        if !mount.remount("ro") {
            skipped(format!("{kind} mounted again read-only: it cannot be"));
            continue;
        }
        let medium = Directory::open(&mount.point(), SET)?;
        assert!(matches!(medium.append(1, ObjectKind::Pack, b"x"), Err(MediumError::ReadOnly { .. })), "{kind}");
        assert!(matches!(Directory::create(&mount.point(), Id([1; 16])), Err(MediumError::ReadOnly { .. })), "{kind}");
        assert!(medium.read_back(0, ObjectKind::Label, Hashes::Blake3).is_ok(), "{kind}");
        assert_eq!(names(&medium)?.len(), 1);
        assert!(mount.remount("rw"));
        medium.append(1, ObjectKind::Pack, b"x")?;
        medium.sync()?;
    }
    Ok(())
}

#[test]
fn a_mounted_disk_is_described_and_made_immutable_where_possible() -> Outcome {
    for kind in FILE_SYSTEMS {
        let Some(mount) = Mount::new(kind, 64, "") else { continue };
        assert!(Directory::wants_immutable(&mount.point()));
        let medium = Directory::create(&mount.point(), SET)?;
        for i in 0..3 {
            medium.append(i, ObjectKind::Pack, &bytes(i, 70_000))?;
        }
        medium.sync()?;
        let description = medium.describe();
        assert_eq!(description.file_system.name(), *kind);
        let path = object_file(medium.path(), 1, ObjectKind::Pack);
        match description.immutable {
            Immutable::On => assert!(std::fs::remove_file(&path).is_err(), "{kind}"),
            Immutable::Refused { why } => assert!(!matches!(*kind, "ext4" | "xfs" | "btrfs"), "{kind}: {why}"),
            Immutable::Off => panic!("{kind}"),
        }
        // The attribute prevents neither reading nor appending.
        let how = medium.read_back(1, ObjectKind::Pack, Hashes::Blake3)?.how;
        assert!(description.file_system != FileSystem::Tmpfs || how == ReadBack::Cached, "{kind}: {how:?}");
        medium.append(3, ObjectKind::Seal, b"seal")?;
        medium.sync()?;
    }
    Ok(())
}

// ---- disasters

#[test]
fn a_power_cut_keeps_what_was_synced() -> Outcome {
    for survival in [PowerCut::nothing(), PowerCut::torn(2)] {
        let inner = simulated();
        let tears = survival(0, 1, 9) == Some(2);
        let medium = PowerCut::at_call(Arc::clone(&inner), 4, survival);
        medium.append(0, ObjectKind::Label, b"label")?;
        medium.sync()?;
        medium.append(1, ObjectKind::Pack, b"pack")?;
        medium.append(2, ObjectKind::Seal, b"seal")?;
        assert_eq!(names(&medium)?.len(), 3);
        assert_eq!(read(&medium, 1, ObjectKind::Pack)?, b"pack");
        assert!(matches!(medium.append(2, ObjectKind::Pack, b""), Err(MediumError::Gone { .. })));
        for after in [medium.sync(), medium.list().map(drop), medium.read_back(0, ObjectKind::Label, Hashes::Blake3).map(drop)] {
            assert!(matches!(after, Err(MediumError::Gone { .. })));
        }
        let rest: &[_] = if tears { &[(1, ObjectKind::Pack, 4), (2, ObjectKind::Seal, 2)] } else { &[] };
        assert_eq!(names(&*inner)?, [&[(0, ObjectKind::Label, 5)], rest].concat());
    }
    // Cut at no call, with a later object that survives when an earlier one does not.
    let inner = simulated();
    let medium = PowerCut::at_call(Arc::clone(&inner), 100, Box::new(|place, _, _| (place == 1).then_some(1000)));
    medium.append(0, ObjectKind::Pack, b"lost")?;
    medium.append(1, ObjectKind::Pack, b"kept")?;
    medium.cut()?;
    assert_eq!(names(&*inner)?, [(1, ObjectKind::Pack, 4)]);
    Ok(())
}

#[test]
fn a_medium_that_fills_up_refuses_or_tears() -> Outcome {
    for tears in [false, true] {
        let inner = simulated();
        let new = if tears { FullAfter::tearing } else { FullAfter::refusing };
        let medium = new(Arc::clone(&inner), 10);
        medium.append(0, ObjectKind::Pack, &[1; 7])?;
        assert_eq!(medium.free_bytes(), Some(3));
        let full = medium.append(1, ObjectKind::Pack, &[2; 4]);
        assert!(matches!(full, Err(MediumError::Full { needed: 4, free: Some(3), torn, .. }) if torn == tears));
        assert_eq!(names(&*inner)?.len(), if tears { 2 } else { 1 });
        assert_eq!(medium.append(2, ObjectKind::Seal, &[3; 3]).is_ok(), !tears);
        assert_eq!(names(&*inner)?.iter().map(|o| o.2).sum::<u64>(), 10);
    }
    let small = Simulated::with_capacity(3);
    assert!(matches!(small.append(0, ObjectKind::Pack, b"four"), Err(MediumError::Full { needed: 4, free: Some(3), .. })));
    Ok(())
}

#[test]
fn exactly_one_bit_is_flipped() -> Outcome {
    let inner = simulated();
    inner.append(5, ObjectKind::Pack, &[0; 100])?;
    let medium = FlippedBit::new(Arc::clone(&inner), 5, 8 * 40 + 3);
    let mut expected = [0; 100];
    expected[40] = 8;
    assert_eq!(read(&medium, 5, ObjectKind::Pack)?, expected);
    assert_eq!(medium.read_back(5, ObjectKind::Pack, Hashes::Blake3)?.digests.blake3, *blake3::hash(&expected).as_bytes());
    assert_eq!(read(&FlippedBit::new(inner, 5, 8 * 100), 5, ObjectKind::Pack)?, [0; 100]);
    Ok(())
}

#[test]
fn an_unplugged_medium_is_gone_even_for_open_objects() -> Outcome {
    let inner = simulated();
    inner.append(0, ObjectKind::Pack, b"pack")?;
    let medium = Unplugged::after_calls(inner, 2);
    let mut object = medium.open(0, ObjectKind::Pack)?;
    let mut two = [0; 2];
    object.read_exact(&mut two)?;
    assert!(object.read_exact(&mut two).is_err());
    let gone = medium.sync();
    assert!(matches!(&gone, Err(e @ MediumError::Gone { .. }) if e.category() == ErrorCategory::Medium));
    Ok(())
}

#[test]
fn a_recorder_keeps_the_calls_in_order() -> Outcome {
    let medium = Recorder::new(simulated());
    medium.append(0, ObjectKind::Label, b"label")?;
    medium.sync()?;
    medium.read_back(0, ObjectKind::Label, Hashes::Blake3)?;
    let _ = medium.open(1, ObjectKind::Pack);
    medium.list()?;
    let kind = ObjectKind::Label;
    assert_eq!(
        medium.calls(),
        [
            Call::Append { number: 0, kind, length: 5 },
            Call::Sync,
            Call::ReadBack { number: 0, kind },
            Call::Open { number: 1, kind: ObjectKind::Pack },
            Call::List
        ]
    );
    Ok(())
}

/// Writes to the folder `AZEKURA_PULL_DIR` until its disk is unplugged, by hand or by a virtual machine's monitor, then
/// makes every call. Each must fail with "gone", whatever the kernel reports: vfat shows an empty folder.
#[test]
#[ignore = "somebody has to unplug a disk"]
fn a_pulled_disk_is_gone() -> Outcome {
    let root = PathBuf::from(std::env::var_os("AZEKURA_PULL_DIR").ok_or("AZEKURA_PULL_DIR is not set")?);
    let medium = Directory::create(&root, SET)?.with_immutable(false);
    let start = std::time::Instant::now();
    let content = bytes(0, 300_000);
    let mut number = 0;
    let error = loop {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let synced = |()| if number % 10 == 9 { medium.sync() } else { Ok(()) };
        if let Err(e) = medium.append(number, ObjectKind::Pack, &content).and_then(synced) {
            break e;
        }
        number += 1;
        assert!(start.elapsed().as_secs() < 60, "nobody pulled the disk");
    };
    let kind = medium.describe().file_system;
    println!("{kind}: object {number}");
    for (what, answer) in [
        ("first error", Err(error)),
        ("append", medium.append(number + 1, ObjectKind::Pack, &content)),
        ("sync", medium.sync()),
        ("sync again", medium.sync()),
        ("read back", medium.read_back(0, ObjectKind::Pack, Hashes::Blake3).map(drop)),
        ("read back the last", medium.read_back(number - 1, ObjectKind::Pack, Hashes::Blake3).map(drop)),
        ("open", medium.open(0, ObjectKind::Pack).map(drop)),
        ("list", medium.list().map(drop)),
        ("sets", Sets::find(&root).map(drop)),
        ("open the set", Directory::open(&root, SET).map(drop)),
    ] {
        let said = answer.as_ref().err().map(|e| (e.to_string(), e.source().map(ToString::to_string)));
        println!("{kind}: {what}: {said:?}");
        assert!(matches!(answer, Err(MediumError::Gone { .. })), "{what}: {answer:?}");
    }
    Ok(())
}

/// `cargo test --test medium_contract -- --ignored --nocapture speed`; the folder is `AZEKURA_SPEED_DIR` or the
/// temporary one.
#[test]
#[ignore = "measures, does not test"]
fn speed() -> Outcome {
    let folder = std::env::var_os("AZEKURA_SPEED_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let root = tempfile::tempdir_in(folder)?;
    let medium = Directory::create(root.path(), SET)?;
    let content = bytes(0, 32 << 20);
    let (count, mib) = (32, 32.0 * 32.0);
    let report = |what: &str, start: std::time::Instant| {
        let seconds = start.elapsed().as_secs_f64();
        println!("{what}: {seconds:.2} s, {:.0} MiB/s", mib / seconds);
    };
    let start = std::time::Instant::now();
    for i in 0..count {
        medium.append(i, ObjectKind::Pack, &content)?;
    }
    report("append", start);
    medium.sync()?;
    report("append + sync", start);
    for round in ["read back", "read back again"] {
        let start = std::time::Instant::now();
        let how = (0..count)
            .map(|i| medium.read_back(i, ObjectKind::Pack, Hashes::Blake3).map(|r| r.how))
            .min_by_key(|r| r.as_ref().ok().copied());
        report(round, start);
        println!("{how:?}");
    }
    let start = std::time::Instant::now();
    for i in 0..count {
        assert_eq!(blake3::hash(&read(&medium, i, ObjectKind::Pack)?), blake3::hash(&content));
    }
    report("open, read and hash twice", start);
    Ok(())
}
