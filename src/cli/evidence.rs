//! `azekura evidence`: a session in which everything that is asked of a medium enters a custody record.

use super::context::Context;
use super::environment::{SESSION, absolute, now, own_program};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{CommandError, io_reason};
use crate::cli::ui::output::{Outcome, document_of};
use crate::cli::ui::printable::{Printable, shell_word};
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::count;
use azekura::answer::Clipped;
use azekura::answer::evidence::{self as answer, Record};
use azekura::job::incident::evidence::{EvidenceError, RecordCheck, RecordedAnswer, StartOptions, add, check, export, start};
use std::io::ErrorKind;
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

pub fn run(command: &Command, context: &Context) -> Result<Outcome, CommandError> {
    match command {
        Command::Start(args) => run_start(args, context),
        Command::Check(args) => Ok(outcome(&check(&args.session)?, context)),
        Command::Export(args) => Ok(outcome(&export(&args.session, &args.out, &find("evidence.page"))?, context)),
    }
}

fn run_start(args: &Start, context: &Context) -> Result<Outcome, CommandError> {
    let options = StartOptions {
        from: context.medium(Some(&args.from))?,
        to: absolute(&args.to),
        by: args.by.clone(),
        witness: args.witness.clone(),
        location: args.place.clone(),
        program: own_program(),
    };
    let started = start(&options, &context.env(None))?;
    let answer = answer::Start {
        session: Clipped::of(options.to.display()),
        seals: started.seals,
        program_sha256: started.program.as_str().into(),
        medium_writable: started.writable,
    };
    if answer.medium_writable {
        context.warn(&message!("evidence.writable", path = options.from));
    }
    Ok(Outcome::good(start_text(&answer, &options.to), &answer))
}

/// `session` has the exact bytes of the folder's name, which the answer does not have.
fn start_text(answer: &answer::Start, session: &Path) -> String {
    let mut table = Table::default();
    table.row(find("label.session"), session.printable());
    table.row(find("label.seals"), count(answer.seals));
    table.row(find("label.program"), answer.program_sha256.to_string());
    let next = message!("evidence.next", command = format!("export {SESSION}={}", shell_word(session.as_os_str())));
    format!("{}{next}\n", table.text())
}

fn outcome(checked: &RecordCheck, context: &Context) -> Outcome {
    let answer = record(checked);
    answer.broken.first.iter().for_each(|line| context.warn(&message!("evidence.broken", line = line)));
    answer.files.first.iter().for_each(|name| context.warn(&message!("evidence.file", name = name)));
    let exit = if answer.is_good() { Exit::Good } else { Exit::Damage };
    let mut table = Table::default();
    record_rows(&mut table, &answer);
    table.row(find("label.result"), find(if answer.is_good() { "evidence.good" } else { "evidence.bad" }));
    Outcome::new(exit, table.text(), &answer)
}

/// The length of a record and the digest of its last line, which belongs on paper.
pub fn record_rows(table: &mut Table, record: &Record) {
    table.row(find("label.lines"), count(record.lines));
    table.row(find("label.last-line"), record.last_sha256.to_string());
}

/// What a check of a record found, as it is printed and shown.
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
    outcome: &Result<Outcome, CommandError>,
    context: &Context,
) -> Result<(), CommandError> {
    let (exit, document) = document_of(Some(command), outcome);
    let answer = RecordedAnswer { command, arguments, exit: exit.code(), result: document.as_bytes(), pages: &context.kept() };
    let Some(recorder) = context.recorder() else { return Ok(add(session, &answer, &now)?) };
    recorder.record(&answer).map_err(|source| match source.kind() {
        ErrorKind::NotFound => EvidenceError::NoRecord { path: session.to_owned() }.into(),
        _ => EvidenceError::Io { what: "written", path: session.to_owned(), source }.into(),
    })
}

/// Whether a session records the command. Commands about the session itself or about the program are not recorded.
pub fn is_recorded(command: &str) -> bool {
    !command.starts_with("evidence.") && !matches!(command, "completions" | "version" | "man" | "reference")
}

/// Refuses commands that would change a medium, or what the host knows of it.
pub fn check_allowed(command: &str) -> Result<(), CommandError> {
    match command {
        "backup" | "init" | "media.init" | "catalog.rebuild" => {
            Err(CommandError::new(message!("error.evidence.writes", command = command.replace('.', " ")), Exit::Usage))
        }
        _ => Ok(()),
    }
}

impl From<EvidenceError> for CommandError {
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
