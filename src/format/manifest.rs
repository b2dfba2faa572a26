//! Section 5: the head of a generation.

use super::cbor::{CborReader, CborWriter, Time};
use super::entry::{check_path, compare_paths};
use super::object::Id;
use super::pack::{Extent, read_extents, write_extents};
pub use super::rules::Rules;
use super::watch::{Alarm, SourceWatch, read_alarms, read_watch, write_alarms, write_watch};
use super::{Malformed, VERSION, limit};

const WHAT: &str = "manifest";
/// The last key of a manifest that is known.
const LAST_KEY: u64 = 18;
/// Findings of one generation that are stored.
pub const FINDINGS: usize = 1_000;
/// The largest number of a priority, which is restored last.
pub const LAST_PRIORITY: u8 = 9;

/// What a source is on its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A folder or a file.
    Tree,
    /// The standard output of a command.
    Command,
    /// What a later version defined, by its number: nothing but people depends on it.
    Other(u64),
}

impl SourceKind {
    fn number(self) -> u64 {
        match self {
            Self::Tree => 0,
            Self::Command => 1,
            Self::Other(number) => number,
        }
    }

    fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Tree,
            1 => Self::Command,
            number => Self::Other(number),
        }
    }
}

/// A source as it was configured in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The first part of its entries' paths.
    pub name: Vec<u8>,
    /// Its path on the host, or its command line.
    pub path: Vec<u8>,
    /// A tree or a command.
    pub kind: SourceKind,
    /// Patterns in gitignore syntax that exclude entries.
    pub excludes: Vec<Vec<u8>>,
    /// How its files may change.
    pub rules: Rules,
    /// The order of a restore: 1 to [`LAST_PRIORITY`]; sources without a priority come last.
    pub priority: Option<u8>,
}

/// Something that the run could not back up as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A word of the format, for programs.
    pub kind: String,
    /// Of the entry; empty where none is concerned.
    pub path: Vec<u8>,
    /// More about it, for people.
    pub detail: String,
}

/// Where the entry stream is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryStream {
    /// Bytes.
    pub length: u64,
    /// BLAKE3 of the stream.
    pub blake3: [u8; 32],
    /// Where its bytes are stored, in order.
    pub extents: Vec<Extent>,
    /// Records.
    pub count: u64,
    /// The records that chunks may begin within, those of more than [`limit::WHOLE_RECORD_BYTES`]: where each begins in
    /// the stream, and its bytes with the length prefix. Ascending.
    pub long_records: Vec<(u64, u64)>,
}

/// Everything about one generation except its entries.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The medium set.
    pub set: Id,
    /// Counted from 1 within the set.
    pub generation: u64,
    /// The generation that this one was merged with; 0: none.
    pub parent: u64,
    /// When the run began.
    pub started: Time,
    /// When all sources had been read.
    pub finished: Time,
    /// Name of the host.
    pub host: String,
    /// Ascending by name; none is inside another.
    pub sources: Vec<Source>,
    /// A word that the user gave the generation.
    pub tag: Option<String>,
    /// Name and version of the program that wrote it.
    pub tool: String,
    /// Secret: never shown, never logged.
    pub set_key: [u8; 32],
    /// To whom packs and manifest are encrypted: `age1…`.
    pub recipients: Vec<String>,
    /// Every file was read, whatever its times say.
    pub full: bool,
    /// Counts by name.
    pub statistics: Vec<(String, u64)>,
    /// At most [`FINDINGS`].
    pub findings: Vec<Finding>,
    /// Where the entry stream is stored.
    pub entries: EntryStream,
    /// The pick list of a set on several media: the place of each medium that a full restore reads content from, ascending,
    /// and the bytes of content on it.
    pub media: Vec<(u64, u64)>,
    /// What the tripwires know of each source after this generation.
    pub watch: Vec<SourceWatch>,
    /// Alarms of this run.
    pub alarms: Vec<Alarm>,
}

impl Manifest {
    /// The manifest as it is stored before compression and encryption.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut w = CborWriter::new(&mut out);
        let optional = [self.tag.is_some(), !self.media.is_empty(), !self.watch.is_empty(), !self.alarms.is_empty()];
        w.map(15 + optional.map(u64::from).iter().sum::<u64>());
        w.u8(0).u64(VERSION).u8(1).bytes(&self.set.0);
        w.u8(2).u64(self.generation).u8(3).u64(self.parent);
        w.u8(4).time(self.started).u8(5).time(self.finished);
        w.u8(6).str(&self.host).u8(7).array(self.sources.len() as u64);
        for s in &self.sources {
            s.write(&mut w);
        }
        if let Some(tag) = &self.tag {
            w.u8(8).str(tag);
        }
        w.u8(9).str(&self.tool).u8(10).bytes(&self.set_key);
        w.u8(11).array(self.recipients.len() as u64);
        for r in &self.recipients {
            w.str(r);
        }
        w.u8(12).bool(self.full).u8(13).array(self.statistics.len() as u64);
        for (name, value) in &self.statistics {
            w.array(2).str(name).u64(*value);
        }
        w.u8(14).array(self.findings.len() as u64);
        for f in &self.findings {
            w.array(3).str(&f.kind).bytes(&f.path).str(&f.detail);
        }
        w.u8(15);
        self.entries.write(&mut w);
        if !self.media.is_empty() {
            w.u8(16).array(self.media.len() as u64);
            for (place, bytes) in &self.media {
                w.array(2).u64(*place).u64(*bytes);
            }
        }
        if !self.watch.is_empty() {
            w.u8(17);
            write_watch(&mut w, &self.watch);
        }
        if !self.alarms.is_empty() {
            w.u8(18);
            write_alarms(&mut w, &self.alarms);
        }
        out
    }

    /// Decodes a manifest and checks what the format promises of it.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Malformed::limit(WHAT, bytes.len() as u64, limit::MANIFEST_BYTES)?;
        // Forms that no version has are damage, whatever keys they are behind.
        let mut all = CborReader::new(bytes, WHAT);
        all.skip(0)?;
        all.end()?;
        // What a newer version has may come before the key that says so.
        Self::read(bytes).map_err(|e| newer(bytes).unwrap_or(e))
    }

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = CborReader::new(bytes, WHAT);
        let mut m = Self::empty();
        let (mut seen, mut last) = (0u32, None);
        for _ in 0..r.map()? {
            let key = r.key(&mut last)?;
            if key < 16 {
                seen |= 1 << key;
            }
            match key {
                0 => match r.uint()? {
                    VERSION => {}
                    found => return Err(Malformed::Newer { what: WHAT, found }),
                },
                1 => m.set = Id(r.fixed()?),
                2 => m.generation = r.count()?,
                3 => m.parent = r.count()?,
                4 => m.started = r.time()?,
                5 => m.finished = r.time()?,
                6 => m.host = r.text()?,
                7 => m.sources = read_list(&mut r, Source::read)?,
                8 => m.tag = Some(r.text()?),
                9 => m.tool = r.text()?,
                10 => m.set_key = r.fixed()?,
                11 => m.recipients = read_list(&mut r, CborReader::text)?,
                12 => m.full = r.bool()?,
                13 => m.statistics = r.lenient(1, read_statistics)?,
                14 => m.findings = read_findings(&mut r)?,
                15 => m.entries = EntryStream::read(&mut r)?,
                16 => m.media = r.lenient(1, read_media)?,
                17 => m.watch = r.lenient(1, read_watch)?,
                LAST_KEY => m.alarms = read_alarms(&mut r)?,
                _ => r.skip_unknown(key, 1)?,
            }
        }
        r.end()?;
        m.check(&r, seen)?;
        Ok(m)
    }

    fn empty() -> Self {
        Self {
            set: Id([0; 16]),
            generation: 0,
            parent: 0,
            started: Time::default(),
            finished: Time::default(),
            host: String::new(),
            sources: Vec::new(),
            tag: None,
            tool: String::new(),
            set_key: [0; 32],
            recipients: Vec::new(),
            full: false,
            statistics: Vec::new(),
            findings: Vec::new(),
            entries: EntryStream::empty(),
            media: Vec::new(),
            watch: Vec::new(),
            alarms: Vec::new(),
        }
    }

    /// `seen`: a bit for each of the first 16 keys that the manifest has.
    fn check(&self, r: &CborReader, seen: u32) -> Result<(), Malformed> {
        const REQUIRED: u32 = 0xFFFF & !(1 << 8);
        if seen & REQUIRED != REQUIRED || self.generation == 0 {
            return Err(r.wrong("a required key is missing"));
        }
        if self.parent >= self.generation {
            return Err(r.wrong("the parent is not an earlier generation"));
        }
        if self.sources.windows(2).any(|w| !come_apart(&w[0].name, &w[1].name)) {
            return Err(r.wrong("sources out of order or within each other"));
        }
        let length: u64 = self.entries.extents.iter().map(|x| x.length).fold(0, u64::saturating_add);
        if length != self.entries.length {
            return Err(r.wrong("extents do not add up to the entry stream"));
        }
        let mut end = 0;
        for (offset, bytes) in &self.entries.long_records {
            let is_long = (limit::WHOLE_RECORD_BYTES + 1..=4 + limit::RECORD_BYTES).contains(bytes);
            if *offset < end || !is_long || offset.checked_add(*bytes).is_none_or(|end| end > length) {
                return Err(r.wrong("long records out of order or out of the entry stream"));
            }
            end = offset + bytes;
        }
        Ok(())
    }
}

/// The error if bytes that cannot be decoded are CBOR, and a newer program may know what they say.
fn newer(bytes: &[u8]) -> Option<Malformed> {
    let mut r = CborReader::new(bytes, WHAT);
    let (mut last, mut found) = (None, None);
    for _ in 0..r.map().ok()? {
        let (key, start) = (r.key(&mut last).ok()?, r.position());
        r.skip(1).ok()?;
        match key {
            0 => {
                let version = CborReader::new(r.since(start), WHAT).uint().ok();
                found = version.filter(|v| *v != VERSION).map(|found| Malformed::Newer { what: WHAT, found });
            }
            _ if key > LAST_KEY && key <= limit::LAST_CRITICAL_KEY => {
                found.get_or_insert_with(|| r.unknown(format!("it has the key {key}")));
            }
            _ => {}
        }
    }
    r.end().ok()?;
    found
}

fn read_statistics(r: &mut CborReader) -> Result<Vec<(String, u64)>, Malformed> {
    read_list(r, |r| r.tuple(2).and_then(|()| Ok((r.text()?, r.uint()?))))
}

fn read_media(r: &mut CborReader) -> Result<Vec<(u64, u64)>, Malformed> {
    let media = read_list(r, |r| r.tuple(2).and_then(|()| Ok((r.count()?, r.uint()?))))?;
    if media.first().is_some_and(|m| m.0 == 0) || media.windows(2).any(|w| w[0].0 >= w[1].0) {
        return Err(r.wrong("the media of its pick list do not ascend"));
    }
    Ok(media)
}

/// An array whose items `item` reads. Memory grows with what was read, never with the announced length.
fn read_list<'b, T>(
    r: &mut CborReader<'b>,
    item: impl Fn(&mut CborReader<'b>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut list = Vec::new();
    for _ in 0..r.array()? {
        list.push(item(r)?);
    }
    Ok(list)
}

/// Whether a source named `b` may follow one named `a`: `b` is greater, and not inside `a`.
pub fn come_apart(a: &[u8], b: &[u8]) -> bool {
    compare_paths(a, b).is_lt() && !b.strip_prefix(a).is_some_and(|rest| rest.starts_with(b"/"))
}

impl Source {
    fn write(&self, w: &mut CborWriter) {
        let optional = [!self.excludes.is_empty(), self.rules != Rules::Plain, self.priority.is_some()];
        w.map(3 + optional.map(u64::from).iter().sum::<u64>());
        w.u8(0).bytes(&self.name).u8(1).bytes(&self.path);
        w.u8(2).u64(self.kind.number());
        if !self.excludes.is_empty() {
            w.u8(3).array(self.excludes.len() as u64);
            for x in &self.excludes {
                w.bytes(x);
            }
        }
        if self.rules != Rules::Plain {
            w.u8(4).u8(self.rules as u8);
        }
        if let Some(priority) = self.priority {
            w.u8(5).u8(priority);
        }
    }

    fn read(r: &mut CborReader) -> Result<Self, Malformed> {
        let (kind, rules) = (SourceKind::Tree, Rules::Plain);
        let mut s = Self { name: Vec::new(), path: Vec::new(), kind, excludes: Vec::new(), rules, priority: None };
        let (mut last, mut seen) = (None, 0);
        for _ in 0..r.map()? {
            let key = r.key(&mut last)?;
            seen |= if key < 3 { 1 << key } else { 0 };
            match key {
                0 => s.name = r.bytes()?.to_vec(),
                1 => s.path = r.bytes()?.to_vec(),
                2 => s.kind = SourceKind::from_number(r.uint()?),
                3 => s.excludes = read_list(r, |r| r.bytes().map(<[u8]>::to_vec))?,
                4 => {
                    // Rules and priorities of a later version do not prevent a restore.
                    let number = r.uint()?;
                    s.rules = Rules::ALL.into_iter().find(|rules| *rules as u64 == number).unwrap_or_default();
                }
                5 => s.priority = u8::try_from(r.uint()?).ok().filter(|p| (1..=LAST_PRIORITY).contains(p)),
                _ => r.skip_unknown(key, 3)?,
            }
        }
        if seen != 0b111 {
            return Err(r.wrong("a source is incomplete"));
        }
        check_path(&s.name)?;
        Ok(s)
    }
}

fn read_findings(r: &mut CborReader) -> Result<Vec<Finding>, Malformed> {
    let n = r.array()?;
    Malformed::limit("findings", n, FINDINGS as u64)?;
    let mut findings = Vec::new();
    for _ in 0..n {
        r.tuple(3)?;
        findings.push(Finding { kind: r.text()?, path: r.bytes()?.to_vec(), detail: r.text()? });
    }
    Ok(findings)
}

impl EntryStream {
    fn empty() -> Self {
        Self { length: 0, blake3: [0; 32], extents: Vec::new(), count: 0, long_records: Vec::new() }
    }

    fn write(&self, w: &mut CborWriter) {
        w.map(4 + u64::from(!self.long_records.is_empty()));
        w.u8(0).u64(self.length).u8(1).bytes(&self.blake3).u8(2);
        write_extents(w, &self.extents);
        w.u8(3).u64(self.count);
        if !self.long_records.is_empty() {
            w.u8(4).array(self.long_records.len() as u64);
            for (offset, bytes) in &self.long_records {
                w.array(2).u64(*offset).u64(*bytes);
            }
        }
    }

    fn read(r: &mut CborReader) -> Result<Self, Malformed> {
        let mut e = Self::empty();
        let (mut last, mut seen) = (None, 0);
        for _ in 0..r.map()? {
            let key = r.key(&mut last)?;
            seen |= if key < 4 { 1 << key } else { 0 };
            match key {
                0 => e.length = r.count()?,
                1 => e.blake3 = r.fixed()?,
                2 => e.extents = read_extents(r)?,
                3 => e.count = r.count()?,
                4 => e.long_records = read_list(r, |r| r.tuple(2).and_then(|()| Ok((r.count()?, r.count()?))))?,
                _ => r.skip_unknown(key, 2)?,
            }
        }
        if seen == 0b1111 { Ok(e) } else { Err(r.wrong("entries are incomplete")) }
    }
}

/// Never shows the set key.
impl std::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Manifest").field("set", &self.set).field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl Drop for Manifest {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.set_key);
    }
}
