//! A daemon that is killed and started again, while namespaces come and go.

use std::{
    collections::BTreeSet,
    env, io,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use aya::{
    maps::loaded_maps,
    programs::{loaded_links, loaded_programs},
};
use rustix::process::Signal;
use tracer_common::kind::NsKind::{self, Net, Pid, User, Uts};

use super::faults::{PORT, agrees};
use crate::{PATIENCE, daemon::Daemon, process::poll_until, puppet::Puppet, world::World};

/// How often to kill it, where this variable does not say so.
const TIMES: u32 = 3;
const VARIABLE: &str = "NSLIFE_KILLS";

/// What comes and goes: not what the kernel needs time to free, of which there would be ever more.
const TYPES: [NsKind; 3] = [User, Pid, Uts];

/// More children than the breeder has time for.
const CHILDREN: u32 = 1_000_000;

/// How long namespaces come and go while the daemon is ready, before it is looked at.
const CHURN: Duration = Duration::from_millis(500);

/// What the kernel has loaded for anybody: numbers of programs, maps and links.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Loaded {
    Program(u32),
    Map(u32),
    Link(u32),
}

/// Killed again and again, in the middle of things, a daemon leaves nothing in the kernel; and
/// started again it is right after its first walk, whatever went on meanwhile.
pub(super) fn killed_and_started_again(world: &World) -> Result<String> {
    let times = number(VARIABLE, TIMES)?;
    world.retire()?;
    let breeder = Puppet::start("breeder")?;
    let keeper = Puppet::start("keeper")?;
    keeper.unshare(&[Uts, Net])?;
    let breeding = breeder.begin_to_breed(CHILDREN, &TYPES)?;
    let before = poll_until(PATIENCE, || {
        // What others had loaded may be on its way out.
        let before = loaded()?;
        std::thread::sleep(CHURN);
        Ok((loaded()? == before).then_some(before))
    })?;
    let before = before.context("programs come and go in the kernel")?;
    let mut starting = Duration::ZERO;
    let mut resyncs = 0.0;
    for round in 1..=times {
        let start = Instant::now();
        let daemon = Daemon::start(&world.nslife, &world.results, PORT)?;
        starting += start.elapsed();
        ensure!(loaded()? != before, "the daemon has loaded nothing");
        std::thread::sleep(CHURN);
        breeder.signal(Signal::STOP)?;
        agrees(world, &daemon).with_context(|| format!("after start {round}"))?;
        resyncs += daemon.scrape()?.plain("nslife_resyncs_total")?;
        breeder.signal(Signal::CONT)?;
        daemon.kill()?;
        let mut left = BTreeSet::new();
        let gone = poll_until(PATIENCE, || {
            left = &loaded()? - &before;
            Ok(left.is_empty().then_some(()))
        })?;
        gone.with_context(|| format!("after kill {round} the kernel still has {left:?}"))?;
    }
    // It would go on for long.
    drop(breeding);
    drop(breeder);
    keeper.end()?;
    Ok(format!(
        "{times} times ({VARIABLE}); {:.1} s to start, {resyncs} walks for losses",
        starting.as_secs_f64() / f64::from(times)
    ))
}

/// What is in the kernel now.
fn loaded() -> Result<BTreeSet<Loaded>> {
    let mut all = BTreeSet::new();
    for program in loaded_programs() {
        all.extend(still_there(program)?.map(|program| Loaded::Program(program.id())));
    }
    for map in loaded_maps() {
        all.extend(still_there(map)?.map(|map| Loaded::Map(map.id())));
    }
    for link in loaded_links() {
        all.extend(still_there(link)?.map(|link| Loaded::Link(link.id())));
    }
    Ok(all)
}

/// What is found by its number may be gone when it is looked at.
fn still_there<T, E>(found: Result<T, E>) -> Result<Option<T>>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let error = match found {
        Ok(found) => return Ok(Some(found)),
        Err(error) => anyhow::Error::from(error),
    };
    let is_gone = error.chain().any(|cause| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| cause.kind() == io::ErrorKind::NotFound)
    });
    if is_gone { Ok(None) } else { Err(error) }
}

/// The number that is the value of a variable.
pub(super) fn number(variable: &str, otherwise: u32) -> Result<u32> {
    match env::var(variable) {
        Ok(value) => value
            .parse()
            .with_context(|| format!("{variable}={value}: expected a number")),
        Err(_) => Ok(otherwise),
    }
}
