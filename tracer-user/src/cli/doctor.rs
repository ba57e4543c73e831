//! `nslife doctor`

use std::{
    io::{self, BufWriter, Write as _},
    process::ExitCode,
};

use clap::ValueEnum;

use super::{
    output::{palette, show},
    waiting::while_starting,
};
use crate::{
    engine,
    version::Version,
    view::{json, text::doctor::write_report},
};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// How to show it
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Output {
    /// For people, and for bug reports
    Text,
    /// As docs/schema/doctor.schema.json describes it
    Json,
}

pub(super) fn run(args: &Args, version: Version) -> anyhow::Result<ExitCode> {
    let report = while_starting(args.output == Output::Json, |progress| {
        engine::examine(version, progress)
    });
    show(|| {
        let mut out = BufWriter::new(io::stdout().lock());
        match args.output {
            Output::Text => write_report(&mut out, palette(), &report)?,
            Output::Json => json::write_pretty(&mut out, &report)?,
        }
        out.flush()
    })?;
    Ok(if report.runs {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
