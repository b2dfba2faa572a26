//! The smallest set: a label, a pack with one file and the entry stream, a manifest and a seal. Its bytes are the
//! worked examples. Behind it a succession, for a host that has lost its keys.

use crate::machine::put_object;
use crate::{folder, identity, updates};
use azekura::format::cbor::Time;
use azekura::format::digests::BothDigests;
use azekura::format::entry::{ContentDigests, ContentState, Core, DataRange, Entry, EntryKind as Type};
use azekura::format::label::{Fingerprint, Label};
use azekura::format::manifest::{EntryStream, Finding, Manifest, Rules, Source, SourceKind};
use azekura::format::merkle::{MerkleHash, MerkleTree, head_leaf, record_leaf, record_salt};
use azekura::format::object::{Id, Object, ObjectKind};
use azekura::format::pack::{Extent, Frame, Index};
use azekura::format::proof::Proof;
use azekura::format::seal::{ReadBack, Seal, Verdict, encode_list};
use azekura::format::set_key::SetKey;
use azekura::format::stamp::TimeStampRequest;
use azekura::format::succession::Succession;
use azekura::format::tape::{Contents, Header, Item};
use azekura::format::watch::{Alarm, KindCounts, Measures, Night, NightKind, SourceWatch};
use azekura::pipeline::encryptor::{Encryptor, decrypt};
use azekura::pipeline::hasher::{Digests, Ids};
use azekura::seal::{NewSeal, SealKey, sign, sign_succession, succession_key};

pub const CONTENT: &[u8] = b"hello, world\n";
const TOOL: &str = "azekura 0.1.0";

/// `N` bytes that count up from `start`.
pub fn counting<const N: usize>(start: u8) -> [u8; N] {
    std::array::from_fn(|i| start + i as u8)
}

pub fn set_key() -> SetKey {
    SetKey(counting(0x20))
}

/// Seeds of the keys that sign the seals of generations 1 and 2, and of the one that a succession puts in the place of
/// the second.
pub fn seal_seeds() -> [[u8; 32]; 3] {
    [counting(0x40), counting(0x60), counting(0x80)]
}

/// The 32 bytes of the recovery identity's secret: its text is Bech32, with a checksum of 6 digits at its end.
pub fn identity_secret() -> [u8; 32] {
    let text = identity().texts()[0].to_lowercase();
    let digits = text.strip_prefix("age-secret-key-1").expect("an age identity");
    let digits = &digits[..digits.len() - 6];
    let mut bits = digits.bytes().flat_map(|d| {
        let value = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l".iter().position(|c| *c == d).expect("a digit of Bech32");
        (0..5).rev().map(move |bit| value >> bit & 1 == 1)
    });
    std::array::from_fn(|_| (0..8).fold(0, |byte, _| byte << 1 | u8::from(bits.next().expect("a bit"))))
}

/// The key that signs successions.
pub fn heir_key() -> SealKey {
    succession_key(&identity_secret())
}

pub fn label() -> Label {
    Label {
        set: Id(counting(0x00)),
        name: "example".into(),
        medium: Id(counting(0x10)),
        place: 1,
        first_object: 0,
        created: "2026-11-23T03:31:54Z".into(),
        quarantine: false,
        root_key: SealKey::from_seed(&seal_seeds()[0]).public(),
        succession_key: Some(heir_key().public()),
        recipients: identity().recipients().texts().iter().map(|r| Fingerprint::of(r)).collect(),
        tool: TOOL.into(),
    }
}

/// Of the pack, when the set lies on a tape.
pub fn tape_header() -> Header {
    let pack = listed()[1];
    Header { set: label().set, number: pack.number, kind: pack.kind, length: pack.length, block: 512 << 10, before: Some(0) }
}

/// Behind the seal, when the set lies on a tape: each object has one block, and so has the list.
pub fn tape_contents() -> Contents {
    let mut items: Vec<Item> =
        listed().iter().map(|o| Item { number: o.number, kind: o.kind, length: o.length, at: o.number * 2 }).collect();
    let seal = ObjectKind::Seal;
    items.push(Item { number: 3, kind: seal, length: seal_bytes().len() as u64, at: TAPE_LIST_AT - 2 });
    Contents { items, last: Some(TAPE_LIST_AT - 2) }
}

/// What a reader knows of the example's cartridge before it reads the list.
pub struct Cartridge {
    pub set: Id,
    pub block: u32,
    /// Address of the first block of the list.
    pub list_at: u64,
}

pub fn cartridge() -> Cartridge {
    let Header { set, block, .. } = tape_header();
    Cartridge { set, block, list_at: TAPE_LIST_AT }
}

const TAPE_LIST_AT: u64 = 8;

/// A zstd frame of one raw block, so that the example does not depend on a version of zstd.
pub fn raw_frame(content: &[u8]) -> Vec<u8> {
    let mut out = vec![0x28, 0xB5, 0x2F, 0xFD];
    match content.len() {
        n @ 0..256 => out.extend([0x20, n as u8]),
        n => {
            out.push(0x60);
            out.extend((n as u16 - 256).to_le_bytes());
        }
    }
    out.extend(&((content.len() as u32) << 3 | 1).to_le_bytes()[..3]);
    out.extend(content);
    out
}

pub fn records() -> Vec<Entry> {
    let mtime = Time { seconds: 1_795_000_000, nanoseconds: 123_456_789 };
    let core = |path: &[u8], kind, mode, inode| Core {
        mode,
        uid: 1000,
        gid: 1000,
        user: Some(b"aki".into()),
        group: Some(b"aki".into()),
        mtime,
        ctime: mtime,
        inode,
        ..Core::new(path.into(), kind)
    };
    let digests = Digests::of(CONTENT, true);
    let file = Core {
        size: CONTENT.len() as u64,
        digests: Some(ContentDigests::Whole(digests)),
        ..core(b"ward/hello", Type::File, 0o644, 12)
    };
    let extent = Extent { object: 1, frame: 0, offset: 0, length: CONTENT.len() as u64 };
    vec![
        Entry { core: core(b"ward", Type::Directory, 0o755, 11), extents: Vec::new() },
        Entry { core: file, extents: vec![extent] },
    ]
}

/// Records of every type, with every key.
pub fn odd_records() -> Vec<(&'static str, Entry)> {
    let plain =
        |path: &[u8], kind| Entry { core: Core { ctime: Time::default(), ..Core::new(path.into(), kind) }, extents: Vec::new() };
    let with = |mut entry: Entry, change: &dyn Fn(&mut Core)| {
        change(&mut entry.core);
        entry
    };
    let file = &records()[1];
    vec![
        (
            "a file with holes at its beginning and end, extended attributes and flags, changed while it was read",
            with(file.clone(), &|c| {
                c.size += 10_000;
                c.holes = vec![DataRange { offset: 0, length: 4096 }, DataRange { offset: 4104, length: 5904 }];
                c.xattrs = vec![(b"security.capability".into(), vec![0; 20]), (b"user.note".into(), Vec::new())];
                c.flags = 0x8;
                c.state = ContentState::Changed;
            }),
        ),
        (
            "a file whose holes add up to more than 2^30 bytes",
            with(file.clone(), &|c| {
                c.size = 13 + (1 << 62);
                c.holes = vec![DataRange { offset: 5, length: 1 << 62 }];
                c.digests = c.digests.map(|d| ContentDigests::Stored(*d.either()));
            }),
        ),
        (
            "a further name",
            with(file.clone(), &|c| (c.path, c.link_to) = (b"ward/hello again".into(), Some(b"ward/hello".into()))),
        ),
        (
            "a file that could not be read",
            with(plain(b"ward/secret", Type::File), &|c| (c.size, c.state) = (5, ContentState::Unreadable { errno: 13 })),
        ),
        (
            "an empty file with no SHA-256",
            with(plain(b"e", Type::File), &|c| c.digests = Some(ContentDigests::Whole(Digests::of(b"", false)))),
        ),
        ("a symbolic link", with(plain(b"l", Type::Symlink), &|c| c.target = Some(b"../\xff".into()))),
        ("a fifo before 1970", with(plain(b"a\nb", Type::Fifo), &|c| c.mtime.seconds = -1)),
        ("a character device", with(plain(b"tty", Type::CharDevice), &|c| c.device = Some((4, 1)))),
        ("a block device", with(plain(b"sda", Type::BlockDevice), &|c| c.device = Some((8, u32::MAX)))),
        (
            "a socket with the largest numbers",
            with(plain(b"s", Type::Socket), &|c| {
                (c.mode, c.uid, c.gid, c.inode) = (0o7777, u32::MAX, u32::MAX, u64::MAX);
                c.mtime = Time { seconds: i64::MAX, nanoseconds: 999_999_999 };
            }),
        ),
    ]
}

/// The entry stream.
pub fn stream() -> Vec<u8> {
    let mut out = Vec::new();
    for record in records() {
        record.encode(&mut out);
    }
    out
}

/// A pack's payload and its index.
pub fn payload() -> (Vec<u8>, Index) {
    let ids = Ids::new(&set_key());
    let (mut out, mut index) = (Vec::new(), Index::default());
    for content in [CONTENT, &stream()] {
        let frame = raw_frame(content);
        let id = ids.id(blake3::hash(content).as_bytes());
        index.frames.push(Frame { stored: frame.len() as u32, chunks: vec![(id, content.len() as u32)] });
        out.extend(frame);
    }
    index.encode(&mut out);
    (out, index)
}

pub fn manifest() -> Manifest {
    let stream = stream();
    let frame = payload().1.frames[0].stored;
    Manifest {
        set: label().set,
        generation: 1,
        parent: 0,
        started: Time { seconds: 1_795_404_714, nanoseconds: 0 },
        finished: Time { seconds: 1_795_404_715, nanoseconds: 500_000_000 },
        host: "ehr-db1".into(),
        sources: vec![Source {
            name: b"ward".into(),
            path: b"/srv/ward".into(),
            kind: SourceKind::Tree,
            excludes: Vec::new(),
            rules: Rules::Plain,
            priority: None,
        }],
        tag: None,
        tool: TOOL.into(),
        set_key: set_key().0,
        recipients: identity().recipients().texts().to_vec(),
        full: true,
        statistics: vec![("files".into(), 1)],
        findings: Vec::new(),
        entries: EntryStream {
            length: stream.len() as u64,
            blake3: *blake3::hash(&stream).as_bytes(),
            extents: vec![Extent { object: 1, frame, offset: 0, length: stream.len() as u64 }],
            count: 2,
            long_records: Vec::new(),
        },
        media: Vec::new(),
        watch: Vec::new(),
        alarms: Vec::new(),
    }
}

/// A manifest with everything that the example leaves out.
pub fn full_manifest() -> Manifest {
    let mut m = manifest();
    (m.generation, m.parent, m.full) = (9, 8, false);
    m.tag = Some("before the move".into());
    m.sources[0].excludes = vec![b"*.tmp".into(), b"/cache/".into()];
    m.sources.push(Source {
        name: b"xray/index".into(),
        path: b"pg_dumpall".into(),
        kind: SourceKind::Command,
        excludes: Vec::new(),
        rules: Rules::SsMix2,
        priority: Some(2),
    });
    m.media = vec![(1, 3_000_000_000), (3, 17)];
    // Two records that do not fit into a chunk.
    m.entries.length = 300_000;
    m.entries.extents[0].length = 300_000;
    m.entries.long_records = vec![(4, 65_537), (200_000, 100_000)];
    let measures = Measures { files: 9, changed: 3, finished: 1, ..Measures::default() };
    m.watch = vec![SourceWatch {
        source: b"ward".into(),
        nights: vec![
            Night { generation: 8, kind: NightKind::Usual, measures },
            Night { generation: 9, kind: NightKind::Alarm, measures },
        ],
        kinds: vec![KindCounts { kind: b"pdf".into(), files: 12, noisy: 11, misfit: 1 }],
    }];
    let paths = vec![b"ward/\xff".into()];
    m.alarms = vec![Alarm { tripwire: "header".into(), source: b"ward".into(), measured: 7, limit: 5, paths }];
    m.findings =
        vec![Finding { kind: "unreadable".into(), path: b"ward/\xff".into(), detail: "許可がありません".into() }];
    m
}

/// An age file cannot be made twice. It is kept beside the vectors, and made anew only when its payload has changed.
fn stored(name: &str, payload: &[u8]) -> Vec<u8> {
    let path = folder().join("vectors").join(name);
    let fits = |bytes: &[u8]| decrypt(&identity(), bytes, 1 << 20).is_ok_and(|p| p == payload);
    if updates() && !std::fs::read(&path).is_ok_and(|b| fits(&b)) {
        let mut encryptor = Encryptor::begin(&identity().recipients(), Vec::new()).expect("recipients");
        encryptor.write(payload);
        std::fs::write(&path, encryptor.finish()).expect("a file");
    }
    let bytes = std::fs::read(&path).expect("an age file");
    assert!(fits(&bytes), "{name} does not decrypt to the example's payload (UPDATE_GOLDEN=1 makes it anew)");
    bytes
}

/// The objects before the seal, as they are stored.
pub fn objects() -> Vec<(ObjectKind, Vec<u8>)> {
    vec![
        (ObjectKind::Label, label().encode()),
        (ObjectKind::Pack, stored("pack.age", &payload().0)),
        (ObjectKind::Manifest, stored("manifest.age", &raw_frame(&manifest().encode()))),
    ]
}

pub fn listed() -> Vec<Object> {
    (0..).zip(objects()).map(|(number, (kind, bytes))| Object::of(number, kind, &bytes)).collect()
}

/// The leaves of the records' tree.
pub fn record_leaves() -> Vec<MerkleHash> {
    let leaf = |entry: &Entry| {
        let mut core = Vec::new();
        entry.core.encode(&mut core);
        record_leaf(&set_key().record_salt_key(), &entry.core.path, &core)
    };
    records().iter().map(leaf).collect()
}

pub fn root(leaves: impl IntoIterator<Item = MerkleHash>) -> MerkleHash {
    let mut tree = MerkleTree::default();
    leaves.into_iter().for_each(|leaf| tree.push(leaf));
    tree.root()
}

/// The root of the tree over the heads with these digests.
pub fn heads_root(digests: &[[u8; 32]]) -> MerkleHash {
    root(digests.iter().map(head_leaf))
}

pub fn seal() -> Seal {
    Seal {
        set: label().set,
        label: *blake3::hash(&label().encode()).as_bytes(),
        generation: 1,
        time: "2026-11-23T03:31:55Z".into(),
        earlier: 0,
        heads: heads_root(&[]),
        previous: None,
        succession: None,
        first: 0,
        count: 3,
        list: BothDigests::of(&encode_list(&listed())),
        record_count: 2,
        records: root(record_leaves()),
        read_back: ReadBack::Direct,
        verdict: Verdict::Good,
        next: SealKey::from_seed(&seal_seeds()[1]).public(),
    }
}

fn new_seal() -> NewSeal {
    sign(&seal(), &listed(), &SealKey::from_seed(&seal_seeds()[0])).expect("a seal")
}

pub fn seal_bytes() -> Vec<u8> {
    new_seal().bytes
}

pub fn head_digests() -> BothDigests {
    new_seal().head
}

/// The head alone.
pub fn head_bytes() -> Vec<u8> {
    let mut bytes = seal_bytes();
    bytes.truncate(Seal::decode(&bytes).expect("a seal").head_bytes);
    bytes
}

/// Another key than the seal's `next` for the seal after it.
pub fn succession() -> Succession {
    Succession { set: label().set, previous: head_digests(), next: SealKey::from_seed(&seal_seeds()[2]).public() }
}

pub fn succession_bytes() -> Vec<u8> {
    sign_succession(&succession(), &heir_key())
}

/// The facts of a seal behind the example's, over objects from number 4 on.
pub fn second_seal(objects: &[Object]) -> Seal {
    Seal {
        generation: 2,
        time: "2026-11-24T03:31:55Z".into(),
        earlier: 1,
        heads: heads_root(&[head_digests().blake3]),
        previous: Some(head_digests()),
        first: 4,
        count: objects.len() as u64,
        list: BothDigests::of(&encode_list(objects)),
        next: SealKey::from_seed(&counting(0xA0)).public(),
        ..seal()
    }
}

/// Behind the example's seal: a succession, a manifest that is only listed, and the seal that the succession's key
/// signs.
pub fn continued() -> (Vec<Object>, Seal) {
    let succession = succession_bytes();
    let listed = vec![
        Object::of(4, ObjectKind::Succession, &succession),
        Object::of(5, ObjectKind::Manifest, b"the manifest of generation 2"),
    ];
    let seal = Seal { succession: Some(*blake3::hash(&succession).as_bytes()), ..second_seal(&listed) };
    (listed, seal)
}

/// The last of these seals, signed.
pub fn continued_seal() -> NewSeal {
    let (listed, seal) = continued();
    sign(&seal, &listed, &SealKey::from_seed(&seal_seeds()[2])).expect("a seal")
}

/// That the file was in the generation.
pub fn proof() -> Proof {
    let file = &records()[1].core;
    let mut core = Vec::new();
    file.encode(&mut core);
    let salt = record_salt(&set_key().record_salt_key(), &file.path);
    with_texts(
        Proof { core, salt, index: 1, path: vec![record_leaves()[0]], seal_lengths: Vec::new(), seals: Vec::new() },
        &[&head_bytes()],
    )
}

/// The same proof with these heads and successions.
pub fn with_texts(proof: Proof, texts: &[&[u8]]) -> Proof {
    Proof { seal_lengths: texts.iter().map(|t| t.len() as u64).collect(), seals: raw_frame(&texts.concat()), ..proof }
}

/// The proof's map.
pub fn proof_content() -> Vec<u8> {
    let bytes = proof().encode().expect("a proof");
    bytes[16..bytes.len() - 32].to_vec()
}

/// The same with another map.
pub fn around_proof(content: &[u8]) -> Vec<u8> {
    let mut bytes = [b"azekura proof 1\n", content].concat();
    bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
    bytes
}

pub fn stamp_request() -> TimeStampRequest {
    TimeStampRequest { sha256: head_digests().sha256, nonce: 0x0123_4567_89AB_CDEF }
}

/// One item of DER.
pub fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        n @ 0..128 => vec![n as u8],
        n @ 128..256 => vec![0x81, n as u8],
        n => vec![0x82, (n >> 8) as u8, n as u8],
    };
    [&[tag], &length[..], content].concat()
}

/// What a reply is over: all of a `TSTInfo` between its policy and its time.
pub fn stamp_imprint(sha256: &[u8]) -> Vec<u8> {
    let algorithm = der(0x30, &[&der(6, &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1])[..], &[5, 0]].concat());
    der(0x30, &[algorithm, der(4, sha256)].concat())
}

/// A reply around what its `TSTInfo` holds, with something in the places of the certificates and of the signature.
pub fn stamp_reply(status: u8, info: &[Vec<u8>]) -> Vec<u8> {
    let content = [der(6, b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04"), der(0xA0, &der(4, &der(0x30, &info.concat())))];
    let signed = [vec![2, 1, 3], der(0x31, b""), der(0x30, &content.concat()), der(0xA0, b""), der(0x31, b"")].concat();
    let token = [der(6, b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"), der(0xA0, &der(0x30, &signed))].concat();
    der(0x30, &[der(0x30, &der(2, &[status])), der(0x30, &token)].concat())
}

/// What a `TSTInfo` holds: with a time to the second, then with everything that it may have.
pub fn stamp_infos() -> [Vec<Vec<u8>>; 2] {
    let request = stamp_request();
    let (version, policy, serial) = (vec![2, 1, 1], der(6, &[0x2A, 3, 4, 1]), der(2, &[0x0A]));
    let imprint = stamp_imprint(&request.sha256);
    let nonce = der(2, &request.nonce.to_be_bytes());
    let accuracy = der(0x30, &[2, 1, 1]);
    let plain = vec![version.clone(), policy.clone(), imprint.clone(), serial.clone(), der(0x18, b"20261124010203Z")];
    let full =
        [version, policy, imprint, serial, der(0x18, b"20261124010203.25Z"), accuracy, vec![1, 1, 0xFF], nonce, der(0xA0, b"")];
    [plain, full.into()]
}

pub fn stamp_replies() -> Vec<(&'static str, Vec<u8>)> {
    let [plain, full] = stamp_infos();
    let words = der(0x30, &[der(0x0C, "期限切れ".as_bytes()), der(0x0C, b" (expired)")].concat());
    let info = der(0x30, &[der(2, &[2]), words, vec![3, 2, 5, 0x20]].concat());
    vec![
        ("a reply", stamp_reply(0, &full)),
        ("a reply without a nonce, granted with changes", stamp_reply(1, &plain)),
        ("a refusal", der(0x30, &info)),
    ]
}

/// The set is one: the crate verifies and restores it.
#[test]
fn the_smallest_set_is_a_set() {
    let h = crate::world::Hospital { identity: identity(), ..crate::world::Hospital::new() };
    let set = h.medium().join("AZEKURA").join(label().set.to_string());
    for ((number, (kind, bytes)), last) in (0..).zip(objects()).zip([false, false, true]) {
        put_object(&set, number, kind, bytes);
        if last {
            put_object(&set, 3, ObjectKind::Seal, seal_bytes());
        }
    }
    let report = h.verify();
    assert!(report.is_good(), "{report:?}");
    let restored = h.try_restore(&h.restore_options("out")).expect("a restore");
    assert_eq!(restored.not_restored, 0, "{:?}", restored.findings);
    assert_eq!(std::fs::read(h.path("out/ward/hello")).expect("the file"), CONTENT);
    crate::reader::restores(&h.medium(), &[], &h.path("by the reader"));
}
