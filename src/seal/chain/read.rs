//! Reads an object whole; and all labels, seals and successions of a medium.

use super::expected::FoundSuccession;
use super::{Fault, FaultKind};
use crate::format::digests::Digests;
use crate::format::label::Label;
use crate::format::object::{self, Id, Object, ObjectKind};
use crate::format::seal::{Seal, Signed};
use crate::format::succession::Succession;
use crate::format::text::{FIRST_LINE_BYTES, version_of};
use crate::format::{Malformed, VERSION};
use crate::medium::{ErrorCategory, Listed, Listing, Medium, MediumError, OpenObject};
use std::io::Read;

/// Why an object could not be read whole.
#[derive(Debug)]
pub enum ReadError {
    /// The medium as a whole fails or is absent.
    Medium(MediumError),
    /// This object cannot be read, or is larger than it may be.
    Damaged(String),
}

/// Reads an object whole, if it is no longer than `limit_bytes`.
pub fn read_object(medium: &dyn Medium, number: u64, kind: ObjectKind, limit_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let mut open = match medium.open(number, kind) {
        Ok(open) => open,
        Err(e) if e.category() == ErrorCategory::Damage => return Err(ReadError::Damaged(e.to_string())),
        Err(e) => return Err(ReadError::Medium(e)),
    };
    read_opened(&mut *open, number, kind, limit_bytes).map_err(|why| match medium.check_attached() {
        Ok(()) => ReadError::Damaged(why),
        Err(e) => ReadError::Medium(e),
    })
}

/// Reads an opened object whole, from its present position. The error says why this object cannot be read.
pub fn read_opened(open: &mut dyn OpenObject, number: u64, kind: ObjectKind, limit_bytes: u64) -> Result<Vec<u8>, String> {
    let length = open.length();
    if length > limit_bytes {
        return Err(format!("{length} bytes, more than {limit_bytes}"));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    match open.take(limit_bytes).read_to_end(&mut bytes) {
        Ok(n) if n as u64 == length => Ok(bytes),
        Ok(_) => Err(format!("{} is shorter than the file system says", object::file_name(number, kind))),
        Err(e) => Err(e.to_string()),
    }
}

/// The texts of a medium, each list ascending by number.
pub(super) struct Texts {
    pub labels: Vec<Candidate>,
    pub seals: Vec<ReadSeal>,
    pub successions: Vec<FoundSuccession>,
    /// Labels and successions of a later version.
    pub newer: Vec<NewerText>,
}

/// A label or a succession of a later version.
pub(super) struct NewerText {
    pub fault: Fault,
    /// `None` where it is longer than a text of this version may be.
    pub object: Option<Object>,
}

/// A label that can be decoded, and its object.
pub(super) struct Candidate {
    pub label: Label,
    pub object: Object,
}

/// A seal that was read. Of its list only the objects are kept, and none of a list that is not the one of the head:
/// thousands of files with a good head and a long hole would take all memory.
pub(super) struct ReadSeal {
    pub number: u64,
    pub signed: Result<Signed, Malformed>,
    pub head: Vec<u8>,
    /// `None` where the list is damaged.
    pub objects: Option<Vec<Object>>,
    /// Of the whole seal.
    pub length: u64,
    pub digests: Digests,
}

impl Texts {
    /// Reads all labels, seals and successions. An error only if the medium as a whole fails.
    pub fn read(medium: &dyn Medium, listing: &Listing) -> Result<Self, MediumError> {
        let mut texts = Self { labels: Vec::new(), seals: Vec::new(), successions: Vec::new(), newer: Vec::new() };
        for o in &listing.objects {
            match o.kind {
                ObjectKind::Label => texts.add_label(o.number, read_text(medium, o)?),
                ObjectKind::Seal => texts.add_seal(o.number, read_text(medium, o)?),
                ObjectKind::Succession => texts.add_succession(o.number, read_text(medium, o)?),
                _ => {}
            }
        }
        Ok(texts)
    }

    /// The set, where no label counts: that of the first label whose set a seal names too, or that of the first seal.
    pub fn set(&self) -> Option<Id> {
        let seals = self.seals.iter().filter_map(|s| Some((s.number, &s.signed.as_ref().ok()?.seal)));
        let sets: Vec<Id> = seals.filter(|(number, seal)| seal.number() == *number).map(|(_, seal)| seal.set).collect();
        let claimed = self.labels.iter().map(|l| l.label.set).find(|set| sets.contains(set));
        claimed.or(sets.first().copied())
    }

    fn add_label(&mut self, number: u64, read: Result<Vec<u8>, Malformed>) {
        let object = read.as_ref().ok().map(|bytes| Object::of(number, ObjectKind::Label, bytes));
        match (read.and_then(|bytes| Label::decode(&bytes)), object) {
            (Ok(label), Some(object)) if label.first_object == number => self.labels.push(Candidate { label, object }),
            (Ok(_), _) => {}
            (Err(e), object) => self.note_newer(number, ObjectKind::Label, object, &e),
        }
    }

    fn add_seal(&mut self, number: u64, read: Result<Vec<u8>, Malformed>) {
        let (signed, bytes) = match read {
            Ok(bytes) => (Seal::decode(&bytes), bytes),
            Err(e) => (Err(e), Vec::new()),
        };
        let head_bytes = signed.as_ref().map_or(0, |s| s.head_bytes);
        let objects = signed.as_ref().ok().and_then(|s| s.seal.decode_list(&bytes[head_bytes..]).ok());
        let (length, digests) = (bytes.len() as u64, Digests::of(&bytes, true));
        self.seals.push(ReadSeal { number, signed, head: bytes[..head_bytes].to_vec(), objects, length, digests });
    }

    fn add_succession(&mut self, number: u64, read: Result<Vec<u8>, Malformed>) {
        let object = read.as_ref().ok().map(|bytes| Object::of(number, ObjectKind::Succession, bytes));
        match read.and_then(|bytes| Ok((Succession::decode(&bytes)?, bytes))) {
            Ok((signed, bytes)) => {
                let digest = *blake3::hash(&bytes).as_bytes();
                self.successions.push(FoundSuccession { number, digest, signed, bytes });
            }
            Err(e) => self.note_newer(number, ObjectKind::Succession, object, &e),
        }
    }

    fn note_newer(&mut self, number: u64, kind: ObjectKind, object: Option<Object>, e: &Malformed) {
        if e.is_newer() {
            let fault = Fault { object: number, kind, what: FaultKind::unreadable(e) };
            self.newer.push(NewerText { fault, object });
        }
    }
}

/// A text, or why it is none. A later version may be longer than this one: its first line is enough.
fn read_text(medium: &dyn Medium, o: &Listed) -> Result<Result<Vec<u8>, Malformed>, MediumError> {
    let limit_bytes = o.kind.limit_bytes();
    let what = o.kind.to_string();
    match read_object(medium, o.number, o.kind, limit_bytes) {
        Ok(bytes) => Ok(Ok(bytes)),
        Err(ReadError::Medium(e)) => Err(e),
        Err(ReadError::Damaged(why)) => {
            let mut first = Vec::new();
            if o.length > limit_bytes
                && let Ok(open) = medium.open(o.number, o.kind)
                && open.take(FIRST_LINE_BYTES).read_to_end(&mut first).is_ok()
                && let Some(found) = version_of(&what, &first).filter(|v| *v != VERSION)
            {
                return Ok(Err(Malformed::Newer { what: "text", found }));
            }
            Ok(Err(Malformed::Content { what: "text", why }))
        }
    }
}
