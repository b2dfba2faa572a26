//! Generations of another program, or of an intruder, that has the keys of the set: sealed as they should be, with any records, packs
//! and manifest in them.

use crate::cbor::Item;
use crate::forger::ages::Encrypt;
use crate::tools::fast_folder;
use crate::world::Hospital;
use azekura::env::{Env, TOOL};
use azekura::event::NoObserver;
use azekura::format::cbor::Time;
use azekura::format::entry::{ContentDigests, Core, Entry, EntryKind};
use azekura::format::manifest::{EntryStream, Manifest, Rules, Source, SourceKind};
use azekura::format::merkle::{MerkleTree, record_leaf};
use azekura::format::object::ObjectKind;
use azekura::format::pack::{ChunkId, Extent, Frame, Index};
use azekura::format::seal::Verdict;
use azekura::host::state::StateDir;
use azekura::medium::tape::BLOCK_BYTES;
use azekura::pipeline::compressor::Compressor;
use azekura::pipeline::encryptor::{Encryptor, Recipients};
use azekura::pipeline::hasher::Digests;
use azekura::set::writer::{self, NewSet, SealFacts, SetWriter, WriteTarget};

/// A record: its `core` and its extents as they will be stored, and the path that its leaf is salted with.
#[derive(Clone)]
pub struct RawRecord {
    pub path: Vec<u8>,
    pub core: Item,
    pub extents: Item,
}

impl RawRecord {
    pub fn of(entry: &Entry) -> Self {
        let mut bytes = Vec::new();
        let core = entry.encode(&mut bytes);
        let path = entry.core.path.clone();
        Self { path, core: Item::parse(&bytes[core.clone()]), extents: Item::parse(&bytes[core.end..]) }
    }

    /// The same with another value behind a key of its core.
    pub fn with(self, key: u64, value: Item) -> Self {
        Self { core: self.core.with(key, value), ..self }
    }

    pub fn without(self, key: u64) -> Self {
        Self { core: self.core.without(key), ..self }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let record = [self.core.encode(), self.extents.encode()].concat();
        [&(record.len() as u32).to_le_bytes()[..], &record].concat()
    }
}

/// Where a pack and its frames are.
pub struct PackPlace {
    pub object: u64,
    /// Where each frame begins in the payload.
    pub frames: Vec<u32>,
    /// Bytes of the payload.
    pub payload_bytes: u64,
}

/// The payload of a pack, as it should be: its frames, and the index behind them.
pub fn with_index(mut frames: Vec<u8>, index: Index) -> Vec<u8> {
    index.encode(&mut frames);
    frames
}

impl PackPlace {
    pub fn extent(&self, frame: usize, offset: u32, length: u64) -> Extent {
        Extent { object: self.object, frame: self.frames[frame], offset, length }
    }
}

/// A generation that is being written.
pub struct OtherWriter<'h> {
    set: SetWriter,
    env: &'h Env<'h>,
    /// Names of the sources, ascending.
    pub sources: Vec<&'static str>,
    /// Bends the manifest before it is encoded, and its CBOR afterwards.
    pub bend_manifest: Box<dyn Fn(&mut Manifest) + 'h>,
    pub bend_cbor: Box<dyn Fn(Item) -> Item + 'h>,
    /// Somebody else whom packs and manifest are encrypted to.
    pub intruder: Option<String>,
    /// The stream is cut into frames of these lengths; the rest is one frame.
    pub stream_frames: Vec<usize>,
    /// Makes an age file otherwise than this program does.
    pub encrypt: Option<Encrypt>,
    /// What is appended behind the manifest.
    pub behind: Vec<(ObjectKind, &'static [u8])>,
}

impl OtherWriter<'_> {
    /// Appends a pack with one chunk in each frame.
    pub fn pack(&mut self, contents: &[&[u8]]) -> PackPlace {
        self.bent_pack(contents, with_index)
    }

    /// The same, with a payload that `join` makes of the frames and the index.
    pub fn bent_pack(&mut self, contents: &[&[u8]], join: impl FnOnce(Vec<u8>, Index) -> Vec<u8>) -> PackPlace {
        let (mut payload, mut index, mut frames) = (Vec::new(), Index::default(), Vec::new());
        for content in contents {
            frames.push(payload.len() as u32);
            let stored = Compressor::new(1).and_then(|mut c| c.compress(content, &mut payload)).expect("a frame");
            index.frames.push(Frame { stored, chunks: vec![(ChunkId([7; 16]), content.len() as u32)] });
        }
        let payload = join(payload, index);
        PackPlace { object: self.append(ObjectKind::Pack, &payload), frames, payload_bytes: payload.len() as u64 }
    }

    fn append(&mut self, kind: ObjectKind, plain: &[u8]) -> u64 {
        if let Some(encrypt) = &self.encrypt {
            let bytes = encrypt(plain);
            return self.append_raw(kind, &bytes);
        }
        let all = self.set.host.info.recipients.iter().chain(&self.intruder);
        let recipients = Recipients::parse(all).expect("recipients");
        let mut file = Encryptor::begin(&recipients, Vec::new()).expect("a header");
        file.write(plain);
        self.append_raw(kind, &file.finish())
    }

    /// The first recipient of the set.
    pub fn recipient(&self) -> String {
        self.set.host.info.recipients[0].clone()
    }

    /// Appends an object as it is.
    pub fn append_raw(&mut self, kind: ObjectKind, bytes: &[u8]) -> u64 {
        self.set.append_here_or_next(kind, bytes, self.env).expect("an object");
        self.set.log.unsealed.last().expect("the object").number
    }

    /// Ends the generation; returns its number.
    pub fn seal(self, records: &[RawRecord]) -> u64 {
        self.seal_entries(records).0
    }

    /// The same; also where the entries are.
    pub fn seal_entries(mut self, records: &[RawRecord]) -> (u64, PackPlace) {
        let stream: Vec<u8> = records.iter().flat_map(RawRecord::bytes).collect();
        let (mut rest, mut contents) = (&stream[..], Vec::new());
        for length in self.stream_frames.clone() {
            let (frame, after) = rest.split_at(length);
            contents.push(frame);
            rest = after;
        }
        contents.push(rest);
        let place = self.pack(&contents);
        let key = self.set.host.key.record_salt_key();
        let mut tree = MerkleTree::default();
        records.iter().for_each(|r| tree.push(record_leaf(&key, &r.path, &r.core.encode())));
        let (mut at, mut long_records) = (0, Vec::new());
        for length in records.iter().map(|r| r.bytes().len() as u64) {
            long_records.extend((length > 64 << 10).then_some((at, length)));
            at += length;
        }
        let source = |name: &&str| Source {
            name: name.as_bytes().to_vec(),
            path: b"/srv".to_vec(),
            kind: SourceKind::Tree,
            excludes: Vec::new(),
            rules: Rules::Plain,
            priority: None,
        };
        let now = (self.env.now)();
        let mut manifest = Manifest {
            set: self.set.host.id(),
            generation: self.set.log.generation(),
            parent: 0,
            started: now,
            finished: now,
            host: "other".into(),
            sources: self.sources.iter().map(source).collect(),
            tag: None,
            tool: TOOL.into(),
            set_key: self.set.host.key.0,
            recipients: self.set.host.info.recipients.clone(),
            full: true,
            statistics: Vec::new(),
            findings: Vec::new(),
            entries: EntryStream {
                length: stream.len() as u64,
                blake3: *blake3::hash(&stream).as_bytes(),
                extents: vec![place.extent(0, 0, stream.len() as u64)],
                count: records.len() as u64,
                long_records,
            },
            media: Vec::new(),
            watch: Vec::new(),
            alarms: Vec::new(),
        };
        (self.bend_manifest)(&mut manifest);
        let plain = (self.bend_cbor)(Item::parse(&manifest.encode())).encode();
        let mut stored = Vec::new();
        Compressor::new(1).and_then(|mut c| c.compress_manifest(&plain, &mut stored)).expect("a frame");
        self.append(ObjectKind::Manifest, &stored);
        for (kind, bytes) in self.behind.clone() {
            self.append_raw(kind, bytes);
        }
        let facts = SealFacts {
            time: self.env.time_text(),
            verdict: Verdict::Good,
            record_count: records.len() as u64,
            records: tree.root(),
            started: now.as_nanoseconds_64(),
            entries_digest: manifest.entries.blake3,
        };
        (self.set.seal(facts).expect("a seal").generation, place)
    }
}

/// A hospital on whose medium somebody else writes the next generation.
pub fn write_generation<T>(h: &Hospital, write: impl FnOnce(OtherWriter) -> T) -> T {
    let recipients = h.identity.recipients().texts().to_vec();
    let new = NewSet { name: "test", recipients: &recipients };
    h.with_env(|env| {
        let state = StateDir::open(&h.path("state")).expect("a state directory");
        let target = WriteTarget { root: &h.medium(), only: None, block: BLOCK_BYTES, quarantine: false };
        let (set, _) = writer::open(target, &state, Some(&new), env, &NoObserver).expect("a set");
        write(OtherWriter {
            set,
            env,
            sources: vec!["s"],
            bend_manifest: Box::new(|_| {}),
            bend_cbor: Box::new(|cbor| cbor),
            intruder: None,
            stream_frames: Vec::new(),
            encrypt: None,
            behind: Vec::new(),
        })
    })
}

pub fn hospital() -> Hospital {
    Hospital::within(fast_folder())
}

fn times(core: Core) -> Core {
    let time = Time { seconds: 1_700_000_000, nanoseconds: 0 };
    Core { mtime: time, ctime: time, ..core }
}

pub fn folder(path: &str) -> RawRecord {
    let core = Core { mode: 0o755, ..Core::new(path.into(), EntryKind::Directory) };
    RawRecord::of(&Entry { core: times(core), extents: Vec::new() })
}

/// A file whose content lies at `extents`.
pub fn file_entry(path: &str, content: &[u8], extents: Vec<Extent>) -> Entry {
    let digests = Digests::of(content, true);
    let core = Core {
        mode: 0o644,
        size: content.len() as u64,
        digests: Some(ContentDigests::Whole(digests)),
        ..Core::new(path.into(), EntryKind::File)
    };
    Entry { core: times(core), extents }
}

pub fn file(path: &str, content: &[u8], extents: Vec<Extent>) -> RawRecord {
    RawRecord::of(&file_entry(path, content, extents))
}

/// A further name of a file.
pub fn link(path: &str, first: &Entry) -> Entry {
    let core = Core { path: path.into(), link_to: Some(first.core.path.clone()), ..first.core.clone() };
    Entry { core, extents: first.extents.clone() }
}
