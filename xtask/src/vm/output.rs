//! What a program prints in a virtual machine.

use std::{env, ffi::OsString, io, time::Duration};

use anyhow::{Result, bail};

use super::{Hardware, Outcome, Run, Workshop};
use crate::kernels::Kernel;

/// How long a program may take.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Boots a kernel, runs a command there and returns its output. It has to succeed.
pub(crate) fn output_of(
    workshop: &Workshop,
    kernel: &Kernel,
    hardware: &Hardware,
    command: Vec<OsString>,
) -> Result<Vec<u8>> {
    let job = workshop.job(kernel.series, command, &[], &[], env::current_dir()?)?;
    let run = Run {
        tools: &workshop.tools,
        kernel,
        vm_init: &workshop.vm_init,
        job: &job,
        hardware,
        kernel_arguments: "",
        timeout: TIMEOUT,
    };
    let mut output = Vec::new();
    let package = &kernel.package;
    match run.run(&mut output, &mut io::stderr())? {
        Outcome::Exited(0) => Ok(output),
        Outcome::Exited(status) => bail!("{package}: the program ended with status {status}"),
        Outcome::Interrupted(signal) => bail!("interrupted by signal {signal}"),
        Outcome::TimedOut(logs) => bail!("{package}: not done after {TIMEOUT:?}{logs}"),
        Outcome::Died(logs) => bail!("{package}: the machine died{logs}"),
    }
}
