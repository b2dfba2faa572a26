//! Where a directory medium has its objects, and what else may be there.

use crate::machine::{object_file, put_object, without_privileges};
use crate::{Outcome, SET, bytes, label, names, read};
use azekura::format::digests::Hashes;
use azekura::format::label::Label;
use azekura::format::object::ObjectKind;
use azekura::medium::{Directory, Medium, MediumError, Sets};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::error::Error;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

#[test]
fn objects_are_in_folders_of_thousands() -> Outcome {
    let root = tempfile::tempdir()?;
    let medium = Directory::create(root.path(), SET)?;
    assert_eq!(std::fs::read_dir(medium.path())?.count(), 0, "a folder is made when it is needed");
    for (number, folder) in [
        (999, "00000/00000999.pack"),
        (0, "00000/00000000.pack"),
        (1000, "00001/00001000.pack"),
        (12_345, "00012/00012345.pack"),
        (99_999_999, "99999/99999999.pack"),
        (100_000_000, "100000/100000000.pack"),
        ((1 << 48) - 1, "281474976710/281474976710655.pack"),
    ] {
        medium.append(number, ObjectKind::Pack, &number.to_le_bytes())?;
        assert_eq!(std::fs::read(medium.path().join(folder))?, number.to_le_bytes());
        assert_eq!(medium.read_back(number, ObjectKind::Pack, Hashes::Blake3)?.length, 8);
    }
    medium.sync()?;
    // A folder that was made for an object that was never written is no object, and nothing foreign.
    std::fs::create_dir(medium.path().join("00077"))?;
    let again = Directory::open(root.path(), SET)?.list()?;
    assert_eq!(again, medium.list()?);
    assert_eq!((again.objects.len(), again.foreign_count), (7, 0));
    assert!(matches!(medium.open(77_001, ObjectKind::Pack).err(), Some(MediumError::Missing { .. })));
    medium.append(77_001, ObjectKind::Pack, b"")?;
    Ok(())
}

/// Two folders full, and one half full: everything is listed, whatever the order of writing.
#[test]
fn thousands_of_objects_are_stored_and_listed() -> Outcome {
    const OBJECTS: u64 = 2500;
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let medium = Directory::create(root.path(), SET)?;
    // Every folder in turn, which no run does.
    for number in (0..OBJECTS).map(|i| i % 3 * 1000 + i / 3) {
        medium.append(number, ObjectKind::Pack, &bytes(number, 100))?;
        medium.read_back(number, ObjectKind::Pack, Hashes::Blake3)?;
    }
    medium.sync()?;
    let folders = std::fs::read_dir(medium.path())?.count();
    assert_eq!(folders, 3);
    let listed = names(&Directory::open(root.path(), SET)?)?;
    let mut expected: Vec<_> = (0..OBJECTS).map(|i| (i % 3 * 1000 + i / 3, ObjectKind::Pack, 100)).collect();
    expected.sort_unstable_by_key(|o| o.0);
    assert_eq!(listed, expected);
    for (number, kind, _) in listed {
        assert_eq!(read(&medium, number, kind)?, bytes(number, 100));
    }
    Ok(())
}

#[test]
fn many_folders_of_thousands_are_not_kept_open() -> Outcome {
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let medium = Directory::create(root.path(), SET)?;
    for n in 0..300 {
        medium.append(n * 1000, ObjectKind::Pack, b"x")?;
        medium.read_back(n * 1000, ObjectKind::Pack, Hashes::Blake3)?;
    }
    let below = |path: &Path| path.starts_with(medium.path());
    let open = || {
        let links = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        links.filter(|e| std::fs::read_link(e.path()).is_ok_and(|p| below(&p))).count()
    };
    // At most 64 files that wait for a sync, each in a folder of its own here, and the folders that are kept open.
    assert!(open() < 64 * 2 + 20, "{}", open());
    medium.sync()?;
    assert!(open() < 12, "{}", open());
    assert_eq!(names(&medium)?.len(), 300);
    Ok(())
}

/// What is not an object is named with its path, and nothing of it is read: an intruder could have led us anywhere.
#[test]
fn nothing_but_an_object_in_its_own_folder_is_an_object() -> Outcome {
    let (root, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let medium = Directory::create(root.path(), SET)?;
    medium.append(1, ObjectKind::Pack, b"one")?;
    medium.append(2001, ObjectKind::Pack, b"two")?;
    let set = medium.path();
    let file = |path: &str| {
        std::fs::create_dir_all(set.join(path).parent().unwrap_or(set))?;
        std::fs::write(set.join(path), b"x")
    };
    // An object's name beside the folders, in the wrong folder, and further down.
    for path in ["00000003.pack", "00000/00001003.pack", "00002/00000003.pack", "00000/00000/00000003.pack"] {
        file(path)?;
    }
    // Folders that are not of thousands, whatever they contain.
    for path in ["00000x/00000003.pack", "000003/00003003.pack", "0003/00003003.pack", "letters/00000003.pack"] {
        file(path)?;
    }
    // A file, a link, and a fifo where a folder belongs. The link leads to what looks like objects.
    std::fs::write(elsewhere.path().join("00005001.pack"), b"elsewhere")?;
    std::fs::write(elsewhere.path().join("00005002.label"), label(SET, "elsewhere").encode())?;
    std::fs::write(set.join("00004"), b"a file")?;
    symlink(elsewhere.path(), set.join("00005"))?;
    symlink("00002", set.join("00007"))?;
    let fifo = CString::new(set.join("00006").into_os_string().into_vec())?;
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0)?;
    // A name that is no text.
    std::fs::write(set.join("00000").join(OsStr::from_bytes(b"\xff")), b"x")?;

    let listing = medium.list()?;
    assert_eq!(names(&medium)?, [(1, ObjectKind::Pack, 3), (2001, ObjectKind::Pack, 3)]);
    let expected: Vec<&[u8]> = vec![
        b"00000/00000",
        b"00000/00001003.pack",
        b"00000/\xff",
        b"00000003.pack",
        b"000003",
        b"00000x",
        b"00002/00000003.pack",
        b"00004",
        b"00005",
        b"00006",
        b"00007",
        b"0003",
        b"letters",
    ];
    assert_eq!(listing.foreign.iter().map(|n| n.as_bytes()).collect::<Vec<_>>(), expected);
    assert_eq!(listing.foreign_count, expected.len() as u64);
    let again = Directory::open(root.path(), SET)?;
    for opened in [&medium, &again] {
        for number in [3, 1003, 3003, 4001, 5001, 6001, 7001] {
            let missing = |e: MediumError| matches!(e, MediumError::Missing { .. });
            assert!(opened.open(number, ObjectKind::Pack).err().is_some_and(missing), "{number}");
            assert!(opened.read_back(number, ObjectKind::Pack, Hashes::Blake3).err().is_some_and(missing), "{number}");
        }
        // Such a number is free where its folder is one, and no object can be stored where it is not.
        for number in [4001, 5001, 6001, 7001] {
            let refused = opened.append(number, ObjectKind::Pack, b"x");
            assert!(matches!(&refused, Err(MediumError::NotADirectory { path }) if path.starts_with(set)), "{refused:?}");
        }
    }
    assert_eq!(std::fs::read_dir(elsewhere.path())?.count(), 2);
    Ok(())
}

#[test]
fn a_label_is_found_in_any_folder_of_thousands_and_behind_no_link() -> Outcome {
    let (root, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let set = root.path().join("AZEKURA").join(SET.to_string());
    let found = || Ok::<_, MediumError>(Sets::find(root.path())?.found.into_iter().map(|s| s.label.name).collect::<Vec<_>>());
    // Copies of seals come before the label of a later medium.
    put_object(&set, 500, ObjectKind::Seal, b"a seal");
    put_object(&set, 40_700, ObjectKind::Pack, b"a pack");
    let put = |n, name| drop(put_object(&set, n, ObjectKind::Label, Label { first_object: n, ..label(SET, name) }.encode()));
    put(40_003, "second");
    put(40_701, "third");
    put(50_000, "fourth");
    assert_eq!(found()?, ["second"]);
    // Earlier ones that are not in their folders, or behind a link.
    for path in ["00000001.label", "00000/00001000.label", "00000/x/00000002.label", "00000/1.label"] {
        std::fs::create_dir_all(set.join(path).parent().ok_or("no folder")?)?;
        std::fs::write(set.join(path), label(SET, "foreign").encode())?;
    }
    put_object(elsewhere.path(), 1000, ObjectKind::Label, label(SET, "elsewhere").encode());
    symlink(elsewhere.path().join("00001"), set.join("00001"))?;
    symlink(elsewhere.path().join("00001/00001000.label"), set.join("00000/00000000.label"))?;
    assert_eq!(found()?, ["second"]);
    std::fs::remove_file(object_file(&set, 40_003, ObjectKind::Label))?;
    assert_eq!(found()?, ["third"]);
    Ok(())
}

/// Somebody who may not look into a folder of thousands does not take the medium for one with fewer objects.
#[test]
fn a_folder_that_cannot_be_read_is_not_passed_over() -> Outcome {
    let root = tempfile::tempdir()?;
    let medium = Directory::create(root.path(), SET)?;
    for folder in [root.path(), &root.path().join("AZEKURA"), medium.path()] {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755))?;
    }
    medium.append(0, ObjectKind::Label, &label(SET, "first").encode())?;
    medium.append(1000, ObjectKind::Pack, b"pack")?;
    medium.append(2000, ObjectKind::Pack, b"pack")?;
    let closed = medium.path().join("00001");
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o000))?;
    without_privileges(|| {
        let medium = Directory::open(root.path(), SET)?;
        let refused = medium.list();
        assert!(matches!(&refused, Err(MediumError::Denied { medium, .. }) if Path::new(medium) == closed), "{refused:?}");
        let refused = medium.open(1000, ObjectKind::Pack).err();
        assert!(matches!(refused, Some(MediumError::Denied { .. })), "{refused:?}");
        assert_eq!(read(&medium, 2000, ObjectKind::Pack)?, b"pack");
        Ok::<_, Box<dyn Error>>(())
    })?;
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o755))?;
    Ok(())
}
