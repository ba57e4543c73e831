//! `cargo xtask record`: what the kernel programs say during a fixed play, on each kernel, kept for
//! tests that need none.

use std::{ffi::OsString, fs, path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    ebpf,
    kernels::{Kernel, Series},
    process::{Chatter, host_cargo, run as run_command},
    project::Project,
    vm::{Builds, HardwareOptions, Workshop, output_of},
};

/// Where the tests look for recordings.
const FOLDER: &str = "tracer-user/tests/recordings";

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
    let kernels = if options.kernels.is_empty() {
        Series::all().collect()
    } else {
        options.kernels
    };
    let programs = Programs::build(&project)?;
    let workshop = Workshop::set_up(
        project,
        &hardware.accelerator,
        Builds::Fresh,
        Chatter::OnFailure,
    )?;
    let folder = workshop.project.root.join(FOLDER);
    let mut missing = Vec::new();
    for series in kernels {
        let start = Instant::now();
        let kernel = match Kernel::get(&workshop.project.cache, series) {
            Ok(kernel) => kernel,
            Err(error) => {
                eprintln!("xtask: {error:#}");
                missing.push(series.to_string());
                continue;
            }
        };
        let recording = output_of(&workshop, &kernel, &hardware, programs.command())?;
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

/// What runs in the machine.
struct Programs {
    recorder: PathBuf,
    player: PathBuf,
}

impl Programs {
    fn build(project: &Project) -> Result<Self> {
        let object = ebpf::build(project, Chatter::OnFailure)?;
        let build = |package: &str, program: &str| {
            let mut cargo = host_cargo(&project.root);
            cargo
                .args(["build", "--release", "--package", package, "--bin", program])
                .arg("--target-dir")
                .arg(&project.target)
                .env("NSLIFE_EBPF_OBJECT", &object);
            run_command(&mut cargo, Chatter::OnFailure)?;
            anyhow::Ok(project.target.join("release").join(program))
        };
        Ok(Self {
            recorder: build("recorder", "nslife-record")?,
            player: build("scenarios", "nslife-scenarios")?,
        })
    }

    fn command(&self) -> Vec<OsString> {
        vec![self.recorder.clone().into(), self.player.clone().into()]
    }
}
