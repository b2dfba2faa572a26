//! A hospital in a temporary folder: a source, a medium, the host's state, a key, a clock that the test moves.

use azekura::env::Env;
use azekura::event::NoObserver;
use azekura::format::cbor::Time;
use azekura::format::check_code::CheckCode;
use azekura::format::label::Label;
use azekura::job::backup::{self, BackupError, NewSetOptions, Options, SourceOptions, backup};
use azekura::job::inspect::verify::verify;
use azekura::job::inspect::{InspectError, verify};
use azekura::job::restore::{self, RestoreError, restore};
use azekura::medium::loader::MediumRequest;
use azekura::medium::tape::drive::Drive;
use azekura::medium::tape::simulated::Cartridge;
use azekura::medium::{Directory, Loader, MediumError, Sets};
use azekura::pipeline::encryptor::Identity;
use azekura::pipeline::target::TargetOptions;
use azekura::seal::chain::Chain;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// A drive in memory, and cartridges that come one after the other when one is asked for.
#[derive(Default)]
pub struct Deck {
    /// What is in the drive.
    pub loaded: Mutex<Option<Cartridge>>,
    /// What will be brought.
    pub shelf: Mutex<VecDeque<Cartridge>>,
    pub asked: Mutex<Vec<MediumRequest>>,
    /// Cartridges by their places, from 1: the one that is asked for is brought.
    pub library: Mutex<Vec<Cartridge>>,
}

impl Deck {
    /// Where its drive is found.
    pub fn path() -> PathBuf {
        "/dev/simulated".into()
    }

    pub fn load(&self, cartridge: &Cartridge) {
        *self.loaded.lock().expect("no panic") = Some(cartridge.clone());
    }

    pub fn asked(&self) -> Vec<MediumRequest> {
        std::mem::take(&mut self.asked.lock().expect("no panic"))
    }
}

impl Loader for Deck {
    fn drive(&self, path: &Path) -> Result<Option<Box<dyn Drive>>, MediumError> {
        if path != Self::path() {
            return Ok(None);
        }
        match &*self.loaded.lock().expect("no panic") {
            Some(cartridge) => Ok(Some(Box::new(cartridge.load()))),
            None => Err(MediumError::NoCartridge { medium: path.display().to_string() }),
        }
    }

    fn bring(&self, path: &Path, wanted: &MediumRequest, _: Option<MediumError>) -> Result<(), MediumError> {
        self.asked.lock().expect("no panic").push(wanted.clone());
        if !wanted.blank
            && let Some(cartridge) = self.library.lock().expect("no panic").get(wanted.place as usize - 1)
        {
            self.load(cartridge);
            return Ok(());
        }
        match self.shelf.lock().expect("no panic").pop_front() {
            Some(cartridge) => {
                self.load(&cartridge);
                Ok(())
            }
            None => Err(MediumError::NotBrought { path: path.to_owned(), place: wanted.place, blank: wanted.blank }),
        }
    }
}

pub struct Hospital {
    pub dir: tempfile::TempDir,
    pub identity: Identity,
    pub clock: AtomicI64,
    pub interrupted: AtomicBool,
    pub threads: usize,
    pub deck: Deck,
}

impl Hospital {
    pub fn new() -> Self {
        Self::within(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn within(dir: tempfile::TempDir) -> Self {
        for name in ["source", "medium"] {
            std::fs::create_dir(dir.path().join(name)).expect("a folder");
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
        // Files made by the test are old enough not to be read again for having been written a moment ago.
        Self {
            dir,
            identity: Identity::generate(),
            clock: AtomicI64::new(now + 60),
            interrupted: AtomicBool::new(false),
            threads: 2,
            deck: Deck::default(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn source(&self) -> PathBuf {
        self.path("source")
    }

    pub fn medium(&self) -> PathBuf {
        self.path("medium")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.source().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(&path, content).expect("a file");
        path
    }

    pub fn options(&self) -> Options {
        options(self.dir.path(), self.identity.recipients().texts().to_vec())
    }

    pub fn with_env<T>(&self, f: impl FnOnce(&Env) -> T) -> T {
        let now = || Time { seconds: self.clock.fetch_add(1, Ordering::Relaxed), nanoseconds: 0 };
        let random = |b: &mut [u8]| getrandom::fill(b).expect("randomness");
        f(&Env {
            now: &now,
            random: &random,
            host: "host",
            loader: &self.deck,
            interrupted: &self.interrupted,
            threads: self.threads,
        })
    }

    pub fn backup(&self) -> backup::Report {
        self.try_backup(&self.options()).expect("a backup")
    }

    pub fn try_backup(&self, options: &Options) -> Result<backup::Report, BackupError> {
        self.with_env(|w| backup(options, w, &NoObserver))
    }

    pub fn restore_options(&self, to: &str) -> restore::Options {
        restore::Options {
            target: TargetOptions { owners: rustix::process::geteuid().is_root(), privileged: true, ..TargetOptions::default() },
            marking: restore::Marking::Never,
            memory_bytes: 256 << 20,
            ..restore::Options::new(self.medium(), self.path(to))
        }
    }

    pub fn try_restore(&self, options: &restore::Options) -> Result<restore::Report, RestoreError> {
        self.with_env(|w| restore(options, &self.identity, w, &NoObserver))
    }

    pub fn restore(&self, to: &str) -> PathBuf {
        let report = self.try_restore(&self.restore_options(to)).expect("a restore");
        assert_eq!(report.findings, []);
        self.path(to).join("source")
    }

    pub fn label(&self) -> Label {
        Sets::find(&self.medium()).expect("sets").found.remove(0).label
    }

    /// The seals of the only set on the medium.
    pub fn chain(&self) -> Chain {
        let set = Sets::find(&self.medium()).expect("sets").found[0].id;
        Chain::read(&Directory::open(&self.medium(), set).expect("the set"), set).expect("seals")
    }

    pub fn verify(&self) -> verify::Report {
        self.try_verify(&self.medium(), None, None).expect("a verification")
    }

    /// Verifies a copy of the medium, perhaps against the paper's code or what the host knows.
    pub fn try_verify(
        &self,
        medium: &Path,
        expect: Option<CheckCode>,
        known: Option<(u64, [u8; 32])>,
    ) -> Result<verify::Report, InspectError> {
        let seals = known.map(|(_, digest)| (1, digest)).into_iter().collect();
        let known = verify::HostRecord { seals, ..verify::HostRecord::default() };
        let options = verify::Options { expect: expect.map(Into::into), known, ..verify::Options::new(medium) };
        self.with_env(|w| verify(&options, w, &NoObserver))
    }
}

/// A backup of the source below `dir` to the medium below `dir`.
pub fn options(dir: &Path, recipients: Vec<String>) -> Options {
    let source = SourceOptions::new("source", dir.join("source"));
    let mut options = Options::new(dir.join("state"), dir.join("medium"), vec![source]);
    options.init = Some(NewSetOptions::new("test", recipients));
    options.memory_bytes = 64 << 20;
    options
}

/// Every entry below `root` with its content, for comparing trees.
pub fn tree(root: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut all: Vec<_> = walkdir::WalkDir::new(root)
        .into_iter()
        .map(|e| {
            let e = e.expect("an entry");
            let content = e.file_type().is_file().then(|| std::fs::read(e.path()).expect("content"));
            (e.path().strip_prefix(root).expect("below").to_owned(), content)
        })
        .collect();
    all.sort();
    all
}
