//! Help texts: puts those of the catalogue into clap's command, in the language chosen.
//!
//! Keys: `help.COMMAND.about`, `help.COMMAND.ARGUMENT`, with a command inside another as `keys.new`; arguments that
//! every command takes are under `help.common`.

use super::args::Azekura;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::text::find;
use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory};

/// Wider lines are hard to read.
const LINE_COLUMNS: usize = 100;

/// Commands that the first help only names, because it has to fit on a screen.
const RARE: [&str; 9] = ["find", "diff", "history", "prove", "check-proof", "stamp", "catalog", "completions", "version"];

/// The whole command line, with help in the language chosen.
pub fn command() -> Command {
    let command = translated(Azekura::command(), "").max_term_width(LINE_COLUMNS);
    let template = format!("{{about-with-newline}}\n{} {{usage}}\n\n{}{{after-help}}", find("heading.usage"), commands(&command));
    command.help_template(template).after_help(find("help.after"))
}

/// The commands with what they do, one a line; and the names of the rare ones.
fn commands(command: &Command) -> String {
    let shown = || command.get_subcommands().filter(|c| !c.is_hide_set());
    let is_rare = |c: &&Command| RARE.contains(&c.get_name());
    let width = shown().filter(|c| !is_rare(c)).map(|c| c.get_name().len()).max().unwrap_or(0);
    let line = |c: &Command| format!("  {:width$}  {}\n", c.get_name(), c.get_about().cloned().unwrap_or_default());
    let rare: Vec<&str> = shown().filter(is_rare).map(Command::get_name).collect();
    let lines: String = shown().filter(|c| !is_rare(c)).map(line).collect();
    format!("{}\n{lines}{} {}", find("heading.commands"), find("heading.more-commands"), rare.join(", "))
}

/// `path` is empty for the program itself, else as in `keys.new`.
fn translated(command: Command, path: &str) -> Command {
    let child = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let about = find(&key(path, "about"));
    let command = command
        .about(about)
        .help_template(format!("{{about-with-newline}}\n{} {{usage}}\n\n{{all-args}}{{after-help}}", find("heading.usage")))
        .subcommand_help_heading(find("heading.commands").trim_end_matches(':').to_owned())
        .mut_args(|a| {
            let help = find(&argument_key(path, &a));
            let heading = heading(&a);
            a.help(help).help_heading(heading)
        })
        .mut_subcommands(|s| {
            let path = child(s.get_name());
            translated(s, &path)
        });
    let exits = Exit::of_command(path);
    if exits.is_empty() { command } else { command.after_help(exit_codes(exits, path)) }
}

fn key(path: &str, of: &str) -> String {
    match path {
        "" => format!("help.{of}"),
        _ => format!("help.{path}.{of}"),
    }
}

/// The catalogue's key for an argument's help.
pub fn argument_key(path: &str, argument: &Arg) -> String {
    match argument.is_global_set() {
        true => key("common", argument.get_id().as_str()),
        false => key(path, argument.get_id().as_str()),
    }
}

fn heading(argument: &Arg) -> String {
    let heading = match argument {
        a if a.is_global_set() => find("heading.common"),
        a if a.is_positional() => find("heading.arguments"),
        _ => find("heading.options"),
    };
    heading.trim_end_matches(':').to_owned()
}

fn exit_codes(exits: &[Exit], path: &str) -> StyledStr {
    let lines = exits.iter().map(|e| format!("\n  {:3}  {}", e.code(), e.meaning(path)));
    StyledStr::from(find("heading.exit-codes") + &lines.collect::<String>())
}
