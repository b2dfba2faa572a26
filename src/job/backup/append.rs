//! Appends finished packs to the medium: numbered in the order in which they come, made durable, read back, and only
//! then recorded in the catalog. When the medium is full, the next one takes over.

use super::pack_queue::PackReceiver;
use super::stop::{Stop, join};
use super::tally::BackupTally;
use super::wakeup::Wakeup;
use super::{BackupError, Result};
use crate::env::Env;
use crate::event::Feeding;
use crate::format::object::{Object, ObjectKind};
use crate::format::pack::Index;
use crate::host::catalog::Location;
use crate::medium::{Medium, MediumError};
use crate::pipeline::dedup_index::DedupIndex;
use crate::pipeline::place::FinishedPack;
use crate::set::writer::{Closed, SetWriter, WriteError, free_behind, is_checkpoint_due};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;

/// Bytes that are made durable and read back together.
const GROUP_BYTES: u64 = 64 << 20;
/// The same on a medium with one head, which has to go back for reading and cannot write meanwhile.
const GROUP_BYTES_ON_TAPE: u64 = 64 << 30;
/// What a drive's own buffer bridges at least: LTO drives have 512 MiB and more, at some 400 MB/s.
const DRIVE_BUFFER_NANOSECONDS: i64 = 250_000_000;

/// How a drive was fed. One that has to wait stops, winds back and starts again, which wears tape and drive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streaming {
    /// Packs that the buffer in front of the drive has room for.
    pub buffer_packs: u64,
    /// How often the buffer ran empty before the end; the drive then waits until it is nearly full again.
    pub under_runs: u64,
    /// The fewest packs in the buffer after it had been filled and while more were to come.
    pub lowest_packs: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// How long the drive took for them, without waits.
    pub nanoseconds: u64,
}

impl Streaming {
    /// How fast the drive wrote, without waits; 0 if it took no measurable time.
    pub fn bytes_per_second(&self) -> u64 {
        let nanoseconds = u128::from(self.nanoseconds);
        (u128::from(self.bytes) * 1_000_000_000).checked_div(nanoseconds).map_or(0, |rate| rate as u64)
    }
}

/// What was appended.
pub struct AppendedPacks {
    /// Media that were full and closed, in their order.
    pub closed: Vec<Closed>,
    /// Checkpoints within the media, in their order.
    pub checkpoints: Vec<Closed>,
    /// On a medium with one head.
    pub streaming: Option<Streaming>,
}

/// A pack that was appended and is to be read back.
struct AppendedPack {
    object: Object,
    index: Index,
    /// Offset of each frame in the payload.
    frames: Vec<u32>,
}

/// What the appender sends to the checker.
enum ForChecker {
    /// Packs to be made durable and read back.
    Group(Vec<AppendedPack>),
    /// The medium is full; `next` is the first number that is not used on it.
    MediumFull { next: u64 },
    /// A checkpoint is due; `next` is the first number that is not used.
    Checkpoint { next: u64 },
}

/// What the checker replies.
enum FromChecker {
    /// On a medium with one head: the group was read back.
    GroupChecked,
    /// The medium to go on with, and the number of the next object.
    GoOn { medium: Arc<dyn Medium>, next: u64, is_fresh: bool },
}

/// What appending needs beside the set.
pub struct AppendContext<'a> {
    pub known: &'a DedupIndex,
    pub tally: &'a BackupTally<'a>,
    pub stop: &'a Stop<'a>,
    pub env: &'a Env<'a>,
}

/// Appends packs until the queue is closed; a second thread reads back what was appended. `numbered` wakes the
/// collector after each pack.
pub fn append_packs(
    packs: PackReceiver,
    numbered: Wakeup,
    set: &mut SetWriter,
    context: &AppendContext,
) -> Result<AppendedPacks> {
    let medium = set.mounted.medium.clone();
    let has_one_head = medium.is_sequential();
    let buffer_packs = packs.capacity() as u64;
    let (to_checker, from_appender) = bounded(1);
    let (to_appender, from_checker) = bounded(1);
    let appender = Appender {
        packs,
        numbered,
        next: set.log.next,
        is_fresh: set.mounted.is_without_packs()?,
        group: Vec::new(),
        group_bytes: 0,
        unsealed: set.log.unsealed_size(),
        checkpoint_objects: set.log.checkpoint_objects,
        to_checker,
        from_checker,
        streaming: Streaming { buffer_packs, lowest_packs: buffer_packs, ..Streaming::default() },
        context,
    };
    std::thread::scope(|scope| {
        let appender = scope.spawn(move || context.stop.guard(|| appender.append_all(medium)));
        let checked = context.stop.guard(|| check_all(from_appender, to_appender, set, context));
        match (checked, join(appender)) {
            (Ok(sealed), Ok(streaming)) => Ok(AppendedPacks { streaming: has_one_head.then_some(streaming), ..sealed }),
            (checked, appended) => {
                let failures = [checked.map(drop), appended.map(drop)].into_iter().filter_map(Result::err);
                Err(BackupError::cause_of(failures).unwrap_or(BackupError::Stopped))
            }
        }
    })
}

struct Appender<'a> {
    packs: PackReceiver,
    numbered: Wakeup,
    /// Number of the next object.
    next: u64,
    /// No pack lies on this medium yet.
    is_fresh: bool,
    /// Packs that the checker has not received yet.
    group: Vec<AppendedPack>,
    group_bytes: u64,
    /// Objects and bytes behind the last seal.
    unsealed: (u64, u64),
    checkpoint_objects: u64,
    to_checker: Sender<ForChecker>,
    from_checker: Receiver<FromChecker>,
    streaming: Streaming,
    context: &'a AppendContext<'a>,
}

impl Appender<'_> {
    fn append_all(mut self, mut medium: Arc<dyn Medium>) -> Result<Streaming> {
        while let Some(pack) = self.next_pack(&*medium)? {
            self.context.stop.check()?;
            while !self.append(&*medium, &pack)? {
                medium = self.next_medium(medium)?;
            }
            self.numbered.wake();
            let has_one_head = medium.is_sequential();
            if has_one_head {
                self.report_feeding(&*medium);
            }
            if is_checkpoint_due(self.unsealed, self.checkpoint_objects) {
                self.send_group(&*medium)?;
                medium = self.go_on_after(medium, ForChecker::Checkpoint { next: self.next })?;
            } else if self.group_bytes >= if has_one_head { GROUP_BYTES_ON_TAPE } else { GROUP_BYTES } {
                self.send_group(&*medium)?;
            }
        }
        self.send_group(&*medium)?;
        Ok(self.streaming)
    }

    /// Waits for the next pack; `None` after the last one. A drive then runs for a while instead of starting for every
    /// pack: it waits until its buffer is nearly full.
    fn next_pack(&mut self, medium: &dyn Medium) -> Result<Option<FinishedPack>> {
        if medium.is_sequential() {
            let begun = self.now();
            if self.packs.wait_until_filled() {
                let waited = self.now().saturating_sub(begun);
                self.streaming.under_runs += u64::from(self.streaming.bytes > 0 && waited > DRIVE_BUFFER_NANOSECONDS);
            }
        } else if let Some(pack) = self.packs.try_receive() {
            return Ok(Some(pack));
        } else if self.group_bytes >= GROUP_BYTES / 4 {
            // No pack waits: a good time to make durable what there is.
            self.send_group(medium)?;
        }
        Ok(self.packs.receive())
    }

    /// Nanoseconds since 1970.
    fn now(&self) -> i64 {
        (self.context.env.now)().as_nanoseconds_64()
    }

    fn report_feeding(&mut self, medium: &dyn Medium) {
        let ((waiting, is_to_be_full), streaming) = (self.packs.level(), &mut self.streaming);
        let waiting = waiting as u64;
        // The run's last packs wait for no others.
        if is_to_be_full {
            streaming.lowest_packs = streaming.lowest_packs.min(waiting);
        }
        self.context.tally.feeding(Feeding {
            buffer: waiting * 100 / streaming.buffer_packs.max(1),
            under_runs: streaming.under_runs,
            bytes_per_second: streaming.bytes_per_second(),
            nearly_full: medium.is_nearly_full(),
        });
    }

    /// Appends a pack; `false` if the medium is full.
    fn append(&mut self, medium: &dyn Medium, pack: &FinishedPack) -> Result<bool> {
        let begun = self.now();
        match medium.append(self.next, ObjectKind::Pack, &pack.bytes) {
            Ok(()) => {
                self.streaming.bytes += pack.bytes.len() as u64;
                self.streaming.nanoseconds += u64::try_from(self.now().saturating_sub(begun)).unwrap_or(0);
            }
            Err(MediumError::Full { torn, .. }) if !self.is_fresh => {
                // What was begun keeps its number.
                self.next += u64::from(torn);
                return Ok(false);
            }
            // Somebody has put something there: the checker will list the numbers as void.
            Err(e) if free_behind(&e, self.next).is_some() => {
                self.next = free_behind(&e, self.next).unwrap_or(self.next);
                return self.append(medium, pack);
            }
            Err(e) => return Err(e.into()),
        }
        pack.set_number(self.next);
        let length = pack.bytes.len() as u64;
        let object = Object { number: self.next, kind: ObjectKind::Pack, length, digests: Some(pack.digests) };
        let frames = pack.frames.iter().map(|f| f.0).collect();
        self.group.push(AppendedPack { object, index: pack.index.clone(), frames });
        self.group_bytes += length;
        self.unsealed = (self.unsealed.0 + 1, self.unsealed.1 + length);
        self.next += 1;
        self.is_fresh = false;
        Ok(true)
    }

    /// Has the group made durable and read back. On a medium with one head, waits until that is done.
    fn send_group(&mut self, medium: &dyn Medium) -> Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        self.group_bytes = 0;
        self.to_checker.send(ForChecker::Group(std::mem::take(&mut self.group))).map_err(|_| self.stopped())?;
        if medium.is_sequential() {
            self.from_checker.recv().map_err(|_| self.stopped())?;
        }
        Ok(())
    }

    /// Drops the full medium, and waits for the next.
    fn next_medium(&mut self, full: Arc<dyn Medium>) -> Result<Arc<dyn Medium>> {
        self.send_group(&*full)?;
        self.go_on_after(full, ForChecker::MediumFull { next: self.next })
    }

    /// Has everything sealed, and waits for the medium to go on with.
    fn go_on_after(&mut self, old: Arc<dyn Medium>, message: ForChecker) -> Result<Arc<dyn Medium>> {
        // A medium that is taken out must not be held.
        drop(old);
        self.to_checker.send(message).map_err(|_| self.stopped())?;
        match self.from_checker.recv() {
            Ok(FromChecker::GoOn { medium, next, is_fresh }) => {
                (self.next, self.is_fresh, self.unsealed) = (next, is_fresh, (0, 0));
                Ok(medium)
            }
            Ok(FromChecker::GroupChecked) => unreachable!("whoever sends a group waits for this"),
            Err(_) => Err(self.stopped()),
        }
    }

    /// The checker has failed.
    fn stopped(&self) -> BackupError {
        self.context.stop.reason()
    }
}

fn check_all(
    from_appender: Receiver<ForChecker>,
    to_appender: Sender<FromChecker>,
    set: &mut SetWriter,
    context: &AppendContext,
) -> Result<AppendedPacks> {
    let mut sealed = AppendedPacks { closed: Vec::new(), checkpoints: Vec::new(), streaming: None };
    for message in from_appender {
        context.stop.check()?;
        let reply = match message {
            ForChecker::Group(group) => {
                check_group(group, set, context.known)?;
                set.mounted.medium.is_sequential().then_some(FromChecker::GroupChecked)
            }
            ForChecker::MediumFull { next } => {
                set.void_up_to(next)?;
                sealed.closed.extend(set.continue_on_next_medium(context.env)?);
                Some(go_on(set, true))
            }
            ForChecker::Checkpoint { next } => {
                set.void_up_to(next)?;
                match set.checkpoint(context.env) {
                    Err(WriteError::Medium(MediumError::Full { .. })) => {
                        sealed.closed.extend(set.continue_on_next_medium(context.env)?);
                        Some(go_on(set, true))
                    }
                    checkpoint => {
                        sealed.checkpoints.extend(checkpoint?);
                        Some(go_on(set, false))
                    }
                }
            }
        };
        if let Some(reply) = reply {
            to_appender.send(reply).map_err(|_| context.stop.reason())?;
        }
    }
    Ok(sealed)
}

fn go_on(set: &SetWriter, is_fresh: bool) -> FromChecker {
    FromChecker::GoOn { medium: set.mounted.medium.clone(), next: set.log.next, is_fresh }
}

fn check_group(group: Vec<AppendedPack>, set: &mut SetWriter, known: &DedupIndex) -> Result<()> {
    set.mounted.medium.sync()?;
    for pack in group {
        let object = pack.object.number;
        // Numbers that were found in use.
        set.void_up_to(object)?;
        let mut chunks = Vec::new();
        for (frame, at) in pack.index.frames.iter().zip(&pack.frames) {
            let mut offset = 0;
            for (id, length) in &frame.chunks {
                chunks.push((*id, Location { object, frame: *at, offset, length: *length }));
                offset += length;
            }
        }
        set.add_pack(pack.object, &mut chunks)?;
        known.committed(chunks.iter().map(|(id, _)| id));
    }
    Ok(())
}
