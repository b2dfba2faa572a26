//! The configuration file: what stays the same from night to night.
//!
//! Its keys are neither flags nor the options of a job: a command uses a key where the argument was not typed.

use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{CommandError, io_reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::recorded;
use crate::cli::ui::text::message;
use crate::cli::ui::units::night_of;
use azekura::format::manifest::{LAST_PRIORITY, Rules};
use azekura::job::media::rotation::Pool;
use azekura::medium::tape::check_block;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Of the file: some hundred thousand lines.
const MOST_BYTES: u64 = 8 << 20;

/// A leap year.
const MOST_AGE_HOURS: u64 = 366 * 24;

#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub language: Option<Lang>,
    /// Name of the medium set that `backup --init` begins.
    pub set: Option<String>,
    pub medium: Option<PathBuf>,
    /// Whom to call when `status` is not good, in the words of the hospital.
    pub contact: Option<String>,
    /// Program and arguments that bring another medium when one is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loader: Vec<String>,
    #[serde(default, rename = "pool", skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<ConfigPool>,
    /// The changer that brings cartridges, instead: its `sg` device.
    pub changer: Option<PathBuf>,
    /// Bytes of a block on new tapes, 4 KiB to 8 MiB. Default: 512 KiB.
    pub tape_block: Option<u32>,
    /// Media that a generation may reference before everything is stored again. Default: 3 on tape, any number on
    /// disks.
    pub max_media_per_generation: Option<u64>,
    /// Which of the changer's drives is the medium, from 0, where it has several and does not report their serial
    /// numbers.
    pub changer_drive: Option<u16>,
    /// age recipients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// zstd level.
    pub level: Option<i32>,
    #[serde(default, rename = "source", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<ConfigSource>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigSource {
    pub name: Option<String>,
    /// The root of the tree; of a command, the folder that it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Program and arguments whose standard output is the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Program and arguments that get what the command writes, and fail if it is not what it should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub check: Vec<String>,
    /// The user of the command and its check. Default: the one of this program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Hours that the newest file below `path` may be old, and that the content of the source may be the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh_hours: Option<u64>,
    /// Entries that the tree may have; what is beyond is not read, and the source is incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_entries: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<String>,
    #[serde(default)]
    pub one_file_system: bool,
    /// `plain`, `ss-mix2` or `append-only`: how its files may change.
    #[serde(default, with = "rules", skip_serializing_if = "rules::is_plain")]
    pub rules: Rules,
    /// 1 to 9: sources are restored in this order, those without a priority last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// How old its newest good generation may be; default: that of the pool which is written most often, where every pool says
    /// it, else 26.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_hours: Option<u64>,
    /// Files below the source that nobody ever changes: a change raises an alarm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canaries: Vec<String>,
}

impl ConfigSource {
    /// What a person calls it: its name, or else its path.
    fn shown_name(&self) -> String {
        self.name.clone().or_else(|| Some(self.path.as_ref()?.display().to_string())).unwrap_or_default()
    }
}

mod rules {
    use super::Rules;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn is_plain(rules: &Rules) -> bool {
        *rules == Rules::Plain
    }

    pub fn serialize<S: Serializer>(rules: &Rules, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(rules.name())
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Rules, D::Error> {
        let name = String::deserialize(from)?;
        let names = Rules::ALL.map(Rules::name).join(", ");
        Rules::ALL.into_iter().find(|r| r.name() == name).ok_or_else(|| Error::custom(format!("rules are one of {names}")))
    }
}

/// Media that are written in turns.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigPool {
    pub name: String,
    /// Names, in the order of their turns.
    pub media: Vec<String>,
    /// The path where they are attached: a folder or a tape drive.
    pub at: PathBuf,
    #[serde(default = "one")]
    pub turn_nights: u64,
    /// Nights that a medium may stay attached beyond its turn.
    #[serde(default = "nine")]
    pub stay_nights: u64,
    /// Whether `at` is a mount point. Without the key: as soon as a medium was seen there on a mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<bool>,
    /// How old the newest generation on its media may be, where there are several pools; default: by its rhythm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_hours: Option<u64>,
    /// Program and arguments that eject the medium after a run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave: Vec<String>,
}

fn one() -> u64 {
    1
}

/// The longest run of holidays that a Japanese practice usually has.
fn nine() -> u64 {
    9
}

impl ConfigPool {
    pub fn pool(&self) -> Pool {
        let (name, media) = (self.name.clone(), self.media.clone());
        let (turn_nights, stay_nights, mount) = (self.turn_nights, self.stay_nights, self.mount);
        let max_age_seconds = self.max_age_hours.map(|hours| hours as i64 * 3600);
        Pool { name, media, turn_nights, stay_nights, mount, max_age_seconds, night_of }
    }
}

impl Config {
    /// Reads `given`, which must exist, else `usual`, which need not. `open`: the inner error is of a file that cannot be
    /// opened.
    pub fn read(
        given: Option<&Path>,
        usual: Option<&Path>,
        open: impl Fn(&Path) -> Result<io::Result<File>, CommandError>,
    ) -> Result<Self, CommandError> {
        let Some(path) = given.or(usual) else { return Ok(Self::default()) };
        let file = open(path)?;
        match file.and_then(read_text) {
            Ok(text) => Self::parse(path, &text).and_then(|config| config.checked(path)),
            Err(e) if given.is_none() && e.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(CommandError::new(message!("error.config.read", path = path), Exit::Usage).cause(io_reason(&e))),
        }
    }

    /// The language of `given`, else of `usual`, so that help and complaints about the arguments are in it. A file that cannot be
    /// read, or is no configuration, has none: whoever needs it says so.
    pub fn language(given: Option<&Path>, usual: Option<&Path>) -> Option<Lang> {
        #[derive(Deserialize)]
        struct Spoken {
            language: Option<Lang>,
        }
        // A pipe would keep this waiting for its writer.
        let path = given.or(usual).filter(|path| path.is_file())?;
        let text = File::open(path).and_then(read_text).ok()?;
        toml::from_str::<Spoken>(&text).ok()?.language
    }

    fn parse(path: &Path, text: &str) -> Result<Self, CommandError> {
        toml::from_str(text).map_err(|e: toml::de::Error| {
            let line = e.span().map_or(1, |s| 1 + text[..s.start.min(text.len())].matches('\n').count());
            let message = message!("error.config.content", path = path, line = line);
            CommandError::new(message, Exit::Usage).cause(recorded::toml(e.message()))
        })
    }

    /// Refuses what cannot be meant together.
    fn checked(self, path: &Path) -> Result<Self, CommandError> {
        if self.changer.is_some() && !self.loader.is_empty() {
            return Err(CommandError::new(message!("error.config.two-loaders", path = path), Exit::Usage));
        }
        if let Some(bytes) = self.tape_block.filter(|n| check_block((*n).into()).is_none()) {
            return Err(CommandError::new(message!("error.config.tape-block", path = path, bytes = bytes), Exit::Usage));
        }
        let is_wrong = |p: &u8| !(1..=LAST_PRIORITY).contains(p);
        if let Some(priority) = self.sources.iter().filter_map(|s| s.priority).find(is_wrong) {
            return Err(CommandError::new(message!("error.config.priority", path = path, priority = priority), Exit::Usage));
        }
        if let Some(source) = self.sources.iter().find(|s| s.user.is_some() && s.command.is_empty()) {
            return Err(CommandError::new(message!("error.config.user", name = source.shown_name()), Exit::Usage));
        }
        if let Some(source) = self.sources.iter().find(|s| s.max_entries.is_some_and(|n| n == 0 || !s.command.is_empty())) {
            let message = message!("error.config.max-entries", path = path, name = source.shown_name());
            return Err(CommandError::new(message, Exit::Usage));
        }
        let is_wrong = |(_, hours): &(String, u64)| !(1..=MOST_AGE_HOURS).contains(hours);
        if let Some((name, hours)) = self.max_ages().find(is_wrong) {
            let message = message!("error.config.max-age", path = path, name = name, hours = hours, most = MOST_AGE_HOURS);
            return Err(CommandError::new(message, Exit::Usage));
        }
        Ok(self)
    }

    /// The sources and pools that say how old their newest generation may be, and what they say.
    fn max_ages(&self) -> impl Iterator<Item = (String, u64)> {
        let sources = self.sources.iter().filter_map(|s| Some((s.shown_name(), s.max_age_hours?)));
        sources.chain(self.pools.iter().filter_map(|p| Some((p.name.clone(), p.max_age_hours?))))
    }

    /// As it is written in the file.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

fn read_text(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES { Err(ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_configuration() {
        let text = r#"
            language = "ja"
            set = "honin"
            medium = "/mnt/disk"
            recipients = ["age1x"]
            level = 5
            [[source]]
            name = "ehr"
            path = "/srv/ehr"
            excludes = ["*.tmp"]
            one_file_system = true
            [[source]]
            path = "/srv/pacs"
            rules = "append-only"
            priority = 2
            [[source]]
            name = "orca.sql"
            command = ["pg_dump", "orca"]
        "#;
        let config = Config::parse(Path::new("c"), text).unwrap();
        assert_eq!(config.language, Some(Lang::Ja));
        assert_eq!(config.sources[0].excludes, ["*.tmp"]);
        assert_eq!(config.sources[1].name, None);
        assert_eq!([0, 1].map(|i| config.sources[i].rules), [Rules::Plain, Rules::AppendOnly]);
        assert!(Config::parse(Path::new("c"), "[[source]]\npath = \"/x\"\nrules = \"any\"").is_err());
        assert_eq!([0, 1].map(|i| config.sources[i].priority), [None, Some(2)]);
        for (n, is_good) in [(0, false), (1, true), (9, true), (10, false)] {
            let text = format!("[[source]]\npath = \"/x\"\npriority = {n}");
            let config = Config::parse(Path::new("c"), &text).unwrap();
            assert_eq!(config.checked(Path::new("c")).is_ok(), is_good);
        }
        for (n, is_good) in [(0, false), (1, true), (8784, true), (8785, false)] {
            let text = format!("contact = \"内線 123\"\n[[source]]\npath = \"/x\"\nmax_age_hours = {n}");
            let config = Config::parse(Path::new("c"), &text).unwrap();
            assert_eq!(config.contact.as_deref(), Some("内線 123"));
            assert_eq!(config.checked(Path::new("c")).is_ok(), is_good);
        }
        assert_eq!(config.sources[2].command, ["pg_dump", "orca"]);
    }

    #[test]
    fn only_a_configuration_that_can_be_read_has_a_language() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name)
        };
        let ja = file("ja", "language = \"ja\"\nmedum = \"x\"\n[[source]]\npath = \"/x\"\n");
        let broken = file("broken", "language = \"ja\"\n[[source");
        let none = file("none", "level = 3\n");
        let other = file("other", "language = \"fr\"\n");
        assert_eq!(Config::language(Some(&ja), Some(&none)), Some(Lang::Ja));
        assert_eq!(Config::language(None, Some(&ja)), Some(Lang::Ja));
        assert_eq!(Config::language(Some(&none), Some(&ja)), None, "the one that is named counts");
        for file in [&broken, &none, &other, dir.path(), &dir.path().join("missing")] {
            assert_eq!(Config::language(Some(file), None), None, "{file:?}");
        }
        assert_eq!(Config::language(None, None), None);
    }

    #[test]
    fn a_user_is_whose_rights_a_command_has() {
        let read = |text| Config::parse(Path::new("c"), text).unwrap().checked(Path::new("c"));
        let config = read("[[source]]\nname = \"orca.sql\"\ncommand = [\"pg_dump\", \"orca\"]\nuser = \"postgres\"").unwrap();
        assert_eq!(config.sources[0].user.as_deref(), Some("postgres"));
        let refused = read("[[source]]\npath = \"/srv/ehr\"\nuser = \"postgres\"").unwrap_err();
        assert_eq!(refused.message.key(), "error.config.user");
    }

    #[test]
    fn a_tree_may_have_some_entries_at_least() {
        let read = |text: &str| Config::parse(Path::new("c"), text).unwrap().checked(Path::new("c"));
        assert_eq!(read("[[source]]\npath = \"/srv/homes\"\nmax_entries = 1").unwrap().sources[0].max_entries, Some(1));
        for wrong in ["path = \"/srv/homes\"\nmax_entries = 0", "name = \"d\"\ncommand = [\"pg_dump\"]\nmax_entries = 9"] {
            assert_eq!(read(&format!("[[source]]\n{wrong}")).unwrap_err().message.key(), "error.config.max-entries");
        }
    }

    #[test]
    fn either_a_program_or_a_changer_brings_media() {
        let read = |text| Config::parse(Path::new("c"), text).unwrap().checked(Path::new("c"));
        let changer = read("changer = \"/dev/sg1\"\nchanger_drive = 1").unwrap();
        assert_eq!((changer.changer, changer.changer_drive), (Some("/dev/sg1".into()), Some(1)));
        assert!(read("loader = [\"bring\"]").is_ok());
        assert!(read("loader = [\"bring\"]\nchanger = \"/dev/sg1\"").is_err());
    }

    #[test]
    fn a_key_that_is_not_known_is_an_error_with_its_line() {
        let e = Config::parse(Path::new("c.toml"), "level = 3\nmedum = \"x\"\n").unwrap_err();
        assert!(e.message.to_string().contains('2'), "{e:?}");
    }
}
