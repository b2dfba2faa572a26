//! Section 5: the tripwires' measurements and alarms, as a manifest stores them.

use super::Malformed;
use super::cbor::{CborReader, CborWriter};

/// Nights of a source that are stored.
pub const NIGHTS: usize = 35;
/// Kinds of files of a source that are counted separately.
pub const KINDS: usize = 512;
/// Bytes of a kind's name.
pub const KIND_BYTES: usize = 16;
/// Paths stored with an alarm.
pub const PATHS: usize = 10;
const SOURCES: u64 = 100_000;

/// Counts of one source in one night.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measures {
    /// Files in the source.
    pub files: u64,
    /// Bytes of content in the source.
    pub bytes: u64,
    /// Files with other content than the night before.
    pub changed: u64,
    /// Files that did not exist the night before.
    pub new: u64,
    /// Files that existed the night before and do no longer.
    pub gone: u64,
    /// Files whose content changed although the source's rules forbid it.
    pub forbidden: u64,
    /// New or changed files that look like noise, of kinds that usually do not.
    pub noisy: u64,
    /// Bytes of new or changed files that look like noise.
    pub noisy_bytes: u64,
    /// New or changed files whose first bytes are not those of their kind.
    pub misfit: u64,
    /// New files of kinds that the source did not have before.
    pub strange: u64,
    /// Canaries that were changed or are gone.
    pub canaries: u64,
    /// Bytes of chunks that were not stored before.
    pub new_bytes: u64,
    /// Changed files of kinds that are written only once: images, archives, printed pages.
    pub finished: u64,
}

impl Measures {
    const COUNT: usize = 13;

    fn all(&mut self) -> [&mut u64; Self::COUNT] {
        [
            &mut self.files,
            &mut self.bytes,
            &mut self.changed,
            &mut self.new,
            &mut self.gone,
            &mut self.forbidden,
            &mut self.noisy,
            &mut self.noisy_bytes,
            &mut self.misfit,
            &mut self.strange,
            &mut self.canaries,
            &mut self.new_bytes,
            &mut self.finished,
        ]
    }
}

/// What a night contributes to what is usual for its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NightKind {
    /// All its counts.
    #[default]
    Usual,
    /// Nothing: an alarm was raised.
    Alarm,
    /// Only the number of files and bytes from then on: much changed at once, and somebody had announced it.
    Announced,
}

/// A night of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Night {
    /// The generation of that night.
    pub generation: u64,
    /// What it contributes to what is usual.
    pub kind: NightKind,
    /// Its counts.
    pub measures: Measures,
}

/// Counts of one kind of files, over all nights without an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KindCounts {
    /// The extension in lower case; empty: none.
    pub kind: Vec<u8>,
    /// Files that were read.
    pub files: u64,
    /// Those that looked like noise.
    pub noisy: u64,
    /// Those whose first bytes were not those of the kind.
    pub misfit: u64,
}

/// The history of a source, by which the next night is judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceWatch {
    /// Name of the source.
    pub source: Vec<u8>,
    /// The last [`NIGHTS`], ascending by generation.
    pub nights: Vec<Night>,
    /// At most [`KINDS`], ascending by name.
    pub kinds: Vec<KindCounts>,
}

/// An alarm of a tripwire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Name of the tripwire.
    pub tripwire: String,
    /// Name of the source.
    pub source: Vec<u8>,
    /// The count.
    pub measured: u64,
    /// The count from which on there is an alarm.
    pub limit: u64,
    /// Up to [`PATHS`] entries that show it.
    pub paths: Vec<Vec<u8>>,
}

pub(super) fn write_watch(w: &mut CborWriter, all: &[SourceWatch]) {
    w.array(all.len() as u64);
    for s in all {
        w.map(3).u8(0).bytes(&s.source).u8(1).array(s.nights.len() as u64);
        for n in &s.nights {
            w.array(2 + Measures::COUNT as u64).u64(n.generation).u8(n.kind as u8);
            let mut measures = n.measures;
            for count in measures.all() {
                w.u64(*count);
            }
        }
        w.u8(2).array(s.kinds.len() as u64);
        for k in &s.kinds {
            w.array(4).bytes(&k.kind).u64(k.files).u64(k.noisy).u64(k.misfit);
        }
    }
}

pub(super) fn read_watch(r: &mut CborReader) -> Result<Vec<SourceWatch>, Malformed> {
    let mut all = Vec::new();
    let n = r.array()?;
    Malformed::limit("watched sources", n, SOURCES)?;
    for _ in 0..n {
        let mut s = SourceWatch::default();
        let mut last = None;
        for _ in 0..r.map()? {
            match r.key(&mut last)? {
                0 => s.source = r.bytes()?.to_vec(),
                1 => {
                    let n = r.array()?;
                    Malformed::limit("nights", n, NIGHTS as u64)?;
                    for _ in 0..n {
                        s.nights.push(read_night(r)?);
                    }
                }
                2 => {
                    let n = r.array()?;
                    Malformed::limit("kinds of files", n, KINDS as u64)?;
                    for _ in 0..n {
                        r.tuple(4)?;
                        let kind = r.bytes()?;
                        Malformed::limit("kind of files", kind.len() as u64, KIND_BYTES as u64)?;
                        let kind = kind.to_vec();
                        s.kinds.push(KindCounts { kind, files: r.uint()?, noisy: r.uint()?, misfit: r.uint()? });
                    }
                }
                key => r.skip_unknown(key, 3)?,
            }
        }
        all.push(s);
    }
    Ok(all)
}

fn read_night(r: &mut CborReader) -> Result<Night, Malformed> {
    let n = r.array()?;
    if n < 2 {
        return Err(r.wrong("a night of fewer than two items"));
    }
    let generation = r.uint()?;
    let kind = match r.uint()? {
        0 => NightKind::Usual,
        2 => NightKind::Announced,
        _ => NightKind::Alarm,
    };
    let mut night = Night { generation, kind, measures: Measures::default() };
    let counts = night.measures.all();
    let given = n as usize - 2;
    for count in counts.into_iter().take(given) {
        *count = r.uint()?;
    }
    // A later version may count more.
    for _ in Measures::COUNT..given {
        r.skip(3)?;
    }
    Ok(night)
}

pub(super) fn write_alarms(w: &mut CborWriter, all: &[Alarm]) {
    w.array(all.len() as u64);
    for a in all {
        w.array(5).str(&a.tripwire).bytes(&a.source).u64(a.measured).u64(a.limit);
        w.array(a.paths.len() as u64);
        for path in &a.paths {
            w.bytes(path);
        }
    }
}

pub(super) fn read_alarms(r: &mut CborReader) -> Result<Vec<Alarm>, Malformed> {
    let mut all = Vec::new();
    let n = r.array()?;
    Malformed::limit("alarms", n, SOURCES)?;
    for _ in 0..n {
        r.tuple(5)?;
        let (tripwire, source) = (r.text()?, r.bytes()?.to_vec());
        let mut alarm = Alarm { tripwire, source, measured: r.uint()?, limit: r.uint()?, paths: Vec::new() };
        let paths = r.array()?;
        Malformed::limit("paths of an alarm", paths, PATHS as u64)?;
        for _ in 0..paths {
            alarm.paths.push(r.bytes()?.to_vec());
        }
        all.push(alarm);
    }
    Ok(all)
}

/// The histories as a host keeps them between two nights: the same bytes as in the manifest.
pub fn encode(all: &[SourceWatch]) -> Vec<u8> {
    let mut out = Vec::new();
    write_watch(&mut CborWriter::new(&mut out), all);
    out
}

/// Decodes what [`encode`] made.
pub fn decode(bytes: &[u8]) -> Result<Vec<SourceWatch>, Malformed> {
    let mut r = CborReader::new(bytes, "watch");
    let all = read_watch(&mut r)?;
    r.end()?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn night(counts: &[u64]) -> Night {
        let mut bytes = Vec::new();
        let mut w = CborWriter::new(&mut bytes);
        w.array(2 + counts.len() as u64).u64(7).u8(0);
        for count in counts {
            w.u64(*count);
        }
        read_night(&mut CborReader::new(&bytes, "watch")).expect("a night")
    }

    #[test]
    fn counts_that_a_night_lacks_are_0_and_further_ones_are_passed_over() {
        assert_eq!(night(&[]), Night { generation: 7, ..Night::default() });
        assert_eq!(night(&[3]).measures, Measures { files: 3, ..Measures::default() });
        let all: Vec<u64> = (1..=Measures::COUNT as u64).collect();
        assert_eq!(night(&[&all[..], &[9]].concat()), night(&all));
        assert_eq!(night(&all).measures.finished, Measures::COUNT as u64);
    }
}
