//! `azekura media seen`, and `media log --attached`: when each medium was attached.

use super::ledger::{self, book, exit, known};
use crate::cli::context::Context;
use crate::cli::environment::now;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::table::Columns;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{count, time};
use azekura::answer::media::{Attached, ChangeKind, Log, SealedChange, SealedOn, Seen};
use azekura::env::time_text;
use azekura::host::ledger::LedgerContent;
use azekura::host::ledger::attached::{Attachment, Witness};
use azekura::host::ledger::sealed::LedgerChange;
use azekura::job::media::attached::{SealedFinding, SealedFindingKind, SealedReport, compare_with_sealed, seen as enter};
use std::path::Path;

/// What udev's rule gives.
#[derive(Debug, clap::Args)]
pub struct SeenArgs {
    #[arg(value_name = "DEVICE")]
    device: String,
    #[arg(long, required_unless_present = "go", conflicts_with = "go")]
    come: bool,
    #[arg(long)]
    go: bool,
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
}

/// udev waits for it: it opens the ledger and nothing else.
pub fn seen(args: &SeenArgs, context: &Context) -> Result<Outcome, CommandError> {
    let now = time_text(now());
    let known = enter(&context.state_dir()?, &args.device, args.port.clone(), args.come, &now)?;
    let said = match known {
        true => message!("media.seen.entered", name = args.device),
        false => message!("media.seen.unknown", name = args.device),
    };
    Ok(Outcome::good(format!("{said}\n"), &Seen { known }))
}

/// `media log --attached`: the intervals of one medium or of all, compared with what is sealed on a medium.
pub fn log(args: &ledger::Log, context: &Context) -> Result<Outcome, CommandError> {
    let (_, book) = book(context)?;
    let (wanted, sealed_on) = (args.medium.as_deref(), args.sealed_on.as_deref());
    wanted.map(|name| known(&book, name)).transpose()?;
    let sealed = sealed_on.map(|at| compare(at, &book, context)).transpose()?;
    let attached: Vec<Attached> =
        book.attachments().iter().filter(|a| wanted.is_none_or(|name| a.is_of(name))).map(attached).collect();
    let mut text = table(&attached);
    let mut exit = exit(&book);
    if let Some(sealed) = &sealed {
        context.warn_first(sealed.findings.first.iter().map(|f| Message::plain(&f.text)));
        if sealed.newer > 0 {
            context.warn(&message!("media.sealed.newer", count = count(sealed.newer)));
        }
        text += &format!("\n{}\n", sealed_text(sealed));
        exit = if sealed.findings.is_empty() { exit } else { Exit::Damage };
    }
    let broken = book.broken.iter().copied().collect();
    Ok(Outcome::new(exit, text, &Log { attached: Some(attached.into()), sealed, broken, ..Log::default() }))
}

fn compare(at: &Path, book: &LedgerContent, context: &Context) -> Result<SealedOn, CommandError> {
    let report = compare_with_sealed(at, &context.state_to_ask()?, book, &context.env(None))?;
    if report.texts == 0 && report.findings.is_empty() && report.newer == 0 {
        return Err(CommandError::new(message!("error.media.nothing-sealed", path = at), Exit::Medium));
    }
    Ok(answer(report))
}

fn sealed_text(sealed: &SealedOn) -> Message {
    let texts = count(sealed.texts);
    match (&sealed.time, sealed.findings.is_empty(), sealed.newer) {
        (_, false, _) => message!("media.sealed.bad", count = texts),
        (Some(newest), true, 0) => message!("media.sealed.good", count = texts, time = time(newest, Lang::spoken())),
        (_, true, newer) => message!("media.sealed.newer", count = count(newer)),
    }
}

fn table(attached: &[Attached]) -> String {
    if attached.is_empty() {
        return format!("{}\n", find("media.attached.none"));
    }
    let mut columns =
        Columns::new(["label.medium", "label.attached-since", "label.told-by", "label.left", "label.told-by"].map(find));
    for a in attached {
        let [until, left] = match (&a.until, a.left) {
            (Some(until), Some(left)) => [time(until, Lang::spoken()), witness(left)],
            _ => [find("media.attached.still"), String::new()],
        };
        columns.row([media(a), time(&a.since, Lang::spoken()), witness(a.came), until, left]);
    }
    columns.text()
}

/// The medium of an interval, or those that it may have been.
pub fn media(a: &Attached) -> String {
    let names: Vec<String> = a.media.first.iter().map(|m| m.printable()).collect();
    names.join(&find("media.attached.or"))
}

/// Who told that a medium came or went.
pub fn witness(who: Witness) -> String {
    find(match who {
        Witness::Udev => "media.witness.udev",
        Witness::Run => "media.witness.run",
        Witness::Person => "media.witness.person",
    })
}

fn attached(a: &Attachment) -> Attached {
    Attached {
        media: a.media.iter().map(|m| m.as_str().into()).collect(),
        device: a.device.as_deref().map(Into::into),
        since: a.since.as_str().into(),
        came: a.came,
        until: a.left.as_ref().map(|(until, _)| until.as_str().into()),
        left: a.left.as_ref().map(|(_, who)| *who),
    }
}

fn answer(r: SealedReport) -> SealedOn {
    let mut findings: azekura::answer::List<SealedChange, _> = r.findings.iter().map(change).collect();
    findings.more = r.more;
    let (generation, newest) = r.newest.unzip();
    SealedOn { texts: r.texts, generation, time: newest.map(|t| t.as_str().into()), newer: r.newer, findings }
}

/// An interval in words.
fn said(a: &Attached) -> String {
    let since = time(&a.since, Lang::spoken());
    let said = match &a.until {
        Some(until) => message!("media.interval", name = media(a), since = since, until = time(until, Lang::spoken())),
        None => message!("media.interval-open", name = media(a), since = since),
    };
    said.to_string()
}

fn change(f: &SealedFinding) -> SealedChange {
    let generation = f.generation;
    let none = || SealedChange { generation, time: f.time.as_str().into(), ..SealedChange::default() };
    let is = |sealed: Option<&Attachment>, now: Option<&Attachment>, change, words: fn(u64, String, String) -> Message| {
        let (sealed, now) = (sealed.map(attached), now.map(attached));
        let in_words = |a: &Option<Attached>| a.as_ref().map(said).unwrap_or_default();
        let text = words(generation, in_words(&sealed), in_words(&now)).to_string().as_str().into();
        SealedChange { change, sealed, now, text, ..none() }
    };
    match &f.what {
        SealedFindingKind::Ledger(LedgerChange::Changed { sealed, now }) => {
            is(Some(sealed), Some(now), ChangeKind::Changed, |number, sealed, now| {
                message!("media.sealed.changed", number = number, sealed = sealed, now = now)
            })
        }
        SealedFindingKind::Ledger(LedgerChange::Removed { sealed }) => {
            is(Some(sealed), None, ChangeKind::Removed, |number, sealed, _| {
                message!("media.sealed.removed", number = number, sealed = sealed)
            })
        }
        SealedFindingKind::Ledger(LedgerChange::Added { now }) => {
            is(None, Some(now), ChangeKind::Added, |number, _, now| message!("media.sealed.added", number = number, now = now))
        }
        SealedFindingKind::Ledger(LedgerChange::Lines { lines }) => {
            let text = message!("media.sealed.lines", number = generation, line = lines).to_string().as_str().into();
            SealedChange { change: ChangeKind::Ledger, lines: Some(*lines), text, ..none() }
        }
        SealedFindingKind::Damaged(why) => {
            let text = message!("media.sealed.damaged", number = generation, why = why).to_string().as_str().into();
            SealedChange { change: ChangeKind::Damaged, text, ..none() }
        }
        SealedFindingKind::Untrusted => {
            let text = message!("media.sealed.untrusted", number = generation).to_string().as_str().into();
            SealedChange { change: ChangeKind::Untrusted, text, ..none() }
        }
    }
}
