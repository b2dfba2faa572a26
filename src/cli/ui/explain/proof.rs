//! Errors of proofs and time stamps.

use super::{CommandError, io_reason, reason};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::text::message;
use crate::cli::ui::words;
use azekura::job::inspect::prove::{ProofError, ProveError};
use azekura::job::inspect::stamp::StampError;

impl From<ProveError> for CommandError {
    fn from(error: ProveError) -> Self {
        use ProveError as E;
        match error {
            E::Interrupted => Self::new(message!("error.interrupted-reading"), Exit::Interrupted),
            E::Open(e) => e.into(),
            E::Generation(e) => e.into(),
            E::NotFound { path, generation } => {
                Self::new(message!("error.prove.not-found", path = path, generation = generation), Exit::Failed)
            }
            E::Refused { generation, refused } if refused.is_newer() => {
                let message = message!("error.prove.newer", path = refused.path, generation = generation);
                Self::new(message, Exit::Damage).cause(reason(&refused.why))
            }
            E::Refused { generation, refused } => {
                let message = message!("error.prove.refused", path = refused.path, generation = generation);
                Self::new(message, Exit::Damage).cause(reason(&refused.why))
            }
            E::Untrusted { generation } => Self::new(message!("error.prove.untrusted", generation = generation), Exit::Damage),
            E::Compress(e) => e.into(),
            E::TooLarge(e) => Self::new(message!("error.prove.too-large"), Exit::Failed).cause(reason(&e)),
            E::Check(e) => Self::new(message!("error.prove.check"), Exit::Failed).cause(reason(&e)),
        }
    }
}

impl From<ProofError> for CommandError {
    fn from(error: ProofError) -> Self {
        use ProofError as E;
        let bad = |message| Self::new(message, Exit::Damage);
        match error {
            E::NoAnchor => Self::new(message!("error.proof.no-anchor"), Exit::Usage),
            E::Malformed(e) if e.is_newer() => e.into(),
            E::Malformed(e) => bad(message!("error.proof.damaged")).cause(reason(&e)),
            E::Frame(e) => bad(message!("error.proof.damaged")).cause(reason(&e)),
            E::Chain(fault) => bad(message!("error.proof.chain")).cause(words::fault(&fault)),
            E::Succession => bad(message!("error.proof.succession")),
            E::RootKey => bad(message!("error.proof.root-key")),
            E::Code { generation, found } => bad(message!("error.proof.code", generation = generation, found = found)),
            E::NotInGeneration { generation } => bad(message!("error.proof.record", generation = generation)),
        }
    }
}

impl From<StampError> for CommandError {
    fn from(error: StampError) -> Self {
        use StampError as E;
        match error {
            E::Open(e) => e.into(),
            E::Generation(e) => e.into(),
            E::Untrusted { generation } => Self::new(message!("error.prove.untrusted", generation = generation), Exit::Damage),
            E::Io { doing: "read", path, source } => {
                Self::new(message!("error.file.read", path = path), Exit::Failed).cause(io_reason(&source))
            }
            E::Io { doing: _, path, source } => {
                Self::new(message!("error.file.write", path = path), Exit::Failed).cause(io_reason(&source))
            }
            E::OtherSeal { path } => Self::new(message!("error.stamp.other-seal", path = path), Exit::Damage),
            E::Reply(e) => Self::new(message!("error.stamp.reply"), Exit::Damage).cause(reason(&e)),
            E::Refused { status, why } => Self::new(message!("error.stamp.refused", status = status, why = why), Exit::Failed),
            E::Unknown { folder } => Self::new(message!("error.stamp.unknown", path = folder), Exit::Damage),
            E::Nonce => Self::new(message!("error.stamp.nonce"), Exit::Damage),
            E::Exists { path } => Self::new(message!("error.stamp.exists", path = path), Exit::Failed),
        }
    }
}
