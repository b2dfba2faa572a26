//! What is on this host: the state directory, the ledger of media, the catalog, and files in general.

pub mod append;
pub mod catalog;
pub mod consistency;
pub mod files;
pub mod ledger;
pub mod memory;
pub mod nights;
pub mod roots;
pub mod seal_slots;
pub mod state;
