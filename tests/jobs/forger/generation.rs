//! Generations by somebody who has all keys: well sealed, and wrong in records, extents, indexes, manifests, age files and names.

use super::ages;
use crate::cbor::Item::{self, Array, Bytes, Map, Raw, Text, Uint};
use crate::other_writer::{OtherWriter, PackPlace, RawRecord, file_entry, folder, link, with_index, write_generation};
use crate::tools::Dice;
use crate::world::Hospital;
use azekura::format::entry::Entry;
use azekura::format::object::ObjectKind;
use azekura::format::pack::{Extent, Index};
use std::collections::BTreeMap;

/// What becomes another kind of object when the log is forged.
pub const PLACEHOLDER: &[u8] = b"placeholder";

/// Any item, right or wrong.
fn any_item(dice: &mut Dice) -> Item {
    match dice.below(12) {
        0 => Uint(dice.below(4) as u64),
        1 => Uint([u32::MAX as u64, 1 << 32, (1 << 63) - 1, 1 << 63, u64::MAX][dice.below(5)]),
        2 => Uint(dice.below(0o20000) as u64),
        3 => Bytes(Vec::new()),
        4 => Bytes(b"s/a".to_vec()),
        5 => Bytes(dice.noise(32)),
        6 => Text("text".into()),
        7 => Array(Vec::new()),
        8 => Array(vec![Uint(dice.below(20) as u64), Uint(dice.below(20) as u64)]),
        9 => Array(vec![Array(vec![Uint(dice.below(9) as u64), Uint([1, 9, 65_536, 65_537, 70_000][dice.below(5)])])]),
        10 => Map(vec![(Uint(0), Uint(1))]),
        // null, a float, an indefinite array, a tag, a length that is not the shortest.
        _ => Raw([&[0xF6][..], &[0xF9, 0, 0], &[0x9F, 0xFF], &[0xC1, 0], &[0x18, 1]][dice.below(5)].to_vec()),
    }
}

fn bend_record(record: RawRecord, others: &[Entry], packs: &[PackPlace], dice: &mut Dice) -> (RawRecord, String) {
    let extent = |dice: &mut Dice| {
        let pack = dice.pick(packs);
        let number = |dice: &mut Dice, n: u64| Uint([n, 0, n + 1, n.wrapping_sub(1), 99][dice.below(5)]);
        let frame = (*dice.pick(&pack.frames)).into();
        Array(vec![number(dice, pack.object), number(dice, frame), number(dice, 0), number(dice, 13)])
    };
    match dice.below(8) {
        0 => {
            let key = dice.below(24) as u64;
            (record.with(key, any_item(dice)), format!("key {key}"))
        }
        1 => {
            let key = 1 + dice.below(22) as u64;
            (record.without(key), format!("without key {key}"))
        }
        2 => {
            let key = [23, 40, 63, 64, 1000][dice.below(5)];
            (record.with(key, any_item(dice)), format!("unknown key {key}"))
        }
        3 => (record.with(1, Uint(dice.below(9) as u64)), "type".into()),
        4 => (record.with(19, Uint(dice.below(4) as u64)), "state".into()),
        5 => {
            let extents = (0..dice.below(3)).map(|_| extent(dice)).collect();
            (RawRecord { extents: Array(extents), ..record }, "extents".into())
        }
        6 => {
            let long = [b"s/", &[b'n'; 256][..]].concat();
            let paths: [&[u8]; 12] = [
                b"s/../x",
                b"s//x",
                b"t/x",
                b"s/\0",
                b"/s/x",
                b"s/no/parent",
                b"s/z\xff",
                b"s/z\n\x1b[31m",
                "s/\u{30ab}\u{3099}".as_bytes(),
                b"s/z ",
                &long[..257],
                &long,
            ];
            let path = dice.pick(&paths).to_vec();
            (RawRecord { path: path.clone(), ..record }.with(0, Bytes(path)), "path".into())
        }
        _ => {
            let first = dice.pick(others);
            let path = String::from_utf8_lossy(&record.path).into_owned();
            let further = RawRecord::of(&link(&path, first));
            match dice.below(4) {
                0 => (further, "a further name".into()),
                1 => {
                    let key = [1, 2, 3, 4, 11, 12, 13, 17, 19][dice.below(9)];
                    (further.with(key, any_item(dice)), format!("a further name with another key {key}"))
                }
                2 => (RawRecord { extents: Array(Vec::new()), ..further }, "a further name with other extents".into()),
                _ => {
                    (further.with(10, Bytes([&b"s/never"[..], b"s", b"s/zz", b"../x"][dice.below(4)].to_vec())), "a link".into())
                }
            }
        }
    }
}

/// A pack, with the index that it should have or another one.
fn a_pack(w: &mut OtherWriter, contents: &[&[u8]], dice: &mut Dice, said: &mut Vec<String>) -> PackPlace {
    if !dice.chance(15) {
        return w.pack(contents);
    }
    let how = dice.below(6);
    said.push(format!("index {how}"));
    w.bent_pack(contents, |frames, mut index: Index| match how {
        0 => frames,
        1 => {
            index.frames[0].chunks[0].1 += 1;
            with_index(frames, index)
        }
        2 => {
            index.frames[0].stored += 1;
            with_index(frames, index)
        }
        3 => {
            index.frames.pop();
            with_index(frames, index)
        }
        4 => {
            // Ids are for writers: a reader that restores does not use them.
            index.frames[0].chunks[0].0.0 = [9; 16];
            with_index(frames, index)
        }
        _ => {
            let mut bytes = with_index(frames, index);
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            bytes
        }
    })
}

fn bend_manifest(cbor: Item, how: usize, value: Item) -> Item {
    match how {
        0 => cbor.with(64, value),
        1 => cbor.with(40, value),
        2 => cbor.with(0, Uint(2)),
        3 => cbor.with(2, Uint(7)),
        4 => cbor.with(1, Bytes(vec![3; 16])),
        5 => cbor.without(8).with(8, value),
        6 => cbor.with(13, value),
        7 => cbor.with(14, value),
        8 => cbor.bent(|m| *m.at(15) = m.at(15).with(4, value)),
        9 => cbor.bent(|m| *m.at(15) = m.at(15).with(5, value)),
        10 => cbor.bent(|m| *m.at(15) = m.at(15).with(64, value)),
        11..=14 => cbor.bent(|m| {
            let Array(sources) = m.at(7) else { unreachable!("sources are an array") };
            sources[0] = sources[0].with([0, 2, 3, 4, 5, 6, 64][how - 11], value);
        }),
        15 => cbor.with(11, Array(vec![value])),
        16..=19 => cbor.with(11, Array(vec![Text(["age1pq1xx", "age1yubikey1xx", "ssh-ed25519 AA", "x"][how - 16].into())])),
        20 => cbor.bent(|m| *m.at(15) = m.at(15).without(3)),
        21 => cbor.without(9),
        other => cbor.with(other as u64 - 22, value),
    }
}

/// Writes a generation with up to three things wrong in it.
pub fn forge(h: &Hospital, dice: &mut Dice, said: &mut Vec<String>) {
    write_generation(h, |mut w| {
        let contents: Vec<Vec<u8>> = (0..3).map(|i| vec![b'a' + i; 13]).collect();
        let parts: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
        if dice.chance(8) {
            let (encrypt, what) = ages::any_way(&h.identity.recipients().texts()[0], dice);
            said.push(what);
            w.encrypt = Some(encrypt);
        }
        let placeholder = |w: &mut OtherWriter, dice: &mut Dice| {
            if dice.chance(15) {
                w.append_raw(ObjectKind::Extra, PLACEHOLDER);
            }
        };
        placeholder(&mut w, dice);
        let packs = [a_pack(&mut w, &parts, dice, said), a_pack(&mut w, &parts[..1], dice, said)];
        let mut entries = Vec::new();
        for (i, name) in ["s/a", "s/b", "s/d/a", "s/d/b", "s/z"].into_iter().enumerate() {
            let (pack, frame) = if i == 4 { (&packs[1], 0) } else { (&packs[0], i % 3) };
            entries.push(file_entry(name, &contents[frame], vec![pack.extent(frame, 0, 13)]));
        }
        // One that goes from one frame into the next.
        let two = [&contents[0][5..], &contents[1][..5]].concat();
        entries.push(file_entry("s/zz", &two, vec![Extent { offset: 5, ..packs[0].extent(0, 5, 13) }]));
        let mut records: BTreeMap<Vec<Vec<u8>>, RawRecord> = BTreeMap::new();
        let names = |path: &[u8]| path.split(|b| *b == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
        for record in [folder("s"), folder("s/d")].into_iter().chain(entries.iter().map(RawRecord::of)) {
            records.insert(names(&record.path), record);
        }
        for _ in 0..dice.below(3) {
            let keys: Vec<_> = records.keys().cloned().collect();
            let key = dice.pick(&keys).clone();
            let Some(record) = records.remove(&key) else { continue };
            let path = String::from_utf8_lossy(&record.path).into_owned();
            let (bent, what) = bend_record(record, &entries, &packs, dice);
            said.push(format!("{path}: {what}"));
            // In its order, so that it is judged by itself, where its path allows that.
            let at = if dice.chance(90) { names(&bent.path) } else { key };
            records.insert(at, bent);
        }
        if dice.chance(20) {
            let (how, value) = (dice.below(42), any_item(dice));
            said.push(format!("manifest {how}"));
            w.bend_cbor = Box::new(move |cbor| bend_manifest(cbor, how, value.clone()));
        }
        if dice.chance(8) {
            said.push("a source without a record".into());
            w.sources.push("t");
        }
        placeholder(&mut w, dice);
        if dice.chance(15) {
            w.behind.push((ObjectKind::Extra, PLACEHOLDER));
        }
        if dice.chance(5) {
            said.push("somebody else reads along".into());
            w.intruder = Some(azekura::pipeline::encryptor::Identity::generate().recipients().texts()[0].clone());
        }
        w.seal(&records.into_values().collect::<Vec<_>>());
    });
}
