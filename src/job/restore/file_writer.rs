//! Worker threads that write the content of packs into files. Each thread works on one pack at a time and decodes each
//! of its frames once.

use super::RestoreError;
use super::findings::FindingLog;
use super::pack_fetcher::{FetchedPack, FrameSource, PackFetcher};
use super::pending_file::{OpenFiles, PendingFile, has_content};
use super::target_disk::{TargetDisk, WriteFailure};
use super::task::{ExtentTask, SendTasks};
use crate::event::{Event, FindingKind, chain_text};
use crate::format::entry::{Core, DataRange};
use crate::medium::MediumError;
use crate::pipeline::hasher::Digests;
use crate::pipeline::target::{Target, TargetError};
use crossbeam_channel::bounded;
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Where files have to be flushed one by one: so many are flushed at once, by so many threads. A flush is waiting for the
/// disk, not work: more threads than processors are faster.
const FLUSHED_FILES: usize = 64;
const FLUSHING_THREADS: usize = 8;

/// A file that is finished, and not flushed yet.
type Finished = (Arc<File>, Arc<PendingFile>);

/// The state that all workers share.
pub(super) struct FileWriter<'a, 'g> {
    packs: PackFetcher<'a, 'g>,
    target: &'a Target,
    disk: &'a TargetDisk,
    findings: &'a FindingLog<'a>,
    interrupted: &'a AtomicBool,
    open_files: OpenFiles,
    /// Why nothing more can be read or written: the medium is not attached, or the target is gone or full.
    ended: Mutex<Option<RestoreError>>,
    unflushed: Mutex<Vec<Finished>>,
    /// Locked during a flush, so that the number of open files stays limited.
    flushing: Mutex<()>,
}

/// The tasks of one pack, or of files without data.
struct PackJob {
    object: Option<u64>,
    /// The pack, if the planning thread has read it.
    fetched: Option<FetchedPack>,
    tasks: Vec<ExtentTask>,
}

impl<'a, 'g> FileWriter<'a, 'g> {
    pub(super) fn new(packs: PackFetcher<'a, 'g>, target: &'a Target, disk: &'a TargetDisk, interrupted: &'a AtomicBool) -> Self {
        let findings = packs.findings;
        Self {
            packs,
            target,
            disk,
            findings,
            interrupted,
            open_files: OpenFiles::default(),
            ended: Mutex::default(),
            unflushed: Mutex::default(),
            flushing: Mutex::default(),
        }
    }

    fn is_stopped(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed) || self.ended.lock().is_some()
    }

    /// Fails if the user wants to stop: what is not finished then is not judged.
    fn check(&self) -> io::Result<()> {
        match self.interrupted.load(Ordering::Relaxed) {
            true => Err(io::Error::other("the run was interrupted")),
            false => Ok(()),
        }
    }

    /// Notes what is wrong with the target, so that no thread goes on. False if nothing is.
    fn is_ended_by(&self, fault: Option<TargetError>) -> bool {
        let is_ended = fault.is_some();
        if let Some(fault) = fault {
            self.ended.lock().get_or_insert(fault.into());
        }
        is_ended
    }

    /// The file is complete.
    fn count(&self, core: &Core) {
        self.findings.observer.on_event(Event::Progress { entries: 0, bytes: core.size });
    }

    fn flush_later(&self, file: Arc<File>, pending: &Arc<PendingFile>) {
        let is_full = {
            let mut unflushed = self.unflushed.lock();
            unflushed.push((file, pending.clone()));
            unflushed.len() >= FLUSHED_FILES
        };
        if is_full {
            self.flush();
        }
    }

    /// Flushes the files that are finished.
    fn flush(&self) {
        let _one_at_a_time = self.flushing.lock();
        let finished = std::mem::take(&mut *self.unflushed.lock());
        let next = AtomicUsize::new(0);
        let flush_next = || {
            while let Some((file, pending)) = finished.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.is_stopped() {
                    return;
                }
                match self.target.flush_file(file, &pending.core) {
                    Some(lacking) if self.is_ended_by(self.disk.fault_in(std::slice::from_ref(&lacking))) => return,
                    lacking => self.findings.add_shortfalls(lacking.into_iter().collect()),
                }
                self.count(&pending.core);
            }
        };
        std::thread::scope(|scope| (0..FLUSHING_THREADS.min(finished.len())).for_each(|_| drop(scope.spawn(flush_next))));
    }

    /// Runs `plan`, which sends tasks, and beside it `threads` workers that do them.
    pub(super) fn run(
        &self,
        threads: usize,
        plan: impl FnOnce(SendTasks) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        std::thread::scope(|scope| {
            let (sender, receiver) = bounded::<PackJob>(threads);
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    let receiver = receiver.clone();
                    scope.spawn(move || {
                        let mut pack = None;
                        for job in receiver {
                            if !self.is_stopped()
                                && let Err(e) = self.work(job, &mut pack)
                            {
                                self.ended.lock().get_or_insert(e.into());
                            }
                        }
                    })
                })
                .collect();
            drop(receiver);
            let planned = plan(&|object, tasks| {
                // On a medium with one head this thread reads the packs in order. Workers would move the head to and
                // fro.
                let read_here = object.filter(|_| self.packs.generation.medium().is_sequential());
                let fetched = read_here.map(|o| self.packs.fetch(o)).transpose()?;
                if self.ended.lock().is_some() {
                    return Err(RestoreError::Stopped);
                }
                sender.send(PackJob { object, fetched, tasks }).map_err(|_| RestoreError::Stopped)
            });
            drop(sender);
            let joined: Vec<_> = workers.into_iter().map(|w| w.join()).collect();
            self.flush();
            // A person who is asked for a medium may interrupt the run instead.
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(RestoreError::Interrupted);
            }
            if let Some(e) = self.ended.lock().take() {
                return Err(e);
            }
            planned?;
            if joined.iter().any(Result::is_err) { Err(RestoreError::Stopped) } else { Ok(()) }
        })
    }

    /// Does a job's tasks. `last` is the pack that this worker has open. Fails only if the medium is not attached.
    fn work(&self, job: PackJob, last: &mut Option<(u64, FrameSource)>) -> Result<(), MediumError> {
        let tasks = job.tasks;
        let Some(object) = job.object else {
            for t in tasks {
                if self.is_stopped() {
                    break;
                }
                let created = t.file.open(self.target, &|| self.check());
                self.finish_task(&t.file, created.map(drop));
            }
            return Ok(());
        };
        if last.as_ref().is_none_or(|(o, _)| *o != object) {
            // The old pack's memory is released before the new pack is read.
            *last = None;
            let fetched = job.fetched.map_or_else(|| self.packs.fetch(object), Ok)?;
            *last = Some((object, self.packs.open(object, fetched)));
        }
        let Some((_, source)) = last else { return Ok(()) };
        let mut content = Vec::new();
        // Failures on a damaged pack are reported only when the medium is known to be attached.
        let mut failed = Vec::new();
        for task in tasks {
            if self.is_stopped() {
                return Ok(());
            }
            match self.write(&task, source, &mut content) {
                Err(why) if !matches!(source, FrameSource::Whole(_)) => failed.push((task, why)),
                done => self.finish_task(&task.file, done),
            }
        }
        if !failed.is_empty() {
            self.packs.generation.medium().check_attached()?;
        }
        for (task, why) in failed {
            self.finish_task(&task.file, Err(why));
        }
        Ok(())
    }

    /// Writes one extent to its file. `content` is a buffer that is used again.
    fn write(&self, task: &ExtentTask, source: &mut FrameSource, content: &mut Vec<u8>) -> Result<(), WriteFailure> {
        let pending = &task.file;
        if pending.is_failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        if task.is_whole() {
            content.clear();
            source.read(task.extent, |_, piece| {
                content.extend_from_slice(piece);
                Ok(())
            })?;
            let recorded = pending.core.whole();
            if recorded != Some(&Digests::of(content, recorded.is_some_and(|d| d.sha256.is_some()))) {
                return Err(String::from("the content is not what the record says").into());
            }
            let file = pending.open(self.target, &|| self.check())?;
            if !pending.is_restored.load(Ordering::Relaxed) {
                file.write_all_at(content, 0)?;
            }
            pending.is_checked.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let file = pending.open(self.target, &|| self.check())?;
        if pending.is_restored.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut errno = 0;
        let done = source.read(task.extent, |at, piece| {
            self.check().map_err(|e| e.to_string())?;
            write_data(&file, &pending.core.holes, task.data_offset + at, piece).map_err(|e| {
                let failure = WriteFailure::from(e);
                errno = failure.errno;
                failure.why
            })
        });
        done.map_err(|why| WriteFailure { why, errno })
    }

    /// Notes that a task is done. After a file's last task the file is checked and finished.
    fn finish_task(&self, pending: &Arc<PendingFile>, done: Result<(), WriteFailure>) {
        let core = &pending.core;
        // A run that goes on reads the file again.
        if self.check().is_err() {
            return;
        }
        // Of the file nothing is wrong: a restore that goes on completes it.
        if done.as_ref().is_err_and(|failure| self.is_ended_by(self.disk.fault(failure.errno))) {
            return;
        }
        if let Err(failure) = done
            && !pending.is_failed.swap(true, Ordering::Relaxed)
        {
            self.findings.add(FindingKind::NotRestored, &core.path, failure.why);
        }
        let file = match self.open_files.task_done(pending, self.target) {
            None => return,
            Some(Ok(file)) => file,
            // What lies there now may be somebody else's, so it is not removed.
            Some(Err(failure)) if self.is_ended_by(self.disk.fault(failure.errno)) => return,
            Some(Err(failure)) => return self.findings.add(FindingKind::NotRestored, &core.path, failure.why),
        };
        let is_failed = pending.is_failed.load(Ordering::Relaxed);
        let is_whole = match is_failed {
            true => Ok(false),
            false if pending.is_checked.load(Ordering::Relaxed) => Ok(true),
            false => has_content(&file, core, &|| self.check()),
        };
        if self.check().is_err() {
            return;
        }
        let is_whole = match is_whole.map_err(WriteFailure::from) {
            Err(failure) if self.is_ended_by(self.disk.fault(failure.errno)) => return,
            is_whole => is_whole.unwrap_or(false),
        };
        if is_whole {
            let shortfalls = self.target.finish_file(&file, core);
            if self.is_ended_by(self.disk.fault_in(&shortfalls)) {
                return;
            }
            self.findings.add_shortfalls(shortfalls);
            match self.target.flushes_each() {
                true => self.flush_later(file, pending),
                false => self.count(core),
            }
            return;
        }
        if !is_failed {
            self.findings.add(FindingKind::NotRestored, &core.path, "the content is not what the record says".into());
        }
        if let Err(e) = self.target.discard_file(core) {
            // Nobody must take the incomplete file for the whole one.
            self.findings.add(FindingKind::NotRestored, &core.path, format!("an incomplete file is left: {}", chain_text(&e)));
        }
    }
}

/// Writes bytes that begin at `data_offset` in the file's data, around its holes.
fn write_data(file: &File, holes: &[DataRange], data_offset: u64, mut bytes: &[u8]) -> std::io::Result<()> {
    let mut offset = data_offset;
    let mut next = holes.iter();
    let mut hole = next.next();
    // Bytes of the holes before `offset`.
    let mut shift = 0;
    while !bytes.is_empty() {
        while let Some(h) = hole
            && offset + shift >= h.offset
        {
            shift += h.length;
            hole = next.next();
        }
        let room = hole.map_or(u64::MAX, |h| h.offset - (offset + shift));
        let n = room.min(bytes.len() as u64) as usize;
        file.write_all_at(&bytes[..n], offset + shift)?;
        offset += n as u64;
        bytes = &bytes[n..];
    }
    Ok(())
}
