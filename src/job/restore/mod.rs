//! `restore`: brings entries of a generation back into a new folder.
//!
//! What is wanted is known by names (`wanted`); what has to be looked at for that comes as records (`records`); two passes (`passes`)
//! make it, with packs worked off by all cores (`filler`); once for all sources, or, where these have priorities, once for each of
//! them (`turns`).

mod batch;
mod filler;
mod filling;
mod list;
mod mark;
mod passes;
mod plan;
mod records;
pub mod scan;
mod spool;
mod sweep;
mod tally;
mod turns;
mod wanted;

pub use list::{List, ListError};
pub use mark::{Marking, Origin};
pub use tally::Finding;

use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::object::Id;
use crate::generation::{Generation, GenerationError};
use crate::medium::MediumError;
use crate::pipeline::encryptor::Identity;
use crate::pipeline::target::{Target, TargetError, TargetOptions};
use crate::seal::chain::{Chain, Fault};
use crate::set::open::{OpenError, OpenSet};
use passes::Passes;
use plan::plan;
use records::Records;
use spool::Spool;
use std::path::PathBuf;
use tally::Tally;
use turns::turns;
use wanted::Selection;

/// What is to be restored, from where and to where.
#[derive(Debug, Clone)]
pub struct Options {
    pub from: PathBuf,
    /// `None`: the only set on the medium, or the newest.
    pub set: Option<Id>,
    /// `None`: the newest generation.
    pub generation: Option<u64>,
    pub to: PathBuf,
    /// Entries, with everything below them.
    pub paths: Vec<Vec<u8>>,
    /// The same in a list; and patients, each with the folder that SS-MIX2 storages have for it. Nothing at all asked for: all is wanted.
    pub only: Option<List>,
    /// Gitignore syntax; an entry that one of them names is wanted too.
    pub patterns: Vec<String>,
    pub target: TargetOptions,
    pub marking: Marking,
    /// Writes the page for what is marked.
    pub page: fn(&Origin) -> String,
    /// Only tell what would be done.
    pub dry_run: bool,
    pub memory_bytes: u64,
}

#[derive(Debug, Clone)]
pub struct Report {
    pub set: Id,
    pub set_name: String,
    pub generation: u64,
    pub time: String,
    /// The chain of seals holds from the label to this generation.
    pub trusted: bool,
    pub faults: Vec<Fault>,
    pub entries: u64,
    pub files: u64,
    pub bytes: u64,
    /// The generation bears an alarm.
    pub has_alarm: bool,
    /// The set keeps a state that is suspected of contamination.
    pub quarantine: bool,
    /// The page in the target's root that marks what is restored as provisional.
    pub page: Option<String>,
    /// Entries that are not restored, or not as they were; counted by kind.
    pub not_restored: u64,
    pub shortfalls: u64,
    /// Entries, wanted or not, whose records could not be read: not even their names are known.
    pub entries_lost: u64,
    pub findings: Vec<Finding>,
    /// Paths and patients that were asked for and are not in the generation.
    pub not_found: Vec<Vec<u8>>,
    /// Patients were asked for, and no source of the generation is an SS-MIX2 storage.
    pub lacks_storages: bool,
    /// Of each source of which something is wanted, in the order in which they are restored.
    pub sources: Vec<SourceReport>,
    /// Packs that are read, with the bytes of content wanted from each, in the order of the log.
    pub picks: Vec<(u64, u64)>,
    /// Media that are read, by their place in the set, with the bytes of content wanted from each.
    pub media: Vec<(u64, u64)>,
}

/// What is wanted of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceReport {
    pub name: Vec<u8>,
    pub priority: Option<u8>,
    pub entries: u64,
    pub files: u64,
    pub bytes: u64,
    /// Of a plan: as in the report, of this source alone.
    pub picks: Vec<(u64, u64)>,
    pub media: Vec<(u64, u64)>,
}

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("the pattern {pattern} cannot be understood")]
    Pattern { pattern: String, source: ignore::Error },
    #[error("the run was interrupted")]
    Interrupted,
    #[error("a thread of the run failed")]
    Stopped,
    #[error("the entries cannot be kept beside the restore")]
    Spool(#[source] std::io::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The medium failed after the set was opened.
    #[error(transparent)]
    Medium(#[from] MediumError),
    #[error(transparent)]
    Generation(#[from] GenerationError),
    #[error(transparent)]
    Target(#[from] TargetError),
}

type Result<T> = std::result::Result<T, RestoreError>;

/// Restores what the options name.
pub fn restore(options: &Options, identity: &Identity, env: &Env, observer: &dyn Observer) -> Result<Report> {
    observer.on_event(Event::Phase(Phase::Checking));
    let (set, chain) = OpenSet::with_content(&options.from, options.set, options.generation, env.loader)?;
    let generation = Generation::open(&*set.medium, &chain, options.generation, identity).map_err(RestoreError::Generation)?;
    let wanted = Selection::new(options, &generation.manifest.sources)?;
    let tally = Tally::new(observer);
    let origin = Origin::new(&chain, &generation);
    let is_marked = origin.is_marked(options);
    let turns = turns(&generation.manifest.sources);
    let mut report = Report::new(&chain, &generation, &wanted);
    report.has_alarm = origin.has_alarm;
    report.page = is_marked.then(|| origin.page_name());
    if options.dry_run {
        observer.on_event(Event::Phase(Phase::Planning));
        plan(&generation, &chain, &wanted, &tally, &turns, &mut report)?;
    } else {
        let target_options = TargetOptions { read_only: is_marked || options.target.read_only, ..options.target };
        let target = Target::create(&options.to, target_options).map_err(RestoreError::Target)?;
        if is_marked {
            origin.mark(options, &target)?;
        }
        observer.on_event(Event::Phase(Phase::Writing));
        let spool = spool(options, env, &generation, &wanted, &target)?;
        let (target, tally) = (&target, &tally);
        Passes { options, env, chain: &chain, generation: &generation, wanted: &wanted, target, tally, spool }
            .run(&turns, &mut report)?;
    }
    report.not_found = wanted.not_found();
    (report.not_restored, report.shortfalls, report.findings) = tally.into_findings();
    Ok(report)
}

/// Keeps the records beside the restore where the medium has one head, and where a list names a few of many.
fn spool(options: &Options, env: &Env, generation: &Generation, wanted: &Selection, target: &Target) -> Result<Option<Spool>> {
    if options.only.is_none() && !generation.medium().is_sequential() {
        return Ok(None);
    }
    let file = target.nameless_file(env.random).map_err(RestoreError::Spool)?;
    let spans = wanted.spans(&generation.manifest.sources);
    let records = Records::of(generation, spans.as_deref())?;
    Spool::fill(records, wanted, env.interrupted, file).map(Some)
}

impl Report {
    /// Nothing done yet.
    fn new(chain: &Chain, generation: &Generation, wanted: &Selection) -> Self {
        Self {
            set: chain.set,
            set_name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
            generation: generation.manifest.generation,
            time: generation.link.seal.time.clone(),
            trusted: generation.link.trusted,
            faults: chain.faults.clone(),
            entries: 0,
            files: 0,
            bytes: 0,
            has_alarm: false,
            quarantine: chain.label.as_ref().is_some_and(|l| l.quarantine),
            page: None,
            not_restored: 0,
            shortfalls: 0,
            entries_lost: 0,
            findings: Vec::new(),
            not_found: Vec::new(),
            lacks_storages: wanted.lacks_storages(),
            sources: Vec::new(),
            picks: Vec::new(),
            media: Vec::new(),
        }
    }
}
