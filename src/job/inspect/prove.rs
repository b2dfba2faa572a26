//! `prove`, `check-proof`: one record shown against the seals, to somebody who has neither the medium nor a key that reads it.
//!
//! **Invariant:** a proof is good only as far as it hangs on something that did not come with it: the root key or the check
//! code from paper. [`check`] gives no facts of a proof that hangs on nothing, or that does not hold.

use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::Malformed;
use crate::format::check_code::CheckCode;
use crate::format::entry::Core;
use crate::format::merkle::{PathFinder, record_leaf_salted, record_salt, root_of_path};
use crate::format::object::Id;
use crate::format::proof::Proof;
use crate::generation::{Generation, GenerationError};
use crate::pipeline::compressor::{Compressor, Decompressor, FrameError};
use crate::pipeline::encryptor::Identity;
use crate::pipeline::hasher::ContentHasher;
use crate::seal::chain::{Chain, Fault, SealLink, follow};
use crate::set::open::{OpenError, OpenSet};
use std::io::{self, Read};
use std::path::PathBuf;

/// Half of a seal is hexadecimal digits of digests, which no level makes smaller than any other; this one is the fastest.
const LEVEL: i32 = 1;

/// Which record is to be proved.
#[derive(Debug, Clone)]
pub struct Options {
    pub from: PathBuf,
    pub set: Option<Id>,
    /// `None`: the newest.
    pub generation: Option<u64>,
    /// As it stands in the generation.
    pub path: Vec<u8>,
}

/// A proof, and what it shows.
#[derive(Debug, Clone)]
pub struct Made {
    pub bytes: Vec<u8>,
    pub facts: Facts,
    /// As the label has it; paper must have the same.
    pub root_key: [u8; 32],
}

#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    #[error("the run was interrupted")]
    Interrupted,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Generation(#[from] GenerationError),
    #[error("generation {generation} has no such path")]
    NotFound { path: Vec<u8>, generation: u64 },
    /// The chain does not hold from the label to this generation.
    #[error("the seal of generation {generation} cannot be trusted")]
    Untrusted { generation: u64 },
    #[error("the seals cannot be compressed")]
    Compress(#[source] FrameError),
    #[error("the proof would be larger than a proof may be")]
    TooLarge(#[source] Malformed),
    /// What was made does not hold.
    #[error("the proof does not hold")]
    Check(#[source] ProofError),
}

/// Shows that a path with its metadata and digests is a record of a generation. Reads all records of that generation, for
/// the hashes beside the record's way, and no content.
pub fn prove(options: &Options, identity: &Identity, env: &Env, observer: &dyn Observer) -> Result<Made, ProveError> {
    observer.on_event(Event::Phase(Phase::Checking));
    let (set, chain) = OpenSet::with_content(&options.from, options.set, options.generation, env.loader)?;
    let generation = Generation::open(&*set.medium, &chain, options.generation, identity)?;
    let link = &generation.link;
    let number = link.seal.generation;
    let label = chain.label.as_ref().filter(|_| link.trusted).ok_or(ProveError::Untrusted { generation: number })?;
    let mut finder = PathFinder::new(link.seal.record_count);
    let mut core = None;
    for record in generation.entries() {
        if env.is_interrupted() {
            return Err(ProveError::Interrupted);
        }
        let record = record?;
        let wanted = record.entry.core.path == options.path;
        finder.push(record.leaf, wanted);
        if wanted {
            core = Some(record.core_bytes);
        }
    }
    let found = core.zip(finder.finish());
    let (core, (index, path)) = found.ok_or(ProveError::NotFound { path: options.path.clone(), generation: number })?;
    let (seal_lengths, seals) = seals(&chain, number)?;
    let salt = record_salt(&generation.set_key.record_salt_key(), &options.path);
    let proof = Proof { core, salt, index, path, seal_lengths, seals };
    let bytes = proof.encode().map_err(ProveError::TooLarge)?;
    let anchors = Anchors { root_key: Some(label.root_key), code: Some(CheckCode::of(&link.digest)) };
    let facts = check(&bytes, anchors).map_err(ProveError::Check)?;
    Ok(Made { bytes, facts, root_key: label.root_key })
}

/// The seals from generation 1 to `last`: their lengths, and all in one frame.
fn seals(chain: &Chain, last: u64) -> Result<(Vec<u64>, Vec<u8>), ProveError> {
    let (mut lengths, mut all, mut frame) = (Vec::new(), Vec::new(), Vec::new());
    for link in chain.links.iter().take_while(|l| l.seal.generation <= last) {
        lengths.push(link.length);
        all.extend(link.bytes());
    }
    let mut compressor = Compressor::new(LEVEL).map_err(ProveError::Compress)?;
    compressor.compress_seals(&all, &mut frame).map_err(ProveError::Compress)?;
    Ok((lengths, frame))
}

/// What a proof can hang on: things that were written down when the generation was made, and did not come with the proof.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anchors {
    /// The public key of the first seal.
    pub root_key: Option<[u8; 32]>,
    /// The check code of the record's generation.
    pub code: Option<CheckCode>,
}

impl Anchors {
    pub fn is_empty(&self) -> bool {
        self.root_key.is_none() && self.code.is_none()
    }
}

/// What a proof that holds shows.
#[derive(Debug, Clone)]
pub struct Facts {
    pub core: Core,
    /// The seal of the record's generation.
    pub seal: SealLink,
    pub check_code: CheckCode,
    /// The record's number in the generation, from 0.
    pub index: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Whoever made the proof may have made everything in it.
    #[error("nothing anchors the proof")]
    NoAnchor,
    #[error("this is no proof, or a damaged one")]
    Malformed(#[source] Malformed),
    #[error("the seals in the proof are damaged")]
    Frame(#[source] FrameError),
    #[error("the seals in the proof are no chain")]
    Chain(Fault),
    /// The first signature is not the root key's, or there is none to be checked with.
    #[error("the seals in the proof do not begin with this root key")]
    RootKey,
    #[error("the proof's generation {generation} has the check code {found}")]
    Code { generation: u64, found: CheckCode },
    #[error("the record does not lead to the seal of generation {generation}")]
    NotInGeneration { generation: u64 },
}

/// Checks a proof against what is on paper: one anchor is enough, and every one that is given must fit.
pub fn check(bytes: &[u8], anchors: Anchors) -> Result<Facts, ProofError> {
    if anchors.is_empty() {
        return Err(ProofError::NoAnchor);
    }
    let proof = Proof::decode(bytes).map_err(ProofError::Malformed)?;
    let core = Core::decode_alone(&proof.core).map_err(ProofError::Malformed)?;
    let seal = last_seal(&proof, anchors.root_key)?;
    let generation = seal.seal.generation;
    let check_code = CheckCode::of(&seal.digest);
    if anchors.code.is_some_and(|c| c != check_code) {
        return Err(ProofError::Code { generation, found: check_code });
    }
    let leaf = record_leaf_salted(&proof.salt, &proof.core);
    if root_of_path(leaf, proof.index, seal.seal.record_count, &proof.path) != Some(seal.seal.records) {
        return Err(ProofError::NotInGeneration { generation });
    }
    Ok(Facts { core, seal, check_code, index: proof.index })
}

/// Follows the seals in a proof up to the last one.
fn last_seal(proof: &Proof, root_key: Option<[u8; 32]>) -> Result<SealLink, ProofError> {
    let mut all = Vec::new();
    Decompressor::new().and_then(|mut d| d.decompress_seals(&proof.seals, &mut all)).map_err(ProofError::Frame)?;
    let mut rest = &all[..];
    let mut seals = Vec::new();
    for length in &proof.seal_lengths {
        let (seal, behind) = usize::try_from(*length)
            .ok()
            .and_then(|n| rest.split_at_checked(n))
            .ok_or_else(|| ProofError::Malformed(Malformed::new("proof", "a seal is cut short")))?;
        seals.push(seal);
        rest = behind;
    }
    if !rest.is_empty() {
        return Err(ProofError::Malformed(Malformed::new("proof", "bytes behind the seals")));
    }
    let chain = |key| follow(seals.iter().copied(), key);
    chain(root_key).map_err(|fault| match chain(None) {
        // Without the key they hold together: it is the key that does not fit.
        Ok(_) => ProofError::RootKey,
        Err(_) => ProofError::Chain(fault),
    })
}

/// How content differs from the file that a record was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The record is not of a file, or of one that could not be read: there is nothing to compare with.
    NoContent,
    Size {
        found: u64,
    },
    Digest,
}

/// Compares content with a record: its size, its BLAKE3 and, where the record has one, its SHA-256.
pub fn compare(core: &Core, mut content: impl Read) -> io::Result<Option<Mismatch>> {
    let Some(blake3) = core.blake3 else { return Ok(Some(Mismatch::NoContent)) };
    let mut hasher = ContentHasher::new(core.sha256.is_some());
    let (mut buffer, mut found) = (vec![0; 1 << 20], 0);
    loop {
        match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                hasher.update(&buffer[..n]);
                found += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let digests = hasher.finish();
    Ok(match (found == core.size, digests.blake3 == blake3 && digests.sha256 == core.sha256) {
        (true, true) => None,
        (false, _) => Some(Mismatch::Size { found }),
        (true, false) => Some(Mismatch::Digest),
    })
}
