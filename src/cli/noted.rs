//! What a command has found out about a medium by the way, for the host's ledger, and what that ledger knows of it.

use super::config::ConfigPool;
use super::context::Context;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::text::message;
use azekura::format::check_code::WrittenCode;
use azekura::format::object::Id;
use azekura::host::ledger::{Ledger, LedgerEvent, MediumAccount};
use azekura::job::incident::hold::active_hold;
use azekura::job::media::found::{MediumRead, Verified, enter_read, enter_unknown_alarms, known_as_other};
use std::path::Path;

/// Enters what a job has found out about a medium, where this host's ledger has it, and says so. A host without a ledger has
/// nothing to enter.
pub fn note_read(context: &Context, read: &MediumRead) {
    let Ok(state) = context.state_dir() else { return };
    match enter_read(&state, read, &context.env(None)) {
        Ok(Verified::NotNeeded) => {}
        Ok(Verified::Entered { medium }) => context.talk(&message!("verify.entered", name = medium)),
        Ok(Verified::NotPastTheCache) => context.talk(&message!("verify.still-unread")),
        Ok(Verified::Mismatched { medium }) => context.talk(&message!("verify.entered-mismatch", name = medium)),
        Ok(Verified::Newer { medium }) => context.talk(&message!("verify.entered-newer", name = medium)),
        Ok(Verified::Foreign { medium }) => context.talk(&message!("verify.entered-foreign", name = medium)),
        Ok(Verified::Damaged { medium }) => context.talk(&message!("verify.entered-damage", name = medium)),
        Ok(Verified::WhichMedium) => context.warn(&message!("verify.which-medium")),
        Err(e) => context.warn(&CommandError::from(e).message),
    }
}

/// Enters alarms that a medium has and this host does not know, and says so. Returns whether there are any.
pub fn note_alarms(context: &Context, read: &MediumRead) -> bool {
    let Ok(state) = context.state_dir() else { return false };
    let new = enter_unknown_alarms(&state, read, &context.env(None)).unwrap_or_else(|e| {
        context.warn(&CommandError::from(e).message);
        Vec::new()
    });
    context.warn_first(new.iter().map(|generation| message!("verify.new-alarm", number = generation)));
    !new.is_empty()
}

/// Says that a medium is not what this host wrote last, where this host knows that. Returns whether it does.
pub fn tell_of_other(context: &Context, set: Id, at: &Path, newest: Option<u64>) -> bool {
    let known = context.state_dir().ok().map(|state| known_as_other(&state, set, at, newest));
    match known {
        Some(Ok(Some(medium))) => {
            context.warn(&message!("verify.known-as-other", name = medium));
            true
        }
        Some(Err(e)) => {
            context.warn(&CommandError::from(e).message);
            false
        }
        _ => false,
    }
}

/// Says what the next backup does with a medium where damage was found: it stores again what is damaged, or does not use the
/// medium at all.
pub fn tell_what_backup_does(context: &Context, set: Id, is_remembered: bool) {
    match passed_over(context, set) {
        Some(name) => context.talk(&message!("verify.passed-over", name = name)),
        None if is_remembered => context.talk(&message!("verify.remembered")),
        None => {}
    }
}

/// Medium and generation that have a check code, by this host's ledger.
pub fn written_with(context: &Context, code: &WrittenCode) -> Option<(String, u64)> {
    let book = Ledger::of(&context.state_dir().ok()?).read().ok()?;
    let code = code.to_string();
    book.lines.into_iter().rev().find_map(|line| match line.event {
        LedgerEvent::Written { medium, generation, check_code, .. } if code.starts_with(&check_code) => {
            Some((medium, generation))
        }
        _ => None,
    })
}

/// Says whose a check code is that is not where it was looked for, as [`written_with`] has found it.
pub fn tell_whose(written: Option<(String, u64)>, context: &Context) {
    if let Some((medium, generation)) = written {
        context.warn(&message!("verify.code-elsewhere", medium = medium, number = generation));
    }
}

/// The medium of a set that a backup would refuse. Under a hold the last one is written to, whatever is on it.
fn passed_over(context: &Context, set: Id) -> Option<String> {
    let book = Ledger::of(&context.state_dir().ok()?).read().ok()?;
    let media = book.media();
    let is_refused = |m: &&MediumAccount| {
        let mut pools = context.config.pools.iter().filter(|p| p.media.contains(&m.name)).map(ConfigPool::pool);
        pools.any(|pool| pool.due(&book).is_some_and(|(due, _)| due != m.name))
    };
    let doubtful = media.values().filter(|m| m.set == set.to_string() && !m.is_copy && m.is_doubtful());
    doubtful.filter(|_| active_hold(&book).is_none()).find(is_refused).map(|m| m.name.clone())
}
