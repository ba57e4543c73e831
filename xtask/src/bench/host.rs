//! The part that needs no kernel: how fast records become events, and events become a picture.

use std::process::Command;

use anyhow::Result;

use super::figure::Figure;
use crate::{build, process::stdout_of, project::Project};

/// Measures on this machine.
pub(super) fn measure(project: &Project, short: bool) -> Result<Vec<Figure>> {
    let program = build::program(project, "bench-tracker", "nslife-bench-tracker")?;
    eprintln!("xtask: measuring on this machine");
    let mut command = Command::new(program);
    if short {
        command.arg("--short");
    }
    Figure::parse_all(&stdout_of(&mut command)?)
}
