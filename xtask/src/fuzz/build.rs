//! Compiles and checks `fuzz`, the crate of the fuzzers.
//!
//! With the flags that cargo-fuzz sets, but for the address sanitizer: nothing that is fuzzed is
//! unsafe, and a stable compiler takes what is left.

use std::{env::consts::ARCH, path::PathBuf, process::Command};

use anyhow::Result;

use super::Target;
use crate::{
    install,
    process::{Chatter, host_cargo, run},
    project::Project,
};

const FLAGS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Keeps branches apart that the fuzzer is to tell from each other.
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

/// Compiles the fuzzers.
pub(crate) fn build(project: &Project, chatter: Chatter) -> Result<()> {
    run(&mut cargo(project, "build")?, chatter)
}

/// Lints the fuzzers, warnings denied.
pub(crate) fn clippy(project: &Project) -> Result<()> {
    let mut cargo = cargo(project, "clippy")?;
    run(cargo.args(["--", "--deny", "warnings"]), Chatter::Show)
}

/// Checks the formatting of the fuzzers.
pub(crate) fn fmt(project: &Project) -> Result<()> {
    let mut cargo = host_cargo(&folder(project));
    run(cargo.args(["fmt", "--check"]), Chatter::Show)
}

/// Where a fuzzer is once it has been built.
pub(super) fn program(project: &Project, target: Target) -> PathBuf {
    target_folder(project)
        .join(triple())
        .join("release")
        .join(target.name())
}

/// Cargo, for lints and builds alike, so that they share what both need.
fn cargo(project: &Project, verb: &str) -> Result<Command> {
    install::cpp_compiler("the fuzzers")?;
    let mut cargo = host_cargo(&folder(project));
    cargo
        .args([verb, "--release"])
        // Named, so that the flags spare build scripts and macros.
        .args(["--target", &triple()])
        .arg("--target-dir")
        .arg(target_folder(project))
        // The unit separator is what Cargo splits this variable at.
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    Ok(cargo)
}

fn triple() -> String {
    format!("{ARCH}-unknown-linux-gnu")
}

fn folder(project: &Project) -> PathBuf {
    project.root.join("fuzz")
}

/// Apart from other builds, which have other flags.
fn target_folder(project: &Project) -> PathBuf {
    project.target.join("fuzz")
}
