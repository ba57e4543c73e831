//! What goes wrong on purpose: something is lost, nslife says what, and puts its picture right by
//! itself.
//!
//! Whether the picture is right is read from the metrics of the daemon: whoever asks it for a list
//! makes it walk.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use tracer_common::kind::NsKind::{self, Ipc, Net, Pid, User, Uts};

use crate::{
    PATIENCE,
    daemon::Daemon,
    expect::same,
    metrics::{Metrics, series},
    nslife::List,
    process::poll_until,
    puppet::Puppet,
    trace::{Namespace, State},
    world::World,
};

/// Where the daemons listen.
pub(super) const PORT: u16 = 19625;

/// The smallest ring buffer that there can be holds some twenty records.
const TINY: &str = "4KiB";

/// Children that come and go, and with each of them a namespace of each of these types.
const CHILDREN: u32 = 60;
const TYPES: [NsKind; 4] = [User, Pid, Ipc, Net];

/// How long they may take.
const LOAD: Duration = Duration::from_secs(120);

/// Namespaces that the daemon is allowed to remember, and those that there are.
const FEW: &str = "16";
const MORE: u32 = 60;

/// A ring buffer that is always full: records are lost all the time.
pub(super) fn tiny_ring_buffer(world: &World) -> Result<String> {
    world.retire()?;
    let daemon = tuned(world, &["--ring-buffer", TINY])?;
    let keeper = Puppet::start("keeper")?;
    let breeder = Puppet::start("breeder")?;
    // A daemon that has a processor to itself may keep up for a while.
    poll_until(LOAD, || {
        let breeding = breeder.begin_to_breed(CHILDREN, &TYPES)?;
        keeper.unshare(&[Uts, Net])?;
        breeding.end(LOAD)?;
        let lost = lost(&daemon.scrape()?, "ring_full")?;
        Ok((lost > 0.0).then_some(()))
    })?
    .context("a ring buffer of one page was never full")?;
    let healed = heals(world, &daemon, "ring_full")?;
    keeper.end()?;
    breeder.end()?;
    // What came and went unheard of need not be put right: by luck that is all.
    agrees(world, &daemon)?;
    daemon.stop()?;
    Ok(healed)
}

/// A daemon that is stopped for a while: the ring buffer overflows meanwhile, and what it misses is
/// the end of one namespace and the beginning of another.
pub(super) fn daemon_is_stopped_under_load(world: &World) -> Result<String> {
    world.retire()?;
    let daemon = tuned(world, &["--ring-buffer", "32KiB"])?;
    let leaver = Puppet::start("leaver")?;
    leaver.unshare(&[Uts, Net])?;
    let breeder = Puppet::start("breeder")?;
    agrees(world, &daemon)?;

    daemon.signal(Signal::STOP)?;
    breeder.breed_into(CHILDREN, &TYPES)?;
    leaver.end()?;
    let comer = Puppet::start("comer")?;
    comer.unshare(&[Ipc, Net])?;
    daemon.signal(Signal::CONT)?;
    let healed = heals(world, &daemon, "ring_full")?;
    comer.end()?;
    breeder.end()?;
    agrees(world, &daemon)?;
    corrections(&daemon.scrape()?)?;
    daemon.stop()?;
    Ok(healed)
}

/// More namespaces than the daemon can remember: it knows them all the same, and it learns that they
/// are gone.
pub(super) fn map_of_namespaces_is_full(world: &World) -> Result<String> {
    world.retire()?;
    let daemon = tuned(world, &["--max-namespaces", FEW])?;
    let hoarder = Puppet::start("hoarder")?;
    hoarder.hoard(Uts, MORE, LOAD)?;
    let healed = heals(world, &daemon, "map_full")?;
    let list = world.nslife.list()?;
    let held = of_type(&list, Uts).filter(|ns| !ns.initial).count();
    same("UTS namespaces", MORE as usize, held)?;

    hoarder.end()?;
    agrees(world, &daemon)?;
    corrections(&daemon.scrape()?)?;
    let lost = lost(&daemon.scrape()?, "map_full")?;
    // There is room again: what comes now is remembered.
    let comer = Puppet::start("comer")?;
    comer.unshare(&[Uts, Net])?;
    comer.end()?;
    agrees(world, &daemon)?;
    same("map_full", lost, self::lost(&daemon.scrape()?, "map_full")?)?;
    daemon.stop()?;
    Ok(healed)
}

fn of_type(list: &List, kind: NsKind) -> impl Iterator<Item = &Namespace> {
    let is_it = move |ns: &&Namespace| ns.ns_type == kind.name();
    list.namespaces.iter().filter(is_it)
}

/// A daemon with these options.
fn tuned(world: &World, options: &[&str]) -> Result<Daemon> {
    Daemon::start_tuned(&world.nslife, &world.results, PORT, options)
}

/// Fails unless the daemon says that it lost something for this cause, and perhaps to the recursion
/// guard, and for no other; unless it walked again; and unless its picture is right after that.
fn heals(world: &World, daemon: &Daemon, cause: &str) -> Result<String> {
    let start = Instant::now();
    let resyncs = series("nslife_resyncs_total", &[]);
    daemon.wait_for(&resyncs, "a walk", |walks| walks > 0.0)?;
    agrees(world, daemon)?;
    let seconds = start.elapsed().as_secs_f64();
    let metrics = daemon.scrape()?;
    let count = lost(&metrics, cause)?;
    ensure!(count > 0.0, "nothing was lost because of {cause}");
    for other in ["ring_full", "map_full", "read_failed", "undecodable"] {
        if other != cause {
            same(other, 0.0, lost(&metrics, other)?)?;
        }
    }
    Ok(format!(
        "{count} lost to {cause}, {} walks, all was right {seconds:.1} s after",
        metrics.get(&resyncs)?
    ))
}

/// How much walks have put right.
fn corrections(metrics: &Metrics) -> Result<f64> {
    let count = metrics.plain("nslife_resync_corrections_total")?;
    ensure!(count > 0.0, "nothing had to be put right");
    Ok(count)
}

/// What was lost for this cause.
pub(super) fn lost(metrics: &Metrics, cause: &str) -> Result<f64> {
    metrics.get(&series("nslife_events_lost_total", &[("cause", cause)]))
}

/// Waits until the daemon counts what a walk by somebody else finds; then it has to find no drift, and
/// its list, for which it walks, has to be the same, too.
pub(super) fn agrees(world: &World, daemon: &Daemon) -> Result<()> {
    let mut differences = Vec::new();
    let mut own = world.nslife.list()?;
    let agreed = poll_until(PATIENCE, || {
        differences = counted_differently(&daemon.scrape()?, &own)?;
        if !differences.is_empty() {
            own = world.nslife.list()?;
        }
        Ok(differences.is_empty().then_some(()))
    })?;
    if agreed.is_none() {
        bail!(
            "the daemon's picture stays wrong: {}; its log: {}",
            differences.join(", "),
            daemon.log()?
        );
    }
    // It also says so itself.
    let audit = ["audit", "--from", "daemon", "--control-socket"];
    let ran = world
        .nslife
        .run(&[&audit[..], &[&daemon.socket]].concat())?;
    ensure!(ran.code == Some(0), "nslife audit: {ran}");
    let known = |list: &List| -> BTreeSet<(String, u32, State)> {
        let all = list.namespaces.iter();
        all.map(|ns| (ns.ns_type.clone(), ns.inum, ns.state))
            .collect()
    };
    let asked = daemon.list(&world.nslife, &[])?;
    same("what the daemon lists", known(&own), known(&asked))
}

/// What a daemon counts otherwise than a list.
fn counted_differently(metrics: &Metrics, list: &List) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    for kind in NsKind::ALL {
        for (word, state) in [
            ("active", State::Active),
            ("inactive", State::Inactive),
            ("destroyed", State::Destroyed),
        ] {
            let labels = [("ns_type", kind.name()), ("state", word)];
            let series = series("nslife_namespaces", &labels);
            let counted = metrics.get(&series)?;
            let listed = of_type(list, kind).filter(|ns| ns.state == state).count();
            if counted != listed as f64 {
                differences.push(format!("{series} is {counted}, listed are {listed}"));
            }
        }
    }
    Ok(differences)
}
