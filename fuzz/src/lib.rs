//! What the fuzz targets and their seeds share: one small set, whole and right, and the ways to lay it out as one
//! input.

use azekura::format::cbor::Time;
use azekura::format::digests::{BothDigests, Digests};
use azekura::format::entry::{ContentDigests, ContentState, Core, DataRange, Entry, EntryKind};
use azekura::format::label::{Fingerprint, Label};
use azekura::format::manifest::{EntryStream, Finding, Manifest, Rules, Source, SourceKind};
use azekura::format::merkle::{MerkleTree, PathFinder, head_leaf, record_leaf, record_salt};
use azekura::format::object::{Id, Object, ObjectKind};
use azekura::format::pack::{ChunkId, Extent, Frame, Index};
use azekura::format::proof::Proof;
use azekura::format::seal::{ReadBack, Seal, Verdict, encode_list};
use azekura::format::set_key::SetKey;
use azekura::format::stamp::TimeStampRequest;
use azekura::format::succession::Succession;
use azekura::format::watch::{Alarm, KindCounts, Night, SourceWatch};
use azekura::medium::Medium;
use azekura::medium::simulated::Simulated;
use azekura::pipeline::compressor::Compressor;
use azekura::pipeline::encryptor::{Encryptor, Identity};
use azekura::seal::{NewSeal, SealKey, sign, sign_succession, succession_key};
use std::sync::LazyLock;

pub const SET: Id = Id([1; 16]);
const SET_KEY: [u8; 32] = [3; 32];

/// An identity that never had anything to protect.
pub static IDENTITY: LazyLock<Identity> = LazyLock::new(identity);

/// The same, for who must own it.
pub fn identity() -> Identity {
    let text = b"AGE-SECRET-KEY-1TNFHN9ERG6936T3A66J4ZFFWSMKW9NREDXCTZ7XJQVJ08SGVAM9SYSEDHN";
    Identity::parse(text, None).expect("an identity")
}

/// The key that signs the n-th seal.
pub fn seal_key(n: u64) -> SealKey {
    SealKey::from_seed(&[n as u8; 32])
}

/// The key that signs successions.
fn heir_key() -> SealKey {
    succession_key(&[11; 32])
}

pub fn label() -> Vec<u8> {
    let label = Label {
        set: SET,
        name: "病院".into(),
        medium: Id([2; 16]),
        place: 1,
        first_object: 0,
        created: "2026-11-23T03:31:54Z".into(),
        quarantine: false,
        root_key: seal_key(1).public(),
        succession_key: Some(heir_key().public()),
        recipients: IDENTITY.recipients().texts().iter().map(|r| Fingerprint::of(r)).collect(),
        tool: "azekura 1".into(),
    };
    label.encode()
}

/// One of each kind, with everything that a record can have.
pub fn entries() -> Vec<Entry> {
    let root = Core { mode: 0o755, user: Some(b"root".to_vec()), ..Core::new(b"s".to_vec(), EntryKind::Directory) };
    let file = Core {
        size: 5000,
        digests: Some(ContentDigests::Whole(Digests { blake3: [4; 32], sha256: Some([5; 32]) })),
        xattrs: vec![(b"security.capability".to_vec(), vec![1, 2]), (b"user.a".to_vec(), Vec::new())],
        holes: vec![DataRange { offset: 100, length: 900 }],
        flags: 0x10,
        state: ContentState::Changed,
        mtime: Time { seconds: -1, nanoseconds: 999_999_999 },
        ctime: Time { seconds: 1 << 40, nanoseconds: 1 },
        inode: 1 << 60,
        ..Core::new(b"s/a".to_vec(), EntryKind::File)
    };
    let lost = Core { size: 9, state: ContentState::Unreadable { errno: 5 }, ..Core::new(b"s/b".to_vec(), EntryKind::File) };
    let link = Core { target: Some(b"../x".to_vec()), ..Core::new(b"s/c".to_vec(), EntryKind::Symlink) };
    let device = Core { device: Some((8, 1)), ..Core::new(b"s/d".to_vec(), EntryKind::BlockDevice) };
    let further = Core { path: b"s/e".to_vec(), link_to: Some(b"s/a".to_vec()), ..file.clone() };
    let fifo = Core { group: Some(b"wheel".to_vec()), ..Core::new(b"s/f".to_vec(), EntryKind::Fifo) };
    let extent = Extent { object: 1, frame: 0, offset: 0, length: 4100 };
    let with = |core: Core, extents| Entry { core, extents };
    vec![
        with(root, vec![]),
        with(file, vec![extent]),
        with(lost, vec![]),
        with(link, vec![]),
        with(device, vec![]),
        with(further, vec![extent]),
        with(fifo, vec![]),
    ]
}

/// The entries as they lie in a pack.
fn records() -> Vec<u8> {
    let mut records = Vec::new();
    for entry in entries() {
        entry.encode(&mut records);
    }
    records
}

/// A pack's payload: one frame of content, one of records, the index. Also the extent of the records.
pub fn payload() -> (Vec<u8>, Extent) {
    let mut compressor = Compressor::new(3).expect("zstd");
    let mut payload = Vec::new();
    let mut index = Index::default();
    let records = records();
    let content: Vec<u8> = (0..4100u32).map(|i| (i / 7) as u8).collect();
    let mut starts = Vec::new();
    for (content, id) in [(&content, 1), (&records, 2)] {
        starts.push(payload.len() as u32);
        let stored = compressor.compress(content, &mut payload).expect("a frame");
        index.frames.push(Frame { stored, chunks: vec![(ChunkId([id; 16]), content.len() as u32)] });
    }
    index.encode(&mut payload);
    (payload, Extent { object: 1, frame: starts[1], offset: 0, length: records.len() as u64 })
}

pub fn manifest() -> Manifest {
    let records = records();
    Manifest {
        set: SET,
        generation: 1,
        parent: 0,
        started: Time { seconds: 1_700_000_000, nanoseconds: 0 },
        finished: Time { seconds: 1_700_000_009, nanoseconds: 5 },
        host: "host".into(),
        sources: vec![Source {
            name: b"s".to_vec(),
            path: b"/srv/s".to_vec(),
            kind: SourceKind::Tree,
            excludes: vec![b"*.tmp".to_vec()],
            rules: Rules::AppendOnly,
            priority: Some(9),
        }],
        tag: Some("tag".into()),
        tool: "azekura 1".into(),
        set_key: SET_KEY,
        recipients: IDENTITY.recipients().texts().to_vec(),
        full: true,
        statistics: vec![("bytes read".into(), 1 << 33)],
        findings: vec![Finding { kind: "unreadable".into(), path: b"s/b".to_vec(), detail: "EIO".into() }],
        entries: EntryStream {
            length: records.len() as u64,
            blake3: *blake3::hash(&records).as_bytes(),
            extents: vec![payload().1],
            count: entries().len() as u64,
            long_records: Vec::new(),
        },
        media: vec![(1, records.len() as u64)],
        watch: vec![SourceWatch {
            source: b"s".to_vec(),
            nights: vec![Night { generation: 1, ..Night::default() }],
            kinds: vec![KindCounts { kind: b"pdf".to_vec(), files: 3, noisy: 3, misfit: 0 }],
        }],
        alarms: vec![Alarm {
            tripwire: "noise".into(),
            source: b"s".to_vec(),
            measured: 9,
            limit: 5,
            paths: vec![b"s/a".to_vec()],
        }],
    }
}

fn records_root() -> [u8; 32] {
    let key = SetKey(SET_KEY).record_salt_key();
    let mut tree = MerkleTree::default();
    for entry in entries() {
        let mut record = Vec::new();
        let core = entry.encode(&mut record);
        tree.push(record_leaf(&key, &entry.core.path, &record[core]));
    }
    tree.root()
}

/// A log that is being written: kinds and bytes of its objects, and the heads of its seals.
#[derive(Default)]
struct Log {
    objects: Vec<(ObjectKind, Vec<u8>)>,
    heads: Vec<BothDigests>,
    generation: u64,
    first: usize,
}

impl Log {
    fn push(&mut self, kind: ObjectKind, bytes: impl Into<Vec<u8>>) {
        self.objects.push((kind, bytes.into()));
    }

    /// Seals the objects behind the last seal.
    fn seal(&mut self, verdict: Verdict, succession: Option<[u8; 32]>) {
        let objects: Vec<Object> =
            (0..).zip(&self.objects).skip(self.first).map(|(n, (kind, bytes))| Object::of(n, *kind, bytes)).collect();
        let mut heads = MerkleTree::default();
        let no_leaves = heads.root();
        self.heads.iter().for_each(|head| heads.push(head_leaf(&head.blake3)));
        let is_closing = verdict.is_closing();
        let n = heads.count() + 1;
        let seal = Seal {
            set: SET,
            label: *blake3::hash(&self.objects[0].1).as_bytes(),
            generation: self.generation + 1,
            time: "2026-11-23T03:31:54Z".into(),
            earlier: heads.count(),
            heads: heads.root(),
            previous: self.heads.last().copied(),
            succession,
            first: self.first as u64,
            count: objects.len() as u64,
            list: BothDigests::of(&encode_list(&objects)),
            record_count: if is_closing { 0 } else { entries().len() as u64 },
            records: if is_closing { no_leaves } else { records_root() },
            read_back: ReadBack::Direct,
            verdict,
            next: seal_key(n + 1).public(),
        };
        let NewSeal { bytes, head } = sign(&seal, &objects, &seal_key(n)).expect("a seal");
        self.push(ObjectKind::Seal, bytes);
        self.heads.push(head);
        self.generation += u64::from(!is_closing);
        self.first = self.objects.len();
    }
}

/// A set of three generations, in the order of its log, and a leftover. A closing seal is in the second one; the third
/// was made by another host, behind a succession. What the packs hold does not matter to its chain.
pub fn chain() -> Vec<(ObjectKind, Vec<u8>)> {
    let mut log = Log::default();
    log.push(ObjectKind::Label, label());
    for generation in 1..=3 {
        let succession = (generation == 3).then(|| succession(log.heads.last().expect("a seal before")));
        succession.iter().for_each(|bytes| log.push(ObjectKind::Succession, &bytes[..]));
        log.push(ObjectKind::Pack, [generation; 3]);
        if generation == 2 {
            log.seal(Verdict::Checkpoint, None);
            log.push(ObjectKind::Pack, [generation; 4]);
        }
        log.push(ObjectKind::Manifest, [generation; 2]);
        log.seal(Verdict::Good, succession.map(|bytes| *blake3::hash(&bytes).as_bytes()));
    }
    log.push(ObjectKind::Pack, *b"leftover");
    log.objects
}

/// Names the key of the fourth seal, which is the one before the last of [`chain`] names too.
fn succession(previous: &BothDigests) -> Vec<u8> {
    sign_succession(&Succession { set: SET, previous: *previous, next: seal_key(4).public() }, &heir_key())
}

/// The head of a seal.
pub fn head(seal: &[u8]) -> &[u8] {
    &seal[..Seal::decode(seal).expect("a seal").head_bytes]
}

/// The heads of all seals of [`chain`], and the succession before the head that names it: what a proof of its last
/// generation has.
pub fn chain_texts() -> Vec<Vec<u8>> {
    let texts = chain().into_iter().filter_map(|(kind, bytes)| match kind {
        ObjectKind::Seal => Some(head(&bytes).to_vec()),
        ObjectKind::Succession => Some(bytes),
        _ => None,
    });
    texts.collect()
}

/// That the second entry was in a generation; `texts`: those of [`chain_texts`] up to its seal.
pub fn proof(texts: &[Vec<u8>]) -> Proof {
    let (mut finder, mut core) = (PathFinder::new(entries().len() as u64), Vec::new());
    let key = SetKey(SET_KEY).record_salt_key();
    for (i, entry) in entries().iter().enumerate() {
        let mut bytes = Vec::new();
        entry.core.encode(&mut bytes);
        finder.push(record_leaf(&key, &entry.core.path, &bytes), i == 1);
        if i == 1 {
            core = bytes;
        }
    }
    let (index, path) = finder.finish().expect("the second entry");
    let mut seals = Vec::new();
    Compressor::new(1).and_then(|mut c| c.compress_seals(&texts.concat(), &mut seals)).expect("a frame");
    let seal_lengths = texts.iter().map(|t| t.len() as u64).collect();
    Proof { core, salt: record_salt(&key, &entries()[1].core.path), index, path, seal_lengths, seals }
}

/// A request for a time stamp, and a reply to another one: `openssl ts`'s to `abc`, shortened by its signature.
pub fn stamps() -> [Vec<u8>; 2] {
    let request = TimeStampRequest { sha256: [7; 32], nonce: 0x314C_FCE4_E065_1827 };
    let der = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
    let imprint = &request.encode()[5..56];
    let info = [
        &[2, 1, 1, 6, 4, 0x2A, 3, 4, 1],
        imprint,
        &[2, 1, 4],
        &der(0x18, b"20230607112626.5Z"),
        b"\x30\x03\x02\x01\x01\x01\x01\xff\x02\x08\x31\x4c\xfc\xe4\xe0\x65\x18\x27",
    ];
    let octets = der(0xA0, &der(4, &der(0x30, &info.concat())));
    let content = der(0x30, &[b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04", &octets[..]].concat());
    let signed = [b"\x02\x01\x03\x31\0", &content[..], b"\x31\0"].concat();
    let length = |content: &[u8]| [&[0x81, content.len() as u8], content].concat();
    let signed = [&[0xA0], &length(&[&[0x30], &length(&signed)[..]].concat())[..]].concat();
    let token = [b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", &signed[..]].concat();
    let reply = [b"\x30\x03\x02\x01\0\x30", &length(&token)[..]].concat();
    [request.encode(), [&[0x30], &length(&reply)[..]].concat()]
}

/// Objects side by side: `u8 kind ‖ u32 length ‖ bytes`. Each has the next number; kind 0 leaves one out.
pub fn lay_out(objects: &[(ObjectKind, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, bytes) in objects {
        out.push(kind.code());
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes);
    }
    out
}

/// The medium that [`lay_out`] described; lengths beyond the end take what is there.
pub fn medium(mut input: &[u8]) -> Simulated {
    let medium = Simulated::new();
    let mut number = 0;
    while let Some(([kind, length @ ..], rest)) = input.split_first_chunk::<5>() {
        let (bytes, tail) = rest.split_at(rest.len().min(u32::from_le_bytes(*length) as usize));
        // No file is named `.void`.
        if let Some(kind) = ObjectKind::from_code(*kind).filter(|k| *k != ObjectKind::Void) {
            medium.append(number, kind, bytes).expect("a simulated medium takes what is new");
        }
        number += 1;
        input = tail;
    }
    medium
}

/// What a changer answers: its addresses, and what is in two slots and a drive, with labels and the drive's name.
pub fn changer() -> [Vec<u8>; 3] {
    let addresses = [0, 0, 0, 0, 0x1d, 18, 0, 0, 0, 1, 3, 0xe8, 0, 2, 0, 10, 0, 1, 1, 0, 0, 1, 0, 0].to_vec();
    let place = |address: u16, flags: u8, medium: u8, barcode: &str, name: &str| {
        let [high, low] = address.to_be_bytes();
        let mut bytes = vec![high, low, flags, 0, 0, 0, 0, 0, 0, medium, 3, 0xe8];
        bytes.extend(format!("{barcode:36}").as_bytes());
        bytes.extend([2, 1, 0, name.len() as u8]);
        bytes.extend(name.as_bytes());
        bytes
    };
    let page = |kind: u8, places: [Vec<u8>; 2]| {
        let (length, bytes) = (places[0].len() as u8, places.concat());
        [&[kind, 0x80, 0, length, 0, 0, 0, bytes.len() as u8], &bytes[..]].concat()
    };
    let slots = page(2, [place(1000, 9, 1, "AZK001L8", ""), place(1001, 8, 0, "", "")]);
    let drives = page(4, [place(256, 1, 0x81, "AZK002L8", "AZKDRIVE01"), place(257, 8, 0, "", "AZKDRIVE02")]);
    let both = [slots, drives].concat();
    let status = [&[3, 0xe8, 0, 4, 0, 0, 0, both.len() as u8], &both[..]].concat();
    let sense = [0x70, 0, 4, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x15, 1, 0, 0, 0, 0].to_vec();
    [addresses, status, sense]
}

/// `content` as an age file for [`IDENTITY`].
pub fn encrypt(content: &[u8]) -> Vec<u8> {
    let mut file = Encryptor::begin(&IDENTITY.recipients(), Vec::new()).expect("a header");
    file.write(content);
    file.finish()
}

/// A whole set of one generation whose manifest (CBOR) and pack (payload) are given: encrypted, listed and signed as
/// they should be.
pub fn sealed(manifest: &[u8], payload: &[u8]) -> Simulated {
    let mut compressed = Vec::new();
    Compressor::new(1).and_then(|mut c| c.compress_manifest(manifest, &mut compressed)).expect("a frame");
    let mut log = Log::default();
    log.push(ObjectKind::Label, label());
    log.push(ObjectKind::Pack, encrypt(payload));
    log.push(ObjectKind::Manifest, encrypt(&compressed));
    log.seal(Verdict::Good, None);
    medium(&lay_out(&log.objects))
}
