//! What a program prints in a virtual machine.

use std::{env, ffi::OsString, io, time::Duration};

use anyhow::Result;

use super::{Errand, Hardware, Workshop};
use crate::kernels::Kernel;

/// Boots a kernel, runs a command there and returns its output. It has to succeed in time.
pub(crate) fn output_of(
    workshop: &Workshop,
    kernel: &Kernel,
    hardware: &Hardware,
    command: Vec<OsString>,
    timeout: Duration,
) -> Result<Vec<u8>> {
    let errand = Errand {
        command,
        variables: &[],
        shares: &[],
        folder: env::current_dir()?,
        kernel_arguments: "",
        timeout,
    };
    let mut output = Vec::new();
    let outcome = errand.run(workshop, kernel, hardware, &mut output, &mut io::stderr())?;
    outcome.has_to_be_success(kernel, timeout)?;
    Ok(output)
}
