//! The two passes over the entries. The first makes folders, links and special files as they come, and has files filled; the second makes
//! hard links and finishes folders, inner ones first.

use super::batch::{Batch, Give, Packs};
use super::filler::Filler;
use super::records::Records;
use super::spool::Spool;
use super::sweep::{Costs, Sweep};
use super::tally::{Counts, Tally};
use super::turns::Turn;
use super::wanted::Selection;
use super::{Options, Report, RestoreError, Result, SourceReport};
use crate::env::Env;
use crate::event::{Event, FindingKind, Phase, chain_text};
use crate::format::entry::{ContentState, Core, Entry, EntryKind};
use crate::format::manifest::Source;
use crate::generation::{Generation, is_within};
use crate::pipeline::target::Target;
use crate::seal::chain::Chain;
use std::ops::RangeInclusive;

/// What the passes work with.
pub struct Passes<'a, 'g> {
    pub options: &'a Options,
    pub env: &'a Env<'a>,
    pub chain: &'a Chain,
    pub generation: &'a Generation<'g>,
    pub wanted: &'a Selection,
    pub target: &'a Target,
    pub tally: &'a Tally<'a>,
    /// The entries, where they are not read from the medium again and again.
    pub spool: Option<Spool>,
}

impl<'a, 'g> Passes<'a, 'g> {
    pub fn run(&self, turns: &[Turn], report: &mut Report) -> Result<()> {
        for turn in turns {
            self.tally.observer.on_event(Event::Phase(Phase::Writing));
            let done = Pass { passes: self, turn, spans: self.spans(turn) }.run(report)?;
            for s in &done {
                report.entries += s.entries;
                report.files += s.files;
                report.bytes += s.bytes;
                if !turn.is_all {
                    let name = s.name.clone();
                    self.tally.observer.on_event(Event::SourceRestored { name, entries: s.entries, bytes: s.bytes });
                }
            }
            report.sources.extend(done);
        }
        self.tally.lacks(self.target.finish_parents());
        self.target.sync().map_err(RestoreError::Target)
    }

    fn sources(&self) -> &'a [Source] {
        &self.generation.manifest.sources
    }

    fn spans(&self, turn: &Turn) -> Option<Vec<Vec<u8>>> {
        turn.spans(self.wanted.spans(self.sources()), self.sources())
    }
}

/// The passes over the entries of one turn.
struct Pass<'p, 'a, 'g> {
    passes: &'p Passes<'a, 'g>,
    turn: &'p Turn,
    spans: Option<Vec<Vec<u8>>>,
}

impl<'a, 'g> std::ops::Deref for Pass<'_, 'a, 'g> {
    type Target = Passes<'a, 'g>;

    fn deref(&self) -> &Self::Target {
        self.passes
    }
}

impl<'a, 'g> Pass<'_, 'a, 'g> {
    /// Restores what is wanted of the turn's sources, and makes it durable.
    fn run(&self, report: &mut Report) -> Result<Vec<SourceReport>> {
        // Nothing of them is wanted.
        if self.spans.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let mut counts = Counts::new(self.turn, self.sources());
        self.first(&mut counts, report)?;
        self.tally.observer.on_event(Event::Phase(Phase::Finishing));
        self.second()?;
        if !self.turn.is_all {
            self.target.sync().map_err(RestoreError::Target)?;
        }
        Ok(counts.into_reports())
    }

    fn records(&self) -> Result<Records<'_, 'g>> {
        match &self.spool {
            Some(spool) => Ok(Records::kept(spool)),
            None => Records::of(self.generation, self.spans.as_deref()),
        }
    }

    fn is_wanted(&self, core: &Core) -> bool {
        self.is_in_turn(&core.path) && self.wanted.is_wanted(core)
    }

    fn is_in_turn(&self, path: &[u8]) -> bool {
        self.turn.is_all || self.turn.source_of(path, self.sources()).is_some()
    }

    /// The entry is a further name of one that is restored, too, and by now. Else it is a file of its own.
    fn is_link(&self, core: &Core) -> bool {
        let Some(first) = core.link_to.as_ref().filter(|_| self.wanted.is_link(core)) else { return false };
        self.is_in_turn(first) || self.is_earlier(first)
    }

    fn is_earlier(&self, path: &[u8]) -> bool {
        let rank = |s: Option<&Source>| s.and_then(|s| s.priority).unwrap_or(u8::MAX);
        let other = self.sources().iter().find(|s| is_within(path, &s.name));
        rank(other) < rank(self.turn.sources.first().and_then(|i| self.sources().get(*i)))
    }

    fn go_on(&self) -> Result<()> {
        if self.env.is_interrupted() { Err(RestoreError::Interrupted) } else { Ok(()) }
    }

    fn first(&self, counts: &mut Counts, report: &mut Report) -> Result<()> {
        // Each thread holds a pack as stored and decrypted.
        let threads = self.env.threads.clamp(1, (self.options.memory_bytes / (80 << 20)).max(1) as usize);
        let filler = Filler::new(self.generation, self.chain, self.target, self.tally, self.env.interrupted);
        filler.run(threads, |give| {
            let mut batch = Batch::default();
            let mut costs = self.generation.medium().is_sequential().then(Costs::default);
            let mut above = Above::default();
            let mut records = self.records()?;
            while let Some(record) = records.next() {
                self.go_on()?;
                let entry = record?;
                above.leave(&entry.core.path, |_| {});
                let is_wanted = self.is_wanted(&entry.core);
                if is_wanted {
                    counts.entry(&entry.core.path);
                    self.make_above(&mut above, &entry.core, !records.gaps().is_empty())?;
                    self.tally.observer.on_event(Event::Progress { entries: 1, bytes: 0 });
                }
                match entry.core.kind {
                    EntryKind::Directory => {
                        if is_wanted {
                            self.tally.made(&entry.core, self.target.create_directory(&entry.core).map(|_| Vec::new()));
                        }
                        above.enter(entry.core, is_wanted);
                    }
                    // Further names are made when the first is whole.
                    _ if !is_wanted || self.is_link(&entry.core) => {}
                    EntryKind::File => self.file(entry, &mut costs, &mut batch, counts),
                    EntryKind::Symlink => self.tally.made(&entry.core, self.target.create_symlink(&entry.core).map(|m| m.1)),
                    _ => self.tally.made(&entry.core, self.target.create_special(&entry.core).map(|m| m.1)),
                }
                if batch.is_full() {
                    batch.send(give)?;
                }
            }
            report.entries_lost = report.entries_lost.max(records.lost());
            self.tally.gaps(records.gaps());
            batch.send(give)?;
            drop(records);
            let runs = costs.map(|c| c.runs(self.options.memory_bytes / 2, &self.generation.medium().attached_objects()));
            self.sweep(runs.unwrap_or_default(), give)
        })
    }

    /// Makes the folders above a wanted entry that are not there yet.
    fn make_above(&self, above: &mut Above, core: &Core, has_gaps: bool) -> Result<()> {
        let is_first = above.0.is_empty();
        for (folder, made) in above.0.iter_mut().filter(|(_, made)| !*made) {
            self.make_parents(&folder.path, has_gaps)?;
            self.tally.made(folder, self.target.create_directory(folder).map(|_| Vec::new()));
            *made = true;
        }
        if is_first || has_gaps { self.make_parents(&core.path, has_gaps) } else { Ok(()) }
    }

    /// Makes the folders above that have no records: those above a source of several names, and those whose records are in a gap.
    fn make_parents(&self, path: &[u8], has_gaps: bool) -> Result<()> {
        match self.target.create_parents(path) {
            Err(e) if has_gaps => self.tally.finding(FindingKind::NotRestored, path, chain_text(&e)),
            made => made.map_err(RestoreError::Target)?,
        }
        Ok(())
    }

    fn file(&self, entry: Entry, costs: &mut Option<Costs>, batch: &mut Batch, counts: &mut Counts) {
        counts.file(entry.core.size);
        if let Some(first) = entry.core.link_to.as_ref().filter(|_| self.wanted.is_link(&entry.core)) {
            let why = format!("has its own copy: {} comes with a later source", String::from_utf8_lossy(first));
            self.tally.finding(FindingKind::Shortfall, &entry.core.path, why);
        }
        if let ContentState::Unreadable { errno } = entry.core.state {
            let why = std::io::Error::from_raw_os_error(errno as i32).to_string();
            return self.tally.finding(
                FindingKind::NotRestored,
                &entry.core.path,
                format!("was unreadable in the backup: {why}"),
            );
        }
        match costs {
            // Its content comes when its packs do.
            Some(costs) if !entry.extents.is_empty() => costs.add(&entry),
            _ => batch.add(entry),
        }
    }

    /// Gives out the content of files run by run of packs.
    fn sweep(&self, runs: Vec<RangeInclusive<u64>>, give: Give) -> Result<()> {
        let mut sweep = Sweep::default();
        for run in runs {
            let mut packs = Packs::default();
            for record in self.records()? {
                self.go_on()?;
                let entry = record?;
                let core = &entry.core;
                let is_unreadable = matches!(core.state, ContentState::Unreadable { .. });
                if core.kind == EntryKind::File && self.is_wanted(core) && !self.is_link(core) && !is_unreadable {
                    packs.add(sweep.tasks(entry, &run));
                }
            }
            packs.send(give)?;
        }
        Ok(())
    }

    /// Hard links, and everything about folders that later work in them would undo.
    fn second(&self) -> Result<()> {
        let mut above = Above::default();
        let finish = |core: &Core| self.tally.lacks(self.target.finish_directory(core));
        for record in self.records()? {
            self.go_on()?;
            let core = record?.core;
            above.leave(&core.path, finish);
            let is_wanted = self.is_wanted(&core);
            if is_wanted {
                above.0.iter_mut().for_each(|(_, made)| *made = true);
            }
            if core.kind == EntryKind::Directory {
                above.enter(core, is_wanted);
            } else if is_wanted && self.is_link(&core) {
                self.tally.made(&core, self.target.link(&core).map(|_| Vec::new()));
            }
        }
        above.leave(b"", finish);
        Ok(())
    }
}

/// The folders from the root to the present entry, the innermost last, and whether each was made.
#[derive(Default)]
struct Above(Vec<(Core, bool)>);

impl Above {
    fn enter(&mut self, folder: Core, made: bool) {
        self.0.push((folder, made));
    }

    /// Leaves the folders that `path` is not in, and tells those that were made, the innermost first.
    fn leave(&mut self, path: &[u8], left: impl Fn(&Core)) {
        while self.0.last().is_some_and(|(core, _)| !is_within(path, &core.path)) {
            if let Some((core, true)) = self.0.pop() {
                left(&core);
            }
        }
    }
}
