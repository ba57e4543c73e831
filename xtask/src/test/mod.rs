//! `cargo xtask test`: every check there is, here and in virtual machines.

mod checks;
mod dashboards;
mod packaging;
mod report;
mod scenarios;

use std::{
    collections::BTreeSet, panic::resume_unwind, process::ExitCode, str::FromStr, thread,
    time::Duration,
};

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::{
    report::{Entry, Report},
    scenarios::Suite,
};
use crate::{ebpf, kernels::Series, process::Chatter, project::Project, vm::HardwareOptions};

/// Run every check, on the machine and on each kernel in a virtual machine.
///
/// Whatever is missing is fetched, built or installed first. Results come as a table; the last
/// line counts them.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The kernels to run scenarios and churn on: series, "mandatory" or "all".
    ///
    /// With "all", those that are not mandatory are run as long as the archive has them, and named
    /// if it does not.
    #[arg(
        long,
        value_name = "SERIES",
        value_delimiter = ',',
        default_value = "mandatory"
    )]
    kernels: Vec<Kernels>,
    /// Kernels whose absence from the archive is not a failure.
    #[arg(long, value_name = "SERIES", value_delimiter = ',')]
    allow_missing: Vec<Series>,
    /// Run these parts only.
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    /// Run every scenario on every kernel, also those of which one says as much.
    #[arg(long)]
    everywhere: bool,
    /// Run these scenarios only, on each of the kernels.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    scenario: Vec<String>,
    /// Virtual machines that run at the same time.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    jobs: usize,
    /// Seconds until a virtual machine is stopped.
    #[arg(long, value_name = "SECONDS", default_value_t = 4000)]
    timeout: u64,
    #[command(flatten)]
    hardware: HardwareOptions,
}

/// Some of the kernels of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernels {
    Mandatory,
    All,
    One(Series),
}

impl FromStr for Kernels {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "mandatory" => Self::Mandatory,
            "all" => Self::All,
            series => Self::One(series.parse()?),
        })
    }
}

impl Options {
    /// The kernels to run on, each once, and those of them that may be missing.
    fn kernels(&self) -> (BTreeSet<Series>, BTreeSet<Series>) {
        let mut wanted = BTreeSet::new();
        let mut may_miss: BTreeSet<_> = self.allow_missing.iter().copied().collect();
        for kernels in &self.kernels {
            match kernels {
                Kernels::Mandatory => wanted.extend(Series::mandatory()),
                Kernels::One(series) => wanted.extend([*series]),
                Kernels::All => {
                    wanted.extend(Series::all());
                    may_miss.extend(
                        Series::all().filter(|series| Series::mandatory().all(|m| m != *series)),
                    );
                }
            }
        }
        (wanted, may_miss)
    }
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
    /// What people install: the unit, the manual pages, the completions.
    Packaging,
    /// What Prometheus's tool says of the rules. That dashboards and rules ask for what there is are
    /// unit tests.
    Dashboards,
    /// A short run of each fuzzer, the same each time.
    Fuzz,
    /// What nslife costs: the short form of the bench, within its budgets.
    Bench,
    /// The scenarios, on each kernel.
    Scenarios,
    /// A short churn, on the newest kernel and on those that it has found something on.
    Churn,
}

/// Runs the checks and reports on them.
pub(crate) fn run_verb(options: Options) -> Result<ExitCode> {
    let project = Project::open()?;
    let wanted = |part| options.only.is_empty() || options.only.contains(&part);
    let mut report = Report::default();
    let hardware = options.hardware.clone().resolve();

    let object = ebpf::build(&project, Chatter::OnFailure)?;
    for part in [
        Part::Fmt,
        Part::Clippy,
        Part::Unit,
        Part::Doc,
        Part::Dashboards,
        Part::Fuzz,
    ] {
        if wanted(part) {
            report.extend(checks::run(&project, &object, part, &hardware));
        }
    }
    let suites: Vec<_> = [
        (Part::Scenarios, Suite::scenarios(&options.scenario)),
        (Part::Churn, Suite::churn()),
    ]
    .into_iter()
    .filter_map(|(part, suite)| wanted(part).then_some(suite))
    .collect();
    let (kernels, allow_missing) = options.kernels();
    let plan = scenarios::Plan {
        suites,
        kernels: kernels.into_iter().collect(),
        allow_missing: allow_missing.into_iter().collect(),
        everywhere: options.everywhere,
        jobs: options.jobs.max(1),
        timeout: Duration::from_secs(options.timeout),
        hardware: hardware.clone(),
    };
    // The bench has a machine with one processor and counts instructions, and a package waits most
    // of its life: others may run beside them.
    let (beside, machines) = thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let parts = [Part::Bench, Part::Packaging];
            let wanted = parts.into_iter().filter(|part| wanted(*part));
            wanted
                .flat_map(|part| checks::run(&project, &object, part, &hardware))
                .collect::<Vec<_>>()
        });
        let machines = if plan.suites.is_empty() {
            Vec::new()
        } else {
            scenarios::run_all(project.clone(), &plan)
                .unwrap_or_else(|error| vec![Entry::failed("machines", "preparation", &error)])
        };
        let beside = beside.join().unwrap_or_else(|panic| resume_unwind(panic));
        (beside, machines)
    });
    report.extend(beside);
    report.extend(machines);

    print!("{report}");
    Ok(if report.has_failures() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn kernels(arguments: &[&str]) -> (Vec<String>, Vec<String>) {
        let arguments = std::iter::once(&"test").chain(arguments);
        let (wanted, may_miss) = Cli::parse_from(arguments).options.kernels();
        let names = |set: BTreeSet<Series>| set.iter().map(Series::to_string).collect();
        (names(wanted), names(may_miss))
    }

    #[test]
    fn only_what_is_not_mandatory_may_be_missing() {
        let (wanted, may_miss) = kernels(&[]);
        assert_eq!(wanted, ["6.1", "6.12", "6.18", "6.19", "7.3"]);
        assert!(may_miss.is_empty());
        let (wanted, may_miss) = kernels(&["--kernels", "all"]);
        assert_eq!(wanted.len(), 10);
        assert_eq!(may_miss, ["6.16", "6.17", "7.0", "7.1", "7.2"]);
        let (wanted, may_miss) = kernels(&["--kernels", "7.3,6.17,7.3"]);
        assert_eq!(wanted, ["6.17", "7.3"]);
        assert!(may_miss.is_empty(), "asked for by name");
    }
}
