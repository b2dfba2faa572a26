//! `generations --clean`: which generation is the last one without a sign of an intruder.
//!
//! Read out of manifests and entry streams; nothing is restored. Signs are alarms that were raised when a generation was made, and
//! indicators that its entries bear. That there are none proves nothing: an intruder may leave no sign that anybody looked for.

use super::indicators::Indicators;
use crate::env::Env;
use crate::event::{Event, Observer, Phase, chain_text};
use crate::format::check_code::CheckCode;
use crate::format::entry::EntryKind;
use crate::format::object::Id;
use crate::format::seal::Verdict;
use crate::format::watch::{Alarm, Measures};
use crate::generation::{Generation, GenerationError};
use crate::job::inspect::InspectError;
use crate::pipeline::encryptor::Identity;
use crate::seal::chain::{Chain, Fault};
use crate::set::open::OpenSet;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub struct Options {
    pub from: PathBuf,
    pub set: Option<Id>,
    pub indicators: Option<Indicators>,
}

/// What a generation shows.
#[derive(Debug)]
pub struct Row {
    pub generation: u64,
    pub time: String,
    pub check_code: CheckCode,
    pub trusted: bool,
    pub verdict: Verdict,
    /// What changed in each source, where its tripwires counted it.
    pub changes: Vec<(Vec<u8>, Measures)>,
    pub alarms: Vec<Alarm>,
    /// Entries that bear an indicator.
    pub hits: u64,
    /// Files that have no SHA-256, where digests were looked for: whether they bear one is not known.
    pub unhashed: u64,
    /// Why it could not be looked through to its end.
    pub damaged: Option<String>,
}

impl Row {
    /// Nothing speaks against it, and all of it was looked at.
    pub fn is_clean(&self) -> bool {
        !self.has_sign() && self.damaged.is_none()
    }

    fn has_sign(&self) -> bool {
        !self.trusted || !self.alarms.is_empty() || self.verdict == Verdict::Alarm || self.hits > 0
    }
}

/// Where an indicator turns up first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    pub indicator: String,
    pub generation: u64,
    pub path: Vec<u8>,
}

#[derive(Debug)]
pub struct Report {
    pub set: Id,
    pub set_name: String,
    /// The set holds an infected state, kept as evidence.
    pub quarantine: bool,
    pub rows: Vec<Row>,
    /// The first appearance of each indicator that was found, in the order of the generations.
    pub first: Vec<First>,
    /// The last generation before the first sign; `None` where the first one bears one, or none can be trusted.
    pub last_clean: Option<u64>,
    pub faults: Vec<Fault>,
}

type Result<T> = std::result::Result<T, InspectError>;

/// Of each indicator: the first path that bears it.
type Found = BTreeMap<usize, Vec<u8>>;

pub fn clean(options: &Options, identity: &Identity, env: &Env, observer: &dyn Observer) -> Result<Report> {
    observer.on_event(Event::Phase(Phase::Checking));
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, None, env.loader)?;
    let numbers: Vec<u64> = chain.generations().map(|l| l.seal.generation).collect();
    let entries = chain.generations().map(|l| l.seal.record_count).sum();
    observer.on_event(Event::Expected { entries, bytes: 0 });
    observer.on_event(Event::Phase(Phase::Reading));
    let read = |n| look_at(&*opened.medium, &chain, n, identity, options.indicators.as_ref(), env, observer);
    // Of several generations at a time; one after the other where somebody has to bring media.
    let threads = if opened.medium.is_sequential() { 1 } else { env.threads.max(1) };
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(n) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = read(*n);
                    let failed = row.is_err();
                    all.lock().push(row);
                    if failed {
                        next.store(numbers.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut all = all.into_inner().into_iter().collect::<Result<Vec<_>>>()?;
    all.sort_by_key(|(row, _)| row.generation);
    let (mut first, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
    for (row, found) in &all {
        for (number, path) in found {
            if seen.insert(*number) {
                let indicator = options.indicators.as_ref().map_or("", |i| i.text(*number)).to_owned();
                first.push(First { indicator, generation: row.generation, path: path.clone() });
            }
        }
    }
    let rows: Vec<Row> = all.into_iter().map(|(row, _)| row).collect();
    let last_clean = last_clean(&rows);
    let set_name = chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default();
    let quarantine = chain.label.as_ref().is_some_and(|l| l.quarantine);
    Ok(Report { set: chain.set, set_name, quarantine, rows, first, last_clean, faults: chain.faults })
}

/// Behind the first sign nothing is taken for clean: an intruder may have stayed in without a further one. Damage is no such sign.
fn last_clean(rows: &[Row]) -> Option<u64> {
    rows.iter().take_while(|r| !r.has_sign()).filter(|r| r.is_clean()).last().map(|r| r.generation)
}

fn look_at(
    medium: &dyn crate::medium::Medium,
    chain: &Chain,
    number: u64,
    identity: &Identity,
    indicators: Option<&Indicators>,
    env: &Env,
    observer: &dyn Observer,
) -> Result<(Row, Found)> {
    let link = chain.generation(number).ok_or(InspectError::Generation(GenerationError::NoGeneration))?;
    let mut row = Row {
        generation: number,
        time: link.seal.time.clone(),
        check_code: CheckCode::of(&link.digest),
        trusted: link.trusted,
        verdict: link.seal.verdict,
        changes: Vec::new(),
        alarms: Vec::new(),
        hits: 0,
        unhashed: 0,
        damaged: None,
    };
    let mut found = Found::new();
    // What is left of a damaged generation, and the others, still tell something.
    let generation = match Generation::open(medium, chain, Some(number), identity) {
        Err(e) if e.is_damage() => {
            row.damaged = Some(chain_text(&e));
            return Ok((row, found));
        }
        opened => opened?,
    };
    let manifest = &generation.manifest;
    let tonight = |w: &crate::format::watch::SourceWatch| {
        let night = w.nights.iter().rev().find(|n| n.generation == number)?;
        Some((w.source.clone(), night.measures))
    };
    row.changes = manifest.watch.iter().filter_map(tonight).collect();
    row.alarms.clone_from(&manifest.alarms);
    let Some(indicators) = indicators else { return Ok((row, found)) };
    for (count, record) in (1..).zip(generation.entries()) {
        let core = match record {
            Err(e) if e.is_damage() => {
                row.damaged = Some(chain_text(&e));
                break;
            }
            record => record?.entry.core,
        };
        if let Some(indicator) = indicators.find(&core) {
            row.hits += 1;
            found.entry(indicator).or_insert(core.path);
        } else {
            let is_unhashed = indicators.has_digests() && core.kind == EntryKind::File && core.sha256.is_none();
            row.unhashed += u64::from(is_unhashed);
        }
        if count % 4_096 == 0 {
            if env.is_interrupted() {
                return Err(InspectError::Interrupted);
            }
            observer.on_event(Event::Progress { entries: 4_096, bytes: 0 });
        }
    }
    Ok((row, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(generation: u64) -> Row {
        Row {
            generation,
            time: String::new(),
            check_code: CheckCode::of(&[0; 32]),
            trusted: true,
            verdict: Verdict::Good,
            changes: Vec::new(),
            alarms: Vec::new(),
            hits: 0,
            unhashed: 0,
            damaged: None,
        }
    }

    fn alarm() -> Alarm {
        Alarm { source: b"ehr".to_vec(), tripwire: "noise".into(), measured: 9, limit: 3, paths: Vec::new() }
    }

    #[test]
    fn each_sign_alone_speaks_against_a_generation() {
        assert!(row(1).is_clean());
        assert!(!Row { trusted: false, ..row(1) }.is_clean());
        assert!(!Row { verdict: Verdict::Alarm, ..row(1) }.is_clean());
        assert!(!Row { alarms: vec![alarm()], ..row(1) }.is_clean());
        assert!(!Row { hits: 1, ..row(1) }.is_clean());
    }

    /// The intruder was quiet for a night: to restore that generation is to let him in again.
    #[test]
    fn no_generation_behind_the_first_sign_is_the_last_clean_one() {
        let rows = [row(1), row(2), Row { hits: 1, ..row(3) }, row(4)];
        assert_eq!(last_clean(&rows), Some(2));
        assert_eq!(last_clean(&rows[2..]), None);
    }
}
