//! The `nslife` command.

use std::process::ExitCode;

use nslife::{cli, version::Version};

fn main() -> ExitCode {
    // Here and not in the library, which would be compiled anew for each.
    cli::run(Version::this(option_env!("NSLIFE_COMMIT")))
}
