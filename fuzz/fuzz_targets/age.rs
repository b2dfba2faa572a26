//! An age file that anybody may have written or changed; an identity file.
//!
//! Hostile bytes seldom get past the header's MAC, so the bytes are also the content of a good file that is then damaged.
#![no_main]

use azekura::pipeline::encryptor::{Decryptor, Identity, decrypt};
use azekura_fuzz::{IDENTITY, encrypt};
use libfuzzer_sys::fuzz_target;
use std::io::{Cursor, Read};

const LIMIT: u64 = 1 << 20;

fn read(file: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut reader = Decryptor::open(&IDENTITY, Cursor::new(file)).ok()?;
    reader.read_to_end(&mut content).ok().map(|_| content)
}

fuzz_target!(|bytes: &[u8]| {
    let _ = Identity::parse(bytes, None);
    assert_eq!(decrypt(&IDENTITY, bytes, LIMIT).ok(), read(bytes), "whole and with seeking it is the same");

    let Some((damage, content)) = bytes.split_first_chunk::<8>() else { return };
    let mut file = encrypt(content);
    let place = u32::from_le_bytes([damage[0], damage[1], damage[2], 0]) as usize % file.len();
    match damage[3] % 4 {
        0 => file[place] ^= damage[4],
        1 => file.truncate(place),
        2 => file.extend_from_slice(&damage[4..]),
        _ => drop(file.splice(place..(place + usize::from(damage[5])).min(file.len()), damage[4..].iter().copied())),
    }
    for found in [decrypt(&IDENTITY, &file, LIMIT).ok(), read(&file)].into_iter().flatten() {
        assert_eq!(found, content, "damage is never passed on as content");
    }
});
