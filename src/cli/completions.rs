//! `azekura completions`: a script that completes the command line in a shell.

use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::Outcome;
use azekura::answer::Clipped;
use azekura::answer::program::Completions;
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

pub fn run(args: &Args, mut program: clap::Command) -> Result<Outcome, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "azekura", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let answer = Completions { shell: Clipped::of(args.shell), script: script.as_str().into() };
    Ok(Outcome::good(script, &answer))
}
