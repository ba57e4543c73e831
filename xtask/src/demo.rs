//! `cargo xtask demo`: nslife at work, on this machine or in a virtual one.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal as _},
    path::Path,
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::{
    build, install,
    kernels::{Kernel, Series},
    process::Chatter,
    project::Project,
    vm::{Errand, Hardware, HardwareOptions, Outcome, Workshop},
};

/// The kernel of the virtual machine, if nobody chooses.
const DEFAULT_KERNEL: &str = "7.3";
/// How long the demonstration may take.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Show nslife at work: a daemon, a live trace, and things that happen to real namespaces.
///
/// Runs on this machine if it may trace, else in a virtual one.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// In a virtual machine of this kernel, even if this machine may trace.
    #[arg(long, value_name = "SERIES")]
    kernel: Option<Series>,
    #[command(flatten)]
    hardware: HardwareOptions,
}

/// What of `nslife doctor --output json` matters here.
#[derive(Deserialize)]
struct Diagnosis {
    runs: bool,
    btf_problem: Option<String>,
    bpf_problem: Option<String>,
}

/// Runs the demonstration.
pub(crate) fn run_verb(options: Options) -> Result<ExitCode> {
    install::workload_programs()?;
    let project = Project::open()?;
    eprintln!("xtask: building nslife and the demonstration");
    let demo = build::program(&project, "demo", "nslife-demo", Chatter::OnFailure)?;
    let nslife = build::nslife(&project, Chatter::OnFailure)?;
    let series = match options.kernel {
        Some(series) => series,
        None => match why_not_here(&nslife)? {
            None => {
                eprintln!("xtask: this machine may trace, so here it goes");
                return here(&demo, &nslife);
            }
            Some(problem) => {
                eprintln!("xtask: this machine may not trace: {problem}");
                DEFAULT_KERNEL.parse()?
            }
        },
    };
    in_a_machine(project, &demo, series, &options.hardware.resolve())
}

/// Why nslife cannot run on this machine; `None` if it can.
fn why_not_here(nslife: &Path) -> Result<Option<String>> {
    let output = Command::new(nslife)
        .args(["doctor", "--output", "json"])
        .output()
        .context("cannot run nslife doctor")?;
    let diagnosis: Diagnosis =
        serde_json::from_slice(&output.stdout).context("nslife doctor did not print its report")?;
    if diagnosis.runs {
        return Ok(None);
    }
    let problem = diagnosis.bpf_problem.or(diagnosis.btf_problem);
    Ok(Some(problem.unwrap_or_else(|| {
        "hooks are missing, see nslife doctor".to_owned()
    })))
}

fn here(demo: &Path, nslife: &Path) -> Result<ExitCode> {
    let status = Command::new(demo)
        .arg(nslife)
        .status()
        .with_context(|| format!("cannot run {}", demo.display()))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn in_a_machine(
    project: Project,
    demo: &Path,
    series: Series,
    hardware: &Hardware,
) -> Result<ExitCode> {
    let workshop = Workshop::fresh(project, hardware)?;
    let kernel = Kernel::get(&workshop.project.cache, series)?;
    eprintln!("xtask: booting a virtual machine of {}", kernel.package);
    // The machine's output is a pipe to the programs in it, whatever it is here.
    let mut variables = Vec::new();
    if io::stdout().is_terminal() {
        variables.push(("CLICOLOR_FORCE".to_owned(), "1".to_owned()));
    }
    let command: Vec<OsString> = vec![demo.into()];
    let errand = Errand {
        command,
        variables: &variables,
        shares: &[],
        folder: env::current_dir()?,
        kernel_arguments: "",
        timeout: TIMEOUT,
    };
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    match errand.run(&workshop, &kernel, hardware, &mut stdout, &mut stderr)? {
        Outcome::Exited(status) => Ok(ExitCode::from(status)),
        Outcome::Interrupted(signal) => Ok(ExitCode::from(128 + signal)),
        Outcome::TimedOut(logs) => bail!("not done after {} s{logs}", TIMEOUT.as_secs()),
        Outcome::Died(logs) => bail!("the machine died ({}){logs}", kernel.package),
    }
}
