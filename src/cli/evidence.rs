//! `azekura evidence`: a session in which everything that is asked of a medium enters a custody record.

use super::context::Context;
use super::environment::{SESSION, absolute};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{Explained, io_reason};
use crate::cli::ui::output::{Outcome, Table, document_of};
use crate::cli::ui::shown::{Shown, shell_word};
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::count;
use azekura::answer::Clipped;
use azekura::answer::evidence::{self as answer, Record};
use azekura::env::Env;
use azekura::job::incident::evidence::{EvidenceError, RecordCheck, RecordedAnswer, StartOptions, add, check, export, start};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Start(Start),
    Check(Check),
    Export(Export),
}

#[derive(Debug, clap::Args)]
pub struct Start {
    #[arg(long, value_name = "MEDIUM")]
    from: PathBuf,
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[arg(long, value_name = "WHO")]
    by: String,
    #[arg(long, value_name = "WHO")]
    witness: String,
    #[arg(long, value_name = "WORDS")]
    place: String,
}

#[derive(Debug, clap::Args)]
pub struct Check {
    #[arg(value_name = "DIR")]
    session: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct Export {
    #[arg(value_name = "DIR")]
    session: PathBuf,
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Command {
    /// As JSON and help name it.
    pub fn path(&self) -> &'static str {
        match self {
            Self::Start(_) => "evidence.start",
            Self::Check(_) => "evidence.check",
            Self::Export(_) => "evidence.export",
        }
    }
}

pub fn run(command: &Command, context: &Context) -> Result<Outcome, Explained> {
    match command {
        Command::Start(s) => {
            let options = StartOptions {
                from: context.medium(Some(&s.from))?,
                to: absolute(&s.to),
                by: s.by.clone(),
                witness: s.witness.clone(),
                location: s.place.clone(),
                program: "/proc/self/exe".into(),
            };
            let started = start(&options, &context.env(None))?;
            if started.writable {
                context.warn(&message!("evidence.writable", path = options.from));
            }
            let mut table = Table::default();
            table.row(find("label.session"), options.to.shown());
            table.row(find("label.seals"), count(started.seals));
            table.row(find("label.program"), started.program.clone());
            let next = message!("evidence.next", command = format!("export {SESSION}={}", shell_word(options.to.as_os_str())));
            let text = format!("{}{next}\n", table.text());
            let answer = answer::Start {
                session: Clipped::of(options.to.display()),
                seals: started.seals,
                program_sha256: started.program.as_str().into(),
                medium_writable: started.writable,
            };
            Ok(Outcome::good(text, &answer))
        }
        Command::Check(c) => Ok(outcome(&check(&c.session)?, context)),
        Command::Export(e) => Ok(outcome(&export(&e.session, &e.out, &find("evidence.page"))?, context)),
    }
}

fn outcome(checked: &RecordCheck, context: &Context) -> Outcome {
    checked.broken.iter().for_each(|line| context.warn(&message!("evidence.broken", line = line)));
    checked.files.iter().for_each(|name| context.warn(&message!("evidence.file", name = name)));
    let mut table = Table::default();
    table.row(find("label.lines"), count(checked.lines));
    table.row(find("label.last-line"), checked.last.clone());
    table.row(find("label.result"), find(if checked.is_good() { "evidence.good" } else { "evidence.bad" }));
    let exit = if checked.is_good() { Exit::Good } else { Exit::Damage };
    Outcome::new(exit, table.text(), &record(checked))
}

/// What a check of a record found, for programs.
pub fn record(checked: &RecordCheck) -> Record {
    Record {
        lines: checked.lines,
        last_sha256: checked.last.as_str().into(),
        broken: checked.broken.iter().copied().collect(),
        files: checked.files.iter().map(|name| name.as_str().into()).collect(),
    }
}

/// Enters what a command answered into the record of the session.
pub fn note(
    session: &Path,
    command: &str,
    arguments: &[String],
    outcome: &Result<Outcome, Explained>,
    pages: &[(String, Vec<u8>)],
    env: &Env,
) -> Result<(), Explained> {
    let (exit, document) = document_of(Some(command), outcome);
    let answer = RecordedAnswer { command, arguments, exit: exit.code(), result: document.as_bytes(), pages };
    Ok(add(session, &answer, env)?)
}

/// What says something of a medium or of a tree; a session's own commands say it of the session.
pub fn is_recorded(command: &str) -> bool {
    !command.starts_with("evidence.") && !matches!(command, "completions" | "man" | "reference")
}

/// What would change a medium, or the host's knowledge of it, is no part of a session.
pub fn check_allowed(command: &str) -> Result<(), Explained> {
    match command {
        "backup" | "init" | "media.init" | "catalog.rebuild" => {
            Err(Explained::new(message!("error.evidence.writes", command = command.replace('.', " ")), Exit::Usage))
        }
        _ => Ok(()),
    }
}

impl From<EvidenceError> for Explained {
    fn from(error: EvidenceError) -> Self {
        match error {
            EvidenceError::NotEmpty { path } => Self::new(message!("error.evidence.not-empty", path = path), Exit::Usage),
            EvidenceError::SamePerson => Self::new(message!("error.witness"), Exit::Usage),
            EvidenceError::NoRecord { path } => Self::new(message!("error.evidence.no-record", path = path), Exit::Usage),
            EvidenceError::Io { what: _, path, source } => {
                Self::new(message!("error.evidence.io", path = path), Exit::Failed).cause(io_reason(&source))
            }
            EvidenceError::Open(e) => e.into(),
        }
    }
}
