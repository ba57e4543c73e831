//! The part that needs no kernel: how fast records become events, and events become a picture.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use super::figure::Figure;
use crate::{
    build,
    process::{Chatter, stdout_of},
    project::Project,
};

/// Builds what measures it, here and in the machine.
pub(super) fn build(project: &Project) -> Result<PathBuf> {
    build::program(
        project,
        "bench-tracker",
        "nslife-bench-tracker",
        Chatter::OnFailure,
    )
}

/// Measures on this machine.
pub(super) fn measure(program: PathBuf, short: bool) -> Result<Vec<Figure>> {
    eprintln!("xtask: measuring on this machine");
    let mut command = Command::new(program);
    if short {
        command.arg("--short");
    }
    Figure::parse_all(&stdout_of(&mut command)?)
}
