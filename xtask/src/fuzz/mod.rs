//! `cargo xtask fuzz`: what any bytes do to nslife's readers.

mod build;
mod run;
mod seeds;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

pub(crate) use self::{
    build::{build, clippy, fmt},
    run::{Effort, run},
};
use crate::{process::Chatter, project::Project};

/// Feed bytes to nslife's readers until one breaks.
///
/// Without options, as `cargo xtask test` does: always the same bytes, so many of them. An input
/// that breaks something is kept; the fuzzer says where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to fuzz; everything if nothing is named.
    #[arg(value_name = "TARGET")]
    targets: Vec<Target>,
    /// Always the same bytes, this many inputs.
    #[arg(long, value_name = "COUNT")]
    runs: Option<u64>,
    /// Other bytes each time, for so long on each target, beginning with what was found before.
    #[arg(long, value_name = "SECONDS", conflicts_with = "runs")]
    seconds: Option<u64>,
}

/// A reader of bytes that come from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// The resolver of the kernel's BTF.
    Btf,
    /// The decoder of what the kernel programs write.
    Decode,
}

impl Target {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Btf, Self::Decode];

    /// Its name, which is that of its program too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Btf => "btf",
            Self::Decode => "decode",
        }
    }

    /// How many inputs make a short run.
    pub(crate) fn short(self) -> Effort {
        Effort::Runs(match self {
            Self::Btf => 100_000,
            Self::Decode => 2_000_000,
        })
    }
}

/// Runs the fuzzers.
pub(crate) fn run_verb(options: &Options) -> Result<ExitCode> {
    let project = Project::open()?;
    eprintln!("xtask: building the fuzzers");
    build(&project, Chatter::OnFailure)?;
    let targets = match options.targets.as_slice() {
        [] => &Target::ALL,
        named => named,
    };
    for &target in targets {
        let effort = match (options.runs, options.seconds) {
            (Some(runs), _) => Effort::Runs(runs),
            (None, Some(seconds)) => Effort::Seconds(seconds),
            (None, None) => target.short(),
        };
        run(&project, target, effort, Chatter::Show)?;
    }
    Ok(ExitCode::SUCCESS)
}
