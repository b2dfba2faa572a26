//! `diff`: how the entries of one generation differ from those of another.

use super::{Result, check_interrupted};
use crate::env::Env;
use crate::format::entry::{Core, compare_paths};
use crate::format::object::Id;
use crate::generation::{EntryReader, Generation};
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

/// Calls `each` with every difference between two generations, in the order of the entry stream. Constant memory.
pub fn diff(options: &DiffOptions, identity: &Identity, env: &Env, mut each: impl FnMut(GenerationDifference)) -> Result<()> {
    let newest = options.before.max(options.after);
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, Some(newest), env.loader)?;
    let open = |n| Generation::open(&*opened.medium, &chain, Some(n), identity);
    merge(&open(options.before)?, &open(options.after)?, env, |PathInBoth { change, path, before, after }| {
        if let Some(change) = change {
            each(GenerationDifference { change, path, before, after });
        }
    })
}

/// A path that is in one or both of two generations.
pub(super) struct PathInBoth {
    /// `None`: both have the same entry.
    pub change: Option<Change>,
    pub path: Vec<u8>,
    pub before: Option<Box<Core>>,
    pub after: Option<Box<Core>>,
}

/// Calls `each` with every path in two generations, in the order of the entry stream. Constant memory.
pub(super) fn merge(before: &Generation, after: &Generation, env: &Env, mut each: impl FnMut(PathInBoth)) -> Result<()> {
    let (mut old, mut new) = (before.entries(), after.entries());
    let (mut a, mut b) = (next(&mut old)?, next(&mut new)?);
    loop {
        check_interrupted(env)?;
        let order = match (&a, &b) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(x), Some(y)) => compare_paths(&x.path, &y.path),
        };
        let before = if order.is_le() { std::mem::replace(&mut a, next(&mut old)?) } else { None };
        let after = if order.is_ge() { std::mem::replace(&mut b, next(&mut new)?) } else { None };
        let path = before.as_ref().or(after.as_ref()).map(|c| c.path.clone()).unwrap_or_default();
        let change = change(before.as_deref(), after.as_deref());
        each(PathInBoth { change, path, before, after });
    }
}

fn next(entries: &mut EntryReader) -> Result<Option<Box<Core>>> {
    Ok(entries.next().transpose()?.map(|r| Box::new(r.entry.core)))
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
