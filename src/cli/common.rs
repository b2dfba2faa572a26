//! The arguments that every command takes.

use crate::cli::ui::lang::Lang;
use clap::{ArgAction, Args};
use std::path::PathBuf;

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[arg(long, global = true)]
    pub json: bool,
    #[arg(long, short, global = true)]
    pub quiet: bool,
    #[arg(long, global = true, value_name = "ja|en", hide_possible_values = true)]
    pub lang: Option<Lang>,
    #[arg(long, short, global = true, action = ArgAction::Help)]
    help: Option<bool>,
}
