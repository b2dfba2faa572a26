//! `azekura stamp`: a time from outside for a seal. Nothing here opens a socket: request and reply are carried by hand.

use super::context::Context;
use super::environment::absolute;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{Explained, io_reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::{Outcome, Table, write_new};
use crate::cli::ui::shown::path_name;
use crate::cli::ui::shown::{Shown, shell_word};
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::time;
use azekura::answer::{Clipped, stamp as answer};
use azekura::format::limit;
use azekura::format::object::{Id, hex};
use azekura::host::files;
use azekura::job::inspect::stamp::{Options, export_request, import_reply};
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

pub fn run(command: Command, context: &Context) -> Result<Outcome, Explained> {
    match command {
        Command::Export(args) => export(args, context),
        Command::Import(args) => import(&args, context),
    }
}

/// Where seals, requests and replies are kept.
fn folder(given: Option<&Path>, context: &Context) -> Result<PathBuf, Explained> {
    match given {
        Some(dir) => Ok(absolute(dir)),
        None => context.state_dir().map(|dir| dir.join("stamps")),
    }
}

fn export(args: Export, context: &Context) -> Result<Outcome, Explained> {
    let from = context.medium(args.from.as_deref())?;
    let folder = folder(args.to.as_deref(), context)?;
    let out = absolute(&args.out);
    let asked = export_request(&Options { from, set: args.set, generation: args.generation, folder }, &context.env(None))?;
    write_new(&out, &asked.bytes)?;

    let mut table = Table::default();
    table.row(find("label.request"), out.shown());
    table.row(find("label.generation"), asked.generation.shown());
    table.row(find("label.sealed"), time(&asked.time, Lang::spoken()));
    table.row(find("label.check-code"), asked.check_code.shown());
    table.row(find("label.seal"), asked.seal.shown());
    table.row(find("label.sha256"), hex(&asked.sha256));
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
    Ok(Outcome::good(format!("{}\n{}\n", table.text(), find("stamp.next")), &answer))
}

fn import(args: &Import, context: &Context) -> Result<Outcome, Explained> {
    let folder = folder(args.to.as_deref(), context)?;
    let read = files::read_limited(&args.reply, limit::STAMP_BYTES);
    let bytes =
        read.map_err(|e| Explained::new(message!("error.file.read", path = args.reply), Exit::Failed).cause(io_reason(&e)))?;
    let kept = import_reply(&folder, &bytes)?;

    let mut table = Table::default();
    table.row(find("label.stamped"), format!("{} ({})", time(&kept.stamp.time, Lang::spoken()), kept.stamp.time.shown()));
    table.row(find("label.generation"), kept.generation.shown());
    table.row(find("label.sealed"), time(&kept.time, Lang::spoken()));
    table.row(find("label.check-code"), kept.check_code.shown());
    table.row(find("label.serial"), kept.stamp.serial.shown());
    table.row(find("label.policy"), kept.stamp.policy.shown());
    table.row(find("label.seal"), kept.seal.shown());
    table.row(find("label.reply"), kept.reply.shown());
    table.row(find("label.signature"), find("stamp.unsigned"));
    let words = [kept.request.as_os_str(), kept.reply.as_os_str(), kept.seal.as_os_str()].map(shell_word);
    let [request, reply, seal] = words;
    let by_request = format!("openssl ts -verify -queryfile {request} -in {reply} -CAfile CA.pem");
    let by_seal = format!("openssl ts -verify -data {seal} -in {reply} -CAfile CA.pem");
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
    let text = format!("{}\n{}\n\n  {by_request}\n  {by_seal}\n", table.text(), find("stamp.verify"));
    Ok(Outcome::good(text, &answer))
}
