//! `nslife list` and `lsns` on the same system.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{clock::Stopwatch, figure::Figure};

/// The table of both.
const TABLE: &str = "list";

/// How often each is run, after the first time. It takes the same within a percent.
const RUNS: usize = 1;

/// Runs both, in turn.
pub(crate) fn measure(nslife: &Path, processes: u32) -> Result<()> {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // Once more, for what is read from files for the first time.
    for run in 0..=RUNS {
        let nslife = taken(Command::new(nslife).args(["list", "--from", "walk"]))?;
        let lsns = taken(&mut Command::new("lsns"))?;
        if run > 0 {
            ours.push(nslife);
            theirs.push(lsns);
            ratios.push(nslife / lsns);
        }
    }
    let row = format!("{processes} processes");
    let million = "million instructions";
    Figure::of(TABLE, &row, "nslife list", million, &ours).print()?;
    Figure::of(TABLE, &row, "lsns", million, &theirs).print()?;
    Figure::of(TABLE, &row, "nslife list/lsns", "ratio", &ratios).print()?;
    Ok(())
}

/// Millions of instructions that a program takes.
fn taken(command: &mut Command) -> Result<f64> {
    let stopwatch = Stopwatch::start()?;
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    let taken = stopwatch.stop()? as f64 / 1e6;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(taken)
}
