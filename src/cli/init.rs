//! `azekura init`: sets up this host once, so that the nightly `azekura backup` needs no arguments.

use super::config::{Config, ConfigSource};
use super::context::Context;
use super::databases;
use super::environment::absolute;
use super::recovery_key;
use super::sources::{self, ForAll};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{CommandError, io_reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::{Printable, path_name};
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{find, message};
use azekura::answer::exact;
use azekura::answer::init::Init;
use azekura::host::files;
use azekura::host::state::StateDir;
use azekura::job::backup::{SourceOptions, check_kinds};
use azekura::pipeline::encryptor::Recipients;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "SOURCE")]
    sources: Vec<OsString>,
    #[arg(long, value_name = "MEDIUM")]
    to: Option<PathBuf>,
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    #[arg(long, value_name = "RECIPIENT")]
    recipient: Vec<String>,
    #[arg(long, value_name = "FILE", conflicts_with = "recipient")]
    identity_out: Option<PathBuf>,
}

pub fn run(args: Args, context: &Context) -> Result<Outcome, CommandError> {
    // Where the records belong to the user of the backups, that user makes what is in their folder.
    let state = if context.leaves_state_alone() { context.state_path()? } else { context.state_dir()? };
    let Some(file) = context.config_file().map(|f| absolute(&f)) else {
        return Err(CommandError::usage(message!("error.no-config-file"), message!("hint.no-config-file")));
    };
    if file.exists() {
        return Err(exists(&file));
    }
    let sources = match args.sources.as_slice() {
        [] => Vec::new(),
        typed => sources::check(sources::choose(typed, &ForAll::default(), &Config::default())?)?,
    };
    check_kinds(&sources)?;
    databases::warn_of(&sources, context);
    let medium = args.to.as_deref().map(absolute);
    // Checked before anything is made.
    let given = match args.recipient.is_empty() {
        true => None,
        false => Some(Recipients::parse(&args.recipient)?.texts().to_vec()),
    };
    if !context.leaves_state_alone() {
        StateDir::open(&state)?;
    }
    let keep_out: Vec<&Path> = [Some(state.as_path()), medium.as_deref()].into_iter().flatten().collect();
    let key = match given.is_none() {
        true => Some(recovery_key::make(args.identity_out.as_deref(), &keep_out, context)?),
        false => None,
    };
    let config = Config {
        language: Some(Lang::spoken()),
        set: Some(args.set.unwrap_or_else(|| context.environment.host.clone())),
        medium,
        contact: None,
        loader: Vec::new(),
        pools: Vec::new(),
        changer: None,
        max_media_per_generation: None,
        tape_block: None,
        changer_drive: None,
        recipients: key.as_ref().map_or(given.unwrap_or_default(), |k| k.recipients.clone()),
        level: None,
        sources: sources.into_iter().map(in_config).collect::<Result<_, _>>()?,
    };
    write(&file, &config)?;
    let ((config_path, config_hex), (state, state_hex)) = (path_name(&file), path_name(&state));
    let (recovery_key, recovery_key_hex) = key.as_ref().map(|k| path_name(&k.path)).unzip();
    let answer = Init {
        config: config_path,
        config_hex,
        state,
        state_hex,
        recipients: config.recipients.iter().map(|r| r.as_str().into()).collect(),
        recovery_key,
        recovery_key_hex: recovery_key_hex.flatten(),
    };
    Ok(Outcome::good(text(&answer), &answer))
}

fn text(answer: &Init) -> String {
    let mut table = Table::default();
    table.row(find("label.config"), exact(&answer.config, answer.config_hex.as_deref()).printable());
    table.row(find("label.state"), exact(&answer.state, answer.state_hex.as_deref()).printable());
    answer.recipients.first.iter().for_each(|r| table.row(find("label.recipient"), r.printable()));
    if let Some(key) = &answer.recovery_key {
        table.row(find("label.recovery-key"), exact(key, answer.recovery_key_hex.as_deref()).printable());
    }
    format!("{}\n{}\n", table.text(), find("init.next"))
}

/// A configuration is text, so a name or path that is not has to be typed each time.
fn in_config(source: SourceOptions) -> Result<ConfigSource, CommandError> {
    let not_text = message!("error.config.not-text", path = source.path);
    match (String::from_utf8(source.name), source.path.to_str().is_some()) {
        (Ok(name), true) => Ok(ConfigSource {
            name: Some(name),
            path: Some(source.path),
            command: Vec::new(),
            check: Vec::new(),
            user: None,
            fresh_hours: None,
            excludes: Vec::new(),
            one_file_system: false,
            rules: Default::default(),
            priority: None,
            max_age_hours: None,
            max_entries: None,
            canaries: Vec::new(),
        }),
        _ => Err(CommandError::new(not_text, Exit::Usage)),
    }
}

fn exists(file: &Path) -> CommandError {
    CommandError::new(message!("error.config.exists", path = file), Exit::Failed)
}

fn write(file: &Path, config: &Config) -> Result<(), CommandError> {
    let failed = || CommandError::new(message!("error.config.write", path = file), Exit::Failed);
    let text = config.text().map_err(|e| failed().cause(message!("reason.plain", text = e.to_string())))?;
    let written = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
        // No secret is in it: others may read it.
        files::write_new(file, 0o644, text.as_bytes())
    });
    written.map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => exists(file),
        _ => failed().cause(io_reason(&e)),
    })
}
