//! More namespaces than anybody has.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind::Uts;

use crate::{
    daemon::{Daemon, socket_of},
    expect::same,
    kernel::LISTS,
    nslife::List,
    puppet::Puppet,
    trace::{Namespace, State},
    world::World,
};

/// How many.
const MANY: u32 = 50_000;

/// How many the kernel allows a user to have.
const LIMIT: &str = "/proc/sys/user/max_uts_namespaces";

/// Where a daemon listens.
const PORT: u16 = 19624;

/// How long it may take to make them, and to let them go.
const LONGEST: Duration = Duration::from_secs(120);

/// `nslife list` shows all of 50,000 namespaces that nothing but a file each keeps. It does so
/// alone: what has watched the other scenarios would have as many births and deaths to tell.
pub(super) fn fifty_thousand(world: &World) -> Result<String> {
    world.retire()?;
    fs::write(LIMIT, (2 * MANY).to_string()).context(LIMIT)?;
    let hoarder = Puppet::start("hoarder")?;
    hoarder.hoard(Uts, MANY, LONGEST)?;

    let start = Instant::now();
    let ran = world
        .nslife
        .run(&["list", "--from", "walk", "--output", "json"])?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(ran.code == Some(0), "nslife list: {}", ran.stderr);
    let list: List = serde_json::from_str(&ran.stdout)?;
    let is_meant = |ns: &&Namespace| ns.ns_type == Uts.name() && !ns.initial;
    let inums: BTreeSet<_> = list
        .namespaces
        .iter()
        .filter(is_meant)
        .map(|ns| ns.inum)
        .collect();
    same("UTS namespaces", MANY as usize, inums.len())?;
    let is_active = |ns: &Namespace| same(&format!("the state of {ns}"), State::Active, ns.state);
    list.namespaces.iter().try_for_each(is_active)?;
    same(
        "whether the list is complete",
        world.kernel >= LISTS,
        list.complete,
    )?;
    let asked = seconds_of_asking(world)?;
    hoarder.end()?;
    let complete = if list.complete {
        "complete"
    } else {
        "not complete"
    };
    Ok(format!(
        "the list took {seconds:.1} s, {:.1} s of it the walk, and says that it is {complete}; \
         asking a daemon took {asked:.1} s",
        list.walk_seconds
    ))
}

/// How long it takes to get as many namespaces from a daemon, which walks for that. It is gone
/// before they are.
fn seconds_of_asking(world: &World) -> Result<f64> {
    let daemon = Daemon::start(&world.nslife, &world.results, PORT)?;
    let socket = socket_of(PORT);
    let start = Instant::now();
    let arguments = ["list", "--from", "daemon", "--control-socket", &socket];
    let ran = world
        .nslife
        .run(&[&arguments[..], &["--ns-type", "uts", "--output", "json"]].concat())?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(ran.code == Some(0), "nslife list: {}", ran.stderr);
    let list: List = serde_json::from_str(&ran.stdout)?;
    let others = list.namespaces.iter().filter(|ns| !ns.initial).count();
    same(
        "UTS namespaces that the daemon knows",
        MANY as usize,
        others,
    )?;
    daemon.stop()?;
    Ok(seconds)
}
