//! Follows a chain from seal to seal: on a medium, and in a proof.

use super::expected::{ExpectedSeal, FoundSuccession};
use super::read::Texts;
use super::{Fault, FaultKind, SealLink};
use crate::format::label::Label;
use crate::format::object::ObjectKind;
use crate::format::seal::Seal;
use crate::format::succession::Succession;
use crate::seal::verify;

/// Follows the chain from the label's key. A seal that does not fit is a suspect: if an interrupted run left it, a later
/// seal that fits lists it as void; otherwise it is a fault. Returns the seals; those that a seal which fits lists as something
/// else; and the faults.
pub(super) fn follow_on_medium(texts: &Texts, label: Option<&Label>) -> (Vec<SealLink>, Vec<SealLink>, Vec<Fault>) {
    let Texts { seals, successions, .. } = texts;
    let set = label.map(|l| l.set).or_else(|| texts.set());
    let keys: Vec<(u64, &Seal)> = seals.iter().filter_map(|s| Some((s.number, &s.signed.as_ref().ok()?.seal))).collect();
    let mut expected = label.map(ExpectedSeal::first);
    // What a seal must fit to follow a suspect: the rest of a chain with one bad seal is only one fault.
    let mut astray: Option<ExpectedSeal> = None;
    let (mut links, mut overruled, mut suspects): (Vec<SealLink>, Vec<SealLink>, Vec<Fault>) = Default::default();
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
        let (seal, head) = (&signed.seal, &read.head[..]);
        let elsewhere = seal.number() != read.number;
        if elsewhere || set.is_some_and(|set| set != seal.set) {
            let why = || format!("it is seal {}", seal.number());
            let what = if elsewhere { FaultKind::Unreadable { why: why() } } else { FaultKind::OutOfPlace };
            suspects.push(suspect(read.number, what));
            astray = None;
            continue;
        }
        let succession = successions.iter().find(|s| Some(s.digest) == seal.succession && s.number < read.number);
        let misfit = |e: &ExpectedSeal| e.misfit(signed, head, succession.filter(|s| s.number >= e.first));
        let fits = |e: &ExpectedSeal| misfit(e).is_none();
        let new = |trusted| SealLink::of_seal(signed, read, trusted, succession);
        if let Some(e) = expected.as_ref().filter(|e| fits(e)) {
            let new = new(true);
            suspects.retain(|f| f.object < seal.first || !new.is_list_whole);
            overruled.extend(links.extract_if(.., |l| l.number >= seal.first));
            if !new.is_list_whole {
                suspects.push(suspect(read.number, FaultKind::List));
            }
            (expected, astray) = (Some(e.after(seal, &new.head)), None);
            links.push(new);
            continue;
        }
        let known_break = suspects.iter().any(|f| f.object + 1 == seal.first && f.what != FaultKind::List);
        if !(astray.as_ref().is_some_and(fits) || known_break) {
            let what = match expected.as_ref().and_then(misfit) {
                // Without the label no key is known, and the label itself is a fault already.
                None => None,
                Some(FaultKind::Missing) => Some((seal.first.saturating_sub(1), FaultKind::Missing)),
                Some(FaultKind::Signature) => {
                    let later = keys.iter().find(|(n, s)| *n >= read.number && verify(signed, head, &s.next));
                    let later = later.map(|(_, s)| FaultKind::SignedByLaterKey { generation: s.generation + 1 });
                    Some((read.number, later.unwrap_or(FaultKind::Signature)))
                }
                Some(other) => Some((read.number, other)),
            };
            suspects.extend(what.map(|(object, what)| suspect(object, what)));
        }
        let new = new(false);
        astray = Some(ExpectedSeal::after_bad(seal, &new.head));
        links.push(new);
    }
    // No chain goes back to an earlier version.
    let last = links.last().map_or(0, |l| l.number);
    for f in suspects.iter_mut().filter(|f| matches!(f.what, FaultKind::Newer { .. }) && f.object < last) {
        f.what = FaultKind::Unreadable { why: "a later version, before a seal of this one".into() };
    }
    (links, overruled, suspects)
}

/// The heads of a proof, checked without a medium.
#[derive(Debug, Clone)]
pub struct FollowedChain {
    /// The last seal.
    pub last: SealLink,
    /// How many successions the chain has. Their signatures were not checked: the label is not part of a proof.
    pub successions: u64,
}

/// Checks heads without their medium, from the first seal on: range, previous digests, tree and signature of each. Returns
/// the last one, or the fault that breaks the chain. A text that is a succession comes before the head that names it.
///
/// Without the root key the first signature is not checked. The chain is then consistent but unproven until its last head
/// is compared with a check code that was kept elsewhere.
pub fn follow<'b>(texts: impl Iterator<Item = &'b [u8]>, root_key: Option<[u8; 32]>) -> Result<FollowedChain, Fault> {
    let fault = |object, what| Fault { object, kind: ObjectKind::Seal, what };
    let mut expected = ExpectedSeal::unlabelled(root_key);
    let (mut last, mut successions): (Option<SealLink>, u64) = (None, 0);
    let mut succession: Option<FoundSuccession> = None;
    for bytes in texts {
        let unreadable = |e: crate::format::Malformed| fault(expected.first, FaultKind::unreadable(&e));
        if bytes.starts_with(b"azekura succession ") {
            let signed = Succession::decode(bytes).map_err(unreadable)?;
            let digest = *blake3::hash(bytes).as_bytes();
            if succession.replace(FoundSuccession { number: 0, digest, signed, bytes: bytes.to_vec() }).is_some() {
                return Err(fault(expected.first, FaultKind::Succession));
            }
            continue;
        }
        let signed = Seal::decode(bytes).map_err(unreadable)?;
        if signed.head_bytes != bytes.len() {
            return Err(fault(expected.first, FaultKind::Unreadable { why: "something follows the head".into() }));
        }
        let named = succession.take();
        successions += u64::from(named.is_some());
        let is_named = signed.seal.succession.is_some() == named.is_some();
        match expected.misfit(&signed, bytes, named.as_ref()) {
            Some(misfit) => return Err(fault(signed.seal.number(), misfit)),
            None if !is_named => return Err(fault(signed.seal.number(), FaultKind::Succession)),
            None => {}
        }
        let link = SealLink::of_head(&signed, bytes);
        expected = expected.after(&signed.seal, &link.head);
        last = Some(link);
    }
    match (last, succession) {
        (Some(last), None) => Ok(FollowedChain { last, successions }),
        _ => Err(fault(expected.first, FaultKind::Missing)),
    }
}
