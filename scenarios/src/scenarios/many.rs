//! More namespaces than anybody has.

use std::{
    collections::BTreeSet,
    fs, thread,
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
    let (asked, many) = seconds_of_asking(world)?;
    hoarder.end()?;
    let few = few_namespaces(world)?;
    same("series of a scrape", few.series, many.series)?;
    ensure!(
        many.milliseconds < 2.0 * few.milliseconds,
        "a scrape costs {} ms, and {} ms with few namespaces",
        many.milliseconds,
        few.milliseconds
    );
    let complete = if list.complete {
        "complete"
    } else {
        "not complete"
    };
    Ok(format!(
        "the list took {seconds:.1} s, {:.1} s of it the walk, and says that it is {complete}; \
         asking a daemon took {asked:.1} s; a scrape has {} series and costs {:.1} ms, a second \
         without one {:.1} ms, in {:.1} MiB; with few namespaces {} series, {:.1} ms, {:.1} ms, {:.1} MiB",
        list.walk_seconds,
        many.series,
        many.milliseconds,
        many.idle,
        many.memory,
        few.series,
        few.milliseconds,
        few.idle,
        few.memory
    ))
}

/// What scraping a daemon costs.
struct Scrapes {
    series: usize,
    /// Of its processor time, for each.
    milliseconds: f64,
    /// Of its processor time, for a second in which nothing happens.
    idle: f64,
    /// What memory it has then, MiB.
    memory: f64,
}

/// How often it is scraped for that: the kernel counts processor time in hundredths of a second.
const SCRAPES: u32 = 100;

/// For how long it is left alone: who is near a limit is looked at every ten seconds.
const IDLE: Duration = Duration::from_secs(20);

fn scrapes(daemon: &Daemon) -> Result<Scrapes> {
    let spent = |daemon: &Daemon| daemon.scrape()?.plain("process_cpu_seconds_total");
    let before = spent(daemon)?;
    for _ in 1..SCRAPES {
        daemon.scrape()?;
    }
    let after = spent(daemon)?;
    let took = after - before;
    thread::sleep(IDLE);
    let idle = spent(daemon)? - after;
    let last = daemon.scrape()?;
    Ok(Scrapes {
        series: last.len(),
        milliseconds: 1000.0 * took / f64::from(SCRAPES),
        idle: 1000.0 * idle / IDLE.as_secs_f64(),
        memory: last.plain("process_resident_memory_bytes")? / f64::from(1 << 20),
    })
}

/// The same with what every system has.
fn few_namespaces(world: &World) -> Result<Scrapes> {
    let daemon = Daemon::start(&world.nslife, &world.results, PORT)?;
    let few = scrapes(&daemon)?;
    daemon.stop()?;
    Ok(few)
}

/// How long it takes to get as many namespaces from a daemon, which walks for that, and what it
/// costs to scrape it. It is gone before they are.
fn seconds_of_asking(world: &World) -> Result<(f64, Scrapes)> {
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
    let scrapes = scrapes(&daemon)?;
    daemon.stop()?;
    Ok((seconds, scrapes))
}
