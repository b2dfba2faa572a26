//! `azekura completions`: a script that teaches a shell the command line.

use crate::cli::ui::explain::Explained;
use crate::cli::ui::output::Outcome;
use clap_complete::Shell;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

pub fn run(args: &Args, mut program: clap::Command) -> Result<Outcome, Explained> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "azekura", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let json = json!({ "shell": args.shell.to_string(), "script": script });
    Ok(Outcome::good(script, json))
}
