//! The two passes over the records. The first makes folders, links and special files as they come, and has files
//! written. The second makes hard links and finishes folders, inner ones first.

use super::batch::FileBatch;
use super::by_pack::{PackCosts, SplitFiles};
use super::by_priority::PriorityGroup;
use super::counts::RestoreCounts;
use super::file_writer::FileWriter;
use super::findings::FindingLog;
use super::pack_fetcher::PackFetcher;
use super::record::{NotRestorable, path_and_type};
use super::records::{Records, SpooledRecords};
use super::selection::Selection;
use super::target_disk::TargetDisk;
use super::task::{SendTasks, TasksByPack};
use super::{Options, Report, RestoreError, Result, SourceReport};
use crate::env::Env;
use crate::event::{Event, FindingKind, Phase, chain_text};
use crate::format::entry::{ContentState, Core, Entry, EntryKind, add_sizes};
use crate::format::manifest::Source;
use crate::generation::{Generation, is_within};
use crate::pipeline::target::{Shortfall, Target, TargetError};
use crate::seal::chain::Chain;
use std::ops::RangeInclusive;

/// Memory of a worker: one pack as stored and decrypted (a backup writes packs of up to 32 MiB), and buffers.
const WORKER_BYTES: u64 = 80 << 20;

/// What the passes work with.
pub(super) struct Passes<'a, 'g> {
    pub(super) options: &'a Options,
    pub(super) env: &'a Env<'a>,
    pub(super) chain: &'a Chain,
    pub(super) generation: &'a Generation<'g>,
    pub(super) selection: &'a Selection,
    pub(super) target: &'a Target,
    pub(super) disk: &'a TargetDisk,
    pub(super) findings: &'a FindingLog<'a>,
    /// The records, if they are read from the medium only once.
    pub(super) spooled: Option<SpooledRecords>,
}

impl<'a> Passes<'a, '_> {
    /// Restores the groups one after the other and makes everything durable.
    pub(super) fn run(&self, groups: &[PriorityGroup], report: &mut Report) -> Result<()> {
        for group in groups {
            self.findings.observer.on_event(Event::Phase(Phase::Writing));
            let restored = GroupPasses { passes: self, group, search_paths: self.search_paths(group) }.run(report)?;
            for s in &restored {
                report.entries += s.entries;
                report.files += s.files;
                report.bytes = add_sizes(report.bytes, s.bytes);
                if !group.is_all {
                    let name = s.name.clone();
                    self.findings.observer.on_event(Event::SourceRestored { name, entries: s.entries, bytes: s.bytes });
                }
            }
            report.sources.extend(restored);
        }
        self.add_shortfalls(self.target.finish_parents())?;
        self.sync()
    }

    /// Makes everything durable so far.
    fn sync(&self) -> Result<()> {
        self.target.sync().map_err(|e| self.disk.explain(e.into()))
    }

    /// Adds what a created entry lacks, or that it could not be created. Fails if the target's disk is the cause.
    fn add_created(&self, core: &Core, created: std::result::Result<Vec<Shortfall>, TargetError>) -> Result<()> {
        let fault = match &created {
            Ok(shortfalls) => self.disk.fault_in(shortfalls),
            Err(e) => self.disk.fault_of(e),
        };
        fault.map_or(Ok(()), |e| Err(RestoreError::Target(e)))?;
        self.findings.add_created(core, created);
        Ok(())
    }

    fn add_shortfalls(&self, shortfalls: Vec<Shortfall>) -> Result<()> {
        self.disk.fault_in(&shortfalls).map_or(Ok(()), |e| Err(RestoreError::Target(e)))?;
        self.findings.add_shortfalls(shortfalls);
        Ok(())
    }

    fn sources(&self) -> &'a [Source] {
        &self.generation.manifest.sources
    }

    fn search_paths(&self, group: &PriorityGroup) -> Option<Vec<Vec<u8>>> {
        group.search_paths(self.selection.search_paths(self.sources()), self.sources())
    }
}

/// The passes over the entries of one priority group.
struct GroupPasses<'p, 'a, 'g> {
    passes: &'p Passes<'a, 'g>,
    group: &'p PriorityGroup,
    /// See [`Selection::search_paths`].
    search_paths: Option<Vec<Vec<u8>>>,
}

impl<'a, 'g> std::ops::Deref for GroupPasses<'_, 'a, 'g> {
    type Target = Passes<'a, 'g>;

    fn deref(&self) -> &Self::Target {
        self.passes
    }
}

impl<'g> GroupPasses<'_, '_, 'g> {
    /// Restores what is selected of the group's sources, and makes it durable if other groups follow.
    fn run(&self, report: &mut Report) -> Result<Vec<SourceReport>> {
        // Nothing of these sources is selected.
        if self.search_paths.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let mut counts = RestoreCounts::new(self.group, self.sources());
        self.first_pass(&mut counts, report)?;
        self.findings.observer.on_event(Event::Phase(Phase::Finishing));
        self.second_pass()?;
        if !self.group.is_all {
            self.sync()?;
        }
        Ok(counts.into_reports())
    }

    fn records(&self) -> Result<Records<'_, 'g>> {
        match &self.spooled {
            Some(spooled) => Ok(Records::spooled(spooled)),
            None => Records::of(self.generation, self.search_paths.as_deref()),
        }
    }

    fn is_selected(&self, core: &Core) -> bool {
        self.is_in_group(&core.path) && self.selection.contains(core)
    }

    fn is_in_group(&self, path: &[u8]) -> bool {
        self.group.is_all || self.group.source_of(path, self.sources()).is_some()
    }

    /// The entry is a hard link to an entry that is restored in this group or was in an earlier one. A link to any
    /// other entry becomes a file of its own. `records`: where the entry was read last.
    fn is_link(&self, core: &Core, records: &Records) -> bool {
        let Some(first) = core.link_to.as_ref().filter(|_| self.selection.contains_link_target(core)) else { return false };
        (self.is_in_group(first) || self.is_earlier(first)) && !records.is_below_refused(first)
    }

    /// The path is in a source of an earlier group.
    fn is_earlier(&self, path: &[u8]) -> bool {
        let rank = |s: Option<&Source>| s.and_then(|s| s.priority).unwrap_or(u8::MAX);
        let other = self.sources().iter().find(|s| is_within(path, &s.name));
        rank(other) < rank(self.group.sources.first().and_then(|i| self.sources().get(*i)))
    }

    fn check_interrupted(&self) -> Result<()> {
        if self.env.is_interrupted() { Err(RestoreError::Interrupted) } else { Ok(()) }
    }

    fn first_pass(&self, counts: &mut RestoreCounts, report: &mut Report) -> Result<()> {
        let most_threads = (self.options.memory_bytes / WORKER_BYTES).max(1) as usize;
        let packs = PackFetcher { generation: self.generation, chain: self.chain, findings: self.findings };
        let writer = FileWriter::new(packs, self.target, self.disk, self.env.interrupted);
        writer.run(self.env.threads.clamp(1, most_threads), |send| {
            let mut batch = FileBatch::default();
            let mut costs = self.generation.medium().is_sequential().then(PackCosts::default);
            let mut ancestors = Ancestors::default();
            let mut records = self.records()?;
            while let Some(record) = records.next() {
                self.check_interrupted()?;
                let record = record?;
                ancestors.leave(path_and_type(&record).0, |_| Ok(()))?;
                let entry = match record {
                    Ok(entry) => entry,
                    Err(refused) => {
                        self.refuse(refused, counts);
                        continue;
                    }
                };
                let is_selected = self.is_selected(&entry.core);
                if is_selected {
                    counts.add_entry(&entry.core.path);
                    self.create_ancestors(&mut ancestors, &entry.core, !records.gaps().is_empty())?;
                    self.findings.observer.on_event(Event::Progress { entries: 1, bytes: 0 });
                }
                match entry.core.kind {
                    EntryKind::Directory => {
                        if is_selected {
                            let created = self.target.create_directory(&entry.core).map(|_| Vec::new());
                            self.add_created(&entry.core, created)?;
                        }
                        ancestors.enter(entry.core, is_selected);
                    }
                    // Hard links are made in the second pass, when the file that they lead to is complete.
                    _ if !is_selected || self.is_link(&entry.core, &records) => {}
                    EntryKind::File => {
                        self.note_own_copy(&entry.core, &records);
                        self.add_file(entry, &mut costs, &mut batch, counts);
                    }
                    EntryKind::Symlink => {
                        self.add_created(&entry.core, self.target.create_symlink(&entry.core).map(|m| m.1))?;
                    }
                    _ => self.add_created(&entry.core, self.target.create_special(&entry.core).map(|m| m.1))?,
                }
                if batch.is_full() {
                    batch.send(send)?;
                }
            }
            report.add_records(&records);
            self.findings.add_gaps(records.gaps());
            batch.send(send)?;
            drop(records);
            let runs = costs.map(|c| c.runs(self.options.memory_bytes / 2, &self.generation.medium().attached_objects()));
            self.send_by_pack(runs.unwrap_or_default(), send)
        })
    }

    /// Creates the folders above a selected entry that do not exist yet.
    fn create_ancestors(&self, ancestors: &mut Ancestors, core: &Core, has_gaps: bool) -> Result<()> {
        let is_first = ancestors.folders.is_empty();
        ancestors.create(|folder| {
            self.create_parents(&folder.path, has_gaps)?;
            self.add_created(folder, self.target.create_directory(folder).map(|_| Vec::new()))
        })?;
        if is_first || has_gaps { self.create_parents(&core.path, has_gaps) } else { Ok(()) }
    }

    /// Creates the folders above that have no records: those above a source of several names, and those whose records
    /// are in a gap.
    fn create_parents(&self, path: &[u8], has_gaps: bool) -> Result<()> {
        match self.target.create_parents(path) {
            Err(e) if self.disk.fault_of(&e).is_some() => return Err(self.disk.explain(e.into())),
            Err(e) if has_gaps => self.findings.add(FindingKind::NotRestored, path, chain_text(&e)),
            created => created?,
        }
        Ok(())
    }

    /// Reports an entry that must not be restored, if it is selected.
    fn refuse(&self, refused: NotRestorable, counts: &mut RestoreCounts) {
        let NotRestorable { path, is_directory, kind, why } = refused;
        if self.is_in_group(&path) && self.selection.contains_path(&path, is_directory) {
            counts.add_entry(&path);
            self.findings.add(kind, &path, why);
            self.findings.observer.on_event(Event::Progress { entries: 1, bytes: 0 });
        }
    }

    /// Reports that a selected file becomes a file of its own although the name that it leads to is selected.
    fn note_own_copy(&self, core: &Core, records: &Records) {
        let Some(first) = core.link_to.as_ref().filter(|_| self.selection.contains_link_target(core)) else { return };
        let reason = if records.is_below_refused(first) { "is not restored" } else { "comes with a later source" };
        let why = format!("has its own copy: {} {reason}", String::from_utf8_lossy(first));
        self.findings.add(FindingKind::Shortfall, &core.path, why);
    }

    /// Adds a selected file to the batch; on a medium with one head, to the costs of its packs.
    fn add_file(&self, entry: Entry, costs: &mut Option<PackCosts>, batch: &mut FileBatch, counts: &mut RestoreCounts) {
        counts.add_file(entry.core.size);
        if let ContentState::Unreadable { errno } = entry.core.state {
            let detail = match errno {
                // Not known: the output of a command that failed.
                0 => "was unreadable in the backup".into(),
                _ => format!("was unreadable in the backup: {}", std::io::Error::from_raw_os_error(errno as i32)),
            };
            return self.findings.add(FindingKind::NotRestored, &entry.core.path, detail);
        }
        match costs {
            // Its content is written when its packs are read.
            Some(costs) if !entry.extents.is_empty() => costs.add(&entry),
            _ => batch.add(entry),
        }
    }

    /// Sends the tasks of all files, one run of packs after the other.
    fn send_by_pack(&self, runs: Vec<RangeInclusive<u64>>, send: SendTasks) -> Result<()> {
        let mut split_files = SplitFiles::default();
        for run in runs {
            let mut packs = TasksByPack::default();
            let mut records = self.records()?;
            while let Some(record) = records.next() {
                self.check_interrupted()?;
                let Ok(entry) = record? else { continue };
                let core = &entry.core;
                let is_unreadable = matches!(core.state, ContentState::Unreadable { .. });
                if core.kind == EntryKind::File && self.is_selected(core) && !self.is_link(core, &records) && !is_unreadable {
                    packs.add(split_files.tasks(entry, &run));
                }
            }
            packs.send(send)?;
        }
        Ok(())
    }

    /// Makes hard links, and sets what later work in a folder would undo.
    fn second_pass(&self) -> Result<()> {
        let mut ancestors = Ancestors::default();
        let finish = |core: &Core| self.add_shortfalls(self.target.finish_directory(core));
        let mut records = self.records()?;
        while let Some(record) = records.next() {
            self.check_interrupted()?;
            let record = record?;
            ancestors.leave(path_and_type(&record).0, finish)?;
            let Ok(Entry { core, .. }) = record else { continue };
            let is_selected = self.is_selected(&core);
            if is_selected {
                ancestors.folders.iter_mut().for_each(|f| f.is_created = true);
            }
            if core.kind == EntryKind::Directory {
                ancestors.enter(core, is_selected);
            } else if is_selected && self.is_link(&core, &records) {
                self.add_created(&core, self.target.link(&core).map(|_| Vec::new()))?;
            }
        }
        ancestors.leave(b"", finish)
    }
}

/// The folders from the root to the present entry, the innermost last, each with whether it was created. The path of each is
/// the beginning of the innermost one's: four thousand of them would take gigabytes.
#[derive(Default)]
struct Ancestors {
    folders: Vec<Ancestor>,
    path: Vec<u8>,
}

struct Ancestor {
    /// Without its path.
    core: Core,
    path_bytes: usize,
    is_created: bool,
}

impl Ancestors {
    fn enter(&mut self, mut folder: Core, is_created: bool) {
        self.path = std::mem::take(&mut folder.path);
        self.folders.push(Ancestor { core: folder, path_bytes: self.path.len(), is_created });
    }

    /// Calls `create` for the folders that were not created yet, the outermost first.
    fn create(&mut self, mut create: impl FnMut(&Core) -> Result<()>) -> Result<()> {
        for folder in self.folders.iter_mut().filter(|f| !f.is_created) {
            folder.core.path = self.path[..folder.path_bytes].to_vec();
            let created = create(&folder.core);
            folder.core.path = Vec::new();
            created?;
            folder.is_created = true;
        }
        Ok(())
    }

    /// Leaves the folders that `path` is not in, the innermost first. Calls `on_left` for those that were created.
    fn leave(&mut self, path: &[u8], on_left: impl Fn(&Core) -> Result<()>) -> Result<()> {
        while let Some(last) = self.folders.last().filter(|f| !is_within(path, &self.path[..f.path_bytes])) {
            self.path.truncate(last.path_bytes);
            if let Some(Ancestor { mut core, is_created: true, .. }) = self.folders.pop() {
                core.path = self.path.clone();
                on_left(&core)?;
            }
        }
        Ok(())
    }
}
