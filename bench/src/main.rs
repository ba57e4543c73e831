//! `nslife-bench`: what watching costs the system that is watched, and what it costs nslife.
//!
//! Everything is counted in instructions of a machine whose clock shows them, so `cargo xtask
//! bench` runs this there. Each round measures every operation with nobody watching, with nslife
//! and with a bpftrace script on the same functions. What was measured goes to standard output,
//! one [`figure::Figure`] a line.

mod bpftrace;
mod clock;
mod crowd;
mod daemon;
mod figure;
mod inside;
mod listing;
mod operation;
mod process;
mod programs;
mod rounds;
mod standing;
mod starting;
mod sys;
mod worker;

use std::{
    env,
    ffi::OsString,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

/// Where this program is run from: a file system in memory, as everything else that is measured.
const PROGRAM: &str = "/tmp/nslife-bench";

/// The first argument of a program that only ends.
const NOTHING: &str = "nothing";

/// Measure what nslife costs.
#[derive(Debug, Parser)]
#[command(name = "nslife-bench")]
struct Options {
    /// nslife.
    #[arg(long, value_name = "PATH", default_value = "nslife")]
    nslife: PathBuf,
    /// bpftrace.
    #[arg(long, value_name = "PATH", default_value = "bpftrace")]
    bpftrace: PathBuf,
    /// Where its libraries are, if they are not installed.
    #[arg(long, value_name = "PATH")]
    bpftrace_libraries: Option<OsString>,
    /// The program that measures the tracker.
    #[arg(long, value_name = "PATH")]
    tracker: PathBuf,
    /// Less of everything.
    #[arg(long)]
    short: bool,
    /// How often everything is measured anew, unless less is measured.
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

impl Options {
    fn bpftrace(&self) -> bpftrace::Program {
        bpftrace::Program {
            path: self.bpftrace.clone(),
            libraries: self.bpftrace_libraries.clone(),
        }
    }
}

fn main() -> ExitCode {
    // Before anything else: this is what the operations execute.
    if env::args_os().nth(1).is_some_and(|first| first == NOTHING) {
        return ExitCode::SUCCESS;
    }
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nslife-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    clock::settle()?;
    clock::check()?;
    std::fs::copy(env::current_exe()?, PROGRAM)?;
    starting::measure(&options.nslife)?;
    rounds::run(options)?;
    // It prints figures of its own.
    let status = Command::new(&options.tracker)
        .arg("--instructions")
        .status()
        .with_context(|| format!("cannot run {}", options.tracker.display()))?;
    ensure!(
        status.success(),
        "measuring the tracker ended with {status}"
    );
    Ok(())
}
