//! The `nslife` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    nslife::cli::run()
}
