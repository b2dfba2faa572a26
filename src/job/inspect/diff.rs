//! `diff`: how the entries of one generation differ from those of another.

use super::{RefusedEntries, Result, check_interrupted};
use crate::env::Env;
use crate::format::entry::{Core, RefusedEntry, compare_paths};
use crate::format::object::Id;
use crate::generation::{EntryRecord, Generation};
use crate::pipeline::encryptor::Identity;
use crate::set::open::OpenSet;
use std::cmp::Ordering;
use std::path::PathBuf;

/// How an entry differs between two generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only the later one has it.
    Added,
    /// Only the earlier one has it.
    Removed,
    /// Content, type, target or device.
    Content,
    /// Only permissions, owner, times, attributes.
    Metadata,
    /// Not known: the entry is refused in one of them.
    Unknown,
}

/// An entry that differs between two generations.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GenerationDifference {
    /// How it differs.
    pub change: Change,
    /// Its path, with the name of its source.
    pub path: Vec<u8>,
    /// In the earlier generation.
    pub before: Option<Box<Core>>,
    /// In the later generation.
    pub after: Option<Box<Core>>,
}

/// Which generations are to be compared.
#[derive(Debug, Clone)]
pub struct DiffOptions {
    /// Where the medium is.
    pub from: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// Number of the one.
    pub before: u64,
    /// Number of the other.
    pub after: u64,
}

/// Calls `each` with every difference between two generations, in the order of the entry stream. Constant memory. Returns
/// the entries that are refused.
pub fn diff(
    options: &DiffOptions,
    identity: &Identity,
    env: &Env,
    mut each: impl FnMut(GenerationDifference),
) -> Result<RefusedEntries> {
    let newest = options.before.max(options.after);
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, Some(newest), env.loader)?;
    let open = |n| Generation::open(&*opened.medium, &chain, Some(n), identity);
    let mut refused = RefusedEntries::default();
    merge(&open(options.before)?, &open(options.after)?, env, |PathInBoth { change, path, before, after, refused: entries }| {
        for (generation, entry) in [options.before, options.after].into_iter().zip(entries) {
            entry.into_iter().for_each(|entry| refused.add(generation, *entry));
        }
        if let Some(change) = change {
            each(GenerationDifference { change, path, before, after });
        }
    })?;
    Ok(refused)
}

/// A path that is in one or both of two generations.
pub(super) struct PathInBoth {
    /// `None`: both have the same entry.
    pub change: Option<Change>,
    pub path: Vec<u8>,
    pub before: Option<Box<Core>>,
    pub after: Option<Box<Core>>,
    /// Why the entry is refused in the earlier and in the later one. It is then neither `before` nor `after`.
    pub refused: [Option<Box<RefusedEntry>>; 2],
}

/// Calls `each` with every path in two generations, in the order of the entry stream. Constant memory.
pub(super) fn merge(before: &Generation, after: &Generation, env: &Env, mut each: impl FnMut(PathInBoth)) -> Result<()> {
    let (mut old, mut new) = (before.entries(), after.entries());
    let (mut a, mut b) = (old.next().transpose()?, new.next().transpose()?);
    loop {
        check_interrupted(env)?;
        let order = match (&a, &b) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(x), Some(y)) => compare_paths(x.path(), y.path()),
        };
        let before = if order.is_le() { std::mem::replace(&mut a, old.next().transpose()?) } else { None };
        let after = if order.is_ge() { std::mem::replace(&mut b, new.next().transpose()?) } else { None };
        let path = before.as_ref().or(after.as_ref()).map(|r| r.path().to_vec()).unwrap_or_default();
        let [(before, refused_before), (after, refused_after)] = [before, after].map(divide);
        let refused = [refused_before, refused_after];
        let change = match refused {
            [None, None] => change(before.as_deref(), after.as_deref()),
            _ => Some(Change::Unknown),
        };
        each(PathInBoth { change, path, before, after, refused });
    }
}

/// The entry of a record, or why it is refused.
fn divide(record: Option<EntryRecord>) -> (Option<Box<Core>>, Option<Box<RefusedEntry>>) {
    match record.map(|r| r.entry) {
        Some(Ok(entry)) => (Some(Box::new(entry.core)), None),
        Some(Err(refused)) => (None, Some(Box::new(refused))),
        None => (None, None),
    }
}

fn change(before: Option<&Core>, after: Option<&Core>) -> Option<Change> {
    let content = |c: &Core| (c.kind, c.size, c.content_id(), c.target.clone(), c.device, c.state);
    match (before, after) {
        (None, None) => None,
        (None, Some(_)) => Some(Change::Added),
        (Some(_), None) => Some(Change::Removed),
        (Some(a), Some(b)) if content(a) != content(b) => Some(Change::Content),
        (Some(a), Some(b)) => (!is_same(a, b)).then_some(Change::Metadata),
    }
}

/// Whether two records describe the same entry: ctime and inode number do not count, because reading or restoring a
/// file changes them.
pub(super) fn is_same(a: &Core, b: &Core) -> bool {
    Core { ctime: b.ctime, inode: b.inode, ..a.clone() } == *b
}
