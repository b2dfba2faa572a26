//! The text in which a generation seals when each medium was attached, for people: an object of kind `extra`.
//!
//! ```text
//! azekura attached 1
//! host TEXT
//! time TIME                           when the text was written
//! ledger COUNT HEX16                  lines of the ledger at that time, and the digest of the last one
//! since TIME                          intervals that ended before are left out
//! left-out COUNT                      further intervals, the oldest, for which there was no room
//! intervals COUNT
//! interval TIME WHO TIME WHO COUNT    from when, until when, and who told each; `- -` if it was not seen to leave
//! medium TEXT                         as many lines as the interval counts: the medium, or those that it may have been
//! ```
//!
//! TIME, COUNT, HEX and TEXT are as in section 1 of the format. WHO is `udev`, `run` or `person`.

use super::attached::{Attachment, Witness};
use super::{LedgerContent, LedgerLine};
use crate::format::text::{TextLines, is_text, is_time};
use crate::format::{Malformed, VERSION};
use std::collections::BTreeSet;

/// The word of the text's first line.
const WORD: &str = "attached";
/// Seconds that a text goes back at least, 35 days: one text shows a month, whichever night it is of.
pub const SECONDS_BACK: i64 = 35 * 86_400;
/// The most bytes of a text.
pub const TEXT_BYTES: u64 = 1 << 20;
/// The most intervals in a text.
const INTERVALS: usize = 4_096;
/// The most media that one interval names.
const MEDIA: usize = 64;

/// What a generation seals. Names are as people may be shown them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedAttachments {
    /// The host.
    pub host: String,
    /// When it was written: RFC 3339, UTC.
    pub time: String,
    /// Lines of the ledger.
    pub lines: u64,
    /// Digest of the last of these lines; zeros where there is none.
    pub digest: String,
    /// Intervals that ended before are left out.
    pub since: String,
    /// How many further intervals are left out, the oldest.
    pub left_out: u64,
    /// The intervals, in the order in which they began. They name no hardware.
    pub attachments: Vec<Attachment>,
}

/// The name as a text may have it.
fn as_text(name: &str) -> String {
    let shown: String =
        name.chars().map(|c| if is_text(c.encode_utf8(&mut [0; 4])) || c == ' ' { c } else { '\u{FFFD}' }).collect();
    let end = (0..=shown.len().min(255)).rfind(|at| shown.is_char_boundary(*at)).unwrap_or(0);
    let shown = shown[..end].trim_matches(' ');
    if shown.is_empty() { "\u{FFFD}".into() } else { shown.to_owned() }
}

impl Attachment {
    /// As a sealed text has it.
    fn to_seal(&self) -> Self {
        let media = self.media.iter().take(MEDIA).map(|m| as_text(m)).collect();
        Self { media, device: None, ..self.clone() }
    }

    fn is_open_at(&self, time: &str) -> bool {
        self.left.as_ref().is_none_or(|(left, _)| &left[..] >= time)
    }

    fn text(&self) -> String {
        let (until, who) = self.left.as_ref().map_or(("-", "-"), |(time, who)| (time, who.name()));
        let interval = format!("interval {} {} {until} {who} {}\n", self.since, self.came.name(), self.media.len());
        self.media.iter().fold(interval, |text, m| text + "medium " + m + "\n")
    }
}

impl SealedAttachments {
    /// What is sealed at `time`: the intervals that ended since the last generation in the ledger or since `back`, whichever is
    /// earlier, and those that are open.
    pub fn of(book: &LedgerContent, host: &str, time: &str, back: &str) -> Self {
        let is_written = |l: &&LedgerLine| matches!(l.event, super::LedgerEvent::Written { .. }) && l.time[..] < *time;
        let last = book.lines.iter().rev().find(is_written).map(|l| l.time.clone());
        let since = last.into_iter().chain([back.to_owned()]).filter(|t| is_time(t)).min().unwrap_or_else(|| time.to_owned());
        // Lines that somebody has edited by hand may have anything as their time.
        let has_times = |a: &Attachment| is_time(&a.since) && a.left.as_ref().is_none_or(|(left, _)| is_time(left));
        let all: Vec<Attachment> =
            book.attachments().iter().filter(|a| has_times(a) && a.is_open_at(&since)).map(Attachment::to_seal).collect();
        let mut room = (TEXT_BYTES / 2) as usize;
        let fits = |a: &&Attachment| {
            room = room.saturating_sub(a.text().len());
            room > 0
        };
        let kept = all.iter().rev().take(INTERVALS).take_while(fits).count();
        Self {
            host: as_text(host),
            time: time.to_owned(),
            lines: book.lines.len() as u64,
            digest: book.digests().pop().unwrap_or_else(|| "0".repeat(32)),
            since,
            left_out: (all.len() - kept) as u64,
            attachments: all[all.len() - kept..].to_vec(),
        }
    }

    /// The text.
    pub fn encode(&self) -> Vec<u8> {
        let Self { host, time, lines, digest, since, left_out, attachments } = self;
        let mut text = format!(
            "azekura {WORD} {VERSION}\nhost {host}\ntime {time}\nledger {lines} {digest}\nsince {since}\nleft-out {left_out}\n\
             intervals {}\n",
            attachments.len()
        );
        attachments.iter().for_each(|a| text.push_str(&a.text()));
        text.into_bytes()
    }

    /// Decodes a text of at most [`TEXT_BYTES`]. `None`: it is another file for people.
    pub fn decode(bytes: &[u8]) -> Option<Result<Self, Malformed>> {
        bytes.starts_with(format!("azekura {WORD} ").as_bytes()).then(|| Self::decode_text(bytes))
    }

    fn decode_text(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut lines = TextLines::begin(WORD, bytes)?;
        if bytes.len() as u64 > TEXT_BYTES {
            return Err(lines.wrong("too long"));
        }
        let (host, time) = (lines.text("host")?, lines.time("time")?);
        let [count, digest] = lines.fields("ledger")?;
        let (count, digest) = (lines.to_number(count)?, lines.to_hex::<16>(digest).map(|_| digest.to_owned())?);
        let (since, left_out) = (lines.time("since")?, lines.number("left-out")?);
        let intervals = lines.number("intervals")?;
        if intervals > INTERVALS as u64 {
            return Err(lines.wrong("too many intervals"));
        }
        let attachments = (0..intervals).map(|_| decode_interval(&mut lines)).collect::<Result<_, _>>()?;
        lines.end()?;
        Ok(Self { host, time, lines: count, digest, since, left_out, attachments })
    }
}

fn decode_interval(lines: &mut TextLines) -> Result<Attachment, Malformed> {
    let [since, came, until, who, count] = lines.fields("interval")?;
    let time = |t: &str| if is_time(t) { Ok(t.to_owned()) } else { Err(lines.wrong(format!("{t:?} is not a time"))) };
    let witness = |who: &str| {
        let known = Witness::ALL.into_iter().find(|w| w.name() == who);
        known.ok_or_else(|| lines.wrong(format!("{who:?} is nobody who tells of media")))
    };
    let left = match (until, who) {
        ("-", "-") => None,
        (until, who) => Some((time(until)?, witness(who)?)),
    };
    let (since, came, count) = (time(since)?, witness(came)?, lines.to_number(count)?);
    if !(1..=MEDIA as u64).contains(&count) {
        return Err(lines.wrong("an interval of no medium, or of too many"));
    }
    let media = (0..count).map(|_| lines.text("medium")).collect::<Result<_, _>>()?;
    Ok(Attachment { media, device: None, since, came, left })
}

/// What does not fit between the ledger and a sealed text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LedgerChange {
    /// The ledger's lines up to this one are not those that were sealed: one was changed, removed or added.
    Lines {
        /// How many lines the ledger had.
        lines: u64,
    },
    /// An interval is another one now.
    Changed {
        /// As it was sealed.
        sealed: Attachment,
        /// As the ledger has it.
        now: Attachment,
    },
    /// An interval is not in the ledger any more.
    Removed {
        /// As it was sealed.
        sealed: Attachment,
    },
    /// An interval is in the ledger that was not there.
    Added {
        /// As the ledger has it.
        now: Attachment,
    },
}

/// The ledger as it is, to be compared with sealed texts.
pub struct LedgerToCompare {
    digests: Vec<String>,
    attachments: Vec<Attachment>,
}

impl LedgerToCompare {
    /// Of the ledger's content.
    pub fn of(book: &LedgerContent) -> Self {
        Self { digests: book.digests(), attachments: book.attachments().iter().map(Attachment::to_seal).collect() }
    }

    /// What was changed since a text was sealed. Where the ledger still leads through the digest in the text, every line before is
    /// what it was, and so is every interval.
    pub fn compare(&self, sealed: &SealedAttachments) -> Vec<LedgerChange> {
        let at = usize::try_from(sealed.lines).ok();
        let leads_through = match at {
            Some(0) => true,
            at => at.and_then(|n| self.digests.get(n - 1)) == Some(&sealed.digest),
        };
        if leads_through {
            return Vec::new();
        }
        let mut changes = vec![LedgerChange::Lines { lines: sealed.lines }];
        let mut matched: BTreeSet<usize> = BTreeSet::new();
        let mut pick = |fits: &dyn Fn(&Attachment) -> bool| {
            let at = (0..self.attachments.len()).find(|at| !matched.contains(at) && fits(&self.attachments[*at]))?;
            matched.insert(at);
            Some(&self.attachments[at])
        };
        let mut other = Vec::new();
        for s in &sealed.attachments {
            if pick(&|now| is_still(s, now, &sealed.time)).is_none() {
                other.push(s);
            }
        }
        for s in other {
            // The same interval with another end, or another beginning.
            let is_of_same = |now: &Attachment| now.media.iter().any(|m| s.is_of(m));
            let now = pick(&|now| is_of_same(now) && now.since == s.since);
            let now = now.or_else(|| pick(&|now| is_of_same(now) && (now.left == s.left || overlap(s, now))));
            changes.push(match now {
                Some(now) => LedgerChange::Changed { sealed: s.clone(), now: now.clone() },
                None => LedgerChange::Removed { sealed: s.clone() },
            });
        }
        let oldest = if sealed.left_out > 0 { sealed.attachments.first().map(|a| &a.since[..]) } else { None };
        let is_within = |a: &Attachment| {
            a.since < sealed.time && a.is_open_at(&sealed.since) && oldest.is_none_or(|oldest| &a.since[..] >= oldest)
        };
        let added = self.attachments.iter().enumerate().filter(|(at, a)| !matched.contains(at) && is_within(a));
        changes.extend(added.map(|(_, a)| LedgerChange::Added { now: a.clone() }));
        changes
    }
}

/// Whether an interval is the one that was sealed at `time`. One that was open then may have ended, and it may have become known
/// which medium it is of.
fn is_still(sealed: &Attachment, now: &Attachment, time: &str) -> bool {
    let begins = (&sealed.since, sealed.came) == (&now.since, now.came);
    begins
        && match &sealed.left {
            Some(_) => sealed.left == now.left && sealed.media == now.media,
            None => now.is_open_at(time) && now.media.iter().all(|m| sealed.is_of(m)),
        }
}

fn overlap(a: &Attachment, b: &Attachment) -> bool {
    a.is_open_at(&b.since) && b.is_open_at(&a.since)
}

#[cfg(test)]
mod tests;
