//! Every operation, with nobody who watches, with nslife and with bpftrace, in turn.

use anyhow::{Context as _, Result};
use tracer_common::kind::NsKind;

use crate::{
    Options,
    bpftrace::{self, Script},
    clock::{Stopwatch, pause, settle},
    crowd::Crowd,
    daemon::Daemon,
    figure::{Figure, median},
    inside::{compare, look_inside},
    listing,
    operation::{ALL, Act, FORK, Operation, Place},
    process::spent,
    programs::{self, Used},
    standing,
    worker::Worker,
};

/// The operations.
pub(crate) const OPERATIONS: &str = "operations";

/// How many forks it takes, after anything else has happened, until they always take the same.
const WARM_UP: u32 = 9000;

/// How much is measured.
struct Plan {
    operations: Vec<&'static Operation>,
    /// Whether they are measured with bpftrace, too.
    is_compared: bool,
    /// How often everything is measured anew.
    rounds: u32,
    /// How often an operation is measured in a round.
    batches: u32,
    /// How many processes with namespaces of their own there are for what depends on it.
    crowd: u32,
    /// Whether `nslife list` is compared with lsns.
    listing: bool,
}

impl Plan {
    fn long(rounds: u32) -> Self {
        Self {
            operations: ALL.iter().collect(),
            is_compared: true,
            rounds,
            batches: 3,
            crowd: 2000,
            listing: true,
        }
    }

    fn short() -> Self {
        Self {
            operations: ALL.iter().filter(|operation| operation.short).collect(),
            is_compared: false,
            rounds: 1,
            batches: 3,
            crowd: 500,
            listing: false,
        }
    }
}

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

/// Those who do what is measured.
pub(crate) struct Workers {
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

    /// Does it so often, and waits for what is put off.
    pub(crate) fn perform(&mut self, operation: &Operation, count: u32) -> Result<()> {
        match operation.place {
            Place::Initial => self.initial.perform(operation, count),
            Place::Inside => self.inside.perform(operation, count),
        }?;
        pause(operation.rest);
        Ok(())
    }

    fn end(self) -> Result<()> {
        self.initial.end()?;
        self.inside.end()
    }
}

/// What an operation took, round by round.
#[derive(Clone, Debug, Default)]
struct Taken {
    /// Instructions of the system, who watches left out, by setting: the least of the batches.
    system: [Vec<f64>; 3],
    /// Instructions of nslife's daemon.
    daemon: Vec<f64>,
    /// What nslife's kernel programs do for so many operations.
    programs: Used,
}

/// Measures all operations.
pub(crate) fn run(options: &Options) -> Result<()> {
    let plan = if options.short {
        Plan::short()
    } else {
        Plan::long(options.rounds)
    };
    let mut session = Session {
        options,
        workers: Workers::start()?,
        taken: vec![Taken::default(); plan.operations.len()],
        hooked: Vec::new(),
        plan,
    };
    for round in 1..=session.plan.rounds {
        eprintln!("nslife-bench: round {round} of {}", session.plan.rounds);
        session.bare()?;
        let last = round == session.plan.rounds;
        session.nslife(last)?;
        if session.plan.is_compared {
            session.bpftrace(last)?;
        }
    }
    for (operation, taken) in session.plan.operations.iter().zip(&session.taken) {
        taken.print(operation.name)?;
    }
    session.workers.end()
}

/// What goes from round to round.
struct Session<'o> {
    options: &'o Options,
    plan: Plan,
    workers: Workers,
    /// What was measured, by operation.
    taken: Vec<Taken>,
    /// The functions that nslife hooks.
    hooked: Vec<String>,
}

impl Session<'_> {
    fn bare(&mut self) -> Result<()> {
        self.measure(Setting::Bare, &|| Ok(0))
    }

    fn nslife(&mut self, last: bool) -> Result<()> {
        let daemon = Daemon::start(&self.options.nslife)?;
        self.measure(Setting::Nslife, &|| daemon.spent())?;
        self.hooked = bpftrace::hooked()?;
        let mut crowd = Crowd::default();
        if last {
            for (operation, taken) in self.plan.operations.iter().zip(&mut self.taken) {
                taken.programs = look_inside(&mut self.workers, operation, &daemon)?;
            }
            crowd = self.standing(&daemon)?;
        }
        daemon.stop()?;
        if last && self.plan.listing {
            settle()?;
            listing::measure(&self.options.nslife, self.plan.crowd)?;
        }
        crowd.disperse()
    }

    fn bpftrace(&mut self, last: bool) -> Result<()> {
        let script = Script::start(&self.options.bpftrace(), &self.hooked)?;
        self.measure(Setting::Bpftrace, &|| spent(script.pid()))?;
        if last {
            for (operation, taken) in self.plan.operations.iter().zip(&self.taken) {
                let workers = &mut self.workers;
                let used = programs::during(|| workers.perform(operation, operation.count))?;
                compare(operation, &taken.programs, &used)?;
            }
        }
        let forks = FORK.count * self.plan.batches;
        script.stop(forks.into())
    }

    /// Measures the operations, while whoever watches spends something itself.
    fn measure(&mut self, setting: Setting, own: &dyn Fn() -> Result<u64>) -> Result<()> {
        settle()?;
        self.workers.perform(FORK, WARM_UP)?;
        for (operation, taken) in self.plan.operations.iter().zip(&mut self.taken) {
            let (system, own) = measure(&mut self.workers, operation, self.plan.batches, own)?;
            taken.system[setting as usize].push(system);
            if setting == Setting::Nslife {
                taken.daemon.push(own);
            }
        }
        Ok(())
    }

    /// The daemon itself. Hands over the processes that it watches at the end.
    fn standing(&mut self, daemon: &Daemon) -> Result<Crowd> {
        let mut operations = self.plan.operations.iter();
        let unshare = operations
            .find(|operation| operation.act == Act::Unshare(NsKind::Uts))
            .context("no UTS namespace is unshared")?;
        standing::measure(daemon, &mut self.workers.initial, unshare, self.plan.crowd)
    }
}

/// Instructions that an operation takes: of the system, and of who watches.
fn measure(
    workers: &mut Workers,
    operation: &Operation,
    batches: u32,
    own: &dyn Fn() -> Result<u64>,
) -> Result<(f64, f64)> {
    // What grows with use, or is used for the first time, is not measured.
    workers.perform(operation, operation.count)?;
    let (mut system, mut watching) = (Vec::new(), Vec::new());
    for _ in 0..batches {
        let before = own()?;
        let stopwatch = Stopwatch::start()?;
        workers.perform(operation, operation.count)?;
        let all = stopwatch.stop()?;
        let spent = own()? - before;
        let each = |sum: u64| sum as f64 / f64::from(operation.count);
        system.push(each(all.saturating_sub(spent)));
        watching.push(each(spent));
    }
    // What comes on top, such as memory that has to be fetched from further away, is never less than
    // nothing.
    let least = system.iter().copied().reduce(f64::min);
    let least = least.context("nothing was measured")?;
    Ok((least, median(&watching)))
}

impl Taken {
    fn print(&self, row: &str) -> Result<()> {
        let print = |column: &str, unit, samples: &[f64]| {
            // The short form does not compare with bpftrace.
            if samples.is_empty() {
                return Ok(());
            }
            Figure::of(OPERATIONS, row, column, unit, samples).print()
        };
        for setting in Setting::ALL {
            print(
                setting.name(),
                "instructions",
                &self.system[setting as usize],
            )?;
        }
        let [bare, nslife, bpftrace] = &self.system;
        for (name, with) in [("nslife more", nslife), ("bpftrace more", bpftrace)] {
            // Round by round, so that what changes with time is in neither.
            let pairs = bare.iter().zip(with);
            let more: Vec<_> = pairs
                .map(|(bare, with)| (with / bare - 1.0) * 100.0)
                .collect();
            print(name, "%", &more)?;
        }
        print("daemon", "instructions", &self.daemon)?;
        Ok(())
    }
}
