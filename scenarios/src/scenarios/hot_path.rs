//! What happens all the time: it is counted, and leaves no record.

use anyhow::{Context as _, Result, bail};
use tracer_common::kind::NsKind::{Pid, User, Uts};

use super::lives::{IN_USE, WHOLE};
use crate::{
    daemon::Daemon,
    expect::{EXIT, clone, same, unshare},
    metrics::{Metrics, Series, series},
    puppet::Puppet,
    stage::Stage,
    trace::brief,
    world::World,
};

/// How many children a puppet has in a row.
const MANY: u32 = 100;

/// How often a count is repeated if somebody else got in between.
const ATTEMPTS: usize = 3;

/// Exits are counted, each once; one that takes its nsproxy along is told, too.
pub(super) fn exit_on_every_kernel(world: &World) -> Result<()> {
    let counter = Counter::new(world)?;
    counter.expect("children exit", &exits(), f64::from(MANY), |breeder| {
        breeder.breed(MANY, None)
    })?;

    let mut stage = Stage::new(world);
    let loner = stage.puppet("loner")?;
    loner.unshare(&[Uts])?;
    let uts = stage.born(&loner, Uts)?;
    let task = loner.task();
    loner.end()?;
    let seen = stage.changes(&task, &[unshare(&["uts"]), EXIT])?;
    let exit = seen.last().context("nothing was seen")?;
    same(
        "the UTS namespace it left",
        Some(uts.id),
        exit.from.namespaces["uts"],
    )?;
    stage.lives(&uts, WHOLE)?;
    stage.close()
}

/// In the initial namespaces a fork, an exec and an exit write no record.
pub(super) fn no_record_for_fork_exec_exit(world: &World) -> Result<()> {
    let counter = Counter::new(world)?;
    counter.expect("forks and exits", &records(), 0.0, |breeder| {
        breeder.breed(MANY, None)
    })?;
    counter.expect("forks, execs and exits", &records(), 0.0, |breeder| {
        breeder.breed(MANY, Some("/bin/true"))
    })
}

/// Neither do they inside user and pid namespaces that others made.
pub(super) fn no_record_inside_user_and_pid(world: &World) -> Result<()> {
    let counter = Counter::new(world)?;
    let mut stage = Stage::new(world);
    let parent = stage.puppet("parent")?;
    let inside = stage.child(&parent, "inside", &[User, Pid])?;
    let user = stage.born(&parent, User)?;
    let pid = stage.born(&parent, Pid)?;
    stage.all_live([&user, &pid], IN_USE)?;
    stage.is_linked(&inside, "pid", &pid)?;

    counter.expect("forks and exits inside", &records(), 0.0, |_| {
        inside.breed(MANY, None)
    })?;
    counter.expect("forks, execs and exits inside", &records(), 0.0, |_| {
        inside.breed(MANY, Some("/bin/true"))
    })?;

    inside.exit()?;
    parent.reap_child(&inside)?;
    stage.all_live([&user, &pid], WHOLE)?;
    stage.changes(&inside.task(), &[clone(&["pid_for_children"]), EXIT])?;
    parent.end()?;
    stage.close()
}

/// Exits that the kernel programs counted.
fn exits() -> Series {
    series("nslife_nsproxy_switches_total", &[("reason", "exit")])
}

/// Records that the kernel programs wrote.
fn records() -> Series {
    series("nslife_events_total", &[])
}

/// Measures by how much a counter of the daemon's rises.
struct Counter<'w> {
    world: &'w World,
    daemon: &'w Daemon,
    breeder: Puppet,
}

impl<'w> Counter<'w> {
    fn new(world: &'w World) -> Result<Self> {
        Ok(Self {
            world,
            daemon: world.daemon(),
            breeder: Puppet::start("breeder")?,
        })
    }

    /// Fails unless a counter rises by exactly so much while something is done. Somebody else may
    /// have done something in between, so there are several attempts.
    fn expect(
        &self,
        what: &str,
        series: &Series,
        expected: f64,
        mut act: impl FnMut(&Puppet) -> Result<()>,
    ) -> Result<()> {
        let mut failures = Vec::new();
        for _ in 0..ATTEMPTS {
            let before = self.up_to_date()?;
            let from = self.world.trace.log.len();
            act(&self.breeder)?;
            let after = self.up_to_date()?;
            // Those that brought the counters up to date are not meant.
            let own = if *series == exits() { 2.0 } else { 0.0 };
            let rise = after.get(series)? - before.get(series)? - own;
            if rise == expected {
                return Ok(());
            }
            self.world.barrier()?;
            let others = self.world.trace.log.look(from, |lines| brief(lines));
            failures.push(format!("{rise}, while the trace showed {others}"));
        }
        bail!(
            "{what}: {series}: expected a rise of {expected}, saw {}",
            failures.join("; ")
        )
    }

    /// The counters with everything that has happened up to now. The daemon takes them over once a
    /// second: when it has noticed an exit, another one that follows is taken over with all that
    /// was before.
    fn up_to_date(&self) -> Result<Metrics> {
        let mut metrics = self.daemon.scrape()?;
        for _ in 0..2 {
            let before = metrics.get(&exits())?;
            self.breeder.breed(1, None)?;
            let expected = format!("more than {before}");
            metrics = self
                .daemon
                .wait_for(&exits(), &expected, |exits| exits > before)?;
        }
        Ok(metrics)
    }
}
