//! What a job tells while it works. The library never prints; an [`Observer`] hears.

/// Something that happened in a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A part of the job began.
    Phase(Phase),
    /// So much is expected in all, as far as is known: entries and bytes of content.
    Expected { entries: u64, bytes: u64 },
    /// So much more has been worked through.
    Progress { entries: u64, bytes: u64 },
    /// A source whose turn it was is restored, and durable.
    SourceRestored { name: Vec<u8>, entries: u64, bytes: u64 },
    /// A drive is fed, see [`Feeding`].
    Feeding(Feeding),
    /// Data that could not be read, or is not what it should be.
    Finding { kind: FindingKind, path: Vec<u8>, detail: String },
}

/// How a drive that must not wait is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feeding {
    /// How full the buffer in front of it is, in percent.
    pub buffer: u64,
    /// How often it ran empty.
    pub under_runs: u64,
    /// What the drive takes, waits not counted.
    pub bytes_per_second: u64,
    /// The drive has given early warning: this cartridge is nearly full.
    pub nearly_full: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Checking,
    Reading,
    ReadingBack,
    Sealing,
    Planning,
    Writing,
    Copying,
    Comparing,
    Finishing,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingKind {
    Unreadable,
    Vanished,
    Changed,
    SourceEmpty,
    SourceMissing,
    MediumInSource,
    NotRestored,
    EntriesLost,
    Shortfall,
    Damage,
    Tampering,
    Leftover,
    Foreign,
    ClockSetBack,
}

impl FindingKind {
    /// Worth telling, but nothing is missing because of it.
    pub fn is_note(self) -> bool {
        matches!(self, Self::MediumInSource | Self::Leftover | Self::ClockSetBack)
    }

    /// The name in a manifest and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Vanished => "vanished",
            Self::Changed => "changed",
            Self::SourceEmpty => "source-empty",
            Self::SourceMissing => "source-missing",
            Self::MediumInSource => "medium-in-source",
            Self::NotRestored => "not-restored",
            Self::EntriesLost => "entries-lost",
            Self::Shortfall => "shortfall",
            Self::Damage => "damage",
            Self::Tampering => "tampering",
            Self::Leftover => "leftover",
            Self::Foreign => "foreign",
            Self::ClockSetBack => "clock-set-back",
        }
    }
}

/// Hears events. Called from several threads.
pub trait Observer: Sync {
    fn on_event(&self, event: Event);
}

/// Hears nothing.
pub struct NoObserver;

impl Observer for NoObserver {
    fn on_event(&self, _: Event) {}
}

/// An error and its sources on one line, for a finding's detail.
pub fn chain_text(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(s) = source {
        text.push_str(": ");
        text.push_str(&s.to_string());
        source = s.source();
    }
    text
}
