//! The log of nights: when each backup began, and how it ended. `STATE/nights.jsonl`, a line for each.
//!
//! **Invariant:** a line is written before anything else is tried. So a run that was killed, or a host that went off, leaves a
//! beginning without an end, and never nothing.
//!
//! **Invariant:** the file is only ever appended to. `nights.end` beside it counts the lines, so that lines which were cut off
//! from its end are missed. It is made before the first line, and then written behind each.

use super::append::append_line;
use super::files::{STATE_BYTES, read_own, replace};
use crate::format::seal::{ReadBack, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum NightLine {
    /// A backup began.
    Begun {
        /// RFC 3339, UTC. It names the run in [`NightLine::Ended`], together with the process.
        time: String,
        /// The process on this host.
        process: u32,
        /// Names of the sources that it was to back up.
        sources: Vec<String>,
        /// They are those of the configuration.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        configured: bool,
    },
    /// It ended.
    Ended {
        /// When the run began.
        begun: String,
        /// The process that it was.
        process: u32,
        /// RFC 3339, UTC.
        time: String,
        /// The command's exit code.
        exit: u8,
        /// What was sealed; absent where nothing was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sealed: Option<Box<SealedNight>>,
        /// Why nothing was sealed, or what was wrong afterwards, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Words>,
        /// What to do about it, likewise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<Words>,
        /// Nothing was sealed: whether an alarm was noted before that; absent in lines of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        noted_alarm: Option<bool>,
    },
}

/// What a run said to people. Whoever reads the log later may read another language than that of the run, so the log has no
/// sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Words {
    /// A message of the program's catalogue.
    Message {
        /// Its key.
        key: String,
        /// What fills its gaps, by their names.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        gaps: BTreeMap<String, Words>,
    },
    /// A point in time.
    Time {
        /// RFC 3339, UTC.
        time: String,
    },
    /// A name or a number. In lines of earlier versions: all that was said, in the language of the run.
    Text(String),
}

/// What a backup has sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedNight {
    /// The id of the set, 32 hexadecimal digits.
    pub set: String,
    /// What people call the set.
    pub set_name: String,
    /// The medium, by the ledger's name.
    pub medium: String,
    /// The generation's number.
    pub generation: u64,
    /// The check code of its seal.
    pub check_code: String,
    /// RFC 3339, UTC.
    pub time: String,
    /// The verdict in its seal.
    pub verdict: Verdict,
    /// How its objects were read back.
    pub read_back: ReadBack,
    /// What became of each source.
    pub sources: Vec<SourceNight>,
    /// The clock is in doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockDoubt>,
    /// Files of the set's folder in which the host remembers something of the sources since; none in lines of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<String>,
    /// Something on the medium that no seal covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<String>,
}

/// The exit code of a run that sealed, and that this host could not record.
pub const SEALED_ONLY: u8 = 8;

/// Why the clock of a night is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockDoubt {
    /// It showed a time that cannot be.
    Impossible,
    /// It showed an earlier time than when the generation before was sealed.
    SetBack,
}

/// What became of a source in one night.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceNight {
    /// Its name.
    pub name: String,
    /// The path or the command that was backed up under this name; absent in lines of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The verdict of the seal, as far as it is about this source.
    pub verdict: Verdict,
    /// `alarm`: which generations raised the alarms first; none where it is this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<NightAlarm>,
    /// `alarm`: something was unreadable, stale or missing, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_incomplete: bool,
    /// What was unreadable, stale or missing, what is about the source as a whole first; absent in lines of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<NightFinding>,
}

/// What a night has found in a source, without any name: whoever may not read the source may read the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NightFinding {
    /// Its kind, as in a manifest; or [`UNLISTED`].
    pub kind: String,
    /// How many.
    pub count: u64,
    /// `source-stale`: since when there is nothing new, RFC 3339, UTC; absent where nobody knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// The kind of findings that a report only counts: nobody knows of which source they are.
pub const UNLISTED: &str = "unlisted";

/// A generation that raised an alarm first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NightAlarm {
    /// The id of its set, 32 hexadecimal digits.
    pub set: String,
    /// Its number.
    pub generation: u64,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Night {
    /// When it began: RFC 3339, UTC.
    pub begun: String,
    /// The process that it was.
    pub process: u32,
    /// Names of the sources that it was to back up.
    pub sources: Vec<String>,
    /// They are those of the configuration.
    pub configured: bool,
    /// `None`: it was killed, the host went off, or it is still running.
    pub end: Option<NightEnd>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NightEnd {
    /// RFC 3339, UTC.
    pub time: String,
    /// The command's exit code.
    pub exit: u8,
    /// What was sealed.
    pub sealed: Option<SealedNight>,
    /// Why nothing was sealed, or what was wrong afterwards.
    pub why: Option<Words>,
    /// What to do about it.
    pub hint: Option<Words>,
    /// Nothing was sealed: whether an alarm was noted before that. `None`: nobody knows.
    pub noted_alarm: Option<bool>,
}

/// The log's file.
#[derive(Debug, Clone)]
pub struct NightLog {
    path: PathBuf,
}

impl NightLog {
    /// The log of a state directory. The file is created with the first line.
    pub fn of(state: &Path) -> Self {
        Self { path: state.join("nights.jsonl") }
    }

    /// The log's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line, durably.
    pub fn write(&self, line: &NightLine) -> io::Result<()> {
        let text = serde_json::to_string(line)?;
        let is_sealed = matches!(line, NightLine::Ended { sealed: Some(_), .. });
        let mut lines = 0;
        let appended = append_line(&self.path, |before| {
            let there = count_lines(before);
            // Lines that are missing are missed until something is sealed.
            lines = 1 + if is_sealed { there } else { self.counted(there).max(there) };
            if before.is_empty() && !self.end().exists() {
                replace(&self.end(), b"0")?;
            }
            Ok(text)
        });
        let _locked = appended.map_err(|(_, e)| e)?;
        replace(&self.end(), lines.to_string().as_bytes())
    }

    fn end(&self) -> PathBuf {
        self.path.with_extension("end")
    }

    /// How many lines there were. Where nothing says it, and there are some: one more than these.
    fn counted(&self, there: u64) -> u64 {
        self.known().unwrap_or(if there == 0 { 0 } else { there + 1 })
    }

    /// How many lines there were, by the file that counts them.
    fn known(&self) -> Option<u64> {
        str::from_utf8(&read_own(&self.end(), 64).ok()?).ok()?.parse().ok()
    }

    /// When a run last sealed something: RFC 3339, UTC.
    pub fn last_sealed(&self) -> Option<String> {
        self.sealed().pop().map(|sealed| sealed.time)
    }

    /// What runs have sealed, in the order of their beginnings.
    pub fn sealed(&self) -> Vec<SealedNight> {
        let (nights, _) = self.read().unwrap_or_default();
        nights.into_iter().filter_map(|night| night.end?.sealed).collect()
    }

    /// What a run has last sealed of a set.
    pub fn last_of(&self, set: &str) -> Option<SealedNight> {
        self.sealed().into_iter().rfind(|sealed| sealed.set == set)
    }

    /// Of each set, the generation behind which no run of this host can have left anything: the run that sealed it has recorded it,
    /// and every later one has sealed something of another set. `own`: the process whose run does not count, as it begins now.
    pub fn at_rest(&self, own: Option<u32>) -> BTreeMap<String, u64> {
        let (mut nights, unreadable) = self.read().unwrap_or_default();
        let mut at_rest = BTreeMap::new();
        if unreadable > 0 {
            return at_rest;
        }
        nights.pop_if(|night| night.end.is_none() && Some(night.process) == own);
        for night in nights.into_iter().rev() {
            let Some(NightEnd { exit, sealed: Some(sealed), .. }) = night.end else { break };
            if exit == SEALED_ONLY {
                break;
            }
            at_rest.entry(sealed.set).or_insert(sealed.generation);
        }
        at_rest
    }

    /// All runs, in the order of their beginnings; and how many lines cannot be read or are missing since a run last sealed
    /// something: a power cut tears a line.
    pub fn read(&self) -> io::Result<(Vec<Night>, u64)> {
        // Before the log: what another run writes meanwhile is behind it.
        let known = self.known();
        let text = match read_own(&self.path, STATE_BYTES) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e),
        };
        let (mut nights, mut unreadable): (Vec<Night>, u64) = Default::default();
        for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(NightLine::Begun { time, process, sources, configured }) => {
                    nights.push(Night { begun: time, process, sources, configured, end: None });
                }
                Ok(NightLine::Ended { begun, process, time, exit, sealed, why, hint, noted_alarm }) => {
                    unreadable = if sealed.is_some() { 0 } else { unreadable };
                    let end = Some(NightEnd { time, exit, sealed: sealed.map(|s| *s), why, hint, noted_alarm });
                    match nights.iter_mut().rfind(|n| n.begun == begun && n.process == process) {
                        Some(night) => night.end = end,
                        // The line of its beginning is torn.
                        None => nights.push(Night { begun, process, sources: Vec::new(), configured: false, end }),
                    }
                }
                Err(_) => unreadable += 1,
            }
        }
        let there = count_lines(&text);
        let missing = known.map_or(u64::from(there > 0), |known| known.saturating_sub(there));
        Ok((nights, unreadable + missing))
    }
}

fn count_lines(text: &[u8]) -> u64 {
    text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(time: &str) -> NightLine {
        NightLine::Begun { time: time.into(), process: 7, sources: vec!["ehr".into()], configured: true }
    }

    #[test]
    fn a_run_without_an_end_is_seen_and_a_torn_line_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let log = NightLog::of(dir.path());
        assert_eq!(log.read().unwrap(), (Vec::new(), 0));
        log.write(&begun("2026-11-23T01:30:00Z")).unwrap();
        let end = NightLine::Ended {
            begun: "2026-11-23T01:30:00Z".into(),
            process: 7,
            time: "2026-11-23T01:31:00Z".into(),
            exit: 6,
            sealed: None,
            why: Some(Words::Text("no medium".into())),
            hint: None,
            noted_alarm: None,
        };
        log.write(&end).unwrap();
        let mut text = std::fs::read(log.path()).unwrap();
        text.extend_from_slice(b"{\"event\":\"begun\",\"ti");
        std::fs::write(log.path(), text).unwrap();
        log.write(&begun("2026-11-24T01:30:00Z")).unwrap();
        let (nights, unreadable) = log.read().unwrap();
        assert_eq!(unreadable, 1);
        assert_eq!(nights.iter().map(|n| n.end.as_ref().map(|e| e.exit)).collect::<Vec<_>>(), [Some(6), None]);
    }

    /// Whoever cuts off the night that failed leaves a log in which all is well.
    #[test]
    fn lines_that_were_cut_off_are_missed_until_something_is_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let log = NightLog::of(dir.path());
        for day in 1..4 {
            log.write(&begun(&format!("2026-11-0{day}T01:30:00Z"))).unwrap();
        }
        let whole = std::fs::read_to_string(log.path()).unwrap();
        let shorter: String = whole.lines().take(1).map(|line| format!("{line}\n")).collect();
        for (then, missing) in [(&shorter[..], 2), ("", 3), (&whole[..], 0)] {
            std::fs::write(log.path(), then).unwrap();
            assert_eq!(log.read().unwrap().1, missing);
        }
        std::fs::write(log.path(), &shorter).unwrap();
        log.write(&begun("2026-11-04T01:30:00Z")).unwrap();
        assert_eq!(log.read().unwrap().1, 2);
        std::fs::remove_file(log.end()).unwrap();
        assert_eq!(log.read().unwrap().1, 1, "nobody knows how many");
        std::fs::write(log.end(), "").unwrap();
        assert_eq!(log.read().unwrap().1, 1, "nor does an empty file");
        log.write(&begun("2026-11-05T01:30:00Z")).unwrap();
        assert_eq!(log.read().unwrap().1, 1);
        let sealed = SealedNight {
            set: "00".into(),
            set_name: "clinic".into(),
            medium: "CL-01".into(),
            generation: 1,
            check_code: "JHFB".into(),
            time: "2026-11-05T01:31:00Z".into(),
            verdict: Verdict::Good,
            read_back: ReadBack::Direct,
            sources: Vec::new(),
            clock: None,
            memory: Vec::new(),
            foreign: None,
        };
        let (begun, time) = ("2026-11-05T01:30:00Z".into(), "2026-11-05T01:31:00Z".into());
        let sealed = Some(Box::new(sealed));
        log.write(&NightLine::Ended { begun, process: 7, time, exit: 0, sealed, why: None, hint: None, noted_alarm: None })
            .unwrap();
        assert_eq!(log.read().unwrap().1, 0);
    }
}
