//! Media on which readers easily differ, and the one answer of both.

use super::log::{end_full, reseal};
use super::readers::{Answer, BY_THE_PROGRAM, BY_THE_READER, ReferenceReader, by_the_program, is_reader_missing, key_file};
use super::{Call, ages, vectors};
use crate::machine::{object_file, put_object};
use crate::other_writer::{OtherWriter, RawRecord, file_entry, folder, hospital, link, write_generation};
use crate::tools::{Dice, objects, overwrite, set_folder};
use crate::world::Hospital;
use azekura::format::label::Label;
use azekura::format::manifest::Manifest;
use azekura::format::object::{Id, ObjectKind};
use azekura::pipeline::compressor::{Compressor, Decompressor};
use azekura::pipeline::encryptor::{Encryptor, Identity, Recipients, decrypt_into};
use std::fs;
use std::path::Path;

pub(super) const ALL: &[&str] = &["s/a", "s/b"];

/// A generation of two files.
fn one_generation(bend: impl FnOnce(&mut OtherWriter)) -> Hospital {
    let h = hospital();
    write_generation(&h, |mut w| {
        bend(&mut w);
        let pack = w.pack(&[b"one", b"two"]);
        let file = |name: &str, content: &[u8], frame| RawRecord::of(&file_entry(name, content, vec![pack.extent(frame, 0, 3)]));
        w.seal(&[folder("s"), file("s/a", b"one", 0), file("s/b", b"two", 1)]);
    });
    h
}

pub(super) fn usual() -> Hospital {
    one_generation(|_| {})
}

/// The file of the only object of a kind.
pub(super) fn only(h: &Hospital, kind: ObjectKind) -> std::path::PathBuf {
    let all: Vec<_> = objects(&h.medium()).into_iter().filter(|o| o.1 == kind).collect();
    let [(.., path)] = &all[..] else { panic!("{} of {kind}", all.len()) };
    path.clone()
}

pub(super) fn flip(path: &Path, at: u64) {
    let bytes = fs::read(path).expect("an object");
    overwrite(path, at, &[bytes[at as usize] ^ 1]);
}

/// A label behind the seal.
fn label_ahead(h: &Hospital, change: impl FnOnce(&mut Label)) {
    let set = set_folder(&h.medium());
    let number = 1 + objects(&h.medium()).last().expect("a seal").0;
    let mut label = h.label();
    label.first_object = number;
    change(&mut label);
    put_object(&set, number, ObjectKind::Label, label.encode());
}

fn behind(h: &Hospital, kind: ObjectKind, bytes: &[u8]) {
    let number = 1 + objects(&h.medium()).last().expect("a seal").0;
    put_object(&set_folder(&h.medium()), number, kind, bytes);
}

fn copy_of_the_set(h: &Hospital) {
    let set = set_folder(&h.medium());
    crate::tools::copy_folder(&set, &set.with_file_name("0"));
}

enum Who {
    Program,
    Reader,
}

/// Asks both readers. The medium is kept as a vector, and `what` is said of it there.
#[track_caller]
pub(super) fn assert_answer(what: &str, h: &Hospital, call: &Call, verify: i32, restore: i32, files: &[&str]) {
    assert_answer_within(what, h, call, verify, restore, files, files);
}

/// The same where the program saves more from damage than the reader.
#[track_caller]
fn assert_answer_within(what: &str, h: &Hospital, call: &Call, verify: i32, restore: i32, least: &[&str], most: &[&str]) {
    if is_reader_missing() {
        return;
    }
    let most = assert_answer_of(h, Who::Program, call, verify, restore, most);
    let least = assert_answer_of(h, Who::Reader, call, verify, restore, least);
    vectors::assert_kept(what, h, call, &least, &most);
}

#[track_caller]
fn assert_answer_of(h: &Hospital, who: Who, call: &Call, verify: i32, restore: i32, files: &[&str]) -> Answer {
    let key = key_file(h);
    for by in [BY_THE_PROGRAM, BY_THE_READER] {
        let _ = fs::remove_dir_all(h.path(by));
    }
    let (answer, said) = match who {
        Who::Program => by_the_program(h, &key, call),
        Who::Reader => ReferenceReader::start().answer(h, &key, call),
    };
    let found: Vec<_> = answer.files.iter().map(|(path, _)| path.to_str().expect("text")).collect();
    assert_eq!((answer.verify, answer.restore, &found[..]), (verify, restore, files), "{said}");
    answer
}

pub(super) fn plainly() -> Call {
    Call { set: None, generation: None, expect: None }
}

#[test]
fn where_nothing_counts_the_content_is_restored_and_called_unproven() {
    // Another digit, so that the head keeps its form.
    let damaged_head = |h: &Hospital| {
        let seal = only(h, ObjectKind::Seal);
        let text = fs::read_to_string(&seal).expect("a seal");
        let at = text.find("\nlabel ").expect("a line") + 10;
        overwrite(&seal, at as u64, if text.as_bytes()[at] == b'0' { b"1" } else { b"0" });
    };
    let h = usual();
    damaged_head(&h);
    assert_answer(
        "One digit in the head of the only seal is another one, so its signature is not good.",
        &h,
        &plainly(),
        5,
        5,
        ALL,
    );
    // Somebody may have put it there: nobody is to restore a suspected state unawares.
    label_ahead(&h, |l| l.quarantine = true);
    assert_answer("A label behind a seal that does not fit puts the set under quarantine.", &h, &plainly(), 5, 2, &[]);
    assert_answer(
        "A label behind a seal that does not fit puts the set under quarantine, and the call names the set.",
        &h,
        &Call { set: Some(h.label().set.to_string()), ..plainly() },
        5,
        5,
        ALL,
    );
    let h = usual();
    let label = only(&h, ObjectKind::Label);
    label_ahead(&h, |l| l.set = Id([7; 16]));
    fs::remove_file(label).expect("a deletion");
    assert_answer("The label of the set is gone, and that of another set lies behind the seal.", &h, &plainly(), 5, 5, ALL);
    let h = usual();
    fs::remove_file(only(&h, ObjectKind::Label)).expect("a deletion");
    behind(&h, ObjectKind::Label, b"azekura label 2\n");
    assert_answer("The label of the set is gone, and a newer one lies behind the seal.", &h, &plainly(), 5, 5, ALL);
}

#[test]
fn a_set_whose_seals_cannot_be_read_is_damaged_and_not_empty() {
    let h = usual();
    let seal = only(&h, ObjectKind::Seal);
    let bytes = fs::read(&seal).expect("a seal");
    fs::remove_file(&seal).and_then(|()| fs::write(&seal, &bytes[..400])).expect("a cut");
    assert_answer("The only seal is cut off within its head.", &h, &plainly(), 5, 5, &[]);
    // Without one, nothing is sealed.
    fs::remove_file(&seal).expect("a deletion");
    assert_answer("The only seal is gone, so nothing is sealed.", &h, &plainly(), 6, 6, &[]);
}

#[test]
fn a_further_folder_of_the_set_hides_nothing() {
    let h = usual();
    copy_of_the_set(&h);
    assert_answer("The folder of the set is there twice.", &h, &plainly(), 5, 0, ALL);
    let h = usual();
    flip(&only(&h, ObjectKind::Label), 20);
    copy_of_the_set(&h);
    assert_answer("The folder of the set is there twice, and its label is damaged in both.", &h, &plainly(), 5, 5, ALL);
}

#[test]
fn what_is_newer_is_named_and_nothing_behind_it_is_judged() {
    let texts: [(ObjectKind, &[u8]); 3] = [
        (ObjectKind::Seal, b"azekura seal 2\n"),
        (ObjectKind::Label, b"azekura label 2\nmore\n"),
        (ObjectKind::Succession, b"azekura succession 3\n"),
    ];
    for (kind, text) in texts {
        let h = usual();
        behind(&h, kind, text);
        behind(&h, ObjectKind::Pack, b"not judged");
        assert_answer(&format!("A newer {kind} lies behind the seal, and a pack behind it."), &h, &plainly(), 6, 6, ALL);
        // Without its line feed it is no first line.
        let h = usual();
        behind(&h, kind, text.split(|b| *b == b'\n').next().expect("a line"));
        let judged = if kind == ObjectKind::Seal { 5 } else { 0 };
        assert_answer(
            &format!("A {kind} behind the seal begins as a newer one does, without the line feed."),
            &h,
            &plainly(),
            judged,
            judged,
            ALL,
        );
        // It may be longer than a text of this version.
        let h = usual();
        behind(&h, kind, &[text, &vec![b'x'; 17 << 20]].concat());
        assert_answer(
            &format!("A newer {kind} behind the seal is longer than a text of this version may be."),
            &h,
            &plainly(),
            6,
            6,
            ALL,
        );
    }
    let h = usual();
    let number = 1 + objects(&h.medium()).last().expect("a seal").0;
    behind(&h, ObjectKind::Label, texts[1].1);
    put_object(&set_folder(&h.medium()), number, ObjectKind::Seal, b"xx");
    assert_answer("A newer label lies behind the seal, and a second file with its number is no seal.", &h, &plainly(), 6, 6, ALL);
    let h = one_generation(|w| _ = w.append_raw(ObjectKind::Later(9), b"later"));
    assert_answer("The seal lists an object of an unknown kind.", &h, &plainly(), 6, 6, &[]);
    flip(&only(&h, ObjectKind::Later(9)), 0);
    assert_answer("The seal lists an object of an unknown kind, and that object is damaged.", &h, &plainly(), 5, 6, &[]);
}

#[test]
fn a_seal_counts_in_its_own_place_only() {
    let h = usual();
    behind(&h, ObjectKind::Seal, &fs::read(only(&h, ObjectKind::Seal)).expect("a seal"));
    assert_answer("A copy of the seal lies behind it.", &h, &plainly(), 5, 5, ALL);
}

#[test]
fn a_further_name_is_restored_without_its_first_one() {
    let h = hospital();
    write_generation(&h, |mut w| {
        let pack = w.pack(&[b"one"]);
        let first = file_entry("s/d/first", b"one", vec![pack.extent(0, 0, 3)]);
        let further = [link("s/x", &first), link("s/y", &first)];
        let refused = folder("s/d").with(2, crate::cbor::Item::Text("mode".into()));
        let records = [&[folder("s"), refused, RawRecord::of(&first)][..], &further.map(|l| RawRecord::of(&l))].concat();
        w.seal(&records);
    });
    assert_answer(
        "The first name of a file lies in a folder whose record is refused, and two further names do not.",
        &h,
        &plainly(),
        0,
        5,
        &["s/x", "s/y"],
    );
}

/// A newer program may know what lies below an entry whose state is unknown here.
#[test]
fn what_is_newer_may_have_something_below_it() {
    let h = hospital();
    write_generation(&h, |mut w| {
        let pack = w.pack(&[b"one"]);
        let file = |name: &str| RawRecord::of(&file_entry(name, b"one", vec![pack.extent(0, 0, 3)]));
        let newer = file("s/new").with(19, crate::cbor::Item::Uint(7));
        w.seal(&[folder("s"), file("s/a"), newer, file("s/new/below"), file("s/z")]);
    });
    assert_answer("Below an entry whose state is unknown lies another entry.", &h, &plainly(), 0, 5, &["s/a", "s/z"]);
}

#[test]
fn an_armoured_file_is_no_object() {
    let h = one_generation(|w| w.encrypt = Some(ages::armored(&w.recipient())));
    assert_answer("All age files are armoured.", &h, &plainly(), 0, 5, &[]);
}

/// What is well sealed and wrong: the length of an object, and which file a void object is.
#[test]
fn a_list_means_what_it_says() {
    let h = usual();
    reseal(&set_folder(&h.medium()), |line| match line.split(' ').collect::<Vec<_>>()[..] {
        ["object", n, "manifest", length, ..] => {
            let longer = length.parse::<u64>().expect("a length") + 1;
            line.replacen(&format!("{n} manifest {length}"), &format!("{n} manifest {longer}"), 1)
        }
        _ => line.into(),
    });
    assert_answer("The seal lists another length for the manifest than it has.", &h, &plainly(), 5, 5, &[]);
    for is_listed in [true, false] {
        let h = one_generation(|w| _ = w.append_raw(ObjectKind::Extra, b"void"));
        let set = set_folder(&h.medium());
        reseal(&set, |line| match line.contains(" extra ") {
            true if is_listed => line.replace(" extra ", " void "),
            true => format!("{} void 0 - -\n", line.split(" extra").next().expect("a number")),
            false => line.into(),
        });
        let extra = only(&h, ObjectKind::Extra);
        let number = objects(&h.medium()).iter().find(|o| o.1 == ObjectKind::Extra).expect("the object").0;
        let listed = if is_listed { "the digest is listed" } else { "nothing is listed" };
        fs::rename(&extra, object_file(&set, number, ObjectKind::Pack)).expect("a leftover's name");
        assert_answer(&format!("One file has the number of a void object of which {listed}."), &h, &plainly(), 0, 0, ALL);
        // A second file of the same length: which one is meant, its bytes tell. Where none is meant, both may be.
        put_object(&set, number, ObjectKind::Label, b"v0id");
        assert_answer(
            &format!("Two files have the number of a void object of which {listed}."),
            &h,
            &plainly(),
            if is_listed { 5 } else { 0 },
            0,
            ALL,
        );
    }
}

#[test]
fn a_restore_out_of_a_damaged_pack_is_not_called_good() {
    let h = usual();
    // All frames decode: nothing is lost, and the medium is not what was sealed.
    reseal(&set_folder(&h.medium()), |line| match line.split(' ').collect::<Vec<_>>()[..] {
        ["object", "1", "pack", _, blake3, ..] => line.replace(blake3, &"0".repeat(64)),
        _ => line.into(),
    });
    assert_answer_within("The seal lists another digest for a pack whose frames are all good.", &h, &plainly(), 5, 5, &[], ALL);
}

#[test]
fn records_without_a_source_are_not_passed_over() {
    use crate::cbor::Item::Array;
    let h = one_generation(|w| w.bend_cbor = Box::new(|cbor| cbor.with(7, Array(Vec::new()))));
    assert_answer("The manifest names no source, and there are records.", &h, &plainly(), 0, 5, &[]);
}

#[test]
fn a_second_file_beside_what_is_newer_is_foreign() {
    let h = one_generation(|w| _ = w.append_raw(ObjectKind::Later(40), b"later"));
    let number = objects(&h.medium()).iter().find(|o| o.1 == ObjectKind::Later(40)).expect("the object").0;
    put_object(&set_folder(&h.medium()), number, ObjectKind::Label, b"xx");
    assert_answer("A second file has the number of an object of an unknown kind.", &h, &plainly(), 5, 6, &[]);
}

/// A record that follows on a source, in the folder that the source is in.
#[test]
fn a_record_beside_a_source_is_in_none() {
    let h = hospital();
    write_generation(&h, |mut w| {
        w.sources = vec!["s/a"];
        let pack = w.pack(&[b"one"]);
        let file = |path| RawRecord::of(&file_entry(path, b"one", vec![pack.extent(0, 0, 3)]));
        w.seal(&[file("s/a"), file("s/b")]);
    });
    assert_answer("A record is beside the only source, which is a file.", &h, &plainly(), 0, 5, &[]);
}

/// The set may go on on a medium that nobody has ever written.
#[test]
fn the_newest_generation_is_the_newest_that_is_whole() {
    let h = usual();
    end_full(&set_folder(&h.medium()));
    assert_answer("The last seal is a closing one, and the set may go on on another medium.", &h, &plainly(), 0, 0, ALL);
    assert_answer(
        "The call asks for a generation that may be on another medium.",
        &h,
        &Call { generation: Some(2), ..plainly() },
        0,
        6,
        &[],
    );
    assert_answer(
        "The call asks for the generation before a closing seal.",
        &h,
        &Call { generation: Some(1), ..plainly() },
        0,
        0,
        ALL,
    );
}

/// The list is damaged, and somebody who knows the recipient has put another manifest there, which is looked at first.
#[test]
fn under_a_damaged_list_the_records_tell_which_manifest_was_sealed() {
    let plant = |bend: fn(&mut Manifest), to_owner: bool| {
        let h = one_generation(|w| w.behind.push((ObjectKind::Extra, b"behind")));
        let seal = only(&h, ObjectKind::Seal);
        flip(&seal, fs::metadata(&seal).expect("a seal").len() - 10);
        let mut stored = Vec::new();
        let sealed = fs::read(only(&h, ObjectKind::Manifest)).expect("a manifest");
        decrypt_into(&h.identity, &sealed, 1 << 20, &mut stored).expect("a payload");
        let mut plain = zeroize::Zeroizing::new(Vec::new());
        Decompressor::new().and_then(|mut d| d.decompress_manifest(&stored, &mut plain)).expect("a frame");
        let mut manifest = Manifest::decode(&plain).expect("a manifest");
        bend(&mut manifest);
        let owner = Recipients::parse(&manifest.recipients).expect("recipients");
        let recipients = if to_owner { owner } else { Identity::generate().recipients() };
        let mut frame = Vec::new();
        Compressor::new(1).and_then(|mut c| c.compress_manifest(&manifest.encode(), &mut frame)).expect("a frame");
        let mut file = Encryptor::begin(&recipients, Vec::new()).expect("a header");
        file.write(&frame);
        let number = objects(&h.medium()).iter().find(|o| o.1 == ObjectKind::Extra).expect("the object").0;
        put_object(&set_folder(&h.medium()), number, ObjectKind::Manifest, file.finish());
        h
    };
    // Only the first record is left.
    let fewer = |m: &mut Manifest| {
        let first = folder("s").bytes();
        m.entries.extents[0].length = first.len() as u64;
        (m.entries.length, m.entries.count) = (first.len() as u64, 1);
        m.entries.blake3 = *blake3::hash(&first).as_bytes();
    };
    assert_answer(
        "The list is damaged, and a manifest that was planted names fewer records than were sealed.",
        &plant(fewer, true),
        &plainly(),
        5,
        5,
        ALL,
    );
    // Somebody else can open it.
    assert_answer(
        "The list is damaged, and a copy of the manifest that was planted is for another key.",
        &plant(|_| {}, false),
        &plainly(),
        5,
        5,
        ALL,
    );
    let other_sources = |m: &mut Manifest| m.sources.clear();
    assert_answer(
        "The list is damaged, and a manifest that was planted names no source.",
        &plant(other_sources, true),
        &plainly(),
        5,
        5,
        ALL,
    );
}

#[test]
fn what_desktop_systems_leave_is_no_fault() {
    let h = usual();
    let set = set_folder(&h.medium());
    for name in [".DS_Store", "._00000001.pack", "THUMBS.DB", "00000/desktop.ini", "00000/.Trash-1000"] {
        fs::write(set.join(name), "litter").expect("a file");
    }
    fs::create_dir(set.join("System Volume Information")).expect("a folder");
    assert_answer("Beside the objects lies what desktop systems leave.", &h, &plainly(), 0, 0, ALL);
    fs::write(set.join("00000/DS_Store"), "foreign").expect("a file");
    assert_answer("A name is almost one that desktop systems leave.", &h, &plainly(), 5, 0, ALL);
}

/// Where a set has a seal, nobody is asked about a folder that has none.
#[test]
fn a_folder_without_a_seal_is_not_asked_about() {
    let h = usual();
    let set = set_folder(&h.medium());
    let label = only(&h, ObjectKind::Label);
    let half = fs::read(&label).expect("a label");
    overwrite(&label, 0, b"A");
    let other = set.with_file_name("f".repeat(32)).join("00000");
    fs::create_dir_all(&other).expect("a folder");
    fs::write(other.join("00000000.label"), &half[..200]).expect("half a label");
    fs::write(other.join("00000002.pack"), "a pack").expect("a pack");
    assert_answer(
        "The label is damaged, and beside the set lies a folder that is called as a set and has no seal.",
        &h,
        &plainly(),
        5,
        5,
        ALL,
    );
}

/// The set's id is what label and seal agree on, else what the seal says; never the folder's name.
#[test]
fn the_name_of_a_folder_says_nothing_beside_a_seal() {
    let h = usual();
    // Another digit, so that the seal keeps its form.
    let name_another_set = |h: &Hospital| {
        let seal = only(h, ObjectKind::Seal);
        let text = fs::read_to_string(&seal).expect("a seal");
        let at = text.find("\nset ").expect("a line") + 5;
        overwrite(&seal, at as u64, if text.as_bytes()[at] == b'0' { b"1" } else { b"0" });
    };
    name_another_set(&h);
    copy_of_the_set(&h);
    assert_answer("The only seal names another set than the label, and the folder is there twice.", &h, &plainly(), 5, 5, &[]);
    let h = usual();
    flip(&only(&h, ObjectKind::Label), 20);
    let id = set_folder(&h.medium()).file_name().and_then(|n| n.to_str()).expect("an id").to_owned();
    name_another_set(&h);
    let call = Call { set: Some(id), ..plainly() };
    assert_answer("The set of the call is a folder's name, and its only seal names another one.", &h, &call, 6, 6, &[]);
}

/// The dice of a case depend on nothing but seed and case.
#[test]
fn a_case_can_be_made_again() {
    let rolls = |case| (0..4).map(|_| Dice::of_case(7, case).next()).collect::<Vec<_>>();
    assert!(rolls(1) == rolls(1) && rolls(1) != rolls(2));
}
