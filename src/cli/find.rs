//! `azekura find`

use super::caged::{self, Needs};
use super::context::Context;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::table::Columns;
use crate::cli::ui::text::{find as text_of, message};
use crate::cli::ui::units::{bytes, count, time};
use crate::cli::ui::{findings, words};
use azekura::answer::find::{self as answer, Find};
use azekura::answer::proof::State;
use azekura::answer::{exact, name};
use azekura::env::time_text;
use azekura::format::entry::EntryKind;
use azekura::format::object::Id;
use azekura::job::inspect::find::{FindOptions, FoundEntry, find};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "PATTERN", required = true)]
    patterns: Vec<String>,
    #[arg(long, value_name = "MEDIUM")]
    from: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    generation: Option<u64>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
}

pub fn run(args: Args, context: &Context) -> Result<Outcome, CommandError> {
    let from = context.medium(args.from.as_deref())?;
    let identity = context.identity(args.identity.as_deref())?;
    caged::enter(context, &Needs { medium: Some(&from), ..Needs::default() });
    let options = FindOptions { from, set: args.set, generation: args.generation, patterns: args.patterns };
    let report = find(&options, &identity, &context.env(None))?;
    let (refused_count, refused) = words::refused_answer(&report.refused);
    let answer = Find { hits: report.found.iter().map(answer).collect(), refused_count, refused };
    context.talk(&message!("find.count", count = count(answer.hits.len())));
    findings::list_refused(&answer.refused.first, answer.refused_count);
    let exit = match (answer.refused_count, answer.hits.is_empty()) {
        (1.., _) => Exit::Damage,
        // As with grep: nothing found is not a good end.
        (0, true) => Exit::Failed,
        (0, false) => Exit::Good,
    };
    Ok(Outcome::new(exit, text(&answer), &answer))
}

fn text(answer: &Find) -> String {
    if answer.hits.is_empty() {
        return String::new();
    }
    let mut columns = Columns::new(["label.generations-of", "label.size", "label.modified", "label.path"].map(text_of));
    for h in &answer.hits.first {
        let (first, last) = (h.first_generation, h.last_generation);
        let generations = if first == last { first.printable() } else { format!("{first}-{last}") };
        let size = size(h.kind, h.size, h.state);
        let path = exact(&h.path, h.path_hex.as_deref()).printable();
        columns.row([generations, size, time(&h.mtime, Lang::spoken()), path]);
    }
    columns.text()
}

/// The size of a file, or what else an entry is. A file that could not be read is not empty.
pub fn size(of: EntryKind, size: u64, state: Option<State>) -> String {
    match (of, state) {
        (EntryKind::File, Some(State::Unreadable)) => message!("find.unread").to_string(),
        (EntryKind::File, _) => bytes(size),
        _ => kind(of).to_owned(),
    }
}

/// As JSON and lists name an entry's type.
pub fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Directory => "directory",
        EntryKind::Symlink => "symlink",
        EntryKind::Fifo => "fifo",
        EntryKind::CharDevice => "char-device",
        EntryKind::BlockDevice => "block-device",
        EntryKind::Socket => "socket",
    }
}

fn answer(hit: &FoundEntry) -> answer::Hit {
    let (path, path_hex) = name(&hit.core.path);
    answer::Hit {
        first_generation: hit.first,
        last_generation: hit.last,
        path,
        path_hex,
        kind: hit.core.kind,
        size: hit.core.size,
        state: State::unless_good(hit.core.state),
        mtime: time_text(hit.core.mtime).into(),
    }
}
