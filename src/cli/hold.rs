//! `azekura hold`: puts the hold on, shows it, releases it; and ends an alarm that was harmless.

use super::context::Context;
use super::media::ledger::{check_not_gone, ledger_fault};
use super::stated::Stated;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::recorded;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{Moment, time};
use crate::cli::ui::words::hold_line;
use azekura::answer::hold::{self as answer, HoldAnswer, ReleaseAsked};
use azekura::format::object::Id;
use azekura::host::consistency::read_ledger;
use azekura::host::ledger::{LedgerContent, LedgerError};
use azekura::job::incident::harmless::{HarmlessError, Statement, call_harmless};
use azekura::job::incident::hold::{Hold, HoldError, Release, active_hold, put_on, take_off};
use azekura::job::incident::open_alarms::{OpenAlarm, nights_of, open_alarms};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    On(On),
    Show,
    Off(Off),
    Harmless(Harmless),
}

#[derive(Debug, clap::Args)]
pub struct On {
    #[arg(long, value_name = "WHO", value_parser = crate::cli::ui::values::person)]
    by: String,
    #[arg(long, value_name = "WORDS", value_parser = crate::cli::ui::values::words)]
    why: String,
}

#[derive(Debug, clap::Args)]
pub struct Off {
    #[arg(long, value_name = "WHO")]
    by: String,
    #[arg(long, value_name = "WHO")]
    witness: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Harmless {
    #[command(flatten)]
    stated: Stated,
    #[arg(long, value_name = "N")]
    generation: Option<u64>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
}

impl Command {
    /// As JSON and help name it.
    pub fn path(&self) -> &'static str {
        match self {
            Self::On(_) => "hold.on",
            Self::Show => "hold.show",
            Self::Off(_) => "hold.off",
            Self::Harmless(_) => "hold.harmless",
        }
    }
}

pub fn run(command: &Command, context: &Context) -> Result<Outcome, CommandError> {
    let state = context.state_to_ask()?;
    let env = context.env(None);
    let book = || read_ledger(&state);
    let answer = |book: &LedgerContent| Ok::<_, LedgerError>(answer(book, open_alarms(book, &nights_of(&state)?)));
    if !matches!(command, Command::Show) {
        check_not_gone(&state)?;
    }
    // Among lines that are missing there may be a hold.
    let whole_or = |exit: Exit, book: &LedgerContent| {
        let Some(said) = ledger_fault(book) else { return exit };
        context.warn(&said);
        Exit::Damage
    };
    match command {
        Command::On(on) => {
            let was_held = active_hold(&book()?).is_some();
            put_on(&state, &on.by, &on.why, &env)?;
            let book = book()?;
            // Whoever was not named at the start is named from now on.
            let said = match active_hold(&book).filter(|_| was_held) {
                Some(hold) => format!("{}\n{}\n", find("hold.added-to"), hold_line(&hold)),
                None => format!("{}\n", find("hold.put-on")),
            };
            Ok(Outcome::good(said, &answer(&book)?))
        }
        Command::Show => {
            let book = book()?;
            let (hold, answer) = (active_hold(&book), answer(&book)?);
            let is_quiet = hold.is_some() || !answer.open_alarms.first.is_empty();
            let exit = if is_quiet { Exit::Alarm } else { Exit::Good };
            Ok(Outcome::new(whole_or(exit, &book), text(hold.as_ref(), &answer), &answer))
        }
        Command::Off(off) => {
            let (exit, said) = match take_off(&state, &off.by, off.witness.as_deref(), &env)? {
                Release::Done => (Exit::Good, "hold.off"),
                Release::Requested => (Exit::Incomplete, "hold.half-off"),
            };
            let answer = answer(&book()?)?;
            Ok(Outcome::new(exit, format!("{}\n{}", find(said), alarms_text(&answer)), &answer))
        }
        Command::Harmless(h) => {
            let Stated { because, by, witness } = &h.stated;
            let statement = Statement { set: h.set, generation: h.generation, by, witness, because };
            let was_held = active_hold(&book()?).is_some();
            let ended = call_harmless(&state, &statement, &env)?;
            let book = book()?;
            let (hold, answer) = (active_hold(&book), answer(&book)?);
            let said = message!("hold.harmless", why = recorded::why(&ended.why));
            let then = match &hold {
                Some(hold) => format!("{}\n", hold_line(hold)),
                None if was_held => format!("{}\n", find("hold.off")),
                None => String::new(),
            };
            let is_quiet = hold.is_some() || !answer.open_alarms.first.is_empty();
            let exit = if is_quiet { Exit::Alarm } else { Exit::Good };
            Ok(Outcome::new(exit, format!("{said}\n{then}{}", alarms_text(&answer)), &answer))
        }
    }
}

fn text(hold: Option<&Hold>, answer: &HoldAnswer) -> String {
    let when = |rfc3339: &str| time(rfc3339, Lang::spoken());
    let mut text = match hold {
        Some(hold) => format!("{}\n", hold_line(hold)),
        None => format!("{}\n", find("hold.none")),
    };
    text.push_str(&alarms_text(answer));
    if let Some(asked) = &answer.hold.as_ref().and_then(|h| h.release_asked.as_ref()) {
        text.push_str(&format!("{}\n", message!("hold.asked", since = when(&asked.since), who = asked.by)));
    }
    text
}

/// The open alarms, a line for each.
fn alarms_text(answer: &HoldAnswer) -> String {
    answer.open_alarms.first.iter().map(|alarm| format!("{}\n", open_alarm(&alarm.time, &alarm.why))).collect()
}

/// An alarm that two people may call harmless.
fn open_alarm(raised: &str, why: &str) -> Message {
    message!("hold.open-alarm", time = time(raised, Lang::spoken()), why = recorded::why(why))
}

fn answer(book: &LedgerContent, alarms: Vec<OpenAlarm>) -> HoldAnswer {
    let open =
        |a: OpenAlarm| answer::OpenAlarm { set: a.set.into(), generation: a.generation, time: a.time.into(), why: a.why.into() };
    let asked = |(since, by): (String, String)| ReleaseAsked { since: since.into(), by: by.into() };
    HoldAnswer {
        hold: active_hold(book).map(|h| answer::Hold {
            since: h.since.into(),
            by: h.by.into(),
            added_by: h.added_by.into_iter().map(Into::into).collect(),
            why: h.why.into(),
            release_asked: h.release_requested.map(asked),
        }),
        open_alarms: alarms.into_iter().map(open).collect(),
    }
}

impl From<HarmlessError> for CommandError {
    fn from(error: HarmlessError) -> Self {
        match error {
            HarmlessError::SamePerson => Self::new(message!("error.witness"), Exit::Usage),
            HarmlessError::NoReason => Self::new(message!("error.harmless.no-reason"), Exit::Usage),
            HarmlessError::NoAlarm => Self::new(message!("error.harmless.no-alarm"), Exit::Usage),
            HarmlessError::Several { open } => {
                let several = Self::new(message!("error.harmless.several"), Exit::Usage);
                open.iter().map(|a| open_alarm(&a.time, &a.why)).fold(several, Self::cause)
            }
            HarmlessError::Ledger(e) => e.into(),
        }
    }
}

impl From<HoldError> for CommandError {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::NotHeld => Self::new(message!("error.hold.not-held"), Exit::Usage),
            HoldError::SamePerson => Self::new(message!("error.hold.same-person"), Exit::Usage),
            HoldError::TooSoon { requested } => {
                Self::new(message!("error.hold.too-soon", asked = Moment(&requested)), Exit::Usage)
            }
            HoldError::Active { set, since, why } => {
                let since = Moment(&since);
                Self::new(message!("error.media.held", name = set, since = since, why = recorded::why(&why)), Exit::Medium)
            }
            HoldError::Continued { medium, since, why } => {
                let (since, why) = (Moment(&since), recorded::why(&why));
                Self::new(message!("error.media.held-continued", name = medium, since = since, why = why), Exit::Medium)
            }
            HoldError::Ledger(e) => e.into(),
            HoldError::Medium(e) => e.into(),
            HoldError::Catalog(e) => e.into(),
        }
    }
}
