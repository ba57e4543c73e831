//! The part that runs in a virtual machine.

use std::{ffi::OsString, path::Path, time::Duration};

use anyhow::Result;

use super::{Extent, figure::Figure};
use crate::{
    bpftrace, build,
    kernels::Kernel,
    process::Chatter,
    project::Project,
    vm::{Builds, Hardware, Workshop, output_of},
};

/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// What the machine has, for 2,000 processes.
const MEMORY: &str = "3G";

/// Boots the kernel and measures.
pub(super) fn measure(
    project: &Project,
    kernel: &Kernel,
    tracker: &Path,
    extent: Extent,
    builds: Builds,
) -> Result<Vec<Figure>> {
    let hardware = Hardware::counting(MEMORY);
    let program = build::program(project, "bench", "nslife-bench", Chatter::OnFailure)?;
    let workshop = Workshop::set_up(
        project.clone(),
        &hardware.accelerator,
        builds,
        Chatter::OnFailure,
    )?;
    let mut command: Vec<OsString> = vec![program.into()];
    command.extend(["--tracker".into(), tracker.into()]);
    match extent {
        Extent::Short => command.push("--short".into()),
        Extent::Rounds(rounds) => {
            command.extend(["--rounds".into(), rounds.to_string().into()]);
            let bpftrace = bpftrace::find_or_fetch(&project.cache)?;
            command.extend(["--bpftrace".into(), bpftrace.program.into()]);
            if let Some(libraries) = bpftrace.libraries {
                command.extend(["--bpftrace-libraries".into(), libraries]);
            }
        }
    }
    eprintln!(
        "xtask: measuring in a virtual machine of {}",
        kernel.package
    );
    let output = output_of(&workshop, kernel, &hardware, command, TIMEOUT)?;
    Figure::parse_all(&String::from_utf8_lossy(&output))
}
