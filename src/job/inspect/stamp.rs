//! `stamp export`, `stamp import`: the request to a time-stamping authority, carried there by hand, and its reply.
//!
//! ```text
//! FOLDER/<set id>/00000012.head     the head of the seal, which has this number on the medium
//!                 00000012-1.tsq    the first request
//!                 00000012-1.tsr    its reply
//!                 00000012-2.tsq    a later one
//! ```
//!
//! **Invariant:** no file here is overwritten: a later stamp is a further file. A reply is kept only if it grants this
//! request over this seal. Whether an authority signed it is checked with `openssl ts -verify`, not here.

use crate::env::Env;
use crate::format::check_code::CheckCode;
use crate::format::object::Id;
use crate::format::seal::Seal;
use crate::format::stamp::{Reply, TimeStamp, TimeStampRequest};
use crate::format::{Malformed, limit};
use crate::generation::GenerationError;
use crate::host::files;
use crate::pipeline::hasher::Digests;
use crate::set::open::{OpenError, OpenSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Why a request cannot be made, or a reply not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// The set cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The set does not have the generation.
    #[error(transparent)]
    Generation(#[from] GenerationError),
    /// The chain of seals is broken between the label and this generation.
    #[error("the seal of generation {generation} cannot be trusted")]
    Untrusted {
        /// The generation.
        generation: u64,
    },
    /// A call to the system failed.
    #[error("{} cannot be {doing}", path.display())]
    Io {
        /// What was done: `made`, `read`, `written`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file with the seal has other bytes than the seal.
    #[error("{} is not the seal that was stamped", path.display())]
    OtherSeal {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are not those of a reply.
    #[error("the reply is malformed")]
    Reply(#[from] Malformed),
    /// The authority refused to stamp.
    #[error("the authority refused (status {status}): {why}")]
    Refused {
        /// `PKIStatus` of RFC 3161.
        status: u8,
        /// In the authority's words.
        why: String,
    },
    /// No seal below the folder has the hash in the reply.
    #[error("the reply is for none of the seals in {}", folder.display())]
    Unknown {
        /// Where it was searched for.
        folder: PathBuf,
    },
    /// The hash is that of the seal, but no request has the nonce of the reply: somebody else requested it.
    #[error("the reply belongs to none of the requests")]
    Nonce,
    /// The request has a reply.
    #[error("{} exists already", path.display())]
    Exists {
        /// The reply's file.
        path: PathBuf,
    },
}

type Result<T> = std::result::Result<T, StampError>;

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StampError {
    let path = path.to_owned();
    move |source| StampError::Io { doing, path, source }
}

/// Which seal is to be stamped.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the medium is.
    pub from: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// `None`: the newest.
    pub generation: Option<u64>,
    /// Where seals, requests and replies are kept.
    pub folder: PathBuf,
}

/// A request that was made, and the seal that it is for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TimeStampRequestFile {
    /// The set's id.
    pub set: Id,
    /// Number of the generation.
    pub generation: u64,
    /// When it was sealed, RFC 3339 in UTC.
    pub time: String,
    /// The check code of its seal.
    pub check_code: CheckCode,
    /// The digest that is to be stamped.
    pub sha256: [u8; 32],
    /// The file with the seal.
    pub seal: PathBuf,
    /// The file with the request.
    pub request: PathBuf,
    /// The request: a `TimeStampReq` of RFC 3161 in DER.
    pub bytes: Vec<u8>,
}

/// Makes a request for a time stamp over the head of a seal, and writes both to files. Needs no key.
pub fn export_request(options: &Options, env: &Env) -> Result<TimeStampRequestFile> {
    let opened = OpenSet::open(&options.from, options.set, env.loader)?;
    let chain = opened.chain()?;
    let link = match options.generation {
        Some(n) => chain.generation(n),
        None => chain.generations().next_back(),
    };
    let link = link.ok_or_else(|| GenerationError::not_in(&chain, options.generation))?;
    let generation = link.seal.generation;
    if !link.trusted {
        return Err(StampError::Untrusted { generation });
    }
    let bytes = link.head_bytes();
    let sha256 = sha256(&bytes);
    let folder = options.folder.join(chain.set.to_string());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(io_error("made", &folder))?;
    let seal = folder.join(head_name(link.number));
    if !write_new(&seal, &bytes)? && read(&seal, limit::HEAD_BYTES)? != bytes {
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
    let (time, check_code) = (link.seal.time.clone(), CheckCode::of(&link.digest()));
    Ok(TimeStampRequestFile { set: chain.set, generation, time, check_code, sha256, seal, request, bytes })
}

/// The name of a copy of the head of seal `number`.
fn head_name(number: u64) -> String {
    format!("{number:08}.head")
}

/// `00000012-1.tsq` beside `00000012.head`.
fn numbered(seal: &Path, n: u64) -> PathBuf {
    let stem = seal.file_stem().unwrap_or_default().to_string_lossy();
    seal.with_file_name(format!("{stem}-{n}.tsq"))
}

/// A reply that was kept, and what it says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TimeStampReplyFile {
    /// The set's id.
    pub set: Id,
    /// Number of the generation.
    pub generation: u64,
    /// When it was sealed by the host's clock, RFC 3339 in UTC.
    pub time: String,
    /// The check code of its seal.
    pub check_code: CheckCode,
    /// The file with the seal.
    pub seal: PathBuf,
    /// The file with the request.
    pub request: PathBuf,
    /// The file with the reply.
    pub reply: PathBuf,
    /// What the authority stamped.
    pub stamp: TimeStamp,
}

/// Keeps a reply beside its request. Searches for the request below `folder`; needs no medium.
pub fn import_reply(folder: &Path, reply: &[u8]) -> Result<TimeStampReplyFile> {
    let stamp = match Reply::decode(reply)? {
        Reply::Granted(stamp) => stamp,
        Reply::Refused { status, why } => return Err(StampError::Refused { status, why }),
    };
    let mut requests = Vec::new();
    for path in files_below(folder)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "tsq")) {
        // A damaged request is none that the authority could have received.
        if let Ok(request) = TimeStampRequest::decode(&read(&path, limit::STAMP_BYTES)?) {
            requests.push((path, request));
        }
    }
    requests.retain(|(_, r)| r.sha256 == stamp.sha256);
    if requests.is_empty() {
        return Err(StampError::Unknown { folder: folder.to_owned() });
    }
    let (request, _) = requests.into_iter().find(|(_, r)| Some(r.nonce) == stamp.nonce).ok_or(StampError::Nonce)?;
    let seal_path = seal_of(&request);
    let bytes = read(&seal_path, limit::HEAD_BYTES)?;
    let other = || StampError::OtherSeal { path: seal_path.clone() };
    let signed = Seal::decode(&bytes).ok().filter(|s| s.head_bytes == bytes.len()).ok_or_else(other)?;
    let seal = signed.seal;
    let name = head_name(seal.number());
    if sha256(&bytes) != stamp.sha256 || seal_path.file_name() != Some(OsStr::new(&name)) {
        return Err(other());
    }
    let reply_path = request.with_extension("tsr");
    if !write_new(&reply_path, reply)? {
        return Err(StampError::Exists { path: reply_path });
    }
    Ok(TimeStampReplyFile {
        set: seal.set,
        generation: seal.generation,
        time: seal.time,
        check_code: CheckCode::of(blake3::hash(&bytes).as_bytes()),
        seal: seal_path,
        request,
        reply: reply_path,
        stamp,
    })
}

/// `00000012.head` beside `00000012-1.tsq`.
fn seal_of(request: &Path) -> PathBuf {
    let name = request.file_stem().unwrap_or_default().to_string_lossy();
    let number = name.split('-').next().unwrap_or_default();
    request.with_file_name(format!("{number}.head"))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Digests::of(bytes, true).sha256.unwrap_or_else(|| unreachable!("SHA-256 was requested"))
}

/// The files in the folders directly below `folder`, sorted.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
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

/// Writes a new file, durably. False if the file exists, which is not changed.
fn write_new(path: &Path, bytes: &[u8]) -> Result<bool> {
    match files::write_new(path, files::PRIVATE, bytes) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        written => written.map(|()| true).map_err(io_error("written", path)),
    }
}
