//! `azekura stamp`: a time stamp of an authority for a seal. Nothing here opens a socket: a person carries request and
//! reply.

use super::context::Context;
use super::environment::absolute;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{CommandError, io_reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::{Outcome, write_new};
use crate::cli::ui::printable::{Printable, path_name, shell_word};
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::time;
use azekura::answer::{Clipped, Text, exact, stamp as answer};
use azekura::format::limit;
use azekura::format::object::{Id, hex};
use azekura::host::files;
use azekura::job::inspect::stamp::{Options, export_request, import_reply};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Export(Export),
    Import(Import),
}

#[derive(Debug, clap::Args)]
pub struct Export {
    #[arg(long, value_name = "MEDIUM")]
    from: Option<PathBuf>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    generation: Option<u64>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Import {
    #[arg(value_name = "FILE")]
    reply: PathBuf,
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

impl Command {
    /// As JSON and help name it.
    pub fn path(&self) -> &'static str {
        match self {
            Self::Export(_) => "stamp.export",
            Self::Import(_) => "stamp.import",
        }
    }
}

pub fn run(command: Command, context: &Context) -> Result<Outcome, CommandError> {
    match command {
        Command::Export(args) => export(args, context),
        Command::Import(args) => import(&args, context),
    }
}

/// Where seals, requests and replies are kept.
fn folder(given: Option<&Path>, context: &Context) -> Result<PathBuf, CommandError> {
    match given {
        Some(dir) => Ok(absolute(dir)),
        None => context.state_dir().map(|dir| dir.join("stamps")),
    }
}

fn export(args: Export, context: &Context) -> Result<Outcome, CommandError> {
    let from = context.medium(args.from.as_deref())?;
    let folder = folder(args.to.as_deref(), context)?;
    let out = absolute(&args.out);
    let asked = export_request(&Options { from, set: args.set, generation: args.generation, folder }, &context.env(None))?;
    write_new(&out, &asked.bytes)?;
    let ((request, request_hex), (kept_seal, kept_seal_hex)) = (path_name(&out), path_name(&asked.seal));
    let (kept_request, kept_request_hex) = path_name(&asked.request);
    let answer = answer::Export {
        request,
        request_hex,
        kept_seal,
        kept_seal_hex,
        kept_request,
        kept_request_hex,
        set: Clipped::of(asked.set),
        generation: asked.generation,
        time: asked.time.as_str().into(),
        check_code: Clipped::of(asked.check_code),
        sha256: hex(&asked.sha256).into(),
    };
    Ok(Outcome::good(export_text(&answer), &answer))
}

fn export_text(answer: &answer::Export) -> String {
    let mut table = Table::default();
    table.row(find("label.request"), exact(&answer.request, answer.request_hex.as_deref()).printable());
    table.row(find("label.generation"), answer.generation.printable());
    table.row(find("label.sealed"), time(&answer.time, Lang::spoken()));
    table.row(find("label.check-code"), answer.check_code.printable());
    table.row(find("label.seal"), exact(&answer.kept_seal, answer.kept_seal_hex.as_deref()).printable());
    table.row(find("label.sha256"), answer.sha256.printable());
    format!("{}\n{}\n", table.text(), find("stamp.next"))
}

fn import(args: &Import, context: &Context) -> Result<Outcome, CommandError> {
    let folder = folder(args.to.as_deref(), context)?;
    let read = files::read_limited(&args.reply, limit::STAMP_BYTES);
    let bytes =
        read.map_err(|e| CommandError::new(message!("error.file.read", path = args.reply), Exit::Failed).cause(io_reason(&e)))?;
    let kept = import_reply(&folder, &bytes)?;
    let [seal, request, reply] = [&kept.seal, &kept.request, &kept.reply].map(|path| path_name(path));
    let answer = answer::Import {
        kept_seal: Some(seal.0),
        kept_seal_hex: seal.1,
        kept_request: Some(request.0),
        kept_request_hex: request.1,
        kept_reply: Some(reply.0),
        kept_reply_hex: reply.1,
        set: Clipped::of(kept.set),
        generation: kept.generation,
        time: kept.time.as_str().into(),
        check_code: Clipped::of(kept.check_code),
        stamped: kept.stamp.time.as_str().into(),
        serial: kept.stamp.serial.as_str().into(),
        policy: Some(kept.stamp.policy.as_str().into()),
        signature: Some("unchecked".into()),
    };
    Ok(Outcome::good(import_text(&answer), &answer))
}

/// What the stamp says, and the calls of openssl that check it.
fn import_text(answer: &answer::Import) -> String {
    let path = |path: &Option<Text>, hex: &Option<Text>| {
        OsString::from_vec(path.as_deref().map(|p| exact(p, hex.as_deref())).unwrap_or_default())
    };
    let request = path(&answer.kept_request, &answer.kept_request_hex);
    let reply = path(&answer.kept_reply, &answer.kept_reply_hex);
    let seal = path(&answer.kept_seal, &answer.kept_seal_hex);
    let mut table = Table::default();
    table.row(find("label.stamped"), format!("{} ({})", time(&answer.stamped, Lang::spoken()), answer.stamped.printable()));
    table.row(find("label.generation"), answer.generation.printable());
    table.row(find("label.sealed"), time(&answer.time, Lang::spoken()));
    table.row(find("label.check-code"), answer.check_code.printable());
    table.row(find("label.serial"), answer.serial.printable());
    table.row(find("label.policy"), answer.policy.as_ref().map(Printable::printable).unwrap_or_default());
    table.row(find("label.seal"), seal.printable());
    table.row(find("label.reply"), reply.printable());
    table.row(find("label.signature"), find("stamp.unsigned"));
    let [request, reply, seal] = [request, reply, seal].map(|path| shell_word(&path));
    let by_request = format!("openssl ts -verify -queryfile {request} -in {reply} -CAfile CA.pem");
    let by_seal = format!("openssl ts -verify -data {seal} -in {reply} -CAfile CA.pem");
    format!("{}\n{}\n\n  {by_request}\n  {by_seal}\n", table.text(), find("stamp.verify"))
}
