//! What a line of the ledger can say.

use serde::{Deserialize, Serialize};

/// What a medium is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MediumKind {
    /// A folder, on whatever device.
    Disk,
    /// A cartridge.
    Tape,
}

/// Why a medium is not used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutOfUse {
    /// Nobody knows where it is.
    Lost,
    /// It cannot be read or written any more.
    Broken,
    /// It was destroyed or given away.
    Disposed,
}

impl OutOfUse {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Lost, Self::Broken, Self::Disposed];

    /// As the ledger has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Broken => "broken",
            Self::Disposed => "disposed",
        }
    }
}

/// What happened to a medium, or to all of them. Its fields have the names of the members in the JSON.
///
/// Members that later versions have added are omitted from a line while they have their default: the digest of an old
/// line stays the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum LedgerEvent {
    /// A medium was registered, and its set begun on it.
    Registered {
        /// Its name, as written on its sticker.
        medium: String,
        /// The id of its set, 32 hexadecimal digits.
        set: String,
        /// The pool that it takes turns in, if any.
        pool: Option<String>,
        /// Model and serial number of the hardware, where known.
        device: Option<String>,
        /// What it is. Older lines do not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<MediumKind>,
        /// The folder was a mount point.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mounted: bool,
    },
    /// It had generations when it was registered: the ledger that knew them was lost, or it joins a pool.
    Contains {
        /// The medium's name.
        medium: String,
        /// The newest generation on it.
        generation: u64,
        /// The check code of that generation's seal.
        check_code: String,
        /// When it was sealed: RFC 3339, UTC.
        sealed: String,
    },
    /// A copy of another medium is begun on it. Nothing was written yet.
    CopyBegun {
        /// The name of the copy.
        medium: String,
        /// The id of the set that is copied, 32 hexadecimal digits.
        set: String,
        /// Its path on the host.
        at: String,
        /// Model and serial number of the copy's hardware, where known.
        device: Option<String>,
        /// What the copy is.
        kind: MediumKind,
        /// The path was a mount point.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mounted: bool,
    },
    /// It is now a copy of another medium, up to this generation.
    Copied {
        /// The name of the copy.
        medium: String,
        /// The id of the set that was copied, 32 hexadecimal digits.
        set: String,
        /// The newest generation on the copy.
        generation: u64,
        /// The check code of that generation's seal.
        check_code: String,
        /// Model and serial number of the copy's hardware, where known.
        device: Option<String>,
        /// What the copy is.
        kind: MediumKind,
        /// It was read back no better than from the cache.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        from_cache: bool,
    },
    /// A run found it attached at a path. Nothing was written yet.
    Attached {
        /// The medium's name.
        medium: String,
        /// Its path on the host.
        at: String,
        /// Model and serial number of the hardware, where known.
        device: Option<String>,
        /// The path was a mount point.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mounted: bool,
    },
    /// A generation was sealed on it.
    Written {
        /// The medium's name.
        medium: String,
        /// The generation's number.
        generation: u64,
        /// The check code of its seal.
        check_code: String,
        /// The verdict in its seal: `good`, `incomplete`, `alarm`.
        verdict: String,
        /// It was read back no better than from the cache.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        from_cache: bool,
    },
    /// A run found no space on it, and its generation is not complete.
    Full {
        /// The medium's name.
        medium: String,
    },
    /// Something else was found on it than this host wrote: by a backup, which sealed nothing, or when it was read in full.
    Mismatched {
        /// The medium's name.
        medium: String,
        /// What was found, in English.
        found: String,
        /// It was read in full.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        in_full: bool,
        /// It is newer than what this host remembers: not the medium was set back, but the host.
        #[serde(default, rename = "newer", skip_serializing_if = "std::ops::Not::not")]
        is_newer: bool,
    },
    /// It was read in full, and has something that no seal covers: somebody else has written there.
    Foreign {
        /// The medium's name.
        medium: String,
        /// The first of these names, as it is below the set's folder.
        found: String,
    },
    /// It was ejected.
    Detached {
        /// The medium's name.
        medium: String,
        /// The host saw that it is gone. If not, it counts as still attached.
        seen: bool,
    },
    /// udev told that hardware came: it was plugged in, or the host was switched on.
    Plugged {
        /// The medium's name; `None` where several media share the name of the hardware.
        medium: Option<String>,
        /// Model and serial number of the hardware.
        device: String,
        /// The port that the hardware is at, where udev knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<String>,
    },
    /// udev told that hardware went.
    Unplugged {
        /// The medium's name; `None` where several media share the name of the hardware.
        medium: Option<String>,
        /// Model and serial number of the hardware.
        device: String,
        /// The port that the hardware was at, where udev knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<String>,
    },
    /// Somebody took it to another location.
    Moved {
        /// The medium's name.
        medium: String,
        /// The new location, in the words of whoever entered it.
        to: String,
        /// Who took it there.
        by: String,
        /// A second person who was present.
        witness: Option<String>,
        /// The new location is outside the hospital.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        off_site: bool,
        /// It is not used any more. A later line without this takes it into use again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        out_of_use: Option<OutOfUse>,
        /// The id of its set, 32 hexadecimal digits, where nothing else registers it: it is gone, and the ledger was begun anew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        set: Option<String>,
    },
    /// A run refused to write to the medium that is attached. Nothing was written.
    Refused {
        /// The pool that the run was for.
        pool: String,
        /// The name of the medium that was due.
        due: String,
        /// What is attached instead, and why it cannot be used, for people, in English.
        found: String,
    },
    /// A hold was set: from now on only the medium that was written to last is written to. While a hold is active, this
    /// adds a reason, and whoever asked for a release has to ask again.
    Held {
        /// Who set it; `azekura` where a backup raised an alarm.
        by: String,
        /// The reason.
        why: String,
        /// The id of the set in which a backup raised the alarm; absent where a person set the hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        set: Option<String>,
        /// The generation that has the alarm.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generation: Option<u64>,
    },
    /// Two people have looked at the alarm of a generation and found it harmless: it is no reason for a hold any more.
    Harmless {
        /// The id of the set, 32 hexadecimal digits.
        set: String,
        /// The generation that has the alarm.
        generation: u64,
        /// Who says so.
        by: String,
        /// The second person.
        witness: String,
        /// The reason.
        why: String,
    },
    /// One person has asked to release the hold, which stays active until another person confirms, or the same one 12
    /// hours later.
    ReleaseAsked {
        /// Who asked.
        by: String,
    },
    /// The hold was released: all media may be written to again.
    Released {
        /// Who released it.
        by: String,
        /// The second person; `None` where one person alone asked on two days.
        witness: Option<String>,
    },
    /// Two people have found out why records of this host are missing. What was sealed before this line is not missed any more.
    Accepted {
        /// Who says so.
        by: String,
        /// The second person.
        witness: String,
        /// What they have found out.
        why: String,
    },
    /// Everything on it was read past the cache, and is what the seals say.
    Verified {
        /// The medium's name.
        medium: String,
        /// The newest generation on it.
        generation: u64,
        /// The check code of that generation's seal.
        check_code: String,
    },
    /// It was read in full.
    Scrubbed {
        /// The medium's name.
        medium: String,
        /// Objects that were damaged then.
        damaged: u64,
    },
}

impl LedgerEvent {
    /// The name of the medium that it is about; empty if it is about all media, or about one of several.
    pub fn medium(&self) -> &str {
        match self {
            Self::Registered { medium, .. }
            | Self::Contains { medium, .. }
            | Self::CopyBegun { medium, .. }
            | Self::Copied { medium, .. }
            | Self::Attached { medium, .. }
            | Self::Written { medium, .. }
            | Self::Full { medium }
            | Self::Mismatched { medium, .. }
            | Self::Foreign { medium, .. }
            | Self::Detached { medium, .. }
            | Self::Moved { medium, .. }
            | Self::Verified { medium, .. }
            | Self::Scrubbed { medium, .. } => medium,
            Self::Plugged { medium, .. } | Self::Unplugged { medium, .. } => medium.as_deref().unwrap_or_default(),
            Self::Refused { due, .. } => due,
            Self::Held { .. }
            | Self::Harmless { .. }
            | Self::ReleaseAsked { .. }
            | Self::Released { .. }
            | Self::Accepted { .. } => "",
        }
    }
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// From 1.
    pub line: u64,
    /// RFC 3339, UTC.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub event: LedgerEvent,
}
