//! Which media a generation needs when all of it is restored.

use super::{BackupError, Result};
use crate::format::entry::{Entry, RecordError, RecordReader};
use crate::format::manifest::EntryStream;
use crate::format::pack::Extent;
use crate::host::files::open_own;
use crate::set::writer::SetWriter;
use std::collections::BTreeMap;
use std::io::{BufReader, ErrorKind};

/// The media that content lies on, by their place in the set, with the bytes of content on each; nothing if the set has
/// one medium.
///
/// Read from the host's copy of the entry stream. This second pass happens only on sets with several media, where a
/// person changes media and nobody waits for it.
pub fn pick_list(set: &SetWriter, entries: &EntryStream) -> Result<Vec<(u64, u64)>> {
    if set.mounted.place <= 1 {
        return Ok(Vec::new());
    }
    let firsts = set.host.catalog.media_firsts(set.host.row)?;
    let mut media: BTreeMap<u64, u64> = BTreeMap::new();
    let mut count = |extents: &[Extent]| {
        for x in extents {
            *media.entry(firsts.partition_point(|first| *first <= x.object) as u64).or_default() += x.length;
        }
    };
    count(&entries.extents);
    let file = open_own(&set.host.state.next_entries()).map_err(BackupError::HostFile)?;
    let mut records = RecordReader::new(BufReader::with_capacity(1 << 20, file));
    for _ in 0..entries.count {
        let record = match records.next_record() {
            Ok(record) => record.ok_or_else(|| BackupError::HostFile(ErrorKind::UnexpectedEof.into()))?,
            Err(RecordError::Read(e)) => return Err(BackupError::HostFile(e)),
            Err(RecordError::Malformed(e)) => return Err(e.into()),
        };
        let (entry, _) = Entry::decode(record)?;
        // Further names share the content of the first.
        if entry.core.link_to.is_none() {
            count(&entry.extents);
        }
    }
    Ok(media.into_iter().collect())
}
