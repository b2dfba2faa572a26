//! `prove`, `check-proof`: proves one record against the seals, to somebody who has neither the medium nor an identity.
//!
//! **Invariant:** a proof is worth only as much as its anchor, which did not come with the proof: the root key or the
//! check code from paper. [`check`] returns no facts of a proof that has no anchor or is invalid.

use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::Malformed;
use crate::format::check_code::{CheckCode, WrittenCode};
use crate::format::entry::{Core, RefusedEntry};
use crate::format::merkle::{PathFinder, record_leaf_salted, record_salt, root_of_path};
use crate::format::object::Id;
use crate::format::proof::Proof;
use crate::generation::spelling::composed;
use crate::generation::{Generation, GenerationError};
use crate::pipeline::compressor::{Compressor, Decompressor, FrameError};
use crate::pipeline::encryptor::Identity;
use crate::pipeline::hasher::DigestHasher;
use crate::pipeline::read_around::{ReadAround, left_out};
use crate::seal::chain::{Chain, Fault, FollowedChain, SealLink, follow};
use crate::set::open::{OpenError, OpenSet};
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// Half of a seal is hexadecimal digits of digests, which no level compresses better than another; this one is the
/// fastest.
const LEVEL: i32 = 1;

/// Which record is to be proved.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the medium is.
    pub from: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// `None`: the newest.
    pub generation: Option<u64>,
    /// As it is named in the generation, in either Unicode form.
    pub path: Vec<u8>,
}

/// A new proof, and what it proves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewProof {
    /// The file to hand over.
    pub bytes: Vec<u8>,
    /// What it proves.
    pub facts: ProvedFacts,
    /// The public key of the first seal, from the label. The paper must have the same.
    pub root_key: [u8; 32],
}

/// Why no proof can be made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The user interrupted the job.
    #[error("the run was interrupted")]
    Interrupted,
    /// The set cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The generation cannot be opened or read.
    #[error(transparent)]
    Generation(#[from] GenerationError),
    /// The generation does not contain the path.
    #[error("generation {generation} has no such path")]
    NotFound {
        /// The path, with the name of its source.
        path: Vec<u8>,
        /// The generation that was searched.
        generation: u64,
    },
    /// The record breaks the format, or only a newer program knows it: nobody could tell what it proves.
    #[error("the record in generation {generation} is refused")]
    Refused {
        /// The generation that was searched.
        generation: u64,
        /// The record.
        refused: RefusedEntry,
    },
    /// The chain of seals is broken between the label and this generation.
    #[error("the seal of generation {generation} cannot be trusted")]
    Untrusted {
        /// The generation.
        generation: u64,
    },
    /// The compressor failed.
    #[error("the seals cannot be compressed")]
    Compress(#[from] FrameError),
    /// The proof is larger than [`limit`](crate::format::limit) permits.
    #[error("the proof would be larger than a proof may be")]
    TooLarge(#[source] Malformed),
    /// The check of the new proof failed.
    #[error("the proof is not valid")]
    Check(#[from] ProofError),
}

/// Proves that a path with its metadata and digests is a record of a generation. Reads all records of that generation,
/// because the proof needs the hashes beside the record's way to the root; reads no content.
pub fn prove(options: &Options, identity: &Identity, env: &Env, observer: &dyn Observer) -> Result<NewProof, ProveError> {
    observer.on_event(Event::Phase(Phase::Checking));
    let (set, chain) = OpenSet::with_content(&options.from, options.set, options.generation, env.loader)?;
    let generation = Generation::open(&*set.medium, &chain, options.generation, identity)?;
    let link = &generation.link;
    let number = link.seal.generation;
    let label = chain.label.as_ref().filter(|_| link.trusted).ok_or(ProveError::Untrusted { generation: number })?;
    let wanted = composed(&options.path);
    let found = match find(&generation, &|path| path == options.path, env)? {
        // In the other Unicode form: on the medium a name stays as it was.
        None => find(&generation, &|path| composed(path) == wanted, env)?,
        found => found,
    };
    let FoundRecord { name, core, index, path } =
        found.ok_or_else(|| ProveError::NotFound { path: options.path.clone(), generation: number })?;
    let (seal_lengths, seals) = seals(&chain, link.number)?;
    let salt = record_salt(&generation.set_key.record_salt_key(), &name);
    let proof = Proof { core, salt, index, path, seal_lengths, seals };
    let bytes = proof.encode().map_err(ProveError::TooLarge)?;
    let anchors = Anchors { root_key: Some(label.root_key), code: Some(CheckCode::of(&link.digest()).into()) };
    let facts = check(&bytes, anchors)?;
    Ok(NewProof { bytes, facts, root_key: label.root_key })
}

/// A record, and its way to the root.
struct FoundRecord {
    name: Vec<u8>,
    core: Vec<u8>,
    index: u64,
    path: Vec<[u8; 32]>,
}

/// The first record whose path is wanted.
fn find(generation: &Generation, is_wanted: &dyn Fn(&[u8]) -> bool, env: &Env) -> Result<Option<FoundRecord>, ProveError> {
    let seal = &generation.link.seal;
    let mut finder = PathFinder::new(seal.record_count);
    let mut found = None;
    let mut entries = generation.entries();
    while let Some(record) = entries.next() {
        if env.is_interrupted() {
            return Err(ProveError::Interrupted);
        }
        let record = record?;
        let wanted = found.is_none() && is_wanted(record.path());
        finder.push(record.leaf, wanted);
        if wanted {
            found = Some((record.path().to_vec(), entries.record()[..record.core_bytes].to_vec()));
            if let Err(refused) = record.entry {
                return Err(ProveError::Refused { generation: seal.generation, refused });
            }
        }
    }
    let found = found.zip(finder.finish());
    Ok(found.map(|((name, core), (index, path))| FoundRecord { name, core, index, path }))
}

/// The heads of all seals up to object `last`, and the successions that they name: their lengths, and all of them in one
/// frame.
fn seals(chain: &Chain, last: u64) -> Result<(Vec<u64>, Vec<u8>), ProveError> {
    let (mut lengths, mut all, mut frame) = (Vec::new(), Vec::new(), Vec::new());
    for link in chain.links.iter().take_while(|l| l.number <= last) {
        for text in link.succession.iter().cloned().chain([link.head_bytes()]) {
            lengths.push(text.len() as u64);
            all.extend(text);
        }
    }
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.compress_seals(&all, &mut frame)?;
    Ok((lengths, frame))
}

/// What a proof is checked against: what was written on paper when the generation was made, and did not come with the
/// proof.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anchors {
    /// The public key of the first seal.
    pub root_key: Option<[u8; 32]>,
    /// The check code of the record's generation.
    pub code: Option<WrittenCode>,
}

impl Anchors {
    /// Whether there is nothing to check against.
    pub fn is_empty(&self) -> bool {
        self.root_key.is_none() && self.code.is_none()
    }
}

/// What a valid proof proves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProvedFacts {
    /// The record.
    pub core: Core,
    /// The seal of the record's generation.
    pub seal: SealLink,
    /// The check code of that seal.
    pub check_code: CheckCode,
    /// The record's number in the generation, from 0.
    pub index: u64,
    /// How many successions are among the seals. Their signatures were not checked: that needs the label. Behind the first
    /// one the root key shows nothing; the check code does.
    pub successions: u64,
}

/// Why a proof proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Without an anchor, whoever made the proof may have invented everything in it.
    #[error("there is nothing to check the proof against")]
    NoAnchor,
    /// The bytes are not those of a proof.
    #[error("this is no proof, or it is damaged")]
    Malformed(#[from] Malformed),
    /// The frame with the seals cannot be decoded.
    #[error("the seals in the proof are damaged")]
    Frame(#[from] FrameError),
    /// A seal does not follow the one before.
    #[error("the seals in the proof are no chain")]
    Chain(Fault),
    /// The first signature was not made with the root key, or the proof does not contain the first seal.
    #[error("the seals in the proof do not begin with this root key")]
    RootKey,
    /// The check code is not the one on paper.
    #[error("generation {generation} of the proof has the check code {found}")]
    Code {
        /// The record's generation.
        generation: u64,
        /// The check code of its seal.
        found: CheckCode,
    },
    /// A succession is among the seals, whose signature nobody without the label can check. The root key shows nothing
    /// behind it; a check code does.
    #[error("the proof has a succession, and no check code")]
    Succession,
    /// The record does not belong to the seal.
    #[error("the record is not in generation {generation}")]
    NotInGeneration {
        /// The generation of the last seal in the proof.
        generation: u64,
    },
}

/// Checks a proof against what is on paper. One anchor is enough; if there are two, both must match.
pub fn check(bytes: &[u8], anchors: Anchors) -> Result<ProvedFacts, ProofError> {
    if anchors.is_empty() {
        return Err(ProofError::NoAnchor);
    }
    let proof = Proof::decode(bytes)?;
    let core = Core::decode_alone(&proof.core)?;
    let FollowedChain { last: seal, successions } = follow_proof(&proof, anchors.root_key)?;
    if successions > 0 && anchors.code.is_none() {
        return Err(ProofError::Succession);
    }
    let generation = seal.seal.generation;
    if seal.seal.is_closing() {
        return Err(ProofError::NotInGeneration { generation });
    }
    let check_code = CheckCode::of(&seal.digest());
    if anchors.code.as_ref().is_some_and(|c| !c.is_of(&seal.digest())) {
        return Err(ProofError::Code { generation, found: check_code });
    }
    let leaf = record_leaf_salted(&proof.salt, &proof.core);
    if root_of_path(leaf, proof.index, seal.seal.record_count, &proof.path) != Some(seal.seal.records) {
        return Err(ProofError::NotInGeneration { generation });
    }
    Ok(ProvedFacts { core, seal, check_code, index: proof.index, successions })
}

/// Checks the chain of seals in a proof.
fn follow_proof(proof: &Proof, root_key: Option<[u8; 32]>) -> Result<FollowedChain, ProofError> {
    let mut all = Vec::new();
    Decompressor::new().and_then(|mut d| d.decompress_seals(&proof.seals, &mut all))?;
    let mut rest = &all[..];
    let mut seals = Vec::new();
    for length in &proof.seal_lengths {
        let (seal, behind) = usize::try_from(*length)
            .ok()
            .and_then(|n| rest.split_at_checked(n))
            .ok_or_else(|| Malformed::new("proof", "a seal is cut short"))?;
        seals.push(seal);
        rest = behind;
    }
    if !rest.is_empty() {
        return Err(Malformed::new("proof", "bytes behind the seals").into());
    }
    let chain = |key| follow(seals.iter().copied(), key);
    chain(root_key).map_err(|fault| match chain(None) {
        // The chain itself is valid: only the key does not match.
        Ok(_) => ProofError::RootKey,
        Err(_) => ProofError::Chain(fault),
    })
}

/// How content differs from what a record says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The record describes no file, or one that could not be read: it has no digest to compare with.
    NoContent,
    /// The content has another size.
    Size {
        /// Bytes.
        found: u64,
    },
    /// The content has another digest.
    Digest,
}

/// Compares a file's content with a record: its size, and each digest that the record has. Where these leave out the
/// holes, nothing but zeros may be in them. `None`: they are equal.
pub fn compare(core: &Core, file: &File, env: &Env) -> io::Result<Option<Mismatch>> {
    let Some(recorded) = core.digests else { return Ok(Some(Mismatch::NoContent)) };
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.len() != core.size {
        return Ok(Some(Mismatch::Size { found: metadata.len() }));
    }
    let around = ReadAround {
        file,
        left_out: left_out(core),
        end: u64::MAX,
        with_sha256: recorded.either().sha256.is_some(),
        on_read: &|_| env.check(),
    };
    let found = around.read(&mut Vec::new())?;
    let digests = found.hasher.map(DigestHasher::finish);
    Ok(match (digests, found.size == core.size) {
        (Some(digests), true) if digests == *recorded.either() => None,
        (None, _) | (Some(_), true) => Some(Mismatch::Digest),
        (Some(_), false) => Some(Mismatch::Size { found: found.size }),
    })
}
