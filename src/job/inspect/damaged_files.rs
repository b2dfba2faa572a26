//! The files that damage on a medium touches, by name: what a verification says of objects, in words of the hospital.
//! Needs an identity, for names are encrypted.

use super::{Result, check_interrupted};
use crate::env::Env;
use crate::event::chain_text;
use crate::format::object::{Id, ObjectKind};
use crate::generation::Generation;
use crate::pipeline::encryptor::Identity;
use crate::set::check::Damage;
use crate::set::open::OpenSet;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Files that a report lists; of each generation all are counted.
const MAX_FILES: usize = 1_000;

/// A file that has content in a damaged pack. A restore saves of it what can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedFile {
    /// Its path, beginning with its source's name.
    pub path: Vec<u8>,
    /// The first damaged pack that it has content in.
    pub object: u64,
    /// The first of consecutive generations in which it is damaged.
    pub first: u64,
    /// The last of them.
    pub last: u64,
}

/// What damage means for a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedGeneration {
    /// Its number.
    pub generation: u64,
    /// Files that have content in damaged packs.
    pub files: u64,
    /// Entries whose records cannot be read: not even their names are known.
    pub entries_lost: u64,
    /// Why nothing can be said of the generation, in English; its manifest is damaged, for example.
    pub unknown: Option<String>,
}

/// All that damage touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedFiles {
    /// The first thousand, in the order in which they were met: generation by generation, by path in each.
    pub files: Vec<DamagedFile>,
    /// More files are damaged than are listed.
    pub is_cut: bool,
    /// Generations that damage touches, ascending.
    pub generations: Vec<DamagedGeneration>,
}

/// Names what `damage` touches in all generations of a set, each entry stream read once. A generation that cannot be read
/// is part of the result. Fails if the set cannot be opened, or the medium fails.
pub fn damaged_files(from: &Path, set: Id, damage: &[Damage], identity: &Identity, env: &Env) -> Result<DamagedFiles> {
    let mut all = DamagedFiles::default();
    let is_pack = |d: &&Damage| d.object.kind == ObjectKind::Pack;
    let packs: BTreeSet<u64> = damage.iter().filter(is_pack).map(|d| d.object.number).collect();
    let is_manifest = |d: &Damage| d.object.kind == ObjectKind::Manifest;
    if packs.is_empty() && !damage.iter().any(is_manifest) {
        return Ok(all);
    }
    let (opened, chain) = OpenSet::with_content(from, Some(set), None, env.loader)?;
    let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
    for number in chain.generations().map(|l| l.seal.generation) {
        let mut found = DamagedGeneration { generation: number, files: 0, entries_lost: 0, unknown: None };
        match Generation::open(&*opened.medium, &chain, Some(number), identity) {
            Ok(generation) => all.look(&generation, &packs, &mut found, &mut known, env)?,
            Err(e) if e.is_absence() => return Err(e.into()),
            Err(e) => found.unknown = Some(chain_text(&e)),
        }
        if found.files > 0 || found.entries_lost > 0 || found.unknown.is_some() {
            all.generations.push(found);
        }
    }
    Ok(all)
}

impl DamagedFiles {
    /// Looks through one generation. `known`: of each path that is listed, its newest line.
    fn look(
        &mut self,
        generation: &Generation,
        packs: &BTreeSet<u64>,
        found: &mut DamagedGeneration,
        known: &mut HashMap<Vec<u8>, usize>,
        env: &Env,
    ) -> Result<()> {
        let mut entries = generation.entries().past_damage();
        for record in entries.by_ref() {
            check_interrupted(env)?;
            let entry = match record {
                Ok(record) => record.entry,
                Err(e) if e.is_absence() => return Err(e.into()),
                Err(e) => {
                    found.unknown = Some(chain_text(&e));
                    return Ok(());
                }
            };
            let Ok(entry) = entry else { continue };
            let Some(pack) = entry.extents.iter().map(|x| x.object).find(|o| packs.contains(o)) else { continue };
            found.files += 1;
            let number = found.generation;
            let is_full = self.files.len() == MAX_FILES;
            match known.get(&entry.core.path).and_then(|i| self.files.get_mut(*i)) {
                Some(file) if file.last + 1 == number && file.object == pack => file.last = number,
                _ if is_full => self.is_cut = true,
                _ => {
                    known.insert(entry.core.path.clone(), self.files.len());
                    self.files.push(DamagedFile { path: entry.core.path, object: pack, first: number, last: number });
                }
            }
        }
        found.entries_lost = entries.expected().saturating_sub(entries.seen());
        Ok(())
    }
}
