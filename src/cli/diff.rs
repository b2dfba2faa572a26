//! `azekura diff`: one line for each difference, written as they are met, so that it takes no memory however many there
//! are.

use super::caged::{self, Needs};
use super::context::Context;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::text::message;
use crate::cli::ui::units::count;
use crate::cli::ui::{findings, words};
use azekura::answer::diff::{self as answer, Diff, Difference};
use azekura::answer::name;
use azekura::format::entry::Core;
use azekura::format::object::Id;
use azekura::job::inspect::diff::{Change, DiffOptions, GenerationDifference, diff};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "BEFORE", value_parser = clap::value_parser!(u64).range(1..))]
    before: u64,
    #[arg(value_name = "AFTER", value_parser = clap::value_parser!(u64).range(1..))]
    after: u64,
    #[arg(long, value_name = "MEDIUM")]
    from: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
}

/// How many entries changed in each way.
#[derive(Debug, Default)]
struct DiffCounts {
    added: u64,
    removed: u64,
    content: u64,
    metadata: u64,
    unknown: u64,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    let from = context.medium(args.from.as_deref())?;
    let identity = context.identity(args.identity.as_deref())?;
    caged::enter(context, &Needs { medium: Some(&from), ..Needs::default() });
    let options = DiffOptions { from, set: args.set, before: args.before, after: args.after };
    let mut counts = DiffCounts::default();
    let mut all = Vec::new();
    let mut out = BufWriter::new(std::io::stdout());
    let mut written = Ok(());
    let env = context.env(None);
    let refused = diff(&options, &identity, &env, |d| {
        let (sign, counter) = match d.change {
            Change::Added => ('+', &mut counts.added),
            Change::Removed => ('-', &mut counts.removed),
            Change::Content => ('M', &mut counts.content),
            Change::Metadata => ('m', &mut counts.metadata),
            Change::Unknown => ('?', &mut counts.unknown),
        };
        *counter += 1;
        if context.wants_document() {
            all.push(answer(&d));
        }
        if !context.is_json() && written.is_ok() {
            written = writeln!(out, "{sign} {}", d.path.printable());
        }
    })?;
    match written.and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => return Err(CommandError::from_output(&e)),
        _ => {}
    }
    let (added, removed) = (count(counts.added), count(counts.removed));
    let (content, metadata) = (count(counts.content), count(counts.metadata));
    context.talk(&message!("diff.counts", added = added, removed = removed, content = content, metadata = metadata));
    let (refused_count, refused) = words::refused_answer(&refused);
    let answer = Diff {
        before: args.before,
        after: args.after,
        added: counts.added,
        removed: counts.removed,
        content: counts.content,
        metadata: counts.metadata,
        unknown: counts.unknown,
        refused_count,
        refused,
        differences: all.into(),
    };
    findings::list_refused(&answer.refused.first, answer.refused_count);
    let exit = if answer.refused_count > 0 { Exit::Damage } else { Exit::Good };
    Ok(Outcome::new(exit, String::new(), &answer))
}

fn answer(d: &GenerationDifference) -> Difference {
    let change = match d.change {
        Change::Added => answer::Change::Added,
        Change::Removed => answer::Change::Removed,
        Change::Content => answer::Change::Content,
        Change::Metadata => answer::Change::Metadata,
        Change::Unknown => answer::Change::Unknown,
    };
    let (path, path_hex) = name(&d.path);
    let size = |core: &Option<Box<Core>>| core.as_ref().map(|c| c.size);
    Difference { change, path, path_hex, size_before: size(&d.before), size_after: size(&d.after) }
}
