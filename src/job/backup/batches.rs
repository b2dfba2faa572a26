//! Entries that go through the stations together.

use super::Result;
use super::entries::{FoundBatch, FurtherNames, UnchangedRecords, WalkEntry};

/// Entries in a batch.
const BATCH_ENTRIES: usize = 256;
/// Bytes to be read, or copied, in a batch, and of its paths and attributes.
const BATCH_BYTES: u64 = 1 << 20;

/// Makes batches out of entries.
pub struct Batches<'a> {
    send: &'a mut dyn FnMut(FoundBatch) -> Result<()>,
    sequence: u64,
    entries: Vec<WalkEntry>,
    /// Entries that are no [`WalkEntry::Unchanged`].
    changed: usize,
    bytes: u64,
}

impl<'a> Batches<'a> {
    pub fn new(send: &'a mut dyn FnMut(FoundBatch) -> Result<()>) -> Self {
        Self { send, sequence: 0, entries: Vec::new(), changed: 0, bytes: 0 }
    }

    pub fn push_unchanged(&mut self, record: &[u8], core_bytes: u32, further_names: FurtherNames) -> Result<()> {
        let can_join = |last: &WalkEntry| matches!(last, WalkEntry::Unchanged(u) if u.further_names == FurtherNames::None);
        if further_names == FurtherNames::Follow || !self.entries.last().is_some_and(can_join) {
            self.entries.push(WalkEntry::Unchanged(UnchangedRecords { further_names, ..UnchangedRecords::default() }));
        }
        let Some(WalkEntry::Unchanged(unchanged)) = self.entries.last_mut() else { unreachable!("just pushed") };
        unchanged.bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        unchanged.bytes.extend_from_slice(record);
        unchanged.records.push((record.len() as u32, core_bytes));
        // A record that is copied costs little work: a batch has room for more of them.
        self.bytes += record.len() as u64 * 4;
        self.flush_if_full()
    }

    /// `bytes`: those that are to be read.
    pub fn push(&mut self, entry: WalkEntry, bytes: u64) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes).saturating_add(entry.record_bytes());
        self.entries.push(entry);
        self.changed += 1;
        self.flush_if_full()
    }

    pub fn push_alone(&mut self, entry: WalkEntry) -> Result<()> {
        self.flush()?;
        self.entries.push(entry);
        self.flush()
    }

    fn flush_if_full(&mut self) -> Result<()> {
        if self.changed >= BATCH_ENTRIES || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    pub fn flush(&mut self) -> Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let batch = FoundBatch { sequence: self.sequence, entries: std::mem::take(&mut self.entries) };
        self.sequence += 1;
        (self.changed, self.bytes) = (0, 0);
        (self.send)(batch)
    }
}
