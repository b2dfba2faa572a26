//! `azekura media label`: the label to stick on a medium.

use super::ledger::known;
use crate::cli::context::Context;
use crate::cli::environment::{absolute, now};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{CommandError, reason};
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::{Printable, path_name};
use crate::cli::ui::secret::write_new;
use crate::cli::ui::text::message;
use crate::cli::ui::units::paper_date;
use azekura::answer::exact;
use azekura::answer::media::Labels;
use azekura::env::time_text;
use azekura::host::ledger::Ledger;
use azekura::report::media_label::MediaLabel;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "NAME", required = true)]
    media: Vec<String>,
    #[arg(long, value_name = "WORDS")]
    contact: Option<String>,
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    let book = Ledger::of(&context.state_to_ask()?).read()?;
    let mut media = Vec::new();
    for name in &args.media {
        media.push(known(&book, name)?);
    }
    let printed = paper_date(&time_text(now()));
    let labels: Vec<MediaLabel> = media
        .iter()
        .map(|m| MediaLabel {
            name: &m.name,
            pool: m.pool.as_deref().unwrap_or_default(),
            set: &m.set,
            contact: args.contact.as_deref().unwrap_or_default(),
            printed: &printed,
        })
        .collect();
    let page = azekura::report::media_label::html(&labels)
        .map_err(|e| CommandError::new(message!("error.media.label"), Exit::Failed).cause(reason(&e)))?;
    let out = absolute(&args.out);
    write_new(&out, page.as_bytes())?;
    let (labels, labels_hex) = path_name(&out);
    let text = format!("{}\n", exact(&labels, labels_hex.as_deref()).printable());
    Ok(Outcome::good(text, &Labels { labels, labels_hex }))
}
