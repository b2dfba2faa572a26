//! What this host remembers: its state directory, the ledger of media, the catalog.

pub mod catalog;
pub mod files;
pub mod ledger;
pub mod state;
