//! Section 5: the head of a generation.

use super::cbor::{Reader, Sure, Time, Writer, write_extents, write_time};
use super::entry::{check_path, compare_paths};
use super::object::Id;
use super::pack::Extent;
pub use super::rules::Rules;
use super::watch::{Alarm, SourceWatch, read_alarms, read_watch, write_alarms, write_watch};
use super::{Malformed, VERSION, limit};

/// At most this many findings are kept.
pub const FINDINGS: usize = 1_000;
pub const LAST_PRIORITY: u8 = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    Tree,
    Command,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub name: Vec<u8>,
    /// Where it lay on the host.
    pub path: Vec<u8>,
    pub kind: SourceKind,
    /// Gitignore syntax.
    pub excludes: Vec<Vec<u8>>,
    pub rules: Rules,
    /// What is restored first: 1 to [`LAST_PRIORITY`]; sources without one come last.
    pub priority: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: String,
    pub path: Vec<u8>,
    pub detail: String,
}

/// Where the entry stream lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryStream {
    /// Bytes.
    pub length: u64,
    pub blake3: [u8; 32],
    pub extents: Vec<Extent>,
    /// Records.
    pub count: u64,
}

/// Everything about one generation but its entries.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    pub set: Id,
    pub generation: u64,
    /// 0: none.
    pub parent: u64,
    pub started: Time,
    pub finished: Time,
    pub host: String,
    pub sources: Vec<Source>,
    pub tag: Option<String>,
    pub tool: String,
    /// Secret: never shown, never logged.
    pub set_key: [u8; 32],
    pub recipients: Vec<String>,
    pub full: bool,
    pub statistics: Vec<(String, u64)>,
    pub findings: Vec<Finding>,
    pub entries: EntryStream,
    /// The pick list, where the set has several media: each medium that a full restore reads content from, by its place in the set,
    /// ascending, and how many bytes of content.
    pub media: Vec<(u64, u64)>,
    /// What the tripwires know of each source after this generation.
    pub watch: Vec<SourceWatch>,
    pub alarms: Vec<Alarm>,
}

impl Manifest {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut e = Writer::new(&mut out);
        let given = [self.tag.is_some(), !self.media.is_empty(), !self.watch.is_empty(), !self.alarms.is_empty()];
        e.map(15 + given.map(u64::from).iter().sum::<u64>()).sure();
        e.u8(0).sure().u64(VERSION).sure().u8(1).sure().bytes(&self.set.0).sure();
        e.u8(2).sure().u64(self.generation).sure().u8(3).sure().u64(self.parent).sure().u8(4).sure();
        write_time(&mut e, self.started);
        e.u8(5).sure();
        write_time(&mut e, self.finished);
        e.u8(6).sure().str(&self.host).sure().u8(7).sure().array(self.sources.len() as u64).sure();
        for s in &self.sources {
            let given = [!s.excludes.is_empty(), s.rules != Rules::Plain, s.priority.is_some()];
            e.map(3 + given.map(u64::from).iter().sum::<u64>()).sure();
            e.u8(0).sure().bytes(&s.name).sure().u8(1).sure().bytes(&s.path).sure();
            e.u8(2).sure().u8(s.kind as u8).sure();
            if !s.excludes.is_empty() {
                e.u8(3).sure().array(s.excludes.len() as u64).sure();
                for x in &s.excludes {
                    e.bytes(x).sure();
                }
            }
            if s.rules != Rules::Plain {
                e.u8(4).sure().u8(s.rules as u8).sure();
            }
            if let Some(priority) = s.priority {
                e.u8(5).sure().u8(priority).sure();
            }
        }
        if let Some(tag) = &self.tag {
            e.u8(8).sure().str(tag).sure();
        }
        e.u8(9).sure().str(&self.tool).sure().u8(10).sure().bytes(&self.set_key).sure();
        e.u8(11).sure().array(self.recipients.len() as u64).sure();
        for r in &self.recipients {
            e.str(r).sure();
        }
        e.u8(12).sure().bool(self.full).sure().u8(13).sure().array(self.statistics.len() as u64).sure();
        for (name, value) in &self.statistics {
            e.array(2).sure().str(name).sure().u64(*value).sure();
        }
        e.u8(14).sure().array(self.findings.len() as u64).sure();
        for f in &self.findings {
            e.array(3).sure().str(&f.kind).sure().bytes(&f.path).sure().str(&f.detail).sure();
        }
        e.u8(15).sure().map(4).sure().u8(0).sure().u64(self.entries.length).sure();
        e.u8(1).sure().bytes(&self.entries.blake3).sure().u8(2).sure();
        write_extents(&mut e, &self.entries.extents);
        e.u8(3).sure().u64(self.entries.count).sure();
        if !self.media.is_empty() {
            e.u8(16).sure().array(self.media.len() as u64).sure();
            for (place, bytes) in &self.media {
                e.array(2).sure().u64(*place).sure().u64(*bytes).sure();
            }
        }
        if !self.watch.is_empty() {
            e.u8(17).sure();
            write_watch(&mut e, &self.watch);
        }
        if !self.alarms.is_empty() {
            e.u8(18).sure();
            write_alarms(&mut e, &self.alarms);
        }
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Malformed::limit("manifest", bytes.len() as u64, limit::MANIFEST_BYTES)?;
        let mut r = Reader::new(bytes, "manifest");
        let mut m = Self {
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
            entries: EntryStream { length: 0, blake3: [0; 32], extents: Vec::new(), count: 0 },
            media: Vec::new(),
            watch: Vec::new(),
            alarms: Vec::new(),
        };
        let (mut seen, mut last) = (0u32, None);
        for _ in 0..r.map()? {
            let key = r.key(&mut last)?;
            if key < 16 {
                seen |= 1 << key;
            }
            match key {
                0 => match r.uint()? {
                    VERSION => {}
                    found => return Err(Malformed::Newer { what: "manifest", found }),
                },
                1 => m.set = Id(r.fixed()?),
                2 => m.generation = r.count()?,
                3 => m.parent = r.count()?,
                4 => m.started = r.time()?,
                5 => m.finished = r.time()?,
                6 => m.host = r.text()?,
                7 => {
                    for _ in 0..r.array()? {
                        m.sources.push(decode_source(&mut r)?);
                    }
                }
                8 => m.tag = Some(r.text()?),
                9 => m.tool = r.text()?,
                10 => m.set_key = r.fixed()?,
                11 => {
                    for _ in 0..r.array()? {
                        m.recipients.push(r.text()?);
                    }
                }
                12 => m.full = r.bool()?,
                13 => {
                    for _ in 0..r.array()? {
                        r.tuple(2)?;
                        m.statistics.push((r.text()?, r.uint()?));
                    }
                }
                14 => {
                    let n = r.array()?;
                    Malformed::limit("findings", n, FINDINGS as u64)?;
                    for _ in 0..n {
                        r.tuple(3)?;
                        m.findings.push(Finding { kind: r.text()?, path: r.bytes()?.to_vec(), detail: r.text()? });
                    }
                }
                15 => m.entries = decode_entries(&mut r)?,
                16 => {
                    for _ in 0..r.array()? {
                        r.tuple(2)?;
                        m.media.push((r.count()?, r.uint()?));
                    }
                }
                17 => m.watch = read_watch(&mut r)?,
                18 => m.alarms = read_alarms(&mut r)?,
                _ => r.skip(1)?,
            }
        }
        r.end()?;
        const ALWAYS: u32 = 0xFFFF & !(1 << 8);
        if seen & ALWAYS != ALWAYS || m.generation == 0 {
            return Err(r.wrong("a required key is missing"));
        }
        if m.parent >= m.generation {
            return Err(r.wrong("the parent is not an earlier generation"));
        }
        if m.sources.windows(2).any(|w| !come_apart(&w[0].name, &w[1].name)) {
            return Err(r.wrong("sources out of order or within each other"));
        }
        if m.media.first().is_some_and(|m| m.0 == 0) || m.media.windows(2).any(|w| w[0].0 >= w[1].0) {
            return Err(r.wrong("the media of its pick list do not ascend"));
        }
        let length: u64 = m.entries.extents.iter().map(|x| x.length).fold(0, u64::saturating_add);
        if length != m.entries.length {
            return Err(r.wrong("extents do not add up to the entry stream"));
        }
        Ok(m)
    }
}

/// Whether a source of the first name may be followed by one of the second: it is greater, and does not lie within the first.
pub fn come_apart(a: &[u8], b: &[u8]) -> bool {
    compare_paths(a, b).is_lt() && !b.strip_prefix(a).is_some_and(|rest| rest.starts_with(b"/"))
}

fn decode_source(r: &mut Reader) -> Result<Source, Malformed> {
    let (kind, rules) = (SourceKind::Tree, Rules::Plain);
    let mut s = Source { name: Vec::new(), path: Vec::new(), kind, excludes: Vec::new(), rules, priority: None };
    let (mut last, mut seen) = (None, 0);
    for _ in 0..r.map()? {
        let key = r.key(&mut last)?;
        seen |= if key < 3 { 1 << key } else { 0 };
        match key {
            0 => s.name = r.bytes()?.to_vec(),
            1 => s.path = r.bytes()?.to_vec(),
            2 => {
                s.kind = match r.uint()? {
                    0 => SourceKind::Tree,
                    1 => SourceKind::Command,
                    _ => return Err(r.wrong("unknown kind of source")),
                }
            }
            3 => {
                for _ in 0..r.array()? {
                    s.excludes.push(r.bytes()?.to_vec());
                }
            }
            4 => {
                // Later rules are no reason not to restore.
                let number = r.uint()?;
                s.rules = Rules::ALL.into_iter().find(|rules| *rules as u64 == number).unwrap_or_default();
            }
            // Nor is another order.
            5 => s.priority = u8::try_from(r.uint()?).ok().filter(|p| (1..=LAST_PRIORITY).contains(p)),
            _ => r.skip(3)?,
        }
    }
    if seen != 0b111 {
        return Err(r.wrong("a source is incomplete"));
    }
    check_path(&s.name)?;
    Ok(s)
}

fn decode_entries(r: &mut Reader) -> Result<EntryStream, Malformed> {
    let mut e = EntryStream { length: 0, blake3: [0; 32], extents: Vec::new(), count: 0 };
    let (mut last, mut seen) = (None, 0);
    for _ in 0..r.map()? {
        seen += 1;
        match r.key(&mut last)? {
            0 => e.length = r.count()?,
            1 => e.blake3 = r.fixed()?,
            2 => e.extents = r.extents()?,
            3 => e.count = r.count()?,
            _ => {
                seen -= 1;
                r.skip(2)?;
            }
        }
    }
    if seen == 4 { Ok(e) } else { Err(r.wrong("entries are incomplete")) }
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
