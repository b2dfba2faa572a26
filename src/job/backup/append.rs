//! The way of finished packs to the medium: numbered and appended in the order in which they come, made durable, read back, and only
//! then recorded in the catalog. Where the medium is full, the next one takes over.

use super::tally::Tally;
use super::{BackupError, Stop};
use crate::env::Env;
use crate::event::Feeding;
use crate::format::object::{Object, ObjectKind};
use crate::format::pack::Index;
use crate::format::seal::ReadBack;
use crate::host::catalog::Location;
use crate::medium::{Medium, MediumError};
use crate::pipeline::compressor::CompressionLevel;
use crate::pipeline::dedup_index::DedupIndex;
use crate::pipeline::packer::FinishedPack;
use crate::set::writer::{Closed, SetWriter};
use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bytes that are made durable and read back together.
const GROUP_BYTES: u64 = 64 << 20;
/// The same on a medium with one head, which has to go back for reading and cannot write meanwhile.
const GROUP_BYTES_ON_TAPE: u64 = 64 << 30;

/// Where finished packs are handed in.
pub struct PackSender {
    give: Mutex<Option<Sender<FinishedPack>>>,
    closed: Arc<AtomicBool>,
    drain: Arc<AtomicBool>,
}

impl PackSender {
    /// The counter, and the queue's other end. So many packs wait at most.
    pub fn new(most: usize) -> (Self, Queue) {
        let (give, take) = bounded(most);
        let (closed, drain) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let queue = Queue { take, closed: closed.clone(), drain: drain.clone() };
        (Self { give: Mutex::new(Some(give)), closed, drain }, queue)
    }

    /// Takes a pack; `false` when the medium takes no more. How many wait tells how hard to compress.
    pub fn put(&self, pack: FinishedPack, effort: &CompressionLevel) -> bool {
        let give = self.give.lock().clone();
        let Some(give) = give else { return false };
        if give.is_full() {
            effort.raise();
        } else if give.is_empty() {
            effort.lower();
        }
        give.send(pack).is_ok()
    }

    /// Somebody waits for the numbers of packs that wait here: they are appended at once, however few they are.
    pub fn drain(&self, on: bool) {
        self.drain.store(on, Ordering::Release);
    }

    /// No more packs come.
    pub fn close(&self) {
        *self.give.lock() = None;
        self.closed.store(true, Ordering::Release);
    }
}

/// The packs that were handed in.
pub struct Queue {
    take: Receiver<FinishedPack>,
    closed: Arc<AtomicBool>,
    drain: Arc<AtomicBool>,
}

/// How a drive was fed. One that has to wait stops, winds back and starts again, which wears tape and drive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streaming {
    /// Packs that the buffer in front of the drive holds.
    pub buffer_packs: u64,
    /// How often the buffer ran empty before the end; the drive then waits until it is nearly full again.
    pub under_runs: u64,
    /// Packs that the buffer held at least, once it had been filled, while more were to come.
    pub lowest_packs: u64,
    /// What was written, and how long the drive took for it, waits not counted.
    pub bytes: u64,
    pub nanoseconds: u64,
}

impl Streaming {
    /// What the drive took while it did not wait; 0 where it took no time that could be measured.
    pub fn bytes_per_second(&self) -> u64 {
        let nanoseconds = u128::from(self.nanoseconds);
        (u128::from(self.bytes) * 1_000_000_000).checked_div(nanoseconds).map_or(0, |rate| rate as u64)
    }
}

/// What came of shelving.
pub struct Shelved {
    pub closed: Vec<Closed>,
    /// Of a medium with one head.
    pub streaming: Option<Streaming>,
}

/// A pack that was appended and waits to be read back.
struct Appended {
    object: Object,
    index: Index,
    /// Offset of each frame in the payload.
    frames: Vec<u32>,
}

/// What the appender tells the checker.
enum Work {
    Group(Vec<Appended>),
    /// The medium is full; `next` is the first number that is not used on it.
    Full {
        next: u64,
    },
}

/// What the checker answers.
enum Answer {
    Checked,
    GoOn { medium: Arc<dyn Medium>, next: u64 },
}

/// What a drive's own buffer bridges at least: LTO drives have 512 MiB and more, at some 400 MB/s.
const DRIVE_BUFFER_NANOSECONDS: i64 = 250_000_000;

type Result<T> = std::result::Result<T, BackupError>;

/// Appends packs until the queue is closed; a second thread reads back what was appended.
pub fn shelve(queue: Queue, set: &mut SetWriter, known: &DedupIndex, tally: &Tally, stop: &Stop, env: &Env) -> Result<Shelved> {
    let (medium, next, fresh) = (set.medium.clone(), set.next, set.is_fresh()?);
    std::thread::scope(|scope| {
        let (give, take) = bounded(1);
        let (answer, answers) = bounded(1);
        let buffer_packs = queue.take.capacity().unwrap_or(0) as u64;
        let streaming = Streaming { buffer_packs, lowest_packs: buffer_packs, ..Streaming::default() };
        let one_head = medium.is_sequential();
        let appender = Appender { queue, next, fresh, group: Vec::new(), bytes: 0, give, answers, tally, stop, streaming, env };
        let appender = scope.spawn(move || appender.append_all(medium));
        let checked = check_all(&take, &answer, set, known, stop, env);
        if checked.is_err() {
            stop.fail();
        }
        drop((take, answer));
        let appended = appender.join().unwrap_or(Err(BackupError::Stopped));
        // The check failing makes the appender stop, so its error is the cause.
        let closed = checked?;
        let (next, streaming) = appended?;
        set.next = next;
        Ok(Shelved { closed, streaming: one_head.then_some(streaming) })
    })
}

struct Appender<'a> {
    queue: Queue,
    next: u64,
    /// Nothing has been appended to this medium yet.
    fresh: bool,
    group: Vec<Appended>,
    bytes: u64,
    give: Sender<Work>,
    answers: Receiver<Answer>,
    tally: &'a Tally<'a>,
    stop: &'a Stop<'a>,
    streaming: Streaming,
    env: &'a Env<'a>,
}

impl Appender<'_> {
    /// Answers with the next free number.
    fn append_all(mut self, mut medium: Arc<dyn Medium>) -> Result<(u64, Streaming)> {
        loop {
            if medium.is_sequential() {
                self.fill()?;
            }
            let next = match self.queue.take.try_recv() {
                Ok(pack) => Some(pack),
                Err(_) => {
                    // Nothing waits: a good time to make durable what there is.
                    if self.bytes >= GROUP_BYTES / 4 && !medium.is_sequential() {
                        self.hand_on(&*medium)?;
                    }
                    self.queue.take.recv().ok()
                }
            };
            let Some(pack) = next else { break };
            self.stop.check()?;
            let digest = *blake3::hash(&pack.bytes).as_bytes();
            while !self.append(&*medium, &pack, digest)? {
                medium = self.go_on(medium)?;
            }
            if medium.is_sequential() {
                self.tell(&*medium);
            }
            let group_bytes = if medium.is_sequential() { GROUP_BYTES_ON_TAPE } else { GROUP_BYTES };
            if self.bytes >= group_bytes {
                self.hand_on(&*medium)?;
            }
        }
        self.hand_on(&*medium)?;
        Ok((self.next, self.streaming))
    }

    /// Waits until the buffer is nearly full, if it is empty: the drive then goes on for a while instead of starting for every pack.
    fn fill(&mut self) -> Result<()> {
        let (queue, high) = (&self.queue, self.queue.take.capacity().unwrap_or(0) * 3 / 4);
        let is_closed = || queue.closed.load(Ordering::Acquire);
        let is_wanted = || queue.drain.load(Ordering::Acquire) && !queue.take.is_empty();
        if !queue.take.is_empty() || is_closed() {
            return Ok(());
        }
        let begun = (self.env.now)().as_nanoseconds_64();
        while queue.take.len() < high && !is_closed() && !is_wanted() {
            self.stop.check()?;
            std::thread::sleep(Duration::from_millis(2));
        }
        let waited = (self.env.now)().as_nanoseconds_64().saturating_sub(begun);
        self.streaming.under_runs += u64::from(self.streaming.bytes > 0 && waited > DRIVE_BUFFER_NANOSECONDS);
        Ok(())
    }

    fn tell(&mut self, medium: &dyn Medium) {
        let (waiting, s) = (self.queue.take.len() as u64, &mut self.streaming);
        // The run's last packs wait for nothing more.
        if !self.queue.closed.load(Ordering::Acquire) && !self.queue.drain.load(Ordering::Acquire) {
            s.lowest_packs = s.lowest_packs.min(waiting);
        }
        self.tally.feeding(Feeding {
            buffer: waiting * 100 / s.buffer_packs.max(1),
            under_runs: s.under_runs,
            bytes_per_second: s.bytes_per_second(),
            nearly_full: medium.is_nearly_full(),
        });
    }

    /// Appends a pack; `false` when the medium is full.
    fn append(&mut self, medium: &dyn Medium, pack: &FinishedPack, digest: [u8; 32]) -> Result<bool> {
        let begun = (self.env.now)().as_nanoseconds_64();
        match medium.append(self.next, ObjectKind::Pack, &pack.bytes) {
            Ok(()) => {
                self.streaming.bytes += pack.bytes.len() as u64;
                let took = (self.env.now)().as_nanoseconds_64().saturating_sub(begun);
                self.streaming.nanoseconds += u64::try_from(took).unwrap_or(0);
            }
            Err(MediumError::Full { torn, .. }) if !self.fresh => {
                // What was begun keeps its number.
                self.next += u64::from(torn);
                return Ok(false);
            }
            Err(e) => {
                self.stop.fail();
                return Err(BackupError::Medium(e));
            }
        }
        pack.set_number(self.next);
        let length = pack.bytes.len() as u64;
        let object = Object { number: self.next, kind: ObjectKind::Pack, length, digest: Some(digest) };
        let frames = pack.frames.iter().map(|f| f.0).collect();
        self.group.push(Appended { object, index: pack.index.clone(), frames });
        self.bytes += length;
        self.next += 1;
        self.fresh = false;
        Ok(true)
    }

    /// Has what was appended made durable and read back. A medium with one head is waited for.
    fn hand_on(&mut self, medium: &dyn Medium) -> Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        self.give.send(Work::Group(std::mem::take(&mut self.group))).map_err(|_| BackupError::Stopped)?;
        match medium.is_sequential() {
            true => self.answers.recv().map(drop).map_err(|_| BackupError::Stopped),
            false => Ok(()),
        }
    }

    /// Lets go of the full medium, and waits for the next.
    fn go_on(&mut self, medium: Arc<dyn Medium>) -> Result<Arc<dyn Medium>> {
        self.hand_on(&*medium)?;
        drop(medium);
        self.give.send(Work::Full { next: self.next }).map_err(|_| BackupError::Stopped)?;
        loop {
            match self.answers.recv() {
                Ok(Answer::Checked) => {}
                Ok(Answer::GoOn { medium, next }) => {
                    (self.next, self.fresh) = (next, true);
                    return Ok(medium);
                }
                Err(_) => return Err(BackupError::Stopped),
            }
        }
    }
}

fn check_all(
    take: &Receiver<Work>,
    answer: &Sender<Answer>,
    set: &mut SetWriter,
    known: &DedupIndex,
    stop: &Stop,
    env: &Env,
) -> Result<Vec<Closed>> {
    let mut closed = Vec::new();
    for work in take {
        stop.check()?;
        match work {
            Work::Group(group) => {
                check(group, set, known)?;
                // Nobody listens where the medium is written while it is read.
                let _ = answer.try_send(Answer::Checked);
            }
            Work::Full { next } => {
                set.skip_to(next)?;
                closed.extend(set.succeed(env)?);
                // An answer that nobody has listened to may be in the way.
                let go_on = Answer::GoOn { medium: set.medium.clone(), next: set.next };
                answer.send(go_on).map_err(|_| BackupError::Stopped)?;
            }
        }
    }
    Ok(closed)
}

fn check(group: Vec<Appended>, set: &mut SetWriter, known: &DedupIndex) -> Result<()> {
    set.medium.sync().map_err(BackupError::Medium)?;
    for pack in group {
        set.read_back = set.read_back.min(read_back(&*set.medium, &pack.object)?);
        let mut chunks = Vec::new();
        for (frame, at) in pack.index.frames.iter().zip(&pack.frames) {
            let mut offset = 0;
            for (id, length) in &frame.chunks {
                chunks.push((*id, Location { object: pack.object.number, frame: *at, offset, length: *length }));
                offset += length;
            }
        }
        set.catalog.add_object(set.row, &pack.object, &mut chunks).map_err(BackupError::Catalog)?;
        known.committed(chunks.iter().map(|(id, _)| id));
        set.next = pack.object.number + 1;
        set.unsealed.push(pack.object);
    }
    Ok(())
}

/// Reads an object again from the medium and compares it with what was written.
pub fn read_back(medium: &dyn Medium, object: &Object) -> Result<ReadBack> {
    let reread = medium.read_back(object.number, object.kind).map_err(BackupError::Medium)?;
    let same = reread.length == object.length && Some(reread.digest) == object.digest;
    if same { Ok(reread.how) } else { Err(BackupError::ReadBack { object: object.number }) }
}
