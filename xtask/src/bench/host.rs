//! The part that needs no kernel: how fast records become events, and events become a picture.

use anyhow::Result;

use super::figure::Figure;
use crate::{
    ebpf,
    process::{Chatter, host_cargo, stdout_of},
    project::Project,
};

/// Measures on this machine.
pub(super) fn measure(project: &Project, short: bool) -> Result<Vec<Figure>> {
    eprintln!("xtask: measuring on this machine");
    let object = ebpf::build(project, Chatter::OnFailure)?;
    let mut cargo = host_cargo(&project.root);
    cargo
        .args([
            "bench",
            "--quiet",
            "--package",
            "tracer-user",
            "--bench",
            "tracker",
        ])
        .arg("--target-dir")
        .arg(&project.target)
        .env("NSLIFE_EBPF_OBJECT", object);
    if short {
        cargo.args(["--", "--short"]);
    }
    Figure::parse_all(&stdout_of(&mut cargo)?)
}
