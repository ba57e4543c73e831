//! `cargo xtask test`: every check there is, here and in virtual machines.

mod checks;
mod report;
mod scenarios;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::report::{Entry, Report};
use crate::{ebpf, kernels::Series, process::Chatter, project::Project, vm::HardwareOptions};

/// Run every check, on the machine and on each kernel in a virtual machine.
///
/// Whatever is missing is fetched, built or installed first. Results come as a table; the last
/// line counts them.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The kernels to run the scenarios on.
    #[arg(
        long,
        value_name = "SERIES",
        value_delimiter = ',',
        default_value = "6.1,6.12,7.3"
    )]
    kernels: Vec<Series>,
    /// Kernels whose absence from the archive is not a failure.
    #[arg(long, value_name = "SERIES", value_delimiter = ',')]
    allow_missing: Vec<Series>,
    /// Run these parts only.
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    /// Virtual machines that run at the same time.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    jobs: usize,
    /// Seconds until a virtual machine is stopped.
    #[arg(long, value_name = "SECONDS", default_value_t = 1200)]
    timeout: u64,
    #[command(flatten)]
    hardware: HardwareOptions,
}

/// What the checks are divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Formatting.
    Fmt,
    /// Lints, warnings denied, on the host's target and on the BPF target.
    Clippy,
    /// Unit, property and documentation tests.
    Unit,
    /// That the documentation builds, warnings denied.
    Doc,
    /// A short run of each fuzzer, the same each time.
    Fuzz,
    /// The scenarios, on each kernel.
    Scenarios,
}

/// Runs the checks and reports on them.
pub(crate) fn run_verb(options: Options) -> Result<ExitCode> {
    let project = Project::open()?;
    let wanted = |part| options.only.is_empty() || options.only.contains(&part);
    let mut report = Report::default();

    let object = ebpf::build(&project, Chatter::OnFailure)?;
    for part in [Part::Fmt, Part::Clippy, Part::Unit, Part::Doc, Part::Fuzz] {
        if wanted(part) {
            report.extend(checks::run(&project, &object, part));
        }
    }
    if wanted(Part::Scenarios) {
        let plan = scenarios::Plan {
            kernels: options.kernels,
            allow_missing: options.allow_missing,
            jobs: options.jobs.max(1),
            timeout: Duration::from_secs(options.timeout),
            hardware: options.hardware.resolve(),
        };
        match scenarios::run_all(project, &plan) {
            Ok(entries) => report.extend(entries),
            Err(error) => report.extend([Entry::failed("scenarios", "preparation", &error)]),
        }
    }

    print!("{report}");
    Ok(if report.has_failures() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
