//! `azekura man DIR` (hidden): writes the man pages of all commands, English into `DIR` and Japanese into `DIR/ja`.

use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{CommandError, io_reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::text::{find, find_optional, message};
use azekura::answer::program as answer;
use azekura::env::TOOL;
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// `program` makes the command line in the language chosen.
pub fn run(args: &Args, program: &dyn Fn() -> Command) -> Result<Outcome, CommandError> {
    let spoken = Lang::spoken();
    let written = write_all(&args.dir, program);
    spoken.speak();
    let pages =
        written.map_err(|e| CommandError::new(message!("error.man", path = args.dir), Exit::Failed).cause(io_reason(&e)))?;
    let text = pages.iter().map(|p| format!("{}\n", p.printable())).collect();
    let pages = pages.iter().map(|p| p.to_string_lossy().into_owned().into()).collect();
    Ok(Outcome::good(text, &answer::Man { pages }))
}

#[expect(clippy::disallowed_methods, reason = "pages in a folder that the user names, over those of an older version")]
fn write_all(dir: &Path, program: &dyn Fn() -> Command) -> io::Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for (lang, dir) in [(Lang::En, dir.to_owned()), (Lang::Ja, dir.join("ja"))] {
        std::fs::create_dir_all(&dir)?;
        lang.speak();
        let mut command = program();
        command.build();
        for (name, command) in every_command(&command, "azekura") {
            let path = dir.join(format!("{name}.1"));
            std::fs::write(&path, page(command)?)?;
            pages.push(path);
        }
    }
    Ok(pages)
}

/// The command and all below it that are not hidden, with the names of their pages.
pub fn every_command<'a>(command: &'a Command, name: &str) -> Vec<(String, &'a Command)> {
    let mut all = vec![(name.to_owned(), command)];
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        all.extend(every_command(sub, &format!("{name}-{}", sub.get_name())));
    }
    all
}

/// One page. clap renders names and options; exit codes, environment and headings come from the catalogue.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).manual("azekura").source(TOOL).date("");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    synopsis(command).to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|s| !s.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    let path = path_of(command);
    let mut more = Roff::new();
    let exits = Exit::of_command(&path);
    if !exits.is_empty() {
        more.control("SH", [find("man.exit-status").as_str()]);
        for e in exits {
            more.control("TP", []).text([bold(e.code().to_string())]).text([roman(e.meaning(&path).to_string())]);
        }
    }
    more.control("SH", [find("man.environment").as_str()]);
    for name in ["AZEKURA_STATE", "AZEKURA_IDENTITY", "AZEKURA_PASSPHRASE_FILE"] {
        more.control("TP", []).text([bold(name)]).text([roman(find(&format!("man.{name}")))]);
    }
    more.to_writer(&mut page)?;
    Ok(finish(&String::from_utf8_lossy(&page)).into_bytes())
}

/// The usage line of the help: clap_mangen's own synopsis names every option.
fn synopsis(command: &Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.split_once(": ").map_or(usage.as_str(), |(_, usage)| usage);
    let mut section = Roff::new();
    section.control("SH", ["SYNOPSIS"]).text([roman(usage)]);
    section
}

/// `azekura-keys-new` is the command `keys.new`.
fn path_of(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or_default();
    name.split(' ').skip(1).collect::<Vec<_>>().join(".")
}

/// clap writes its headings in English (`.SH NAME`), and each section begins as if it were a page of its own (`.ie`,
/// `.el`).
fn finish(page: &str) -> String {
    let heading =
        |line: &str| find_optional(&format!("man.heading.{}", line.strip_prefix(".SH ")?)).map(|h| format!(".SH {h}\n"));
    let is_beginning = |line: &str| line.starts_with(".ie ") || line.starts_with(".el ");
    let lines = page.lines().enumerate().filter(|(i, line)| *i < 2 || !is_beginning(line));
    lines.map(|(_, line)| heading(line).unwrap_or_else(|| format!("{line}\n"))).collect()
}
