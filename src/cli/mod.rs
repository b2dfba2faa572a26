//! The command line: the only room that prints, prompts, reads the environment or the clock.
//!
//! Two steps: what was typed ([`args`]) and what it means (each command's file makes a job's options of it, of the
//! configuration and of the environment). All texts are in the catalogue under `locales/`.

mod args;
mod backup;
mod caged;
mod catalog;
mod check_proof;
mod common;
mod compare;
mod completions;
mod config;
mod context;
mod databases;
mod diff;
mod environment;
mod evidence;
mod find;
mod generations;
mod help;
mod helper;
mod history;
mod hold;
mod inherited;
mod init;
mod judged;
mod keys;
mod library;
mod loader;
mod man;
mod media;
mod noted;
mod patterns;
mod prove;
mod recovery_key;
mod reference;
mod report;
mod restore;
mod sources;
mod stamp;
mod stated;
mod status;
mod trusted;
mod ui;
mod usage;
mod verify;
mod version;

#[cfg(test)]
mod tests;

use args::{Azekura, Command};
use clap::FromArgMatches;
use config::Config;
use context::Context;
use environment::Environment;

use azekura::env::look_for_programs_in;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use ui::exit::Exit;
use ui::explain::CommandError;
use ui::lang::Lang;
use ui::output::{self, Outcome};
use ui::printable::has_secret;
use ui::text::message;

/// Runs the command that the arguments of this process name.
pub fn main() -> ExitCode {
    let arguments = environment::arguments();
    if let Some(code) = helper::served(&arguments) {
        return code;
    }
    let mut environment = Environment::read();
    let configured = || Config::language(environment::config_given(&arguments).as_deref(), environment.config_file().as_deref());
    Lang::asked_for(&arguments).or_else(configured).unwrap_or(environment.lang).speak();
    // A complaint about the arguments is printed as they asked for it, too.
    let json = arguments.iter().take_while(|a| *a != "--").any(|a| a == "--json");
    let typed_words: Vec<String> = arguments.iter().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    if arguments.iter().any(|a| has_secret(a.as_bytes())) {
        // Before anything of it is shown or recorded.
        return ExitCode::from(output::print(&Err(secret_typed()), None, json).code());
    }
    let parsed = parse(arguments);
    if let Ok(typed) = &parsed
        && let Err(e) = environment.become_host_user(typed.command.path(), typed.common.state.as_deref())
    {
        return ExitCode::from(output::print(&Err(e), None, json).code());
    }
    inherited::put_right();
    if let Some(path) = environment::program_path() {
        look_for_programs_in(path);
    }
    let exit = match parsed {
        Ok(typed) => {
            let path = typed.command.path();
            let json = typed.common.json;
            output::print(&run(typed, environment, &typed_words), Some(path), json)
        }
        Err(usage::ParseEnd::Print(text)) => output::print(&Ok(Outcome::good(text, &())), None, false),
        Err(usage::ParseEnd::Fail(e)) => output::print(&Err(e), None, json),
    };
    ExitCode::from(exit.code())
}

fn secret_typed() -> CommandError {
    CommandError::new(message!("error.secret-typed"), Exit::Usage)
}

fn parse(mut arguments: Vec<OsString>) -> Result<Azekura, usage::ParseEnd> {
    // `help`, and `help COMMAND`, as other programs have it.
    if arguments.get(1).is_some_and(|word| word == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    let matches = help::command().try_get_matches_from(arguments).map_err(|e| usage::answer(&e))?;
    Azekura::from_arg_matches(&matches).map_err(|e| usage::answer(&e))
}

/// Does what was typed; within a session of evidence it is recorded.
fn run(typed: Azekura, environment: Environment, words: &[String]) -> Result<Outcome, CommandError> {
    let path = typed.command.path();
    let session = environment.session.clone().filter(|_| evidence::is_recorded(path));
    let keeps_evidence = matches!(&typed.command, Command::Backup(args) if args.is_quarantine());
    if session.is_some() && !keeps_evidence {
        evidence::check_allowed(path)?;
    }
    let context = match &typed.command {
        Command::Media(media::Command::Seen(_))
        | Command::Init(_)
        | Command::CheckProof(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Version(_)
        | Command::Reference => Context::with_config(typed.common, environment, Config::default()),
        _ => Context::new(typed.common, environment)?,
    };
    if says_the_hold(path) {
        context.tell_hold(keeps_evidence);
        if !keeps_evidence {
            judged::speak_if_alarmed(&context);
        }
    }
    if matches!(path, "backup" | "media.copy") && !keeps_evidence {
        context.ask_for_no_medium();
    }
    let outcome = answer(typed.command, &context);
    if let Some(session) = session {
        evidence::note(&session, path, words, &outcome, &context)?;
    }
    outcome
}

/// Whether people use a command from day to day: it says first that a hold is active.
fn says_the_hold(path: &str) -> bool {
    let others = ["backup", "generations", "restore", "verify", "compare", "find", "diff", "history", "status"];
    path.starts_with("media.") || others.contains(&path)
}

fn answer(command: Command, context: &Context) -> Result<Outcome, CommandError> {
    match command {
        Command::Init(a) => init::run(a, context),
        Command::Backup(a) => backup::run(a, context),
        Command::Generations(a) => generations::run(&a, context),
        Command::Find(a) => find::run(a, context),
        Command::Diff(a) => diff::run(&a, context),
        Command::Compare(a) => compare::run(a, context),
        Command::History(a) => history::run(a, context),
        Command::Restore(a) => restore::run(a, context),
        Command::Verify(a) => verify::run(&a, context),
        Command::Prove(a) => prove::run(a, context),
        Command::CheckProof(a) => check_proof::run(&a, context),
        Command::Stamp(c) => stamp::run(c, context),
        Command::Status(a) => status::run(&a, context),
        Command::Hold(c) => hold::run(&c, context),
        Command::Evidence(c) => evidence::run(&c, context),
        Command::Report(c) => report::run(&c, context),
        Command::Keys(c) => keys::run(c, context),
        Command::Catalog(c) => catalog::run(c, context),
        Command::Media(c) => media::run(c, context),
        Command::Completions(a) => completions::run(&a, help::command()),
        Command::Version(a) => Ok(version::run(&a)),
        Command::Man(a) => man::run(&a, &help::command),
        Command::Reference => Ok(reference::run(help::command())),
    }
}
