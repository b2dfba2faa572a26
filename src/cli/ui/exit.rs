//! Exit codes: what a script or a monitoring system may rely on.

use super::text::{Message, message};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    Good = 0,
    /// Nothing new was sealed.
    Failed = 1,
    Usage = 2,
    /// Sealed, but something in the sources was unreadable, stale or missing, or nothing could be read back past the cache.
    Incomplete = 3,
    /// Sealed, but a tripwire was raised, or a hold is active.
    Alarm = 4,
    /// Damage, tampering or a mismatch was found.
    Damage = 5,
    /// Wrong, missing, full, read-only or unregistered medium.
    Medium = 6,
    /// A key is missing or wrong.
    Key = 7,
    /// Sealed, but the result could not be printed, or this host could not record it.
    SealedOnly = 8,
    Interrupted = 130,
}

impl Exit {
    pub fn code(self) -> u8 {
        self as u8
    }

    /// How a run ended that has sealed, but whose result could not be printed or recorded. An alarm stays one.
    pub fn sealed_only(self) -> Self {
        if self == Self::Alarm { self } else { Self::SealedOnly }
    }

    /// What the code means after a command (as in `keys.new`), for its help. Most mean the same everywhere.
    pub fn meaning(self, command: &str) -> Message {
        let own = Message::optional(format!("exit.{command}.{}", self.code()));
        own.unwrap_or_else(|| self.usual_meaning())
    }

    fn usual_meaning(self) -> Message {
        match self {
            Self::Good => message!("exit.0"),
            Self::Failed => message!("exit.1"),
            Self::Usage => message!("exit.2"),
            Self::Incomplete => message!("exit.3"),
            Self::Alarm => message!("exit.4"),
            Self::Damage => message!("exit.5"),
            Self::Medium => message!("exit.6"),
            Self::Key => message!("exit.7"),
            Self::SealedOnly => message!("exit.8"),
            Self::Interrupted => message!("exit.130"),
        }
    }

    /// The codes that a command can end with. `path` as in `keys.new`.
    pub fn of_command(path: &str) -> &'static [Self] {
        use Exit::{Alarm, Damage, Failed, Good, Incomplete, Interrupted, Key, Medium, SealedOnly, Usage};
        match path {
            "backup" => &[Good, Failed, Usage, Incomplete, Alarm, Damage, Medium, Key, SealedOnly, Interrupted],
            "restore" => &[Good, Failed, Usage, Incomplete, Damage, Medium, Key, Interrupted],
            "media.copy" => &[Good, Failed, Usage, Incomplete, Damage, Medium, Interrupted],
            "verify" => &[Good, Failed, Usage, Incomplete, Alarm, Damage, Medium, Interrupted],
            "media.scrub" => &[Good, Failed, Usage, Incomplete, Damage, Medium, Interrupted],
            "generations" => &[Good, Failed, Usage, Damage, Medium, Key, Interrupted],
            "compare" => &[Good, Failed, Usage, Incomplete, Damage, Medium, Key, Interrupted],
            "find" | "diff" | "history" => &[Good, Failed, Usage, Damage, Medium, Key, Interrupted],
            "catalog.rebuild" => &[Good, Failed, Usage, Damage, Medium, Key, Interrupted],
            "prove" => &[Good, Failed, Usage, Damage, Medium, Key, Interrupted],
            "check-proof" | "stamp.import" => &[Good, Failed, Usage, Damage],
            "stamp.export" => &[Good, Failed, Usage, Damage, Medium],
            "media.init" => &[Good, Failed, Usage, Alarm, Damage, Medium, Key],
            "evidence.start" => &[Good, Failed, Usage, Damage, Medium],
            "evidence.check" | "evidence.export" => &[Good, Failed, Usage, Damage],
            "report.incident" | "report.reconnect" | "report.authenticity" | "report.readopt" => &[Good, Failed, Usage, Damage],
            "hold.on" => &[Good, Failed, Usage, Damage],
            "hold.harmless" => &[Good, Failed, Usage, Alarm, Damage],
            "hold.off" => &[Good, Failed, Usage, Incomplete, Damage],
            "hold.show" => &[Good, Failed, Usage, Alarm, Damage],
            "status" => &[Good, Failed, Usage, Incomplete, Alarm, Damage],
            "media.due" => &[Good, Failed, Usage, Alarm, Damage],
            "media.list" => &[Good, Failed, Usage, Damage],
            "media.log" => &[Good, Failed, Usage, Damage, Medium, Interrupted],
            "media.label" | "media.seen" => &[Good, Failed, Usage],
            "media.move" => &[Good, Failed, Usage, Damage, Medium],
            "media.accept" => &[Good, Failed, Usage],
            "catalog.log" => &[Good, Failed, Usage, Damage],
            "keys.rehearse" => &[Good, Failed, Usage, Damage, Medium, Key, Interrupted],
            "keys.sheet" => &[Good, Failed, Usage, Medium, Key],
            "init" | "keys.new" | "keys.show-recipient" => &[Good, Failed, Usage, Key],
            "completions" | "version" | "man" | "reference" => &[Good, Failed, Usage],
            _ => &[],
        }
    }
}
