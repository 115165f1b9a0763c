//! `coincident`: parse arguments, run the verb, turn its outcome into an exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
