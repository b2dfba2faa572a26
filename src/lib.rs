//! Azekura: sealed, encrypted, deduplicated generations on media that can be taken away.
//!
//! `docs/architecture.md` is the map. Arrows point right only:
//! `cli (bin) → job · report → generation → seal → pipeline · medium · catalog · state · ledger · tripwire → format · event · set_key · buffer`.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod buffer;
pub mod catalog;
pub mod event;
pub mod format;
pub mod generation;
pub mod job;
pub mod ledger;
pub mod medium;
pub mod pipeline;
pub mod report;
pub mod seal;
pub mod set_key;
pub mod state;
pub mod tripwire;
