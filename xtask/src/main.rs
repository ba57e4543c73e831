//! Builds, boots, demonstrates and tests nslife: `cargo xtask VERB`.

mod build;
mod cache;
mod ebpf;
mod linker;
mod process;
mod project;
mod toolchain;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Builds, boots, demonstrates and tests nslife.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    Build(build::Options),
}

fn main() -> Result<ExitCode> {
    match Verb::parse() {
        Verb::Build(options) => build::run_verb(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}
