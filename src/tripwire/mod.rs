//! Tripwires: signs of an intruder in a night's changes.
//!
//! A [`Watcher`] counts while a run merges and reads. [`judge`] compares the counts with the source's own history. An alarm never
//! stops the writing: tonight's generation is evidence too. The counts are stored in the manifest, so that a new host knows what is
//! usual.

pub mod all_sets;
pub mod canaries;
pub mod content;
pub mod dump;
pub mod earlier;
mod former;
mod judge;

pub use former::FormerContent;
pub use judge::{Excess, judge};

use crate::format::entry::{ContentId, Core, add_sizes};
use crate::format::object::Id;
use crate::format::rules::{Allowed, Rules, allowed};
use crate::format::watch::{Alarm, KINDS, KindCounts, Measures, NIGHTS, Night, NightKind, PATHS, SourceWatch};
use all_sets::HostHistory;
use canaries::CanaryDigest;
use content::{ContentSample, fits, is_compressed, is_finished, kind_of};
use earlier::{EarlierAlarm, FILES, RecordedAlarm, Settled, mark_of};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// A sign of an intruder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tripwire {
    /// A canary, a file that nobody should ever touch, was changed or is gone.
    Canary,
    /// Content changed where the source's rules forbid it.
    Forbidden,
    /// Files became noise, as a whole or in parts.
    Noise,
    /// Files no longer begin as their kind does.
    Header,
    /// Small numbers of these, night after night.
    Drip,
    /// Nearly everything changed.
    Changed,
    /// Files of kinds that are written only once changed.
    Finished,
    /// Many files are gone.
    Gone,
    /// Files were replaced by files of a kind that the source never had.
    Strange,
    /// The source lost half of its bytes.
    Shrunk,
    /// The source has fewer than half of the files that it had in other sets.
    Fewer,
    /// Nearly nothing in the source was stored before.
    Dedup,
}

impl Tripwire {
    /// All, the gravest first.
    pub const ALL: [Self; 12] = [
        Self::Canary,
        Self::Forbidden,
        Self::Noise,
        Self::Header,
        Self::Drip,
        Self::Changed,
        Self::Finished,
        Self::Gone,
        Self::Strange,
        Self::Shrunk,
        Self::Fewer,
        Self::Dedup,
    ];

    /// In a manifest and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Forbidden => "forbidden",
            Self::Noise => "noise",
            Self::Header => "header",
            Self::Drip => "drip",
            Self::Changed => "changed",
            Self::Finished => "finished",
            Self::Gone => "gone",
            Self::Strange => "strange",
            Self::Shrunk => "shrunk",
            Self::Fewer => "fewer",
            Self::Dedup => "dedup",
        }
    }

    /// The evidence whose paths are shown with an alarm.
    fn evidence(self) -> Evidence {
        match self {
            Self::Canary => Evidence::Canary,
            Self::Forbidden => Evidence::Forbidden,
            Self::Noise | Self::Drip => Evidence::Noise,
            Self::Header => Evidence::Header,
            Self::Strange => Evidence::Strange,
            Self::Gone | Self::Fewer => Evidence::Gone,
            Self::Finished => Evidence::Finished,
            Self::Changed | Self::Shrunk | Self::Dedup => Evidence::Changed,
        }
    }
}

/// Why a path was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Evidence {
    Canary,
    Forbidden,
    Noise,
    Header,
    Strange,
    Gone,
    Finished,
    Changed,
}

/// A source to be watched.
#[derive(Debug, Clone)]
pub struct WatchedSource<'a> {
    /// Name of the source.
    pub name: &'a [u8],
    /// How its files may change.
    pub rules: Rules,
    /// Paths of the canaries, as in the entry stream.
    pub canaries: &'a [Vec<u8>],
}

/// The content that a file had in the previous generation.
#[derive(Debug, Clone, Copy)]
pub struct PreviousContent {
    /// What tells it from other content.
    pub content: ContentId,
    /// Bytes, holes included.
    pub size: u64,
    /// Bytes without the holes.
    pub stored_bytes: u64,
    /// Nobody was writing the file when it was read.
    pub settled: bool,
}

impl PreviousContent {
    /// What a record says; `None` if it has no content.
    pub fn of(core: &Core, settled: bool) -> Option<Self> {
        let stored_bytes = core.size - core.holes.iter().map(|h| h.length).sum::<u64>();
        core.content_id().map(|content| Self { content, size: core.size, stored_bytes, settled })
    }
}

/// Counts the changes of one run. Shared by all its threads.
pub struct Watcher {
    sources: Vec<SourceWatcher>,
    seed: u64,
}

struct SourceWatcher {
    name: Vec<u8>,
    rules: Rules,
    canaries: Vec<Vec<u8>>,
    history: SourceWatch,
    host: HostHistory,
    usual: HashMap<Vec<u8>, KindCounts>,
    earlier: Vec<EarlierAlarm>,
    settled: Settled,
    counts: NightCounts,
    is_absent: AtomicBool,
    tonight: Mutex<NightNotes>,
}

#[derive(Default)]
struct NightCounts {
    files: AtomicU64,
    bytes: AtomicU64,
    changed: AtomicU64,
    new: AtomicU64,
    gone: AtomicU64,
    /// Of these, what a settled alarm had named.
    taken_away: AtomicU64,
    forbidden: AtomicU64,
    noisy: AtomicU64,
    noisy_bytes: AtomicU64,
    misfit: AtomicU64,
    strange: AtomicU64,
    canaries: AtomicU64,
    new_bytes: AtomicU64,
    finished: AtomicU64,
}

#[derive(Default)]
struct NightNotes {
    kinds: BTreeMap<Vec<u8>, KindCounts>,
    paths: HashMap<Evidence, Vec<Vec<u8>>>,
    /// Marks of the files behind these and all further paths: up to one more than are remembered.
    files: HashMap<Evidence, Vec<u64>>,
    /// Canaries that are there, or were until tonight.
    canaries: BTreeSet<Vec<u8>>,
    /// What those contain that were read.
    canary_contents: BTreeMap<Vec<u8>, CanaryDigest>,
}

impl Watcher {
    /// `histories`: from the last manifest. `hosts`: what all sets of the host know. `earlier`: what this host has raised
    /// before. `seed`: decides where samples are taken, and nobody outside should know it.
    pub fn new(
        sources: &[WatchedSource],
        histories: &[SourceWatch],
        hosts: &[HostHistory],
        earlier: &[EarlierAlarm],
        seed: u64,
    ) -> Self {
        let one = |s: &WatchedSource| {
            let mut history = histories.iter().find(|k| k.source == s.name).cloned().unwrap_or_default();
            history.source = s.name.to_vec();
            let usual = history.kinds.iter().map(|k| (k.kind.clone(), k.clone())).collect();
            let earlier: Vec<EarlierAlarm> = earlier.iter().filter(|e| e.alarm.source == s.name).cloned().collect();
            SourceWatcher {
                name: s.name.to_vec(),
                rules: s.rules,
                canaries: s.canaries.to_vec(),
                history,
                host: hosts.iter().find(|h| h.source == s.name).cloned().unwrap_or_default(),
                usual,
                settled: Settled::of(&earlier),
                earlier,
                counts: NightCounts::default(),
                is_absent: AtomicBool::new(false),
                tonight: Mutex::default(),
            }
        };
        Self { sources: sources.iter().map(one).collect(), seed }
    }

    fn of(&self, path: &[u8]) -> Option<&SourceWatcher> {
        self.sources.iter().find(|s| path.strip_prefix(&s.name[..]).is_some_and(|rest| matches!(rest.first(), None | Some(b'/'))))
    }

    /// Counts files that exist in a source, and their bytes.
    pub fn there(&self, source: &[u8], files: u64, bytes: u64) {
        if let Some(s) = self.of(source) {
            s.counts.files.fetch_add(files, Relaxed);
            let _ = s.counts.bytes.fetch_update(Relaxed, Relaxed, |n| Some(add_sizes(n, bytes)));
        }
    }

    /// A source as a whole is not there, or failed: that is a finding. Nothing of it is judged but its canaries, and the night
    /// does not count for what is usual.
    pub fn is_absent(&self, source: &[u8]) {
        if let Some(s) = self.of(source) {
            s.is_absent.store(true, Relaxed);
        }
    }

    /// A file is there.
    pub fn saw(&self, path: &[u8]) {
        if let Some(s) = self.of(path).filter(|s| s.is_canary(path)) {
            s.tonight().canaries.insert(path.to_vec());
        }
    }

    /// What is in a folder cannot be seen: no canary there is missed.
    pub fn cannot_see(&self, folder: &[u8]) {
        let lies_in = |path: &&Vec<u8>| path.strip_prefix(folder).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')));
        for s in &self.sources {
            s.tonight().canaries.extend(s.canaries.iter().filter(lies_in).cloned());
        }
    }

    /// Canaries of sources that are there which are no files, and were none before.
    pub fn missing_canaries(&self) -> Vec<Vec<u8>> {
        let there = self.sources.iter().filter(|s| !s.is_absent.load(Relaxed));
        let missing = |s: &SourceWatcher| {
            let tonight = s.tonight();
            s.canaries.iter().filter(|c| !tonight.canaries.contains(&c[..])).cloned().collect::<Vec<_>>()
        };
        there.flat_map(missing).collect()
    }

    /// Counts a file that exists no more.
    pub fn gone(&self, path: &[u8]) {
        let Some(s) = self.of(path) else { return };
        if s.settled.has_change(path) {
            return;
        }
        s.counts.gone.fetch_add(1, Relaxed);
        if s.settled.has_named(path) {
            s.counts.taken_away.fetch_add(1, Relaxed);
        }
        s.note(Evidence::Gone, path);
        s.check_canary(path);
    }

    /// Begins to sample a file that is read.
    pub fn sample(&self, path: &[u8], before: Option<&PreviousContent>) -> ContentSample {
        let before = before.filter(|_| self.of(path).is_some_and(|s| s.allowed(path) == Allowed::Growth));
        let hash = path.iter().fold(self.seed, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
        ContentSample::new(hash, before.copied())
    }

    /// Counts a file that was read. `new_bytes`: bytes of chunks that were not stored before.
    pub fn read(
        &self,
        path: &[u8],
        before: Option<&PreviousContent>,
        content: ContentId,
        sample: &ContentSample,
        new_bytes: u64,
    ) {
        let Some(s) = self.of(path) else { return };
        let c = &s.counts;
        s.note_canary(path, content);
        let kind = kind_of(path, s.rules);
        let (noisy, misfit) = (sample.is_noisy(), fits(&kind, sample.head()) == Some(false));
        if before.is_none_or(|b| b.content != content) && s.settled.has_change(path) {
            // Nor does its look become usual for its kind.
            s.count_kind(&kind, false, false);
            return;
        }
        c.new_bytes.fetch_add(new_bytes, Relaxed);
        if before.is_some_and(|b| b.content == content) {
            s.count_kind(&kind, noisy, misfit);
            return;
        }
        match before {
            None => {
                c.new.fetch_add(1, Relaxed);
                s.judge_canary(path, content, true);
            }
            Some(before) => {
                c.changed.fetch_add(1, Relaxed);
                s.note(Evidence::Changed, path);
                s.judge_canary(path, content, false);
                if before.settled && s.forbids(path, sample) {
                    c.forbidden.fetch_add(1, Relaxed);
                    s.note(Evidence::Forbidden, path);
                }
                if is_finished(&kind) {
                    c.finished.fetch_add(1, Relaxed);
                    s.note(Evidence::Finished, path);
                }
            }
        }
        // Nothing is unusual on the first night.
        if s.usual.is_empty() {
            s.count_kind(&kind, noisy, misfit);
            return;
        }
        let usual = s.usual.get(&kind).filter(|k| k.files > 0);
        if before.is_none() && usual.is_none() {
            c.strange.fetch_add(1, Relaxed);
            s.note(Evidence::Strange, path);
        }
        // One in two hundred: what happens more often would some night add up to an alarm.
        let is_rare = |n: u64, files: u64| n * 200 <= files;
        let odd_noise = noisy && usual.is_none_or(|k| is_rare(k.noisy, k.files)) && !is_compressed(sample.head());
        let odd_head = misfit && usual.is_some_and(|k| is_rare(k.misfit, k.files));
        // An oddity does not become usual by being frequent: otherwise a slow attack would make itself usual.
        s.count_kind(&kind, noisy && !odd_noise, misfit && !odd_head);
        if (odd_noise || odd_head) && s.settled.has_look(path) {
            return;
        }
        if odd_noise {
            c.noisy_bytes.fetch_add(sample.bytes(), Relaxed);
            if usual.is_some() {
                c.noisy.fetch_add(1, Relaxed);
            }
            s.note(Evidence::Noise, path);
        }
        if odd_head {
            c.misfit.fetch_add(1, Relaxed);
            s.note(Evidence::Header, path);
        }
    }

    /// The histories of the sources with this run, and the alarms. `announced`: somebody announced that much would change.
    pub fn finish(self, generation: u64, announced: bool) -> (Vec<SourceWatch>, Vec<RaisedAlarm>) {
        let (mut all, mut alarms) = (Vec::new(), Vec::new());
        for s in self.sources {
            let (history, raised) = s.finish(generation, announced);
            all.push(history);
            alarms.extend(raised);
        }
        (all, alarms)
    }
}

/// An alarm of tonight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaisedAlarm {
    /// As the manifest has it.
    pub alarm: Alarm,
    /// As the host remembers it.
    pub recorded: RecordedAlarm,
    /// Set and generation of an earlier alarm that nothing was added to.
    pub repeats: Option<(Id, u64)>,
    /// Tonight shows nothing of it: it is open.
    pub is_carried: bool,
}

impl SourceWatcher {
    /// The history with this run, and the alarms.
    fn finish(self, generation: u64, announced: bool) -> (SourceWatch, Vec<RaisedAlarm>) {
        let measures = self.counts.measures();
        let mut tonight = self.tonight.into_inner();
        let mut history = self.history;
        let mut excesses = judge(&history.nights, &self.host, &measures, announced);
        let is_absent = self.is_absent.into_inner();
        if is_absent {
            excesses.retain(|r| r.tripwire == Tripwire::Canary);
        }
        let (mut raised, mut shrank_by_leave) = (Vec::new(), false);
        for excess in &excesses {
            let recorded = tonight.recorded(generation, &self.name, excess);
            let covering = |harmless| {
                let covers = |e: &&EarlierAlarm| e.is_harmless == harmless && e.covers(&recorded, judge::slow(&measures));
                self.earlier.iter().find(covers)
            };
            if covering(true).is_some() {
                shrank_by_leave |= matches!(excess.tripwire, Tripwire::Shrunk | Tripwire::Fewer);
                continue;
            }
            let repeats = covering(false).map(|e| (e.set, e.alarm.generation));
            let mut paths = tonight.paths.get(&excess.tripwire.evidence()).cloned().unwrap_or_default();
            paths.sort();
            let (tripwire, source) = (excess.tripwire.name().to_owned(), self.name.clone());
            let alarm = Alarm { tripwire, source, measured: excess.measured, limit: excess.limit, paths };
            raised.push(RaisedAlarm { alarm, recorded, repeats, is_carried: false });
        }
        let is_quiet = raised.is_empty();
        if is_quiet {
            raised = open_alarms(&self.earlier);
        }
        if is_absent && is_quiet {
            return (history, raised);
        }
        let much_was_announced = announced && !judge(&history.nights, &self.host, &measures, false).is_empty();
        let kind = match () {
            () if !is_quiet => NightKind::Alarm,
            // The size of the source is measured from tonight on.
            () if much_was_announced || shrank_by_leave => NightKind::Announced,
            () => NightKind::Usual,
        };
        history.nights.push(Night { generation, kind, measures });
        let old = history.nights.len().saturating_sub(NIGHTS);
        history.nights.drain(..old);
        if kind != NightKind::Alarm {
            learn(&mut history.kinds, std::mem::take(&mut tonight.kinds));
        }
        (history, raised)
    }

    fn tonight(&self) -> MutexGuard<'_, NightNotes> {
        self.tonight.lock()
    }

    fn note(&self, evidence: Evidence, path: &[u8]) {
        let mut tonight = self.tonight();
        let paths = tonight.paths.entry(evidence).or_default();
        if paths.len() < PATHS {
            paths.push(path.to_vec());
        }
        let files = tonight.files.entry(evidence).or_default();
        if files.len() <= FILES {
            files.push(mark_of(path));
        }
    }

    fn is_canary(&self, path: &[u8]) -> bool {
        self.canaries.iter().any(|c| c == path)
    }

    fn check_canary(&self, path: &[u8]) {
        if self.is_canary(path) {
            self.tonight().canaries.insert(path.to_vec());
            self.counts.canaries.fetch_add(1, Relaxed);
            self.note(Evidence::Canary, path);
        }
    }

    fn count_kind(&self, kind: &[u8], noisy: bool, misfit: bool) {
        let mut tonight = self.tonight();
        if !tonight.kinds.contains_key(kind) {
            tonight.kinds.insert(kind.to_vec(), KindCounts::default());
        }
        let Some(k) = tonight.kinds.get_mut(kind) else { return };
        k.files += 1;
        k.noisy += u64::from(noisy);
        k.misfit += u64::from(misfit);
    }

    fn allowed(&self, path: &[u8]) -> Allowed {
        let below = path.get(self.name.len() + 1..).unwrap_or_default();
        allowed(self.rules, below)
    }

    /// Whether the rules forbid the change of this file's content.
    fn forbids(&self, path: &[u8], sample: &ContentSample) -> bool {
        match self.allowed(path) {
            Allowed::Anything => false,
            Allowed::Growth => sample.begins_as_before() == Some(false),
            Allowed::Nothing => true,
        }
    }
}

impl NightNotes {
    /// An alarm as the host remembers it.
    fn recorded(&self, generation: u64, source: &[u8], excess: &Excess) -> RecordedAlarm {
        let mut files = self.files.get(&excess.tripwire.evidence()).cloned().unwrap_or_default();
        let is_cut = files.len() > FILES;
        files.truncate(FILES);
        files.sort_unstable();
        files.dedup();
        let (tripwire, source) = (excess.tripwire.name().to_owned(), source.to_vec());
        RecordedAlarm { generation, tripwire, source, measured: excess.measured, limit: excess.limit, files, is_cut }
    }
}

impl NightCounts {
    fn measures(&self) -> Measures {
        let of = |n: &AtomicU64| n.load(Relaxed);
        // As many as others came for: files are put back in the place of those that an attack left.
        let put_back = of(&self.taken_away).min(of(&self.new));
        Measures {
            files: of(&self.files),
            bytes: of(&self.bytes),
            changed: of(&self.changed),
            new: of(&self.new),
            gone: of(&self.gone) - put_back,
            forbidden: of(&self.forbidden),
            noisy: of(&self.noisy),
            noisy_bytes: of(&self.noisy_bytes),
            misfit: of(&self.misfit),
            strange: of(&self.strange),
            canaries: of(&self.canaries),
            new_bytes: of(&self.new_bytes),
            finished: of(&self.finished),
        }
    }
}

/// The alarms of the generation that raised one last and that nobody has called harmless: a night that adds nothing to an alarm
/// does not end it.
fn open_alarms(earlier: &[EarlierAlarm]) -> Vec<RaisedAlarm> {
    let mut open = earlier.iter().rev().filter(|e| !e.is_harmless).peekable();
    let Some(origin) = open.peek().map(|newest| (newest.set, newest.alarm.generation)) else { return Vec::new() };
    let carried = |e: &EarlierAlarm| {
        let RecordedAlarm { tripwire, source, measured, limit, .. } = e.alarm.clone();
        let alarm = Alarm { tripwire, source, measured, limit, paths: Vec::new() };
        RaisedAlarm { alarm, recorded: e.alarm.clone(), repeats: Some(origin), is_carried: true }
    };
    open.filter(|e| (e.set, e.alarm.generation) == origin).map(carried).collect()
}

/// Adds tonight's counts to those of all nights. Of too many kinds, those with the most files stay.
fn learn(kinds: &mut Vec<KindCounts>, tonight: BTreeMap<Vec<u8>, KindCounts>) {
    let mut all: BTreeMap<Vec<u8>, KindCounts> = kinds.drain(..).map(|k| (k.kind.clone(), k)).collect();
    for (kind, seen) in tonight {
        let k = all.entry(kind.clone()).or_insert(KindCounts { kind, ..KindCounts::default() });
        k.files += seen.files;
        k.noisy += seen.noisy;
        k.misfit += seen.misfit;
    }
    let mut all: Vec<KindCounts> = all.into_values().collect();
    if all.len() > KINDS {
        all.sort_by(|a, b| b.files.cmp(&a.files).then(a.kind.cmp(&b.kind)));
        all.truncate(KINDS);
        all.sort_by(|a, b| a.kind.cmp(&b.kind));
    }
    *kinds = all;
}
