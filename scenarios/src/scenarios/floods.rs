//! Floods: namespaces by the thousand, made by somebody without any privilege.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind::{Net, User, Uts};

use super::{
    faults::{PORT, agrees, lost},
    input::NOBODY,
    restarts::number,
};
use crate::{
    daemon::Daemon, expect::same, metrics::series, process::poll_until, puppet::Puppet,
    trace::State, world::World,
};

/// How many user namespaces, where this variable does not say so.
const FLOOD: u32 = 2_000;
const VARIABLE: &str = "NSLIFE_FLOOD";

/// As many flood at the same time.
const FLOODERS: usize = 2;

/// How long a thousand of them may take.
const THOUSAND: Duration = Duration::from_secs(60);

/// Memory that the daemon may need besides what it needs at rest, however long the flood lasts: most
/// of it are tombstones, of which there is a fixed number.
const MOST_MEMORY: f64 = 96.0 * 1024.0 * 1024.0;

/// Somebody without privileges makes short-lived user namespaces as fast as possible. What root does
/// meanwhile is seen all the same, at the latest by a walk; the daemon's memory is bounded, and it
/// does not walk all the time.
pub(super) fn flood_of_user_namespaces(world: &World) -> Result<String> {
    let flood = number(VARIABLE, FLOOD)?;
    world.retire()?;
    let daemon = Daemon::start(&world.nslife, &world.results, PORT)?;
    let at_rest = daemon.scrape()?.plain("process_resident_memory_bytes")?;
    let flooders = (0..FLOODERS)
        .map(|_| {
            let flooder = Puppet::start("flooder")?;
            flooder.set_user(NOBODY)?;
            Ok(flooder)
        })
        .collect::<Result<Vec<_>>>()?;
    let share = flood.div_ceil(FLOODERS as u32);
    let patience = THOUSAND * (flood / 1000 + 1);
    let start = Instant::now();
    let floods = flooders
        .iter()
        .map(|flooder| flooder.begin_to_breed(share, &[User]))
        .collect::<Result<Vec<_>>>()?;

    let root = Puppet::start("root")?;
    root.unshare(&[Uts, Net])?;
    let mut most = at_rest;
    // While the flood goes on root's namespace comes to be known, and the daemon answers.
    let noticed = poll_until(patience, || {
        let metrics = daemon.scrape()?;
        most = most.max(metrics.plain("process_resident_memory_bytes")?);
        let labels = [("ns_type", "net"), ("state", "active")];
        let nets = metrics.get(&series("nslife_namespaces", &labels))?;
        Ok((nets >= 2.0).then(|| start.elapsed()))
    })?;
    let noticed = noticed.context("root's network namespace was never noticed")?;
    for flood in floods {
        flood.end(patience)?;
    }
    let took = start.elapsed();
    agrees(world, &daemon)?;
    let metrics = daemon.scrape()?;
    most = most.max(metrics.plain("process_resident_memory_bytes")?);
    let grown = most - at_rest;
    ensure!(
        grown <= MOST_MEMORY,
        "the daemon has grown from {at_rest} to {most} bytes"
    );
    for cause in ["map_full", "read_failed", "undecodable"] {
        same(cause, 0.0, lost(&metrics, cause)?)?;
    }
    let full = lost(&metrics, "ring_full")?;
    let walks = metrics.plain("nslife_resyncs_total")?;
    let recursion = lost(&metrics, "recursion")?;
    same(
        "whether it walked for losses",
        full + recursion > 0.0,
        walks > 0.0,
    )?;
    // At most one a second, and one more for what was lost in the end.
    ensure!(
        walks <= took.as_secs_f64() + 2.0,
        "{walks} walks in {} s",
        took.as_secs_f64()
    );
    let list = daemon.list(&world.nslife, &[])?;
    let nets = list
        .namespaces
        .iter()
        .filter(|ns| ns.ns_type == "net" && !ns.initial);
    let states: Vec<_> = nets.map(|ns| ns.state).collect();
    same("network namespaces", &[State::Active][..], &states)?;
    let seen = metrics.get(&series(
        "nslife_namespace_created_total",
        &[("ns_type", "user")],
    ))?;
    root.end()?;
    flooders.into_iter().try_for_each(Puppet::end)?;
    agrees(world, &daemon)?;
    daemon.stop()?;
    Ok(format!(
        "{} user namespaces ({VARIABLE}) in {:.1} s, {seen} of them seen to be created, {full} \
         records lost to a full ring buffer and {recursion} to recursion, {walks} walks; root's namespace \
         noticed after {:.1} s; {:.1} MiB more memory than the {:.1} at rest",
        share * FLOODERS as u32,
        took.as_secs_f64(),
        noticed.as_secs_f64(),
        grown / 1024.0 / 1024.0,
        at_rest / 1024.0 / 1024.0,
    ))
}
