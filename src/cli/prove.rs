//! `azekura prove`: one record shown against the seals, in a file that can be given away.

use super::context::Context;
use super::environment::absolute;
use crate::cli::ui::explain::Explained;
use crate::cli::ui::output::{Outcome, Table, write_new};
use crate::cli::ui::shown::{Shown, put_name};
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::bytes;
use azekura::format::object::{Id, hex};
use azekura::job::inspect::prove::{Options, prove};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
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

pub fn run(args: Args, context: &Context) -> Result<Outcome, Explained> {
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
    let facts = &made.facts;
    if let Some(first) = &facts.core.link_to {
        context.warn(&message!("prove.link", path = first));
    }

    let root_key = hex(&made.root_key);
    let mut table = Table::default();
    table.row(find("label.proof"), out.shown());
    table.row(find("label.size"), bytes(made.bytes.len() as u64));
    table.row(find("label.path"), facts.core.path.shown());
    table.row(find("label.generation"), facts.seal.seal.generation.shown());
    table.row(find("label.check-code"), facts.check_code.shown());
    table.row(find("label.root-key"), &root_key);
    let mut object = Map::new();
    put_name(&mut object, "proof", out.as_os_str().as_bytes());
    object.insert("bytes".into(), made.bytes.len().into());
    object.insert("root_key".into(), root_key.into());
    super::check_proof::put_facts(&mut object, facts);
    Ok(Outcome::good(format!("{}\n{}\n", table.text(), find("prove.next")), Value::Object(object)))
}
