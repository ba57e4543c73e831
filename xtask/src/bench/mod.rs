//! `cargo xtask bench`: what nslife costs, in instructions, compared with what it cost before.

use std::{
    env,
    ffi::OsString,
    io::{self},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    bpftrace,
    initramfs::build_static,
    kernels::{Kernel, Series},
    process::Chatter,
    project::Project,
    vm::{Builds, Hardware, Outcome, Run, Workshop},
};

/// Measure what nslife costs, in guest instructions.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The kernel to measure on.
    #[arg(long, value_name = "SERIES", default_value = "7.3")]
    kernel: Series,
    /// Less of everything, in about three minutes.
    #[arg(long)]
    short: bool,
    /// Build nothing: take what was built last.
    #[arg(long)]
    no_build: bool,
}

/// Measures.
pub(crate) fn run_verb(options: &Options) -> Result<ExitCode> {
    let project = Project::open()?;
    let hardware = Hardware::counting("2G");
    let program = build_static(&project, "bench", "nslife-bench", Chatter::OnFailure)?;
    let bpftrace = bpftrace::find_or_fetch(&project.cache)?;
    let workshop = Workshop::set_up(
        project,
        &hardware.accelerator,
        if options.no_build { Builds::Last } else { Builds::Fresh },
        Chatter::OnFailure,
    )?;
    let kernel = Kernel::get(&workshop.project.cache, options.kernel)?;
    let mut command: Vec<OsString> = vec![program.into()];
    command.extend(["--bpftrace".into(), bpftrace.program.into()]);
    if let Some(libraries) = bpftrace.libraries {
        command.extend(["--bpftrace-libraries".into(), libraries]);
    }
    if options.short {
        command.push("--short".into());
    }
    let job = workshop.job(kernel.series, command, &[], &[], env::current_dir()?)?;
    let run = Run {
        tools: &workshop.tools,
        kernel: &kernel,
        vm_init: &workshop.vm_init,
        job: &job,
        hardware: &hardware,
        kernel_arguments: "",
        timeout: Duration::from_secs(1800),
    };
    let package = &kernel.package;
    match run.run(&mut io::stdout(), &mut io::stderr())? {
        Outcome::Exited(0) => Ok(ExitCode::SUCCESS),
        Outcome::Exited(status) => bail!("{package}: the program ended with status {status}"),
        Outcome::Interrupted(signal) => bail!("interrupted by signal {signal}"),
        Outcome::TimedOut(logs) => bail!("{package}: not done{logs}"),
        Outcome::Died(logs) => bail!("{package}: the machine died{logs}"),
    }
}
