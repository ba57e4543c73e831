//! `cargo xtask record`: what the kernel programs say during a fixed play, on each kernel, kept for
//! tests that need none.

use std::{
    fs,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    build,
    kernels::{Kernel, Series},
    process::Chatter,
    project::Project,
    scenario_program,
    vm::{HardwareOptions, Workshop, output_of},
};

/// Where the tests look for recordings.
const FOLDER: &str = "tracer-core/tests/recordings";

/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Record what the kernel programs say on each kernel, for the tests that play it back.
///
/// Needed when the programs, their records or the play have changed. A kernel that cannot be had
/// keeps its recording, and is named at the end.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The kernels to record [default: all].
    #[arg(long, value_name = "SERIES", value_delimiter = ',')]
    kernels: Vec<Series>,
    #[command(flatten)]
    hardware: HardwareOptions,
}

/// Records, one kernel after the other.
pub(crate) fn run_verb(options: Options) -> Result<ExitCode> {
    let project = Project::open()?;
    let hardware = options.hardware.resolve();
    let recorder = build::program(&project, "recorder", "nslife-record", Chatter::OnFailure)?;
    let player = scenario_program::build(&project)?;
    let workshop = Workshop::fresh(project, &hardware)?;
    let folder = workshop.project.root.join(FOLDER);
    let mut missing = Vec::new();
    for series in Series::or_all(options.kernels) {
        let start = Instant::now();
        let kernel = match Kernel::get(&workshop.project.cache, series) {
            Ok(kernel) => kernel,
            Err(error) => {
                eprintln!("xtask: {error:#}");
                missing.push(series.to_string());
                continue;
            }
        };
        let command = vec![recorder.clone().into(), player.clone().into()];
        let recording = output_of(&workshop, &kernel, &hardware, command, TIMEOUT)?;
        let path = folder.join(format!("{series}.txt"));
        fs::write(&path, &recording).with_context(|| format!("cannot write {}", path.display()))?;
        println!(
            "{series}  {} bytes  {} s  {}",
            recording.len(),
            start.elapsed().as_secs(),
            kernel.package
        );
    }
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "xtask: NOT RECORDED, since they cannot be had: {}",
        missing.join(", ")
    );
    Ok(ExitCode::FAILURE)
}
