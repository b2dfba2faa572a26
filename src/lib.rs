//! Azekura: sealed, encrypted, deduplicated generations on media that can be taken away.
//!
//! `docs/architecture.md` is the map. Arrows point right only:
//! `cli (bin) → answer → job · report → set · generation → seal · env → pipeline · medium · host · tripwire → format · event · buffer · lock`.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod answer;
pub mod buffer;
pub mod env;
pub mod event;
pub mod format;
pub mod generation;
pub mod host;
pub mod job;
pub mod lock;
#[cfg(test)]
#[path = "../tests/machine/mod.rs"]
mod machine;
pub mod medium;
pub mod pipeline;
pub mod report;
pub mod seal;
pub mod set;
pub mod tripwire;
