//! What root must not use because somebody else may change it: the configuration names programs that root runs, and the
//! state directory has the keys of seals.

use super::config::{Config, ConfigSource};
use super::ui::exit::Exit;
use super::ui::explain::CommandError;
use super::ui::text::message;
use azekura::trust;
use azekura::user::User;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const OTHERS_WRITE: u32 = 0o022;

/// Fails if another user than root owns a file or folder, or may write to it. Links are followed. Of what is not there nothing is
/// said. Who may change the folder above can only put something of their own in its place, and that is refused.
pub fn check(path: &Path) -> Result<(), CommandError> {
    check_owner(path, 0)
}

/// The same of the state directory, which may belong to the user of the host's backups.
pub fn check_state(dir: &Path, host_user: Option<&User>) -> Result<(), CommandError> {
    check_owner(dir, host_user.map_or(0, User::uid))
}

fn check_owner(path: &Path, besides_root: u32) -> Result<(), CommandError> {
    match path.metadata() {
        Ok(m) if ![0, besides_root].contains(&m.uid()) || m.mode() & OTHERS_WRITE != 0 => {
            Err(CommandError::new(message!("error.not-trusted", path = path), Exit::Usage))
        }
        _ => Ok(()),
    }
}

/// The same of a program that the configuration names, or a scanner: of its file, and of every folder that it is in.
/// `folder`: where it is started. One that is found by `PATH` is not looked at.
pub fn check_program(program: &str, folder: &Path) -> Result<(), CommandError> {
    if !program.contains('/') {
        return Ok(());
    }
    let found = trust::check_file(&folder.join(program));
    found.map_err(|path| CommandError::new(message!("error.not-trusted", path = path), Exit::Usage))
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
