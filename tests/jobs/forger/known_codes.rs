//! What a check code from paper decides: media on which readers easily differ, and the one answer of both.

use super::Call;
use super::known::{ALL, assert_answer, flip, only, plainly, usual};
use super::log::{end_full, rival};
use crate::other_writer::{RawRecord, file_entry, folder, write_generation};
use crate::tools::{objects, overwrite, set_folder};
use crate::world::Hospital;
use azekura::format::object::ObjectKind;
use std::fs;
use std::path::Path;

#[test]
fn nothing_is_restored_against_a_code() {
    let h = usual();
    assert_answer(
        "The call expects a check code that no seal has.",
        &h,
        &Call { expect: Some("0123-4567-89AB-CDEF".into()), ..plainly() },
        5,
        5,
        &[],
    );
    let code = h.chain().last().map(|l| azekura::format::check_code::CheckCode::of(&l.digest()).to_string());
    assert_answer("The call expects the check code of the seal.", &h, &Call { expect: code, ..plainly() }, 0, 0, ALL);
    assert_answer(
        "The call asks for a generation that was never made.",
        &h,
        &Call { generation: Some(2), ..plainly() },
        0,
        2,
        &[],
    );
    flip(&only(&h, ObjectKind::Seal), 20);
    assert_answer(
        "The call asks for a generation that is not there, and the only seal does not fit.",
        &h,
        &Call { generation: Some(2), ..plainly() },
        5,
        5,
        &[],
    );
}

/// Two generations; the second one has a file of its own.
fn two_generations() -> Hospital {
    let h = usual();
    another_generation(&h);
    h
}

fn another_generation(h: &Hospital) {
    write_generation(h, |mut w| {
        let pack = w.pack(&[b"two"]);
        w.seal(&[folder("s"), RawRecord::of(&file_entry("s/c", b"two", vec![pack.extent(0, 0, 3)]))]);
    });
}

fn code_of(seal: &Path) -> String {
    let bytes = fs::read(seal).expect("a seal");
    let end = azekura::format::seal::Seal::decode(&bytes).expect("a seal").head_bytes;
    azekura::format::check_code::CheckCode::of(blake3::hash(&bytes[..end]).as_bytes()).to_string()
}

#[test]
fn a_seal_before_that_of_the_code_is_missing() {
    let h = two_generations();
    another_generation(&h);
    let seals: Vec<_> = objects(&h.medium()).into_iter().filter(|o| o.1 == ObjectKind::Seal).collect();
    let call = Call { generation: Some(4), expect: Some(code_of(&seals[2].2)), ..plainly() };
    fs::remove_file(&seals[1].2).expect("a deletion");
    assert_answer("A seal before that of the code is missing, and a later generation is asked for.", &h, &call, 5, 5, &[]);
}

/// Somebody with a stolen key goes on from the seal before the last, and calls that one the rest of an interrupted run.
#[test]
fn what_was_written_down_is_worth_more_than_keys() {
    let h = two_generations();
    rival(&set_folder(&h.medium()));
    let seals: Vec<_> = objects(&h.medium()).into_iter().filter(|o| o.1 == ObjectKind::Seal).collect();
    let [(.., first), (.., second), _] = &seals[..] else { panic!("{seals:?}") };
    assert_answer(
        "With a stolen key the seal before the last was replaced, and a closing seal calls void what is behind it.",
        &h,
        &plainly(),
        0,
        0,
        ALL,
    );
    let by_code = |path| Call { expect: Some(code_of(path)), ..plainly() };
    assert_answer(
        "A seal was replaced with a stolen key, and the call expects the check code of the genuine one behind it.",
        &h,
        &by_code(second),
        5,
        5,
        &["s/c"],
    );
    assert_answer(
        "A seal was replaced with a stolen key, and the call expects the code behind it and asks for what it replaced.",
        &h,
        &Call { generation: Some(1), ..by_code(second) },
        5,
        5,
        &[],
    );
    // The code of the seal that was put there instead is on no paper.
    assert_answer(
        "A seal was replaced with a stolen key, and the call expects the check code of what was put there.",
        &h,
        &by_code(first),
        0,
        0,
        ALL,
    );
}

/// Which seal is the last that fits, and so whether the set may go on elsewhere, the code decides too.
#[test]
fn a_generation_behind_the_seal_of_the_code_may_be_on_another_medium() {
    let h = two_generations();
    end_full(&set_folder(&h.medium()));
    let seals: Vec<_> = objects(&h.medium()).into_iter().filter(|o| o.1 == ObjectKind::Seal).collect();
    let [_, (.., second), (.., last)] = &seals[..] else { panic!("{seals:?}") };
    let by_code = Call { generation: Some(3), expect: Some(code_of(last)), ..plainly() };
    fs::remove_file(second).expect("a deletion");
    assert_answer(
        "A seal is lost, and the call expects the code of the closing seal behind it and a generation that may be elsewhere.",
        &h,
        &by_code,
        5,
        6,
        &[],
    );
    let without = Call { expect: None, ..by_code };
    assert_answer(
        "A seal is lost, and the call asks for a generation behind the closing seal that does not fit.",
        &h,
        &without,
        5,
        5,
        &[],
    );
}

/// The seal of the code is not signed rightly; its generation is known all the same, and no other one can be behind it.
#[test]
fn a_seal_that_has_the_code_hides_no_generation() {
    let h = two_generations();
    let seals: Vec<_> = objects(&h.medium()).into_iter().filter(|o| o.1 == ObjectKind::Seal).collect();
    let text = fs::read_to_string(&seals[1].2).expect("a seal");
    let at = text.find("\nsignature ed25519 ").expect("a signature") + "\nsignature ed25519 ".len();
    let mut bytes = text.into_bytes();
    bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    overwrite(&seals[1].2, 0, &bytes);
    let by_code = |generation| Call { generation, expect: Some(code_of(&seals[1].2)), ..plainly() };
    assert_answer("The seal of the code is signed wrongly.", &h, &by_code(None), 5, 5, &["s/c"]);
    assert_answer(
        "The seal of the code is signed wrongly, and a later generation is asked for.",
        &h,
        &by_code(Some(3)),
        5,
        2,
        &[],
    );
}
