//! `cargo xtask build`: the kernel programs, then nslife with them inside.
//!
//! What runs in virtual machines, and what people install, is built in one way: optimised, and
//! static, since nothing is known of the system that it runs on. So what is tested is what is
//! shipped, and what both are made of is compiled once.

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::Result;
use clap::Args;

use crate::{
    ebpf,
    process::{Chatter, host_cargo, run},
    project::Project,
};

/// Named, so that build scripts and macros stay dynamic.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Build the kernel programs and nslife.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Build the static program that is shipped (the kernel programs are always optimised).
    #[arg(long)]
    release: bool,
}

/// Builds nslife and prints where it is.
pub(crate) fn run_verb(options: &Options) -> Result<ExitCode> {
    let project = Project::open()?;
    let binary = if options.release {
        nslife(&project, Chatter::Show)?
    } else {
        quick(&project)?
    };
    println!("{}", binary.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds nslife and returns its path.
pub(crate) fn nslife(project: &Project, chatter: Chatter) -> Result<PathBuf> {
    program(project, "tracer-user", "nslife", chatter)
}

/// Builds a program of the workspace, with the kernel programs inside if it has nslife's library in
/// it, and returns its path.
pub(crate) fn program(
    project: &Project,
    package: &str,
    name: &str,
    chatter: Chatter,
) -> Result<PathBuf> {
    let mut cargo = cargo(project, package, name, chatter)?;
    cargo
        .args(["--release", "--target", TARGET])
        // Apart from builds without these flags.
        .arg("--target-dir")
        .arg(static_folder(project))
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    run(&mut cargo, chatter)?;
    Ok(path(project, name))
}

/// Where a program is once it has been built.
pub(crate) fn path(project: &Project, name: &str) -> PathBuf {
    let folder = static_folder(project).join(TARGET).join("release");
    folder.join(name)
}

/// Builds nslife as Cargo's tests have it.
fn quick(project: &Project) -> Result<PathBuf> {
    let name = "nslife";
    let mut cargo = cargo(project, "tracer-user", name, Chatter::Show)?;
    cargo.arg("--target-dir").arg(&project.target);
    run(&mut cargo, Chatter::Show)?;
    Ok(project.target.join("debug").join(name))
}

fn cargo(project: &Project, package: &str, name: &str, chatter: Chatter) -> Result<Command> {
    let object = ebpf::build(project, chatter)?;
    let mut cargo = host_cargo(&project.root);
    cargo.args(["build", "--package", package, "--bin", name]);
    ebpf::put_into(&mut cargo, project, &object);
    Ok(cargo)
}

fn static_folder(project: &Project) -> PathBuf {
    project.target.join("static")
}
