//! A medium in memory, and disasters for any medium. For tests: no command reaches them.
//!
//! A disaster is a small type that wraps a [`Medium`] and is one. It can be wound round another, and the medium inside stays in
//! the test's hands, to be looked at after the disaster as the next run would find it.

use super::directory::check_name;
use super::{Description, FileSystem, Immutable, Listed, Listing, Medium, MediumError, OpenObject, Reread};
use crate::format::object::ObjectKind;
use crate::format::seal::ReadBack;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Result<T> = std::result::Result<T, MediumError>;
type Bytes = Arc<[u8]>;

const PLACE: &str = "simulated medium";

fn gone(what: &'static str) -> MediumError {
    MediumError::Gone { place: PLACE.into(), what, source: None }
}

fn reread(bytes: &[u8], how: ReadBack) -> Reread {
    Reread { length: bytes.len() as u64, digest: *blake3::hash(bytes).as_bytes(), how }
}

fn read_whole(medium: &dyn Medium, number: u64, kind: ObjectKind) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match medium.open(number, kind)?.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(source) => Err(MediumError::Unreadable { place: PLACE.into(), number, kind, source }),
    }
}

/// Objects in memory. Every append is durable at once: losing what was not synced is [`PowerCut`]'s business.
#[derive(Debug, Default)]
pub struct Simulated {
    objects: Mutex<BTreeMap<u64, (ObjectKind, Bytes)>>,
    capacity_bytes: Option<u64>,
    read_only: bool,
}

impl Simulated {
    pub fn new() -> Self {
        Self::default()
    }

    /// A medium that takes so many bytes in all and refuses an object that does not fit whole.
    pub fn with_capacity(capacity_bytes: u64) -> Self {
        Self { capacity_bytes: Some(capacity_bytes), ..Self::default() }
    }

    /// The same objects, on a medium that takes no more.
    #[must_use]
    pub fn into_read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    fn get(&self, number: u64, kind: ObjectKind) -> Result<Bytes> {
        check_name(number, kind)?;
        match self.objects.lock().get(&number) {
            Some((k, bytes)) if *k == kind => Ok(Arc::clone(bytes)),
            _ => Err(MediumError::Missing { place: PLACE.into(), number, kind }),
        }
    }
}

impl Medium for Simulated {
    fn list(&self) -> Result<Listing> {
        let listed = |(number, (kind, bytes)): (&u64, &(ObjectKind, Bytes))| Listed {
            number: *number,
            kind: *kind,
            length: bytes.len() as u64,
        };
        Ok(Listing { objects: self.objects.lock().iter().map(listed).collect(), ..Listing::default() })
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        check_name(number, kind)?;
        if self.read_only {
            return Err(MediumError::ReadOnly { place: PLACE.into() });
        }
        let mut objects = self.objects.lock();
        if objects.contains_key(&number) {
            return Err(MediumError::Exists { place: PLACE.into(), number });
        }
        let used: u64 = objects.values().map(|(_, b)| b.len() as u64).sum();
        let free = self.capacity_bytes.map(|c| c.saturating_sub(used));
        let needed = bytes.len() as u64;
        if free.is_some_and(|f| f < needed) {
            return Err(MediumError::Full { place: PLACE.into(), needed, free, torn: false });
        }
        objects.insert(number, (kind, bytes.into()));
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn read_back(&self, number: u64, kind: ObjectKind) -> Result<Reread> {
        Ok(reread(&self.get(number, kind)?, ReadBack::Cached))
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        Ok(Box::new(Cursor::new(self.get(number, kind)?)))
    }

    fn free_bytes(&self) -> Option<u64> {
        let used: u64 = self.objects.lock().values().map(|(_, b)| b.len() as u64).sum();
        self.capacity_bytes.map(|c| c.saturating_sub(used))
    }

    fn describe(&self) -> Description {
        Description { file_system: FileSystem::Memory, place: PLACE.into(), immutable: Immutable::Off }
    }
}

impl OpenObject for Cursor<Bytes> {
    fn length(&self) -> u64 {
        self.get_ref().len() as u64
    }
}

/// What a power cut leaves of one object that was appended and not synced: `None`, nothing; `Some(n)`, its first `n` bytes (all
/// of them, if it has no more).
///
/// Given the object's place among those not synced, how many these are, and its length in bytes. File systems write back in any
/// order, so a later object may outlive an earlier one.
pub type Survival = Box<dyn Fn(usize, usize, usize) -> Option<usize> + Send + Sync>;

/// The power goes at one call; from it on everything fails. The medium inside then holds what was synced, and of the rest what
/// [`Survival`] says.
pub struct PowerCut {
    inner: Arc<dyn Medium>,
    calls_left: AtomicU64,
    survival: Survival,
    /// `None`: no power.
    unsynced: Mutex<Option<Vec<(u64, ObjectKind, Bytes)>>>,
}

impl PowerCut {
    /// Answers `calls` appends and syncs; the next one finds the power gone, and does nothing itself.
    pub fn at_call(inner: Arc<dyn Medium>, calls: u64, survival: Survival) -> Self {
        Self { inner, calls_left: AtomicU64::new(calls), survival, unsynced: Mutex::new(Some(Vec::new())) }
    }

    /// Only what was synced survives.
    pub fn nothing() -> Survival {
        Box::new(|_, _, _| None)
    }

    /// Of what was not synced everything survives but the last object, of which only the first `bytes` do.
    pub fn torn(bytes: usize) -> Survival {
        Box::new(move |place, count, length| Some(if place + 1 == count { bytes } else { length }))
    }

    /// Cuts the power now.
    pub fn cut(&self) -> Result<()> {
        self.cut_locked(&mut self.unsynced.lock())
    }

    fn cut_locked(&self, unsynced: &mut Option<Vec<(u64, ObjectKind, Bytes)>>) -> Result<()> {
        let lost = unsynced.take().unwrap_or_default();
        for (place, (number, kind, bytes)) in lost.iter().enumerate() {
            if let Some(n) = (self.survival)(place, lost.len(), bytes.len()) {
                self.inner.append(*number, *kind, &bytes[..n.min(bytes.len())])?;
            }
        }
        self.inner.sync()
    }

    /// Runs a call that changes the medium, or finds the power gone.
    fn change<T>(&self, f: impl FnOnce(&mut Vec<(u64, ObjectKind, Bytes)>) -> Result<T>) -> Result<T> {
        let mut unsynced = self.unsynced.lock();
        if self.calls_left.load(Ordering::Relaxed) == 0 && unsynced.is_some() {
            self.cut_locked(&mut unsynced)?;
        }
        let result = f(unsynced.as_mut().ok_or_else(|| gone("no power"))?);
        self.calls_left.fetch_sub(1, Ordering::Relaxed);
        result
    }

    fn pending(&self, number: u64, kind: ObjectKind) -> Result<Option<Bytes>> {
        let unsynced = self.unsynced.lock();
        let pending = unsynced.as_ref().ok_or_else(|| gone("no power"))?;
        Ok(pending.iter().find(|(n, k, _)| (*n, *k) == (number, kind)).map(|(_, _, b)| Arc::clone(b)))
    }
}

impl Medium for PowerCut {
    fn list(&self) -> Result<Listing> {
        let unsynced = self.unsynced.lock();
        let pending = unsynced.as_ref().ok_or_else(|| gone("no power"))?;
        let mut listing = self.inner.list()?;
        listing.objects.extend(pending.iter().map(|(n, k, b)| Listed { number: *n, kind: *k, length: b.len() as u64 }));
        listing.objects.sort_by_key(|o| o.number);
        Ok(listing)
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        check_name(number, kind)?;
        self.change(|pending| {
            let stored = self.inner.list()?.objects;
            if stored.iter().map(|o| o.number).chain(pending.iter().map(|p| p.0)).any(|n| n == number) {
                return Err(MediumError::Exists { place: PLACE.into(), number });
            }
            pending.push((number, kind, bytes.into()));
            Ok(())
        })
    }

    fn sync(&self) -> Result<()> {
        self.change(|pending| {
            for (number, kind, bytes) in pending.drain(..) {
                self.inner.append(number, kind, &bytes)?;
            }
            self.inner.sync()
        })
    }

    fn read_back(&self, number: u64, kind: ObjectKind) -> Result<Reread> {
        match self.pending(number, kind)? {
            Some(bytes) => Ok(reread(&bytes, ReadBack::Cached)),
            None => self.inner.read_back(number, kind),
        }
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        match self.pending(number, kind)? {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes))),
            None => self.inner.open(number, kind),
        }
    }

    fn free_bytes(&self) -> Option<u64> {
        self.inner.free_bytes()
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}

/// A medium that is full once so many bytes have been appended through it.
pub struct FullAfter {
    inner: Arc<dyn Medium>,
    /// Bytes that still fit.
    left: Mutex<u64>,
    torn: bool,
}

impl FullAfter {
    /// Refuses an object that does not fit whole and leaves nothing of it. A smaller one may fit afterwards.
    pub fn refusing(inner: Arc<dyn Medium>, bytes: u64) -> Self {
        Self { inner, left: Mutex::new(bytes), torn: false }
    }

    /// Stores of the object that does not fit what fits, and then nothing more.
    pub fn tearing(inner: Arc<dyn Medium>, bytes: u64) -> Self {
        Self { inner, left: Mutex::new(bytes), torn: true }
    }
}

impl Medium for FullAfter {
    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        let mut left = self.left.lock();
        let (needed, free, torn) = (bytes.len() as u64, *left, self.torn && *left > 0);
        if needed <= free {
            self.inner.append(number, kind, bytes)?;
            *left -= needed;
            return Ok(());
        }
        if torn {
            self.inner.append(number, kind, &bytes[..free as usize])?;
            *left = 0;
        }
        Err(MediumError::Full { place: PLACE.into(), needed, free: Some(free), torn })
    }

    fn free_bytes(&self) -> Option<u64> {
        Some(*self.left.lock())
    }

    fn list(&self) -> Result<Listing> {
        self.inner.list()
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn read_back(&self, number: u64, kind: ObjectKind) -> Result<Reread> {
        self.inner.read_back(number, kind)
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        self.inner.open(number, kind)
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}

/// One bit of one object comes back wrong, on every reading.
pub struct FlippedBit {
    inner: Arc<dyn Medium>,
    number: u64,
    bit: u64,
}

impl FlippedBit {
    /// `bit` counts from the lowest bit of the object's first byte; beyond its end it flips nothing.
    pub fn new(inner: Arc<dyn Medium>, number: u64, bit: u64) -> Self {
        Self { inner, number, bit }
    }

    fn flipped(&self, kind: ObjectKind) -> Result<Vec<u8>> {
        let mut bytes = read_whole(&*self.inner, self.number, kind)?;
        if let Some(byte) = usize::try_from(self.bit / 8).ok().and_then(|at| bytes.get_mut(at)) {
            *byte ^= 1 << (self.bit % 8);
        }
        Ok(bytes)
    }
}

impl Medium for FlippedBit {
    fn read_back(&self, number: u64, kind: ObjectKind) -> Result<Reread> {
        match number == self.number {
            true => Ok(reread(&self.flipped(kind)?, self.inner.read_back(number, kind)?.how)),
            false => self.inner.read_back(number, kind),
        }
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        match number == self.number {
            true => Ok(Box::new(Cursor::new(self.flipped(kind)?))),
            false => self.inner.open(number, kind),
        }
    }

    fn list(&self) -> Result<Listing> {
        self.inner.list()
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        self.inner.append(number, kind, bytes)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn free_bytes(&self) -> Option<u64> {
        self.inner.free_bytes()
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}

/// The cable is pulled after so many calls. Reads of an opened object count as calls.
pub struct Unplugged {
    inner: Arc<dyn Medium>,
    calls_left: Arc<AtomicU64>,
}

impl Unplugged {
    /// Answers `calls` calls that can fail.
    pub fn after_calls(inner: Arc<dyn Medium>, calls: u64) -> Self {
        Self { inner, calls_left: Arc::new(AtomicU64::new(calls)) }
    }

    fn inner(&self, what: &'static str) -> Result<&dyn Medium> {
        if take_one(&self.calls_left) { Ok(&*self.inner) } else { Err(gone(what)) }
    }
}

/// Whether one was left to take.
fn take_one(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
}

impl Medium for Unplugged {
    fn list(&self) -> Result<Listing> {
        self.inner("listing")?.list()
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        self.inner("writing")?.append(number, kind, bytes)
    }

    fn sync(&self) -> Result<()> {
        self.inner("syncing")?.sync()
    }

    fn read_back(&self, number: u64, kind: ObjectKind) -> Result<Reread> {
        self.inner("reading")?.read_back(number, kind)
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        let object = self.inner("opening a file")?.open(number, kind)?;
        Ok(Box::new(UnpluggedObject { object, calls_left: Arc::clone(&self.calls_left) }))
    }

    fn is_there(&self) -> Result<()> {
        self.inner("reading")?.is_there()
    }

    fn free_bytes(&self) -> Option<u64> {
        self.inner.free_bytes()
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}

struct UnpluggedObject {
    object: Box<dyn OpenObject>,
    calls_left: Arc<AtomicU64>,
}

impl Read for UnpluggedObject {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if take_one(&self.calls_left) { self.object.read(buffer) } else { Err(rustix::io::Errno::IO.into()) }
    }
}

impl Seek for UnpluggedObject {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.object.seek(to)
    }
}

impl OpenObject for UnpluggedObject {
    fn length(&self) -> u64 {
        self.object.length()
    }
}

/// One call as a [`Recorder`] saw it, whatever its answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    List,
    Append { number: u64, kind: ObjectKind, length: u64 },
    Sync,
    ReadBack { number: u64, kind: ObjectKind },
    Open { number: u64, kind: ObjectKind },
}

/// Keeps every call in order, for tests that count reads or ask what was synced before what.
pub struct Recorder {
    inner: Arc<dyn Medium>,
    calls: Mutex<Vec<Call>>,
}

impl Recorder {
    pub fn new(inner: Arc<dyn Medium>) -> Self {
        Self { inner, calls: Mutex::default() }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }

    fn saw(&self, call: Call) -> &dyn Medium {
        self.calls.lock().push(call);
        &*self.inner
    }
}

impl Medium for Recorder {
    fn list(&self) -> Result<Listing> {
        self.saw(Call::List).list()
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        self.saw(Call::Append { number, kind, length: bytes.len() as u64 }).append(number, kind, bytes)
    }

    fn sync(&self) -> Result<()> {
        self.saw(Call::Sync).sync()
    }

    fn read_back(&self, number: u64, kind: ObjectKind) -> Result<Reread> {
        self.saw(Call::ReadBack { number, kind }).read_back(number, kind)
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        self.saw(Call::Open { number, kind }).open(number, kind)
    }

    fn free_bytes(&self) -> Option<u64> {
        self.inner.free_bytes()
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}
