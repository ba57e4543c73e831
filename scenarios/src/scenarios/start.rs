//! What happens while nslife starts.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind::{Ipc, Net, Pid, User};

use super::truth::daemon_counts;
use crate::{
    PATIENCE,
    daemon::Daemon,
    nslife::List,
    process::poll_until,
    puppet::Puppet,
    trace::{Line, Namespace, Step, Trace, What, brief},
    world::World,
};

/// Where the daemon listens.
const PORT: u16 = 19621;

/// How long both may take to start while so much happens.
const START: Duration = Duration::from_secs(300);

/// How many live and die before the trace that all scenarios share is given time to tell it.
const AT_A_TIME: u32 = 5;

/// Namespaces come and go all the time while a trace and a daemon start. What was created before
/// they watched and was gone before they looked is nowhere in their picture.
pub(super) fn created_and_gone_before_the_walk(world: &World) -> Result<()> {
    let breeder = Puppet::start("breeder")?;
    let trace = Trace::start(&world.nslife, &world.results, "fresh")?;
    let daemon = Daemon::launch(&world.nslife, &world.results, PORT)?;
    let is_end = |line: &Line| matches!(line.what, What::Step(Step::Freed, ..));
    let ready = poll_until(START, || {
        breeder.breed_into(AT_A_TIME, &[User, Pid, Ipc, Net])?;
        world.barrier()?;
        let tells = trace.log.look(0, |lines| lines.iter().any(is_end));
        Ok((tells && daemon.is_ready()).then_some(()))
    })?;
    ready.context("they do not start")?;
    breeder.end()?;

    let mut list = world.nslife.list()?;
    let agrees = poll_until(PATIENCE, || {
        list = world.nslife.list()?;
        Ok(trace
            .log
            .look(0, |lines| leftover(lines, &list).is_none().then_some(())))
    })?;
    if agrees.is_none() {
        trace.log.look(0, |lines| {
            let id = leftover(lines, &list).map(|ns| ns.id);
            let about =
                |line: &&Line| matches!(&line.what, What::Step(_, ns, _) if Some(ns.id) == id);
            let story = brief(lines.iter().filter(about));
            ensure!(
                id.is_none(),
                "the trace left something that is not there: {story}"
            );
            Ok(())
        })?;
    }
    daemon_counts(&daemon, &list)?;
    daemon.stop()?;
    Ok(())
}

/// A namespace that a trace leaves in a state that `nslife list` does not show.
fn leftover(lines: &[Line], list: &List) -> Option<Namespace> {
    let mut left = BTreeMap::new();
    for line in lines {
        match &line.what {
            What::Step(Step::Freed, ns, _) => {
                left.remove(&ns.id);
            }
            What::Step(_, ns, _) => {
                left.insert(ns.id, ns);
            }
            _ => {}
        }
    }
    let is_there = |ns: &Namespace| list.find(ns).is_some_and(|found| found.state == ns.state);
    left.into_values()
        .find(|ns| !is_there(ns))
        .map(|ns| ns.as_ref().clone())
}
