//! What is to be backed up, where to, and how.

use crate::format::manifest::Rules;
use crate::format::object::Id;
use crate::medium::tape::BLOCK_BYTES;
use std::ffi::OsString;
use std::path::PathBuf;

/// What is to be backed up, and where to.
#[derive(Debug, Clone)]
pub struct Options {
    /// The host's state directory.
    pub state: PathBuf,
    /// The medium: a folder or a tape drive.
    pub to: PathBuf,
    /// Only this set, whatever other sets are there. Whoever names it has checked whether it is its turn and whether a
    /// hold is active. Default: the newest set of this host.
    pub set: Option<Id>,
    /// What is backed up: at least one source, none within another.
    pub sources: Vec<SourceOptions>,
    /// Begin a set if the medium has none of this host. Default: fail.
    pub init: Option<NewSetOptions>,
    /// Read every file, whatever its times say. Default: no.
    pub full: bool,
    /// A note in the manifest. Whoever writes one has announced what changes: the tripwires do not learn from this
    /// night.
    pub tag: Option<String>,
    /// Record a SHA-256 digest of each file beside BLAKE3. Default: yes.
    pub with_sha256: bool,
    /// zstd level, 1 to 19. Default: 3, and more while the medium is slower than the cores.
    pub level: Option<i32>,
    /// Bytes that buffers may use in all. Default: 96 MiB.
    pub memory_bytes: u64,
    /// Bytes at which a pack is closed, where they are fewer than memory allows; at least
    /// [`crate::pipeline::packer::PACK_BYTES_MIN`]. Default: as memory allows, up to 32 MiB.
    pub pack_bytes: Option<u64>,
    /// Bytes of a block on a tape that the set begins on. Default: [`BLOCK_BYTES`].
    pub tape_block: u32,
    /// Objects after which a run seals what it has as a checkpoint, at most 32,768. Default: 32,768.
    pub checkpoint_objects: u64,
    /// Media that a generation may reference; beyond that, everything is stored again. Default: any number.
    pub max_media: Option<u64>,
    /// What is backed up is suspected of contamination: evidence, in a set and on a medium of its own. No tripwire
    /// judges it. Default: no.
    pub quarantine: bool,
}

impl Options {
    /// Backs up `sources` to the medium at `to` with the defaults that the fields name.
    pub fn new(state: impl Into<PathBuf>, to: impl Into<PathBuf>, sources: Vec<SourceOptions>) -> Self {
        Self {
            state: state.into(),
            to: to.into(),
            set: None,
            sources,
            init: None,
            full: false,
            tag: None,
            with_sha256: true,
            level: None,
            memory_bytes: 96 << 20,
            pack_bytes: None,
            tape_block: BLOCK_BYTES,
            checkpoint_objects: 32_768,
            max_media: None,
            quarantine: false,
        }
    }
}

/// What a new set is begun with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewSetOptions {
    /// What people call it.
    pub name: String,
    /// age recipients, at least one.
    pub recipients: Vec<String>,
}

impl NewSetOptions {
    /// A set named `name`, encrypted to `recipients`.
    pub fn new(name: impl Into<String>, recipients: Vec<String>) -> Self {
        Self { name: name.into(), recipients }
    }
}

/// A tree or a file; or, with a `command`, what that command writes to its standard output.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// One name, or several joined by `/`.
    pub name: Vec<u8>,
    /// The tree or file. For a command: the folder that it runs in.
    pub path: PathBuf,
    /// Program and arguments, started when its turn comes. If it fails, its entry has no content, and that is a finding;
    /// if nothing else is read, there is no generation. Default: none, the source is a tree.
    pub command: Vec<OsString>,
    /// Program and arguments of a check that gets the command's output, too. Default: none.
    pub check: Vec<OsString>,
    /// Name or number of the user whose rights the command and its check have. Default: this process's own. Another one takes root,
    /// or the capabilities to change users and to end their processes.
    pub user: Option<String>,
    /// Hours that the newest file of a tree may be old, and that the content of a source may be the same; beyond that, the
    /// source is stale: a finding. Default: any number.
    pub fresh_hours: Option<u64>,
    /// Entries of a tree that are read. What a tree has beyond is a finding, and the last generation's records of it are taken
    /// over: bounds what whoever may write there costs the night. Default: any number.
    pub max_entries: Option<u64>,
    /// What to leave out, in Gitignore syntax. Default: nothing.
    pub excludes: Vec<String>,
    /// Enter no other file system. Default: no.
    pub one_file_system: bool,
    /// How changes in this source are judged. Default: [`Rules::Plain`].
    pub rules: Rules,
    /// The order of a restore, 1 first, 9 last; sources without a priority come after those. Default: none.
    pub priority: Option<u8>,
    /// Files that nobody ever changes, by their paths in the generation. Default: none.
    pub canaries: Vec<Vec<u8>>,
}

impl SourceOptions {
    /// What is backed up under the source's name, for the host's records: the command, or the path.
    pub fn origin(&self) -> String {
        match self.command.is_empty() {
            // However many slashes were typed.
            true => self.path.components().collect::<PathBuf>().display().to_string(),
            false => self.command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "),
        }
    }

    /// The tree or file at `path`, with the defaults that the fields name.
    pub fn new(name: impl Into<Vec<u8>>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            command: Vec::new(),
            check: Vec::new(),
            user: None,
            fresh_hours: None,
            max_entries: None,
            excludes: Vec::new(),
            one_file_system: false,
            rules: Rules::default(),
            priority: None,
            canaries: Vec::new(),
        }
    }
}
