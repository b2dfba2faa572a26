//! Sources whose content does not change any more. Whatever writes a dump each night may write the same old one, or give
//! it a new time.

use super::SourceOptions;
use crate::format::watch::{Measures, SourceWatch};
use crate::host::catalog::{Catalog, CatalogError, SetRow};

/// Seconds that a file's time may be ahead of the host's clock: another machine's clock or time zone may be wrong.
const AHEAD: i64 = 12 * 3_600;
/// Why a source is stale whose newest file has a time that is still to come: nobody knows when it was written.
pub const FUTURE: &str = "the newest file has a time in the future";

/// When the newest file of a tree must have been written.
#[derive(Clone, Copy)]
pub struct Freshness {
    hours: u64,
    /// Seconds since 1970, as `until`.
    since: i64,
    until: i64,
}

impl Freshness {
    /// In the last `hours` before `now`.
    pub fn of(hours: u64, now: i64) -> Self {
        let seconds = i64::try_from(hours.saturating_mul(3_600)).unwrap_or(i64::MAX);
        Self { hours, since: now.saturating_sub(seconds), until: now.saturating_add(AHEAD) }
    }

    /// Whether a time is still to come.
    pub fn is_future(self, mtime: i64) -> bool {
        mtime > self.until
    }

    /// Whether a file of that time is new enough.
    pub fn is_fresh(self, mtime: i64) -> bool {
        mtime >= self.since
    }

    /// How old a file of that time is.
    pub fn age(self, mtime: i64) -> String {
        in_hours(self.since.abs_diff(mtime) / 3_600 + self.hours)
    }
}

/// An age, for a finding's detail.
pub fn in_hours(hours: u64) -> String {
    format!("{hours} hours")
}

/// The generation since which the content of a source is what it is in `generation`; `None` if it changed there.
fn unchanged_since(watch: &SourceWatch, generation: u64) -> Option<u64> {
    let is_quiet = |m: &Measures| m.files > 0 && (m.changed, m.new, m.gone) == (0, 0, 0);
    let (tonight, before) = watch.nights.split_last()?;
    if tonight.generation != generation || !is_quiet(&tonight.measures) {
        return None;
    }
    before.iter().rfind(|n| !is_quiet(&n.measures)).or(before.first()).map(|n| n.generation)
}

/// For how many hours the content of a source has been the same, where that is longer than it expects. `generation` is
/// the one that is being made `now`, in seconds since 1970; `watch` has it.
pub fn stale_hours(
    source: &SourceOptions,
    watch: &[SourceWatch],
    generation: u64,
    now: i64,
    (catalog, set): (&Catalog, SetRow),
) -> Result<Option<u64>, CatalogError> {
    let watch = watch.iter().find(|w| w.source == source.name);
    let Some((limit, since)) = source.fresh_hours.zip(watch.and_then(|w| unchanged_since(w, generation))) else {
        return Ok(None);
    };
    let sealed = catalog.complete_generation(set, since)?;
    let sealed = sealed.and_then(|g| chrono::DateTime::parse_from_rfc3339(&g.time).ok());
    Ok(sealed.and_then(|time| hours_since(time.timestamp(), now)).filter(|hours| *hours >= limit))
}

/// Whole hours between two times in seconds since 1970; `None` if the first is the later one.
pub fn hours_since(then: i64, now: i64) -> Option<u64> {
    u64::try_from(now.saturating_sub(then)).ok().map(|seconds| seconds / 3_600)
}
