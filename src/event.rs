//! What a job reports while it works. The library never prints; an [`Observer`] receives the events.

/// Something that happened in a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A part of the job began.
    Phase(Phase),
    /// How much the whole job is, as far as is known: entries, and bytes of content.
    Expected { entries: u64, bytes: u64 },
    /// Work done since the last such event.
    Progress { entries: u64, bytes: u64 },
    /// A source is restored in full, and durable.
    SourceRestored { name: Vec<u8>, entries: u64, bytes: u64 },
    /// How a tape drive is fed.
    Feeding(Feeding),
    /// Data that could not be read, or is not what it should be.
    Finding { kind: FindingKind, path: Vec<u8>, detail: String },
}

/// How a tape drive is fed. A drive that has to wait for data stops and winds back, which wears the tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feeding {
    /// How full the buffer before the drive is, in percent.
    pub buffer: u64,
    /// How often it ran empty.
    pub under_runs: u64,
    /// The drive's speed without the waits.
    pub bytes_per_second: u64,
    /// The drive has given early warning: the cartridge is nearly full.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
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
    /// Whether it is only worth reporting: nothing is missing because of it.
    pub fn is_note(self) -> bool {
        matches!(self, Self::MediumInSource | Self::Leftover | Self::ClockSetBack)
    }

    /// The name in a manifest and in JSON.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Receives events. Called from several threads.
pub trait Observer: Sync {
    /// Called for every event, in the thread in which it happens. It should return quickly.
    fn on_event(&self, event: Event);
}

/// Ignores all events.
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
