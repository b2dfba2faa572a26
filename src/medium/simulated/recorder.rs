//! A medium that records the calls to it.

use crate::format::digests::Hashes;
use crate::format::object::ObjectKind;
use crate::medium::{Description, Listing, Medium, MediumError, OpenObject, Reread};
use parking_lot::Mutex;
use std::sync::Arc;

type Result<T> = std::result::Result<T, MediumError>;

/// One call to a [`Recorder`], whatever its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// [`Medium::list`].
    List,
    /// [`Medium::append`].
    Append {
        /// The object's number.
        number: u64,
        /// Its kind.
        kind: ObjectKind,
        /// Bytes that were to be appended.
        length: u64,
    },
    /// [`Medium::sync`].
    Sync,
    /// [`Medium::read_back`].
    ReadBack {
        /// The object's number.
        number: u64,
        /// Its kind.
        kind: ObjectKind,
    },
    /// [`Medium::open`]. What is read from the object then is not recorded.
    Open {
        /// The object's number.
        number: u64,
        /// Its kind.
        kind: ObjectKind,
    },
}

/// Keeps every call in order, for tests that count reads or check what was synced before what.
pub struct Recorder {
    inner: Arc<dyn Medium>,
    calls: Mutex<Vec<Call>>,
}

impl Recorder {
    /// Records the calls to `inner`.
    pub fn new(inner: Arc<dyn Medium>) -> Self {
        Self { inner, calls: Mutex::default() }
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }

    fn record(&self, call: Call) -> &dyn Medium {
        self.calls.lock().push(call);
        &*self.inner
    }
}

impl Medium for Recorder {
    fn list(&self) -> Result<Listing> {
        self.record(Call::List).list()
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        self.record(Call::Append { number, kind, length: bytes.len() as u64 }).append(number, kind, bytes)
    }

    fn sync(&self) -> Result<()> {
        self.record(Call::Sync).sync()
    }

    fn read_back(&self, number: u64, kind: ObjectKind, hashes: Hashes) -> Result<Reread> {
        self.record(Call::ReadBack { number, kind }).read_back(number, kind, hashes)
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        self.record(Call::Open { number, kind }).open(number, kind)
    }

    fn free_bytes(&self) -> Option<u64> {
        self.inner.free_bytes()
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}
