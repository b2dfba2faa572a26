//! The intervals in which each medium was attached, from the lines of the ledger.
//!
//! **Invariant:** what nobody saw to leave counts as attached. A medium whose coming was missed was attached since it was last
//! known; one whose going was missed is attached until somebody says otherwise.

use super::{LedgerContent, LedgerEvent, LedgerLine, MediumAccount, enter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// udev, at the moment when it happened.
    Udev,
    /// A command that found the medium attached, or gone.
    Run,
    /// A person, with `media move`.
    Person,
}

impl Witness {
    /// Every witness.
    pub const ALL: [Self; 3] = [Self::Udev, Self::Run, Self::Person];

    /// As sealed texts have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udev => "udev",
            Self::Run => "run",
            Self::Person => "person",
        }
    }
}

/// An interval in which a medium was attached. Times are RFC 3339, UTC, of the host's clock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attachment {
    /// The medium, by the ledger's name; several where they share hardware that was attached, and nobody found out which of
    /// them was in it.
    pub media: Vec<String>,
    /// Model and serial number of the hardware, where known.
    pub device: Option<String>,
    /// Since when.
    pub since: String,
    /// Who told that.
    pub came: Witness,
    /// Until when, and who told that. `None`: it was not seen to leave, and counts as still attached.
    pub left: Option<(String, Witness)>,
}

impl Attachment {
    /// Whether it may be about the medium of this name.
    pub fn is_of(&self, medium: &str) -> bool {
        self.media.iter().any(|m| m == medium)
    }
}

/// An interval, and the port of its hardware.
struct Interval {
    shown: Attachment,
    port: Option<String>,
}

impl Interval {
    fn is_open(&self) -> bool {
        self.shown.left.is_none()
    }

    fn is_only_of(&self, medium: &str) -> bool {
        matches!(&self.shown.media[..], [only] if only == medium)
    }

    fn leaves(&mut self, time: &str, who: Witness) {
        self.shown.left = Some((time.to_owned(), who));
    }
}

/// The intervals so far.
#[derive(Default)]
struct Intervals {
    media: BTreeMap<String, MediumAccount>,
    all: Vec<Interval>,
}

impl LedgerContent {
    /// The intervals in which media were attached, in the order in which they began.
    pub fn attachments(&self) -> Vec<Attachment> {
        let mut intervals = Intervals::default();
        self.lines.iter().for_each(|l| intervals.enter(l));
        intervals.all.into_iter().map(|i| i.shown).collect()
    }
}

impl Intervals {
    fn enter(&mut self, l: &LedgerLine) {
        if let Some(before) = enter(&mut self.media, l) {
            let name = l.event.medium();
            let names = self.all.iter_mut().flat_map(|i| &mut i.shown.media);
            names.filter(|m| **m == before).for_each(|m| name.clone_into(m));
        }
        let time = &l.time;
        match &l.event {
            LedgerEvent::Registered { medium, .. }
            | LedgerEvent::Contains { medium, .. }
            | LedgerEvent::CopyBegun { medium, .. }
            | LedgerEvent::Copied { medium, .. }
            | LedgerEvent::Attached { medium, .. }
            | LedgerEvent::Written { medium, .. }
            | LedgerEvent::Full { medium }
            | LedgerEvent::Mismatched { medium, .. }
            | LedgerEvent::Foreign { medium, .. }
            | LedgerEvent::Verified { medium, .. }
            | LedgerEvent::Scrubbed { medium, .. } => self.found(medium, time),
            LedgerEvent::Plugged { medium, device, port } => self.plugged(medium.as_deref(), device, port.as_ref(), time),
            LedgerEvent::Unplugged { medium, device, port } => self.unplugged(medium.as_deref(), device, port.as_ref(), time),
            LedgerEvent::Detached { medium, seen: true } => self.gone(medium, time, Witness::Run),
            LedgerEvent::Moved { medium, .. } => self.gone(medium, time, Witness::Person),
            LedgerEvent::Detached { seen: false, .. }
            | LedgerEvent::Refused { .. }
            | LedgerEvent::Held { .. }
            | LedgerEvent::Harmless { .. }
            | LedgerEvent::ReleaseAsked { .. }
            | LedgerEvent::Released { .. }
            | LedgerEvent::Accepted { .. } => {}
        }
    }

    fn begin(&mut self, media: Vec<String>, (device, port): (Option<&str>, Option<&String>), since: &str, came: Witness) {
        let shown = Attachment { media, device: device.map(Into::into), since: since.to_owned(), came, left: None };
        self.all.push(Interval { shown, port: port.cloned() });
    }

    /// A run found a medium attached. Where it is in hardware that it shares with others, that is known now.
    fn found(&mut self, medium: &str, time: &str) {
        let device = self.media.get(medium).and_then(|m| m.device.clone());
        let is_unclear = |i: &Interval| i.is_open() && i.shown.media.len() > 1 && i.shown.is_of(medium);
        let mut unclear = (0..self.all.len()).filter(|at| is_unclear(&self.all[*at]));
        let unclear = unclear.next().filter(|_| unclear.next().is_none());
        let open = self.all.iter().position(|i| i.is_open() && i.is_only_of(medium));
        match (open, unclear) {
            (Some(open), Some(unclear)) if self.all[open].port.is_none() => {
                self.all[open].port = self.all[unclear].port.take();
                self.all.remove(unclear);
            }
            (Some(_), _) => {}
            (None, Some(unclear)) => self.all[unclear].shown.media = vec![medium.to_owned()],
            (None, None) => self.begin(vec![medium.to_owned()], (device.as_deref(), None), time, Witness::Run),
        }
    }

    fn plugged(&mut self, medium: Option<&str>, device: &str, port: Option<&String>, time: &str) {
        let is_this = |i: &&mut Interval| {
            i.is_open()
                && match medium {
                    Some(medium) => i.is_only_of(medium),
                    None => i.shown.device.as_deref() == Some(device) && i.port.as_ref() == port,
                }
        };
        if let Some(open) = self.all.iter_mut().find(is_this) {
            open.port = port.cloned();
            return;
        }
        let with_device = || self.media.values().filter(|m| m.device.as_deref() == Some(device)).map(|m| m.name.clone());
        let media = medium.map_or_else(|| with_device().collect(), |m| vec![m.to_owned()]);
        self.begin(media, (Some(device), port), time, Witness::Udev);
    }

    fn unplugged(&mut self, medium: Option<&str>, device: &str, port: Option<&String>, time: &str) {
        let is_device = |i: &Interval| i.shown.device.as_deref() == Some(device);
        // What a run found in hardware of this name may be at another port that has some.
        let is_elsewhere = self.all.iter().any(|i| i.is_open() && is_device(i) && i.port.is_some() && i.port.as_ref() != port);
        let is_this = |i: &Interval| match medium {
            Some(medium) => i.is_only_of(medium),
            None => is_device(i) && (i.port.as_ref() == port || i.port.is_none() && !is_elsewhere),
        };
        let mut open = self.all.iter_mut().filter(|i| i.is_open() && is_this(i)).peekable();
        if open.peek().is_some() {
            open.for_each(|i| i.leaves(time, Witness::Udev));
            return;
        }
        // It was there until now: a run that has seen it leave at this moment was quicker than udev, or its coming was missed.
        // Hardware that several media share says only the first.
        let is_late = |i: &Interval| matches!(i.shown.left, Some((_, Witness::Run)));
        if let Some(last) = self.all.iter_mut().rfind(|i| is_this(i)).filter(|i| medium.is_some() || is_late(i)) {
            last.leaves(time, Witness::Udev);
        }
    }

    fn gone(&mut self, medium: &str, time: &str, who: Witness) {
        self.all.iter_mut().filter(|i| i.is_open() && i.is_only_of(medium)).for_each(|i| i.leaves(time, who));
    }
}

#[cfg(test)]
mod tests;
