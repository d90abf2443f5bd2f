//! The front door; the only file that names adapters.

use std::process::ExitCode;

fn main() -> ExitCode {
    postern::cli::main()
}
