//! `azekura prove`: one record shown against the seals, in a file that can be given away.

use super::context::Context;
use super::environment::absolute;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::{Outcome, write_new};
use crate::cli::ui::printable::Printable;
use crate::cli::ui::printable::path_name;
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::bytes;
use azekura::answer::proof::Prove;
use azekura::answer::{Clipped, exact, name};
use azekura::env::time_text;
use azekura::format::object::{Id, hex};
use azekura::job::inspect::prove::NewProof;
use azekura::job::inspect::prove::{Options, prove};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "PATH")]
    path: OsString,
    #[arg(long, value_name = "MEDIUM")]
    from: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    generation: Option<u64>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(args: Args, context: &Context) -> Result<Outcome, CommandError> {
    let from = context.medium(args.from.as_deref())?;
    let identity = context.identity(args.identity.as_deref())?;
    let mut path = args.path.into_vec();
    // As a shell completes a folder's name.
    while path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    let options = Options { from, set: args.set, generation: args.generation, path };
    let made = {
        let progress = context.progress();
        prove(&options, &identity, &context.env(None), &progress)?
    };
    let out = absolute(&args.out);
    write_new(&out, &made.bytes)?;
    let answer = answer(&out, &made);
    if let Some(first) = &answer.link_to {
        context.warn(&message!("prove.link", path = exact(first, answer.link_to_hex.as_deref())));
    }
    Ok(Outcome::good(text(&answer), &answer))
}

fn text(answer: &Prove) -> String {
    let mut table = Table::default();
    table.row(find("label.proof"), exact(&answer.proof, answer.proof_hex.as_deref()).printable());
    table.row(find("label.size"), bytes(answer.bytes));
    table.row(find("label.path"), exact(&answer.path, answer.path_hex.as_deref()).printable());
    table.row(find("label.generation"), answer.generation.printable());
    table.row(find("label.check-code"), answer.check_code.printable());
    table.row(find("label.root-key"), answer.root_key.printable());
    format!("{}\n{}\n", table.text(), find("prove.next"))
}

fn answer(out: &Path, made: &NewProof) -> Prove {
    let facts = &made.facts;
    let (core, seal) = (&facts.core, &facts.seal.seal);
    let (path, path_hex) = name(&core.path);
    let (link_to, link_to_hex) = core.link_to.as_ref().map(|n| name(n)).unzip();
    let (target, target_hex) = core.target.as_ref().map(|n| name(n)).unzip();
    let (proof, proof_hex) = path_name(out);
    Prove {
        proof,
        proof_hex,
        bytes: made.bytes.len() as u64,
        root_key: hex(&made.root_key).into(),
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
        sha256: core.sha256.map(|d| hex(&d).into()),
        blake3: core.blake3.map(|d| hex(&d).into()),
        set: Some(Clipped::of(seal.set)),
        generation: seal.generation,
        time: seal.time.as_str().into(),
        verdict: Some(seal.verdict),
        read_back: Some(seal.read_back),
        check_code: Clipped::of(facts.check_code),
        seal_blake3: Some(hex(&facts.seal.digest).into()),
        record: facts.index,
        records: seal.record_count,
    }
}
