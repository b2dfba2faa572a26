//! What a restore would do: how much, and from which packs and media.

use super::passes::tell_gaps;
use super::tally::Tally;
use super::wanted::Wanted;
use super::{Records, Report, Result};
use crate::format::entry::Kind;
use crate::generation::Generation;
use crate::seal::chain::Chain;
use std::collections::BTreeMap;

/// Counts what would be restored, and from which packs.
pub fn plan(generation: &Generation, chain: &Chain, wanted: &Wanted, tally: &Tally, report: &mut Report) -> Result<()> {
    let mut picks = BTreeMap::new();
    let spans = wanted.spans(&generation.manifest.sources);
    let mut records = Records::of(generation, spans.as_deref())?;
    for record in records.by_ref() {
        let entry = record?;
        if !wanted.is_wanted(&entry.core) {
            continue;
        }
        report.entries += 1;
        if entry.core.kind == Kind::File && !wanted.is_link(&entry.core) {
            report.files += 1;
            report.bytes += entry.core.size;
            for x in &entry.extents {
                *picks.entry(x.object).or_default() += x.length;
            }
        }
    }
    report.picks = picks.into_iter().collect();
    report.media = by_medium(chain, &report.picks);
    tell_gaps(&records, tally, report);
    Ok(())
}

/// Which media the packs lie on.
fn by_medium(chain: &Chain, picks: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let firsts = chain.media();
    let mut media: BTreeMap<u64, u64> = BTreeMap::new();
    for (object, bytes) in picks {
        *media.entry(firsts.partition_point(|first| first <= object) as u64).or_default() += bytes;
    }
    media.into_iter().collect()
}
