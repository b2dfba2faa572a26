//! Which set on a medium is this host's to write, and how it is opened or begun.

use super::{Result, SetWriter, WriteError};
use crate::env::Env;
use crate::event::Observer;
use crate::format::Malformed;
use crate::format::label::{Fingerprint, Label};
use crate::format::object::{Id, ObjectKind};
use crate::format::seal::{Seal, Verdict};
use crate::format::set_key::SetKey;
use crate::format::text::is_text;
use crate::host::catalog::{Catalog, SealRow, SetRow};
use crate::host::state::{SetInfo, SetState, StateDir};
use crate::medium::loader::MediumRequest;
use crate::medium::tape::st::is_drive;
use crate::medium::{AttachedMedium, BrokenLabel, MediumError, SetOnMedium, Sets, Writable, bring, is_mounted};
use crate::pipeline::encryptor::Recipients;
use crate::seal::SealKeys;
use crate::seal::chain::Chain;
use crate::set::open::SealedState;
use std::path::Path;

/// What a new set is begun with.
pub struct NewSet<'a> {
    /// What people call it.
    pub name: &'a str,
    /// age recipients, at least one.
    pub recipients: &'a [String],
}

/// Where a set is to be written.
#[derive(Debug, Clone, Copy)]
pub struct WriteTarget<'a> {
    /// Where the user attaches media: a folder or a tape drive.
    pub root: &'a Path,
    /// Only this set, whatever other sets are there.
    pub only: Option<Id>,
    /// Bytes of a block on a tape that the set begins on, see [`crate::medium::tape::check_block`].
    pub block: u32,
    /// Write to a set in quarantine and to no other. Otherwise: to none in quarantine.
    pub quarantine: bool,
}

/// How the set came to be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// It was there.
    Known,
    /// A new set was begun: the medium had none.
    New,
    /// A new set was begun: the catalog of the old one is lost.
    NewWithoutCatalog,
}

/// Opens the newest set of this host on the attached medium, continues one whose last medium is full, or begins one
/// with `begin`.
pub fn open(
    target: WriteTarget,
    state: &StateDir,
    begin: Option<&NewSet>,
    env: &Env,
    observer: &dyn Observer,
) -> Result<(SetWriter, Opened)> {
    let attached = AttachedMedium::find(target.root, env.loader)?;
    let sets = wanted_sets(&attached, &target)?;
    check_quarantine(&sets, &attached, &target, state)?;
    let catalog = Catalog::open(&state.catalog())?;
    let is_blank = sets.is_blank();
    let other = name_of_other(&sets);
    let opening = Opening { target, state, attached, catalog, env, observer };

    let Sets { found, mut broken, .. } = sets;
    let (newest, without_catalog) = opening.known_sets(found, &mut broken)?;
    if let Some(known) = newest {
        return Ok((opening.open_known(known)?, Opened::Known));
    }
    let mut predecessor = without_catalog.map(|set| (set, Opened::NewWithoutCatalog));
    for broken in broken {
        match opening.judge_broken(broken)? {
            Broken::OtherHosts => {}
            Broken::NothingSealedHere(set, row) => {
                let id = set.id();
                let writer = opening.begin_medium(set, row, |attached| attached.without_interruption().open_to_write(id))?;
                return Ok((writer, Opened::Known));
            }
            Broken::NothingSealed(set) => predecessor = predecessor.or(Some((set, Opened::New))),
        }
    }
    if let Some((old, opened)) = predecessor {
        let info = old.info()?;
        let new = NewSet { name: &info.name, recipients: &info.recipients };
        return Ok((opening.begin_set(&new)?, opened));
    }
    if is_blank && let Some((set, row)) = opening.set_that_needs_a_medium()? {
        let (id, block) = (set.id(), target.block);
        let writer = opening.begin_medium(set, row, |attached| attached.without_interruption().begin(id, block))?;
        return Ok((writer, Opened::Known));
    }
    match begin {
        Some(new) => Ok((opening.begin_set(new)?, Opened::New)),
        None if is_blank => {
            let bare = !is_drive(target.root) && !is_mounted(target.root);
            Err(WriteError::Blank { path: target.root.into(), bare })
        }
        None => Err(WriteError::Unregistered { path: target.root.into(), set: other }),
    }
}

/// What somebody's set on a medium is called.
fn name_of_other(sets: &Sets) -> String {
    let named = sets.found.first().map(|s| format!("{} ({})", s.label.name, s.id));
    let broken = || sets.broken.first().map(|b| b.id.map_or_else(|| b.path.display().to_string(), |id| id.to_string()));
    named.or_else(broken).unwrap_or_default()
}

/// Begins a set on a medium, before anything is backed up: on a blank one, or `beside_others`. Returns its id.
pub fn register(target: WriteTarget, beside_others: bool, state: &StateDir, new: &NewSet, env: &Env) -> Result<Id> {
    let attached = AttachedMedium::find(target.root, env.loader)?;
    let sets = attached.sets()?;
    match beside_others {
        true => check_quarantine(&sets, &attached, &target, state)?,
        false if sets.is_blank() => {}
        false => return Err(MediumError::NotBlank { medium: target.root.display().to_string() }.into()),
    }
    let catalog = Catalog::open(&state.catalog())?;
    Ok(begin_set(target, state, attached, catalog, new, env)?.host.id())
}

/// The sets on the medium; only the one that the user named, if he did.
fn wanted_sets(attached: &AttachedMedium, target: &WriteTarget) -> Result<Sets> {
    let mut sets = attached.sets()?;
    if let Some(only) = target.only {
        sets.found.retain(|s| s.id == only);
        sets.broken.retain(|b| b.id == Some(only));
        if sets.is_blank() {
            return Err(MediumError::NoSuchSet { path: target.root.into(), set: only }.into());
        }
    }
    Ok(sets)
}

/// Refuses a medium that has sets in quarantine and others, or would have them.
fn check_quarantine(sets: &Sets, attached: &AttachedMedium, target: &WriteTarget, state: &StateDir) -> Result<()> {
    let mut fits = true;
    for found in &sets.found {
        // Of its own sets this host knows it; a label on the medium may be anybody's.
        fits &= match state.set(found.id).filter(SetState::is_whole) {
            Some(ours) => ours.info()?.quarantine == target.quarantine,
            None => match SealedState::of(found.id, attached, None)? {
                state if state.is_sealed => state.quarantine == target.quarantine,
                _ => true,
            },
        };
    }
    for broken in &sets.broken {
        fits &= match broken.id.and_then(|id| state.set(id)).filter(SetState::is_whole) {
            Some(ours) => ours.info()?.quarantine == target.quarantine,
            None => !target.quarantine,
        };
    }
    if fits { Ok(()) } else { Err(WriteError::NotApart { path: target.root.into(), quarantine: target.quarantine }) }
}

/// **Invariant:** a set is written to the recipients that its label was made with. Whoever could add a recipient of his
/// own, or replace ours, would leave the hospital with backups that its keys do not open, and nobody would notice
/// before they are needed.
fn check_recipients(info: &SetInfo, label: &Label) -> Result<()> {
    let ours: Vec<Fingerprint> = info.recipients.iter().map(|r| Fingerprint::of(r)).collect();
    if ours == label.recipients { Ok(()) } else { Err(WriteError::OtherRecipients { name: label.name.clone() }) }
}

/// A set of this host whose label was read.
struct KnownSet {
    label: Label,
    state: SetState,
    row: SetRow,
}

/// What a set whose label cannot be read is to this host.
enum Broken {
    OtherHosts,
    /// Nothing on this medium is sealed: the set was about to continue on it when its run ended.
    NothingSealedHere(SetState, SetRow),
    /// Its first run ended before its label was whole; it is begun again.
    NothingSealed(SetState),
}

/// The attached medium, and what this host knows.
struct Opening<'a> {
    target: WriteTarget<'a>,
    state: &'a StateDir,
    attached: AttachedMedium,
    catalog: Catalog,
    env: &'a Env<'a>,
    observer: &'a dyn Observer,
}

impl Opening<'_> {
    /// The newest set of this host: a set whose catalog was lost has been succeeded by another. Also returns a set of
    /// this host that the catalog does not know.
    fn known_sets(&self, found: Vec<SetOnMedium>, broken: &mut Vec<BrokenLabel>) -> Result<(Option<KnownSet>, Option<SetState>)> {
        let (mut known, mut without_catalog, mut unusable) = (Vec::new(), None, None);
        for on_medium in found {
            let id = on_medium.id;
            let Some(state) = self.state.set(id) else { continue };
            if let Some(why) = state.info().err().filter(|_| !state.is_whole()) {
                // Another set may have been begun beside it since.
                unusable = unusable.or(Some(why));
                continue;
            }
            let row = self.catalog.set(id)?;
            let Some(label) = self.label_that_counts(&on_medium, row, &state)? else {
                let (path, source) = (on_medium.path, Malformed::new("label", "no seal lists it"));
                broken.push(BrokenLabel { id: Some(id), path: path.clone(), why: MediumError::BadLabel { path, source } });
                continue;
            };
            check_recipients(&state.info()?, &label)?;
            let row = match row {
                // Its first run ended before the catalog recorded it. Nothing is sealed, so nothing needs to be known.
                None if !self.has_seal(id)? => Some(self.catalog.add_set(id, &label.name, &label.created)?),
                row => row,
            };
            match row {
                Some(row) => known.push(KnownSet { label, state, row }),
                None => without_catalog = Some(state),
            }
        }
        let newest = known.into_iter().max_by(|a, b| {
            let (a, b) = (&a.label, &b.label);
            a.created.cmp(&b.created).then(a.set.cmp(&b.set))
        });
        if let Some(why) = unusable.filter(|_| newest.is_none()) {
            return Err(why.into());
        }
        Ok((newest, without_catalog))
    }

    /// The label of a set of this host: one that this host has written, or one that counts. Before the first seal nothing
    /// more is known of a set than what this host has begun it with.
    fn label_that_counts(&self, set: &SetOnMedium, row: Option<SetRow>, state: &SetState) -> Result<Option<Label>> {
        let claimed = &set.label;
        let digest = blake3::hash(&claimed.encode());
        if let Some(row) = row
            && self.catalog.has_label(row, claimed.first_object, digest.as_bytes())?
        {
            return Ok(Some(claimed.clone()));
        }
        let chain = self.attached.with_set(set.id, |medium| Chain::read(medium, set.id))?;
        if let (Some(row), Some(label), false) = (row, &chain.label, chain.links.is_empty()) {
            self.catalog.put_label(row, label.first_object, blake3::hash(&label.encode()).as_bytes())?;
        }
        let info = state.info()?;
        let is_begun = chain.links.is_empty() && claimed.first_object == 0;
        let is_ours = is_begun && (&claimed.name, claimed.quarantine) == (&info.name, info.quarantine);
        let sealed = chain.label.filter(|_| !chain.links.is_empty());
        Ok(sealed.or_else(|| is_ours.then(|| claimed.clone())))
    }

    /// Whether anything that looks like a seal lies in a set.
    fn has_seal(&self, id: Id) -> Result<bool> {
        Ok(self.attached.list(id)?.objects.iter().any(|o| o.kind == ObjectKind::Seal))
    }

    /// Opens a set on its newest medium. If another one of the set is attached, that one is asked for.
    fn open_known(self, known: KnownSet) -> Result<SetWriter> {
        let KnownSet { label, state, row } = known;
        let (env, observer) = (self.env, self.observer);
        let (attached, label) = newest_medium(self.attached, self.target.root, label, &self.catalog, row, env)?;
        let mut writer = SetWriter::without_medium(self.target, state, self.catalog, row)?;
        writer.open_medium(attached, &label, env, observer)?;
        Ok(writer)
    }

    fn judge_broken(&self, broken: BrokenLabel) -> Result<Broken> {
        let Some((id, state)) = broken.id.and_then(|id| Some((id, self.state.set(id)?))) else {
            return Ok(Broken::OtherHosts);
        };
        let row = self.catalog.set(id)?;
        let last = row.map(|row| self.catalog.last_durable_seal(row)).transpose()?.flatten();
        if matches!(broken.why, MediumError::NewerFormat { .. }) {
            return Err(broken.why.into());
        }
        match (row, last) {
            (Some(row), Some(last)) => {
                let listed = self.attached.list(id)?.objects;
                let is_sealed_here = listed.iter().any(|o| o.number <= last.seal_object);
                // Else somebody has taken the set away.
                let may_be_begun = !is_sealed_here && self.goes_on_on_another(row, &last)?;
                if may_be_begun { Ok(Broken::NothingSealedHere(state, row)) } else { Err(broken.why.into()) }
            }
            _ => Ok(Broken::NothingSealed(state)),
        }
    }

    /// Whether a set goes on on another medium than the one with its last seal.
    fn goes_on_on_another(&self, row: SetRow, last: &SealRow) -> Result<bool> {
        if self.catalog.has_label_behind(row, last.seal_object)? {
            return Ok(true);
        }
        let is_continued = |bytes: &[u8]| Seal::decode(bytes).is_ok_and(|s| s.seal.verdict == Verdict::Continued);
        Ok(last.closing && is_continued(&self.catalog.seal(row, last.seal_object)?))
    }

    /// A set of this host whose last medium is full and closed.
    fn set_that_needs_a_medium(&self) -> Result<Option<(SetState, SetRow)>> {
        for (id, row) in self.catalog.sets_to_continue()? {
            if let Some(set) = self.state.set(id)
                && set.info()?.quarantine == self.target.quarantine
                && let Some(last) = self.catalog.last_durable_seal(row)?
                && self.goes_on_on_another(row, &last)?
            {
                return Ok(Some((set, row)));
            }
        }
        Ok(None)
    }

    /// Continues a set on a medium that has nothing sealed on it.
    fn begin_medium(
        self,
        state: SetState,
        row: SetRow,
        mount: impl FnOnce(AttachedMedium) -> Result<Writable, MediumError>,
    ) -> Result<SetWriter> {
        let mut writer = SetWriter::without_medium(self.target, state, self.catalog, row)?;
        writer.mounted.mount(mount(self.attached)?);
        writer.begin_medium(self.env, self.observer)?;
        Ok(writer)
    }

    fn begin_set(self, new: &NewSet) -> Result<SetWriter> {
        begin_set(self.target, self.state, self.attached, self.catalog, new, self.env)
    }
}

/// Begins a set: its state on the host first, then the label on the medium.
fn begin_set(
    target: WriteTarget,
    state: &StateDir,
    attached: AttachedMedium,
    catalog: Catalog,
    new: &NewSet,
    env: &Env,
) -> Result<SetWriter> {
    if new.recipients.is_empty() {
        return Err(WriteError::NoRecipients);
    }
    let recipients = Recipients::parse(new.recipients)?.texts().to_vec();
    if !is_text(new.name) {
        return Err(WriteError::Name);
    }
    let (mut id, mut key) = (Id([0; 16]), SetKey([0; 32]));
    (env.random)(&mut id.0);
    (env.random)(&mut key.0);
    let medium = attached.without_interruption().begin(id, target.block)?;
    let info = SetInfo { name: new.name.to_owned(), recipients, quarantine: target.quarantine };
    let set = state.create_set(id, &info, &key)?;
    SealKeys::create(&set.seal_keys())?;
    let row = catalog.add_set(id, &info.name, &env.time_text())?;
    let mut writer = SetWriter::without_medium(target, set, catalog, row)?;
    writer.mounted.mount(medium);
    writer.log.root_key = writer.host.keys.current().public();
    writer.write_label(env)?;
    Ok(writer)
}

/// The medium to continue on. If another one of the set is attached, the right one is asked for.
fn newest_medium(
    attached: AttachedMedium,
    root: &Path,
    label: Label,
    catalog: &Catalog,
    row: SetRow,
    env: &Env,
) -> Result<(AttachedMedium, Label)> {
    let Some(current) = catalog.last_medium(row)? else { return Ok((attached, label)) };
    let listed = attached.list(label.set)?.objects;
    let last = catalog.last_durable_seal(row)?;
    let first_unsealed = last.as_ref().map_or(0, |g| g.seal_object + 1);
    let has_last =
        last.is_none_or(|g| !g.closing && listed.iter().any(|o| (o.number, o.kind) == (g.seal_object, ObjectKind::Seal)));
    // A medium behind the last one that the catalog knows is accepted: its seals bring the catalog up to date.
    let is_later = label.place > current.place && label.first_object >= first_unsealed;
    if has_last || is_later || label.medium == current.medium {
        return Ok((attached, label));
    }
    drop(attached);
    let wanted = MediumRequest { set: label.set, set_name: label.name.clone(), place: current.place, blank: false };
    let wrong = match label.place == current.place {
        true => MediumError::Abandoned { medium: root.display().to_string() },
        false => MediumError::OtherMedium { path: root.to_owned(), found: label.place, wanted: current.place },
    };
    let (attached, label) = bring(env.loader, root, &wanted, Some(current.first_object), Some(wrong))?;
    Ok((attached, label.ok_or_else(|| MediumError::NoLabel { path: root.to_owned() })?))
}
