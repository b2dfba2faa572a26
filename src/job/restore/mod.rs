//! `restore`: brings entries of a generation back into a new folder.
//!
//! A selection of names (`selection`) is compared with the generation's records (`records`). Two passes (`passes`) over
//! the records make the entries, while worker threads write the files, pack by pack (`file_writer`). If sources have
//! priorities, both passes are made for the sources of each priority in turn (`by_priority`).

mod batch;
mod by_pack;
mod by_priority;
mod counts;
mod file_writer;
mod findings;
mod list;
mod mark;
mod pack_fetcher;
mod passes;
mod pending_file;
mod plan;
mod record;
mod records;
pub mod scan;
mod selection;
mod spool;
mod target_disk;
mod task;

pub use findings::RestoreFinding;
pub use list::{ListError, NameList};
pub use mark::{Marking, Origin};

use crate::env::Env;
use crate::event::{Event, FindingKind, Observer, Phase};
use crate::format::check_code::{CheckCode, WrittenCode};
use crate::format::manifest::Finding;
use crate::format::object::Id;
use crate::generation::{Generation, GenerationError, is_within};
use crate::medium::MediumError;
use crate::pipeline::encryptor::Identity;
use crate::pipeline::target::{Target, TargetError, TargetOptions};
use crate::seal::chain::{Chain, Fault};
use crate::set::open::{OpenError, OpenSet};
use by_priority::by_priority;
use findings::FindingLog;
use passes::Passes;
use plan::plan;
use records::{Records, SpooledRecords};
use selection::Selection;
use std::path::PathBuf;
use target_disk::TargetDisk;

/// What is to be restored, from where and to where.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the medium is.
    pub from: PathBuf,
    /// `None`: the only set on the medium, or the newest.
    pub set: Option<Id>,
    /// `None`: the newest generation.
    pub generation: Option<u64>,
    /// The check code on paper. Nothing is restored if no seal on the medium has it. Default: none.
    pub expect: Option<WrittenCode>,
    /// The folder to restore into. It is created.
    pub to: PathBuf,
    /// Entries, each with everything below it. Paths begin with the name of a source.
    pub paths: Vec<Vec<u8>>,
    /// More paths; and patients, each with the folder that SS-MIX2 storages have for it. Without paths, list and
    /// patterns everything is restored.
    pub only: Option<NameList>,
    /// Gitignore syntax. Entries that one of the patterns matches are restored, too.
    pub patterns: Vec<String>,
    /// How the target is made.
    pub target: TargetOptions,
    /// Whether the target is marked as provisional.
    pub marking: Marking,
    /// Writes the text of the page in a target that is marked as provisional.
    pub page: fn(&Origin) -> String,
    /// Nothing is written: the report says what would be done.
    pub dry_run: bool,
    /// Limits the number of packs that are in memory at a time, each as stored and decrypted: 80 MiB a thread.
    pub memory_bytes: u64,
}

impl Options {
    /// Restores the whole newest generation on the medium `from` into the new folder `to`. Everything belongs to the
    /// caller. If the generation is doubtful, the target is marked; the page is empty, since only the caller knows the
    /// user's language. Packs take up to 192 MiB of memory.
    pub fn new(from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        Self {
            from: from.into(),
            set: None,
            generation: None,
            expect: None,
            to: to.into(),
            paths: Vec::new(),
            only: None,
            patterns: Vec::new(),
            target: TargetOptions::default(),
            marking: Marking::default(),
            page: |_| String::new(),
            dry_run: false,
            memory_bytes: 192 << 20,
        }
    }
}

/// What was restored, or, of a dry run, what would be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The medium set.
    pub set: Id,
    /// Empty if the label is damaged.
    pub set_name: String,
    /// The generation's number.
    pub generation: u64,
    /// When the generation was sealed, as the seal writes it.
    pub time: String,
    /// The check code of its seal.
    pub check_code: CheckCode,
    /// The generation of the seal that has the expected check code, which shows that it and what is before it are what was
    /// written down.
    pub expected: Option<u64>,
    /// The newest generation on the medium, whether its seal is proven or not.
    pub newest: u64,
    /// Objects behind the last seal: they belong to no generation.
    pub leftovers: u64,
    /// The chain of seals is valid from the label to this generation, or the expected check code shows that it is.
    pub trusted: bool,
    /// What is wrong with the chain of seals.
    pub faults: Vec<Fault>,
    /// Selected entries.
    pub entries: u64,
    /// Selected files with content of their own: hard links are not counted.
    pub files: u64,
    /// Their content.
    pub bytes: u64,
    /// A tripwire raised an alarm when the generation was made.
    pub has_alarm: bool,
    /// The set keeps a state that is suspected of contamination.
    pub quarantine: bool,
    /// Name of the page in the target's root that marks it as provisional.
    pub page: Option<String>,
    /// Entries that are not restored, and gaps in the entry stream.
    pub not_restored: u64,
    /// Entries that are restored, but not as they were.
    pub shortfalls: u64,
    /// Devices, set-id bits and attributes that may give rights on this host, and are restored only when that is asked for.
    pub withheld: u64,
    /// Entries, selected or not, whose records could not be read. Not even their names are known.
    pub entries_lost: u64,
    /// The first thousand, sorted by path.
    pub findings: Vec<RestoreFinding>,
    /// What was already lacking in the backup, of what was selected: findings of the generation itself.
    pub lacking: Vec<Finding>,
    /// Requested paths and patients that are not in the generation.
    pub not_found: Vec<Vec<u8>>,
    /// Requested paths that are in the generation in another Unicode form; perhaps also as they were requested.
    pub otherwise_spelled: Vec<Vec<u8>>,
    /// Sources of the generation that were not there when it was made. Named only if all records were looked at.
    pub missing_sources: Vec<Vec<u8>>,
    /// Objects that were decrypted and do not have exactly one stanza for each recipient: somebody else may be able to open
    /// them.
    pub wrong_stanzas: Vec<u64>,
    /// Numbers of packs that are not what their seals list, ascending. What could be saved from them was restored.
    pub damaged_packs: Vec<u64>,
    /// Patients were requested, and no source of the generation is an SS-MIX2 storage.
    pub lacks_storages: bool,
    /// The sources of which anything is selected, in the order in which they are restored.
    pub sources: Vec<SourceReport>,
    /// Only of a dry run: the packs that are needed, in the order of the log, each with the bytes of content in it.
    pub packs: Vec<(u64, u64)>,
    /// Only of a dry run: the media that are needed, by their place in the set, each with the bytes of content on it.
    pub media: Vec<(u64, u64)>,
}

/// What is selected of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceReport {
    /// The source's name.
    pub name: Vec<u8>,
    /// 1 is restored first.
    pub priority: Option<u8>,
    /// As in [`Report`].
    pub entries: u64,
    /// As in [`Report`].
    pub files: u64,
    /// As in [`Report`].
    pub bytes: u64,
    /// As in [`Report`].
    pub packs: Vec<(u64, u64)>,
    /// As in [`Report`].
    pub media: Vec<(u64, u64)>,
}

/// Why a restore ended.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A pattern is not in gitignore syntax.
    #[error("the pattern {pattern} cannot be understood")]
    Pattern {
        /// As it was typed.
        pattern: String,
        /// What is wrong with it.
        source: ignore::Error,
    },
    /// The user wanted to stop. The restore can be resumed.
    #[error("the run was interrupted")]
    Interrupted,
    /// A thread ended by a panic.
    #[error("a thread of the run failed")]
    Stopped,
    /// The file with the records beside the restore cannot be made, written or read.
    #[error("the entries cannot be kept beside the restore")]
    Spool(#[source] std::io::Error),
    /// No seal on the medium has the check code that was expected: it was rolled back, or is another set's.
    #[error("no seal on the medium has the check code {code}")]
    NotExpected {
        /// As it was given.
        code: WrittenCode,
    },
    /// The set cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The medium failed after the set was opened.
    #[error(transparent)]
    Medium(#[from] MediumError),
    /// The generation cannot be opened or read.
    #[error(transparent)]
    Generation(#[from] GenerationError),
    /// The target cannot be used.
    #[error(transparent)]
    Target(#[from] TargetError),
}

type Result<T> = std::result::Result<T, RestoreError>;

/// Restores what the options select.
///
/// Damage is part of the report. Fails if the medium is not attached, the generation cannot be opened, the target cannot be
/// used, or the run was interrupted. A run that was interrupted can be resumed.
pub fn restore(options: &Options, identity: &Identity, env: &Env, observer: &dyn Observer) -> Result<Report> {
    observer.on_event(Event::Phase(Phase::Checking));
    let (set, mut chain) =
        OpenSet::with_expected_content(&options.from, options.set, options.generation, options.expect.as_ref(), env.loader)?;
    let expected = options.expect.map(|code| {
        let seal = chain.anchor(&code).map(|at| chain.links[at].seal.generation);
        seal.ok_or(RestoreError::NotExpected { code })
    });
    let expected = expected.transpose().or_else(|e| {
        set.medium.check_complete()?;
        Err(e)
    })?;
    let generation = Generation::open(&*set.medium, &chain, options.generation, identity)?;
    let selection = Selection::new(options, &generation.manifest.sources)?;
    let findings = FindingLog::new(observer);
    let origin = Origin::new(&chain, &generation);
    let is_marked = origin.is_marked(options);
    let groups = by_priority(&generation.manifest.sources);
    let mut report = Report::new(&chain, &generation, &origin, &selection);
    report.expected = expected;
    report.page = is_marked.then(|| origin.page_name());
    if options.dry_run {
        observer.on_event(Event::Phase(Phase::Planning));
        plan(&generation, &chain, &selection, &findings, &groups, &mut report)?;
    } else {
        let target_options = TargetOptions { read_only: is_marked || options.target.read_only, ..options.target };
        let target = Target::create(&options.to, target_options)?;
        let disk = &TargetDisk::new(&options.to);
        if is_marked {
            origin.mark(options, &target).map_err(|e| disk.explain(e))?;
        }
        observer.on_event(Event::Phase(Phase::Writing));
        let spooled = spool(options, env, &generation, &selection, &target)?;
        let (generation, selection, target, findings) = (&generation, &selection, &target, &findings);
        Passes { options, env, chain: &chain, generation, selection, target, disk, findings, spooled }
            .run(&groups, &mut report)?;
    }
    for lacking in &generation.manifest.findings {
        if lacking.kind == FindingKind::AttributesUnreadable.name() && selection.contains_path(&lacking.path, false) {
            findings.add(FindingKind::Shortfall, &lacking.path, "attributes could not be read in the backup".into());
        }
    }
    report.lacking = lacking(&generation.manifest.findings, &options.paths);
    report.not_found = selection.not_found();
    report.otherwise_spelled = selection.otherwise_spelled();
    report.wrong_stanzas = generation.wrong_stanzas();
    report.damaged_packs = generation.damaged_packs();
    report.damaged_packs.extend(findings.damaged_packs());
    report.damaged_packs.sort_unstable();
    report.damaged_packs.dedup();
    (report.not_restored, report.shortfalls, report.withheld, report.findings) = findings.into_findings();
    Ok(report)
}

/// The findings by which the backup of these paths, or of everything, was incomplete. A wrong clock takes nothing away.
fn lacking(findings: &[Finding], paths: &[Vec<u8>]) -> Vec<Finding> {
    let is_about = |f: &Finding| paths.is_empty() || paths.iter().any(|p| is_within(p, &f.path) || is_within(&f.path, p));
    let takes_away = |f: &Finding| match f.kind.parse() {
        Ok(FindingKind::ClockWrong | FindingKind::ClockSetBack | FindingKind::AttributesUnreadable) => false,
        Ok(kind) => !FindingKind::is_note(kind),
        Err(_) => true,
    };
    findings.iter().filter(|f| takes_away(f) && is_about(f)).cloned().collect()
}

/// Keeps the records beside the restore if the medium has one head, or if a list names a few of many entries.
fn spool(
    options: &Options,
    env: &Env,
    generation: &Generation,
    selection: &Selection,
    target: &Target,
) -> Result<Option<SpooledRecords>> {
    if options.only.is_none() && !generation.medium().is_sequential() {
        return Ok(None);
    }
    let file = target.nameless_file(env.random).map_err(RestoreError::Spool)?;
    let paths = selection.search_paths(&generation.manifest.sources);
    let records = Records::of(generation, paths.as_deref())?;
    SpooledRecords::keep(records, selection, env.interrupted, file).map(Some)
}

impl Report {
    /// Notes what is known of the generation when all `records` were read. Those of each priority are read in turn.
    fn add_records(&mut self, records: &Records) {
        self.entries_lost = self.entries_lost.max(records.lost());
        let missing = records.missing_sources().into_iter().filter(|name| !self.missing_sources.contains(name));
        let missing: Vec<Vec<u8>> = missing.collect();
        self.missing_sources.extend(missing);
    }

    /// A report of nothing done so far.
    fn new(chain: &Chain, generation: &Generation, origin: &Origin, selection: &Selection) -> Self {
        Self {
            set: chain.set,
            set_name: origin.set_name.clone(),
            generation: generation.manifest.generation,
            time: origin.time.clone(),
            check_code: CheckCode::of(&generation.link.digest()),
            expected: None,
            newest: chain.generations().map(|l| l.seal.generation).max().unwrap_or(0),
            leftovers: chain.leftovers.len() as u64,
            trusted: generation.link.is_proven(),
            faults: chain.faults.clone(),
            entries: 0,
            files: 0,
            bytes: 0,
            has_alarm: origin.has_alarm,
            quarantine: origin.quarantine,
            page: None,
            not_restored: 0,
            shortfalls: 0,
            withheld: 0,
            entries_lost: 0,
            findings: Vec::new(),
            lacking: Vec::new(),
            not_found: Vec::new(),
            otherwise_spelled: Vec::new(),
            missing_sources: Vec::new(),
            wrong_stanzas: Vec::new(),
            damaged_packs: Vec::new(),
            lacks_storages: selection.lacks_storages(),
            sources: Vec::new(),
            packs: Vec::new(),
            media: Vec::new(),
        }
    }
}
