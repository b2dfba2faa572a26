//! What root must not use because somebody else may change it: the configuration names programs that root runs, and the
//! state directory has the keys of seals.

use super::config::{Config, ConfigSource};
use super::ui::exit::Exit;
use super::ui::explain::CommandError;
use super::ui::text::message;
use azekura::trust::{self, Untrusted};
use azekura::user::User;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Opens a file that root reads. Fails if another user than root owns it or a folder that it is in, or may write to one
/// of them: it is read from what was looked at, so that nobody can put another in its place meanwhile. The inner error
/// is of a file that cannot be opened.
pub fn open(path: &Path) -> Result<io::Result<File>, CommandError> {
    match trust::open_file(path) {
        Ok(file) => Ok(Ok(file)),
        Err(Untrusted::Io(e)) => Ok(Err(e.into())),
        Err(Untrusted::Others(at)) => Err(refused(&at, 0)),
    }
}

/// Fails if another user than root and the user of the host's backups, as whom this program runs, owns the state
/// directory or a folder that it is in, or may write to one of them.
pub fn check_state(dir: &Path, host_user: Option<&User>) -> Result<(), CommandError> {
    let own = rustix::process::geteuid().as_raw();
    let owner = host_user.map(User::uid).filter(|uid| *uid == own).unwrap_or(0);
    trust::check_folder(dir, owner).map_err(|at| refused(&at, owner))
}

/// What is wrong with a file, folder or link. `owner` may have it, besides root.
fn refused(at: &Path, owner: u32) -> CommandError {
    const OTHERS_WRITE: u32 = 0o022;
    let hint = match at.symlink_metadata() {
        Ok(m) if m.is_symlink() => message!("not-trusted.do.link", path = at),
        Ok(m) => match (![0, owner].contains(&m.uid()), m.mode() & OTHERS_WRITE != 0) {
            (true, false) => message!("not-trusted.do.owner", path = at),
            (false, true) => message!("not-trusted.do.mode", path = at),
            _ => message!("hint.not-trusted", path = at),
        },
        Err(_) => message!("hint.not-trusted", path = at),
    };
    CommandError { hint, ..CommandError::new(message!("error.not-trusted", path = at), Exit::Usage) }
}

/// Fails if others may change a program that the configuration names, or a scanner: its file, or a folder above it.
/// `folder`: where it is started. One that is found by `PATH` is not looked at.
pub fn check_program(program: &str, folder: &Path) -> Result<(), CommandError> {
    if !program.contains('/') {
        return Ok(());
    }
    trust::check_file(&folder.join(program)).map_err(|at| refused(&at, 0))
}

/// The same of every program that the configuration names.
pub fn check_programs(config: &Config) -> Result<(), CommandError> {
    let here = Path::new(".");
    let hooks = config.pools.iter().map(|p| &p.leave).chain([&config.loader]).map(|words| (words, here));
    let of_source = |s: &'_ ConfigSource| s.path.clone().unwrap_or_else(|| here.to_owned());
    for (words, folder) in hooks {
        words.first().map_or(Ok(()), |program| check_program(program, folder))?;
    }
    for source in &config.sources {
        for words in [&source.command, &source.check] {
            words.first().map_or(Ok(()), |program| check_program(program, &of_source(source)))?;
        }
    }
    Ok(())
}
