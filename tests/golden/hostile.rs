//! Input that every decoder must refuse: over a limit, cut short, of a wrong type, in a wrong order.

use crate::cbor::Item::{self, Array, Bytes, Map, Negative, Raw, Text, Uint};
use crate::example;
use azekura::format::Malformed;
use azekura::format::check_code::WrittenCode;
use azekura::format::entry::{Entry, EntryHead, Record, check_path, record_length};
use azekura::format::manifest::Manifest;
use azekura::format::object::{Id, ObjectKind, parse_file_name, parse_folder_name};
use azekura::format::proof::Proof;
use azekura::format::stamp::{Reply, TimeStampRequest};
use azekura::format::tape::{Contents, HEADER_BYTES, Header, Item as Listed, Trailer};
use azekura::job::inspect::prove::{Anchors, check};
use azekura::pipeline::compressor::{Decompressor, FrameError, read_index};
use std::io::Cursor;

pub struct Bad {
    pub name: String,
    pub bytes: Vec<u8>,
    pub refused: &'static str,
    /// Of a record: whether it is refused alone, or the whole stream with it.
    pub concerns: Option<&'static str>,
}

fn class(e: &Malformed) -> &'static str {
    match e {
        Malformed::Content { .. } => "malformed",
        Malformed::TooLarge { .. } => "limit",
        Malformed::Newer { .. } | Malformed::Unknown { .. } => "newer",
    }
}

/// Gathers what `decode` refuses; it must refuse all of it.
pub struct Gather {
    pub decode: fn(&[u8]) -> Option<Malformed>,
    pub all: Vec<Bad>,
}

impl Gather {
    pub fn new(decode: fn(&[u8]) -> Option<Malformed>) -> Self {
        Self { decode, all: Vec::new() }
    }

    pub fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        let (name, bytes) = (name.into(), bytes.into());
        let Some(e) = (self.decode)(&bytes) else { panic!("accepted: {name}") };
        self.all.push(Bad { name, bytes, refused: class(&e), concerns: None });
    }

    /// A proof that is well-formed, and proves nothing to somebody who has the root key.
    pub fn add_invalid(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        let name = name.into();
        assert!((self.decode)(&bytes).is_none(), "malformed: {name}");
        let anchors = Anchors { root_key: Some(example::label().root_key), code: None };
        assert!(check(&bytes, anchors).is_err(), "proves: {name}");
        self.all.push(Bad { name, bytes, refused: "invalid", concerns: None });
    }

    /// Refused too, but too long to be kept as a vector.
    pub fn large(&self, name: &str, bytes: &[u8]) {
        assert!(matches!((self.decode)(bytes), Some(Malformed::TooLarge { .. })), "{name}");
    }

    /// Every prefix of something good is refused, and no flipped bit makes a decoder panic. Not kept as vectors: anyone
    /// can make them.
    pub fn bend(&self, good: &[u8]) {
        for n in 0..good.len() {
            assert!((self.decode)(&good[..n]).is_some(), "accepted: the first {n} bytes");
        }
        let mut bent = good.to_vec();
        for bit in 0..good.len() * 8 {
            bent[bit / 8] ^= 1 << (bit % 8);
            let _ = (self.decode)(&bent);
            bent[bit / 8] ^= 1 << (bit % 8);
        }
    }

    /// What is wrong with any CBOR: `around` holds an item that a decoder does not know, and looks at it or skips it.
    fn items(&mut self, around: impl Fn(Item) -> Vec<u8>) {
        let raw = |hex: &[u8]| Raw(hex.to_vec());
        for (name, item) in [
            ("null", raw(b"\xf6")),
            ("undefined", raw(b"\xf7")),
            ("a simple value", raw(b"\xf8\x20")),
            ("a float of 16 bits", raw(b"\xf9\x3c\0")),
            ("a float of 64 bits", raw(b"\xfb\0\0\0\0\0\0\0\0")),
            ("a tag", raw(b"\xc0\x61a")),
            ("indefinite bytes", raw(b"\x5f\x41a\xff")),
            ("indefinite text", raw(b"\x7f\x61a\xff")),
            ("an indefinite array", raw(b"\x9f\x01\xff")),
            ("an indefinite map", raw(b"\xbf\x01\x02\xff")),
            ("a break alone", raw(b"\xff")),
            ("a reserved length", raw(b"\x1c")),
            ("text that is not UTF-8", raw(b"\x61\xff")),
            ("an array of 2^60 items", raw(b"\x9b\x10\0\0\0\0\0\0\0")),
            ("a map of 2^60 items", raw(b"\xbb\x10\0\0\0\0\0\0\0")),
            ("bytes longer than what follows", raw(b"\x5b\x10\0\0\0\0\0\0\0")),
            ("a map with a text key", Map(vec![(Text("a".into()), Uint(1))])),
            ("a map with a negative key", Map(vec![(Negative(0), Uint(1))])),
            ("a map with a key given twice", Map(vec![(Uint(1), Uint(1)), (Uint(1), Uint(1))])),
            ("a map with keys out of order", Map(vec![(Uint(2), Uint(1)), (Uint(1), Uint(1))])),
        ] {
            self.add(name, around(item));
        }
    }
}

/// `depth` arrays within each other.
pub fn nested(depth: usize) -> Item {
    (1..depth).fold(Array(Vec::new()), |inner, _| Array(vec![inner]))
}

/// Long runs of one byte as `00*1000`.
pub fn folded(bytes: &[u8]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut open = String::new();
    for run in bytes.chunk_by(|a, b| a == b) {
        match run.len() {
            0..64 => run.iter().for_each(|b| open.push_str(&format!("{b:02x}"))),
            n => {
                parts.extend((!open.is_empty()).then(|| std::mem::take(&mut open)));
                parts.push(format!("{:02x}*{n}", run[0]));
            }
        }
    }
    parts.extend((!open.is_empty()).then_some(open));
    parts.join(" ")
}

fn decode_pack(payload: &[u8]) -> Option<Malformed> {
    match read_index(&mut Cursor::new(payload)) {
        Ok(_) => None,
        Err(FrameError::Malformed(source)) => Some(source),
        Err(e) => panic!("{e}"),
    }
}

pub fn proofs() -> Vec<Bad> {
    let mut g = Gather::new(|b| Proof::decode(b).err());
    let bytes = example::proof().encode().expect("a proof");
    g.bend(&bytes);
    let good = Item::parse(&example::proof_content());
    let around = |item: &Item| example::around_proof(&item.encode());
    assert_eq!(around(&good), bytes);
    g.add("nothing", *b"");
    g.add("another magic", [b"azekura prove 1\n", &bytes[16..]].concat());
    g.add("a later version", [b"azekura proof 2\n", &bytes[16..]].concat());
    g.add("version 0", [b"azekura proof 0\n", &bytes[16..]].concat());
    let mut damaged = bytes.clone();
    damaged[40] ^= 1;
    g.add("a byte that is another", damaged);
    g.add("a byte too many", [&bytes[..], &[0]].concat());
    g.add("bytes left over", example::around_proof(&[&good.encode()[..], &[0]].concat()));
    for key in 0..6 {
        g.add(format!("without key {key}"), around(&good.without(key)));
    }
    for (name, key, value) in [
        ("a core as text", 0, Text("core".into())),
        ("a salt of 15 bytes", 1, Bytes(vec![0; 15])),
        ("number 2^63", 2, Uint(1 << 63)),
        ("a negative number", 2, Negative(0)),
        ("a hash cut short", 3, Bytes(vec![0; 31])),
        ("64 hashes", 3, Bytes(vec![0; 64 * 32])),
        ("hashes as an array", 3, Array(vec![Bytes(vec![0; 32])])),
        ("no heads", 4, Array(Vec::new())),
        ("a head of no bytes", 4, Array(vec![Uint(0)])),
        ("a second head of no bytes", 4, Array(vec![Uint(example::head_bytes().len() as u64), Uint(0)])),
        ("heads of more than 256 MiB", 4, Array(vec![Uint(128 << 20), Uint((128 << 20) + 1)])),
        ("heads whose sum overflows", 4, Array(vec![Uint((1 << 63) - 1); 3])),
        ("a head of 2^63 bytes", 4, Array(vec![Uint(1 << 63)])),
        ("lengths as one number", 4, Uint(1)),
        ("heads as text", 5, Text("azekura seal 1".into())),
        ("an unknown key 17 deep", 99, nested(16)),
        ("an unknown critical key", 6, Uint(0)),
    ] {
        g.add(name, around(&good.with(key, value)));
    }
    g.large("a record of more than 64 MiB", &around(&good.with(0, Bytes(vec![0; (64 << 20) + 1]))));
    g.items(|item| around(&good.with(99, item)));
    crate::chains::invalid_proofs(&mut g);
    g.all
}

/// Replies; what is wrong with a request is wrong with them.
pub fn stamps() -> Vec<Bad> {
    let mut g = Gather::new(|b| Reply::decode(b).err());
    let [plain, full] = example::stamp_infos();
    let reply = |info: &[Vec<u8>]| example::stamp_reply(0, info);
    let with = |at: usize, part: Vec<u8>| {
        let mut info = full.clone();
        info[at] = part;
        reply(&info)
    };
    for good in [reply(&plain), reply(&full)] {
        g.bend(&good);
        g.add("a byte too many", [&good[..], &[0]].concat());
        let mut other = good.clone();
        let at = other.windows(4).position(|w| w == b"\x09\x10\x01\x04").expect("what it holds");
        other[at + 3] = 5;
        g.add("something else that is signed", other);
        let mut other = good;
        let at = other.windows(4).position(|w| w == b"\x0d\x01\x07\x02").expect("how it is signed");
        other[at + 3] = 1;
        g.add("something that is not signed", other);
    }
    g.add("nothing", *b"");
    g.add("granted, and nothing in it", example::der(0x30, &example::der(0x30, &[2, 1, 0])));
    g.add("an indefinite length", *b"\x30\x80\x30\x03\x02\x01\x02\0\0");
    g.add("a length longer than what follows", *b"\x30\x84\xff\xff\xff\xff");
    g.add("version 2", with(0, vec![2, 1, 2]));
    g.add("a hash of 31 bytes", with(2, example::stamp_imprint(&[0; 31])));
    let mut sha512 = example::stamp_imprint(&[0; 32]);
    sha512[14] = 3;
    g.add("a hash of another kind", with(2, sha512));
    g.add("a serial number as text", with(3, example::der(0x0C, b"10")));
    for time in [
        "20261124010203",
        "202é1240é020Z",
        "2026112401020Z",
        "20261124010203.Z",
        "20261124010203,5Z",
        "20261124010203.5xZ",
        "+0261124010203Z",
    ] {
        g.add(format!("the time {time}"), with(4, example::der(0x18, time.as_bytes())));
    }
    g.add("a time in two digits", with(4, example::der(0x17, b"261124010203Z")));
    g.large("more than 1 MiB", &vec![0x30; (1 << 20) + 1]);
    let request = example::stamp_request().encode();
    for n in 0..request.len() {
        assert!(TimeStampRequest::decode(&request[..n]).is_err(), "accepted: the first {n} bytes");
    }
    g.all
}

/// Whole payloads.
pub fn tape_headers() -> Vec<Bad> {
    // A block that is no header at all is refused too: where a header has to be, it is as bad.
    let mut g = Gather::new(|b| match Header::decode(b) {
        Ok(Some(_)) => None,
        Ok(None) => Some(Malformed::Content { what: "header on tape", why: "none".into() }),
        Err(e) => Some(e),
    });
    let good = example::tape_header();
    g.bend(&good.encode());
    g.add("nothing", *b"");
    g.add("a newer header", [b"azekura tape 2", &good.encode()[14..]].concat());
    g.add("version 0", [b"azekura tape 0", &good.encode()[14..]].concat());
    g.add("another magic", [b"azekura disk 1", &good.encode()[14..]].concat());
    g.add("a byte too many", [&good.encode()[..], &[0]].concat());
    let mut damaged = good.encode();
    damaged[40] ^= 1;
    g.add("a damaged length", damaged);
    let mut unknown = good.encode();
    unknown[61] = 1;
    let digest = blake3::hash(&unknown[..480]);
    unknown[480..].copy_from_slice(digest.as_bytes());
    g.add("bytes that are not known", unknown);
    g.add("void", Header { kind: ObjectKind::Void, ..good }.encode());
    for code in [0, 128, 255] {
        g.add(format!("the kind {code}"), Header { kind: ObjectKind::Later(code), ..good }.encode());
    }
    g.add("number 2^48", Header { number: 1 << 48, ..good }.encode());
    g.add("longer than a pack", Header { length: (1 << 30) + 1, ..good }.encode());
    g.add("blocks above 8 MiB", Header { block: (8 << 20) + 1, ..good }.encode());
    g.add("blocks below 4 KiB", Header { block: 4095, ..good }.encode());
    g.all
}

/// Decodes a list and its trailer, which are those of [`example::tape_contents`] in set, block and place.
pub fn decode_tape_list(bytes: &[u8]) -> Result<Contents, Malformed> {
    let none = || Malformed::Content { what: "list on tape", why: "no trailer".into() };
    let (list, trailer) = bytes.split_last_chunk::<HEADER_BYTES>().ok_or_else(none)?;
    let trailer = Trailer::decode(trailer)?.ok_or_else(none)?;
    let example::Cartridge { set, block, list_at } = example::cartridge();
    trailer.check(set, block, list_at + (list.len() as u64).div_ceil(block.into()))?;
    Contents::decode(&trailer, list)
}

pub fn tape_lists() -> Vec<Bad> {
    let mut g = Gather::new(|b| decode_tape_list(b).err());
    let example::Cartridge { set, block, list_at } = example::cartridge();
    let good = example::tape_contents();
    let (list, trailer) = good.encode(set, block, list_at);
    let around = |trailer: Trailer| [&list[..], &trailer.encode()].concat();
    g.bend(&around(trailer));
    g.add("nothing", *b"");
    g.add("no trailer", &list[..]);
    g.add("another version", [&list[..], b"azekura list 2", &trailer.encode()[14..]].concat());
    g.add("a byte too many", [&b"\0"[..], &around(trailer)].concat());
    let mut damaged = around(trailer);
    damaged[9] ^= 1;
    g.add("a damaged list", damaged);
    let mut damaged = around(trailer);
    damaged[list.len() + 40] ^= 1;
    g.add("a damaged trailer", damaged);
    let mut unknown = trailer.encode();
    unknown[92] = 1;
    let digest = blake3::hash(&unknown[..480]);
    unknown[480..].copy_from_slice(digest.as_bytes());
    g.add("bytes that are not known", [&list[..], &unknown].concat());
    g.add("another set", around(Trailer { set: Id([9; 16]), ..trailer }));
    g.add("blocks above 8 MiB", around(Trailer { block: (8 << 20) + 1, ..trailer }));
    g.add("blocks below 4 KiB", around(Trailer { block: 4095, ..trailer }));
    g.add("blocks of another length than the headers'", around(Trailer { block: 4096, ..trailer }));
    for first in [0, list_at - 1, list_at + 1, u64::MAX] {
        g.add(format!("a list that begins at {first}"), around(Trailer { first, ..trailer }));
    }
    g.add("a count too high", around(Trailer { count: trailer.count + 1, ..trailer }));
    g.add("more than 2^22 objects", around(Trailer { count: (1 << 22) + 1, ..trailer }));
    let mut add = |name: &str, bend: &dyn Fn(&mut Contents)| {
        let mut bent = good.clone();
        bend(&mut bent);
        let (list, trailer) = bent.encode(set, block, list_at);
        g.add(name, [&list[..], &trailer.encode()].concat());
    };
    let mut item = |name: &str, bend: &dyn Fn(&mut Listed)| add(name, &|c| bend(&mut c.items[1]));
    item("void", &|i| i.kind = ObjectKind::Void);
    item("the kind 0", &|i| i.kind = ObjectKind::Later(0));
    item("the kind 128", &|i| i.kind = ObjectKind::Later(128));
    item("number 2^48", &|i| i.number = 1 << 48);
    item("longer than 1 GiB", &|i| i.length = (1 << 30) + 1);
    item("a number twice with one kind", &|i| (i.number, i.kind) = (0, ObjectKind::Label));
    item("a number below the one before", &|i| i.number = 3);
    item("an object over the next one", &|i| i.length = u64::from(block) + 1);
    item("an object over the one before", &|i| i.at = 1);
    item("two objects at one address", &|i| i.at = 4);
    item("a header behind the last", &|i| (i.at, i.length) = (7, 0));
    item("a header at the greatest address", &|i| i.at = u64::MAX);
    add("kinds out of order", &|c| c.items[2] = Listed { number: 1, kind: ObjectKind::Label, ..c.items[2] });
    add("an object over the list", &|c| c.items[3].length = u64::from(block) + 1);
    add("a last header behind the list", &|c| c.last = Some(list_at));
    add("a last header before an object", &|c| c.last = Some(4));
    add("no last header", &|c| c.last = None);
    g.all
}

pub fn packs() -> Vec<Bad> {
    let mut g = Gather::new(decode_pack);
    let (payload, _) = example::payload();
    g.bend(&payload);
    let length = u32::from_le_bytes(*payload[payload.len() - 8..].first_chunk().expect("four")) as usize;
    let (frames, rest) = payload.split_at(payload.len() - 16 - length);
    let index = Item::parse(&rest[8..8 + length]);
    let around = |index: &[u8]| {
        let n = index.len() as u32;
        [frames, b"\x5a\x2a\x4d\x18", &(n + 8).to_le_bytes(), index, &n.to_le_bytes(), b"AZIX"].concat()
    };
    assert_eq!(around(&index.encode()), payload);
    g.add("nothing", *b"");
    g.add("an index of more than 64 MiB", [b"\x01\0\0\x04".as_slice(), b"AZIX"].concat());
    g.add("an index longer than the payload", [b"\xff\0\0\0".as_slice(), b"AZIX"].concat());
    let at = payload.len() - 16 - length;
    for (name, at) in [("another skippable frame", at), ("another length of the skippable frame", at + 4)] {
        let mut bent = payload.clone();
        bent[at] ^= 1;
        g.add(name, bent);
    }
    g.add("frames that end before the index", [b"\0", &payload[..]].concat());
    g.add("frames that reach into the index", &payload[1..]);
    let mut add = |name: &str, bent: Item| g.add(name, around(&bent.encode()));
    let frame = |bend: &dyn Fn(&mut Item)| index.bent(|i| bend(i.at(1).at(0)));
    let (many, long) = (vec![0; 16 * 65_537], (4 << 20) + 1);
    add("another version", index.bent(|i| *i.at(0) = Uint(2)));
    add("another version, of another form", Array(vec![Text("2".into())]));
    add("an index of three items", Array(vec![Uint(1), Array(Vec::new()), Uint(0)]));
    add("a frame of two items", frame(&|f| *f = Array(vec![Uint(1), Bytes(Vec::new())])));
    add("a frame of no bytes", frame(&|f| *f.at(0) = Uint(0)));
    add("a frame stored in more than 4 MiB + 4 KiB", frame(&|f| *f.at(0) = Uint((4 << 20) + (4 << 10) + 1)));
    add("a frame without chunks", frame(&|f| (*f.at(1), *f.at(2)) = (Bytes(Vec::new()), Array(Vec::new()))));
    add("ids and lengths that do not match", frame(&|f| *f.at(1) = Bytes(vec![0; 32])));
    add("a part of an id", frame(&|f| *f.at(1) = Bytes(vec![0; 17])));
    add("ids as text", frame(&|f| *f.at(1) = Text("0123456789abcdef".into())));
    add("an empty chunk", frame(&|f| *f.at(2) = Array(vec![Uint(0)])));
    add("a chunk of more than 4 MiB", frame(&|f| *f.at(2) = Array(vec![Uint(long)])));
    add("a length of 2^32", frame(&|f| *f.at(2) = Array(vec![Uint(1 << 32)])));
    let two = Array(vec![Uint(4 << 20), Uint(1)]);
    add("content of more than 4 MiB", frame(&|f| (*f.at(1), *f.at(2)) = (Bytes(vec![0; 32]), two.clone())));
    let one = |stored| Array(vec![Uint(stored), Bytes(vec![0; 16]), Array(vec![Uint(1)])]);
    for (name, bent) in [
        ("65,537 chunks", frame(&|f| (*f.at(1), *f.at(2)) = (Bytes(many.clone()), Array(vec![Uint(1); 65_537])))),
        ("65,537 frames", index.bent(|i| *i.at(1) = Array(vec![one(1); 65_537]))),
        ("frames of more than 1 GiB", index.bent(|i| *i.at(1) = Array(vec![one(4 << 20); 257]))),
    ] {
        g.large(name, &around(&bent.encode()));
    }
    g.items(|item| around(&index.bent(|i| *i.at(1) = item).encode()));
    let mut left_over = index.encode();
    left_over.push(0);
    g.add("bytes left over", around(&left_over));
    g.all
}

/// What is wrong with an extent, wherever it stands.
fn extents(g: &mut Gather, around: impl Fn(Item) -> Vec<u8>) {
    let extent = |object, frame, offset, length| Array(vec![Array(vec![Uint(object), Uint(frame), Uint(offset), Uint(length)])]);
    for (name, bent) in [
        ("an extent of three items", Array(vec![Array(vec![Uint(1), Uint(0), Uint(0)])])),
        ("an empty extent", extent(1, 0, 0, 0)),
        ("an extent's object number of 2^48", extent(1 << 48, 0, 0, 13)),
        ("an extent's frame of 2^32", extent(1, 1 << 32, 0, 13)),
        ("an extent's offset of more than 4 MiB", extent(1, 0, (4 << 20) + 1, 13)),
        ("an extent's length of 2^63", extent(1, 0, 0, 1 << 63)),
        ("extents that are too short", extent(1, 0, 0, 12)),
        ("extents that are too long", extent(1, 0, 0, 1 << 40)),
        ("extents whose sum overflows", Array(vec![Array(vec![Uint(1), Uint(0), Uint(0), Uint((1 << 63) - 1)]); 3])),
        ("extents as a map", Map(Vec::new())),
    ] {
        g.add(name, around(bent));
    }
}

pub fn manifests() -> Vec<Bad> {
    let mut g = Gather::new(|b| Manifest::decode(b).err());
    let bytes = example::manifest().encode();
    g.bend(&bytes);
    let good = Item::parse(&bytes);
    g.add("nothing", *b"");
    g.add("an array", Array(Vec::new()).encode());
    g.add("bytes left over", [&bytes[..], b"\0"].concat());
    for key in (0..16).filter(|k| *k != 8) {
        g.add(format!("without key {key}"), good.without(key).encode());
    }
    let time = |s: Item, n: u64| Array(vec![s, Uint(n)]);
    let source = |name: &str| Map(vec![(Uint(0), Bytes(name.into())), (Uint(1), Bytes(Vec::new())), (Uint(2), Uint(0))]);
    let sources = |names: &[&str]| Array(names.iter().map(|n| source(n)).collect());
    for (name, key, value) in [
        ("another version", 0, Uint(2)),
        ("a set id of 15 bytes", 1, Bytes(vec![0; 15])),
        ("a set id as text", 1, Text("0123456789abcdef".into())),
        ("generation 0", 2, Uint(0)),
        ("generation 2^63", 2, Uint(1 << 63)),
        ("a negative generation", 2, Negative(0)),
        ("a parent that is not earlier", 3, Uint(1)),
        ("10^9 nanoseconds", 4, time(Uint(0), 1_000_000_000)),
        ("seconds that take 65 bits", 4, time(Uint(1 << 63), 0)),
        ("seconds below -2^63", 4, time(Negative(1 << 63), 0)),
        ("a time of one item", 5, Array(vec![Uint(0)])),
        ("a time as a number", 5, Uint(0)),
        ("the host's name as bytes", 6, Bytes(b"host".into())),
        ("sources out of order", 7, sources(&["b", "a"])),
        ("a source twice", 7, sources(&["a", "a"])),
        ("a source within another", 7, sources(&["a", "a/b"])),
        ("a source with an absolute name", 7, sources(&["/a"])),
        ("a source named ..", 7, sources(&[".."])),
        ("a source without a name", 7, Array(vec![source("a").without(0)])),
        ("a source without a kind", 7, Array(vec![source("a").without(2)])),
        ("a source with an unknown critical key", 7, Array(vec![source("a").with(6, Uint(0))])),
        ("a source whose excludes are text", 7, Array(vec![source("a").with(3, Array(vec![Text("*.tmp".into())]))])),
        ("a tag that is null", 8, Raw(vec![0xF6])),
        ("a set key of 31 bytes", 10, Bytes(vec![0; 31])),
        ("recipients as bytes", 11, Array(vec![Bytes(b"age1".into())])),
        ("full as a number", 12, Uint(1)),
        ("statistics that are null", 13, Raw(vec![0xF6])),
        ("statistics 17 deep", 13, nested(16)),
        ("media that are a float", 16, Raw(vec![0xF9, 0x3C, 0])),
        ("a watch with keys out of order", 17, Raw(vec![0x81, 0xA2, 2, 0x80, 1, 0x80])),
        ("the first critical key that is unknown", 19, Uint(0)),
        ("the last critical key", 63, Uint(0)),
        ("1,001 findings", 14, Array(vec![Array(vec![Text("x".into()), Bytes(Vec::new()), Text("y".into())]); 1001])),
        ("a finding whose path is text", 14, Array(vec![Array(vec![Text("x".into()), Text("p".into()), Text("y".into())])])),
        ("entries as an array", 15, Array(Vec::new())),
        ("an unknown key 17 deep", 99, nested(16)),
    ] {
        g.add(name, good.with(key, value).encode());
    }
    for key in 0..4 {
        g.add(format!("entries without key {key}"), good.bent(|m| *m.at(15) = m.at(15).without(key)).encode());
    }
    let entries = |key, value| good.bent(|m| *m.at(15) = m.at(15).with(key, value)).encode();
    g.add("entries with an unknown critical key", entries(5, Uint(0)));
    g.add("an unknown critical key, and a known one of a wrong type", good.with(6, Uint(0)).with(40, Uint(0)).encode());
    g.add("a later version, and a key of a wrong type", good.with(0, Uint(2)).with(6, Uint(0)).encode());
    // The stream has 207 bytes.
    let long = |all: &[(u64, u64)]| Array(all.iter().map(|(o, n)| Array(vec![Uint(*o), Uint(*n)])).collect());
    for (name, list) in [
        ("a long record that is short", long(&[(0, 65_536)])),
        ("a long record beyond the stream's end", long(&[(0, 65_537)])),
        ("a long record longer than a record may be", long(&[(0, (64 << 20) + 5)])),
        ("a long record whose end overflows", long(&[((1 << 63) - 1, (1 << 63) - 1)])),
        ("a long record of three items", Array(vec![Array(vec![Uint(0); 3])])),
    ] {
        g.add(name, entries(4, list));
    }
    let full = Item::parse(&example::full_manifest().encode());
    let long_in_full = |list| full.bent(|m| *m.at(15) = m.at(15).with(4, list)).encode();
    g.add("long records out of order", long_in_full(long(&[(200_000, 100_000), (4, 65_537)])));
    g.add("long records that overlap", long_in_full(long(&[(4, 65_537), (65_540, 65_537)])));
    g.add("entries with a digest of 31 bytes", entries(1, Bytes(vec![0; 31])));
    g.add("2^63 records", entries(3, Uint(1 << 63)));
    extents(&mut g, |bent| entries(2, bent));
    g.items(|item| good.with(99, item).encode());
    let Map(mut pairs) = good.clone() else { unreachable!("a manifest is a map") };
    pairs.push(pairs[0].clone());
    g.add("a known key at the end once more", Map(pairs).encode());
    g.all
}

/// Records without their length; one that is only a length has four bytes and says so.
pub fn records() -> Vec<Bad> {
    let mut g = Gather::new(|b| Entry::decode(b).err());
    let all: Vec<Entry> = example::records().into_iter().chain(example::odd_records().into_iter().map(|r| r.1)).collect();
    for entry in &all {
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        g.bend(&bytes[4..]);
        for n in 0..bytes.len() - 4 {
            let _ = EntryHead::at(&bytes[4..4 + n]);
        }
    }
    let mut bytes = Vec::new();
    example::records()[1].encode(&mut bytes);
    let bytes = &bytes[4..];
    let (good, after) = Item::first(bytes);
    let record = |core: &Item| [&core.encode(), after].concat();
    // A record of another type, with nothing that only files have.
    let bare = |kind: u64| [11, 12, 13].iter().fold(good.with(1, Uint(kind)), |item, key| item.without(*key));
    let no_data = |core: &Item| [&core.encode()[..], b"\x80"].concat();
    g.add("nothing", *b"");
    g.add("no extents", good.encode());
    g.add("bytes left over", [bytes, b"\0"].concat());
    for key in [0, 1, 2, 3, 4, 7, 8, 9, 11, 12] {
        g.add(format!("without key {key}"), record(&good.without(key)));
    }
    let path = |p: &[u8]| Bytes(p.to_vec());
    let holes = |h: &[(u64, u64)]| Array(h.iter().map(|(o, n)| Array(vec![Uint(*o), Uint(*n)])).collect());
    let xattrs = |names: &[&str]| Array(names.iter().map(|n| Array(vec![Bytes(n.as_bytes().into()), path(b"")])).collect());
    for (name, key, value) in [
        ("an absolute path", 0, path(b"/ward")),
        ("an empty path", 0, path(b"")),
        ("an empty name", 0, path(b"ward//hello")),
        ("a path that ends in /", 0, path(b"ward/")),
        ("a name .", 0, path(b"ward/./hello")),
        ("a name ..", 0, path(b"ward/../../etc/passwd")),
        ("a name with NUL", 0, path(b"ward/he\0llo")),
        ("a path of more than 1 MiB", 0, path(&[b'a'; (1 << 20) + 1])),
        ("a path as text", 0, Text("ward/hello".into())),
        ("type 7", 1, Uint(7)),
        ("mode 010000", 2, Uint(0o10000)),
        ("a uid of 2^32", 3, Uint(1 << 32)),
        ("a negative gid", 4, Negative(0)),
        ("a user's name as text", 5, Text("aki".into())),
        ("10^9 nanoseconds", 7, Array(vec![Uint(0), Uint(1_000_000_000)])),
        ("negative nanoseconds", 7, Array(vec![Uint(0), Negative(0)])),
        ("an inode as bytes", 9, Bytes(vec![0; 8])),
        ("a link to itself", 10, path(b"ward/hello")),
        ("a link to what comes later", 10, path(b"ward/i")),
        ("a link out of the target", 10, path(b"../ward")),
        ("a size of 2^63", 11, Uint(1 << 63)),
        ("a digest of 31 bytes", 12, Bytes(vec![0; 31])),
        ("a SHA-256 of 33 bytes", 13, Bytes(vec![0; 33])),
        ("a target", 14, path(b"x")),
        ("a device number", 15, Array(vec![Uint(1), Uint(2)])),
        ("extended attributes out of order", 16, xattrs(&["user.b", "user.a"])),
        ("an extended attribute twice", 16, xattrs(&["user.a", "user.a"])),
        ("flags of 33 bits", 18, Uint(1 << 32)),
        ("state 3", 19, Uint(3)),
        ("an error's number of a file that is good", 20, Uint(5)),
        ("the last critical key", 63, Uint(0)),
        ("an unreadable file with content", 19, Uint(1)),
        ("an unknown key 17 deep", 99, nested(16)),
    ] {
        g.add(name, record(&good.with(key, value)));
    }
    for (name, bent) in [
        ("a hole of no length", holes(&[(3, 0)])),
        ("a hole beyond the end", holes(&[(13, 1)])),
        ("a hole whose end overflows", holes(&[((1 << 63) - 1, (1 << 63) - 1)])),
        ("holes that touch", holes(&[(0, 1), (1, 1)])),
        ("holes out of order", holes(&[(5, 1), (0, 1)])),
        ("holes that overlap", holes(&[(0, 5), (3, 1)])),
        ("a hole of three items", Array(vec![Array(vec![Uint(0); 3])])),
    ] {
        g.add(name, record(&good.with(17, bent)));
    }
    for (name, core) in [
        ("a directory with content", record(&bare(1))),
        ("a directory with a size", no_data(&bare(1).with(11, Uint(0)))),
        ("a directory with a further name", no_data(&bare(1).with(10, path(b"a")))),
        ("a directory that changed", no_data(&bare(1).with(19, Uint(2)))),
        ("a symbolic link without a target", no_data(&bare(2))),
        ("a symbolic link that is unreadable", no_data(&bare(2).with(19, Uint(1)))),
        ("a fifo with a digest", no_data(&bare(3).with(12, Bytes(vec![0; 32])))),
        ("a fifo with holes", no_data(&bare(3).with(17, holes(&[])))),
        ("a device without its number", no_data(&bare(4))),
        ("a device number of 33 bits", no_data(&bare(5).with(15, Array(vec![Uint(1 << 32), Uint(0)])))),
        ("a socket with a device number", no_data(&bare(6).with(15, Array(vec![Uint(0), Uint(0)])))),
        ("an unreadable file with a digest", no_data(&good.with(19, Uint(1)))),
        ("an unreadable file with holes", no_data(&good.without(12).without(13).with(17, holes(&[(0, 1)])).with(19, Uint(1)))),
    ] {
        g.add(name, core);
    }
    let huge = |length: u64| good.with(11, Uint(13 + length)).with(17, holes(&[(0, length)])).without(12).without(13);
    let digest = || Bytes(vec![7; 32]);
    for (name, core) in [
        ("holes of 2^30 + 1 bytes, and a digest of the whole", huge((1 << 30) + 1).with(12, digest())),
        ("holes of 2^30 + 1 bytes, and both digests", huge((1 << 30) + 1).with(12, digest()).with(21, digest())),
        ("holes of 2^30 + 1 bytes, and a SHA-256 of the whole", huge((1 << 30) + 1).with(13, digest()).with(21, digest())),
        ("holes of 2^30 + 1 bytes without a digest", huge((1 << 30) + 1)),
        ("holes of 2^30 bytes, and a digest of what is stored", huge(1 << 30).with(21, digest())),
        ("a digest of what is stored of a file without holes", good.without(12).without(13).with(21, digest())),
        ("a SHA-256 of what is stored alone", huge((1 << 30) + 1).with(22, digest())),
        ("a SHA-256 of what is stored beside a digest of the whole", good.with(22, digest())),
        ("a digest of what is stored of 31 bytes", huge((1 << 30) + 1).with(21, Bytes(vec![0; 31]))),
    ] {
        g.add(name, record(&core));
    }
    g.add("an unknown critical key, and a known one of a wrong type", record(&good.with(2, Bytes(Vec::new())).with(40, Uint(0))));
    g.add("an unknown type without what files have", no_data(&bare(9)));
    extents(&mut g, |bent| [good.encode(), bent.encode()].concat());
    g.items(|item| record(&good.with(99, item)));
    let large = record_length([1, 0, 0, 4]).expect_err("above the limit");
    for bad in &mut g.all {
        bad.concerns = Some(if Record::decode(&bad.bytes).is_ok() { "record" } else { "stream" });
    }
    let (name, bytes, concerns) = ("a length alone, above 64 MiB".into(), vec![1, 0, 0, 4], Some("stream"));
    g.all.push(Bad { name, bytes, refused: class(&large), concerns });
    g.all
}

/// Check codes, file names and paths, as text.
pub fn names() -> Vec<Bad> {
    let refuse = |what: &str, text: &str, accepted: bool| {
        assert!(!accepted, "accepted as {what}: {text:?}");
        Bad { name: what.into(), bytes: text.into(), refused: "malformed", concerns: None }
    };
    let mut all = Vec::new();
    let digits = |n: usize| "7F3K92QX0ABCDEFG".repeat(4)[..n].to_owned();
    for text in
        ["", "7F3K-92QX-0ABC-DEF", "7F3K-92QX-0ABC-DEFU", "7F3K_92QX_0ABC_DEFG", "７F3K-92QX-0ABC-DEFG", "7F3K\t92QX0ABCDEFG"]
    {
        all.push(refuse("check code", text, text.parse::<WrittenCode>().is_ok()));
    }
    for n in [1, 15, 52, 64] {
        all.push(refuse("check code", &digits(n), digits(n).parse::<WrittenCode>().is_ok()));
    }
    for n in [16, 17, 26, 51] {
        assert!(digits(n).parse::<WrittenCode>().is_ok(), "{n}");
    }
    for text in [
        "00000012.kind-8",
        "00000012.kind-128",
        "00000012.kind-09",
        "00000012.kind-",
        "0000012.pack",
        "000000012.pack",
        "00000012.void",
        "00000012.PACK",
        "00000012.pack.tmp",
        "00000012",
        "+0000012.pack",
        "0000001２.pack",
        "281474976710656.pack",
        "99999999999999999999.pack",
        ".pack",
    ] {
        all.push(refuse("file name", text, parse_file_name(text).is_some()));
    }
    for text in ["", "0012", "000012", "+0012", "0001２", "12", "281474976711", "99999999999999999999"] {
        all.push(refuse("name of a folder of thousands", text, parse_folder_name(text).is_some()));
    }
    for text in ["", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a\0b"] {
        all.push(refuse("path", text, check_path(text.as_bytes()).is_ok()));
    }
    all
}

/// zstd frames, which have no vectors of their own: the decoder looks at the header before it takes memory.
#[test]
fn frames_are_not_trusted() {
    let mut decompressor = Decompressor::new().expect("zstd");
    let good = example::raw_frame(example::CONTENT);
    for n in 0..good.len() {
        assert!(decompressor.decompress(&good[..n], &mut Vec::new()).is_err(), "accepted: the first {n} bytes");
    }
    for bit in 0..good.len() * 8 {
        let mut bent = good.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        let _ = decompressor.decompress(&bent, &mut Vec::new());
    }
    let mut out = Vec::new();
    decompressor.decompress(&good, &mut out).expect("good");
    assert_eq!(out, example::CONTENT);
}
