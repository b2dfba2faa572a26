//! The chain of a set's seals, read from a medium and checked without any key but the public one on its label.
//!
//! **Invariant:** a fault is a finding and never ends the reading: an auditor wants all faults, and a restore wants every
//! generation that is still readable.
//!
//! **Invariant:** a label decides nothing alone. It counts when a seal of the chain that begins with its key lists it.

mod anchor;
mod expected;
mod fault;
mod follow;
mod read;
mod seal_link;

pub use fault::{Fault, FaultKind};
pub use follow::{FollowedChain, follow};
pub use read::{ReadError, read_object, read_opened};
pub use seal_link::SealLink;

use crate::format::label::Label;
use crate::format::object::{Id, Object, ObjectKind};
use crate::medium::{Listed, Listing, Medium, MediumError};
use follow::follow_on_medium;
use read::{Candidate, NewerText, Texts};
use std::collections::BTreeMap;

/// The most numbers between a leftover and what is before it: as many objects as a run may have begun and not recorded.
pub const LEFTOVER_GAP: u64 = 64;

/// The seals of a set on a medium, and the other objects there.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The set: as the label says; without one, as the first seal says, or the folder.
    pub set: Id,
    /// The label of the medium: the first one that counts.
    pub label: Option<Label>,
    /// The labels that can be decoded, where none counts. They decide nothing but that the set is treated as in quarantine
    /// if one of them says so.
    pub claims: Vec<Label>,
    /// Number of the medium's first object. Earlier objects are on earlier media, but copies of their seals are here.
    pub first: u64,
    /// The seals, ascending by number.
    pub links: Vec<SealLink>,
    /// Seals in their place that a seal which fits lists as something else.
    overruled: Vec<SealLink>,
    /// Which seal lists which objects: by the first number of a range the number behind its last, and the seal's number.
    covered: BTreeMap<u64, (u64, u64)>,
    /// Everything that is wrong with label and seals.
    pub faults: Vec<Fault>,
    /// Objects behind the last seal that a run may have left.
    pub leftovers: Vec<Listed>,
    /// Objects behind the last seal that no run has left.
    pub stray: Vec<Listed>,
    /// Everything on the medium.
    pub listing: Listing,
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
        let texts = Texts::read(medium, &listing)?;
        let mut chain = Self {
            set,
            label: None,
            claims: Vec::new(),
            first: 0,
            links: Vec::new(),
            overruled: Vec::new(),
            covered: BTreeMap::new(),
            faults: Vec::new(),
            leftovers: Vec::new(),
            stray: Vec::new(),
            listing,
        };
        let counts = texts.labels.iter().any(|c| {
            chain.follow(&texts, Some(&c.label));
            chain.counts(c)
        });
        let begun = earlier.and_then(|e| texts.labels.iter().find(|c| c.label.is_of_same_set(e)));
        if !counts && let Some(begun) = begun {
            chain.follow(&texts, Some(&begun.label));
            if chain.links.last().is_none_or(|l| l.number < begun.object.number) {
                (chain.set, chain.first) = (begun.label.set, begun.object.number);
                chain.label = Some(begun.label.clone());
            }
        }
        // Where nothing is sealed, there is nothing that a label could be wrong about.
        if texts.seals.is_empty()
            && let Some(only) = texts.labels.first()
        {
            (chain.set, chain.first) = (only.label.set, only.object.number);
            chain.label = Some(only.label.clone());
        }
        if chain.label.is_none() {
            // The first label of the set still tells what is wrong with which seal.
            let of_set = texts.labels.iter().map(|c| &c.label).find(|l| Some(l.set) == texts.set());
            chain.follow(&texts, of_set);
            chain.links.iter_mut().for_each(|l| l.trusted = false);
            chain.cover();
            chain.set = texts.set().unwrap_or(set);
            chain.claims = texts.labels.iter().map(|c| c.label.clone()).collect();
        }
        let Texts { labels, newer, .. } = texts;
        chain.check_labels(&labels, &newer);
        chain.note_newer(&newer);
        chain.sort_out_the_end();
        Ok(chain)
    }

    /// Follows the chain that begins with a label's key.
    fn follow(&mut self, texts: &Texts, label: Option<&Label>) {
        (self.links, self.overruled, self.faults) = follow_on_medium(texts, label);
        self.cover();
    }

    /// Notes which seal lists which objects. Of several the first in this order: those that fit, those that are anchored,
    /// all others.
    fn cover(&mut self) {
        let mut links: Vec<&SealLink> = self.links.iter().collect();
        links.sort_by_key(|l| (!l.trusted, !l.anchored, l.number));
        let mut covered: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for link in links {
            let before = covered.range(..=link.seal.first).next_back().map_or(0, |(_, (end, _))| *end);
            let mut first = link.seal.first.max(before);
            let later = covered.range(first..).take_while(|(from, _)| **from < link.number);
            let taken: Vec<(u64, u64)> = later.map(|(from, (end, _))| (*from, *end)).collect();
            for (from, end) in taken.into_iter().chain([(link.number, link.number)]) {
                if first < from {
                    covered.insert(first, (from, link.number));
                }
                first = first.max(end);
            }
        }
        self.covered = covered;
    }

    /// Takes a candidate as the label of the medium if a seal that fits names or lists it.
    fn counts(&mut self, candidate: &Candidate) -> bool {
        let (number, digest) = (candidate.object.number, candidate.object.digest());
        let is_named = self.links.iter().any(|l| l.trusted && l.number > number && Some(l.seal.label) == digest);
        let is_listed = self.covering(number).is_some_and(|l| l.trusted)
            && self.object(number).is_some_and(|(listed, _)| listed.agrees_with(&candidate.object));
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
        self.label.as_ref().or(self.claims.first())
    }

    /// Whether the set keeps a state that is suspected of contamination. Where no label counts, one that says so is believed:
    /// nobody is to restore such a state unawares.
    pub fn is_in_quarantine(&self) -> bool {
        self.label.iter().chain(&self.claims).any(|l| l.quarantine)
    }

    /// The seal of generation `n`: anybody can put another one behind the proven ones.
    pub fn generation(&self, n: u64) -> Option<&SealLink> {
        self.generations().filter(|l| l.seal.generation == n).min_by_key(|l| (!l.trusted, !l.anchored, l.number))
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

    /// The last seal that fits, of whatever kind; where none fits, the last.
    pub fn last_that_fits(&self) -> Option<&SealLink> {
        self.links.iter().rfind(|l| l.trusted).or(self.last())
    }

    /// The last seal, of whatever kind.
    pub fn last(&self) -> Option<&SealLink> {
        self.links.last()
    }

    /// The seal that covers object `number`.
    fn covering(&self, number: u64) -> Option<&SealLink> {
        let (_, (_, seal)) = self.covered.range(..=number).next_back().filter(|(_, (end, _))| number < *end)?;
        self.links.get(self.links.partition_point(|l| l.number < *seal))
    }

    /// All objects as the seals list them, ascending by number, each once, and the generation of the seal.
    pub fn objects(&self) -> impl Iterator<Item = (&Object, u64)> {
        self.covered.iter().flat_map(|(first, (end, _))| (*first..*end).filter_map(|number| self.object(number)))
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
        let number = |l: &&SealLink| l.seal.generation;
        let newest = self.generations().filter(|l| l.is_proven()).max_by_key(number).or(self.generations().max_by_key(number));
        newest.and_then(|l| self.generation(l.seal.generation))
    }

    /// Whether object `number` lies under a seal whose list is damaged: nothing is known of it.
    pub fn is_unlisted(&self, number: u64) -> bool {
        self.covering(number).is_some_and(|l| !l.is_list_whole)
    }

    /// The object with the first newer text behind the last seal: nothing from there on can be judged.
    pub fn newer(&self) -> Option<u64> {
        let is_newer = |f: &&Fault| matches!(f.what, FaultKind::Newer { .. }) && self.is_behind(f.object);
        self.faults.iter().find(is_newer).map(|f| f.object)
    }

    fn is_behind(&self, number: u64) -> bool {
        self.last().is_none_or(|l| l.number < number)
    }

    /// A label or a succession of a later version is a fault where a seal lists these bytes, and behind the last seal: no
    /// chain goes back to an earlier version.
    fn note_newer(&mut self, newer: &[NewerText]) {
        let counts = |n: &&NewerText| self.is_behind(n.fault.object) || self.lists(n);
        let faults: Vec<Fault> = newer.iter().filter(counts).map(|n| n.fault.clone()).collect();
        let newer_kinds = self.links.iter().flat_map(|l| &l.objects).filter(|o| o.kind.is_newer());
        let fault = |o: &Object| Fault { object: o.number, kind: o.kind, what: FaultKind::NewerKind };
        let newer_kinds: Vec<Fault> = newer_kinds.map(fault).collect();
        self.faults.extend(faults.into_iter().chain(newer_kinds));
        self.faults.sort_by_key(|f| f.object);
    }

    fn lists(&self, newer: &NewerText) -> bool {
        let listed = self.object(newer.fault.object).map(|(o, _)| o);
        listed.zip(newer.object.as_ref()).is_some_and(|(listed, there)| listed.agrees_with(there))
    }

    /// A label that a seal lists as one has to be one of the set. `labels`: those that can be decoded.
    fn check_labels(&mut self, labels: &[Candidate], newer: &[NewerText]) {
        let there = self.listing.objects.iter().filter(|o| o.kind == ObjectKind::Label).map(|o| o.number);
        let there: Vec<u64> = there.collect();
        let fault = |object| Fault { object, kind: ObjectKind::Label, what: FaultKind::Label };
        let Some(label) = &self.label else {
            self.first = there.first().copied().unwrap_or(0);
            self.faults.insert(0, fault(self.first));
            return;
        };
        let is_newer = |n| newer.iter().any(|newer| newer.fault.object == n && self.lists(newer));
        let is_of_set = |n| labels.iter().any(|c| c.object.number == n && c.label.is_of_same_set(label));
        let is_listed = |n| self.object(n).is_some_and(|(o, _)| o.kind == ObjectKind::Label);
        let wrong: Vec<Fault> =
            there.into_iter().filter(|n| is_listed(*n) && !is_of_set(*n) && !is_newer(*n)).map(fault).collect();
        self.faults.splice(..0, wrong);
    }

    /// Tells what a run may have left behind the last seal from what it cannot have left, and what cannot be judged.
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
        // What is far behind and no text of this version was never one.
        let stray = &self.stray;
        let is_none = |f: &Fault| matches!(f.what, FaultKind::Unreadable { .. } | FaultKind::Newer { .. });
        self.faults.retain(|f| !(is_none(f) && stray.iter().any(|o| (o.number, o.kind) == (f.object, f.kind))));
        if let Some(newer) = self.newer() {
            // Nothing from there on is judged, not even a seal that shares its number.
            let is_judged = |f: &Fault| f.kind != ObjectKind::Seal || matches!(f.what, FaultKind::Newer { .. });
            self.faults.retain(|f| f.object < newer || f.object == newer && is_judged(f));
            self.leftovers.retain(|o| o.number < newer);
            self.stray.clear();
        }
    }
}
