//! `cargo xtask overview`: the overview as a picture, from what its queries find on a live kernel.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    ebpf,
    kernels::{Kernel, Series},
    process::{Chatter, host_cargo, stdout_of},
    project::Project,
    prometheus, scenario_program,
    vm::{Errand, Hardware, HardwareOptions, Workshop, variable},
};

/// The scenario that fills Prometheus and asks it, and the file that it leaves.
const SCENARIO: &str = "dashboards_and_alerts_find_something";
const DATA: &str = "overview.data.json";

/// The picture.
const PICTURE: &str = "docs/overview.svg";

/// How long the scenario may take.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Draw docs/overview.svg anew: what the panels of the overview find while namespaces come, go,
/// leak and hang in a virtual machine.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The kernel of the machine.
    #[arg(long, value_name = "SERIES", default_value = "7.3")]
    kernel: Series,
    #[command(flatten)]
    hardware: HardwareOptions,
}

/// Runs the scenario, draws, and prints where the picture is.
pub(crate) fn run_verb(options: Options) -> Result<ExitCode> {
    let project = Project::open()?;
    let hardware = options.hardware.resolve();
    let program = scenario_program::build(&project)?;
    let workshop = Workshop::fresh(project, &hardware)?;
    let folder = workshop.project.target.join("nslife-results/overview");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    run_scenario(&workshop, program, options.kernel, &hardware, &folder)?;

    let picture = workshop.project.root.join(PICTURE);
    fs::write(&picture, draw(&workshop.project, &folder.join(DATA))?)
        .with_context(|| format!("cannot write {}", picture.display()))?;
    println!("{}", picture.display());
    Ok(ExitCode::SUCCESS)
}

/// Has it leave its data in a folder.
fn run_scenario(
    workshop: &Workshop,
    program: PathBuf,
    series: Series,
    hardware: &Hardware,
    folder: &Path,
) -> Result<()> {
    let kernel = Kernel::get(&workshop.project.cache, series)?;
    let prometheus = prometheus::find_or_fetch(&workshop.project.cache)?;
    let errand = Errand {
        command: vec![program.into(), "--only".into(), SCENARIO.into()],
        variables: &[
            variable(scenario_program::RESULTS, folder)?,
            variable(scenario_program::PROMETHEUS, &prometheus)?,
        ],
        shares: &[folder.to_owned()],
        folder: workshop.project.root.clone(),
        kernel_arguments: "",
        timeout: TIMEOUT,
    };
    let (mut stdout, mut stderr) = (io::stderr(), io::stderr());
    let outcome = errand.run(workshop, &kernel, hardware, &mut stdout, &mut stderr)?;
    outcome.has_to_be_success(&kernel, TIMEOUT)
}

/// The picture, as text.
fn draw(project: &Project, data: &Path) -> Result<String> {
    let object = ebpf::build(project, Chatter::OnFailure)?;
    let mut cargo = host_cargo(&project.root);
    cargo
        .args([
            "run",
            "--quiet",
            "--package",
            "dashboards",
            "--example",
            "draw",
        ])
        .arg("--target-dir")
        .arg(&project.target);
    ebpf::put_into(&mut cargo, project, &object);
    stdout_of(cargo.arg("--").arg(data))
}
