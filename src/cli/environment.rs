//! What surrounds the program: environment variables, the user, the host, the clock.
//!
//! **Invariant:** nothing else in the program reads the environment.

use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{CommandError, io_reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::text::message;
use azekura::format::cbor::Time;
use azekura::host::ledger::{Ledger, LedgerEvent, LedgerLine};
use azekura::trust;
use azekura::user::{FOR_READING, User};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Names the session of evidence that commands are recorded in.
pub const SESSION: &str = "AZEKURA_EVIDENCE";

/// Read once, at the start.
#[derive(Debug)]
pub struct Environment {
    /// By the locale.
    pub lang: Lang,
    state: Option<PathBuf>,
    identity: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
    state_home: Option<PathBuf>,
    config_home: Option<PathBuf>,
    home: Option<PathBuf>,
    /// The session of evidence that is under way.
    pub session: Option<PathBuf>,
    /// For files that may become large: `/tmp` is often memory.
    pub large_temporary: PathBuf,
    is_root: bool,
    /// The state directory of the host's runs: root's, or those of the user who owns it.
    host_state: PathBuf,
    /// Who owns it, if it is not root: the host's backups run as this user.
    pub host_user: Option<User>,
    pub host: String,
}

impl Environment {
    pub fn read() -> Self {
        // An empty variable is as good as none.
        let get = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        let path = |name: &str| get(name).map(PathBuf::from);
        // The XDG specification: a path that is not absolute is to be ignored.
        let absolute = |name: &str| path(name).filter(|p| p.is_absolute());
        let host_state = PathBuf::from("/var/lib/azekura");
        Self {
            lang: Lang::of_locale(["LC_ALL", "LC_MESSAGES", "LANG"].map(get)),
            state: path("AZEKURA_STATE"),
            identity: path("AZEKURA_IDENTITY"),
            passphrase_file: path("AZEKURA_PASSPHRASE_FILE"),
            state_home: absolute("XDG_STATE_HOME"),
            config_home: absolute("XDG_CONFIG_HOME"),
            home: absolute("HOME"),
            session: path(SESSION),
            large_temporary: path("TMPDIR").unwrap_or_else(|| "/var/tmp".into()),
            is_root: rustix::process::geteuid().is_root(),
            host_user: User::owning(&host_state),
            host_state,
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        }
    }

    pub fn is_root(&self) -> bool {
        self.is_root
    }

    /// Whether this user makes the host's backups: the host's configuration and records are the ones that are meant.
    pub fn acts_for_host(&self) -> bool {
        let own = rustix::process::geteuid().as_raw();
        self.is_root || self.host_user.as_ref().is_some_and(|user| user.uid() == own)
    }

    /// Root becomes the user of the host's backups for a command that uses their records and no other file of root's. To be
    /// called before a second thread begins. `state`: as for [`Self::state_dir`].
    pub fn become_host_user(&mut self, command: &str, state: Option<&Path>) -> Result<(), CommandError> {
        let Some(user) = self.host_user.as_ref().filter(|_| self.is_root && self.session.is_none()) else { return Ok(()) };
        if !needs_no_root(command) || !self.is_of_host_user(&self.state_dir(state)?) {
            return Ok(());
        }
        let became = user.become_for_good(FOR_READING);
        became.map_err(|e| {
            let message = message!("error.host-user", uid = user.uid(), path = self.host_state);
            CommandError::new(message, Exit::Failed).cause(io_reason(&e))
        })?;
        self.is_root = false;
        Ok(())
    }

    /// Whether a state directory is the host's and belongs to the user of its backups: root would write and follow what that user
    /// has put there, and so leaves it alone.
    pub fn is_of_host_user(&self, state: &Path) -> bool {
        let same = |a: Metadata, b: Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        let are_same = || Some(same(state.metadata().ok()?, self.host_state.metadata().ok()?));
        self.host_user.is_some() && are_same().unwrap_or(false)
    }

    /// The state directory: `given`, else AZEKURA_STATE, else `/var/lib/azekura` for the host's runs and the XDG state folder for
    /// others.
    pub fn state_dir(&self, given: Option<&Path>) -> Result<PathBuf, CommandError> {
        if let Some(dir) = given.or(self.state.as_deref()) {
            return Ok(dir.to_owned());
        }
        if self.acts_for_host() {
            return Ok(self.host_state.clone());
        }
        let home = self.state_home.clone().or_else(|| Some(self.home.as_ref()?.join(".local/state")));
        home.map(|h| h.join("azekura"))
            .ok_or_else(|| CommandError::usage(message!("error.no-state-dir"), message!("hint.no-state-dir")))
    }

    /// The state directory of the host's runs, where this user would look into one of their own that does not exist, or in which
    /// no backup was ever recorded. Any command that fails may have made such a one.
    pub fn host_state_out_of_sight(&self, given: Option<&Path>) -> Option<&Path> {
        let is_named = given.or(self.state.as_deref()).is_some();
        let is_written = |l: &LedgerLine| matches!(l.event, LedgerEvent::Written { .. });
        let has_backup = |own: PathBuf| Ledger::of(&own).read().is_ok_and(|book| book.lines.iter().any(is_written));
        let own_has_backup = || self.state_dir(None).is_ok_and(has_backup);
        // What this user cannot look for may be there.
        let host_has_one = || self.host_state.try_exists().unwrap_or(true);
        (!self.acts_for_host() && !is_named && !own_has_backup() && host_has_one()).then_some(self.host_state.as_path())
    }

    /// The configuration file where the user names none.
    pub fn config_file(&self) -> Option<PathBuf> {
        if self.acts_for_host() {
            return Some("/etc/azekura/config.toml".into());
        }
        let home = self.config_home.clone().or_else(|| Some(self.home.as_ref()?.join(".config")));
        home.map(|h| h.join("azekura/config.toml"))
    }

    /// The identity file: `given`, else AZEKURA_IDENTITY. Never the identity itself.
    pub fn identity_file(&self, given: Option<&Path>) -> Option<PathBuf> {
        given.or(self.identity.as_deref()).map(Path::to_owned)
    }

    /// The file with the passphrase: `given`, else AZEKURA_PASSPHRASE_FILE. Never the passphrase itself.
    pub fn passphrase_file(&self, given: Option<&Path>) -> Option<PathBuf> {
        given.or(self.passphrase_file.as_deref()).map(Path::to_owned)
    }
}

/// `PATH` without what is relative, and for root without folders that others may change: a program that is started by its name
/// is one that nobody else has put there.
pub fn program_path() -> Option<OsString> {
    std::env::var_os("PATH").map(|path| safe_path(&path, rustix::process::geteuid().is_root()))
}

fn safe_path(path: &OsStr, is_root: bool) -> OsString {
    let is_safe = |folder: &PathBuf| folder.is_absolute() && (!is_root || trust::check_file(folder).is_ok());
    // No folder of a list has the character that divides them.
    let safe = std::env::join_paths(std::env::split_paths(path).filter(is_safe)).unwrap_or_default();
    // An empty list would mean the current folder.
    if safe.is_empty() { "/usr/bin:/bin".into() } else { safe }
}

/// Whether a command needs the host's records. The others make files where only root may, or restore.
fn needs_no_root(command: &str) -> bool {
    let whole = ["backup", "generations", "find", "diff", "history", "verify", "status"];
    let is_of = |group: &&str| command.strip_prefix(*group).is_some_and(|rest| rest.starts_with('.'));
    whole.contains(&command) || ["hold", "catalog", "media", "stamp"].iter().any(is_of)
}

/// The arguments of this process, the program's own name first.
pub fn arguments() -> Vec<OsString> {
    std::env::args_os().collect()
}

/// The configuration that the arguments name. Read before they are parsed.
pub fn config_given(arguments: &[OsString]) -> Option<PathBuf> {
    let mut found = None;
    let mut arguments = arguments.iter().skip(1).take_while(|a| *a != "--");
    while let Some(a) = arguments.next() {
        let value = match a.as_bytes().strip_prefix(b"--config") {
            Some(b"") => arguments.next().map(OsString::as_os_str),
            Some(rest) => rest.strip_prefix(b"=").map(OsStr::from_bytes),
            None => None,
        };
        found = value.map(PathBuf::from).or(found);
    }
    found
}

/// The same path from any folder. Where there is no current folder, the path as it is.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The last component of the path that is meant: for `.` the name of the current folder, for `/` none.
pub fn last_name(path: &Path) -> Option<OsString> {
    let ends_in_dots = |p: &Path| {
        matches!(p.components().next_back(), None | Some(std::path::Component::CurDir | std::path::Component::ParentDir))
    };
    let whole = if ends_in_dots(path) { path.canonicalize().unwrap_or_else(|_| absolute(path)) } else { path.to_owned() };
    whole.file_name().map(OsStr::to_owned)
}

/// Whether a process of this number runs now, and is this program.
pub fn is_running(process: u32) -> bool {
    let name = |process: &str| std::fs::read(format!("/proc/{process}/comm")).ok();
    process != std::process::id() && name(&process.to_string()).is_some_and(|running| Some(running) == name("self"))
}

/// The time now.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { seconds: since.as_secs() as i64, nanoseconds: since.subsec_nanos() }
}

/// Threads that this machine runs at once.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The file of this program. Where `/proc` is not mounted, it is the path that it was started by.
pub fn own_program() -> PathBuf {
    let own = Path::new("/proc/self/exe");
    match own.symlink_metadata() {
        Ok(_) => own.to_owned(),
        Err(_) => OsStr::from_bytes(rustix::param::linux_execfn().to_bytes()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_user_is_not_answered_from_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (host_state, own) = (dir.path().join("var"), dir.path().join("home/azekura"));
        let user = || Environment {
            state: None,
            state_home: Some(dir.path().join("home")),
            is_root: false,
            host_user: None,
            host_state: host_state.clone(),
            ..Environment::read()
        };
        assert_eq!(user().host_state_out_of_sight(None), None, "this host has none either");
        std::fs::create_dir(&host_state).unwrap();
        assert_eq!(user().host_state_out_of_sight(None), Some(host_state.as_path()));
        assert_eq!(user().host_state_out_of_sight(Some(&own)), None, "it was named");
        let named = Environment { state: Some(own.clone()), ..user() };
        assert_eq!(named.host_state_out_of_sight(None), None, "it was named");
        let root = Environment { is_root: true, ..user() };
        assert_eq!((root.host_state_out_of_sight(None), root.state_dir(None).unwrap()), (None, host_state.clone()));
        std::fs::create_dir_all(&own).unwrap();
        let enter = |event| Ledger::of(&own).write("2026-12-01T01:30:00Z", event).unwrap();
        enter(LedgerEvent::Held { by: "clerk".into(), why: "threat".into(), set: None, generation: None });
        assert_eq!(user().host_state_out_of_sight(None), Some(host_state.as_path()), "made by a command that failed");
        let (medium, check_code) = ("CL-01".to_owned(), "7F3K-92QX-0M4D-VH1C".to_owned());
        enter(LedgerEvent::Written { medium, generation: 1, check_code, verdict: "good".into(), from_cache: false });
        assert_eq!(user().host_state_out_of_sight(None), None, "there are backups of one's own");
    }

    #[test]
    fn programs_are_found_where_nobody_else_puts_one() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (own, open) = (dir.path().join("own"), dir.path().join("open"));
        for (folder, mode) in [(&own, 0o755), (&open, 0o777)] {
            std::fs::create_dir(folder).unwrap();
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = std::env::join_paths([".".as_ref(), own.as_path(), "".as_ref(), open.as_path(), "bin".as_ref()]).unwrap();
        let kept = |is_root| std::env::split_paths(&safe_path(&path, is_root)).collect::<Vec<_>>();
        assert_eq!(kept(false), [own.clone(), open]);
        assert_eq!(safe_path(".:bin".as_ref(), false), "/usr/bin:/bin", "nothing that is left is not the current folder");
        if rustix::process::geteuid().is_root() {
            assert_eq!(kept(true), [own]);
        }
    }

    #[test]
    fn only_another_process_of_this_program_is_running() {
        assert!(!is_running(std::process::id()));
        let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!is_running(other.id()), "another program");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
