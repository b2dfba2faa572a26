//! Writes the inputs that the fuzz targets begin with: what the encoders make, and what lies in `tests/golden`.
//!
//! Called by `fuzz/run` with `CORPUS` in the environment; makes `CORPUS/<target>/<digest>`. It is a fuzz target that is never run on
//! anything, because what is compiled for coverage can only be linked as one.
#![no_main]

use azekura::format::check_code::CheckCode;
use azekura::format::object::{FOLDER_OBJECTS, ObjectKind, file_name, folder_name, hex, parse_file_name};
use azekura::format::tape::{Contents, Header, Item};
use azekura::pipeline::compressor::Compressor;
use azekura_fuzz as sample;
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::Path;

fuzz_target!(init: write_all(), |_bytes: &[u8]| ());

fn write_all() {
    let corpus = std::env::var_os("CORPUS").expect("the folder of the corpora");
    let put = |target: &str, seed: &[u8]| {
        let folder = Path::new(&corpus).join(target);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(&hex(blake3::hash(seed).as_bytes())[..16]), seed).expect("a seed");
    };
    let (payload, _) = sample::payload();
    let manifest = sample::manifest().encode();

    put("label", &sample::label());
    put("manifest", &manifest);
    put("pack", &payload);
    put("generation", &[&(manifest.len() as u32).to_le_bytes()[..], &manifest, &payload].concat());
    put("chain", &sample::lay_out(&sample::chain()));
    for (kind, bytes) in sample::chain() {
        match kind {
            ObjectKind::Seal => {
                put("seal", &bytes);
                put("check_code", CheckCode::of(blake3::hash(sample::head(&bytes)).as_bytes()).to_string().as_bytes());
            }
            ObjectKind::Succession => put("succession", &bytes),
            _ => {}
        }
    }
    for (number, kind) in [(0, ObjectKind::Label), (12, ObjectKind::Pack), (123_456_789, ObjectKind::Manifest)] {
        put("check_code", file_name(number, kind).as_bytes());
        put("check_code", folder_name(number / FOLDER_OBJECTS).as_bytes());
    }
    for (number, (kind, bytes)) in (0..).zip(sample::chain()) {
        let (length, set) = (bytes.len() as u64, azekura::format::object::Id([7; 16]));
        let header = Header { set, number, kind, length, block: 512 << 10, before: number.checked_sub(1) };
        put("tape_header", &header.encode());
    }
    for (count, block) in [(0_u64, 4096), (3, 512 << 10), (300, 4096)] {
        let item = |n| Item { number: n / 2, kind: ObjectKind::Later(9 + n as u8 % 2), length: n * 50, at: n * 6 };
        let contents = Contents { items: (0..count).map(item).collect(), last: count.checked_sub(1).map(|n| n * 6) };
        let (list, trailer) = contents.encode(azekura::format::object::Id([7; 16]), block, count * 6);
        let (at, fields) = ((trailer.first + trailer.blocks()).to_le_bytes(), trailer.encode());
        put("tape_header", &fields);
        put("tape_list", &[&at[..], &fields[..fields.len() - 32], &list].concat());
    }
    put("check_code", b"7f3k 92qx oabc defg hjkm npqr stvw xyz0 1234 5678 9abc def gh l");
    for texts in [&sample::chain_texts()[..1], &sample::chain_texts()] {
        // The digest at the end is the target's to put there.
        let proof = sample::proof(texts).encode().expect("a proof");
        put("proof", &proof[..proof.len() - 32]);
    }
    sample::stamps().iter().for_each(|stamp| put("stamp", stamp));
    for answer in sample::changer() {
        put("changer", &answer);
    }
    for entry in sample::entries() {
        let mut record = Vec::new();
        entry.encode(&mut record);
        put("entry", &record[4..]);
    }
    let mut compressor = Compressor::new(3).expect("zstd");
    for content in [&b""[..], &[7; 4000], &payload, sample::label().as_slice()] {
        let mut frame = Vec::new();
        compressor.compress(content, &mut frame).expect("a frame");
        put("frame", &frame);
        put("age", &sample::encrypt(content));
    }
    golden(Path::new("tests/golden"), &put);
}

/// Labels, seals and successions can be read by anyone; whole sets of them make a chain.
fn golden(folder: &Path, put: &dyn Fn(&str, &[u8])) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut objects = Vec::new();
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            golden(&path, put);
            continue;
        }
        let named = path.file_name().and_then(|n| n.to_str()).and_then(parse_file_name);
        let (Some((number, kind)), Ok(bytes)) = (named, fs::read(&path)) else { continue };
        match kind {
            ObjectKind::Label => put("label", &bytes),
            ObjectKind::Seal => put("seal", &bytes),
            ObjectKind::Succession => put("succession", &bytes),
            ObjectKind::Manifest => put("age", &bytes),
            _ => {}
        }
        // A chain is read from texts; of the rest it is enough that they are there.
        let is_text = matches!(kind, ObjectKind::Label | ObjectKind::Seal | ObjectKind::Succession);
        let bytes = if is_text { bytes } else { Vec::new() };
        objects.push((number, kind, bytes));
    }
    objects.sort_by_key(|o| o.0);
    if !objects.is_empty() {
        let objects: Vec<_> = objects.into_iter().map(|(_, kind, bytes)| (kind, bytes)).collect();
        put("chain", &sample::lay_out(&objects));
    }
}
