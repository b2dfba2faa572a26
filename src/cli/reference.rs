//! `azekura reference` (hidden): the help of every command as one page of Markdown, for `docs/`.

use super::man::every_command;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::text::find;
use azekura::answer::program::Reference;

/// The page has the options that every command takes once, above the commands.
pub fn run(mut command: clap::Command) -> Outcome {
    command.build();
    let heading = find("heading.common");
    let mut commands = String::new();
    let mut common = String::new();
    for (name, command) in every_command(&command, "azekura") {
        let help = command.clone().render_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        let help = help.join("\n");
        let (of_every, own): (Vec<&str>, Vec<&str>) = help.split("\n\n").partition(|s| s.lines().next() == Some(&heading));
        if let Some((_, options)) = of_every.first().and_then(|s| s.split_once('\n')) {
            common = options.trim_end().to_owned();
        }
        let name = name.replace('-', " ").replace("show recipient", "show-recipient").replace("check proof", "check-proof");
        commands.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", own.join("\n\n").trim_end()));
    }
    let (title, what) = (find("reference.title"), find("reference.what"));
    let heading = heading.trim_end_matches(':');
    let page = format!("# {title}\n\n{what}\n\n## {heading}\n\n```text\n{common}\n```\n{commands}");
    Outcome::good(page.clone(), &Reference { page: page.into() })
}
