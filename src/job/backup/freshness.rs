//! Sources whose content does not change any more. Whatever writes a dump each night may write the same old one, or give
//! it a new time.

use super::SourceOptions;
use crate::format::watch::{Measures, SourceWatch};
use crate::host::catalog::{Catalog, CatalogError, SetRow};

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
    let hours = sealed.and_then(|time| u64::try_from(now.saturating_sub(time.timestamp())).ok()).map(|seconds| seconds / 3_600);
    Ok(hours.filter(|hours| *hours >= limit))
}
