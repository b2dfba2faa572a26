//! The host's state directory: which files it has, and who may read them.
//!
//! ```text
//! STATE/catalog.sqlite
//! STATE/ledger.jsonl, ledger.end      see `host/ledger.rs`
//! STATE/holds.jsonl                   the ledger's lines about holds once more
//! STATE/nights.jsonl, nights.end      see `host/nights.rs`
//! STATE/sets/<set id>/set.json       name, recipients
//!                     set-key        secret of the set, for ids and cuts; decrypts nothing
//!                     seal-keys      signs the next seal
//!                     entries        entry stream of the last generation: the next run's walk is merged with it
//!                     entries.next   entry stream of a run that is not sealed yet
//!                     watch          what the tripwires know of the sources
//!                     alarms         what the tripwires raised in the last generations with an alarm
//!                     lacking        entries of the last generation whose attributes could not be read
//!                     contents       since when sources have been the same, which files were dumps, canaries
//!                     lock
//! STATE/stamps/<set id>/             seals, requests for time stamps over them, and replies (`job/stamp.rs`)
//! ```
//!
//! **Invariant:** no identity is ever written here. With everything in this directory a thief reads no past backup.

use crate::format::object::Id;
use crate::format::set_key::SetKey;
use crate::host::files::{self, NO_LINK, PRIVATE, STATE_BYTES, open_own, read_own, sync_folder_of, write_new};
use crate::host::roots::SourceRoots;
use crate::host::seal_slots::has_whole_slot;
use crate::lock::FileLock;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why the state directory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or folder of the state directory is missing, may not be used, or its disk is full or fails.
    #[error("{} cannot be {what}", path.display())]
    Io {
        /// The step that failed: `made`, `opened`, `read`, `written`, `renamed`, `synced`, `locked`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// `set.json` is damaged, or was edited by hand.
    #[error("{} is not what it should be: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with its JSON, for people, in English.
        why: String,
    },
    /// The lock ends with that process, however it ends: there is no stale one to remove.
    #[error("another run is writing this set (process {process})")]
    Busy {
        /// The process as its run wrote it into the lock's file; empty where it had not done so yet.
        process: String,
    },
}

type Result<T> = std::result::Result<T, StateError>;

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io { what, path, source }
}

/// The state directory.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
}

/// What the host knows of a set besides its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetInfo {
    /// The set's name.
    pub name: String,
    /// age recipients, as text.
    pub recipients: Vec<String>,
    /// It is a set in quarantine, as its labels say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quarantine: bool,
}

impl StateDir {
    /// Opens the directory; creates it with mode 0700 if it is missing. What is known to be one gets that mode, too.
    pub fn open(root: &Path) -> Result<Self> {
        let sets = root.join("sets");
        let is_known = sets.is_dir();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&sets).map_err(io_error("made", &sets))?;
        for folder in [Some(sets.as_path()), is_known.then_some(root)].into_iter().flatten() {
            if folder.metadata().is_ok_and(|m| m.mode() & 0o077 != 0) {
                // Fails only where it is somebody else's.
                let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
            }
        }
        Ok(Self { root: root.to_owned() })
    }

    /// One that is there, or not: nothing is made.
    pub fn of(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The catalog's file.
    pub fn catalog(&self) -> PathBuf {
        self.root.join("catalog.sqlite")
    }

    /// The files of the catalog of a state directory: its own, and those that SQLite has beside it.
    pub fn catalog_files(root: &Path) -> [PathBuf; 4] {
        ["", "-wal", "-shm", "-journal"].map(|companion| root.join(format!("catalog.sqlite{companion}")))
    }

    /// Renames a damaged catalog to a free name, and returns its new path.
    pub fn set_catalog_aside(&self) -> Result<PathBuf> {
        let catalog = self.catalog();
        let aside = (1..).map(|n| self.root.join(format!("catalog.damaged-{n}"))).find(|p| !p.exists());
        let Some(aside) = aside else { unreachable!("some number is free") };
        #[expect(clippy::disallowed_methods, reason = "the host's own cache, not a medium")]
        fs::rename(&catalog, &aside).map_err(io_error("renamed", &catalog))?;
        for companion in ["-wal", "-shm"] {
            let path = self.root.join(format!("catalog.sqlite{companion}"));
            if path.exists() {
                let to = PathBuf::from(format!("{}{companion}", aside.display()));
                #[expect(clippy::disallowed_methods, reason = "the host's own cache, not a medium")]
                fs::rename(&path, &to).map_err(io_error("renamed", &path))?;
            }
        }
        Ok(aside)
    }

    /// The set's folder; `None` if this host does not write that set.
    pub fn set(&self, id: Id) -> Option<SetState> {
        let dir = self.root.join("sets").join(id.to_string());
        dir.join("set.json").exists().then_some(SetState { dir, id })
    }

    /// All sets that this host writes.
    pub fn sets(&self) -> Vec<SetState> {
        let folders = fs::read_dir(self.root.join("sets")).into_iter().flatten().flatten();
        folders.filter_map(|folder| self.set(folder.file_name().to_str()?.parse().ok()?)).collect()
    }

    /// Begins a set: creates its folder with its key and `info`.
    pub fn create_set(&self, id: Id, info: &SetInfo, key: &SetKey) -> Result<SetState> {
        let dir = self.root.join("sets").join(id.to_string());
        fs::DirBuilder::new().mode(0o700).create(&dir).map_err(io_error("made", &dir))?;
        let set = SetState { dir, id };
        let path = set.dir.join("set-key");
        write_new(&path, PRIVATE, &key.0).map_err(io_error("written", &path))?;
        set.put_info(info)?;
        sync_folder_of(&set.dir).map_err(io_error("synced", &set.dir))?;
        Ok(set)
    }
}

/// One set's folder in the state directory.
#[derive(Debug, Clone)]
pub struct SetState {
    dir: PathBuf,
    id: Id,
}

impl SetState {
    /// The set's id.
    pub fn id(&self) -> Id {
        self.id
    }

    /// What is known of the set.
    pub fn info(&self) -> Result<SetInfo> {
        let path = self.dir.join("set.json");
        let text = read_own(&path, STATE_BYTES).map_err(io_error("read", &path))?;
        serde_json::from_slice(&text).map_err(|e| StateError::Content { path, why: e.to_string() })
    }

    fn put_info(&self, info: &SetInfo) -> Result<()> {
        let path = self.dir.join("set.json");
        let text = serde_json::to_vec_pretty(info).map_err(|e| StateError::Content { path: path.clone(), why: e.to_string() })?;
        write_new(&path, PRIVATE, &text).map_err(io_error("written", &path))
    }

    /// The set key.
    pub fn key(&self) -> Result<SetKey> {
        let path = self.dir.join("set-key");
        let mut key = SetKey([0; 32]);
        let mut file = open_own(&path).map_err(io_error("read", &path))?;
        file.read_exact(&mut key.0).map_err(io_error("read", &path))?;
        Ok(key)
    }

    /// The file of [`crate::seal`]'s keys.
    pub fn seal_keys(&self) -> PathBuf {
        self.dir.join("seal-keys")
    }

    /// The file with the entry stream of the last generation.
    pub fn entries(&self) -> PathBuf {
        self.dir.join("entries")
    }

    /// The file with the entry stream of the present run.
    pub fn next_entries(&self) -> PathBuf {
        self.dir.join("entries.next")
    }

    /// Creates an empty file for the entry stream of the run that begins.
    pub fn new_entries(&self) -> Result<File> {
        let path = self.next_entries();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600).custom_flags(NO_LINK);
        options.open(&path).map_err(io_error("made", &path))
    }

    /// What the tripwires know; `None` if there is no file that can be read.
    pub fn watch(&self) -> Option<Vec<u8>> {
        Some(self.stamped_watch()?.0)
    }

    /// The generation up to which the tripwires know it: also one in which no source could be judged.
    pub fn watched_generation(&self) -> Option<u64> {
        Some(self.stamped_watch()?.1)
    }

    /// The file `watch` ends with the generation, in 8 bytes.
    fn stamped_watch(&self) -> Option<(Vec<u8>, u64)> {
        let mut bytes = read_own(&self.dir.join("watch"), STATE_BYTES).ok()?;
        let stamp = *bytes.last_chunk()?;
        bytes.truncate(bytes.len() - stamp.len());
        Some((bytes, u64::from_le_bytes(stamp)))
    }

    /// Replaces what the tripwires know, up to a generation.
    pub fn put_watch(&self, bytes: &[u8], generation: u64) -> Result<()> {
        self.replace("watch", &[bytes, &generation.to_le_bytes()].concat())
    }

    /// What the tripwires raised; `None` if there is no file that can be read.
    pub fn alarms(&self) -> Option<Vec<u8>> {
        read_own(&self.dir.join("alarms"), STATE_BYTES).ok()
    }

    /// Replaces what the tripwires raised.
    pub fn put_alarms(&self, bytes: &[u8]) -> Result<()> {
        self.replace("alarms", bytes)
    }

    /// Paths of the last generation's entries that lack attributes, each followed by a NUL; `None` if there is no file
    /// that can be read.
    pub fn lacking(&self) -> Option<Vec<u8>> {
        read_own(&self.dir.join("lacking"), STATE_BYTES).ok()
    }

    /// Replaces these paths.
    pub fn put_lacking(&self, bytes: &[u8]) -> Result<()> {
        self.replace("lacking", bytes)
    }

    /// Where the roots of the sources led to in the last night.
    pub fn roots(&self) -> SourceRoots {
        SourceRoots::decode(&read_own(&self.dir.join("roots"), STATE_BYTES).unwrap_or_default())
    }

    /// Replaces these places.
    pub fn put_roots(&self, roots: &SourceRoots) -> Result<()> {
        self.replace("roots", &roots.encode())
    }

    /// What is remembered of content; `None` if there is no file that can be read.
    pub fn contents(&self) -> Option<Vec<u8>> {
        read_own(&self.dir.join("contents"), STATE_BYTES).ok()
    }

    /// Replaces what is remembered of content.
    pub fn put_contents(&self, bytes: &[u8]) -> Result<()> {
        self.replace("contents", bytes)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.dir.join(name);
        files::replace(&path, bytes).map_err(io_error("written", &path))
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        &self.dir
    }

    /// Whether the set can be written: its keys are there, and what can be read here is whole.
    pub fn is_whole(&self) -> bool {
        let is_key = || self.dir.join("set-key").metadata().is_ok_and(|m| m.len() == 32);
        let are_seal_keys = || has_whole_slot(&self.seal_keys()) != Some(false) && self.seal_keys().exists();
        !matches!(self.info(), Err(StateError::Content { .. })) && is_key() && are_seal_keys()
    }

    /// Whether a run has left an entry stream that is not sealed.
    pub fn has_new_entries(&self) -> bool {
        self.next_entries().exists()
    }

    /// Makes the run's entry stream that of the last generation: its seal is durable.
    pub fn promote_entries(&self) -> Result<()> {
        let next = self.next_entries();
        #[expect(clippy::disallowed_methods, reason = "the host's own cache, not a medium")]
        fs::rename(&next, self.entries()).map_err(io_error("renamed", &next))
    }

    /// Excludes other runs from this set until the lock is dropped or the process ends, however it ends.
    /// [`StateError::Busy`] names the process that has the lock.
    #[expect(clippy::disallowed_methods, reason = "the lock's file, which names the process that has the lock")]
    pub fn lock(&self) -> Result<FileLock> {
        let path = self.dir.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(PRIVATE).custom_flags(NO_LINK);
        let file = options.open(&path).map_err(io_error("opened", &path))?;
        match FileLock::acquire(file).map_err(io_error("locked", &path))? {
            Ok(mut lock) => {
                let written = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
                written.map_err(io_error("written", &path))?;
                Ok(lock)
            }
            Err(mut file) => {
                let mut process = String::new();
                // Without the number, the error still says what is the matter.
                let _ = file.read_to_string(&mut process);
                Err(StateError::Busy { process: process.trim().to_owned() })
            }
        }
    }
}
