//! `azekura keys sheet`: the recovery key on paper, with what it belongs to.

use crate::cli::context::Context;
use crate::cli::environment::{absolute, now};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{CommandError, reason};
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::{Printable, path_name};
use crate::cli::ui::secret::write_new;
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::paper_date;
use azekura::answer::exact;
use azekura::answer::keys::Sheet;
use azekura::env::time_text;
use azekura::format::label::{Fingerprint, Label};
use azekura::format::object::{Id, hex};
use azekura::medium::AttachedMedium;
use azekura::pipeline::encryptor::Identity;
use azekura::report::key_sheet::KeySheet;
use azekura::set::open::OpenSet;
use std::path::PathBuf;
use zeroize::Zeroizing;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[arg(long, value_name = "MEDIUM")]
    from: Option<PathBuf>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    let from = context.medium(args.from.as_deref())?;
    let id = OpenSet::open(&from, args.set, context.loader())?.id;
    let sets = AttachedMedium::find(&from, context.loader())?.sets()?;
    let label = sets.found.iter().find(|s| s.id == id).map(|s| &s.label);
    let identity = context.identity(args.identity.as_deref())?;
    let fits = |l: &&Label| identity.recipients().texts().iter().any(|r| l.recipients.contains(&Fingerprint::of(r)));
    if label.is_some_and(|l| !fits(&l)) {
        return Err(CommandError::new(message!("error.identity.wrong"), Exit::Key));
    }
    let out = absolute(&args.out);
    write_new(&out, page(&identity, label, "")?.as_bytes())?;
    let (sheet, sheet_hex) = path_name(&out);
    let text = format!("{}\n\n{}\n", exact(&sheet, sheet_hex.as_deref()).printable(), find("keys.next-sheet"));
    Ok(Outcome::good(text, &Sheet { sheet, sheet_hex }))
}

/// The sheet of one key. Without a label, what it belongs to is left to be written by hand. `created` may be empty.
pub fn page(identity: &Identity, label: Option<&Label>, created: &str) -> Result<Zeroizing<String>, CommandError> {
    let (recipients, secrets) = (identity.recipients(), identity.texts());
    let fits = |r: &&String| label.is_none_or(|l| l.recipients.contains(&Fingerprint::of(r)));
    // A file may contain several keys: take the one that the label names.
    let at = recipients.texts().iter().position(|r| fits(&r)).unwrap_or(0);
    let (Some(recipient), Some(secret)) = (recipients.texts().get(at), secrets.get(at)) else {
        return Err(CommandError::new(message!("error.identity.no-key"), Exit::Key));
    };
    let set_id = label.map(|l| l.set.to_string()).unwrap_or_default();
    let root_key = label.map(|l| hex(&l.root_key)).unwrap_or_default();
    let sheet = KeySheet {
        set_name: label.map_or("", |l| &l.name),
        set_id: &set_id,
        created: &paper_date(created),
        printed: &paper_date(&time_text(now())),
        identity: secret,
        recipient,
        fingerprint: &Fingerprint::of(recipient).to_string(),
        root_key: &root_key,
    };
    sheet.html().map_err(|e| CommandError::new(message!("error.sheet"), Exit::Failed).cause(reason(&e)))
}
