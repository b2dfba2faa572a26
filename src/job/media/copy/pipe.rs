//! Copies objects: one thread reads and compares, the caller's thread appends, makes durable and reads back. So a tape
//! on one side does not wait for the other side. Memory: two objects.

use super::{CopyError, Result};
use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::digests::Hashes;
use crate::format::object::{Object, ObjectKind, file_name};
use crate::format::seal::ReadBack;
use crate::medium::{ErrorCategory, Medium, MediumError};
use crate::set::check::{Damage, DamageKind};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io::Read;

/// Bytes that are made durable and read back together.
const GROUP_BYTES: u64 = 256 << 20;
/// Bytes that are made durable together on a sequential medium, which would have to wind back for reading.
const GROUP_BYTES_ON_TAPE: u64 = 64 << 30;

/// What was copied.
pub struct Copied {
    /// Objects that were left out.
    pub damage: Vec<Damage>,
    /// The weakest way in which an object was read back.
    pub read_back: ReadBack,
}

/// An object as it was read, and the kind in its file name: a void object keeps the name of the kind that it was to be.
struct Fetched {
    object: Object,
    kind: ObjectKind,
    bytes: Vec<u8>,
}

/// Copies `objects` in their order. After a failure, what was appended is made durable where possible, so that the next
/// run continues it.
pub fn copy_objects(
    source: &dyn Medium,
    target: &dyn Medium,
    objects: &[(Object, u64)],
    env: &Env,
    observer: &dyn Observer,
) -> Result<Copied> {
    let bytes = objects.iter().map(|(o, _)| o.length).sum();
    observer.on_event(Event::Expected { entries: objects.len() as u64, bytes });
    observer.on_event(Event::Phase(Phase::Copying));
    let mut appender = Appender { target, group: Vec::new(), bytes: 0, last: None, read_back: ReadBack::Direct };
    let (read, appended) = std::thread::scope(|scope| {
        // Without a buffer: the reader waits with one object while another one is appended.
        let (sender, receiver) = bounded(0);
        let reader = scope.spawn(move || read_all(source, objects, &sender, env, observer));
        let appended = appender.append_all(&receiver, observer);
        // The reader must not wait for an appender that has failed.
        drop(receiver);
        (reader.join().unwrap_or(Err(CopyError::Stopped)), appended)
    });
    // The reader stops early only if the appender has failed: that is the cause.
    appended?;
    let damage = read?;
    if target.is_sequential() {
        appender.read_back_all(env, observer)?;
    }
    Ok(Copied { damage, read_back: appender.read_back })
}

/// Reads objects and sends them. Returns those that differ from what their seals list.
fn read_all(
    source: &dyn Medium,
    objects: &[(Object, u64)],
    sender: &Sender<Fetched>,
    env: &Env,
    observer: &dyn Observer,
) -> Result<Vec<Damage>> {
    let mut damage = Vec::new();
    for (object, generation) in objects {
        if env.is_interrupted() {
            return Err(CopyError::Interrupted);
        }
        match fetch(source, object)? {
            Ok((kind, bytes)) => {
                if sender.send(Fetched { object: *object, kind, bytes }).is_err() {
                    break;
                }
            }
            Err(what) => {
                let found = Damage { object: *object, generation: *generation, what };
                found.report(observer);
                observer.on_event(Event::Progress { entries: 1, bytes: object.length });
                damage.push(found);
            }
        }
    }
    Ok(damage)
}

/// Reads one object whole and compares it with its seal. The outer error ends the job, the inner one is damage.
fn fetch(
    source: &dyn Medium,
    o: &Object,
) -> std::result::Result<std::result::Result<(ObjectKind, Vec<u8>), DamageKind>, MediumError> {
    // A void object keeps the file name of the kind that it was to be, which its seal does not list.
    const KINDS_OF_VOID: [ObjectKind; 6] =
        [ObjectKind::Pack, ObjectKind::Manifest, ObjectKind::Seal, ObjectKind::Label, ObjectKind::Parity, ObjectKind::Extra];
    // A seal that anybody made may list any length.
    if let Some(why) = o.kind.misfit(o.length) {
        return Ok(Err(DamageKind::Unreadable(why)));
    }
    let kinds = if o.kind == ObjectKind::Void { &KINDS_OF_VOID[..] } else { &[o.kind] };
    let mut what = DamageKind::Missing;
    for kind in kinds {
        match source.open(o.number, *kind) {
            Err(MediumError::Missing { .. }) => {}
            Err(e) if e.category() == ErrorCategory::Damage => what = DamageKind::Unreadable(e.to_string()),
            Err(e) => return Err(e),
            Ok(open) if open.length() != o.length => what = DamageKind::Length(open.length()),
            Ok(open) => {
                match read_hashed(open.take(o.length), o.length) {
                    Ok((bytes, _)) if bytes.len() as u64 != o.length => what = DamageKind::Length(bytes.len() as u64),
                    Ok((bytes, digest)) if o.digest() == Some(digest) => return Ok(Ok((*kind, bytes))),
                    Ok(_) => what = DamageKind::Digest,
                    Err(e) => {
                        // A disk that was pulled fails like a bad sector. A second read tells the two apart.
                        source.read_back(o.number, *kind, Hashes::Blake3).map(drop).or_else(|e| match e.category() {
                            ErrorCategory::Damage => Ok(()),
                            ErrorCategory::Medium | ErrorCategory::Program => Err(e),
                        })?;
                        what = DamageKind::Unreadable(e.to_string());
                    }
                }
            }
        }
    }
    Ok(Err(what))
}

/// Reads to the end and hashes meanwhile: afterwards it would take a second in which nobody looks whether to stop.
fn read_hashed(mut from: impl Read, length: u64) -> std::io::Result<(Vec<u8>, [u8; 32])> {
    const PART_BYTES: u64 = 4 << 20;
    let (mut bytes, mut hasher) = (Vec::with_capacity(length as usize), blake3::Hasher::new());
    loop {
        let had = bytes.len();
        if from.by_ref().take(PART_BYTES).read_to_end(&mut bytes)? == 0 {
            return Ok((bytes, *hasher.finalize().as_bytes()));
        }
        hasher.update(&bytes[had..]);
    }
}

struct Appender<'t> {
    target: &'t dyn Medium,
    /// Appended and not yet read back, with the kinds in their file names.
    group: Vec<Object>,
    /// Bytes since the last sync.
    bytes: u64,
    last: Option<ObjectKind>,
    read_back: ReadBack,
}

impl Appender<'_> {
    fn append_all(&mut self, receiver: &Receiver<Fetched>, observer: &dyn Observer) -> Result<()> {
        let appended = receiver.iter().try_for_each(|fetched| self.append(&fetched, observer)).and_then(|()| self.settle());
        if appended.is_err() {
            // Keeps what is whole. The first error is the one to report.
            let _ = self.target.sync();
        }
        appended
    }

    fn append(&mut self, fetched: &Fetched, observer: &dyn Observer) -> Result<()> {
        let Fetched { object, kind, bytes } = fetched;
        let is_seal = *kind == ObjectKind::Seal;
        match self.target.is_sequential() {
            // After a run of seals, a tape gets its list of contents and a filemark.
            true if self.last == Some(ObjectKind::Seal) && !is_seal || self.bytes >= GROUP_BYTES_ON_TAPE => self.settle()?,
            // A disk may write objects in any order: a seal is appended only when all that it covers is durable.
            false if is_seal && self.last != Some(ObjectKind::Seal) || self.bytes >= GROUP_BYTES => self.settle()?,
            _ => {}
        }
        self.target.append(object.number, *kind, bytes)?;
        self.group.push(Object { kind: *kind, ..*object });
        self.bytes += object.length;
        self.last = Some(*kind);
        observer.on_event(Event::Progress { entries: 1, bytes: object.length });
        Ok(())
    }

    /// Makes durable what was appended, and reads it back, except on a tape, which would have to wind back.
    fn settle(&mut self) -> Result<()> {
        self.target.sync()?;
        self.bytes = 0;
        if !self.target.is_sequential() {
            for object in std::mem::take(&mut self.group) {
                self.read_back(&object)?;
            }
        }
        Ok(())
    }

    /// Reads back everything that was appended, forwards.
    fn read_back_all(&mut self, env: &Env, observer: &dyn Observer) -> Result<()> {
        let bytes = self.group.iter().map(|o| o.length).sum();
        observer.on_event(Event::Expected { entries: self.group.len() as u64, bytes });
        observer.on_event(Event::Phase(Phase::ReadingBack));
        for object in std::mem::take(&mut self.group) {
            if env.is_interrupted() {
                return Err(CopyError::Interrupted);
            }
            self.read_back(&object)?;
            observer.on_event(Event::Progress { entries: 1, bytes: object.length });
        }
        Ok(())
    }

    fn read_back(&mut self, object: &Object) -> Result<()> {
        let differs = || CopyError::ReadBack { object: file_name(object.number, object.kind) };
        match self.target.read_back(object.number, object.kind, Hashes::Blake3) {
            Ok(r) if r.length == object.length && Some(r.digests.blake3) == object.digest() => {
                self.read_back = self.read_back.min(r.how);
                Ok(())
            }
            Ok(_) => Err(differs()),
            Err(e) if e.category() == ErrorCategory::Damage => Err(differs()),
            Err(e) => Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::NoObserver;
    use crate::format::cbor::Time;
    use crate::medium::loader::NoLoader;
    use crate::medium::simulated::{Call, FlippedBit, Recorder, Simulated, Unplugged};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    fn with_env<T>(f: impl FnOnce(&Env) -> T) -> T {
        f(&Env {
            now: &|| Time { seconds: 0, nanoseconds: 0 },
            random: &|_| {},
            host: "host",
            interrupted: &AtomicBool::new(false),
            loader: &NoLoader,
            threads: 1,
        })
    }

    /// Two packs and their seal, and what the seal would say of them.
    fn source() -> (Arc<Simulated>, Vec<(Object, u64)>) {
        let (medium, mut objects) = (Simulated::new(), Vec::new());
        for (number, kind) in [(0, ObjectKind::Pack), (1, ObjectKind::Pack), (2, ObjectKind::Seal)] {
            let bytes = vec![number as u8; 1000];
            medium.append(number, kind, &bytes).unwrap();
            objects.push((Object::of(number, kind, &bytes), 1));
        }
        (Arc::new(medium), objects)
    }

    #[test]
    fn a_seal_comes_only_when_all_it_covers_was_read_back() {
        let (source, objects) = source();
        let target = Recorder::new(Arc::new(Simulated::new()));
        with_env(|w| copy_objects(&*source, &target, &objects, w, &NoObserver)).unwrap();
        let append = |number, kind| Call::Append { number, kind, length: 1000 };
        let back = |number, kind| Call::ReadBack { number, kind };
        let packs = [
            append(0, ObjectKind::Pack),
            append(1, ObjectKind::Pack),
            Call::Sync,
            back(0, ObjectKind::Pack),
            back(1, ObjectKind::Pack),
        ];
        let seal = [append(2, ObjectKind::Seal), Call::Sync, back(2, ObjectKind::Seal)];
        assert_eq!(target.calls(), [&packs[..], &seal].concat());
    }

    #[test]
    fn a_source_that_is_pulled_is_not_taken_for_damage() {
        let (source, objects) = source();
        for calls in 0..12 {
            let target = Simulated::new();
            let pulled = Unplugged::after_calls(source.clone(), calls);
            match with_env(|w| copy_objects(&pulled, &target, &objects, w, &NoObserver)) {
                Ok(done) => assert_eq!((done.damage, target.list().unwrap().objects.len()), (vec![], 3)),
                Err(CopyError::Medium(MediumError::Gone { .. })) => assert!(target.list().unwrap().objects.len() < 3),
                Err(e) => panic!("{e:?}"),
            }
        }
    }

    #[test]
    fn a_target_that_gives_other_bytes_back_gets_no_seal() {
        let (source, objects) = source();
        let inner = Arc::new(Simulated::new());
        let target = FlippedBit::new(inner.clone(), 1, 77);
        let refused = with_env(|w| copy_objects(&*source, &target, &objects, w, &NoObserver));
        assert!(matches!(refused, Err(CopyError::ReadBack { .. })));
        assert_eq!(inner.list().unwrap().objects.len(), 2);
    }
}
