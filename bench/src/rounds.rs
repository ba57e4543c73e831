//! Every operation, with nobody who watches, with nslife and with bpftrace, in turn.

use anyhow::Result;

use crate::{
    Options,
    bpftrace::{self, Script},
    clock::{Stopwatch, pause, settle},
    daemon::Daemon,
    figure::{Figure, median},
    operation::{ALL, Operation, Place},
    process::spent,
    programs,
    worker::Worker,
};

/// The operations.
const OPERATIONS: &str = "operations";
/// What they make nslife's programs do.
const PROGRAMS: &str = "programs";

/// How often everything is measured anew.
const ROUNDS: usize = 3;
const SHORT_ROUNDS: usize = 1;
/// How often an operation is measured in a round.
const BATCHES: u32 = 5;
const SHORT_BATCHES: u32 = 3;
/// How often a fork is done at first, until it always takes the same.
const WARM_UP: u32 = 4000;

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Bare,
    Nslife,
    Bpftrace,
}

impl Setting {
    const ALL: [Self; 3] = [Self::Bare, Self::Nslife, Self::Bpftrace];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Nslife => "nslife",
            Self::Bpftrace => "bpftrace",
        }
    }
}

/// Somebody who watches.
enum Watcher {
    Nobody,
    Nslife(Daemon),
    Bpftrace(Script),
}

impl Watcher {
    /// What it has spent itself.
    fn spent(&self) -> Result<u64> {
        match self {
            Self::Nobody => Ok(0),
            Self::Nslife(daemon) => daemon.spent(),
            Self::Bpftrace(script) => spent(script.pid()),
        }
    }
}

/// Those who do what is measured.
struct Workers {
    initial: Worker,
    inside: Worker,
}

impl Workers {
    fn start() -> Result<Self> {
        Ok(Self {
            initial: Worker::start(Place::Initial)?,
            inside: Worker::start(Place::Inside)?,
        })
    }

    fn perform(&mut self, operation: &Operation, count: u32) -> Result<()> {
        match operation.place {
            Place::Initial => self.initial.perform(operation, count),
            Place::Inside => self.inside.perform(operation, count),
        }?;
        pause(operation.rest);
        Ok(())
    }
}

/// What an operation took: the medians of all rounds so far.
#[derive(Clone, Debug, Default)]
struct Taken {
    /// Instructions of the system, who watches left out, by setting.
    system: [Vec<f64>; 3],
    /// Instructions of nslife's daemon.
    daemon: Vec<f64>,
}

/// Measures all operations.
pub(crate) fn run(options: &Options) -> Result<()> {
    let operations: Vec<_> = ALL.iter().filter(|op| op.short || !options.short).collect();
    let (rounds, batches) = if options.short {
        (SHORT_ROUNDS, SHORT_BATCHES)
    } else {
        (ROUNDS, BATCHES)
    };
    let mut workers = Workers::start()?;
    let mut taken = vec![Taken::default(); operations.len()];
    let mut hooked = Vec::new();
    for operation in &operations {
        workers.perform(operation, WARM_UP.min(operation.count * 4))?;
    }
    for round in 0..rounds {
        for setting in Setting::ALL {
            eprintln!("nslife-bench: round {} of {rounds}, {}", round + 1, setting.name());
            let watcher = match setting {
                Setting::Bare => Watcher::Nobody,
                Setting::Nslife => Watcher::Nslife(Daemon::start(&options.nslife)?),
                Setting::Bpftrace => {
                    Watcher::Bpftrace(Script::start(&options.bpftrace(), &hooked)?)
                }
            };
            settle()?;
            for (operation, taken) in operations.iter().zip(&mut taken) {
                let (system, own) = measure(&mut workers, operation, batches, &watcher)?;
                taken.system[setting as usize].push(system);
                if setting == Setting::Nslife {
                    taken.daemon.push(own);
                }
            }
            match watcher {
                Watcher::Nobody => {}
                Watcher::Nslife(daemon) => {
                    hooked = bpftrace::hooked()?;
                    if round + 1 == rounds {
                        for operation in &operations {
                            look_inside(&mut workers, operation, &daemon)?;
                        }
                    }
                    daemon.stop()?;
                }
                Watcher::Bpftrace(script) => {
                    let forks = operations[0].count * batches;
                    script.stop(forks.into())?;
                }
            }
            settle()?;
        }
    }
    for (operation, taken) in operations.iter().zip(&taken) {
        taken.print(operation.name)?;
    }
    workers.initial.end()?;
    workers.inside.end()
}

/// Instructions that an operation takes: of the system, and of who watches.
fn measure(
    workers: &mut Workers,
    operation: &Operation,
    batches: u32,
    watcher: &Watcher,
) -> Result<(f64, f64)> {
    // What grows with use grows now.
    workers.perform(operation, operation.count)?;
    let (mut system, mut own) = (Vec::new(), Vec::new());
    for _ in 0..batches {
        let spent_before = watcher.spent()?;
        let stopwatch = Stopwatch::start()?;
        workers.perform(operation, operation.count)?;
        let all = stopwatch.stop()?;
        let spent = watcher.spent()? - spent_before;
        let each = |sum: u64| sum as f64 / f64::from(operation.count);
        system.push(each(all.saturating_sub(spent)));
        own.push(each(spent));
    }
    Ok((median(&system), median(&own)))
}

impl Taken {
    fn print(&self, row: &str) -> Result<()> {
        let print = |column: &str, unit, samples: &[f64]| {
            Figure::of(OPERATIONS, row, column, unit, samples).print()
        };
        for setting in Setting::ALL {
            print(setting.name(), "instructions", &self.system[setting as usize])?;
        }
        let [bare, nslife, bpftrace] = &self.system;
        for (name, with) in [("nslife more", nslife), ("bpftrace more", bpftrace)] {
            // Round by round, so that what changes with time is in neither.
            let pairs = bare.iter().zip(with);
            let more: Vec<_> = pairs.map(|(bare, with)| (with / bare - 1.0) * 100.0).collect();
            print(name, "%", &more)?;
        }
        print("daemon", "instructions", &self.daemon)?;
        Ok(())
    }
}

/// What the programs do for an operation, and how many records they write.
fn look_inside(workers: &mut Workers, operation: &Operation, daemon: &Daemon) -> Result<()> {
    const RECORDS: &str = "nslife_events_total";
    let count = operation.count;
    let before = daemon.metric(RECORDS)?;
    let used = programs::during(|| workers.perform(operation, count))?;
    let records = (daemon.metric(RECORDS)? - before) / f64::from(count);
    Figure::of(OPERATIONS, operation.name, "records", "records", &[records]).print()?;
    for (program, usage) in used {
        let runs = usage.runs as f64 / f64::from(count);
        // The daemon's own exits and forks, of which there are few.
        if runs < 0.01 {
            continue;
        }
        let each = usage.instructions as f64 / usage.runs as f64;
        let row = format!("{} {program}", operation.name);
        Figure::of(PROGRAMS, &row, "runs", "runs", &[runs]).print()?;
        Figure::of(PROGRAMS, &row, "each", "instructions", &[each]).print()?;
    }
    Ok(())
}
