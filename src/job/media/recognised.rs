//! Which medium of the ledger is at a path. A copy has the same label as its original, byte for byte: only the hardware tells them
//! apart, or the folder.
//!
//! **Invariant:** that a medium is damaged or at the host counts for each that it may be; that it is good only for one that no other
//! can be.

use crate::env::Env;
use crate::format::object::Id;
use crate::host::ledger::{Ledger, LedgerContent, LedgerError, LedgerEvent, MediumAccount, OutOfUse, only_with_device};
use crate::medium::{FOLDER, device_name, is_mounted};
use std::collections::BTreeMap;
use std::path::Path;

/// Check codes of the copies that the medium at a path may be: not where its hardware, or the place where the ledger saw it,
/// is that of the medium that backups are written to.
pub fn copies_at(book: &LedgerContent, set: Id, at: &Path) -> Vec<String> {
    let (id, device, media) = (set.to_string(), device_name(at), book.media());
    let of_set = || media.values().filter(|m| m.set == id);
    let is_it = |m: &MediumAccount| match (&device, &m.device) {
        (Some(here), Some(known)) => here == known,
        _ => m.at.as_deref().is_some_and(|known| Path::new(known) == at),
    };
    if of_set().any(|m| !m.is_copy && is_it(m)) {
        return Vec::new();
    }
    let may_be = |m: &&MediumAccount| m.is_copy && (device.is_none() || m.device.is_none() || m.device == device);
    of_set().filter(may_be).filter_map(|m| Some(m.written.as_ref()?.2.clone())).collect()
}

/// Whether the medium at a path may be a copy that was begun and never finished: it has what it has.
pub fn may_be_begun_copy(book: &LedgerContent, set: Id, at: &Path) -> bool {
    may_be_at(&book.media(), set, at).iter().any(|m| m.is_copy && m.written.is_none())
}

/// The medium of a set that is attached at a path: the only one that it may be, or the one in hardware of that name.
pub(super) fn medium_at<'m>(media: &'m BTreeMap<String, MediumAccount>, set: Id, at: &Path) -> Option<&'m MediumAccount> {
    match &may_be_at(media, set, at)[..] {
        [only] => Some(*only),
        _ => only_with_device(media, device_name(at).as_deref()).filter(|m| m.set == set.to_string()),
    }
}

/// The medium of a set that is at a path, where no other one of the ledger can be there: a copy has the same label as its
/// original, byte for byte, and only the hardware or the folder tells them apart.
fn told_apart<'m>(media: &'m BTreeMap<String, MediumAccount>, set: Id, at: &Path) -> Option<&'m MediumAccount> {
    let (id, device) = (set.to_string(), device_name(at));
    let medium = medium_at(media, set, at)?;
    let is_in_other_hardware = |m: &MediumAccount| m.device.is_some() && m.device != device;
    let is_known_hardware = only_with_device(media, device.as_deref()).is_some_and(|m| m.name == medium.name);
    let here = at.canonicalize().ok();
    let is_elsewhere = |m: &MediumAccount| {
        let place = m.at.as_deref().filter(|_| !m.was_mounted).and_then(|at| Path::new(at).canonicalize().ok());
        place.is_some_and(|place| Some(&place) != here.as_ref() && place.join(FOLDER).join(&id).is_dir())
    };
    let may_be_here = |m: &&MediumAccount| m.set == id && m.name != medium.name && m.out_of_use != Some(OutOfUse::Disposed);
    let mut twins = media.values().filter(may_be_here);
    (is_known_hardware || twins.all(|m| is_in_other_hardware(m) || is_elsewhere(m))).then_some(medium)
}

/// The same for what clears damage: hardware that the ledger knows otherwise may have a copy that it does not know.
pub(super) fn medium_surely_at<'m>(media: &'m BTreeMap<String, MediumAccount>, set: Id, at: &Path) -> Option<&'m MediumAccount> {
    told_apart(media, set, at).filter(|m| m.device.is_none() || m.device == device_name(at))
}

/// Enters that media of the ledger are attached at a path, where the ledger does not say so. Whatever the command is for, and
/// whether it writes to them or not: what is at the host is in no safe.
pub fn recognise(state: &Path, sets: &[Id], at: &Path, env: &Env) -> Result<(), LedgerError> {
    let ledger = Ledger::of(state);
    let media = ledger.read()?.media();
    let mut here: Vec<&MediumAccount> = sets.iter().filter_map(|set| told_apart(&media, *set, at)).collect();
    here.dedup_by(|a, b| a.name == b.name);
    for m in here.into_iter().filter(|m| !m.at_host || m.location.is_some()) {
        let (medium, at, mounted) = (m.name.clone(), at.display().to_string(), is_mounted(at));
        // What hardware it is in tonight does not become its own.
        let device = device_name(Path::new(&at)).filter(|here| m.device.as_ref() == Some(here));
        ledger.write(&env.time_text(), LedgerEvent::Attached { medium, at, device, mounted })?;
    }
    Ok(())
}

/// The media of a set that the one at a path may be. A folder of the host that is no mount point is where the ledger saw it,
/// and nowhere else: one that is there is this one, and one that still is at another place is not.
pub(super) fn may_be_at<'m>(media: &'m BTreeMap<String, MediumAccount>, set: Id, at: &Path) -> Vec<&'m MediumAccount> {
    let id = set.to_string();
    let of_set: Vec<&MediumAccount> = media.values().filter(|m| m.set == id).collect();
    let own_place = |m: &MediumAccount| {
        let place = Path::new(m.at.as_deref().filter(|_| !m.was_mounted)?);
        // Through a link anything may be there, one disk tonight and another one tomorrow.
        let is_folder = place.canonicalize().is_ok_and(|there| there == place) && device_name(place) == m.device;
        is_folder.then(|| place.to_owned())
    };
    let here = at.canonicalize().ok().filter(|_| !is_mounted(at));
    let is_here = |m: &&&MediumAccount| here.is_some() && own_place(m) == here;
    if let [only] = of_set.iter().filter(is_here).collect::<Vec<_>>()[..] {
        return vec![*only];
    }
    let is_elsewhere =
        |m: &MediumAccount| own_place(m).is_some_and(|p| Some(&p) != here.as_ref() && p.join(FOLDER).join(&id).is_dir());
    let rest: Vec<&MediumAccount> = of_set.iter().copied().filter(|m| !is_elsewhere(m)).collect();
    // Somebody has made a copy of it without this program: it stands for the medium.
    if rest.is_empty() { of_set } else { rest }
}
