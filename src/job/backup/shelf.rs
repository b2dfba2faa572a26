//! The way of finished packs to the medium: appended in the order of their numbers, made durable, read back, and only then
//! recorded in the catalog.

use super::{BackupError, Stop};
use crate::catalog::{Catalog, Location, SetRow};
use crate::format::object::{Kind, Object};
use crate::format::pack::Index;
use crate::format::seal::ReadBack;
use crate::medium::Medium;
use crate::pipeline::compressor::Effort;
use crate::pipeline::known::Known;
use crate::pipeline::packer::FinishedPack;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Mutex;

/// Bytes that are made durable and read back together.
const GROUP_BYTES: u64 = 64 << 20;
/// The same on a medium with one head, which has to go back for reading and cannot write meanwhile.
const GROUP_BYTES_ON_TAPE: u64 = 64 << 30;

/// Where finished packs are handed in. Numbers are given in the order in which packs enter the queue.
pub struct Counter {
    next: Mutex<(u64, Option<Sender<Numbered>>)>,
}

struct Numbered {
    number: u64,
    pack: FinishedPack,
}

/// A pack that was appended and waits to be read back.
struct Appended {
    object: Object,
    index: Index,
    frames: Vec<u32>,
}

/// What lies on the medium after the packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelved {
    pub objects: Vec<Object>,
    pub read_back: ReadBack,
}

impl Counter {
    /// A counter that gives `first` to the first pack, and the queue's other end. At most two packs wait.
    pub fn new(first: u64) -> (Self, Queue) {
        let (give, take) = bounded(2);
        (Self { next: Mutex::new((first, Some(give))) }, Queue(take))
    }

    /// Takes a pack and answers with its number; `None` when the medium takes no more. How many wait tells how hard to compress.
    pub fn put(&self, pack: FinishedPack, effort: &Effort) -> Option<u64> {
        let mut next = self.next.lock().unwrap_or_else(|e| e.into_inner());
        let number = next.0;
        let queue = next.1.as_ref()?;
        if queue.is_full() {
            effort.more();
        } else if queue.is_empty() {
            effort.less();
        }
        // Sent under the lock: the order in the queue is the order of numbers.
        queue.send(Numbered { number, pack }).ok()?;
        next.0 += 1;
        Some(number)
    }

    /// No more packs come. Returns the next free number.
    pub fn close(&self) -> u64 {
        let mut next = self.next.lock().unwrap_or_else(|e| e.into_inner());
        next.1 = None;
        next.0
    }
}

/// The packs that were handed in.
pub struct Queue(Receiver<Numbered>);

/// Appends packs until the queue is closed; a second thread reads back what was appended.
pub fn shelve(
    queue: Queue,
    medium: &dyn Medium,
    catalog: &mut Catalog,
    set: SetRow,
    known: &Known,
    stop: &Stop,
) -> Result<Shelved, BackupError> {
    std::thread::scope(|scope| {
        let (give, take) = bounded::<Vec<Appended>>(1);
        let (tell_checked, checked) = bounded::<()>(1);
        let appender = scope.spawn(move || append_all(&queue, medium, &give, &checked, stop));
        let checked = check_all(take, medium, &tell_checked, catalog, set, known, stop);
        drop(tell_checked);
        if checked.is_err() {
            stop.fail();
        }
        let appended = appender.join().unwrap_or(Err(BackupError::Stopped));
        // The check failing makes the appender stop, so its error is the cause.
        let shelved = checked?;
        appended.map(|()| shelved)
    })
}

fn append_all(
    queue: &Queue,
    medium: &dyn Medium,
    give: &Sender<Vec<Appended>>,
    checked: &Receiver<()>,
    stop: &Stop,
) -> Result<(), BackupError> {
    let (one_head, mut group, mut bytes) = (medium.is_sequential(), Vec::new(), 0);
    let group_bytes = if one_head { GROUP_BYTES_ON_TAPE } else { GROUP_BYTES };
    let hand_on = |group: Vec<Appended>| {
        give.send(group).map_err(|_| BackupError::Stopped)?;
        if one_head { checked.recv().map_err(|_| BackupError::Stopped) } else { Ok(()) }
    };
    loop {
        let next = match queue.0.try_recv() {
            Ok(n) => Some(n),
            Err(_) => {
                // Nothing waits: a good time to make durable what there is.
                if bytes >= GROUP_BYTES / 4 && !one_head {
                    bytes = 0;
                    hand_on(std::mem::take(&mut group))?;
                }
                queue.0.recv().ok()
            }
        };
        let Some(Numbered { number, pack }) = next else { break };
        stop.check()?;
        let digest = *blake3::hash(&pack.bytes).as_bytes();
        let object = Object { number, kind: Kind::Pack, length: pack.bytes.len() as u64, digest: Some(digest) };
        if let Err(e) = medium.append(number, Kind::Pack, &pack.bytes) {
            stop.fail();
            return Err(BackupError::Medium(e));
        }
        group.push(Appended { object, index: pack.index, frames: pack.frames });
        bytes += object.length;
        if bytes >= group_bytes {
            bytes = 0;
            hand_on(std::mem::take(&mut group))?;
        }
    }
    if group.is_empty() { Ok(()) } else { hand_on(group) }
}

fn check_all(
    take: Receiver<Vec<Appended>>,
    medium: &dyn Medium,
    checked: &Sender<()>,
    catalog: &mut Catalog,
    set: SetRow,
    known: &Known,
    stop: &Stop,
) -> Result<Shelved, BackupError> {
    let mut shelved = Shelved { objects: Vec::new(), read_back: ReadBack::Direct };
    for group in take {
        stop.check()?;
        medium.sync().map_err(BackupError::Medium)?;
        for pack in group {
            let how = read_back(medium, &pack.object)?;
            shelved.read_back = shelved.read_back.min(how);
            let mut chunks = Vec::new();
            for (frame, at) in pack.index.frames.iter().zip(&pack.frames) {
                let mut offset = 0;
                for (id, length) in &frame.chunks {
                    chunks.push((*id, Location { object: pack.object.number, frame: *at, offset, length: *length }));
                    offset += length;
                }
            }
            catalog.add_object(set, &pack.object, &mut chunks).map_err(BackupError::Catalog)?;
            known.committed(chunks.iter().map(|(id, _)| id));
            shelved.objects.push(pack.object);
        }
        // Nobody listens where the medium is written while it is read.
        let _ = checked.try_send(());
    }
    Ok(shelved)
}

/// Reads an object again from the medium and compares it with what was written.
pub fn read_back(medium: &dyn Medium, object: &Object) -> Result<ReadBack, BackupError> {
    let reread = medium.read_back(object.number, object.kind).map_err(BackupError::Medium)?;
    let same = reread.length == object.length && Some(reread.digest) == object.digest;
    if same { Ok(reread.how) } else { Err(BackupError::ReadBack { object: object.number }) }
}
