//! Whether a medium of the ledger is attached now: what stands in a dock was not taken anywhere.
//!
//! **Invariant:** a medium is called detached only if neither the place where the ledger saw it last, nor any file system that
//! is mounted, nor the hardware that is plugged in shows it.

use crate::host::ledger::{LedgerContent, MediumAccount, only_with_device};
use crate::medium::tape::st;
use crate::medium::{MediumError, Sets, device_name, disk_with_name, mount_points};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where a medium is attached now: its folder, or the node of its disk where it is not mounted. `None` if it is nowhere.
/// `places` are folders where it may be, too. A tape drive is not opened: that would load a cartridge which somebody has
/// ejected.
pub fn attached_at(account: &MediumAccount, book: &LedgerContent, places: &[&Path]) -> Result<Option<PathBuf>, MediumError> {
    let media = book.media();
    let seen_at = account.at.as_deref().map(Path::new);
    // A copy has the same set as its original. It is told apart by the hardware, and by the place where the ledger saw it.
    let twins = media.values().filter(|m| m.set == account.set && m.name != account.name);
    let twins: Vec<(Option<&str>, Option<&Path>)> =
        twins.map(|m| (m.device.as_deref(), m.at.as_deref().map(Path::new))).collect();
    let is_twin = |at: &Path| {
        let device = device_name(at);
        let is_other = device.is_some() && account.device.is_some() && device != account.device;
        let is_of_twin = |(known, place): &(Option<&str>, Option<&Path>)| {
            device.is_some() && *known == device.as_deref() || *place == Some(at)
        };
        let is_ours = device.is_some() && device == account.device || seen_at == Some(at);
        !twins.is_empty() && (is_other || !is_ours && twins.iter().any(is_of_twin))
    };
    let named = seen_at.into_iter().chain(places.iter().copied()).map(Path::to_owned);
    let mut looked = BTreeSet::new();
    for at in named.filter(|at| !st::is_drive(at)) {
        if looked.insert(at.clone()) && has_set(&at, &account.set)? && !is_twin(&at) {
            return Ok(Some(at));
        }
    }
    for at in mounted_elsewhere(seen_at) {
        // What cannot be read there says nothing: it may be anybody's.
        if looked.insert(at.clone()) && has_set(&at, &account.set).unwrap_or(false) && !is_twin(&at) {
            return Ok(Some(at));
        }
    }
    let alone = only_with_device(&media, account.device.as_deref()).is_some();
    Ok(account.device.as_deref().filter(|_| alone).and_then(disk_with_name))
}

/// The folders of all mounted file systems that may be a medium's: the root of each, and the folder in it that is called as
/// the one where the medium was seen.
fn mounted_elsewhere(seen_at: Option<&Path>) -> Vec<PathBuf> {
    let names: Vec<_> = seen_at.map(|at| at.components().skip(1).collect()).unwrap_or_default();
    let ends = (0..names.len()).map(|from| names[from..].iter().collect::<PathBuf>());
    let ends: Vec<PathBuf> = std::iter::once(PathBuf::new()).chain(ends).collect();
    let below = |point: PathBuf| {
        let of_end = |end: &PathBuf| if end.as_os_str().is_empty() { point.clone() } else { point.join(end) };
        ends.iter().map(of_end).collect::<Vec<_>>()
    };
    mount_points().into_iter().flat_map(below).collect()
}

fn has_set(at: &Path, set: &str) -> Result<bool, MediumError> {
    match at.join(crate::medium::FOLDER).symlink_metadata() {
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return Ok(false),
        _ => {}
    }
    let sets = match Sets::find(at) {
        Ok(sets) => sets,
        Err(MediumError::NotFound { .. } | MediumError::NotADirectory { .. } | MediumError::Gone { .. }) => return Ok(false),
        Err(e) => return Err(e),
    };
    Ok(sets.ids().iter().any(|id| id.to_string() == set))
}
