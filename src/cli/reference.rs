//! `azekura reference` (hidden): the help of every command as one page of Markdown, for `docs/`.

use super::man::every_command;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::text::find;
use azekura::answer::program::Reference;

pub fn run(mut command: clap::Command) -> Outcome {
    command.build();
    let mut page = format!("# {}\n\n{}\n", find("reference.title"), find("reference.what"));
    for (name, command) in every_command(&command, "azekura") {
        let help = command.clone().render_help().to_string();
        let help: String = help.lines().map(|l| format!("{}\n", l.trim_end())).collect();
        page.push_str(&format!(
            "\n## {}\n\n```text\n{}```\n",
            name.replace('-', " ").replace("show recipient", "show-recipient").replace("check proof", "check-proof"),
            help
        ));
    }
    Outcome::good(page.clone(), &Reference { page: page.into() })
}
