//! `cargo xtask docs`: the pages that say what the code says.

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    ebpf,
    process::{Chatter, host_cargo, stdout_of},
    project::Project,
};

/// The page, and the example of `tracer-user` that prints it.
const PAGE: &str = "docs/metrics.md";
const PRINTER: &str = "reference";

/// Write docs/metrics.md anew. A test fails while it is not what the code gives.
#[derive(Debug, Args)]
pub(crate) struct Options {}

/// Writes the page and prints where it is.
pub(crate) fn run_verb(_: &Options) -> Result<ExitCode> {
    let project = Project::open()?;
    let object = ebpf::build(&project, Chatter::OnFailure)?;
    let mut cargo = host_cargo(&project.root);
    cargo
        .args(["run", "--quiet", "--package", "tracer-user", "--example"])
        .arg(PRINTER)
        .arg("--target-dir")
        .arg(&project.target);
    ebpf::put_into(&mut cargo, &project, &object);
    let page = project.root.join(PAGE);
    fs::write(&page, stdout_of(&mut cargo)?)
        .with_context(|| format!("cannot write {}", page.display()))?;
    println!("{}", page.display());
    Ok(ExitCode::SUCCESS)
}
