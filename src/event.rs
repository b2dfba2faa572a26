//! What a job reports while it works. The library never prints; an [`Observer`] receives the events.

/// Something that happened in a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A part of the job began.
    Phase(Phase),
    /// How much the whole job is, as far as is known.
    Expected {
        /// Files, folders and other entries.
        entries: u64,
        /// Bytes of content.
        bytes: u64,
    },
    /// Work done since the last such event.
    Progress {
        /// Files, folders and other entries.
        entries: u64,
        /// Bytes of content.
        bytes: u64,
    },
    /// A source is restored in full, and durable.
    SourceRestored {
        /// The source's name.
        name: Vec<u8>,
        /// Files, folders and other entries.
        entries: u64,
        /// Bytes of content.
        bytes: u64,
    },
    /// How a tape drive is fed.
    Feeding(Feeding),
    /// Data that could not be read, or is not what it should be.
    Finding {
        /// What it is.
        kind: FindingKind,
        /// The path or the object that it is about.
        path: Vec<u8>,
        /// The error or the reason, on one line.
        detail: String,
    },
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

/// A part of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Checking what is on the medium before the work.
    Checking,
    /// Reading the sources, or the objects.
    Reading,
    /// Reading again from the medium what was written.
    ReadingBack,
    /// Writing the manifest and the seal.
    Sealing,
    /// Finding out which entries to restore.
    Planning,
    /// Writing to a restore's target.
    Writing,
    /// Copying objects to another medium.
    Copying,
    /// Comparing a tree with a generation.
    Comparing,
    /// Links, owners, permissions and times after the content.
    Finishing,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum FindingKind {
    /// An entry of a source cannot be read.
    Unreadable,
    /// Attributes of an entry cannot be read: its record lacks them.
    AttributesUnreadable,
    /// An entry of a source was deleted during the run.
    Vanished,
    /// A file changed while it was read.
    Changed,
    /// A source has nothing but folders, or no byte in all its files; or a command wrote nothing.
    SourceEmpty,
    /// A source is not there.
    SourceMissing,
    /// The root of a source is reached by a link of another user, or leads elsewhere than in the last night: it was not read.
    SourceElsewhere,
    /// A file that is a dump by its name has no content.
    EmptyDump,
    /// A dump lacks its last line.
    DumpCutOff,
    /// A dump does not begin like one any more.
    NoDump,
    /// A dump is a small fraction of the last one.
    DumpShrank,
    /// The newest file of a source is older than the source expects.
    SourceStale,
    /// The check of a command's output failed; the output is in the generation.
    CheckFailed,
    /// A command that is a source failed: its output is not in the generation.
    CommandFailed,
    /// A file that the configuration names as a canary does not exist.
    CanaryMissing,
    /// Entries of the last generation were taken over, because the folder that they are in could not be read.
    TakenOver,
    /// What the host knows of how the sources usually are is gone: the night was judged as a first one.
    MemoryLost,
    /// The host's copy of the last generation's entries is gone: everything was read, and counts as new.
    ReadAnew,
    /// The medium is inside of a source and was left out of the backup.
    MediumInSource,
    /// An entry could not be restored.
    NotRestored,
    /// An entry is not restored because its record breaks the format.
    Refused,
    /// An entry is not restored because only a newer program knows what it is.
    Newer,
    /// A part of the entry stream cannot be read: entries whose names are unknown.
    EntriesLost,
    /// An entry is restored, but without something that was recorded: an owner or a time, for example.
    Shortfall,
    /// Something that may give rights on this host is not restored, because nobody asked for it.
    Withheld,
    /// Stored data are damaged.
    Damage,
    /// A signature or the chain of seals is not valid.
    Tampering,
    /// Something that an interrupted run has left.
    Leftover,
    /// Something on the medium that is none of the set's objects.
    Foreign,
    /// The host's clock is behind the last seal.
    ClockSetBack,
    /// Two people have looked at an alarm of an earlier generation and found it harmless.
    Harmless,
    /// An alarm of an earlier generation is open, and tonight shows nothing of it.
    AlarmOpen,
    /// The host's clock shows a time that cannot be: before this program was made, or far in the future.
    ClockWrong,
}

impl FindingKind {
    /// Whether it is only worth reporting: nothing is missing because of it.
    pub fn is_note(self) -> bool {
        use FindingKind::{AlarmOpen, Harmless, Leftover, MediumInSource, ReadAnew, TakenOver};
        matches!(self, MediumInSource | TakenOver | Leftover | Harmless | AlarmOpen | ReadAnew)
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
