//! What commands answered, as far as reports tell it: the members of `docs/json.md` that are needed, and no others.
//!
//! A member that an older version did not write is `None`: what nobody recorded is not known.

use super::bounded::{Bounded, clip, clip_optional};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Generations of a set: 50 years of nights.
const GENERATIONS: usize = 20_000;
/// Lines of one list on paper.
const LINES: usize = 200;

/// Things that are only counted.
pub type Counted = Bounded<IgnoredAny, 0>;

/// The exact bytes of a name, which stand beside it where it is no UTF-8.
pub fn exact(name: &str, hex: Option<&str>) -> Vec<u8> {
    hex.and_then(crate::format::object::unhex_any).unwrap_or_else(|| name.as_bytes().to_vec())
}

#[derive(Debug, Clone, Deserialize)]
pub struct Verify {
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set_name: String,
    pub good: bool,
    pub generations: Bounded<Verified, GENERATIONS>,
    pub faults: Counted,
    pub damage: Counted,
    pub objects: u64,
    pub bytes: u64,
    /// The medium's number in its set.
    pub place: Option<u64>,
    /// Of the generations on it, on earlier media: not read here.
    pub objects_elsewhere: Option<u64>,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub read_back: String,
    #[serde(default, deserialize_with = "clip_optional::<_, 8192>")]
    pub root_key: Option<String>,
    pub expected: Option<Expected>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Verified {
    pub generation: u64,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub time: String,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub check_code: String,
    pub trusted: bool,
    pub damaged_objects: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Expected {
    pub found: bool,
    pub generation: Option<u64>,
}

/// `generations --clean`.
#[derive(Debug, Clone, Deserialize)]
pub struct Clean {
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set_name: String,
    /// Always there, and null where there is none: another answer of the same command has no such member.
    #[serde(deserialize_with = "Option::deserialize")]
    pub last_clean: Option<u64>,
    pub generations: Bounded<CleanLine, GENERATIONS>,
    pub first: Bounded<First, LINES>,
    pub faults: Counted,
    /// None where no indicators were given.
    pub indicators: Option<Indicators>,
    pub quarantine: Option<bool>,
}

/// How many indicators were looked for, and how many were given that cannot be.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Indicators {
    pub looked_for: u64,
    pub passed_over: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct CleanLine {
    pub generation: u64,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub time: String,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub check_code: String,
    pub trusted: bool,
    pub clean: bool,
    pub changes: Bounded<Changes, LINES>,
    pub alarms: Bounded<Alarm, LINES>,
    pub hits: u64,
    /// Files in which no digest could be looked for.
    #[serde(default)]
    pub unhashed: u64,
    /// Why not all of it could be looked at.
    #[serde(default, deserialize_with = "clip_optional::<_, 512>")]
    pub damaged: Option<String>,
}

impl CleanLine {
    /// Damage is no sign, and no absence of one.
    pub fn has_sign(&self) -> bool {
        !self.trusted || !self.alarms.is_empty() || self.hits > 0 || (!self.clean && self.damaged.is_none())
    }

    pub fn is_clean(&self) -> bool {
        self.clean && self.damaged.is_none() && !self.has_sign()
    }
}

/// What a night changed in a source.
#[derive(Debug, Clone, Deserialize)]
pub struct Changes {
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub source: String,
    #[serde(default, deserialize_with = "clip_optional::<_, 512>")]
    pub source_hex: Option<String>,
    pub files: u64,
    pub new: u64,
    pub changed: u64,
    pub gone: u64,
    pub noisy: u64,
    pub misfit: u64,
    pub forbidden: u64,
    pub canaries: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Alarm {
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub tripwire: String,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub source: String,
    #[serde(default, deserialize_with = "clip_optional::<_, 512>")]
    pub source_hex: Option<String>,
    pub measured: u64,
    pub limit: u64,
}

/// Where an indicator turns up first.
#[derive(Debug, Clone, Deserialize)]
pub struct First {
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub indicator: String,
    pub generation: u64,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub path: String,
    #[serde(default, deserialize_with = "clip_optional::<_, 8192>")]
    pub path_hex: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Compare {
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set_name: String,
    pub generation: u64,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub time: String,
    pub with_generation: Option<u64>,
    pub trusted: bool,
    pub faults: Counted,
    pub sources: Bounded<Compared, LINES>,
    pub not_compared: Counted,
    pub counts: Classes,
    pub metadata: u64,
    pub entries_lost: u64,
}

/// A source, and the tree that it was held against.
#[derive(Debug, Clone, Deserialize)]
pub struct Compared {
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub name: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub rules: String,
    #[serde(default, deserialize_with = "clip_optional::<_, 8192>")]
    pub tree: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Classes {
    pub identical: u64,
    pub added: u64,
    pub updated: u64,
    pub outside_rules: u64,
    pub missing: u64,
    pub renamed: u64,
    pub not_verified: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Restore {
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set_name: String,
    pub generation: u64,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub time: String,
    pub trusted: bool,
    pub faults: Counted,
    /// The generation bears an alarm.
    #[serde(default)]
    pub has_alarm: bool,
    /// The set is one of an infected state, kept as evidence.
    pub quarantine: Option<bool>,
    pub dry_run: bool,
    #[serde(default, deserialize_with = "clip_optional::<_, 8192>")]
    pub to: Option<String>,
    pub entries: u64,
    pub files: u64,
    pub bytes: u64,
    pub not_restored: u64,
    pub shortfalls: u64,
    pub entries_lost: u64,
    pub not_found: Counted,
    pub scan: Option<Scan>,
}

/// What a scanner for malware said of what was restored.
#[derive(Debug, Clone, Deserialize)]
pub struct Scan {
    #[serde(default, deserialize_with = "clip_optional::<_, 8192>")]
    pub engine: Option<String>,
    #[serde(default)]
    pub signatures: Loose,
    #[serde(default, deserialize_with = "clip_optional::<_, 8192>")]
    pub signature_date: Option<String>,
    /// `clean`, `found` or `failed`.
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub result: String,
    #[serde(default)]
    pub found: Counted,
    pub found_count: Option<u64>,
}

impl Scan {
    /// How many were found; the list has the first ones.
    pub fn found(&self) -> u64 {
        self.found_count.unwrap_or(0).max(self.found.len())
    }
}

/// A text, or a number; anything else is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loose(pub Option<String>);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Loose;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
                Ok(Loose(Some(text.chars().take(200).collect())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Loose, E> {
                Ok(Loose(Some(number.to_string())))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_unit<E>(self) -> Result<Loose, E> {
                Ok(Loose(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Loose(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
                while items.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// `history` of a period.
#[derive(Debug, Clone, Deserialize)]
pub struct Period {
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set_name: String,
    /// RFC 3339, UTC.
    #[serde(default, deserialize_with = "clip_optional::<_, 8192>")]
    pub since: Option<String>,
    /// Where it has an end.
    #[serde(default, deserialize_with = "clip_optional::<_, 8192>")]
    pub until: Option<String>,
    pub faults: Counted,
    pub before: Option<Sealed>,
    pub generations: Bounded<Sealed, GENERATIONS>,
    pub created: u64,
    pub changed: u64,
    pub gone: u64,
    pub older: Option<u64>,
    pub older_bytes: Option<u64>,
    pub happened: Bounded<Happened, LINES>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Sealed {
    pub generation: u64,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub time: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Happened {
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub what: String,
    pub generation: u64,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub time: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub path: String,
    #[serde(default, deserialize_with = "clip_optional::<_, 8192>")]
    pub path_hex: Option<String>,
}

/// `stamp import`.
#[derive(Debug, Clone, Deserialize)]
pub struct Stamp {
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set: String,
    pub generation: u64,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub time: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub check_code: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub stamped: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub serial: String,
}

/// `media list`.
#[derive(Debug, Clone, Deserialize)]
pub struct Media {
    pub media: Bounded<Medium, 2_000>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Medium {
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub name: String,
    #[serde(default, deserialize_with = "clip_optional::<_, 512>")]
    pub place: Option<String>,
    pub off_site: bool,
    #[serde(default, deserialize_with = "clip_optional::<_, 512>")]
    pub attached: Option<String>,
    pub at_host: bool,
    #[serde(default, deserialize_with = "clip_optional::<_, 512>")]
    pub left: Option<String>,
    pub written: Option<Written>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Written {
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub time: String,
    pub generation: u64,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub check_code: String,
}

/// `media log`: the lines of the ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct Ledger {
    pub lines: Bounded<LedgerLine, GENERATIONS>,
    pub broken: Counted,
}

#[derive(Debug, Clone, Deserialize)]
pub struct LedgerLine {
    pub line: u64,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub time: String,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub event: String,
    #[serde(default, deserialize_with = "clip_optional::<_, 512>")]
    pub medium: Option<String>,
    #[serde(default, deserialize_with = "clip_optional::<_, 512>")]
    pub by: Option<String>,
    #[serde(default, deserialize_with = "clip_optional::<_, 512>")]
    pub witness: Option<String>,
    #[serde(default, deserialize_with = "clip_optional::<_, 512>")]
    pub why: Option<String>,
    pub seen: Option<bool>,
}

/// `hold show` and the others.
#[derive(Debug, Clone, Deserialize)]
pub struct HoldAnswer {
    #[serde(deserialize_with = "Option::deserialize")]
    pub hold: Option<Hold>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Hold {
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub since: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub by: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub why: String,
}

/// `prove` and `check-proof`.
#[derive(Debug, Clone, Deserialize)]
pub struct Proved {
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub path: String,
    pub generation: u64,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub time: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub check_code: String,
    /// `good`, `changed`, `unreadable`: of the file, when it was backed up.
    #[serde(default, deserialize_with = "clip_optional::<_, 512>")]
    pub state: Option<String>,
    /// Of `check-proof`: what the proof was held against.
    pub anchors: Option<Bounded<String, 8>>,
    /// Whether a file is the record that is proved; null where none was given.
    #[serde(default, deserialize_with = "clip_optional::<_, 512>")]
    pub content: Option<String>,
}

/// `backup`.
#[derive(Debug, Clone, Deserialize)]
pub struct Backup {
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set: String,
    #[serde(deserialize_with = "clip::<_, 8192>")]
    pub set_name: String,
    pub quarantine: bool,
    pub generation: u64,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub time: String,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub verdict: String,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub read_back: String,
    #[serde(deserialize_with = "clip::<_, 512>")]
    pub check_code: String,
    pub statistics: Statistics,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Statistics {
    pub files: u64,
    pub bytes: u64,
    pub findings: u64,
}

/// What was answered.
#[derive(Debug, Clone)]
pub enum Content {
    Backup(Box<Backup>),
    Verify(Box<Verify>),
    Clean(Box<Clean>),
    Compare(Box<Compare>),
    Restore(Box<Restore>),
    Period(Box<Period>),
    Stamp(Box<Stamp>),
    Media(Box<Media>),
    Ledger(Box<Ledger>),
    Hold(Box<HoldAnswer>),
    Proved(Box<Proved>),
}

macro_rules! picks {
    ($($name:ident: $kind:ident -> $answer:ty),*) => { $(
        #[doc = concat!("The answer, if it is a `", stringify!($answer), "`.")]
        pub fn $name(content: &Content) -> Option<&$answer> {
            if let Content::$kind(answer) = content { Some(answer) } else { None }
        }
    )* };
}
picks!(
    of_backup: Backup -> Backup,
    of_verify: Verify -> Verify,
    of_clean: Clean -> Clean,
    of_compare: Compare -> Compare,
    of_restore: Restore -> Restore,
    of_period: Period -> Period,
    of_stamp: Stamp -> Stamp,
    of_media: Media -> Media,
    of_ledger: Ledger -> Ledger,
    of_hold: Hold -> HoldAnswer,
    of_proved: Proved -> Proved
);
