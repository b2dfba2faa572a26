//! Sources that are backed up better as the output of a command.

use super::context::Context;
use crate::cli::ui::text::message;
use azekura::job::backup::SourceOptions;
use azekura::tripwire::dump::is_packed_dump;
use std::os::unix::ffi::OsStrExt;

/// Warns of the data folders of databases, and of compressed dumps.
pub fn warn_of(sources: &[SourceOptions], context: &Context) {
    sources.iter().filter(|source| source.command.is_empty()).for_each(|source| warn(source, context));
}

fn warn(source: &SourceOptions, context: &Context) {
    let has = |name: &str| source.path.join(name).exists();
    if has("PG_VERSION") && has("base") || has("ibdata1") {
        context.warn(&message!("talk.database-folder", path = source.path));
    }
    let names = std::fs::read_dir(&source.path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut files = std::iter::once(source.path.clone()).chain(names);
    if let Some(path) = files.find(|path| is_packed_dump(path.as_os_str().as_bytes())) {
        context.warn(&message!("talk.packed-dump", path = path));
    }
}
