//! `azekura media accept`: two people say why records of this host are missing.

use crate::cli::context::Context;
use crate::cli::stated::Stated;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::text::{find, message};
use azekura::answer::media::LedgerLine;
use azekura::job::media::accept::{AcceptError, accept};

pub fn run(stated: &Stated, context: &Context) -> Result<Outcome, CommandError> {
    let Stated { because, by, witness } = stated;
    let aside = accept(&context.state_to_ask()?, by, witness, because, &context.env(None))?;
    let mut text = format!("{}\n", find("media.accepted"));
    if let Some(path) = aside {
        text.push_str(&format!("{}\n", message!("media.ledger-aside", path = path)));
    }
    let answer = LedgerLine {
        event: "accepted".into(),
        by: Some(by.as_str().into()),
        witness: Some(witness.as_str().into()),
        why: Some(because.as_str().into()),
        ..LedgerLine::default()
    };
    Ok(Outcome::good(text, &answer))
}

impl From<AcceptError> for CommandError {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::SamePerson => Self::new(message!("error.witness"), Exit::Usage),
            AcceptError::NoReason => Self::new(message!("error.accept.no-reason"), Exit::Usage),
            AcceptError::Nothing => Self::new(message!("error.accept.nothing"), Exit::Usage),
            AcceptError::Ledger(e) => e.into(),
        }
    }
}
