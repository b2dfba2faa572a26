//! `azekura media list`, `due`, `log`, `move`: the ledger of media.

use crate::cli::config::ConfigPool;
use crate::cli::context::Context;
use crate::cli::judged::judgement;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::recorded;
use crate::cli::ui::table::Columns;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{count, time};
use crate::cli::ui::words;
use azekura::answer::media::{self as answer, DuePool, LedgerMedium, Media, Scrubbed, Written};
use azekura::env::time_text;
use azekura::host::consistency::{read_ledger, unregistered};
use azekura::host::ledger::{Ledger, LedgerContent, LedgerEvent, LedgerLine, LostLine};
use azekura::host::ledger::{MediumAccount, MediumKind, OutOfUse};
use azekura::job::incident::hold::active_hold;
use azekura::job::incident::people::is_same_person;
use azekura::job::media::whereabouts::attached_at;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Move {
    #[arg(value_name = "NAME")]
    medium: String,
    #[arg(long, value_name = "PLACE", required_unless_present = "out_of_use")]
    to: Option<String>,
    #[arg(long, value_name = "WHO", value_parser = crate::cli::ui::values::person)]
    by: String,
    #[arg(long, value_name = "WHO")]
    witness: Option<String>,
    #[arg(long)]
    off_site: bool,
    #[arg(long, value_name = "WHY", conflicts_with_all = ["to", "off_site"], value_parser = out_of_use_of)]
    out_of_use: Option<OutOfUse>,
}

fn out_of_use_of(typed: &str) -> Result<OutOfUse, Message> {
    OutOfUse::ALL.into_iter().find(|why| why.name() == typed).ok_or_else(|| message!("error.media.no-such-reason"))
}

#[derive(Debug, clap::Args)]
pub struct Log {
    #[arg(value_name = "NAME")]
    pub medium: Option<String>,
    #[arg(long)]
    pub attached: bool,
    #[arg(long, value_name = "MEDIUM", requires = "attached")]
    pub sealed_on: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Due {
    #[arg(value_name = "POOL")]
    pool: Option<String>,
}

pub fn book(context: &Context) -> Result<(Ledger, LedgerContent), CommandError> {
    let state = context.state_to_ask()?;
    let (ledger, book) = (Ledger::of(&state), read_ledger(&state)?);
    if let Some(said) = ledger_fault(&book) {
        context.warn(&said);
    }
    for line in &book.torn {
        context.talk(&message!("media.ledger-torn", line = line));
    }
    Ok((ledger, book))
}

/// The ledger for a command that does nothing where it was changed or set back.
pub fn sound_book(state: &Path) -> Result<LedgerContent, CommandError> {
    let book = read_ledger(state)?;
    ledger_fault(&book).map_or(Ok(book), |said| Err(in_doubt(said)))
}

/// Nothing is written to a ledger that is gone: the first line of another one would be all that there is. Nor is anything written
/// where an alarm was taken out of it. Returns what else is wrong with it.
pub fn check_not_gone(state: &Path) -> Result<Option<Message>, CommandError> {
    let book = read_ledger(state)?;
    match ledger_fault(&book) {
        Some(said) if book.is_gone() || book.lacks_an_alarm() => Err(in_doubt(said)),
        fault => Ok(fault),
    }
}

/// What every command says that needs a ledger which was changed or is gone.
fn in_doubt(said: Message) -> CommandError {
    CommandError { message: said, causes: Vec::new(), hint: message!("status.do.ledger-changed"), exit: Exit::Damage }
}

/// What is wrong with the ledger itself.
pub fn ledger_fault(book: &LedgerContent) -> Option<Message> {
    let when = |t: &String| time(t, Lang::spoken());
    let Some(line) = book.broken.first() else {
        return Some(match book.lost.first()? {
            LostLine::All => message!("media.ledger-gone"),
            LostLine::Generation { generation, medium, time } => {
                message!("media.ledger-behind", number = generation, medium = medium, time = when(time))
            }
            LostLine::Alarm { generation, set } => message!("media.ledger-behind-alarm", number = generation, set = set),
            LostLine::Hold { time } => message!("media.ledger-behind-hold", time = when(time)),
        });
    };
    // Behind the last line that is there.
    let is_missing = book.lines.last().is_none_or(|last| *line > last.line);
    Some(match is_missing {
        true if book.is_end_missing => message!("media.ledger-no-end", line = line - 1),
        true => message!("media.ledger-short", line = line),
        false => message!("media.ledger-broken", line = line),
    })
}

pub fn exit(book: &LedgerContent) -> Exit {
    if book.is_sound() { Exit::Good } else { Exit::Damage }
}

/// A medium that the ledger knows.
pub fn known(book: &LedgerContent, name: &str) -> Result<MediumAccount, CommandError> {
    let unknown = || CommandError::new(message!("error.media.unknown", name = name), Exit::Usage);
    book.media().remove(name).ok_or_else(unknown)
}

pub fn list(context: &Context) -> Result<Outcome, CommandError> {
    let (_, book) = book(context)?;
    let answer = Media { media: book.media().values().map(medium).collect() };
    Ok(Outcome::new(exit(&book), list_text(&answer), &answer))
}

fn list_text(answer: &Media) -> String {
    if answer.media.is_empty() {
        return format!("{}\n", find("media.none"));
    }
    let headings =
        ["label.medium", "label.pool", "label.place", "label.written", "label.generation", "label.check-code", "label.left"];
    let mut columns = Columns::new(headings.map(find));
    let when = |t: Option<&str>| t.map(|t| time(t, Lang::spoken())).unwrap_or_default();
    for m in &answer.media.first {
        let written = m.written.as_ref();
        columns.row([
            m.name.printable(),
            m.pool.as_deref().unwrap_or_default().printable(),
            m.out_of_use
                .map_or_else(|| m.place.as_deref().unwrap_or_default().printable(), |why| words::out_of_use(why).to_string()),
            when(written.map(|w| &w.time[..])),
            written.filter(|w| w.generation > 0).map(|w| w.generation.printable()).unwrap_or_default(),
            written.map(|w| w.check_code.printable()).unwrap_or_default(),
            when(m.left.as_deref()),
        ]);
    }
    columns.text()
}

fn medium(m: &MediumAccount) -> LedgerMedium {
    let optional = |text: &Option<String>| text.as_deref().map(Into::into);
    LedgerMedium {
        name: m.name.as_str().into(),
        set: Some(m.set.as_str().into()),
        pool: optional(&m.pool),
        device: m.device.as_deref().map(Into::into),
        kind: m.kind,
        copy: m.is_copy,
        registered: Some(m.registered.as_str().into()),
        place: optional(&m.location),
        off_site: m.off_site,
        out_of_use: m.out_of_use,
        attached: optional(&m.attached),
        at_host: m.at_host,
        left: optional(&m.detached),
        written: m.written.as_ref().map(|(time, generation, code)| Written {
            time: time.as_str().into(),
            generation: *generation,
            check_code: code.as_str().into(),
        }),
        scrubbed: m.scrubbed.as_ref().map(|(time, damaged)| Scrubbed { time: time.as_str().into(), damaged: *damaged }),
    }
}

pub fn due(args: &Due, context: &Context) -> Result<Outcome, CommandError> {
    let book = sound_book(&context.state_to_ask()?)?;
    let pools: Vec<&ConfigPool> = match &args.pool {
        Some(name) => vec![context.pool(name).ok_or_else(|| no_pool(name))?],
        None => context.config.pools.iter().collect(),
    };
    if pools.is_empty() {
        return Err(no_pool(""));
    }
    let due = |pool: &ConfigPool| {
        let pool = pool.pool();
        let (due, streak) = pool.due(&book)?;
        let (last, nights) = streak.map_or((None, 0), |s| (Some(s.medium.as_str().into()), s.nights));
        Some(DuePool { pool: pool.name.as_str().into(), due: due.into(), last, nights })
    };
    let (hold, open_alarm) = (active_hold(&book).is_some(), judgement(context, &book)?.has_open_alarm());
    if hold || open_alarm {
        let answer = answer::Due { pools: [].into_iter().collect(), hold, open_alarm };
        let said = if hold { "media.none-due" } else { "media.none-due-alarm" };
        return Ok(Outcome::new(Exit::Alarm, format!("{}\n", find(said)), &answer));
    }
    let due: Vec<DuePool> = pools.into_iter().filter_map(due).collect();
    for pool in due.iter().filter(|pool| !book.media().contains_key(&pool.due[..])) {
        context.talk(&message!("media.due-unprepared", name = pool.due));
    }
    let answer = answer::Due { pools: due.into_iter().collect(), hold, open_alarm };
    Ok(Outcome::new(exit(&book), due_text(&answer), &answer))
}

fn due_text(answer: &answer::Due) -> String {
    let mut columns = Columns::new(["label.pool", "label.due", "label.last", "label.nights"].map(find));
    for p in &answer.pools.first {
        columns.row([p.pool.printable(), p.due.printable(), p.last.as_deref().unwrap_or_default().printable(), count(p.nights)]);
    }
    columns.text()
}

/// There is no pool of that name in the configuration.
pub fn no_pool(name: &str) -> CommandError {
    if name.is_empty() {
        return CommandError::usage(message!("error.media.no-pools"), message!("hint.media.no-pools"));
    }
    CommandError::usage(message!("error.media.no-pool", name = name), message!("hint.media.no-pool"))
}

pub fn log(args: &Log, context: &Context) -> Result<Outcome, CommandError> {
    let (_, book) = book(context)?;
    let wanted = args.medium.as_deref();
    wanted.map(|name| known(&book, name)).transpose()?;
    // Lines about all media are about this one too.
    let lines = || book.lines.iter().filter(|l| wanted.is_none_or(|name| [name, ""].contains(&l.event.medium())));
    let mut columns = Columns::new(["label.line", "label.time", "label.medium", "label.event"].map(find));
    for l in lines() {
        columns.row([l.line.printable(), time(&l.time, Lang::spoken()), l.event.medium().printable(), event(l)]);
    }
    let answer = answer::Log {
        lines: lines().map(line).collect(),
        broken: book.broken.iter().copied().collect(),
        ..answer::Log::default()
    };
    Ok(Outcome::new(exit(&book), columns.text(), &answer))
}

fn event(l: &LedgerLine) -> String {
    let said = match &l.event {
        LedgerEvent::Registered { set, .. } => message!("media.event.registered", set = set),
        LedgerEvent::Contains { generation, check_code, .. } => {
            message!("media.event.contains", number = generation, code = check_code)
        }
        LedgerEvent::CopyBegun { at, .. } => message!("media.event.copy-begun", place = at),
        LedgerEvent::Copied { generation, check_code, .. } => {
            message!("media.event.copied", number = generation, code = check_code)
        }
        LedgerEvent::Attached { at, .. } => message!("media.event.attached", place = at),
        LedgerEvent::Written { generation, check_code, .. } => {
            message!("media.event.written", number = generation, code = check_code)
        }
        LedgerEvent::Full { .. } => message!("media.event.full"),
        LedgerEvent::Mismatched { is_newer: true, .. } => message!("media.event.newer"),
        LedgerEvent::Mismatched { in_full: true, .. } => message!("media.event.mismatched-read"),
        LedgerEvent::Mismatched { .. } => message!("media.event.mismatched"),
        LedgerEvent::Foreign { found, .. } => message!("media.event.foreign", name = found),
        LedgerEvent::Detached { seen: true, .. } => message!("media.event.left"),
        LedgerEvent::Detached { seen: false, .. } => message!("media.event.stayed"),
        LedgerEvent::Plugged { device, .. } => message!("media.event.plugged", name = device),
        LedgerEvent::Unplugged { device, .. } => message!("media.event.unplugged", name = device),
        LedgerEvent::Moved { out_of_use: Some(why), by, .. } => {
            message!("media.event.out-of-use", why = words::out_of_use(*why), who = by)
        }
        LedgerEvent::Moved { to, by, witness, .. } => match witness {
            Some(witness) => message!("media.event.moved-witness", place = to, who = by, witness = witness),
            None => message!("media.event.moved", place = to, who = by),
        },
        LedgerEvent::Refused { due, found, .. } => recorded::refused(due, found),
        LedgerEvent::Held { by, why, .. } => message!("media.event.held", who = by, why = recorded::why(why)),
        LedgerEvent::Harmless { set, generation, by, witness, why } => {
            message!("media.event.harmless", set = set, number = generation, who = by, witness = witness, why = why)
        }
        LedgerEvent::ReleaseAsked { by } => message!("media.event.release-asked", who = by),
        LedgerEvent::Released { by, witness } => match witness {
            Some(witness) => message!("media.event.released-witness", who = by, witness = witness),
            None => message!("media.event.released", who = by),
        },
        LedgerEvent::Accepted { by, witness, why } => {
            message!("media.event.accepted", who = by, witness = witness, why = why)
        }
        LedgerEvent::Verified { generation, check_code, .. } => {
            message!("media.event.verified", number = generation, code = check_code)
        }
        LedgerEvent::Scrubbed { damaged: 0, .. } => message!("media.event.scrubbed"),
        LedgerEvent::Scrubbed { damaged, .. } => message!("media.event.damaged", count = damaged),
    };
    said.to_string()
}

pub fn move_to(args: Move, context: &Context) -> Result<Outcome, CommandError> {
    check_not_gone(&context.state_to_ask()?)?;
    let (ledger, book) = book(context)?;
    // A ledger that was begun anew does not know it: it is gone, and can be registered no more.
    let gone = args.out_of_use.and_then(|_| unregistered(&context.state_to_ask().ok()?, &book).remove(&args.medium));
    let account = match &gone {
        Some(set) => MediumAccount { name: args.medium.clone(), set: set.clone(), ..MediumAccount::default() },
        None => known(&book, &args.medium)?,
    };
    // What is in the dock was not taken anywhere.
    let places = context.config.pools.iter().filter(|p| p.media.contains(&account.name)).map(|p| p.at.as_path());
    let places: Vec<&Path> = places.filter(|_| !account.is_copy).collect();
    if let Some(at) = attached_at(&account, &book, &places)? {
        let said = match at.starts_with("/dev") {
            true => message!("error.media.moved-plugged", name = account.name, path = at),
            false => message!("error.media.moved-attached", name = account.name, path = at),
        };
        return Err(CommandError::new(said, Exit::Medium));
    }
    let Move { medium, to, by, witness, off_site, out_of_use: why } = args;
    if witness.as_ref().is_some_and(|witness| is_same_person(&by, witness)) {
        return Err(CommandError::new(message!("error.witness"), Exit::Usage));
    }
    let to = to.unwrap_or_default();
    let said = match why {
        Some(why) => message!("media.out-of-use", name = medium, why = words::out_of_use(why)),
        None => message!("media.moved", name = medium, place = to),
    };
    let text = format!("{said}\n");
    let is_folder = account.kind == Some(MediumKind::Disk) && !account.was_mounted && account.device.is_none();
    if is_folder && why.is_none() {
        context.warn(&message!("media.moved-unproved", name = medium));
    }
    if let Some(before) = account.out_of_use.filter(|_| why.is_none()) {
        context.warn(&message!("media.back-in-use", name = medium, why = words::out_of_use(before)));
    }
    let event = LedgerEvent::Moved { medium, to, by, witness, off_site, out_of_use: why, set: gone };
    let answer = event_answer(&event);
    ledger.write(&time_text(crate::cli::environment::now()), event)?;
    Ok(Outcome::good(text, &answer))
}

fn line(l: &LedgerLine) -> answer::LedgerLine {
    answer::LedgerLine { line: Some(l.line), time: Some(l.time.as_str().into()), ..event_answer(&l.event) }
}

/// An event of the ledger, for programs. The ledger's own JSON has the same members.
fn event_answer(event: &LedgerEvent) -> answer::LedgerLine {
    serde_json::to_value(event).and_then(serde_json::from_value).unwrap_or_default()
}
