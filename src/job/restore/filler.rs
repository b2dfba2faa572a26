//! Fills files with the content of packs, one pack a thread.
//!
//! A pack is read whole, compared with its seal, decrypted, and its frames are decoded once each. Where a pack is not what its seal
//! says, its frames are tried one by one, so that damage costs only the files that lie in it: out of what was read, since another medium
//! may have come in the meantime.

use super::RestoreError;
use super::filling::{Filling, Waiting, has_content};
use super::tally::Tally;
use crate::event::{Event, FindingKind, chain_text};
use crate::format::entry::{DataRange, Entry};
use crate::format::limit;
use crate::format::object::ObjectKind;
use crate::format::pack::Extent;
use crate::generation::{DecryptedPack, Generation};
use crate::medium::{ErrorCategory, MediumError, OpenObject};
use crate::pipeline::encryptor;
use crate::pipeline::packer::{PackReader, UnpackError};
use crate::pipeline::target::Target;
use crate::seal::chain::{Chain, read_opened};
use crossbeam_channel::bounded;
use parking_lot::{Mutex, MutexGuard};
use std::fs::File;
use std::io::{Cursor, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Content up to this is checked before it is written; longer content after.
const AT_ONCE_BYTES: u64 = 4 << 20;

/// One extent of one file.
pub struct Task {
    filling: Arc<Filling>,
    pub extent: Extent,
    /// Where the extent's bytes begin in the file's data, holes not counted.
    data_offset: u64,
}

impl Task {
    /// A file's tasks; or, if it has no data, one task without any.
    pub fn of(entry: Entry) -> (Vec<Self>, Option<Self>) {
        let extents = entry.extents.clone();
        if extents.is_empty() {
            let extent = Extent { object: 0, frame: 0, offset: 0, length: 0 };
            return (Vec::new(), Some(Self { filling: Filling::new(entry), extent, data_offset: 0 }));
        }
        (Self::some(&Filling::new(entry), &extents, |_| true), None)
    }

    /// Those of a file's tasks whose extents are `wanted`.
    pub fn some(filling: &Arc<Filling>, extents: &[Extent], wanted: impl Fn(&Extent) -> bool) -> Vec<Self> {
        let mut data_offset = 0;
        let mut tasks = Vec::new();
        for extent in extents {
            if wanted(extent) {
                tasks.push(Self { filling: filling.clone(), extent: *extent, data_offset });
            }
            data_offset += extent.length;
        }
        tasks
    }

    /// The task has the whole file, and it is small.
    fn is_whole(&self) -> bool {
        let core = &self.filling.core;
        core.holes.is_empty() && self.extent.length == core.size && core.size <= AT_ONCE_BYTES
    }
}

pub struct Filler<'a, 'g> {
    generation: &'a Generation<'g>,
    chain: &'a Chain,
    target: &'a Target,
    tally: &'a Tally<'a>,
    interrupted: &'a AtomicBool,
    waiting: Waiting,
    /// The medium is not there, and nothing more can be read.
    absence: Mutex<Option<MediumError>>,
}

/// A pack in memory, or one that is damaged and read here and there.
enum Source {
    Whole(PackReader<Cursor<Vec<u8>>>),
    Damaged(DecryptedPack),
    Lost(String),
}

/// A pack as it came from the medium.
enum Fetched {
    Whole(Vec<u8>),
    /// Something in it cannot be read.
    Partly(Box<dyn OpenObject>, String),
    Lost(String),
}

/// What a thread does: tasks of one pack, or of files without data.
struct Job {
    object: Option<u64>,
    /// The pack, where it was read already.
    fetched: Option<Fetched>,
    tasks: Vec<Task>,
}

impl<'a, 'g> Filler<'a, 'g> {
    pub fn new(
        generation: &'a Generation<'g>,
        chain: &'a Chain,
        target: &'a Target,
        tally: &'a Tally<'a>,
        interrupted: &'a AtomicBool,
    ) -> Self {
        let (waiting, absence) = (Waiting::default(), Mutex::default());
        Self { generation, chain, target, tally, interrupted, waiting, absence }
    }

    fn absence(&self) -> MutexGuard<'_, Option<MediumError>> {
        self.absence.lock()
    }

    fn is_stopped(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed) || self.absence().is_some()
    }

    /// Runs `plan`, which gives out jobs, beside `threads` threads that do them.
    pub fn run(
        &self,
        threads: usize,
        plan: impl FnOnce(&dyn Fn(Option<u64>, Vec<Task>) -> Result<(), RestoreError>) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        std::thread::scope(|scope| {
            let (give, take) = bounded::<Job>(threads);
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    let take = take.clone();
                    scope.spawn(move || {
                        let mut pack = None;
                        for job in take {
                            if !self.is_stopped()
                                && let Err(e) = self.work(job, &mut pack)
                            {
                                self.absence().get_or_insert(e);
                            }
                        }
                    })
                })
                .collect();
            drop(take);
            let planned = plan(&|object, tasks| {
                // Read here, one behind the other, where threads would send the one head to and fro.
                let read = object.filter(|_| self.generation.medium().is_sequential());
                let fetched = read.map(|o| self.fetch(o)).transpose().map_err(RestoreError::Medium)?;
                if self.absence().is_some() {
                    return Err(RestoreError::Stopped);
                }
                give.send(Job { object, fetched, tasks }).map_err(|_| RestoreError::Stopped)
            });
            drop(give);
            let joined: Vec<_> = workers.into_iter().map(|w| w.join()).collect();
            // A person who is asked for a medium may interrupt the run instead.
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(RestoreError::Interrupted);
            }
            if let Some(e) = self.absence().take() {
                return Err(RestoreError::Medium(e));
            }
            planned?;
            if joined.iter().any(Result::is_err) { Err(RestoreError::Stopped) } else { Ok(()) }
        })
    }

    /// Fails when the medium is not there.
    fn work(&self, job: Job, last: &mut Option<(u64, Source)>) -> Result<(), MediumError> {
        let tasks = job.tasks;
        let Some(object) = job.object else {
            for t in tasks {
                let made = t.filling.open(self.target);
                self.close(&t.filling, made.map(drop));
            }
            return Ok(());
        };
        if last.as_ref().is_none_or(|(o, _)| *o != object) {
            // The old pack's memory goes before the new one's comes.
            *last = None;
            let fetched = job.fetched.map_or_else(|| self.fetch(object), Ok)?;
            *last = Some((object, self.load(object, fetched)));
        }
        let Some((_, source)) = last else { return Ok(()) };
        let mut content = Vec::new();
        // Damage is told of only when the medium is seen to be there after all.
        let mut doubtful = Vec::new();
        for task in tasks {
            match self.fill(&task, source, &mut content) {
                Err(why) if !matches!(source, Source::Whole(_)) => doubtful.push((task, why)),
                done => self.close(&task.filling, done),
            }
        }
        if !doubtful.is_empty() {
            self.generation.medium().check_attached()?;
        }
        for (task, why) in doubtful {
            self.close(&task.filling, Err(why));
        }
        Ok(())
    }

    /// Fails when the medium is not there. Damage is no failure.
    fn fetch(&self, object: u64) -> Result<Fetched, MediumError> {
        let medium = self.generation.medium();
        let mut open = match medium.open(object, ObjectKind::Pack) {
            Ok(open) => open,
            Err(e) if e.category() == ErrorCategory::Medium => return Err(e),
            Err(e) => return Ok(Fetched::Lost(chain_text(&e))),
        };
        match read_opened(&mut *open, object, ObjectKind::Pack, limit::PACK_BYTES) {
            Ok(bytes) => Ok(Fetched::Whole(bytes)),
            Err(why) => medium.check_attached().map(|()| Fetched::Partly(open, why)),
        }
    }

    fn load(&self, object: u64, fetched: Fetched) -> Source {
        let (why, open) = match fetched {
            Fetched::Whole(bytes) => match self.unpack(object, &bytes) {
                Ok(reader) => return Source::Whole(reader),
                Err(why) => (why, Some(Box::new(Cursor::new(bytes)) as Box<dyn OpenObject>)),
            },
            Fetched::Partly(open, why) => (why, Some(open)),
            Fetched::Lost(why) => (why, None),
        };
        let name = crate::format::object::file_name(object, ObjectKind::Pack);
        self.tally.observer.on_event(Event::Finding { kind: FindingKind::Damage, path: name.into_bytes(), detail: why.clone() });
        match open.map(|open| self.generation.unpack(object, open)) {
            Some(Ok(pack)) => Source::Damaged(pack),
            Some(Err(e)) => Source::Lost(format!("{why}; {}", chain_text(&e))),
            None => Source::Lost(why),
        }
    }

    /// A pack that is what its seal says.
    fn unpack(&self, object: u64, bytes: &[u8]) -> Result<PackReader<Cursor<Vec<u8>>>, String> {
        let digest = self.chain.object(object).and_then(|(o, _)| o.digest);
        if Some(*blake3::hash(bytes).as_bytes()) != digest {
            return Err("its digest is not the one in the seal".to_owned());
        }
        let payload = encryptor::decrypt(self.generation.identity(), bytes, limit::PACK_BYTES).map_err(|e| chain_text(&e))?;
        PackReader::open(Cursor::new(payload)).map_err(|e| chain_text(&e))
    }

    fn fill(&self, task: &Task, source: &mut Source, content: &mut Vec<u8>) -> Result<(), String> {
        let filling = &task.filling;
        if filling.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        if task.is_whole() {
            content.clear();
            read(source, task.extent, |_, piece| {
                content.extend_from_slice(piece);
                Ok(())
            })?;
            if Some(*blake3::hash(content).as_bytes()) != filling.core.blake3 {
                return Err("the content is not what the record says".into());
            }
            let file = filling.open(self.target)?;
            if !filling.already.load(Ordering::Relaxed) {
                file.write_all_at(content, 0).map_err(|e| e.to_string())?;
            }
            filling.checked.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let file = filling.open(self.target)?;
        if filling.already.load(Ordering::Relaxed) {
            return Ok(());
        }
        read(source, task.extent, |at, piece| {
            write_data(&file, &filling.core.holes, task.data_offset + at, piece).map_err(|e| e.to_string())
        })
    }

    /// Notes that a task is done; the last one checks and finishes the file.
    fn close(&self, filling: &Arc<Filling>, done: Result<(), String>) {
        let core = &filling.core;
        if let Err(why) = done
            && !filling.failed.swap(true, Ordering::Relaxed)
        {
            self.tally.finding(FindingKind::NotRestored, &core.path, why);
        }
        let file = match self.waiting.done(filling, self.target) {
            None => return,
            Some(Ok(file)) => file,
            // Whatever stands there may be somebody else's, so it is not taken away.
            Some(Err(why)) => return self.tally.finding(FindingKind::NotRestored, &core.path, why),
        };
        let checked = filling.checked.load(Ordering::Relaxed);
        let good = !filling.failed.load(Ordering::Relaxed) && (checked || has_content(&file, core));
        if good {
            self.tally.lacks(self.target.finish_file(&file, core));
            self.tally.observer.on_event(Event::Progress { entries: 0, bytes: core.size });
            return;
        }
        if !filling.failed.load(Ordering::Relaxed) {
            self.tally.finding(FindingKind::NotRestored, &core.path, "the content is not what the record says".into());
        }
        if let Err(e) = self.target.discard_file(core) {
            // What is left is incomplete; it must not be taken for the file.
            self.tally.finding(FindingKind::NotRestored, &core.path, format!("an incomplete file is left: {}", chain_text(&e)));
        }
    }
}

/// Gives the extent's bytes, each piece with its offset in the extent, to `take`.
fn read(source: &mut Source, x: Extent, take: impl FnMut(u64, &[u8]) -> Result<(), String>) -> Result<(), String> {
    match source {
        Source::Whole(pack) => read_from(pack, x, take),
        Source::Damaged(pack) => read_from(pack, x, take),
        Source::Lost(why) => Err(why.clone()),
    }
}

fn read_from<R: Read + std::io::Seek>(
    pack: &mut PackReader<R>,
    mut x: Extent,
    mut take: impl FnMut(u64, &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let length = x.length;
    while x.length > 0 {
        let at = length - x.length;
        let piece = pack.read_frame(&mut x).map_err(|e: UnpackError| chain_text(&e))?;
        take(at, piece)?;
    }
    Ok(())
}

/// Writes bytes that stand at `data_offset` in the file's data, around its holes.
fn write_data(file: &File, holes: &[DataRange], data_offset: u64, mut bytes: &[u8]) -> std::io::Result<()> {
    let mut offset = data_offset;
    let mut next = holes.iter();
    let mut hole = next.next();
    // Holes before `offset`.
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
