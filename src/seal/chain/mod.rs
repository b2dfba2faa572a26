//! The chain of a set's seals, read from a medium and checked without any key but the public one on its label.
//!
//! **Invariant:** a fault is a finding and never ends the reading: an auditor wants all faults, and a restore wants every
//! generation that is still readable.
//!
//! **Invariant:** a label decides nothing alone. It counts when a seal of the chain that begins with its key lists it.

mod anchor;
mod follow;
mod read;

pub use follow::{FollowedChain, follow};
pub use read::{ReadError, read_object, read_opened};

use super::verify;
use crate::format::Malformed;
use crate::format::digests::{BothDigests, Digests};
use crate::format::label::Label;
use crate::format::object::{Id, Object, ObjectKind};
use crate::format::seal::{Seal, Signed, encode_list};
use crate::format::succession::Succession;
use crate::medium::{Listed, Listing, Medium, MediumError};
use follow::{ExpectedSeal, FoundSuccession};

/// The most numbers between a leftover and what is before it: as many objects as a run may have begun and not recorded.
pub const LEFTOVER_GAP: u64 = 64;

/// A seal as it is on the medium, and whether it can be trusted.
#[derive(Debug, Clone)]
pub struct SealLink {
    /// The facts of the head.
    pub seal: Seal,
    /// The objects that it covers, in order; empty where its list is damaged.
    pub objects: Vec<Object>,
    /// Whether the list is the one that the head names.
    pub is_list_whole: bool,
    /// Its own object number.
    pub number: u64,
    /// Digests of the head.
    pub head: BothDigests,
    /// Bytes of the whole seal.
    pub length: u64,
    /// Digests of the whole seal.
    pub digests: Digests,
    /// Ed25519, over the head's body.
    pub signature: [u8; 64],
    /// Chain, range and signature are all valid.
    pub trusted: bool,
    /// A check code from paper shows that it is the seal that was written.
    pub anchored: bool,
    /// The succession that its head names, where it is there.
    pub succession: Option<Vec<u8>>,
}

impl SealLink {
    /// A head without its list, as in a proof.
    fn of_head(signed: &Signed, head: &[u8]) -> Self {
        Self {
            seal: signed.seal.clone(),
            objects: Vec::new(),
            is_list_whole: false,
            number: signed.seal.number(),
            head: BothDigests::of(head),
            length: head.len() as u64,
            digests: Digests::of(head, true),
            signature: signed.signature,
            trusted: true,
            anchored: false,
            succession: None,
        }
    }

    /// A whole seal.
    fn of_seal(signed: &Signed, bytes: &[u8], trusted: bool, succession: Option<&FoundSuccession>) -> Self {
        let (head, list) = bytes.split_at(signed.head_bytes);
        let objects = signed.seal.decode_list(list);
        Self {
            is_list_whole: objects.is_ok(),
            objects: objects.unwrap_or_default(),
            length: bytes.len() as u64,
            digests: Digests::of(bytes, true),
            trusted,
            succession: succession.map(|s| s.bytes.clone()),
            ..Self::of_head(signed, head)
        }
    }

    /// BLAKE3 of the head, of which the check code is the beginning.
    pub fn digest(&self) -> [u8; 32] {
        self.head.blake3
    }

    /// The bytes of the head: it has exactly one encoding.
    pub fn head_bytes(&self) -> Vec<u8> {
        Seal::with_signature(self.seal.encode_body(), &self.signature)
    }

    /// The bytes of the whole seal; `None` where its list is damaged.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        self.is_list_whole.then(|| [self.head_bytes(), encode_list(&self.objects)].concat())
    }

    /// The seal itself as an object.
    pub fn object(&self) -> Object {
        Object { number: self.number, kind: ObjectKind::Seal, length: self.length, digests: Some(self.digests) }
    }

    /// The generation's manifest, as the list has it.
    pub fn manifest(&self) -> Option<&Object> {
        self.objects.iter().find(|o| o.kind == ObjectKind::Manifest)
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
    /// No seal of a chain that it begins lists the label, or it differs from the set's first.
    Label,
    /// The seal cannot be decoded: damaged, cut short, or left behind by a run that was interrupted while it wrote it.
    Unreadable {
        /// The decoder's reason.
        why: String,
    },
    /// It has a later version of the format. Nothing from there on is judged.
    Newer {
        /// The version.
        version: u64,
    },
    /// A seal is missing between others.
    Missing,
    /// The seal's range, number, set or generation does not follow from the previous seal.
    OutOfPlace,
    /// The digest of the previous seal, or of all earlier ones, is wrong: one of them was replaced.
    Forked,
    /// The signature is wrong.
    Signature,
    /// The signature is one of the key of a later seal: somebody with that key rewrote the seal.
    SignedByLaterKey {
        /// The generation of the seal that the key belongs to.
        generation: u64,
    },
    /// The seal names a succession that is not there, or that is not valid.
    Succession,
    /// The list of objects is not the one that the head names.
    List,
}

impl FaultKind {
    fn unreadable(e: &Malformed) -> Self {
        match e {
            Malformed::Newer { found, .. } => Self::Newer { version: *found },
            e => Self::Unreadable { why: e.to_string() },
        }
    }
}

/// The seals of a set on a medium, and the other objects there.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The set: as the label says; without one, as the first seal says, or the folder.
    pub set: Id,
    /// The label of the medium: the first one that counts.
    pub label: Option<Label>,
    /// The first label that can be decoded, where none counts. It decides nothing.
    pub claimed: Option<Label>,
    /// Number of the medium's first object. Earlier objects are on earlier media, but copies of their seals are here.
    pub first: u64,
    /// The seals, ascending by number.
    pub links: Vec<SealLink>,
    /// Everything that is wrong with label and seals.
    pub faults: Vec<Fault>,
    /// Objects behind the last seal that a run may have left.
    pub leftovers: Vec<Listed>,
    /// Objects behind the last seal that no run has left.
    pub stray: Vec<Listed>,
    /// Everything on the medium.
    pub listing: Listing,
}

/// A label that can be decoded, and its object.
struct Candidate {
    label: Label,
    object: Object,
}

/// A seal that was read.
struct ReadSeal {
    number: u64,
    signed: Result<Signed, Malformed>,
    bytes: Vec<u8>,
}

impl Chain {
    /// Reads and checks labels and all seals of a set. `set`: the id that the folder or the cartridge has. An error only if
    /// the medium as a whole fails.
    pub fn read(medium: &dyn Medium, set: Id) -> Result<Self, MediumError> {
        Self::read_with(medium, set, None)
    }

    /// The same of a later medium of the set whose label `earlier` counts on an earlier one: if nothing is sealed on this
    /// medium yet, its own label is taken as it is.
    pub fn read_after(medium: &dyn Medium, set: Id, earlier: &Label) -> Result<Self, MediumError> {
        Self::read_with(medium, set, Some(earlier))
    }

    fn read_with(medium: &dyn Medium, set: Id, earlier: Option<&Label>) -> Result<Self, MediumError> {
        let listing = medium.list()?;
        let candidates = read_labels(medium, &listing)?;
        let seals = read_seals(medium, &listing)?;
        let successions = read_successions(medium, &listing)?;
        let mut chain = Self {
            set,
            label: None,
            claimed: None,
            first: 0,
            links: Vec::new(),
            faults: Vec::new(),
            leftovers: Vec::new(),
            stray: Vec::new(),
            listing,
        };
        let counts = candidates.iter().any(|c| {
            (chain.links, chain.faults) = link(&seals, &successions, Some(&c.label));
            chain.counts(c)
        });
        let begun = earlier.and_then(|e| candidates.iter().find(|c| c.label.is_of_same_set(e)));
        if !counts && let Some(begun) = begun {
            (chain.links, chain.faults) = link(&seals, &successions, Some(&begun.label));
            if chain.links.last().is_none_or(|l| l.number < begun.object.number) {
                (chain.set, chain.first) = (begun.label.set, begun.object.number);
                chain.label = Some(begun.label.clone());
            }
        }
        // Where nothing is sealed, there is nothing that a label could be wrong about.
        if seals.is_empty()
            && let Some(only) = candidates.first()
        {
            (chain.set, chain.first) = (only.label.set, only.object.number);
            chain.label = Some(only.label.clone());
        }
        if chain.label.is_none() {
            // The first label still tells what is wrong with which seal.
            (chain.links, chain.faults) = link(&seals, &successions, candidates.first().map(|c| &c.label));
            chain.links.iter_mut().for_each(|l| l.trusted = false);
            let first_seal = seals.iter().find_map(|s| s.signed.as_ref().ok());
            chain.set = first_seal.map_or(set, |s| s.seal.set);
            chain.claimed = candidates.into_iter().next().map(|c| c.label);
        }
        chain.check_labels();
        chain.sort_out_the_end();
        Ok(chain)
    }

    /// Takes a candidate as the label of the medium if a seal that fits names or lists it.
    fn counts(&mut self, candidate: &Candidate) -> bool {
        let (number, digest) = (candidate.object.number, candidate.object.digest());
        let is_named = self.links.iter().any(|l| l.trusted && l.number > number && Some(l.seal.label) == digest);
        let is_listed = self.covering(number).is_some_and(|l| l.trusted)
            && self.object(number).is_some_and(|(listed, _)| *listed == candidate.object);
        let counts = is_named || is_listed;
        if counts {
            (self.set, self.first) = (candidate.label.set, number);
            self.label = Some(candidate.label.clone());
        }
        counts
    }

    /// The label that counts; where none does, the first one, which may help a person to find the right medium and decides
    /// nothing about the content.
    pub fn shown_label(&self) -> Option<&Label> {
        self.label.as_ref().or(self.claimed.as_ref())
    }

    /// The seal of generation `n`.
    pub fn generation(&self, n: u64) -> Option<&SealLink> {
        self.generations().rev().find(|l| l.seal.generation == n)
    }

    /// The seals of generations, without closing seals.
    pub fn generations(&self) -> impl DoubleEndedIterator<Item = &SealLink> {
        self.links.iter().filter(|l| !l.seal.is_closing())
    }

    /// The numbers of the labels of all media that the seals list, ascending.
    pub fn media(&self) -> Vec<u64> {
        let listed = self.links.iter().flat_map(|l| &l.objects);
        listed.filter(|o| o.kind == ObjectKind::Label).map(|o| o.number).collect()
    }

    /// The last seal, of whatever kind.
    pub fn last(&self) -> Option<&SealLink> {
        self.links.last()
    }

    /// The seal that covers object `number`, or that is it.
    fn covering(&self, number: u64) -> Option<&SealLink> {
        self.links.get(self.links.partition_point(|l| l.number < number)).filter(|l| l.seal.first <= number)
    }

    /// Object `number` as a seal lists it, and the generation of that seal.
    pub fn object(&self, number: u64) -> Option<(&Object, u64)> {
        let link = self.covering(number)?;
        let o = link.objects.get((number - link.seal.first) as usize)?;
        Some((o, link.seal.generation))
    }

    /// The manifest of a generation, as its list has it; where the list is damaged, all that may be it, the likeliest first.
    pub fn manifests(&self, link: &SealLink) -> Vec<Object> {
        if link.is_list_whole {
            return link.manifest().copied().into_iter().collect();
        }
        let range = link.seal.first..link.number;
        let found = self.listing.objects.iter().rev().filter(|o| o.kind == ObjectKind::Manifest && range.contains(&o.number));
        found.map(|o| Object { number: o.number, kind: o.kind, length: o.length, digests: None }).collect()
    }

    /// The generation that is meant where none is named: the newest one whose seal is proven, or else the newest.
    pub fn newest_generation(&self) -> Option<&SealLink> {
        let newest = self.generations().next_back();
        self.generations().rfind(|l| l.is_proven()).or(newest)
    }

    /// Whether object `number` lies under a seal whose list is damaged: nothing is known of it.
    pub fn is_unlisted(&self, number: u64) -> bool {
        self.covering(number).is_some_and(|l| !l.is_list_whole && l.number != number)
    }

    /// The object with the first newer seal or label: nothing from there on can be judged.
    pub fn newer(&self) -> Option<u64> {
        self.faults.iter().find(|f| matches!(f.what, FaultKind::Newer { .. })).map(|f| f.object)
    }

    /// A label before the one that counts is a fault, unless a seal lists it as void: an interrupted run left it. A later
    /// one that a seal lists has to be of the same set.
    fn check_labels(&mut self) {
        let first = self.listing.objects.iter().find(|o| o.kind == ObjectKind::Label).map_or(0, |o| o.number);
        if self.label.is_none() {
            self.first = first;
        }
        let is_void = self.object(first).is_some_and(|(o, _)| o.kind == ObjectKind::Void);
        if self.label.is_none() || first < self.first && !is_void {
            self.faults.insert(0, Fault { object: first, kind: ObjectKind::Label, what: FaultKind::Label });
        }
    }

    /// Tells what a run may have left behind the last seal from what it cannot have left.
    fn sort_out_the_end(&mut self) {
        let mut end = self.links.last().map_or(0, |l| l.number + 1);
        let behind = self.listing.objects.partition_point(|o| o.number < end);
        for o in &self.listing.objects[behind..] {
            if o.number >= end + LEFTOVER_GAP {
                self.stray.push(*o);
            } else {
                self.leftovers.push(*o);
                end = o.number + 1;
            }
        }
        // What is far behind and no seal was never one.
        let stray = &self.stray;
        let is_no_seal = |f: &Fault| matches!(f.what, FaultKind::Unreadable { .. } | FaultKind::Newer { .. });
        self.faults.retain(|f| !(is_no_seal(f) && stray.iter().any(|o| (o.number, o.kind) == (f.object, f.kind))));
        if let Some(newer) = self.newer() {
            self.leftovers.retain(|o| o.number < newer);
            self.stray.clear();
        }
    }
}

fn read_labels(medium: &dyn Medium, listing: &Listing) -> Result<Vec<Candidate>, MediumError> {
    let mut candidates = Vec::new();
    for o in listing.objects.iter().filter(|o| o.kind == ObjectKind::Label) {
        let bytes = match read_object(medium, o.number, o.kind, o.kind.limit_bytes()) {
            Ok(bytes) => bytes,
            Err(ReadError::Medium(e)) => return Err(e),
            Err(ReadError::Damaged(_)) => continue,
        };
        let label = Label::decode(&bytes).ok().filter(|l| l.first_object == o.number);
        candidates.extend(label.map(|label| Candidate { label, object: Object::of(o.number, o.kind, &bytes) }));
    }
    Ok(candidates)
}

fn read_seals(medium: &dyn Medium, listing: &Listing) -> Result<Vec<ReadSeal>, MediumError> {
    let mut seals = Vec::new();
    for o in listing.objects.iter().filter(|o| o.kind == ObjectKind::Seal) {
        let (signed, bytes) = match read_object(medium, o.number, o.kind, o.kind.limit_bytes()) {
            Ok(bytes) => (Seal::decode(&bytes), bytes),
            Err(ReadError::Medium(e)) => return Err(e),
            Err(ReadError::Damaged(why)) => (Err(Malformed::Content { what: "seal", why }), Vec::new()),
        };
        seals.push(ReadSeal { number: o.number, signed, bytes });
    }
    Ok(seals)
}

fn read_successions(medium: &dyn Medium, listing: &Listing) -> Result<Vec<FoundSuccession>, MediumError> {
    let mut found = Vec::new();
    for o in listing.objects.iter().filter(|o| o.kind == ObjectKind::Succession) {
        match read_object(medium, o.number, o.kind, o.kind.limit_bytes()) {
            Ok(bytes) => {
                let digest = *blake3::hash(&bytes).as_bytes();
                let signed = Succession::decode(&bytes).ok();
                found.extend(signed.map(|signed| FoundSuccession { number: o.number, digest, signed, bytes }));
            }
            Err(ReadError::Medium(e)) => return Err(e),
            Err(ReadError::Damaged(_)) => {}
        }
    }
    Ok(found)
}

/// Follows the chain from the label's key. A seal that does not fit is a suspect: if an interrupted run left it, a later
/// seal that fits lists it as void; otherwise it is a fault.
fn link(seals: &[ReadSeal], successions: &[FoundSuccession], label: Option<&Label>) -> (Vec<SealLink>, Vec<Fault>) {
    let keys: Vec<(u64, &Seal)> = seals.iter().filter_map(|s| Some((s.number, &s.signed.as_ref().ok()?.seal))).collect();
    let mut expected = label.map(ExpectedSeal::first);
    // What a seal must fit to follow a suspect: the rest of a chain with one bad seal is only one fault.
    let mut astray: Option<ExpectedSeal> = None;
    let (mut links, mut suspects): (Vec<SealLink>, Vec<Fault>) = (Vec::new(), Vec::new());
    for read in seals {
        let suspect = |object, what| Fault { object, kind: ObjectKind::Seal, what };
        let signed = match &read.signed {
            Ok(signed) => signed,
            Err(e) => {
                suspects.push(suspect(read.number, FaultKind::unreadable(e)));
                astray = None;
                continue;
            }
        };
        let (seal, head) = (&signed.seal, &read.bytes[..signed.head_bytes]);
        let succession = successions.iter().find(|s| Some(s.digest) == seal.succession && s.number < read.number);
        let in_place = seal.number() == read.number && label.is_none_or(|l| l.set == seal.set);
        let misfit = |e: &ExpectedSeal| e.misfit(signed, head, succession.filter(|s| s.number >= e.first));
        let fits = |e: &ExpectedSeal| in_place && misfit(e).is_none();
        let new = |trusted| SealLink::of_seal(signed, &read.bytes, trusted, succession);
        if let Some(e) = expected.as_ref().filter(|e| fits(e)) {
            let new = new(true);
            suspects.retain(|f| f.object < seal.first || !new.is_list_whole);
            links.retain(|l| l.number < seal.first);
            if !new.is_list_whole {
                suspects.push(suspect(read.number, FaultKind::List));
            }
            (expected, astray) = (Some(e.after(seal, &new.head)), None);
            links.push(new);
            continue;
        }
        let known_break = suspects.iter().any(|f| f.object + 1 == seal.first);
        if !(astray.as_ref().is_some_and(fits) || in_place && known_break) {
            let what = match expected.as_ref().filter(|_| in_place).and_then(|e| misfit(e).map(|m| (e, m))) {
                // Without the label no key is known, and the label itself is a fault already.
                None if in_place => None,
                None => Some((read.number, FaultKind::OutOfPlace)),
                Some((_, FaultKind::Missing)) => Some((seal.first.saturating_sub(1), FaultKind::Missing)),
                Some((_, FaultKind::Signature)) => {
                    let later = keys.iter().find(|(n, s)| *n >= read.number && verify(signed, head, &s.next));
                    let later = later.map(|(_, s)| FaultKind::SignedByLaterKey { generation: s.generation + 1 });
                    Some((read.number, later.unwrap_or(FaultKind::Signature)))
                }
                Some((_, other)) => Some((read.number, other)),
            };
            suspects.extend(what.map(|(object, what)| suspect(object, what)));
        }
        let new = new(false);
        astray = Some(ExpectedSeal::after_bad(seal, &new.head));
        links.push(new);
    }
    // Nothing is judged from the first newer seal on that no seal has passed over.
    if let Some(newer) = suspects.iter().find(|f| matches!(f.what, FaultKind::Newer { .. })).map(|f| f.object) {
        suspects.retain(|f| f.object <= newer);
        links.retain(|l| l.number < newer);
    }
    (links, suspects)
}
