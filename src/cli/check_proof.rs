//! `azekura check-proof`: a proof against what is on paper. Needs no medium, no state, no configuration and no
//! identity.

use super::caged::{self, Needs};
use super::context::Context;
use super::find::kind;
use super::noted::{tell_whose, written_with};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{CommandError, io_reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{count, time};
use crate::cli::ui::words;
use azekura::answer::proof::{Anchor, Content, Proof, State};
use azekura::answer::{Clipped, exact, name};
use azekura::env::time_text;
use azekura::format::check_code::WrittenCode;
use azekura::format::entry::{ContentState, EntryKind};
use azekura::format::limit;
use azekura::format::object::hex;
use azekura::host::files;
use azekura::job::inspect::prove::{Anchors, Mismatch, ProofError, ProveError, ProvedFacts, check, compare};
use rustix::fs::OFlags;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "FILE")]
    proof: PathBuf,
    #[arg(long, value_name = "KEY", value_parser = crate::cli::ui::values::root_key)]
    root_key: Option<[u8; 32]>,
    #[arg(long, value_name = "CODE", value_parser = crate::cli::ui::values::check_code)]
    expect: Option<WrittenCode>,
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    let anchors = Anchors { root_key: args.root_key, code: args.expect };
    if anchors.is_empty() {
        // Before the file is looked at: what it says must not be taken for checked.
        return Err(ProofError::NoAnchor.into());
    }
    let proof = files::read_limited(&args.proof, limit::PROOF_BYTES).map_err(unreadable(&args.proof))?;
    // The cage does not reach the ledger.
    let written = args.expect.and_then(|code| written_with(context, &code));
    let record = args.record.as_deref().map(|path| (path, open_record(path)));
    caged::enter(context, &Needs::default());
    let facts = check(&proof, anchors).inspect_err(|e| {
        if let ProofError::Code { .. } = e {
            tell_whose(written, context);
        }
    })?;
    let mismatch = match record {
        Some((path, opened)) => compare_file(path, opened, &facts, context)?,
        None => None,
    };
    if facts.successions > 0 {
        context.warn(&message!("proof.successions", count = count(facts.successions)));
    }
    match facts.core.state {
        ContentState::Good => {}
        ContentState::Changed => context.warn(&message!("proof.changed")),
        ContentState::Unreadable { .. } => context.warn(&message!("proof.unreadable")),
    }
    let exit = if mismatch.is_none() { Exit::Good } else { Exit::Damage };
    let answer = answer(&facts, args, mismatch);
    Ok(Outcome::new(exit, text(&answer, args, mismatch), &answer))
}

/// A named pipe is opened at once, too: reading waits for its writer.
fn open_record(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)
}

fn compare_file(
    path: &Path,
    opened: io::Result<File>,
    facts: &ProvedFacts,
    context: &Context,
) -> Result<Option<Mismatch>, CommandError> {
    let env = context.env(None);
    let compared = opened.and_then(|f| compare(&facts.core, &f, &env));
    compared.map_err(|e| if env.is_interrupted() { ProveError::Interrupted.into() } else { unreadable(path)(e) })
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> CommandError {
    move |e| CommandError::new(message!("error.file.read", path = path), Exit::Failed).cause(io_reason(&e))
}

/// For paper: every fact that the proof shows, and what it was compared with. The root key and the record's path are
/// those that were given, the size of a record that does not fit is that of the file: none of them is in the answer.
fn text(answer: &Proof, args: &Args, mismatch: Option<Mismatch>) -> String {
    let mut table = Table::default();
    let mut row = |label: &str, value: String| table.row(find(label), value);
    row("label.path", exact(&answer.path, answer.path_hex.as_deref()).printable());
    if let Some(first) = &answer.link_to {
        row("label.link-to", exact(first, answer.link_to_hex.as_deref()).printable());
    }
    match answer.kind {
        Some(EntryKind::File) if answer.state == Some(State::Unreadable) => row("label.size", find("find.unread")),
        Some(EntryKind::File) => row("label.size", message!("proof.bytes", count = count(answer.size)).to_string()),
        other => row("label.kind", other.map(kind).unwrap_or_default().into()),
    }
    if let Some(target) = &answer.target {
        row("label.target", exact(target, answer.target_hex.as_deref()).printable());
    }
    row("label.modified", exact_time(answer.mtime.as_deref().unwrap_or_default()));
    if let Some(blake3) = &answer.blake3 {
        row("label.sha256", answer.sha256.as_ref().map_or_else(|| find("proof.no-sha256"), Printable::printable));
        row("label.blake3", blake3.printable());
    }
    if let (Some(blake3), Some(holes)) = (&answer.stored_blake3, answer.hole_bytes) {
        let sha256 = answer.stored_sha256.as_ref().map_or_else(|| find("proof.no-sha256"), Printable::printable);
        row("label.stored-sha256", sha256);
        row("label.stored-blake3", blake3.printable());
        row("label.holes", message!("proof.holes", count = count(holes)).to_string());
    }
    row("label.set", answer.set.as_ref().map(Printable::printable).unwrap_or_default());
    let (number, record, records) = (answer.generation, answer.record + 1, answer.records);
    row("label.generation", message!("proof.generation", number = number, record = record, count = records).to_string());
    row("label.sealed", exact_time(&answer.time));
    if let Some((verdict, read_back)) = answer.verdict.zip(answer.read_back) {
        row("label.verdict", words::verdict(verdict, read_back).to_string());
    }
    row("label.check-code", answer.check_code.printable());
    if let Some(key) = args.root_key {
        row("label.root-key", hex(&key));
    }
    row("label.held-against", anchors(answer).to_string());
    if let Some(record) = &args.record {
        row("label.record", record.printable());
    }
    let is_unread = answer.state == Some(State::Unreadable);
    row("label.result", result(args.record.is_some(), is_unread, mismatch).to_string());
    let shows = if is_unread { "proof.shows-name" } else { "proof.shows" };
    format!("{}\n{}\n", table.text(), find(shows))
}

/// As people read it, and exactly as the seal or the record has it.
fn exact_time(rfc3339: &str) -> String {
    format!("{} ({})", time(rfc3339, Lang::spoken()), rfc3339.printable())
}

fn anchors(answer: &Proof) -> Message {
    let anchors = answer.anchors.as_ref().map_or(&[][..], |a| &a.first);
    match (anchors.contains(&Anchor::RootKey), anchors.contains(&Anchor::CheckCode)) {
        (true, true) => message!("proof.against.both"),
        (true, false) => message!("proof.against.root-key"),
        (false, _) => message!("proof.against.code"),
    }
}

fn result(compared: bool, is_unread: bool, mismatch: Option<Mismatch>) -> Message {
    match mismatch {
        None if is_unread => message!("proof.good-name"),
        None if compared => message!("proof.good-record"),
        None => message!("proof.good"),
        Some(Mismatch::NoContent) => message!("proof.no-content"),
        Some(Mismatch::Size { found }) => message!("proof.other-size", found = count(found)),
        Some(Mismatch::Digest) => message!("proof.other-digest"),
    }
}

/// What a proof shows, as `prove` and `check-proof` print and show it.
pub fn proof(facts: &ProvedFacts) -> Proof {
    let (core, seal) = (&facts.core, &facts.seal.seal);
    let word = |digest: [u8; 32]| hex(&digest).into();
    let (path, path_hex) = name(&core.path);
    let (link_to, link_to_hex) = core.link_to.as_ref().map(|n| name(n)).unzip();
    let (target, target_hex) = core.target.as_ref().map(|n| name(n)).unzip();
    Proof {
        proof: None,
        proof_hex: None,
        bytes: None,
        root_key: None,
        path,
        path_hex,
        link_to,
        link_to_hex: link_to_hex.flatten(),
        target,
        target_hex: target_hex.flatten(),
        kind: Some(core.kind),
        size: core.size,
        mtime: Some(time_text(core.mtime).into()),
        state: Some(core.state.into()),
        sha256: core.whole().and_then(|d| d.sha256).map(word),
        blake3: core.whole().map(|d| word(d.blake3)),
        stored_sha256: core.stored().and_then(|d| d.sha256).map(word),
        stored_blake3: core.stored().map(|d| word(d.blake3)),
        hole_bytes: core.stored().map(|_| core.holes.iter().map(|h| h.length).sum()),
        set: Some(Clipped::of(seal.set)),
        generation: seal.generation,
        time: seal.time.as_str().into(),
        verdict: Some(seal.verdict),
        read_back: Some(seal.read_back),
        check_code: Clipped::of(facts.check_code),
        seal_blake3: Some(hex(&facts.seal.digest()).into()),
        record: facts.index,
        records: seal.record_count,
        anchors: None,
        content: None,
    }
}

fn answer(facts: &ProvedFacts, args: &Args, mismatch: Option<Mismatch>) -> Proof {
    let anchors = [(Anchor::RootKey, args.root_key.is_some()), (Anchor::CheckCode, args.expect.is_some())];
    let content = args.record.as_ref().map(|_| match mismatch {
        None => Content::Same,
        Some(Mismatch::NoContent) => Content::NoContent,
        Some(Mismatch::Size { .. }) => Content::Size,
        Some(Mismatch::Digest) => Content::Digest,
    });
    let anchors = anchors.into_iter().filter(|(_, given)| *given).map(|(anchor, _)| anchor).collect();
    Proof { anchors: Some(anchors), content: Some(content), ..proof(facts) }
}
