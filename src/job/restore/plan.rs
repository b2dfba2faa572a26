//! What a restore would do: how much, in which order, and from which packs and media.

use super::tally::{Counts, Tally};
use super::turns::Turn;
use super::wanted::Selection;
use super::{Records, Report, Result, SourceReport};
use crate::format::entry::EntryKind;
use crate::generation::Generation;
use crate::seal::chain::Chain;
use std::collections::BTreeMap;

/// Counts what would be restored, and from which packs.
pub fn plan(
    generation: &Generation,
    chain: &Chain,
    wanted: &Selection,
    tally: &Tally,
    turns: &[Turn],
    report: &mut Report,
) -> Result<()> {
    let sources = &generation.manifest.sources;
    let order = Turn { sources: turns.iter().flat_map(|t| t.sources.iter().copied()).collect(), is_all: true };
    let mut counts = Counts::new(&order, sources);
    let mut records = Records::of(generation, wanted.spans(sources).as_deref())?;
    for record in records.by_ref() {
        let entry = record?;
        if !wanted.is_wanted(&entry.core) {
            continue;
        }
        counts.entry(&entry.core.path);
        if entry.core.kind == EntryKind::File && !wanted.is_link(&entry.core) {
            counts.file(entry.core.size);
            counts.pick(&entry.extents);
        }
    }
    (report.entries_lost, report.sources) = (records.lost(), counts.into_reports());
    tally.gaps(records.gaps());
    let mut picks = BTreeMap::new();
    for SourceReport { entries, files, bytes, picks: of_source, media, .. } in &mut report.sources {
        report.entries += *entries;
        report.files += *files;
        report.bytes += *bytes;
        *media = by_medium(chain, of_source);
        of_source.iter().for_each(|(object, bytes)| *picks.entry(*object).or_default() += bytes);
    }
    report.picks = picks.into_iter().collect();
    report.media = by_medium(chain, &report.picks);
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
