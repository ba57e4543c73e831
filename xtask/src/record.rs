//! `cargo xtask record`: what the kernel programs say during a fixed play, on each kernel, kept for
//! tests that need none.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    ebpf,
    kernels::{Kernel, Series},
    process::{Chatter, host_cargo, run as run_command},
    project::Project,
    vm::{Builds, Hardware, HardwareOptions, Outcome, Run, Workshop},
};

/// Where the tests look for recordings.
const FOLDER: &str = "tracer-user/tests/recordings";
/// How long a recording may take.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Record what the kernel programs say on each kernel, for the tests that play it back.
///
/// Needed when the programs, their records or the play have changed. A kernel that cannot be
/// recorded keeps its recording, and is named at the end.
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
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut missing = Vec::new();
    for series in kernels {
        let start = Instant::now();
        match record(&workshop, &programs, &hardware, series) {
            Ok(Some(recording)) => {
                let path = folder.join(format!("{series}.txt"));
                fs::write(&path, &recording)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                eprintln!(
                    "xtask: recorded {series}: {} KiB, {} s",
                    recording.len().div_ceil(1024),
                    start.elapsed().as_secs()
                );
            }
            Ok(None) => bail!("interrupted while {series} was recorded"),
            Err(error) => {
                eprintln!("xtask: {series} was not recorded: {error:#}");
                missing.push(series.to_string());
            }
        }
    }
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("xtask: NOT RECORDED: {}", missing.join(", "));
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
}

/// Boots the kernel, plays, and returns what the recorder printed; nothing if it was interrupted.
fn record(
    workshop: &Workshop,
    programs: &Programs,
    hardware: &Hardware,
    series: Series,
) -> Result<Option<Vec<u8>>> {
    let kernel = Kernel::get(&workshop.project.cache, series)?;
    eprintln!("xtask: recording {series} ({})", kernel.package);
    let command = [&programs.recorder, &programs.player].map(|program| program.into());
    let root: &Path = &workshop.project.root;
    let job = workshop.job(series, command.into(), &[], &[], root.to_owned())?;
    let run = Run {
        tools: &workshop.tools,
        kernel: &kernel,
        vm_init: &workshop.vm_init,
        job: &job,
        hardware,
        kernel_arguments: "",
        timeout: TIMEOUT,
    };
    let mut recording = Vec::new();
    match run.run(&mut recording, &mut io::stderr())? {
        Outcome::Exited(0) => Ok(Some(recording)),
        Outcome::Exited(status) => bail!("the recorder ended with status {status}"),
        Outcome::Interrupted(_) => Ok(None),
        Outcome::TimedOut(logs) => bail!("not done after {} s{logs}", TIMEOUT.as_secs()),
        Outcome::Died(logs) => bail!("the machine died{logs}"),
    }
}
