//! `azekura report`: pages for the director and the authorities after an incident, made of a session of evidence.

mod authenticity;
pub mod builder;
mod incident;
mod readopt;
mod reconnect;
mod shared;

use super::caged::{self, Needs};
use super::context::Context;
use super::environment::{absolute, now};
use super::helper::Helper;
use crate::cli::evidence::{record, record_rows};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::{Outcome, not_written};
use crate::cli::ui::printable::{Printable, path_name};
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::{count, day_in_japan, moment, paper_day};
use azekura::answer::session::Session;
use azekura::answer::session::answers::{of_clean, of_restore, of_verify};
use azekura::answer::{exact, report as answer};
use azekura::env::TOOL;
use azekura::generation::GenerationError;
use azekura::job::incident::people::is_same_person;
use azekura::report::due::wareki;
use builder::ReportBuilder;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Incident(Incident),
    Reconnect(Reconnect),
    Authenticity(Authenticity),
    Readopt(Readopt),
}

/// The session, and the file for the page.
#[derive(Debug, clap::Args)]
pub struct Paths {
    #[arg(long, value_name = "DIR")]
    session: Option<PathBuf>,
    #[arg(long, value_name = "FILE", required_unless_present = "json")]
    out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Incident {
    #[command(flatten)]
    paths: Paths,
    #[arg(long, value_name = "DATE")]
    discovered: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Reconnect {
    #[command(flatten)]
    paths: Paths,
}

#[derive(Debug, clap::Args)]
pub struct Authenticity {
    #[command(flatten)]
    paths: Paths,
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    #[arg(long, value_name = "DATE", requires = "since")]
    until: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Readopt {
    #[command(flatten)]
    paths: Paths,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    generation: u64,
    #[arg(long, value_name = "WHO")]
    by: String,
    #[arg(long, value_name = "WHO")]
    witness: String,
}

impl Command {
    /// As JSON and help name it.
    pub fn path(&self) -> &'static str {
        match self {
            Self::Incident(_) => "report.incident",
            Self::Reconnect(_) => "report.reconnect",
            Self::Authenticity(_) => "report.authenticity",
            Self::Readopt(_) => "report.readopt",
        }
    }

    fn paths(&self) -> &Paths {
        match self {
            Self::Incident(a) => &a.paths,
            Self::Reconnect(a) => &a.paths,
            Self::Authenticity(a) => &a.paths,
            Self::Readopt(a) => &a.paths,
        }
    }
}

/// A point in time as it was typed. Without a zone it is Japan's time, as all times on these pages.
fn typed_time(typed: &str, is_end: bool) -> Result<i64, CommandError> {
    moment(typed, Lang::Ja, is_end).ok_or_else(|| CommandError::new(message!("error.history.date", date = typed), Exit::Usage))
}

pub fn run(command: &Command, context: &Context) -> Result<Outcome, CommandError> {
    let paths = command.paths();
    let none = || CommandError::new(message!("error.report.no-session"), Exit::Usage);
    let folder = paths.session.as_ref().or(context.environment.session.as_ref()).ok_or_else(none)?;
    // No file can be made later.
    let page = paths.out.as_ref().map(|out| (absolute(out), Helper::for_file(&absolute(out))));
    caged::enter(context, &Needs { folder: Some(folder), ..Needs::default() });
    let session = Session::read(folder)?;
    let mut builder = match command {
        Command::Incident(a) => {
            let discovered = a.discovered.as_deref().map(|d| typed_time(d, false)).transpose()?;
            incident::build(&session, discovered)
        }
        Command::Reconnect(_) => reconnect::build(&session),
        Command::Authenticity(a) => {
            let since = a.since.as_deref().map(|d| typed_time(d, false)).transpose()?;
            let until = a.until.as_deref().map(|d| typed_time(d, true)).transpose()?;
            authenticity::build(&session, since, until)
        }
        Command::Readopt(a) if is_same_person(&a.by, &a.witness) => {
            return Err(CommandError::new(message!("error.witness"), Exit::Usage));
        }
        Command::Readopt(a) => {
            check_there_is(a.generation, &session)?;
            readopt::build(&session, a.generation, &a.by, &a.witness)
        }
    };
    frame(&mut builder, &session);
    let kind = command.path();
    if let Some((out, page)) = page {
        let html = builder.html();
        page.and_then(|page| page.write(html.as_bytes())).map_err(|e| not_written(&out, &e))?;
        context.keep(kind, html.into_bytes());
    }
    let answer = answer(&session, folder, paths.out.as_deref(), &builder);
    let declared = Declared::of(command, &session);
    let has_lost = declared.as_ref().is_some_and(|d| d.has_lost);
    let exit = if answer.record.is_good() && !has_lost { Exit::Good } else { Exit::Damage };
    let result = match declared {
        _ if !answer.record.is_good() => "page.result.bad",
        Some(_) if builder.has_bad() => "page.result.has-bad",
        Some(Declared { is_restored: false, .. }) => "page.result.nothing-restored",
        _ => "page.result.good",
    };
    Ok(Outcome::new(exit, text(&answer, result), &answer))
}

/// What a page says of restored data, for which those who sign it answer.
struct Declared {
    is_restored: bool,
    /// Something could not be restored.
    has_lost: bool,
}

impl Declared {
    /// `None` for a page that tells what happened: × is no reason not to sign it.
    fn of(command: &Command, session: &Session) -> Option<Self> {
        let generation = match command {
            Command::Reconnect(_) => None,
            Command::Readopt(a) => Some(a.generation),
            Command::Incident(_) | Command::Authenticity(_) => return None,
        };
        let all = session.all(of_restore).map(|(r, _)| r).filter(|r| !r.dry_run);
        let all: Vec<_> = all.filter(|r| generation.is_none_or(|g| r.generation == g)).collect();
        let has_lost = all.iter().any(|r| r.not_restored > 0 || r.entries_lost > 0 || !r.not_found.is_empty());
        Some(Self { is_restored: !all.is_empty(), has_lost })
    }
}

/// Fails where commands of the session have listed the generations of the medium, and this one is none of them.
fn check_there_is(generation: u64, session: &Session) -> Result<(), CommandError> {
    let mut listed = BTreeSet::new();
    // Where seals are missing, nobody knows which generations there were.
    let mut is_whole = true;
    for (v, _) in session.all(of_verify) {
        is_whole &= v.generations.more == 0 && v.faults.is_empty();
        listed.extend(v.generations.first.iter().map(|g| g.generation));
    }
    for (c, _) in session.all(of_clean) {
        is_whole &= c.generations.more == 0 && c.faults.is_empty();
        listed.extend(c.generations.first.iter().map(|g| g.generation));
    }
    let is_restored = session.all(of_restore).any(|(r, _)| r.generation == generation);
    match listed.first().copied().zip(listed.last().copied()) {
        Some((first, last)) if is_whole && !listed.contains(&generation) && !is_restored => {
            Err(GenerationError::NoSuchGeneration { wanted: generation, first, last }.into())
        }
        _ => Ok(()),
    }
}

/// The lines above and below every report.
fn frame(builder: &mut ReportBuilder, session: &Session) {
    if let Some(started) = &session.started
        && let (Some(name), Some(id)) = (&started.set_name, &started.set)
    {
        builder.under(&message!("page.under.set", name = name, id = id));
    }
    if let Some(today) = day_in_japan(now().seconds) {
        let era = wareki(today).unwrap_or_default();
        builder.under(&message!("page.under.made", date = paper_day(today, Lang::spoken()), era = era));
    }
    let checked = &session.checked;
    builder.under(&message!("page.under.record", lines = count(checked.lines), digest = checked.last));
    if !session.is_good() {
        builder.alarm(&message!("page.alarm.broken"));
        for line in checked.broken.iter().take(20) {
            builder.alarm(&message!("evidence.broken", line = line));
        }
        for name in checked.files.iter().take(20) {
            builder.alarm(&message!("evidence.file", name = name));
        }
    }
    let rest = checked.broken.len().saturating_sub(20) + checked.files.len().saturating_sub(20);
    if rest > 0 {
        builder.alarm(&message!("page.alarm.more", count = count(rest as u64)));
    }
    for lost in session.lost.iter().take(20) {
        builder.alarm(&message!("page.alarm.lost", line = lost.source.line, command = lost.command.replace('.', " ")));
    }
    builder.foot(&message!("page.foot.marks"));
    builder.foot(&message!("page.foot.follow"));
    builder.foot(&message!("page.foot.tool", tool = TOOL));
}

fn text(answer: &answer::Report, result: &'static str) -> String {
    let mut table = Table::default();
    if let Some(report) = &answer.report {
        table.row(find("label.report"), exact(report, answer.report_hex.as_deref()).printable());
    }
    record_rows(&mut table, &answer.record);
    table.row(find("label.result"), find(result));
    table.text()
}

fn answer(session: &Session, folder: &Path, out: Option<&Path>, builder: &ReportBuilder) -> answer::Report {
    let (session_path, session_hex) = path_name(folder);
    let (report, report_hex) = out.map(|out| path_name(&absolute(out))).unzip();
    answer::Report {
        session: session_path,
        session_hex,
        report,
        report_hex: report_hex.flatten(),
        record: record(&session.checked),
        sections: builder.sections().into(),
    }
}
