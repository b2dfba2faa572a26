//! `backup`: writes one sealed generation of the sources to a medium.

mod append;
mod batches;
mod chunk_store;
mod collector;
mod command;
mod contents;
mod entries;
mod entry_stream;
mod error;
mod freshness;
mod host_history;
mod lacking;
mod large_file;
mod linked_files;
mod listed_medium;
mod merge;
mod options;
mod pack_queue;
mod pick_list;
mod previous;
mod reading;
mod record_budget;
mod report;
mod run;
mod sources;
mod stations;
mod stop;
mod tally;
mod unread;
mod wakeup;
mod worker;

pub use append::Streaming;
pub use error::BackupError;
pub use options::{NewSetOptions, Options, SourceOptions};
pub use report::{AlarmOrigin, Report};
pub use sources::check_kinds;

use crate::env::Env;
use crate::event::Observer;
use run::Run;
use tally::BackupTally;

type Result<T, E = BackupError> = std::result::Result<T, E>;

/// Backs up the sources as the next generation.
pub fn backup(options: &Options, env: &Env, observer: &dyn Observer) -> Result<Report> {
    let tally = BackupTally::new(observer);
    let mut run = Run::open(options, env, observer, &tally)?;
    let stored = run.store()?;
    run.seal(stored)
}
