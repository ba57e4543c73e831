//! Programs that need nothing of the system that they run on.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{
    ebpf,
    process::{Chatter, host_cargo, run},
    project::Project,
};

/// They are built for this target by name, so that build scripts stay dynamic.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds a program of the workspace, optimised, and returns its path.
pub(crate) fn build(
    project: &Project,
    package: &str,
    name: &str,
    chatter: Chatter,
) -> Result<PathBuf> {
    run(&mut cargo(project, package, name), chatter)?;
    Ok(path(project, name))
}

/// Builds nslife, optimised, and returns its path.
pub(crate) fn build_nslife(project: &Project, chatter: Chatter) -> Result<PathBuf> {
    let object = ebpf::build(project, chatter)?;
    let mut cargo = cargo(project, "tracer-user", "nslife");
    ebpf::put_into(&mut cargo, project, &object);
    run(&mut cargo, chatter)?;
    Ok(path(project, "nslife"))
}

/// Where a program is once it has been built.
pub(crate) fn path(project: &Project, name: &str) -> PathBuf {
    let folder = target_folder(project).join(TARGET).join("release");
    folder.join(name)
}

fn cargo(project: &Project, package: &str, name: &str) -> Command {
    let mut cargo = host_cargo(&project.root);
    cargo
        .args(["build", "--package", package, "--bin", name])
        .args(["--release", "--target", TARGET])
        .arg("--target-dir")
        .arg(target_folder(project))
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            ["-Ctarget-feature=+crt-static", "-Cstrip=debuginfo"].join("\x1f"),
        );
    cargo
}

/// Apart from other builds, which would hold it up.
fn target_folder(project: &Project) -> PathBuf {
    project.target.join("vm-init")
}
