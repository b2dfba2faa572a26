//! The `azekura` program. Everything it does is in the library; everything it says is in [`cli`].

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
