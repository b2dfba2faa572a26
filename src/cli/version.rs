//! `azekura version`

use crate::cli::ui::output::Outcome;
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{find, message};
use azekura::answer::Clipped;
use azekura::answer::program::{Cage, Version};
use azekura::cage;
use azekura::env::TOOL;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long)]
    verbose: bool,
}

pub fn run(args: &Args) -> Outcome {
    let cage = args.verbose.then(cage::tried).map(|w| Cage { landlock: w.landlock.map(Into::into), seccomp: w.seccomp });
    let version = Clipped::of(env!("CARGO_PKG_VERSION"));
    let rows = cage.map_or_else(String::new, |cage| text(&cage));
    Outcome::good(format!("{TOOL}\n{rows}"), &Version { version, cage })
}

fn text(cage: &Cage) -> String {
    let landlock = cage.landlock.map_or_else(|| message!("version.no-landlock"), |abi| message!("version.landlock", abi = abi));
    let seccomp = if cage.seccomp { message!("version.seccomp") } else { message!("version.no-seccomp") };
    let mut table = Table::default();
    table.row(
        find("label.cage"),
        message!("version.cage", landlock = landlock.to_string(), seccomp = seccomp.to_string()).to_string(),
    );
    table.text()
}
