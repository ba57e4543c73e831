//! One command in a machine, and what came of it.

use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{Hardware, Outcome, Run, Workshop};
use crate::kernels::Kernel;

/// What a machine is to do.
pub(crate) struct Errand<'a> {
    /// The command and its arguments.
    pub(crate) command: Vec<OsString>,
    /// Variables of its environment.
    pub(crate) variables: &'a [(String, String)],
    /// Folders that are writable there, at the same path.
    pub(crate) shares: &'a [PathBuf],
    /// The folder that it runs in.
    pub(crate) folder: PathBuf,
    /// Added to the kernel's command line.
    pub(crate) kernel_arguments: &'a str,
    /// How long it may take.
    pub(crate) timeout: Duration,
}

impl Errand<'_> {
    /// Boots a machine for it, and passes on what the command prints.
    pub(crate) fn run(
        self,
        workshop: &Workshop,
        kernel: &Kernel,
        hardware: &Hardware,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> Result<Outcome> {
        let Self {
            command,
            variables,
            shares,
            folder,
            ..
        } = self;
        let job = workshop.job(kernel.series, command, variables, shares, folder)?;
        let run = Run {
            tools: &workshop.tools,
            kernel,
            vm_init: &workshop.vm_init,
            job: &job,
            hardware,
            kernel_arguments: self.kernel_arguments,
            timeout: self.timeout,
        };
        run.run(stdout, stderr)
    }
}

impl Outcome {
    /// An error, unless the command has succeeded.
    pub(crate) fn has_to_be_success(self, kernel: &Kernel, timeout: Duration) -> Result<()> {
        let package = &kernel.package;
        match self {
            Self::Exited(0) => Ok(()),
            Self::Exited(status) => bail!("{package}: the program ended with status {status}"),
            Self::Interrupted(signal) => bail!("interrupted by signal {signal}"),
            Self::TimedOut(logs) => bail!("{package}: not done after {timeout:?}{logs}"),
            Self::Died(logs) => bail!("{package}: the machine died{logs}"),
        }
    }
}

/// A variable whose value is a path.
pub(crate) fn variable(name: &str, path: &Path) -> Result<(String, String)> {
    let value = path
        .to_str()
        .with_context(|| format!("{}: the path is not text", path.display()))?;
    Ok((name.to_owned(), value.to_owned()))
}
