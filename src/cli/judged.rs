//! How the backups of this host stand, by its own records and what the configuration expects.

use super::config::{Config, ConfigPool};
use super::context::Context;
use super::environment::{is_running, now};
use super::sources::{self, ForAll};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::host::denied;
use crate::cli::ui::explain::{CommandError, io_reason};
use crate::cli::ui::text::{message, speak_under_alarm};
use azekura::host::consistency::misfits;
use azekura::host::ledger::{Ledger, LedgerContent};
use azekura::host::nights::NightLog;
use azekura::job::media::rotation::Pool;
use azekura::job::status::{Expected, ExpectedSource, Judgement, USUAL_AGE_SECONDS, judge};

/// Judges the host's records.
pub fn judgement(context: &Context, book: &LedgerContent) -> Result<Judgement, CommandError> {
    let expected = expected(&context.config)?;
    let state = context.state_dir()?;
    let log = NightLog::of(&state);
    let (nights, torn) = log.read().map_err(|e| {
        denied(log.path(), &e).unwrap_or_else(|| {
            CommandError::new(message!("error.night-log", path = log.path()), Exit::Failed).cause(io_reason(&e))
        })
    })?;
    // The media of a plain run are written as often as the source that is to be the youngest.
    let nightly = context.pool_of(None).map(|p| &p.name);
    let youngest = expected.iter().map(|e| e.max_age_seconds).min().unwrap_or(USUAL_AGE_SECONDS);
    let pool = |p: &ConfigPool| {
        let pool = p.pool();
        Pool { max_age_seconds: pool.max_age_seconds.or((nightly == Some(&p.name)).then_some(youngest)), ..pool }
    };
    let pools: Vec<Pool> = context.config.pools.iter().map(pool).collect();
    let expected = Expected { sources: &expected, pools: &pools };
    let mut judged = judge(&nights, torn, book, expected, now().seconds, is_running);
    judged.add(misfits(&state, book));
    Ok(judged)
}

/// While an alarm is open, no text asks for a medium. Needs no state and creates none.
pub fn speak_if_alarmed(context: &Context) {
    let book = context.state_dir().ok().and_then(|state| Ledger::of(&state).read().ok());
    if book.and_then(|book| judgement(context, &book).ok()).is_some_and(|judged| judged.has_open_alarm()) {
        speak_under_alarm();
    }
}

/// The sources of the configuration, by the names that a backup gives them.
fn expected(config: &Config) -> Result<Vec<ExpectedSource>, CommandError> {
    let sources = sources::choose(&[], &ForAll::default(), config)?;
    // A source goes to the pool that is written most often, too.
    let of_pools: Option<Vec<u64>> = config.pools.iter().map(|p| p.max_age_hours).collect();
    let usual = of_pools.and_then(|all| all.into_iter().min());
    let max_age = |hours: Option<u64>| hours.or(usual).map_or(USUAL_AGE_SECONDS, |hours| hours as i64 * 3600);
    let expected = sources.iter().zip(&config.sources).map(|(source, configured)| ExpectedSource {
        name: String::from_utf8_lossy(&source.name).into_owned(),
        origin: Some(source.origin()),
        max_age_seconds: max_age(configured.max_age_hours),
    });
    Ok(expected.collect())
}
