//! The chain of a set's seals, read from a medium and checked without any key but the public one on its label.
//!
//! **Invariant:** a fault is a finding and never ends the reading: an auditor wants all faults, and a restore wants every
//! generation that is still readable.

use super::verify;
use crate::format::label::Label;
use crate::format::merkle::{MerkleTree, object_leaf};
use crate::format::object::{Id, Object, ObjectKind};
use crate::format::seal::{Seal, Signed};
use crate::format::{Malformed, limit, object};
use crate::medium::{ErrorCategory, Listed, Listing, Medium, MediumError, OpenObject};
use std::io::Read;

/// A seal as it is on the medium, and whether it can be trusted.
#[derive(Debug, Clone)]
pub struct SealLink {
    /// The facts of the seal.
    pub seal: Seal,
    /// Its own object number.
    pub number: u64,
    /// BLAKE3 of its bytes.
    pub digest: [u8; 32],
    /// Bytes of the seal.
    pub length: u64,
    /// Ed25519, over the seal's body.
    pub signature: [u8; 64],
    /// Chain, range, signature and log are all valid.
    pub trusted: bool,
}

impl SealLink {
    fn new(number: u64, signed: &Signed, bytes: &[u8], trusted: bool) -> Self {
        let (digest, length) = (*blake3::hash(bytes).as_bytes(), bytes.len() as u64);
        Self { seal: signed.seal.clone(), number, digest, length, signature: signed.signature, trusted }
    }

    /// The seal's bytes as they are on the medium: a seal has exactly one encoding.
    pub fn bytes(&self) -> Vec<u8> {
        Seal::with_signature(self.seal.encode_body(), &self.signature)
    }
}

/// A fault of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Number of the object at fault.
    pub object: u64,
    /// Label or seal.
    pub kind: ObjectKind,
    /// What is wrong with it.
    pub what: FaultKind,
}

/// What is wrong with a label or a seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// The label cannot be decoded, or it is the label of another set.
    Label,
    /// The seal cannot be decoded: damaged, cut short, or left behind by a run that was interrupted while it wrote it.
    Unreadable {
        /// What the medium or the decoder says, for people, in English.
        why: String,
    },
    /// A seal is missing between others.
    Missing,
    /// The seal's range, number, set or generation does not follow from the previous seal.
    OutOfPlace,
    /// The digest of the previous seal is wrong: one of the two was replaced.
    Forked,
    /// The signature is wrong.
    Signature,
    /// The signature is one of the key of a later generation: somebody with that key rewrote the seal.
    SignedByLaterKey {
        /// The generation whose seal that key should have signed.
        generation: u64,
    },
    /// The log's root is not that of the objects listed.
    Log,
}

/// The seals of a set on a medium, and the other objects there.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The set.
    pub set: Id,
    /// The first valid label.
    pub label: Option<Label>,
    /// Number of the medium's first object. Earlier objects are on earlier media, but copies of their seals are here.
    pub first: u64,
    /// The seals, ascending by number.
    pub links: Vec<SealLink>,
    /// Everything that is wrong with label and seals.
    pub faults: Vec<Fault>,
    /// Objects behind the last seal.
    pub leftovers: Vec<Listed>,
    /// Everything on the medium.
    pub listing: Listing,
}

impl Chain {
    /// Reads and checks the label and all seals of a set. An error only if the medium as a whole fails.
    pub fn read(medium: &dyn Medium, set: Id) -> Result<Self, MediumError> {
        let listing = medium.list()?;
        let mut chain =
            Self { set, label: None, first: 0, links: Vec::new(), faults: Vec::new(), leftovers: Vec::new(), listing };
        chain.read_label(medium)?;
        let seals: Vec<Listed> = chain.listing.objects.iter().filter(|o| o.kind == ObjectKind::Seal).copied().collect();
        let mut read = Vec::new();
        for s in seals {
            match read_object(medium, s.number, ObjectKind::Seal, limit::SEAL_BYTES) {
                Ok(bytes) => read.push((s, Seal::decode(&bytes), bytes)),
                Err(ReadError::Medium(e)) => return Err(e),
                Err(ReadError::Damaged(why)) => read.push((s, Err(Malformed::Content { what: "seal", why }), Vec::new())),
            }
        }
        chain.link(read);
        chain.check_label();
        let end = chain.links.last().map_or(0, |l| l.number + 1);
        chain.leftovers = chain.listing.objects.iter().filter(|o| o.number >= end).copied().collect();
        Ok(chain)
    }

    /// The seal of generation `n`.
    pub fn generation(&self, n: u64) -> Option<&SealLink> {
        self.generations().rev().find(|l| l.seal.generation == n)
    }

    /// The seals of generations, without those that only close a medium.
    pub fn generations(&self) -> impl DoubleEndedIterator<Item = &SealLink> {
        self.links.iter().filter(|l| !l.seal.is_closing())
    }

    /// The numbers of the labels of all media that the seals list, ascending.
    pub fn media(&self) -> Vec<u64> {
        let listed = self.links.iter().flat_map(|l| &l.seal.objects);
        listed.filter(|o| o.kind == ObjectKind::Label).map(|o| o.number).collect()
    }

    /// The last seal, of whatever kind.
    pub fn last(&self) -> Option<&SealLink> {
        self.links.last()
    }

    /// Object `number` as a seal lists it, and the generation of that seal.
    pub fn object(&self, number: u64) -> Option<(&Object, u64)> {
        let link = self.links.get(self.links.partition_point(|l| l.number <= number))?;
        let o = link.seal.objects.get(number.checked_sub(link.seal.first)? as usize)?;
        Some((o, link.seal.generation))
    }

    fn read_label(&mut self, medium: &dyn Medium) -> Result<(), MediumError> {
        let labels = self.listing.objects.iter().filter(|o| o.kind == ObjectKind::Label).map(|o| o.number);
        for number in labels.collect::<Vec<u64>>() {
            let label = match read_object(medium, number, ObjectKind::Label, limit::LABEL_BYTES) {
                Ok(bytes) => Label::decode(&bytes).ok(),
                Err(ReadError::Medium(e)) => return Err(e),
                Err(ReadError::Damaged(_)) => None,
            };
            self.label = label.filter(|l| l.set == self.set && l.first_object == number);
            if self.label.is_some() {
                self.first = number;
                break;
            }
        }
        Ok(())
    }

    /// A label before the valid one is a fault, unless a seal lists it as void: an interrupted run left it.
    fn check_label(&mut self) {
        let first = self.listing.objects.iter().find(|o| o.kind == ObjectKind::Label).map_or(0, |o| o.number);
        let left_over = |n| self.object(n).is_some_and(|(o, _)| o.kind == ObjectKind::Void);
        if self.label.is_none() || first < self.first && !left_over(first) {
            self.first = first;
            self.faults.insert(0, Fault { object: first, kind: ObjectKind::Label, what: FaultKind::Label });
        }
    }

    /// Follows the chain from the label's key. A seal that does not fit is a suspect: if an interrupted run left it, a later
    /// seal that fits lists it as void; otherwise it is a fault.
    fn link(&mut self, read: Vec<(Listed, Result<Signed, Malformed>, Vec<u8>)>) {
        let keys: Vec<(u64, [u8; 32])> =
            read.iter().filter_map(|(_, s, _)| s.as_ref().ok()).map(|s| (s.seal.generation + 1, s.seal.next)).collect();
        let mut expected = self.label.as_ref().map(|l| ExpectedSeal { generation: 1, first: 0, previous: None, key: l.root_key });
        // What a seal must fit to follow a suspect: the rest of a chain with one bad seal is only one fault.
        let mut astray: Option<ExpectedSeal> = None;
        let mut log = MerkleTree::default();
        let mut suspects: Vec<Fault> = Vec::new();
        for (at, signed, bytes) in read {
            let suspect = |object, what| Fault { object, kind: ObjectKind::Seal, what };
            let signed = match signed {
                Ok(signed) => signed,
                Err(e) => {
                    suspects.push(suspect(at.number, FaultKind::Unreadable { why: e.to_string() }));
                    astray = None;
                    continue;
                }
            };
            let digest = *blake3::hash(&bytes).as_bytes();
            let link = |trusted| SealLink::new(at.number, &signed, &bytes, trusted);
            let in_place = signed.seal.set == self.set && signed.seal.number() == at.number;
            let fits = |e: &ExpectedSeal| in_place && e.misfit(&signed, &bytes).is_none();
            let follow = || ExpectedSeal::after(&signed.seal, &digest);
            if expected.as_ref().is_some_and(fits) {
                let first = signed.seal.first;
                suspects.retain(|f| f.object < first);
                self.links.retain(|l| l.number < first);
                let good_log = extend(&mut log, &link(true));
                if !good_log {
                    suspects.push(suspect(at.number, FaultKind::Log));
                }
                self.links.push(link(good_log));
                (expected, astray) = (Some(follow()), None);
                continue;
            }
            let known_break = suspects.iter().any(|f| f.object + 1 == signed.seal.first);
            if !(astray.as_ref().is_some_and(fits) || in_place && known_break) {
                let what = match expected.as_ref().filter(|_| in_place).and_then(|e| e.misfit(&signed, &bytes).map(|m| (e, m))) {
                    // Without the label no key is known, and the label itself is a fault already.
                    None if in_place => None,
                    None => Some((at.number, FaultKind::OutOfPlace)),
                    Some((_, FaultKind::Missing)) => Some((signed.seal.first.saturating_sub(1), FaultKind::Missing)),
                    Some((e, FaultKind::Signature)) => {
                        let fits = |(g, k): &&(u64, [u8; 32])| *g > e.generation && verify(&signed, &bytes, k);
                        let later =
                            keys.iter().find(fits).map(|(generation, _)| FaultKind::SignedByLaterKey { generation: *generation });
                        Some((at.number, later.unwrap_or(FaultKind::Signature)))
                    }
                    Some((_, other)) => Some((at.number, other)),
                };
                suspects.extend(what.map(|(object, what)| suspect(object, what)));
            }
            astray = Some(follow());
            self.links.push(link(false));
        }
        self.faults.extend(suspects);
    }
}

/// Checks seals without their medium, from generation 1 on: range, previous digest, signature and log of each. Returns the
/// last one, or the fault that breaks the chain.
///
/// Without the root key the first signature is not checked. The chain is then consistent but unproven until its last seal is
/// compared with a check code that was kept elsewhere.
pub fn follow<'b>(seals: impl Iterator<Item = &'b [u8]>, root_key: Option<[u8; 32]>) -> Result<SealLink, Fault> {
    let fault = |object, what| Fault { object, kind: ObjectKind::Seal, what };
    let mut log = MerkleTree::default();
    let mut last: Option<SealLink> = None;
    for bytes in seals {
        let next = last.as_ref().map_or(0, |l| l.number + 1);
        let signed = Seal::decode(bytes).map_err(|e| fault(next, FaultKind::Unreadable { why: e.to_string() }))?;
        let expected = match &last {
            None => ExpectedSeal { generation: 1, first: 0, previous: None, key: root_key.unwrap_or_default() },
            Some(l) => ExpectedSeal::after(&l.seal, &l.digest),
        };
        let link = SealLink::new(signed.seal.number(), &signed, bytes, true);
        let unsure = last.is_none() && root_key.is_none();
        match expected.misfit(&signed, bytes).filter(|m| !unsure || *m != FaultKind::Signature) {
            Some(misfit) => return Err(fault(link.number, misfit)),
            None if last.as_ref().is_some_and(|l| l.seal.set != link.seal.set) => {
                return Err(fault(link.number, FaultKind::OutOfPlace));
            }
            None if !extend(&mut log, &link) => return Err(fault(link.number, FaultKind::Log)),
            None => last = Some(link),
        }
    }
    last.ok_or_else(|| fault(0, FaultKind::Missing))
}

/// What the next seal must be like.
struct ExpectedSeal {
    generation: u64,
    first: u64,
    previous: Option<[u8; 32]>,
    key: [u8; 32],
}

impl ExpectedSeal {
    fn after(seal: &Seal, digest: &[u8; 32]) -> Self {
        Self { generation: seal.generation + 1, first: seal.number() + 1, previous: Some(*digest), key: seal.next }
    }

    /// How a seal differs; `None` if it is the expected one.
    fn misfit(&self, signed: &Signed, bytes: &[u8]) -> Option<FaultKind> {
        let s = &signed.seal;
        if s.first > self.first && s.generation > self.generation {
            Some(FaultKind::Missing)
        } else if s.first != self.first || s.generation != self.generation {
            Some(FaultKind::OutOfPlace)
        } else if s.previous != self.previous {
            Some(FaultKind::Forked)
        } else if !verify(signed, bytes, &self.key) {
            Some(FaultKind::Signature)
        } else {
            None
        }
    }
}

/// Adds a seal's objects to the log's tree, then the seal itself. Whether the root before the seal was the one in the seal.
fn extend(log: &mut MerkleTree, link: &SealLink) -> bool {
    for o in &link.seal.objects {
        log.push(object_leaf(o));
    }
    let good = log.root() == link.seal.log;
    log.push(object_leaf(&Object {
        number: link.number,
        kind: ObjectKind::Seal,
        length: link.length,
        digest: Some(link.digest),
    }));
    good
}

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
