//! Damaged media: `damaged/<disease>/`, each a `patch` over a golden medium and, in `expected.txt`, what is then said of it.
//!
//! A patch has one fact a line: `medium FOLDER`, then `flip FILE OFFSET`, `cut FILE LENGTH`, `remove FILE`, `copy FILE FILE` or
//! `write FILE FROM` with a file of the patch's own folder. Other files are named by their paths below the set's folder.
//! `#` begins a comment.

use crate::machine::{objects_in, put_object};
use crate::world::Hospital;
use crate::{folder, holds, identity, reader, updates};
use azekura::event::NoObserver;
use azekura::format::seal::{Seal, Verdict};
use azekura::job::restore;
use azekura::medium::loader::NoLoader;
use azekura::seal::{SealKey, sign};
use azekura::set::open::OpenSet;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[test]
fn damage_is_found_and_stays_local() {
    crate::media::make_missing();
    let mut diseases: Vec<_> =
        std::fs::read_dir(folder().join("damaged")).expect("diseases").map(|e| e.expect("a name").path()).collect();
    diseases.sort();
    assert!(diseases.len() >= 3);
    for disease in diseases {
        if updates() && disease.ends_with("forged-seal") {
            std::fs::write(disease.join("forged.seal"), forged()).expect("a seal");
        }
        let h = Hospital { identity: identity(), ..Hospital::new() };
        let medium = h.medium();
        patch(&disease, &medium);
        holds(&disease.join("expected.txt"), &said(&h));
        if reader::is_available() {
            the_reader_agrees(&h, &disease);
        }
    }
}

/// The reference reader finds the damage too, and restores as many entries as the crate does.
fn the_reader_agrees(h: &Hospital, disease: &Path) {
    let (status, said) = reader::run(&["verify"], &h.medium(), &[]);
    assert_eq!(status, 5, "{}: {said}", disease.display());
    let expected = std::fs::read_to_string(disease.join("expected.txt")).expect("expected.txt");
    let mut lines = expected.lines();
    while let Some(line) = lines.next() {
        let Some(n) = line.strip_prefix("generation ").and_then(|l| l.split(' ').next()) else { continue };
        let (status, said) = reader::restore(&h.medium(), &["--generation", n], &h.path(&format!("by the reader {n}")));
        let outcome = lines.next().expect("an outcome").trim();
        match outcome.split_once(" entries, ") {
            Some((all, lost)) => {
                let number = |text: &str| text.split(' ').next().and_then(|n| n.parse::<u32>().ok()).expect("a number");
                let restored = format!("{} of {all} entries restored", number(all) - number(lost));
                assert!(said.contains(&restored), "{} {n}: {said}", disease.display());
            }
            None => assert!(matches!(status, 5 | 6), "{} {n}: {said}", disease.display()),
        }
        assert_eq!(said.contains("NOT TRUSTED"), line.contains("not trusted"), "{} {n}: {said}", disease.display());
    }
}

/// The last seal of the golden medium, changed by somebody who does not have its key.
fn forged() -> Vec<u8> {
    let medium = folder().join("v1/first/medium");
    let chain = OpenSet::open(&medium, None, &NoLoader).and_then(|set| set.chain()).expect("a chain");
    let last = chain.last().expect("a seal");
    let seal = Seal { verdict: Verdict::Incomplete, ..last.seal.clone() };
    sign(&seal, &last.objects, &SealKey::from_seed(&[0x66; 32])).expect("a seal").bytes
}

fn patch(disease: &Path, medium: &Path) {
    let text = std::fs::read_to_string(disease.join("patch")).expect("a patch");
    let mut set = PathBuf::new();
    for line in text.lines().map(|l| l.split('#').next().unwrap_or_default().trim()).filter(|l| !l.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |i: usize| words[i].parse::<usize>().expect("a number");
        let change = |bend: &dyn Fn(&mut Vec<u8>)| {
            let path = set.join(words[1]);
            let mut bytes = std::fs::read(&path).expect("an object");
            bend(&mut bytes);
            std::fs::write(path, bytes).expect("an object");
        };
        match words[0] {
            "medium" => {
                let from = folder().join(words[1]).join("medium/AZEKURA");
                let from = std::fs::read_dir(from).expect("sets").next().expect("a set").expect("a set").path();
                set = medium.join("AZEKURA").join(from.file_name().expect("a name"));
                for (number, kind, path) in objects_in(&from) {
                    put_object(&set, number, kind, std::fs::read(path).expect("an object"));
                }
            }
            "flip" => change(&|b| b[number(2)] ^= 1),
            "cut" => change(&|b| b.truncate(number(2))),
            "remove" => std::fs::remove_file(set.join(words[1])).expect("an object"),
            "copy" => drop(std::fs::copy(set.join(words[1]), set.join(words[2])).expect("an object")),
            "write" => {
                std::fs::write(set.join(words[1]), std::fs::read(disease.join(words[2])).expect("a file")).expect("written")
            }
            other => panic!("{other}?"),
        }
    }
}

/// What `verify` and `restore` say.
fn said(h: &Hospital) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    let verified = h.verify();
    assert!(!verified.is_good());
    for f in &verified.faults {
        line(format!("fault {} {} {:?}", f.object, f.kind, f.what));
    }
    for d in &verified.damage {
        line(format!("damage {} {} of generation {} {:?}", d.object.number, d.object.kind, d.generation, d.what));
    }
    for name in &verified.foreign {
        line(format!("foreign {name}"));
    }
    for n in 1..=3 {
        let trust = match verified.generations.iter().find(|g| g.generation == n) {
            None => "has no seal",
            Some(g) if g.trusted => "is trusted",
            Some(_) => "is not trusted",
        };
        line(format!("generation {n} {trust}"));
        let options = restore::Options { generation: Some(n), ..h.restore_options(&format!("generation {n}")) };
        match h.with_env(|w| restore::restore(&options, &h.identity, w, &NoObserver)) {
            Ok(report) => {
                line(format!("  {} entries, {} not restored", report.entries, report.not_restored));
                for f in report.findings.iter().filter(|f| !f.detail.starts_with("attribute user.")) {
                    line(format!("  {:?} {}", f.kind, f.path.escape_ascii()));
                }
                let there = walkdir::WalkDir::new(&options.to)
                    .into_iter()
                    .filter_map(Result::ok)
                    .map(|e| e.path().strip_prefix(&options.to).expect("below").as_os_str().as_bytes().to_vec());
                let there: Vec<_> = there.collect();
                for f in report.findings.iter().filter(|f| f.kind == azekura::event::FindingKind::NotRestored) {
                    assert!(!there.contains(&f.path), "what is not whole is not left in place");
                }
            }
            Err(e) => line(format!("  {}", azekura::event::chain_text(&e))),
        }
    }
    out
}
