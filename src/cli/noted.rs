//! What a command has found out about a medium by the way, for the host's ledger.

use super::context::Context;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::text::message;
use azekura::job::media::scrub::{MediumRead, Verified, enter_read};

/// Enters what a job has found out about a medium, where this host's ledger has it, and says so. A host without a ledger has
/// nothing to enter.
pub fn note_read(context: &Context, read: &MediumRead) {
    let Ok(state) = context.state_dir() else { return };
    match enter_read(&state, read, &context.env(None)) {
        Ok(Verified::NotNeeded) => {}
        Ok(Verified::Entered { medium }) => context.talk(&message!("verify.entered", name = medium)),
        Ok(Verified::NotPastTheCache) => context.talk(&message!("verify.still-unread")),
        Ok(Verified::Damaged { medium }) => context.talk(&message!("verify.entered-damage", name = medium)),
        Ok(Verified::WhichMedium) => context.warn(&message!("verify.which-medium")),
        Err(e) => context.warn(&CommandError::from(e).message),
    }
}
