//! `azekura prove`: one record shown against the seals, in a file that can be given away.

use super::caged::{self, Needs};
use super::check_proof::proof;
use super::context::Context;
use super::environment::absolute;
use super::helper::Helper;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::{Outcome, not_written};
use crate::cli::ui::printable::{Printable, path_name};
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::bytes;
use azekura::answer::exact;
use azekura::answer::proof::Proof;
use azekura::format::object::{Id, hex};
use azekura::job::inspect::prove::{NewProof, Options, prove};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

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
    let out = absolute(&args.out);
    // No file can be made later.
    let file = Helper::for_file(&out);
    caged::enter(context, &Needs { medium: Some(&from), ..Needs::default() });
    let options = Options { from, set: args.set, generation: args.generation, path };
    let made = {
        let progress = context.progress();
        prove(&options, &identity, &context.env(None), &progress)?
    };
    file.and_then(|file| file.write(&made.bytes)).map_err(|e| not_written(&out, &e))?;
    let answer = answer(&out, &made);
    if let Some(first) = &answer.link_to {
        context.warn(&message!("prove.link", path = exact(first, answer.link_to_hex.as_deref())));
    }
    Ok(Outcome::good(text(&answer), &answer))
}

fn text(answer: &Proof) -> String {
    let mut table = Table::default();
    table.row(find("label.proof"), exact(answer.proof.as_deref().unwrap_or_default(), answer.proof_hex.as_deref()).printable());
    table.row(find("label.size"), bytes(answer.bytes.unwrap_or_default()));
    table.row(find("label.path"), exact(&answer.path, answer.path_hex.as_deref()).printable());
    table.row(find("label.generation"), answer.generation.printable());
    table.row(find("label.check-code"), answer.check_code.printable());
    table.row(find("label.root-key"), answer.root_key.as_ref().map(Printable::printable).unwrap_or_default());
    format!("{}\n{}\n", table.text(), find("prove.next"))
}

fn answer(out: &Path, made: &NewProof) -> Proof {
    let (file, file_hex) = path_name(out);
    Proof {
        proof: Some(file),
        proof_hex: file_hex,
        bytes: Some(made.bytes.len() as u64),
        root_key: Some(hex(&made.root_key).into()),
        ..proof(&made.facts)
    }
}
