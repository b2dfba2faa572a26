//! The media of `known` as files, for whoever writes a third reader: `tests/golden/vectors/media`, whose README tells their form.
//!
//! Age files cannot be made twice, so a medium that is there stays as it is, and is read in every run. `UPDATE_GOLDEN=1` writes those
//! that are missing, and those of which `known` says another answer.

use super::Call;
use super::readers::{Answer, ReferenceReader, by_the_program, is_reader_missing, key_file, key_text};
use crate::folded::{folded, unfolded};
use crate::machine::updates;
use crate::other_writer::hospital;
use crate::world::Hospital;
use azekura::pipeline::encryptor::Identity;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Longer text is not for reading.
const TEXT_BYTES: usize = 16 << 10;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/vectors/media")
}

/// A sentence as a file's name.
fn file_name(what: &str) -> String {
    let words = what.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-") + ".json"
}

/// Files by their paths, with the BLAKE3 of their content.
fn digests<'a>(files: impl IntoIterator<Item = &'a (PathBuf, Option<Vec<u8>>)>) -> Value {
    let digest = |(path, content): &(PathBuf, Option<Vec<u8>>)| {
        let digest = blake3::hash(content.as_ref().expect("content")).to_hex();
        (path.to_str().expect("text").to_owned(), digest.as_str().into())
    };
    files.into_iter().map(digest).collect::<Map<_, _>>().into()
}

/// What a reader must say. `most` may have files beyond those of `least`, for a reader may save more from damage than another.
fn answer_of(least: &Answer, most: &Answer) -> Value {
    assert_eq!((least.verify, least.restore), (most.verify, most.restore), "one answer");
    let mut answer = json!({"verify": least.verify, "restore": least.restore, "files": digests(&least.files)});
    let further: Vec<_> = most.files.iter().filter(|f| !least.files.contains(f)).collect();
    assert_eq!(least.files.len() + further.len(), most.files.len(), "who saves more saves the rest, too");
    if !further.is_empty() {
        answer["may_have"] = digests(further);
    }
    answer
}

/// Compares the file of a medium with what `known` says of it; with `UPDATE_GOLDEN=1`, writes it.
#[track_caller]
pub fn assert_kept(what: &str, h: &Hospital, call: &Call, least: &Answer, most: &Answer) {
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let path = folder().join(file_name(what));
    let is_new = SEEN.lock().expect("no panic").insert(file_name(what));
    assert!(is_new, "{what:?} is said of two media");
    let answer = answer_of(least, most);
    // Ids and codes are other ones in each run.
    let asked = |call: &Value| json!([call["generation"], call["set"].is_null(), call["expect"].is_null()]);
    let call = json!({"set": call.set, "generation": call.generation, "expect": call.expect});
    let found = || fs::read_to_string(&path).map_or(Value::Null, |text| serde_json::from_str(&text).expect("a vector"));
    let told = |v: &Value| json!([v["what"], v["answer"], asked(&v["call"])]);
    let expected = json!([what, answer, asked(&call)]);
    if updates() && told(&found()) != expected {
        fs::create_dir_all(folder()).expect("a folder");
        fs::write(&path, text_of(what, &call, &answer, &key_text(h), &medium_of(&h.medium()))).expect("a vector");
    }
    let hint = "UPDATE_GOLDEN=1 cargo test --test jobs known writes it";
    assert_eq!(told(&found()), expected, "{} says something else ({hint})", path.display());
}

/// The text of a file, with what people look for first.
fn text_of(what: &str, call: &Value, answer: &Value, identity: &str, medium: &Map<String, Value>) -> String {
    let mut text = String::from("{\n");
    for (name, value) in [("what", &json!(what)), ("call", call), ("answer", answer), ("identity", &json!(identity))] {
        let _ = writeln!(text, "\"{name}\": {value},");
    }
    let lines: Vec<String> = medium.iter().map(|(path, content)| format!("{}: {content}", json!(path))).collect();
    text + "\"medium\": {\n" + &lines.join(",\n") + "\n}\n}\n"
}

/// What is below a folder, by its path. Folders are told where nothing is in them.
fn medium_of(folder: &Path) -> Map<String, Value> {
    let mut all = Map::new();
    for entry in walkdir::WalkDir::new(folder).min_depth(1).sort_by_file_name() {
        let entry = entry.expect("an entry");
        let kind = entry.file_type();
        let content = if kind.is_dir() {
            if fs::read_dir(entry.path()).expect("a folder").next().is_some() {
                continue;
            }
            json!({"is": "folder"})
        } else if kind.is_symlink() {
            json!({"link": fs::read_link(entry.path()).expect("a target").to_str().expect("text")})
        } else if kind.is_fifo() {
            json!({"is": "fifo"})
        } else {
            content_of(fs::read(entry.path()).expect("content"))
        };
        let path = entry.path().strip_prefix(folder).expect("below");
        all.insert(path.to_str().expect("text").to_owned(), content);
    }
    all
}

fn content_of(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) if text.len() <= TEXT_BYTES && !text.contains(|c: char| c.is_control() && c != '\n') => json!(text),
        Ok(text) => json!({"hex": folded(text.as_bytes())}),
        Err(e) => json!({"hex": folded(e.as_bytes())}),
    }
}

/// Makes below a folder what [`medium_of`] told.
fn unpack(medium: &Map<String, Value>, folder: &Path) {
    for (path, content) in medium {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        let text = |key: &str| content[key].as_str();
        if let Some(text) = content.as_str() {
            fs::write(&path, text).expect("a file");
        } else if let Some(hex) = text("hex") {
            fs::write(&path, unfolded(hex)).expect("a file");
        } else if let Some(target) = text("link") {
            symlink(target, &path).expect("a link");
        } else if text("is") == Some("folder") {
            fs::create_dir(&path).expect("a folder");
        } else {
            assert_eq!(text("is"), Some("fifo"), "{}", path.display());
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a FIFO");
        }
    }
}

#[test]
fn both_readers_answer_the_media_on_disk_as_it_is_written_there() {
    let mut files: Vec<_> = fs::read_dir(folder()).expect("vectors").map(|e| e.expect("a name").path()).collect();
    files.retain(|path| path.extension().is_some_and(|x| x == "json"));
    files.sort();
    assert!(!files.is_empty(), "no vectors in {}", folder().display());
    let mut reader = (!is_reader_missing()).then(ReferenceReader::start);
    for file in files {
        let name = file.file_name().and_then(|n| n.to_str()).expect("text").to_owned();
        let vector: Value = serde_json::from_str(&fs::read_to_string(&file).expect("a vector")).expect("a vector");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        assert_eq!(text(&vector["what"]).map(|what| file_name(&what)), Some(name.clone()), "a file is called as what it is");
        let identity = text(&vector["identity"]).expect("a key");
        let h = Hospital { identity: Identity::parse(identity.as_bytes(), None).expect("a key"), ..hospital() };
        unpack(vector["medium"].as_object().expect("a map"), &h.medium());
        let key = key_file(&h);
        let asked = &vector["call"];
        let call = Call { set: text(&asked["set"]), generation: asked["generation"].as_u64(), expect: text(&asked["expect"]) };
        let (most, said) = by_the_program(&h, &key, &call);
        let (least, also) = match &mut reader {
            Some(reader) => reader.answer(&h, &key, &call),
            None => continue,
        };
        assert_eq!((least.verify, least.restore), (most.verify, most.restore), "{name}\n{said}\n{also}");
        assert_eq!(answer_of(&least, &most), vector["answer"], "{name}\n{said}\n{also}");
    }
}

#[test]
fn whatever_is_on_a_medium_can_be_kept_as_a_file() {
    let (h, again) = (hospital(), hospital());
    let path = |name: &str| h.medium().join(name);
    fs::create_dir_all(path("AZEKURA/empty")).expect("folders");
    for (name, content) in [("text", &b"one\ntwo\n"[..]), ("no text", b"\0one"), ("neither", b"\xff"), ("nothing", b"")] {
        fs::write(path(name), content).expect("a file");
    }
    fs::write(path("long"), vec![b'x'; TEXT_BYTES + 1]).expect("a file");
    symlink("../nowhere", path("link")).expect("a link");
    unpack(&json!({"AZEKURA/fifo": {"is": "fifo"}}).as_object().expect("a map").clone(), &h.medium());
    let told = medium_of(&h.medium());
    unpack(&told, &again.medium());
    assert_eq!((medium_of(&again.medium()), told.len()), (told.clone(), 8));
    assert_eq!(told["long"], json!({"hex": "78*16385"}));
    let fifo = again.medium().join("AZEKURA/fifo").symlink_metadata().expect("a status");
    assert!(fifo.file_type().is_fifo() && again.medium().join("AZEKURA/empty").is_dir());
    assert_eq!(fs::read(again.medium().join("neither")).expect("content"), b"\xff");
}
