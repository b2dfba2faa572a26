//! `azekura keys new`: a recovery key, best made on a computer that has no network and is not the one backed up.

use super::sheet;
use crate::cli::context::Context;
use crate::cli::environment::{absolute, now};
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::{Printable, path_name};
use crate::cli::ui::secret::{new_passphrase, write_new};
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{find, message};
use azekura::answer::exact;
use azekura::answer::keys::New;
use azekura::env::time_text;
use azekura::pipeline::encryptor::{DEFAULT_WORK_FACTOR, Identity, encrypt_with_passphrase};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    #[arg(long, conflicts_with = "passphrase_file")]
    passphrase: bool,
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    let file = context.environment.passphrase_file(args.passphrase_file.as_deref()).filter(|_| !args.passphrase);
    let passphrase = match args.passphrase || file.is_some() {
        true => Some(new_passphrase(file.as_deref())?),
        false => None,
    };
    let identity = Identity::generate();
    let created = time_text(now());
    let plain = identity.file_text(&created);
    let file_text = match &passphrase {
        Some(p) => Zeroizing::new(encrypt_with_passphrase(&plain, p, DEFAULT_WORK_FACTOR)?),
        None => plain,
    };
    let recipients = identity.recipients().texts().to_vec();
    let page = match &args.sheet {
        Some(path) => Some((absolute(path), sheet::page(&identity, None, &created)?)),
        None => None,
    };
    let out = absolute(&args.out);
    write_new(&out, file_text.as_bytes())?;
    if let Some((path, page)) = &page {
        write_new(path, page.as_bytes())?;
    }
    warn(&out, context);
    let (key_file, key_file_hex) = path_name(&out);
    let (sheet, sheet_hex) = page.as_ref().map(|(path, _)| path_name(path)).unzip();
    let answer = New {
        key_file,
        key_file_hex,
        sheet,
        sheet_hex: sheet_hex.flatten(),
        recipients: recipients.iter().map(|r| r.as_str().into()).collect(),
        passphrase: passphrase.is_some(),
    };
    Ok(Outcome::good(text(&answer), &answer))
}

fn text(answer: &New) -> String {
    let mut table = Table::default();
    table.row(find("label.key-file"), exact(&answer.key_file, answer.key_file_hex.as_deref()).printable());
    if let Some(sheet) = &answer.sheet {
        table.row(find("label.sheet"), exact(sheet, answer.sheet_hex.as_deref()).printable());
    }
    answer.recipients.first.iter().for_each(|r| table.row(find("label.recipient"), r.printable()));
    format!("{}\n{}\n", table.text(), find("keys.next"))
}

/// A key that is made on a host with sets was, for a moment, where a thief may be.
fn warn(out: &Path, context: &Context) {
    let is_backup_host = context.state_path().is_ok_and(|dir| dir.join("sets").exists());
    if is_backup_host {
        context.warn(&message!("talk.key-on-host", path = out));
    } else {
        context.talk(&message!("talk.key-made", path = out));
    }
}
