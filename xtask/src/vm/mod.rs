//! `cargo xtask vm`: one command, in a virtual machine of a chosen kernel.

mod child;
mod control;
mod errand;
mod hardware;
mod interrupt;
pub(crate) mod machine;
mod output;
mod share;
mod workshop;

use std::{env, ffi::OsString, io, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use clap::Args;

pub(crate) use self::{
    errand::{Errand, variable},
    hardware::{Hardware, HardwareOptions},
    machine::{Outcome, Run},
    output::output_of,
    workshop::{Builds, Workshop},
};
use crate::{
    kernels::{Kernel, Series},
    process::Chatter,
    project::Project,
};

/// Exit status for a machine that was stopped because its time was up, as of `timeout`.
const TIMED_OUT: u8 = 124;
/// Exit status when there is none of the command: no machine, or one that died.
pub(crate) const NO_STATUS: u8 = 125;

/// Run a command as root in a virtual machine, with nslife on its PATH.
///
/// The command's output is passed through, and its exit status is that of this program: 124 if
/// the time was up, 125 if the machine died. The host's root is visible to it read-only; /run,
/// /tmp and /var/tmp are its own.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The kernel's series, such as 6.12.
    kernel: Series,
    /// A folder that is writable in the machine, at the same path.
    #[arg(long, value_name = "DIR")]
    share: Vec<PathBuf>,
    /// A variable of the command's environment.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    env: Vec<(String, String)>,
    /// Seconds until the machine is stopped.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// More arguments for the kernel's command line.
    #[arg(
        long,
        value_name = "ARGUMENTS",
        default_value = "",
        allow_hyphen_values = true
    )]
    append: String,
    /// Build nothing: take nslife and the machine's init as they were built last.
    #[arg(long)]
    no_build: bool,
    #[command(flatten)]
    hardware: HardwareOptions,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs the command and returns its status.
pub(crate) fn run_verb(options: Options) -> Result<ExitCode> {
    let project = Project::open()?;
    let hardware = options.hardware.resolve();
    let builds = if options.no_build {
        Builds::Last
    } else {
        Builds::Fresh
    };
    let workshop = Workshop::set_up(project, &hardware.accelerator, builds, Chatter::OnFailure)?;
    let kernel = Kernel::get(&workshop.project.cache, options.kernel)?;
    let errand = Errand {
        command: options.command,
        variables: &options.env,
        shares: &options.share,
        folder: env::current_dir()?,
        kernel_arguments: &options.append,
        timeout: Duration::from_secs(options.timeout),
    };
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    let outcome = errand.run(&workshop, &kernel, &hardware, &mut stdout, &mut stderr)?;
    let status = match outcome {
        Outcome::Exited(status) => status,
        Outcome::Interrupted(signal) => 128 + signal,
        Outcome::TimedOut(logs) => {
            eprintln!("xtask: not done after {} seconds{logs}", options.timeout);
            TIMED_OUT
        }
        Outcome::Died(logs) => {
            let package = &kernel.package;
            eprintln!("xtask: the machine died before the command ended ({package}){logs}");
            NO_STATUS
        }
    };
    Ok(ExitCode::from(status))
}

fn parse_variable(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => bail!("a variable is given as NAME=VALUE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_split_at_the_first_sign() {
        assert_eq!(
            parse_variable("A=b=c").unwrap(),
            ("A".to_owned(), "b=c".to_owned())
        );
        assert_eq!(
            parse_variable("A=").unwrap(),
            ("A".to_owned(), String::new())
        );
        assert!(parse_variable("=b").is_err());
        assert!(parse_variable("A").is_err());
    }
}
