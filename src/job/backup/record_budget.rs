//! How much of a source's names and attributes may be in memory: counts alone bound nothing where one name may take a
//! megabyte.

use crate::format::entry::Core;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes that every entry may have. No call of Linux takes a longer path, so programs make none.
const FREE_BYTES: u64 = 4 << 10;

/// A source may exceed the free bytes of its entries by so much at a time, all threads together. Every entry that stays
/// below them pays some of it back.
pub struct RecordBudget {
    exceeded: AtomicU64,
    most: u64,
}

impl RecordBudget {
    pub fn new(most: u64) -> Self {
        Self { exceeded: AtomicU64::new(0), most }
    }

    /// Takes the path of an entry, if there are so many bytes left. The free ones are always there.
    pub fn take_path(&self, path: &[u8]) -> bool {
        let bytes = path.len() as u64;
        self.take(bytes, |exceeded| (exceeded + bytes).saturating_sub(FREE_BYTES))
    }

    fn take(&self, bytes: u64, after: impl Fn(u64) -> u64) -> bool {
        let fits = |exceeded: &u64| bytes <= FREE_BYTES || *exceeded <= self.most;
        self.exceeded.fetch_update(Relaxed, Relaxed, |exceeded| Some(after(exceeded)).filter(fits)).is_ok()
    }

    /// Takes an entry's attributes, or removes them from its record. Returns whether they are still there.
    pub fn take_attributes(&self, core: &mut Core) -> bool {
        let bytes = attribute_bytes(core);
        let fits = self.take(bytes, |exceeded| exceeded + bytes.saturating_sub(FREE_BYTES));
        if !fits {
            core.xattrs = Vec::new();
        }
        fits
    }
}

fn attribute_bytes(core: &Core) -> u64 {
    core.xattrs.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
}

/// Bytes that a record takes in memory, but for its extents.
pub fn record_bytes(core: &Core) -> u64 {
    let paths = [Some(&core.path), core.link_to.as_ref(), core.target.as_ref()];
    let paths: usize = paths.into_iter().flatten().map(Vec::len).sum();
    (paths + size_of_val(&core.holes[..])) as u64 + attribute_bytes(core)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_entries_always_fit_and_pay_back() {
        let budget = RecordBudget::new(10_000);
        let take = |bytes: u64| budget.take_path(&vec![b'a'; bytes as usize]);
        assert!((0..1_000).all(|_| take(FREE_BYTES)));
        assert!(take(FREE_BYTES + 10_000) && !take(FREE_BYTES + 1));
        assert!(take(FREE_BYTES) && !take(FREE_BYTES + 1));
        assert!(take(FREE_BYTES - 100) && take(FREE_BYTES + 100) && !take(FREE_BYTES + 1));
    }
}
