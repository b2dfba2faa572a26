//! Records that a reader must not restore although the stream that they are in is whole.

use super::{CborReader, EntryKind, LAST_KEY, Malformed, WHAT, check_path};
use crate::format::limit;

/// An entry whose record breaks a rule that concerns no other record, or that only a newer program understands. It MUST be
/// named, and neither it nor anything below it may be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedEntry {
    /// Its path.
    pub path: Vec<u8>,
    /// Its type; `None` if that is unknown, or the record cannot be interpreted.
    pub kind: Option<EntryKind>,
    /// Why it is refused.
    pub why: Malformed,
}

impl RefusedEntry {
    /// A newer program may know what it is: it is not damaged.
    pub fn is_newer(&self) -> bool {
        self.why.is_newer()
    }
}

/// What the bytes of a `core` say, as far as they can be read.
pub(super) struct Survey<'b> {
    /// The bytes of `core`.
    pub core_bytes: usize,
    path: Option<&'b [u8]>,
    kind: Option<u64>,
    newer: Option<Malformed>,
}

impl<'b> Survey<'b> {
    /// Looks at the map at the beginning of `bytes`; more may follow. Fails if it is no map, or not CBOR that the format
    /// allows.
    pub fn of(bytes: &'b [u8]) -> Result<Self, Malformed> {
        let mut r = CborReader::new(bytes, WHAT);
        let mut survey = Self { core_bytes: 0, path: None, kind: None, newer: None };
        let (mut last, mut newer) = (None, None);
        for _ in 0..r.map()? {
            let (key, start) = (r.key(&mut last)?, r.position());
            r.skip(1)?;
            let mut value = CborReader::new(r.since(start), WHAT);
            match key {
                0 => survey.path = value.bytes().ok(),
                1 => {
                    survey.kind = value.uint().ok();
                    let is_unknown = survey.kind.is_some_and(|kind| EntryKind::from_code(kind).is_none());
                    newer = newer.or(is_unknown.then_some("its type is unknown".into()));
                }
                19 => {
                    let is_unknown = value.uint().is_ok_and(|state| state > 2);
                    newer = newer.or(is_unknown.then_some("its state is unknown".into()));
                }
                _ if key > LAST_KEY && key <= limit::LAST_CRITICAL_KEY => newer = newer.or(Some(format!("it has the key {key}"))),
                _ => {}
            }
        }
        survey.core_bytes = r.position();
        survey.newer = newer.map(|why| r.unknown(why));
        Ok(survey)
    }

    /// The refused entry, whose record could not be decoded because of `why`. Fails if the record has no valid path: then
    /// the whole stream is damaged.
    pub fn refuse(self, why: Malformed) -> Result<RefusedEntry, Malformed> {
        let path = self.path.ok_or_else(|| Malformed::new(WHAT, "it has no path"))?;
        check_path(path)?;
        // Nothing in a map with an unknown critical key may be interpreted.
        let kind = self.kind.filter(|_| self.newer.is_none()).and_then(EntryKind::from_code);
        Ok(RefusedEntry { path: path.to_vec(), kind, why: self.newer.unwrap_or(why) })
    }
}

/// The error if a `core` that cannot be decoded is one that a newer program may know.
pub(super) fn newer(core: &[u8]) -> Option<Malformed> {
    Survey::of(core).ok().filter(|s| s.core_bytes == core.len()).and_then(|s| s.newer)
}
