//! `azekura hold`: puts the hold on, shows it, releases it.

use super::context::Context;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::recorded;
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::time;
use crate::cli::ui::words::hold_line;
use azekura::answer::hold::{self as answer, HoldAnswer, ReleaseAsked};
use azekura::host::ledger::Ledger;
use azekura::job::incident::hold::{Hold, HoldError, Release, active_hold, put_on, take_off};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    On(On),
    Show,
    Off(Off),
}

#[derive(Debug, clap::Args)]
pub struct On {
    #[arg(long, value_name = "WHO")]
    by: String,
    #[arg(long, value_name = "WORDS")]
    why: String,
}

#[derive(Debug, clap::Args)]
pub struct Off {
    #[arg(long, value_name = "WHO")]
    by: String,
    #[arg(long, value_name = "WHO")]
    witness: Option<String>,
}

impl Command {
    /// As JSON and help name it.
    pub fn path(&self) -> &'static str {
        match self {
            Self::On(_) => "hold.on",
            Self::Show => "hold.show",
            Self::Off(_) => "hold.off",
        }
    }
}

pub fn run(command: &Command, context: &Context) -> Result<Outcome, CommandError> {
    let state = context.state_to_ask()?;
    let env = context.env(None);
    let active = || Ok::<_, CommandError>(active_hold(&Ledger::of(&state).read()?));
    match command {
        Command::On(on) => {
            put_on(&state, &on.by, &on.why, &env)?;
            Ok(Outcome::good(format!("{}\n", find("hold.put-on")), &answer(active()?.as_ref())))
        }
        Command::Show => {
            let hold = active()?;
            let answer = answer(hold.as_ref());
            let exit = if hold.is_some() { Exit::Alarm } else { Exit::Good };
            Ok(Outcome::new(exit, text(hold.as_ref(), &answer), &answer))
        }
        Command::Off(off) => {
            let (exit, said) = match take_off(&state, &off.by, off.witness.as_deref(), &env)? {
                Release::Done => (Exit::Good, "hold.off"),
                Release::Requested => (Exit::Incomplete, "hold.half-off"),
            };
            Ok(Outcome::new(exit, format!("{}\n", find(said)), &answer(active()?.as_ref())))
        }
    }
}

fn text(hold: Option<&Hold>, answer: &HoldAnswer) -> String {
    let Some(hold) = hold else { return format!("{}\n", find("hold.none")) };
    let when = |rfc3339: &str| time(rfc3339, Lang::spoken());
    let mut text = format!("{}\n", hold_line(hold));
    if let Some(asked) = &answer.hold.as_ref().and_then(|h| h.release_asked.as_ref()) {
        text.push_str(&format!("{}\n", message!("hold.asked", since = when(&asked.since), who = asked.by)));
    }
    text
}

fn answer(hold: Option<&Hold>) -> HoldAnswer {
    HoldAnswer {
        hold: hold.map(|h| answer::Hold {
            since: h.since.as_str().into(),
            by: h.by.as_str().into(),
            why: h.why.as_str().into(),
            release_asked: h
                .release_requested
                .as_ref()
                .map(|(since, by)| ReleaseAsked { since: since.as_str().into(), by: by.as_str().into() }),
        }),
    }
}

impl From<HoldError> for CommandError {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::NotHeld => Self::new(message!("error.hold.not-held"), Exit::Usage),
            HoldError::SamePerson => Self::new(message!("error.hold.same-person"), Exit::Usage),
            HoldError::SameDay { requested } => {
                Self::new(message!("error.hold.same-day", asked = time(&requested, Lang::spoken())), Exit::Usage)
            }
            HoldError::Active { set, since, why } => {
                let since = time(&since, Lang::spoken());
                Self::new(message!("error.media.held", name = set, since = since, why = recorded::why(&why)), Exit::Medium)
            }
            HoldError::Ledger(e) => e.into(),
            HoldError::Medium(e) => e.into(),
            HoldError::Catalog(e) => e.into(),
        }
    }
}
