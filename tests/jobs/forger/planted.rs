//! What somebody without a key does to a medium.

use crate::machine::object_file;
use crate::tools::Dice;
use azekura::format::label::Label;
use azekura::format::object::{Id, ObjectKind, parse_file_name};
use std::fs;
use std::path::{Path, PathBuf};

/// What somebody without a key does to the medium.
pub fn plant(set: &Path, label: &Label, dice: &mut Dice, said: &mut Vec<String>) {
    let files = walkdir::WalkDir::new(set).sort_by_file_name().into_iter().flatten().filter(|e| e.file_type().is_file());
    let object = |path: PathBuf| Some((parse_file_name(path.file_name()?.to_str()?)?, path));
    let objects: Vec<_> = files.filter_map(|e| object(e.into_path())).map(|((n, kind), path)| (n, kind, path)).collect();
    let end = objects.last().map_or(0, |o| o.0);
    if objects.is_empty() {
        return;
    }
    let (number, kind, path) = objects[dice.below(objects.len())].clone();
    let change = |bend: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(&path).expect("an object");
        bend(&mut bytes);
        fs::remove_file(&path).expect("a deletion");
        fs::write(&path, bytes).expect("an object");
    };
    let any_kind = [ObjectKind::Pack, ObjectKind::Seal, ObjectKind::Manifest, ObjectKind::Label, ObjectKind::Later(9)];
    match dice.below(17) {
        0 => {
            let (at, bit) = (dice.next(), 1 << dice.below(8));
            said.push(format!("a flipped bit in {kind} {number}"));
            change(&|b| {
                let at = (at % b.len() as u64) as usize;
                b[at] ^= bit;
            });
        }
        1 => {
            let at = dice.next();
            said.push(format!("{kind} {number} cut"));
            change(&|b| b.truncate((at % b.len() as u64) as usize));
        }
        2 if objects.len() > 1 => {
            said.push(format!("{kind} {number} is gone"));
            fs::remove_file(&path).expect("a deletion");
        }
        3 | 4 => {
            let ahead = [1, 2, 63, 64, 65, 66, 900, 2_000_000][dice.below(8)];
            let kind = *dice.pick(&any_kind);
            said.push(format!("a {kind} {ahead} ahead"));
            put(set, end + ahead, kind, b"xx");
        }
        5 => {
            let ahead = 1 + dice.below(3) as u64;
            said.push(format!("a label {ahead} ahead"));
            let label = Label { first_object: end + ahead, medium: Id([9; 16]), quarantine: dice.chance(50), ..label.clone() };
            put(set, end + ahead, ObjectKind::Label, label.encode());
        }
        6 => {
            let texts: [(ObjectKind, &[u8]); 6] = [
                (ObjectKind::Seal, b"azekura seal 2\n"),
                (ObjectKind::Seal, b"azekura seal 2"),
                (ObjectKind::Label, b"azekura label 3\nmuch\n"),
                (ObjectKind::Label, b"azekura seal 2\n"),
                (ObjectKind::Succession, b"azekura succession 2\n"),
                (ObjectKind::Seal, b"azekura seal 01\n"),
            ];
            let ((kind, text), ahead) = (dice.pick(&texts), [1, 2, 70][dice.below(3)]);
            said.push(format!("{ahead} ahead, as a {kind}: {:?}", String::from_utf8_lossy(text)));
            put(set, end + ahead, *kind, text);
        }
        7 => {
            let other = *dice.pick(&any_kind);
            said.push(format!("a second file for {number}: {other}"));
            if other != kind {
                put(set, number, other, b"xx");
            }
        }
        8 => {
            let ahead = [1, 2, 64, 65, 1000][dice.below(5)];
            // A pack that was moved into another folder may be the last by its path, and not by its number.
            let is_taken = objects.iter().any(|(n, k, _)| (*n, *k) == (end + ahead, kind));
            let how = if is_taken { format!("another {kind} in the place of") } else { format!("a copy of {kind} {number} as") };
            said.push(format!("{how} {kind} {}", end + ahead));
            put(set, end + ahead, kind, fs::read(&path).expect("an object"));
        }
        9 => {
            let name = ["0", "zz", "00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff"][dice.below(4)];
            said.push(format!("a copy of the set, as {name}"));
            copy_folder(set, &set.with_file_name(name), |number| dice.below(6) > 0 || number == 0);
        }
        10 => {
            said.push(format!("{kind} {number} is a link to itself elsewhere"));
            let elsewhere = set.with_file_name("elsewhere");
            fs::rename(&path, &elsewhere).expect("a move");
            std::os::unix::fs::symlink(&elsewhere, &path).expect("a link");
        }
        11 => {
            said.push(format!("{kind} {number} is a FIFO"));
            fs::remove_file(&path).expect("a deletion");
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a FIFO");
        }
        12 => {
            let ahead = 1 + dice.below(3) as u64;
            said.push(format!("a folder called as an object, {ahead} ahead"));
            let path = object_file(set, end + ahead, *dice.pick(&any_kind));
            let _ = fs::create_dir_all(path);
        }
        13 => {
            let bytes = if dice.chance(50) { label.encode() } else { b"xx".to_vec() };
            let label = Label { set: Id([8; 16]), quarantine: dice.chance(30), ..label.clone() };
            let (ahead, own) = (1 + dice.below(3) as u64, dice.chance(50));
            said.push(format!("a label of another set, {ahead} ahead: {own}"));
            let label = Label { first_object: end + ahead, ..label };
            put(set, end + ahead, ObjectKind::Label, if own { label.encode() } else { bytes });
        }
        14 => {
            let name = ["00001", "00000000", "000000", "0000", "00002"][dice.below(5)];
            said.push(format!("{kind} {number} is in folder {name}"));
            let to = set.join(name);
            fs::create_dir_all(&to).expect("a folder");
            fs::rename(&path, to.join(path.file_name().expect("a name"))).expect("a move");
        }
        15 => {
            let name = format!("{}{number:08}.{kind}", ["0", "", " ", "+"][dice.below(4)]);
            said.push(format!("{kind} {number} is called {name:?}"));
            fs::rename(&path, path.with_file_name(name)).expect("a move");
        }
        _ => {
            said.push("a foreign name".into());
            fs::write(set.join("00000/thumbs.db"), b"xx").expect("a file");
        }
    }
}

/// Writes a file where an object belongs, unless another thing that was planted is there.
fn put(set: &Path, number: u64, kind: ObjectKind, bytes: impl AsRef<[u8]>) {
    let path = object_file(set, number, kind);
    let is_free = path.symlink_metadata().is_err() || path.is_file() && !path.is_symlink();
    if is_free && fs::create_dir_all(path.parent().expect("a folder of thousands")).is_ok() {
        fs::write(&path, bytes).expect("an object");
    }
}

/// Copies a set's folder with those objects that `takes` says.
fn copy_folder(from: &Path, to: &Path, mut takes: impl FnMut(u64) -> bool) {
    for entry in walkdir::WalkDir::new(from).sort_by_file_name().into_iter().flatten().filter(|e| e.file_type().is_file()) {
        let number = entry.file_name().to_str().and_then(parse_file_name).map_or(0, |(n, _)| n);
        let path = to.join(entry.path().strip_prefix(from).expect("below"));
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        if takes(number) {
            fs::copy(entry.path(), path).expect("a copy");
        }
    }
}
