//! What a restore would do: how much, in which order, and from which packs and media.

use super::by_priority::PriorityGroup;
use super::counts::RestoreCounts;
use super::findings::FindingLog;
use super::record::path_and_type;
use super::records::Records;
use super::selection::Selection;
use super::{Report, Result, SourceReport};
use crate::format::entry::{EntryKind, add_sizes};
use crate::generation::Generation;
use crate::seal::chain::Chain;
use std::collections::BTreeMap;

/// Counts what would be restored, and from which packs.
pub(super) fn plan(
    generation: &Generation,
    chain: &Chain,
    selection: &Selection,
    findings: &FindingLog,
    groups: &[PriorityGroup],
    report: &mut Report,
) -> Result<()> {
    let sources = &generation.manifest.sources;
    let all = PriorityGroup { sources: groups.iter().flat_map(|g| g.sources.iter().copied()).collect(), is_all: true };
    let mut counts = RestoreCounts::new(&all, sources);
    let mut records = Records::of(generation, selection.search_paths(sources).as_deref())?;
    while let Some(record) = records.next() {
        let record = record?;
        if !selection.contains_record(&record) {
            continue;
        }
        counts.add_entry(path_and_type(&record).0);
        let entry = match record {
            Ok(entry) => entry,
            Err(refused) => {
                findings.add(refused.kind, &refused.path, refused.why);
                continue;
            }
        };
        let is_link = entry.core.link_to.as_ref().is_some_and(|first| !records.is_below_refused(first));
        if entry.core.kind == EntryKind::File && !(is_link && selection.contains_link_target(&entry.core)) {
            counts.add_file(entry.core.size);
            counts.add_extents(&entry.extents);
        }
    }
    report.add_records(&records);
    report.sources = counts.into_reports();
    findings.add_gaps(records.gaps());
    let mut packs = BTreeMap::new();
    for SourceReport { entries, files, bytes, packs: of_source, media, .. } in &mut report.sources {
        report.entries += *entries;
        report.files += *files;
        report.bytes = add_sizes(report.bytes, *bytes);
        *media = by_medium(chain, of_source);
        of_source.iter().for_each(|(object, bytes)| *packs.entry(*object).or_default() += bytes);
    }
    report.packs = packs.into_iter().collect();
    report.media = by_medium(chain, &report.packs);
    Ok(())
}

/// The media that the packs lie on, by their place in the set, with the bytes that are needed from each.
fn by_medium(chain: &Chain, packs: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let firsts = chain.media();
    let mut media: BTreeMap<u64, u64> = BTreeMap::new();
    for (object, bytes) in packs {
        *media.entry(firsts.partition_point(|first| first <= object) as u64).or_default() += bytes;
    }
    media.into_iter().collect()
}
