//! `stamp export`, `stamp import`: what a time-stamping authority is asked, carried there by hand, and its reply.
//!
//! ```text
//! FOLDER/<set id>/00000012.seal     the seal, named as on the medium
//!                 00000012-1.tsq    the first request
//!                 00000012-1.tsr    its reply
//!                 00000012-2.tsq    a later one
//! ```
//!
//! **Invariant:** nothing here is written twice: a later stamp lies beside the earlier ones. A reply is kept only when it was
//! granted, over this very seal, to this very request. Whether an authority signed it is for `openssl ts -verify` to say.

use crate::env::Env;
use crate::format::check_code::CheckCode;
use crate::format::limit;
use crate::format::object::{Id, ObjectKind, file_name};
use crate::format::seal::Seal;
use crate::format::stamp::{Reply, TimeStamp, TimeStampRequest};
use crate::format::{Malformed, object};
use crate::generation::GenerationError;
use crate::host::files;
use crate::job::restore::RestoreError;
use crate::pipeline::hasher::Digests;
use crate::seal::chain::Chain;
use crate::set::open::OpenSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum StampError {
    #[error("the set cannot be read")]
    Read(#[source] RestoreError),
    /// The chain does not hold from the label to this generation.
    #[error("the seal of generation {generation} cannot be trusted")]
    Untrusted { generation: u64 },
    #[error("{} cannot be {doing}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// What lies there is not the seal that it is named after.
    #[error("{} is not the seal that was stamped", path.display())]
    OtherSeal { path: PathBuf },
    #[error("the reply cannot be understood")]
    Reply(#[source] Malformed),
    #[error("the authority refused (status {status}): {why}")]
    Refused { status: u8, why: String },
    /// No seal below the folder has the hash that the reply is over.
    #[error("the reply is over none of the seals in {}", folder.display())]
    Unknown { folder: PathBuf },
    /// It is over the seal, and no request has its nonce: somebody else asked for it.
    #[error("the reply answers none of the requests")]
    Nonce,
    #[error("{} is there already", path.display())]
    Exists { path: PathBuf },
}

type Result<T> = std::result::Result<T, StampError>;

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StampError {
    let path = path.to_owned();
    move |source| StampError::Io { doing, path, source }
}

/// Which seal is to be stamped.
#[derive(Debug, Clone)]
pub struct Options {
    pub from: PathBuf,
    pub set: Option<Id>,
    /// `None`: the newest.
    pub generation: Option<u64>,
    /// Where seals, requests and replies are kept.
    pub folder: PathBuf,
}

/// A request, and what it is about.
#[derive(Debug, Clone)]
pub struct Asked {
    pub set: Id,
    pub generation: u64,
    pub time: String,
    pub check_code: CheckCode,
    pub sha256: [u8; 32],
    /// The seal as it is kept.
    pub seal: PathBuf,
    /// The request as it is kept.
    pub request: PathBuf,
    pub bytes: Vec<u8>,
}

/// Makes a request for a time stamp over a seal, and keeps both. Needs no key.
pub fn ask(options: &Options, env: &Env) -> Result<Asked> {
    let opened = OpenSet::open(&options.from, options.set, env.loader).map_err(StampError::Read)?;
    let chain = opened.chain().map_err(StampError::Read)?;
    let link = match options.generation {
        Some(n) => chain.generation(n),
        None => chain.generations().next_back(),
    };
    let link = link.ok_or_else(|| StampError::Read(RestoreError::Generation(none_such(&chain, options.generation))))?;
    let generation = link.seal.generation;
    if !link.trusted {
        return Err(StampError::Untrusted { generation });
    }
    let bytes = link.bytes();
    let sha256 = sha256(&bytes);
    let folder = options.folder.join(chain.set.to_string());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(io_error("made", &folder))?;
    let seal = folder.join(file_name(link.number, ObjectKind::Seal));
    if !write_new(&seal, &bytes)? && read(&seal, limit::SEAL_BYTES)? != bytes {
        return Err(StampError::OtherSeal { path: seal });
    }
    let mut nonce = [0; 8];
    (env.random)(&mut nonce);
    let bytes = TimeStampRequest { sha256, nonce: u64::from_le_bytes(nonce) }.encode();
    let mut request = numbered(&seal, 1);
    for n in 2.. {
        if write_new(&request, &bytes)? {
            break;
        }
        request = numbered(&seal, n);
    }
    let (time, check_code) = (link.seal.time.clone(), CheckCode::of(&link.digest));
    Ok(Asked { set: chain.set, generation, time, check_code, sha256, seal, request, bytes })
}

fn none_such(chain: &Chain, wanted: Option<u64>) -> GenerationError {
    match (wanted, chain.generations().next(), chain.generations().next_back()) {
        (Some(wanted), Some(first), Some(last)) => {
            GenerationError::NoSuchGeneration { wanted, first: first.seal.generation, last: last.seal.generation }
        }
        _ => GenerationError::NoGeneration,
    }
}

/// `00000012-1.tsq` beside `00000012.seal`.
fn numbered(seal: &Path, n: u64) -> PathBuf {
    let stem = seal.file_stem().unwrap_or_default().to_string_lossy();
    seal.with_file_name(format!("{stem}-{n}.tsq"))
}

/// A reply that was kept, and what it says.
#[derive(Debug, Clone)]
pub struct Kept {
    pub set: Id,
    pub generation: u64,
    /// The seal's own time.
    pub time: String,
    pub check_code: CheckCode,
    pub seal: PathBuf,
    pub request: PathBuf,
    pub reply: PathBuf,
    pub stamp: TimeStamp,
}

/// Keeps an authority's reply beside the request that it answers. Looks for it among those below `folder`; needs no medium.
pub fn keep(folder: &Path, reply: &[u8]) -> Result<Kept> {
    let stamp = match Reply::decode(reply).map_err(StampError::Reply)? {
        Reply::Granted(stamp) => stamp,
        Reply::Refused { status, why } => return Err(StampError::Refused { status, why }),
    };
    let mut asked = Vec::new();
    for path in files(folder)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "tsq")) {
        // A request that is damaged is none that could be answered.
        if let Ok(request) = TimeStampRequest::decode(&read(&path, limit::STAMP_BYTES)?) {
            asked.push((path, request));
        }
    }
    asked.retain(|(_, r)| r.sha256 == stamp.sha256);
    if asked.is_empty() {
        return Err(StampError::Unknown { folder: folder.to_owned() });
    }
    let (request, _) = asked.into_iter().find(|(_, r)| Some(r.nonce) == stamp.nonce).ok_or(StampError::Nonce)?;
    let name = request.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let number = name.split('-').next().unwrap_or_default();
    let path = request.with_file_name(format!("{number}.{}", ObjectKind::Seal));
    let bytes = read(&path, limit::SEAL_BYTES)?;
    let other = || StampError::OtherSeal { path: path.clone() };
    let seal = Seal::decode(&bytes).map_err(|_| other())?.seal;
    if sha256(&bytes) != stamp.sha256
        || object::file_name(seal.number(), ObjectKind::Seal) != format!("{number}.{}", ObjectKind::Seal)
    {
        return Err(other());
    }
    let to = request.with_extension("tsr");
    if !write_new(&to, reply)? {
        return Err(StampError::Exists { path: to });
    }
    let check_code = CheckCode::of(blake3::hash(&bytes).as_bytes());
    Ok(Kept { set: seal.set, generation: seal.generation, time: seal.time, check_code, seal: path, request, reply: to, stamp })
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Digests::of(bytes, true).sha256.unwrap_or_else(|| unreachable!("it was asked for"))
}

/// The files one folder below `folder`, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = |dir: &Path| -> Result<Vec<PathBuf>> {
        let listed = fs::read_dir(dir).and_then(|entries| entries.map(|e| Ok(e?.path())).collect());
        let mut paths: Vec<PathBuf> = match listed {
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            listed => listed.map_err(io_error("read", dir))?,
        };
        paths.sort();
        Ok(paths)
    };
    let mut all = Vec::new();
    for set in list(folder)?.iter().filter(|p| p.is_dir()) {
        all.extend(list(set)?);
    }
    Ok(all)
}

fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>> {
    files::read_limited(path, limit_bytes).map_err(io_error("read", path))
}

/// Writes a file and makes it durable; false where there is one already, which stays as it is.
fn write_new(path: &Path, bytes: &[u8]) -> Result<bool> {
    match files::write_new(path, files::PRIVATE, bytes) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        written => written.map(|()| true).map_err(io_error("written", path)),
    }
}
