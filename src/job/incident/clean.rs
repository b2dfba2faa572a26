//! `generations --clean`: which generation is the last one without traces of an intruder.
//!
//! Read from manifests and entry streams; nothing is restored. Traces are alarms that were raised when a generation was
//! made, and entries that match an indicator. That there are none proves nothing: an intruder may leave no trace that
//! anybody looks for.

use super::indicators::Indicators;
use crate::env::Env;
use crate::event::{Event, FindingKind, Observer, Phase, chain_text};
use crate::format::check_code::CheckCode;
use crate::format::entry::EntryKind;
use crate::format::manifest::Finding;
use crate::format::object::Id;
use crate::format::seal::Verdict;
use crate::format::watch::{Alarm, Measures, SourceWatch};
use crate::generation::Generation;
use crate::job::inspect::InspectError;
use crate::medium::Medium;
use crate::pipeline::encryptor::Identity;
use crate::seal::chain::{Chain, Fault, SealLink};
use crate::set::open::{OpenSet, set_name};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where traces are to be looked for, and which.
#[derive(Debug)]
pub struct Options {
    /// Where the medium is.
    pub from: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// `None`: look for alarms only.
    pub indicators: Option<Indicators>,
}

/// The traces in a generation.
#[derive(Debug)]
#[non_exhaustive]
pub struct GenerationTraces {
    /// Number of the generation.
    pub generation: u64,
    /// When it was sealed, RFC 3339 in UTC.
    pub time: String,
    /// The check code of its seal.
    pub check_code: CheckCode,
    /// The chain of seals is valid from the label to this generation.
    pub trusted: bool,
    /// How the backup ended.
    pub verdict: Verdict,
    /// What changed in each source, as far as its tripwires counted it.
    pub changes: Vec<(Vec<u8>, Measures)>,
    /// Alarms that were raised when it was made.
    pub alarms: Vec<Alarm>,
    /// Two people have called all of these harmless, as a generation has sealed it: why, and who.
    pub harmless: Option<String>,
    /// Entries that match an indicator.
    pub hits: u64,
    /// Files without a SHA-256, if digests were looked for: whether they match is unknown.
    pub unhashed: u64,
    /// Why it could not be read to its end, or which of its entries is refused.
    pub damaged: Option<String>,
}

impl GenerationTraces {
    fn new(link: &SealLink) -> Self {
        Self {
            generation: link.seal.generation,
            time: link.seal.time.clone(),
            check_code: CheckCode::of(&link.digest()),
            trusted: link.trusted,
            verdict: link.seal.verdict,
            changes: Vec::new(),
            alarms: Vec::new(),
            harmless: None,
            hits: 0,
            unhashed: 0,
            damaged: None,
        }
    }

    /// Whether it was read to its end and has no traces.
    pub fn is_clean(&self) -> bool {
        !self.has_traces() && self.damaged.is_none()
    }

    fn has_traces(&self) -> bool {
        let is_alarmed = !self.alarms.is_empty() || self.verdict == Verdict::Alarm;
        !self.trusted || is_alarmed && self.harmless.is_none() || self.hits > 0
    }
}

/// The first entry that matches an indicator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndicatorHit {
    /// The indicator, as it was given.
    pub indicator: String,
    /// The first generation with such an entry.
    pub generation: u64,
    /// The first path in that generation.
    pub path: Vec<u8>,
}

/// The traces in all generations of a set.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The set's id.
    pub set: Id,
    /// What people call it; empty if its label is unreadable.
    pub set_name: String,
    /// The set contains an infected state, kept as evidence.
    pub quarantine: bool,
    /// Ascending by number.
    pub generations: Vec<GenerationTraces>,
    /// The first hit of each indicator, in the order of the generations.
    pub first_hits: Vec<IndicatorHit>,
    /// The last generation before the first trace; `None` if already the first generation has traces, or none can be
    /// trusted.
    pub last_clean: Option<u64>,
    /// What is wrong with the chain of seals.
    pub faults: Vec<Fault>,
}

type Result<T> = std::result::Result<T, InspectError>;

/// The first path that matches each indicator, by the indicator's number.
type FirstPaths = BTreeMap<usize, Vec<u8>>;

/// Looks for traces in all generations of a set: in several at a time; on a sequential medium, or where somebody has to
/// bring media, in one after the other.
pub fn clean(options: &Options, identity: &Identity, env: &Env, observer: &dyn Observer) -> Result<Report> {
    observer.on_event(Event::Phase(Phase::Checking));
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, None, env.loader)?;
    let links: Vec<&SealLink> = chain.generations().collect();
    let entries = links.iter().map(|l| l.seal.record_count).sum();
    observer.on_event(Event::Expected { entries, bytes: 0 });
    observer.on_event(Event::Phase(Phase::Reading));
    let search =
        Search { medium: &*opened.medium, chain: &chain, identity, indicators: options.indicators.as_ref(), env, observer };
    let threads = if opened.medium.is_sequential() { 1 } else { env.threads.max(1) };
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let search_next = || {
        while let Some(link) = links.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = search.generation(link);
            if result.is_err() {
                next.store(links.len(), Ordering::Relaxed);
            }
            results.lock().push(result);
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(search_next))));
    let found = results.into_inner().into_iter().collect::<Result<Vec<_>>>()?;
    let mut said = Said::default();
    for f in &found {
        said.statements.extend(f.statements.iter().map(|(origin, why)| (origin.clone(), why.clone())));
        said.carried.insert(f.traces.generation, f.carried.clone());
    }
    let mut found: Vec<_> = found.into_iter().map(|f| (f.traces, f.first_paths)).collect();
    found.sort_by_key(|(traces, _)| traces.generation);
    let first_hits = first_hits(&found, options.indicators.as_ref());
    let mut generations: Vec<GenerationTraces> = found.into_iter().map(|(traces, _)| traces).collect();
    call_harmless(&mut generations, &set_name(&chain), &said);
    Ok(Report {
        set: chain.set,
        set_name: set_name(&chain),
        quarantine: chain.is_in_quarantine(),
        last_clean: last_clean(&generations),
        generations,
        first_hits,
        faults: chain.faults,
    })
}

fn first_hits(found: &[(GenerationTraces, FirstPaths)], indicators: Option<&Indicators>) -> Vec<IndicatorHit> {
    let (mut hits, mut seen) = (Vec::new(), BTreeSet::new());
    for (traces, paths) in found {
        for (number, path) in paths {
            if seen.insert(*number) {
                let indicator = indicators.map_or("", |i| i.text(*number)).to_owned();
                hits.push(IndicatorHit { indicator, generation: traces.generation, path: path.clone() });
            }
        }
    }
    hits
}

/// Marks the generations whose alarms people have called harmless: as alarms of this set, or as those of another one that were
/// open. An alarm that goes on in the next generation and has not grown is the same one.
fn call_harmless(generations: &mut [GenerationTraces], set_name: &str, said: &Said) {
    let mut going_on: BTreeMap<(Vec<u8>, String), (u64, String)> = BTreeMap::new();
    for g in generations {
        let own = said.statements.get(&format!("{set_name} {}", g.generation));
        let carried = said.carried.get(&g.generation).map(|c| &c[..]).unwrap_or_default();
        let origin = |a: &Alarm| carried.iter().find(|c| c.source == a.source && a.paths.is_empty());
        let key = |a: &Alarm| (a.source.clone(), a.tripwire.clone());
        let why = |a: &Alarm| {
            let same = going_on.get(&key(a)).filter(|(measured, _)| a.measured <= *measured).map(|(_, why)| why);
            own.or_else(|| said.statements.get(&origin(a)?.origin)).or(same).cloned()
        };
        let all: Vec<String> = g.alarms.iter().map(why).collect::<Option<_>>().unwrap_or_default();
        going_on = g.alarms.iter().zip(&all).map(|(a, why)| (key(a), (a.measured, why.clone()))).collect();
        g.harmless = all.into_iter().next();
    }
}

/// After the first trace no generation counts as clean: an intruder may have stayed without leaving a further trace.
/// Damage is no trace.
fn last_clean(generations: &[GenerationTraces]) -> Option<u64> {
    generations.iter().take_while(|g| !g.has_traces()).filter(|g| g.is_clean()).last().map(|g| g.generation)
}

/// Why people have called the alarm of a generation harmless, by what they call that generation: `NAME NUMBER`, as a run
/// writes it.
type Statements = BTreeMap<String, String>;

/// An alarm of an earlier generation that was open, and of which the night showed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CarriedAlarm {
    source: Vec<u8>,
    /// What people call the generation that raised it.
    origin: String,
}

/// What the generations of a set say of alarms.
#[derive(Debug, Default)]
struct Said {
    statements: Statements,
    /// By the generation's number.
    carried: BTreeMap<u64, Vec<CarriedAlarm>>,
}

/// What was found in a generation.
struct Found {
    traces: GenerationTraces,
    first_paths: FirstPaths,
    /// Those that it seals.
    statements: Statements,
    carried: Vec<CarriedAlarm>,
}

struct Search<'s> {
    medium: &'s dyn Medium,
    chain: &'s Chain,
    identity: &'s Identity,
    indicators: Option<&'s Indicators>,
    env: &'s Env<'s>,
    observer: &'s dyn Observer,
}

impl Search<'_> {
    /// Looks for traces in one generation. Where it is damaged, the rest of it and the other generations still show
    /// something.
    fn generation(&self, link: &SealLink) -> Result<Found> {
        let traces = GenerationTraces::new(link);
        let mut found = Found { traces, first_paths: FirstPaths::new(), statements: Statements::new(), carried: Vec::new() };
        match self.look_into(&mut found) {
            Err(InspectError::Generation(e)) if e.is_damage() => found.traces.damaged = Some(chain_text(&e)),
            looked => looked?,
        }
        Ok(found)
    }

    fn look_into(&self, Found { traces, first_paths, statements, carried }: &mut Found) -> Result<()> {
        let number = traces.generation;
        let generation = Generation::open(self.medium, self.chain, Some(number), self.identity)?;
        let manifest = &generation.manifest;
        let tonight = |w: &SourceWatch| {
            let night = w.nights.iter().rev().find(|n| n.generation == number)?;
            Some((w.source.clone(), night.measures))
        };
        traces.changes = manifest.watch.iter().filter_map(tonight).collect();
        traces.alarms.clone_from(&manifest.alarms);
        // What cannot be trusted says nothing.
        let findings = |kind: FindingKind| {
            let trusted = traces.trusted;
            manifest.findings.iter().filter(move |f| trusted && f.kind == kind.name())
        };
        // "NAME NUMBER: why (who, who)", as a run writes it.
        let said = findings(FindingKind::Harmless).filter_map(|f| statement(&f.detail));
        statements.extend(said.map(|(origin, why)| (origin.to_owned(), why.to_owned())));
        let open = |f: &Finding| CarriedAlarm { source: f.path.clone(), origin: f.detail.clone() };
        carried.extend(findings(FindingKind::AlarmOpen).map(open));
        let Some(indicators) = self.indicators else { return Ok(()) };
        for (count, record) in (1..).zip(generation.entries()) {
            let core = match record?.entry {
                Ok(entry) => entry.core,
                // Whether an intruder left it, nobody can tell.
                Err(refused) => {
                    let path = String::from_utf8_lossy(&refused.path);
                    traces.damaged.get_or_insert_with(|| format!("{path} is refused: {}", refused.why));
                    continue;
                }
            };
            if let Some(indicator) = indicators.find(&core) {
                traces.hits += 1;
                first_paths.entry(indicator).or_insert(core.path);
            } else {
                let is_unhashed =
                    indicators.has_digests() && core.kind == EntryKind::File && core.whole().and_then(|d| d.sha256).is_none();
                traces.unhashed += u64::from(is_unhashed);
            }
            if count % 4_096 == 0 {
                if self.env.is_interrupted() {
                    return Err(InspectError::Interrupted);
                }
                self.observer.on_event(Event::Progress { entries: 4_096, bytes: 0 });
            }
        }
        Ok(())
    }
}

/// The name of a generation and what was said of it. The set's name may contain what comes between them.
fn statement(text: &str) -> Option<(&str, &str)> {
    let ends = text.match_indices(": ").map(|(at, _)| at);
    let is_number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    let end = ends.into_iter().find(|at| text[..*at].rsplit_once(' ').is_some_and(|(_, n)| is_number(n)))?;
    Some((&text[..end], &text[end + 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(generation: u64) -> GenerationTraces {
        GenerationTraces {
            generation,
            time: String::new(),
            check_code: CheckCode::of(&[0; 32]),
            trusted: true,
            verdict: Verdict::Good,
            changes: Vec::new(),
            alarms: Vec::new(),
            harmless: None,
            hits: 0,
            unhashed: 0,
            damaged: None,
        }
    }

    fn alarm() -> Alarm {
        Alarm { source: b"ehr".to_vec(), tripwire: "noise".into(), measured: 9, limit: 3, paths: Vec::new() }
    }

    #[test]
    fn each_trace_alone_makes_a_generation_unclean() {
        assert!(traces(1).is_clean());
        assert!(!GenerationTraces { trusted: false, ..traces(1) }.is_clean());
        assert!(!GenerationTraces { verdict: Verdict::Alarm, ..traces(1) }.is_clean());
        assert!(!GenerationTraces { alarms: vec![alarm()], ..traces(1) }.is_clean());
        assert!(!GenerationTraces { hits: 1, ..traces(1) }.is_clean());
    }

    fn looked_at(generation: &str) -> Said {
        let statements = Statements::from([(generation.to_owned(), "looked at (A, B)".to_owned())]);
        Said { statements, ..Said::default() }
    }

    /// What one disk has raised is open on the other disks until people have looked at it, and what these raise themselves is not.
    #[test]
    fn what_was_said_of_another_sets_alarm_ends_where_it_was_carried() {
        let alarmed = |generation, paths: &[&[u8]]| GenerationTraces {
            alarms: vec![Alarm { paths: paths.iter().map(|p| p.to_vec()).collect(), ..alarm() }],
            verdict: Verdict::Alarm,
            ..traces(generation)
        };
        let carried = |origin: &str| vec![CarriedAlarm { source: b"ehr".to_vec(), origin: origin.into() }];
        for (origin, paths, is_clean) in
            [("CL-02 7", &[][..], true), ("CL-02 8", &[], false), ("CL-02 7", &[b"ehr/a".as_slice()], false)]
        {
            let mut all = [alarmed(3, paths)];
            let said = Said { carried: BTreeMap::from([(3, carried(origin))]), ..looked_at("CL-02 7") };
            call_harmless(&mut all, "CL-01", &said);
            assert_eq!(all[0].is_clean(), is_clean, "{origin} {paths:?}");
        }
        assert_eq!(statement("clinic: 2 : new 7: why: so (A, B)"), Some(("clinic: 2 : new 7", "why: so (A, B)")));
    }

    #[test]
    fn an_alarm_that_goes_on_without_growing_is_the_one_that_was_harmless() {
        let alarmed = |generation, measured| GenerationTraces {
            alarms: vec![Alarm { measured, ..alarm() }],
            verdict: Verdict::Alarm,
            ..traces(generation)
        };
        let mut all = [alarmed(1, 9), alarmed(2, 9), alarmed(3, 10), alarmed(4, 9)];
        call_harmless(&mut all, "clinic", &looked_at("clinic 1"));
        assert_eq!(all.each_ref().map(GenerationTraces::is_clean), [true, true, false, false]);
        assert_eq!(last_clean(&all), Some(2));
        let unreadable = GenerationTraces { verdict: Verdict::Alarm, ..traces(1) };
        let mut all = [unreadable];
        call_harmless(&mut all, "clinic", &looked_at("clinic 1"));
        assert!(!all[0].is_clean(), "nobody knows which alarms it has");
    }

    /// The intruder left no trace for a night: a restore of that generation would let him in again.
    #[test]
    fn no_generation_after_the_first_trace_is_the_last_clean_one() {
        let generations = [traces(1), traces(2), GenerationTraces { hits: 1, ..traces(3) }, traces(4)];
        assert_eq!(last_clean(&generations), Some(2));
        assert_eq!(last_clean(&generations[2..]), None);
    }
}
