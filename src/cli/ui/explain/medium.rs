//! Errors of media.

use super::{CommandError, io_reason, reason, step};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::text::{Message, message};
use crate::cli::ui::units;
use azekura::medium::{ChangerProblem, DeviceProblem, ErrorCategory, MediumError};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

impl From<MediumError> for CommandError {
    fn from(error: MediumError) -> Self {
        use MediumError as E;
        let exit = match error.category() {
            ErrorCategory::Medium if matches!(error, E::Interrupted) => Exit::Interrupted,
            ErrorCategory::Medium => Exit::Medium,
            ErrorCategory::Damage => Exit::Damage,
            ErrorCategory::Program => Exit::Failed,
        };
        let new = |message| Self::new(message, exit);
        match error {
            E::NotFound { path } => new(message!("error.medium.not-found", place = path)),
            E::NotADirectory { path } => new(message!("error.medium.not-a-folder", place = path)),
            E::TooManySets { path, most } => {
                new(message!("error.medium.too-many-sets", place = path, count = units::count(most as u64)))
            }
            E::NoSuchSet { path, set } => new(message!("error.medium.no-such-set", place = path, set = set)),
            E::SetExists { path, set } => new(message!("error.medium.set-exists", place = path, set = set)),
            E::Exists { medium: place, number } => new(message!("error.medium.exists", place = place, number = number)),
            E::Missing { medium: place, number, kind } => {
                new(message!("error.medium.missing", place = place, number = number, kind = kind))
            }
            E::Full { medium: place, free: None, .. } => new(message!("error.medium.full-tape", place = place)),
            E::Full { medium: place, needed, free: Some(free), torn: _ } => {
                let free = units::bytes(free);
                new(message!("error.medium.full", place = place, needed = units::bytes(needed), free = free))
            }
            E::ReadOnly { medium: place } => new(message!("error.medium.read-only", place = place)),
            E::Denied { medium: place, what, source } => {
                let hint = denied_folder(Path::new(&place));
                let denied = new(message!("error.medium.denied", place = place, step = step(what))).cause(io_reason(&source));
                Self { hint: hint.unwrap_or_else(|| denied.hint.clone()), ..denied }
            }
            E::Busy { path, pid } => {
                new(message!("error.medium.busy", place = path, process = pid.map_or("?".to_owned(), |p| p.printable())))
            }
            E::Gone { medium: place, what, source } => {
                let gone = new(message!("error.medium.gone", place = place, step = step(what)));
                source.iter().map(io_reason).fold(gone, Self::cause)
            }
            E::Unreadable { medium: place, number, kind, source } => {
                new(message!("error.medium.unreadable", place = place, number = number, kind = kind)).cause(io_reason(&source))
            }
            E::NotAFile { medium: place, number, kind } => {
                new(message!("error.medium.not-a-file", place = place, number = number, kind = kind))
            }
            E::NoLabel { path } => new(message!("error.medium.no-label", place = path)),
            E::NewerFormat { path, found } => new(message!("error.medium.newer", place = path, found = found)),
            E::BadLabel { path, source } => new(message!("error.medium.bad-label", place = path)).cause(reason(&source)),
            E::NotBlank { medium: place } => new(message!("error.medium.not-blank", place = place)),
            E::Foreign { medium: place } => new(message!("error.medium.foreign", place = place)),
            E::NoCartridge { medium: place } => new(message!("error.medium.no-cartridge", place = place)),
            E::NotBrought { path, place, blank } => match blank {
                true => new(message!("error.medium.no-blank-brought", place = path, number = place)),
                false => new(message!("error.medium.not-brought", place = path, number = place)),
            },
            E::Abandoned { medium: place } => new(message!("error.medium.half-begun", place = place)),
            E::OtherMedium { path, found, wanted } => {
                new(message!("error.medium.other-place", place = path, found = found, number = wanted))
            }
            E::Device { medium: place, why: DeviceProblem::Rewinds } => new(message!("error.medium.rewinds", place = place)),
            E::Device { medium: place, why: DeviceProblem::Loading } => new(message!("error.medium.loading", place = place)),
            E::Device { medium: place, why: DeviceProblem::Changer(why) } => changer(&place, why, exit),
            E::Changed { medium: place } => new(message!("error.medium.changed", place = place)),
            E::BadHeader { medium: place, address, source } => {
                new(message!("error.medium.bad-header", place = place, address = address)).cause(reason(&source))
            }
            E::Interrupted => new(message!("error.interrupted-reading")),
            E::BadName { number, kind } => new(message!("error.medium.bad-name", number = number, kind = kind)),
            E::Broken { medium: place, what, source } => {
                new(message!("error.medium.broken", place = place, step = step(what))).cause(io_reason(&source))
            }
            E::Io { medium: place, what, source } => {
                new(message!("error.medium.io", place = place, step = step(what))).cause(io_reason(&source))
            }
            other => new(message!("error.medium.other")).cause(reason(&other)),
        }
    }
}

/// Names the first folder on the way that this user may not use, and whose it is. `None` where there is none: it is
/// something else that is denied.
fn denied_folder(place: &Path) -> Option<Message> {
    let own = rustix::process::geteuid();
    // Root is not denied anything by an owner.
    if own.is_root() {
        return None;
    }
    let own = own.as_raw();
    let mut above: Vec<&Path> = place.ancestors().collect();
    above.reverse();
    let needed = |at: &Path| if at == place { Access::READ_OK | Access::EXEC_OK } else { Access::EXEC_OK };
    let is_denied = |at: &&&Path| accessat(CWD, **at, needed(at), AtFlags::EACCESS) == Err(Errno::ACCESS);
    let at = above.iter().find(is_denied).or_else(|| above.last().filter(|at| at.is_dir()))?;
    let uid = at.symlink_metadata().ok().filter(|m| m.uid() != own)?.uid();
    Some(message!("medium.do.denied-folder", at = *at, uid = uid, own = own))
}

fn changer(place: &str, why: ChangerProblem, exit: Exit) -> CommandError {
    use ChangerProblem as P;
    let new = |message| CommandError::new(message, exit);
    match why {
        P::Missing => new(message!("error.changer.missing", place = place)),
        P::Denied => new(message!("error.changer.denied", place = place)),
        P::Busy => new(message!("error.changer.busy", place = place)),
        P::Silent => new(message!("error.changer.silent", place = place)),
        P::Failed(sense) => {
            let failed = new(message!("error.changer.failed", place = place, sense = sense.to_string()));
            let (asc, ascq) = sense.code;
            let known = Message::optional(format!("reason.sense.{asc:02x}-{ascq:02x}"));
            known.into_iter().fold(failed, CommandError::cause)
        }
        P::MalformedAnswer => new(message!("error.changer.garbled", place = place)),
        P::WhichDrive { drives } => new(message!("error.changer.which-drive", place = place, count = u64::from(drives))),
        P::NoFreeSlot => new(message!("error.changer.no-free-slot", place = place)),
        P::OtherDrive => new(message!("error.changer.other-drive", place = place)),
    }
}
