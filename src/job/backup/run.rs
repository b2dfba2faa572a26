//! One run: what it opens, what it decides, and how it seals what the stations have stored.

use super::append::AppendedPacks;
use super::contents::HostContents;
use super::entry_stream::CollectedStream;
use super::freshness::{hours_since, in_hours, stale_hours};
use super::host_history::host_histories;
use super::lacking::{self, Lacking};
use super::listed_medium::ListedMedium;
use super::pick_list::pick_list;
use super::previous::PreviousEntries;
use super::sources::{OpenTrees, check_kinds, find_absent, find_elsewhere, identify};
use super::sources::{manifest_source, open_trees, ordered_sources};
use super::stations::Stations;
use super::tally::BackupTally;
use super::{AlarmOrigin, Options, Report, Result, SourceOptions};
use crate::env::{Env, POSSIBLE_TIMES, TOOL, time_text};
use crate::event::{Event, FindingKind, Observer, Phase};
use crate::format::cbor::Time;
use crate::format::check_code::CheckCode;
use crate::format::manifest::{Finding, Manifest};
use crate::format::object::{ObjectKind, object_path};
use crate::format::seal::Verdict;
use crate::format::watch::{self, Alarm};
use crate::host::ledger::Ledger;
use crate::host::ledger::sealed::{SECONDS_BACK, SealedAttachments};
use crate::host::nights::NightLog;
use crate::host::roots::SourceRoots;
use crate::host::state::StateDir;
use crate::job::incident::harmless;
use crate::job::incident::hold::{self, HoldError};
use crate::pipeline::compressor::{Compressor, DEFAULT_LEVEL};
use crate::pipeline::encryptor::{Encryptor, Recipients};
use crate::pipeline::source::SourceTree;
use crate::set::check::remember_damage;
use crate::set::writer::{self, Closed, NewSet, Opened, SealFacts, SetWriter, WriteError, WriteTarget};
use crate::tripwire::all_sets::HostHistory;
use crate::tripwire::{RaisedAlarm, WatchedSource, Watcher};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

/// A run whose set is open.
pub struct Run<'a> {
    options: &'a Options,
    env: &'a Env<'a>,
    observer: &'a dyn Observer,
    tally: &'a BackupTally<'a>,
    started: Time,
    /// Ascending by name.
    sources: Vec<&'a SourceOptions>,
    trees: Vec<SourceTree>,
    /// Names of trees that are there and cannot be opened.
    unreadable: Vec<Vec<u8>>,
    /// Where the sources' roots lead to.
    roots: SourceRoots,
    set: SetWriter,
    opened: Opened,
    /// Number of the first object that this run appends.
    first_new: u64,
    /// Reference nothing that is stored: store everything again.
    stores_everything: bool,
    /// Read everything, whatever its times say.
    is_full: bool,
    /// What lies in places that cannot be read may be taken over from the last generation.
    may_take_over: bool,
    lacking: Lacking,
    /// What a listing has shown of the medium before this run.
    shown: ListedMedium,
}

/// What the stations have stored.
pub struct StoredContent {
    stream: CollectedStream,
    appended: AppendedPacks,
    /// What the tripwires have measured.
    watcher: Watcher,
    contents: HostContents,
    adopted_packs: u64,
    finished: Time,
}

impl<'a> Run<'a> {
    /// Opens sources and set, and decides what is read and stored.
    pub fn open(options: &'a Options, env: &'a Env<'a>, observer: &'a dyn Observer, tally: &'a BackupTally<'a>) -> Result<Self> {
        let started = (env.now)();
        let sources = ordered_sources(options)?;
        check_kinds(&options.sources)?;
        let mut open = open_trees(&sources, tally, env.loader.interruption())?;
        let state = StateDir::open(&options.state)?;
        if options.set.is_none() && !options.quarantine {
            hold::check(&state, &options.to, env)?;
        }
        observer.on_event(Event::Phase(Phase::Checking));
        let target =
            WriteTarget { root: &options.to, only: options.set, block: options.tape_block, quarantine: options.quarantine };
        let new = options.init.as_ref().map(|i| NewSet { name: &i.name, recipients: &i.recipients });
        let (mut set, opened) = writer::open(target, &state, new.as_ref(), env, observer)?;
        set.log.checkpoint_objects = options.checkpoint_objects;
        let first_new = set.log.next;
        // Not before: on the first night, opening has made them.
        let own: Vec<_> = [options.to.join("AZEKURA"), options.state.clone()].iter().filter_map(|p| identify(p)).collect();
        let roots = find_elsewhere(&sources, &mut open, set.host.state.roots(), options.tag.is_some(), tally);
        let OpenTrees { mut trees, unreadable } = open;
        trees.iter_mut().for_each(|t| t.skip(&own));
        check_clock(&started, &set, &state, tally);

        for number in &set.log.lost_seals {
            // Tonight is sealed all the same; behind a gap, only a check code from paper proves a generation.
            tally.finding(FindingKind::Damage, object_path(*number, ObjectKind::Seal).as_bytes(), "the seal is gone".into());
        }

        let shown = look_at_medium(&mut set, options)?;
        let (catalog, row, log) = (&set.host.catalog, set.host.row, &mut set.log);
        log.oldest_referenced = catalog.oldest_referenced_object(row)?;
        let referenced_media = catalog.media_from(row, log.oldest_referenced)?;
        // A generation that references too many media cannot be restored when one of them is lost.
        let stores_everything = options.max_media.is_some_and(|most| referenced_media > most.max(1));
        if stores_everything {
            log.oldest_referenced = log.next;
        }
        // Entries of the last generation may point into packs that were found damaged since.
        let may_take_over = !stores_everything && !catalog.wants_reread(row)?;
        let is_full = options.full || !may_take_over;
        let lacking = Lacking::of(&set.host.state);
        Ok(Self {
            options,
            env,
            observer,
            tally,
            started,
            sources,
            trees,
            unreadable,
            roots,
            set,
            opened,
            first_new,
            stores_everything,
            is_full,
            may_take_over,
            lacking,
            shown,
        })
    }

    /// Reads the sources and stores what the set does not have.
    pub fn store(&mut self) -> Result<StoredContent> {
        let previous = PreviousEntries::of(&self.set, !self.is_full, self.may_take_over, self.env)?;
        let (last, is_judged) = (self.last_generation()?, !self.options.quarantine);
        let kept = &self.set.host.state;
        let night = NightLog::of(&self.options.state).last_of(&kept.id().to_string());
        let has_forgotten = night.is_some_and(|night| kept.has_forgotten(&night));
        let is_sources_lost = is_judged && last.is_some_and(|last| has_forgotten || !kept.knows_sources(last));
        if is_sources_lost || is_judged && last.is_some() && previous.is_lost {
            self.tally.finding(FindingKind::MemoryLost, b"", String::new());
        } else if last.is_some() && !previous.is_there() {
            self.tally.finding(FindingKind::ReadAnew, b"", String::new());
        }
        let contents = self.contents()?;
        let watcher = self.watcher(&contents)?;
        self.observer.on_event(Event::Phase(Phase::Reading));
        let adopted_packs = self.set.log.unsealed.iter().filter(|o| o.kind == ObjectKind::Pack).count() as u64;
        let Self { options, env, sources, trees, unreadable, tally, set, lacking, .. } = self;
        find_absent(sources, trees, &watcher);
        let stations =
            Stations { options, env, sources, trees, unreadable, tally, watcher: &watcher, lacking, contents: &contents };
        let (stream, appended) = stations.store(set, previous)?;
        Ok(StoredContent { stream, appended, watcher, contents, adopted_packs, finished: (self.env.now)() })
    }

    /// The last generation of which a run has sealed all that it read, and so left what it knew.
    fn last_generation(&self) -> Result<Option<u64>> {
        let host = &self.set.host;
        Ok(host.catalog.last_complete_generation(host.row)?.map(|g| g.number))
    }

    /// What the host remembers of content. What is backed up as evidence is not judged.
    fn contents(&self) -> Result<HostContents> {
        if self.options.quarantine {
            return Ok(HostContents::default());
        }
        let state = StateDir::open(&self.options.state)?;
        Ok(HostContents::of(&state, (self.env.now)().seconds, self.options.tag.is_some()))
    }

    /// What tonight is compared with: the host's copy of what the last manifest knows, and what its other sets know. Without
    /// either, tonight is a first night.
    fn watcher(&self, contents: &HostContents) -> Result<Watcher> {
        let host = &self.set.host;
        let kept = host.state.watch().and_then(|bytes| watch::decode(&bytes).ok());
        // A run that ended before its seal leaves a night that never was.
        let next = self.set.log.generation();
        let mut known = kept.unwrap_or_default();
        known.iter_mut().for_each(|k| k.nights.retain(|n| n.generation < next));
        let watched: &[&SourceOptions] = if self.options.quarantine { &[] } else { &self.sources };
        let watched: Vec<WatchedSource> =
            watched.iter().map(|s| WatchedSource { name: &s.name, rules: s.rules, canaries: &s.canaries }).collect();
        let seed = u64::from_le_bytes(*host.key.record_salt_key().first_chunk().unwrap_or(&[0; 8]));
        let state = StateDir::open(&self.options.state)?;
        let tonight: Vec<(&[u8], String)> = self.sources.iter().map(|s| (&s.name[..], s.origin())).collect();
        let earlier = harmless::earlier_alarms(&state, host.id(), next, &tonight).map_err(HoldError::from)?;
        let names: Vec<&[u8]> = watched.iter().map(|s| s.name).collect();
        let now = self.started.as_nanoseconds_64();
        let mut hosts = host_histories(&state, &host.catalog, (host.id(), &known), &names, &earlier, now)?;
        for source in watched.iter().filter(|s| !s.canaries.is_empty()) {
            let canaries = contents.canaries(source.canaries);
            match hosts.iter_mut().find(|host| host.source == source.name) {
                Some(host) => host.canaries = canaries,
                None => hosts.push(HostHistory { source: source.name.to_vec(), canaries, ..HostHistory::default() }),
            }
        }
        Ok(Watcher::new(&watched, &known, &hosts, &earlier, seed))
    }

    /// Writes the manifest and the seal, and puts a hold on if there is an alarm.
    pub fn seal(mut self, stored: StoredContent) -> Result<Report> {
        self.observer.on_event(Event::Phase(Phase::Sealing));
        let StoredContent { stream, appended, watcher, mut contents, adopted_packs, finished } = stored;
        let (mut closed, checkpoints) = (appended.closed, appended.checkpoints);
        watcher.miss_known_canaries();
        contents.learn_canaries(watcher.canary_contents());
        for canary in watcher.missing_canaries() {
            self.tally.finding(FindingKind::CanaryMissing, &canary, String::new());
        }
        let next = self.set.log.generation();
        let (watched, raised) = watcher.finish(next, self.options.tag.is_some());
        self.find_stale(&watched, contents, &stream.contents)?;
        self.seal_statements()?;
        let (alarms, origins) = self.remember(next, raised)?;
        let lacking = self.tally.lacking();
        self.lacking.add(&lacking, &self.set.host.state)?;
        self.set.host.state.put_watch(&watch::encode(&watched), next)?;
        self.set.host.state.put_roots(&self.roots)?;
        let manifest = self.manifest(&stream, finished, watched, alarms)?;
        let encrypted = encrypt_manifest(&self.set.host.recipients, &manifest)?;
        closed.extend(self.append_attachments()?);
        // The manifest does not name its own number and medium: it may go to the next one.
        closed.extend(self.set.append_here_or_next(ObjectKind::Manifest, &encrypted, self.env)?);
        let (statistics, findings) = (manifest.statistics.clone(), manifest.findings.clone());
        let (alarms, entries_digest) = (manifest.alarms.clone(), manifest.entries.blake3);
        drop(manifest);
        let (time, objects) = (self.env.time_text(), self.set.log.unsealed.clone());
        let verdict = match self.tally.counts.findings.load(Ordering::Relaxed) {
            _ if !alarms.is_empty() => Verdict::Alarm,
            0 => Verdict::Good,
            _ => Verdict::Incomplete,
        };
        let sealed = self.set.seal(SealFacts {
            time: time.clone(),
            verdict,
            record_count: stream.records,
            records: stream.root,
            started: self.started.as_nanoseconds_64(),
            entries_digest,
        })?;
        // Paths that stay on the list for nothing are only read once more.
        let _ = lacking::put(&lacking, &self.set.host.state);
        let (generation, check_code) = (sealed.generation, CheckCode::of(&sealed.digest));
        let detail = format!("generation {generation} {} check code {check_code}", verdict.name());
        let unrecorded = sealed.unrecorded.or_else(|| self.record(&time, &detail).err());
        let hold_failed = self.put_hold_on(generation, &alarms, &origins);

        let added = objects.iter().filter(|o| o.number >= self.first_new || self.opened != Opened::Known);
        let (added_bytes, added_objects) = added.fold((0, 0), |(bytes, n), o| (bytes + o.length, n + 1));
        let SetWriter { host, mounted, .. } = &self.set;
        let (foreign, litter) = beside(&self.set, self.shown.foreign);
        Ok(Report {
            set: host.id(),
            set_name: host.info.name.clone(),
            quarantine: host.info.quarantine,
            opened: self.opened,
            generation,
            time,
            check_code,
            verdict,
            read_back: mounted.read_back,
            statistics,
            findings,
            alarms,
            origins,
            hold_failed,
            unrecorded,
            added_bytes: added_bytes + sealed.length + closed.iter().chain(&checkpoints).map(|c| c.bytes).sum::<u64>(),
            added_objects: added_objects + 1 + closed.iter().chain(&checkpoints).map(|c| c.objects).sum::<u64>(),
            adopted_objects: adopted_packs,
            place: mounted.place,
            closed,
            streaming: appended.streaming,
            medium: mounted.medium.describe(),
            // A remark, for which nothing fails.
            litter,
            foreign,
            damage: self.shown.damage,
        })
    }

    /// Names the sources whose content is older than they expect, and keeps what the host remembers of content. `digests`:
    /// of the content that sources have tonight.
    fn find_stale(
        &self,
        watched: &[watch::SourceWatch],
        mut contents: HostContents,
        digests: &[(Vec<u8>, [u8; 32])],
    ) -> Result<()> {
        let (host, now) = (&self.set.host, (self.env.now)().seconds);
        for source in self.sources.iter().filter(|_| !self.options.quarantine) {
            let of_set = stale_hours(source, watched, self.set.log.generation(), now, (&host.catalog, host.row))?;
            let digest = digests.iter().find(|(name, _)| *name == source.name).map(|(_, digest)| *digest);
            let since = digest.map(|digest| contents.same_since(&source.name, digest));
            let of_host =
                since.and_then(|since| hours_since(since, now)).filter(|hours| source.fresh_hours.is_some_and(|n| *hours >= n));
            if let Some(hours) = of_set.max(of_host) {
                self.tally.stale(&source.name, in_hours(hours));
            }
        }
        if self.options.quarantine { Ok(()) } else { contents.put(&host.state) }
    }

    /// Appends when each medium was attached, if the set's medium is in the ledger. A ledger that cannot be read must not cost
    /// the night.
    fn append_attachments(&mut self) -> Result<Option<Closed>> {
        let set = self.set.host.id().to_string();
        let Ok(book) = Ledger::of(&self.options.state).read() else { return Ok(None) };
        if book.media().values().all(|m| m.set != set) {
            return Ok(None);
        }
        let now = (self.env.now)();
        let back = Time { seconds: now.seconds - SECONDS_BACK, ..now };
        let text = SealedAttachments::of(&book, self.env.host, &time_text(now), &time_text(back));
        let bytes = text.encode();
        debug_assert_eq!(SealedAttachments::decode(&bytes), Some(Ok(text)));
        Ok(self.set.append_here_or_next(ObjectKind::Extra, &bytes, self.env)?)
    }

    fn manifest(
        &self,
        stream: &CollectedStream,
        finished: Time,
        watch: Vec<watch::SourceWatch>,
        alarms: Vec<Alarm>,
    ) -> Result<Manifest> {
        let (host, log) = (&self.set.host, &self.set.log);
        let complete = host.catalog.last_complete_generation(host.row)?;
        let entries = stream.entries();
        let findings: Vec<Finding> = self.tally.findings();
        Ok(Manifest {
            set: host.id(),
            generation: log.generation(),
            parent: complete.as_ref().filter(|_| !self.is_full).map_or(0, |g| g.number),
            started: self.started,
            finished,
            host: self.env.host.to_owned(),
            sources: self.sources.iter().map(|s| manifest_source(s)).collect(),
            tag: self.options.tag.clone(),
            tool: TOOL.into(),
            set_key: host.key.0,
            recipients: host.info.recipients.clone(),
            full: self.is_full || complete.is_none(),
            statistics: self.tally.counts.named(),
            findings,
            media: pick_list(&self.set, &entries)?,
            entries,
            watch,
            alarms,
        })
    }

    /// Records in the catalog what later runs need to know of this one.
    fn record(&mut self, time: &str, detail: &str) -> Result<(), WriteError> {
        let (id, oldest_referenced) = (self.set.host.id(), self.set.log.oldest_referenced);
        let (catalog, row) = (&mut self.set.host.catalog, self.set.host.row);
        if self.stores_everything {
            catalog.set_oldest_referenced_object(row, oldest_referenced)?;
        }
        if self.is_full {
            catalog.clear_reread(row)?;
        }
        Ok(catalog.log(time, "backup", &format!("set {id} {detail}"))?)
    }

    /// Names in the manifest what two people have called harmless since the last generations of this set.
    fn seal_statements(&self) -> Result<()> {
        if self.options.quarantine {
            return Ok(());
        }
        let state = StateDir::open(&self.options.state)?;
        for statement in harmless::unsealed(&state, self.set.host.id()).map_err(HoldError::from)? {
            for source in &statement.sources {
                self.tally.finding(FindingKind::Harmless, source, statement.text.clone());
            }
        }
        Ok(())
    }

    /// Keeps what tomorrow's run has to know of new alarms. Returns all alarms, and for each the generation that raised it
    /// first.
    fn remember(&self, generation: u64, raised: Vec<RaisedAlarm>) -> Result<(Vec<Alarm>, Vec<AlarmOrigin>)> {
        let state = StateDir::open(&self.options.state)?;
        let origin = |(set, generation)| AlarmOrigin { set, set_name: harmless::name_of_set(&state, set), generation };
        let here = (self.set.host.id(), generation);
        let new = raised.iter().filter(|r| r.repeats.is_none()).map(|r| r.recorded.clone()).collect();
        harmless::remember(&self.set.host.state, generation, new)?;
        self.seal_open(&raised)?;
        Ok(raised.into_iter().map(|r| (r.alarm, origin(r.repeats.unwrap_or(here)))).unzip())
    }

    /// Names in the manifest the generation that raised an alarm which is open, and of which tonight shows nothing.
    fn seal_open(&self, raised: &[RaisedAlarm]) -> Result<()> {
        let state = StateDir::open(&self.options.state)?;
        let open = raised.iter().filter(|r| r.is_carried).filter_map(|r| Some((&r.alarm.source, r.repeats?)));
        for (source, (set, generation)) in open.collect::<BTreeSet<_>>() {
            let origin = harmless::name_of_generation(&state, set, generation);
            self.tally.finding(FindingKind::AlarmOpen, source, origin);
        }
        Ok(())
    }

    /// Puts a hold on if tripwires were raised, and something is new of it. Returns why that failed: the generation is
    /// sealed all the same.
    fn put_hold_on(&self, generation: u64, alarms: &[Alarm], origins: &[AlarmOrigin]) -> Option<HoldError> {
        let set = self.set.host.id();
        let is_new = |(_, origin): &(&Alarm, &AlarmOrigin)| (origin.set, origin.generation) == (set, generation);
        let mut raised: Vec<&str> = alarms.iter().zip(origins).filter(is_new).map(|(a, _)| &a.tripwire[..]).collect();
        if raised.is_empty() {
            return None;
        }
        raised.sort_unstable();
        raised.dedup();
        let why = format!("set {} generation {generation}: {}", self.set.host.info.name, raised.join(", "));
        hold::put_on_for_alarm(&self.options.state, set, generation, &why, self.env).err()
    }
}

/// Compares what is on the medium with what was sealed. What is damaged is stored again tonight, if a generation needs it.
fn look_at_medium(set: &mut SetWriter, options: &Options) -> Result<ListedMedium> {
    let id = set.host.id();
    let at_rest = NightLog::of(&options.state).at_rest(Some(std::process::id()));
    let shown = ListedMedium::of(set, at_rest.get(&id.to_string()).copied())?;
    let damaged = shown.damage.iter().map(|d| d.object).filter(|o| o.kind == ObjectKind::Pack);
    let packs: BTreeSet<u64> = damaged.map(|o| o.number).collect();
    let (catalog, row) = (&mut set.host.catalog, set.host.row);
    // What was stored again since it was found is no news.
    if !packs.is_empty() && catalog.has_chunks_in(row, &packs).map_err(WriteError::from)? {
        remember_damage(id, &shown.damage, catalog).map_err(WriteError::from)?;
    }
    Ok(shown)
}

/// What is on a medium and belongs to no generation, after its last seal: what somebody else has written there, and what desktop
/// systems have left. `before`: what somebody else had written there before the run. Where the medium cannot be listed any more, whoever reads it next finds that.
fn beside(set: &SetWriter, before: Vec<String>) -> (Vec<String>, Vec<String>) {
    let listing = set.mounted.medium.list().unwrap_or_default();
    let names = listing.foreign.iter().map(|name| name.to_string_lossy().into_owned());
    let behind = listing.objects.iter().filter(|o| o.number >= set.log.next);
    (names.chain(behind.map(|o| object_path(o.number, o.kind))).chain(before).collect(), listing.litter_names())
}

/// Generations are numbered by their order, never by the clock. But their age is judged by it, and a source's files, too:
/// somebody has to put it right.
fn check_clock(now: &Time, set: &SetWriter, state: &StateDir, tally: &BackupTally) {
    if !POSSIBLE_TIMES.contains(&now.seconds) {
        tally.finding(FindingKind::ClockWrong, b"", time_text(*now));
    }
    // The last one that was sealed, on whichever medium, not the latest time: once the clock is right again, a night that
    // it was ahead in says nothing any more, also where this set has slept since. Nor does a time that cannot be.
    let is_possible = |time: &String| {
        let seconds = chrono::DateTime::parse_from_rfc3339(time).map(|time| time.timestamp());
        seconds.is_ok_and(|seconds| POSSIBLE_TIMES.contains(&seconds))
    };
    let (id, sealed) = (set.host.id().to_string(), NightLog::of(state.root()).sealed());
    let is_passed = |generation: u64| {
        let at = sealed.iter().rposition(|n| (&n.set, n.generation) == (&id, generation));
        at.is_some_and(|at| at + 1 < sealed.len())
    };
    let of_set = set.log.last.as_ref().filter(|g| !is_passed(g.number)).map(|g| g.time.clone()).filter(is_possible);
    let of_host = sealed.iter().rev().map(|n| n.time.clone()).find(is_possible);
    if let Some(time) = of_set.into_iter().chain(of_host).filter(|time| *time > time_text(*now)).max() {
        tally.finding(FindingKind::ClockSetBack, b"", time);
    }
}

fn encrypt_manifest(recipients: &Recipients, manifest: &Manifest) -> Result<Vec<u8>> {
    let mut plain = manifest.encode();
    let mut stored = Vec::new();
    Compressor::new(DEFAULT_LEVEL).and_then(|mut c| c.compress_manifest(&plain, &mut stored))?;
    zeroize::Zeroize::zeroize(&mut plain);
    let mut encryption = Encryptor::begin(recipients, Vec::new())?;
    encryption.write(&stored);
    zeroize::Zeroize::zeroize(&mut stored);
    Ok(encryption.finish())
}
