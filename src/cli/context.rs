//! What every command uses: the common arguments, the configuration, the environment, and whether the user wants to
//! stop.

use super::common::Common;
use super::config::{Config, ConfigPool};
use super::environment::{self, Environment};
use super::helper::Helper;
use super::inherited::{INTERRUPTED, end_in_order};
use super::loader::{Attendant, Bringer};
use super::trusted;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::{to_stderr, warn};
use crate::cli::ui::progress::Progress;
use crate::cli::ui::secret::read_identity;
use crate::cli::ui::text::{Message, message, speak_under_hold};
use crate::cli::ui::units::count;
use crate::cli::ui::words::hold_line;
use azekura::env::Env;
use azekura::host::catalog::Catalog;
use azekura::host::ledger::Ledger;
use azekura::host::state::StateDir;
use azekura::job::incident::hold::{Hold, active_hold};
use azekura::medium::Loader;
use azekura::medium::tape::BLOCK_BYTES;
use azekura::pipeline::encryptor::Identity;
use azekura::user::User;
use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};

pub struct Context {
    common: Common,
    loader: Attendant,
    kept: RefCell<Vec<(String, Vec<u8>)>>,
    /// Adds the answer to the session of evidence, where this process cannot.
    recorder: RefCell<Option<Helper>>,
    open_catalog: RefCell<Option<Catalog>>,
    pub environment: Environment,
    pub config: Config,
}

impl Context {
    pub fn new(common: Common, environment: Environment) -> Result<Self, CommandError> {
        let (given, usual) = (common.config.as_deref(), environment.config_file());
        // It decides what root runs.
        let open = |path: &Path| if environment.acts_for_host() { trusted::open(path) } else { Ok(File::open(path)) };
        let config = Config::read(given, usual.as_deref(), open)?;
        if environment.acts_for_host() {
            trusted::check_programs(&config)?;
        }
        Ok(Self::with_config(common, environment, config))
    }

    /// For a command that makes the configuration, or needs none.
    pub fn with_config(common: Common, environment: Environment, config: Config) -> Self {
        if let Some(lang) = common.lang.or(config.language) {
            lang.speak();
        }
        let loader = Attendant::new(&config, &INTERRUPTED);
        Self {
            common,
            loader,
            kept: RefCell::default(),
            recorder: RefCell::default(),
            open_catalog: RefCell::default(),
            environment,
            config,
        }
    }

    pub fn state_dir(&self) -> Result<PathBuf, CommandError> {
        let dir = self.state_path()?;
        if self.environment.is_root() && self.environment.is_of_host_user(&dir) {
            let uid = self.environment.host_user.as_ref().map_or(0, User::uid);
            return Err(CommandError::new(message!("error.state-of-user", path = dir, uid = uid), Exit::Usage));
        }
        if self.environment.acts_for_host() {
            trusted::check_state(&dir, self.environment.host_user.as_ref())?;
        }
        Ok(dir)
    }

    /// Whether root does not use the host's records, because they belong to the user of its backups.
    pub fn leaves_state_alone(&self) -> bool {
        self.environment.is_root() && self.state_path().is_ok_and(|dir| self.environment.is_of_host_user(&dir))
    }

    /// Where the state directory is, whether or not it is used.
    pub fn state_path(&self) -> Result<PathBuf, CommandError> {
        Ok(environment::absolute(&self.environment.state_dir(self.common.state.as_deref())?))
    }

    /// The state directory of a command that answers from it: where this user's own does not exist or has no backup, and
    /// the host has one, there is no answer from nothing.
    pub fn state_to_ask(&self) -> Result<PathBuf, CommandError> {
        match self.environment.host_state_out_of_sight(self.common.state.as_deref()) {
            Some(host) => Err(CommandError::new(message!("error.state-of-host", path = host), Exit::Failed)),
            None => self.state_dir(),
        }
    }

    /// The hold that is active on this host, as far as its ledger is there and can be read. Needs no state and creates none.
    pub fn hold(&self) -> Option<Hold> {
        let state = self.state_dir().ok()?;
        active_hold(&Ledger::of(&state).read().ok()?)
    }

    /// Says first that a hold is active. From then on no text asks for a medium, unless evidence needs one.
    pub fn tell_hold(&self, keeps_evidence: bool) {
        let Some(hold) = self.hold() else { return };
        self.warn(&hold_line(&hold));
        if !keeps_evidence {
            speak_under_hold();
        }
    }

    /// While a hold is active, nobody is asked for a medium to write to.
    pub fn ask_for_no_medium(&self) {
        if self.hold().is_some() {
            self.loader.ask_nobody();
        }
    }

    /// This host's catalog, if it has one. Creates nothing.
    pub fn catalog(&self) -> Result<Option<Catalog>, CommandError> {
        let dir = match self.state_dir() {
            Ok(dir) => dir,
            Err(e) if self.environment.acts_for_host() && !self.leaves_state_alone() => return Err(e),
            // A user without a home has none, and root does not look into the one of another user.
            Err(_) => return Ok(None),
        };
        if !dir.join("sets").is_dir() {
            return Ok(None);
        }
        let catalog = StateDir::open(&dir)?.catalog();
        if catalog.exists() { Ok(Some(Catalog::open(&catalog)?)) } else { Ok(None) }
    }

    /// Keeps the catalog open until the end, if this host has one: the files that SQLite has beside it stay then.
    pub fn keep_catalog_open(&self) {
        // What fails here fails again, and is reported, when the catalog is used.
        *self.open_catalog.borrow_mut() = self.catalog().ok().flatten();
    }

    /// From now on a loader program is started by another process: this one will not be able to.
    pub fn start_loader_apart(&self) {
        self.loader.start_apart();
    }

    /// Who may change the medium for another one in this run.
    pub fn bringer(&self) -> Option<Bringer> {
        self.loader.bringer()
    }

    /// From now on no other medium can be read at the path of the one that is attached.
    pub fn keep_to_one_medium(&self) {
        self.loader.keep_to_one_medium();
    }

    /// From now on another process adds the answer to the session of evidence. False where it cannot be started.
    pub fn record_apart(&self, session: &Path) -> bool {
        self.recorder.replace(Helper::for_session(session).ok());
        self.recorder.borrow().is_some()
    }

    /// The process that [`record_apart`](Self::record_apart) has started.
    pub fn recorder(&self) -> Option<Helper> {
        self.recorder.take()
    }

    /// The configuration file that the user named or that is the usual one.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.common.config.clone().or_else(|| self.environment.config_file())
    }

    /// A pool of the configuration.
    pub fn pool(&self, name: &str) -> Option<&ConfigPool> {
        self.config.pools.iter().find(|p| p.name == name)
    }

    /// The pool that a medium's argument names: `given`, else the configuration's.
    pub fn pool_of(&self, given: Option<&Path>) -> Option<&ConfigPool> {
        given.or(self.config.medium.as_deref()).and_then(Path::to_str).and_then(|name| self.pool(name))
    }

    /// The path of a medium: `given`, else the configuration's. A pool's name means the path where its media are
    /// attached.
    pub fn medium(&self, given: Option<&Path>) -> Result<PathBuf, CommandError> {
        let pool = self.pool_of(given).map(|p| p.at.as_path());
        let medium = pool.or(given).or(self.config.medium.as_deref());
        medium
            .map(environment::absolute)
            .ok_or_else(|| CommandError::usage(message!("error.no-medium"), message!("hint.no-medium")))
    }

    /// Bytes of a block on a new tape.
    pub fn tape_block(&self) -> u32 {
        self.config.tape_block.unwrap_or(BLOCK_BYTES)
    }

    /// Opens drives, and asks for media.
    pub fn loader(&self) -> &dyn Loader {
        &self.loader
    }

    /// The environment of a job. From now on the first Ctrl-C asks the job to end, and does not end the program at
    /// once.
    pub fn env(&self, threads: Option<usize>) -> Env<'_> {
        end_in_order();
        Env {
            now: &environment::now,
            random: &random,
            host: &self.environment.host,
            interrupted: &INTERRUPTED,
            loader: &self.loader,
            threads: threads.unwrap_or_else(environment::threads),
        }
    }

    /// The identity file: `given`, else the environment's.
    pub fn identity(&self, given: Option<&Path>) -> Result<Identity, CommandError> {
        match self.environment.identity_file(given) {
            Some(file) => read_identity(&file, self.environment.passphrase_file(None).as_deref()),
            None => Err(CommandError::new(message!("error.identity.none"), Exit::Key)),
        }
    }

    /// Whether `--json` was given: standard output has one document and nothing else.
    pub fn is_json(&self) -> bool {
        self.common.json
    }

    /// Whether the JSON document is used: it is printed, or kept in a session of evidence.
    pub fn wants_document(&self) -> bool {
        self.common.json || self.environment.session.is_some()
    }

    /// The identity, if one is given or named by the environment.
    pub fn optional_identity(&self, given: Option<&Path>) -> Result<Option<Identity>, CommandError> {
        self.environment
            .identity_file(given)
            .map(|file| read_identity(&file, self.environment.passphrase_file(None).as_deref()))
            .transpose()
    }

    /// Keeps a page for the session of evidence, beside the answer of the command. Without a session it does nothing.
    pub fn keep(&self, command: &str, page: Vec<u8>) {
        if self.environment.session.is_some() {
            self.kept.borrow_mut().push((format!("{command}.html"), page));
        }
    }

    /// The pages that [`keep`](Self::keep) has kept: name and content.
    pub fn kept(&self) -> Vec<(String, Vec<u8>)> {
        self.kept.take()
    }

    pub fn progress(&self) -> Progress {
        Progress::new(self.common.json || self.common.quiet)
    }

    /// A message beside the result; `--quiet` leaves it out.
    pub fn talk(&self, text: &Message) {
        if !self.common.quiet {
            to_stderr(&format!("{text}\n"));
        }
    }

    /// The first of several warnings of one kind, and how many more there are; `--json` has all.
    pub fn warn_first(&self, texts: impl ExactSizeIterator<Item = Message>) {
        const SHOWN: usize = 20;
        let all = texts.len();
        texts.take(SHOWN).for_each(|text| self.warn(&text));
        if all > SHOWN {
            self.warn(&message!("talk.more-findings", count = count((all - SHOWN) as u64)));
        }
    }

    /// A warning beside the result; `--quiet` does not leave it out.
    pub fn warn(&self, text: &Message) {
        warn(text);
    }
}

fn random(bytes: &mut [u8]) {
    if let Err(e) = getrandom::fill(bytes) {
        // Without it no key can be made, and there is no second source.
        to_stderr(&format!("azekura: the operating system gives no random numbers: {e}\n"));
        std::process::exit(i32::from(Exit::Failed.code()));
    }
}
