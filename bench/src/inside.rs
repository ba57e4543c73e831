//! What operations make kernel programs do, nslife's and bpftrace's.

use anyhow::{Context as _, Result};

use crate::{
    daemon::Daemon,
    figure::Figure,
    operation::Operation,
    programs::{self, LOOKS, Usage, Used},
    rounds::{OPERATIONS, Workers},
};

/// The table of nslife's.
const PROGRAMS: &str = "programs";

/// What the programs do for an operation, and how many records they write.
pub(crate) fn look_inside(
    workers: &mut Workers,
    operation: &Operation,
    daemon: &Daemon,
) -> Result<Used> {
    const RECORDS: &str = "nslife_events_total";
    let count = operation.count;
    let before = daemon.metric(RECORDS)?;
    let used = programs::during(|| workers.perform(operation, count))?;
    let records = (daemon.metric(RECORDS)? - before) / f64::from(count * LOOKS);
    Figure::of(OPERATIONS, operation.name, "records", "records", &[records]).print()?;
    for (program, usage) in &used {
        let runs = usage.runs as f64 / f64::from(count);
        // The daemon's own exits and forks, of which there are few.
        if runs < 0.01 {
            continue;
        }
        let each = usage.each();
        let row = format!("{} {program}", operation.name);
        Figure::of(PROGRAMS, &row, "runs", "runs", &[runs]).print()?;
        Figure::of(PROGRAMS, &row, "each", "instructions", &[each]).print()?;
    }
    Ok(used)
}

/// What the programs of both do for an operation. It is told apart from what the system does with
/// more certainty than the difference of two measurements of everything has.
pub(crate) fn compare(operation: &Operation, nslife: &Used, bpftrace: &Used) -> Result<()> {
    // The script has a program that does nothing: that much is the kernel's own.
    let floor = bpftrace.values().map(Usage::each).reduce(f64::min);
    let floor = floor.context("bpftrace's programs did not run")?;
    let net = |used: &Used| {
        let each = used.values().map(|usage| usage.beyond(floor));
        each.sum::<f64>() / f64::from(operation.count)
    };
    let (ours, theirs) = (net(nslife), net(bpftrace));
    let print = |column, unit, value| {
        Figure::of(OPERATIONS, operation.name, column, unit, &[value]).print()
    };
    print("nslife programs", "instructions", ours)?;
    print("bpftrace programs", "instructions", theirs)?;
    print("nslife/bpftrace", "ratio", ours / theirs)?;
    Ok(())
}
