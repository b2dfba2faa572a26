//! The arguments as they are typed. Each command decides what they mean. Their help texts are in the catalogue
//! ([`help`](super::help)).

use super::common::Common;
use super::{
    backup, catalog, check_proof, compare, completions, diff, evidence, find, generations, history, hold, init, keys, man, media,
    prove, report, restore, stamp, status, verify, version,
};
use clap::{ArgAction, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "azekura", version, disable_help_flag = true, disable_version_flag = true, disable_help_subcommand = true)]
pub struct Azekura {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, short = 'V', action = ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Init(init::Args),
    Backup(backup::Args),
    Generations(generations::Args),
    Find(find::Args),
    Diff(diff::Args),
    Restore(restore::Args),
    Verify(verify::Args),
    Compare(compare::Args),
    History(history::Args),
    Prove(prove::Args),
    CheckProof(check_proof::Args),
    #[command(subcommand)]
    Stamp(stamp::Command),
    Status(status::Args),
    #[command(subcommand)]
    Hold(hold::Command),
    #[command(subcommand)]
    Evidence(evidence::Command),
    #[command(subcommand)]
    Report(report::Command),
    #[command(subcommand)]
    Keys(keys::Command),
    #[command(subcommand)]
    Media(media::Command),
    #[command(subcommand)]
    Catalog(catalog::Command),
    Completions(completions::Args),
    Version(version::Args),
    #[command(hide = true)]
    Man(man::Args),
    #[command(hide = true)]
    Reference,
}

impl Command {
    /// As JSON and help name it.
    pub fn path(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Backup(_) => "backup",
            Self::Generations(_) => "generations",
            Self::Find(_) => "find",
            Self::Diff(_) => "diff",
            Self::Restore(_) => "restore",
            Self::Verify(_) => "verify",
            Self::Compare(_) => "compare",
            Self::History(_) => "history",
            Self::Prove(_) => "prove",
            Self::CheckProof(_) => "check-proof",
            Self::Stamp(command) => command.path(),
            Self::Status(_) => "status",
            Self::Hold(command) => command.path(),
            Self::Evidence(command) => command.path(),
            Self::Report(command) => command.path(),
            Self::Keys(keys::Command::New(_)) => "keys.new",
            Self::Keys(keys::Command::Sheet(_)) => "keys.sheet",
            Self::Keys(keys::Command::Rehearse(_)) => "keys.rehearse",
            Self::Keys(keys::Command::ShowRecipient(_)) => "keys.show-recipient",
            Self::Media(command) => command.path(),
            Self::Catalog(catalog::Command::Rebuild(_)) => "catalog.rebuild",
            Self::Catalog(catalog::Command::Log) => "catalog.log",
            Self::Completions(_) => "completions",
            Self::Version(_) => "version",
            Self::Man(_) => "man",
            Self::Reference => "reference",
        }
    }
}
