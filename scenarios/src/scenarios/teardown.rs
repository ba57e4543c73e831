//! From the last reference to the end.

use std::{
    cell::Cell,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind::{self, Net, Pid};

use super::lives;
use crate::{
    PATIENCE,
    expect::same,
    kernel::{LISTS, Version},
    metrics::{Metrics, Series, series},
    nslife::List,
    process::poll_until,
    puppet::Puppet,
    trace::{NetCleanup, State, What},
    world::World,
};

/// Network namespaces that are let go at once.
const SOME: u32 = 50;

/// As many that it takes the kernel a while.
const LOTS: u32 = 300;

/// How long it may take to make them.
const LONGEST: Duration = Duration::from_secs(120);

/// How long it may take to clean them up.
const CLEAN_UP: Duration = Duration::from_secs(60);

/// By how much longer each walk than the one before is under way when they are let go, and how long
/// that can be.
const HEAD_START: Duration = Duration::from_millis(300);
const MOST_HEAD_START: Duration = Duration::from_secs(6);

/// How much later the second lot is let go.
const APART: Duration = Duration::from_millis(100);

/// The first stage of the clean-up of network namespaces, and those that follow.
const QUEUE: &str = "queue";
const AFTER_QUEUE: [&str; 3] = ["unlist", "exits", "end"];

/// Why the last reference of this type is not seen on this kernel before the inode number is given
/// back; `None` if it is.
fn out_of_sight(kernel: Version, kind: NsKind) -> Option<&'static str> {
    match kind {
        Pid if kernel < LISTS => Some("pid namespaces are destroyed on the spot"),
        NsKind::Mnt if kernel >= LISTS => {
            Some("mount namespaces give back their number before they leave the list")
        }
        _ => None,
    }
}

fn freed(kind: NsKind) -> Series {
    series("nslife_namespace_freed_total", &[("ns_type", kind.name())])
}

/// How many namespaces of this type had their teardown measured.
fn measured(kind: NsKind) -> Series {
    series(
        "nslife_namespace_teardown_seconds_count",
        &[("ns_type", kind.name())],
    )
}

fn stage(name: &str) -> Series {
    series("nslife_net_cleanup_seconds_count", &[("stage", name)])
}

/// By how much a series has risen.
fn rise(before: &Metrics, after: &Metrics, of: &Series) -> Result<f64> {
    Ok(after.get(of)? - before.get(of)?)
}

/// A namespace lives from beginning to end. When it is freed its teardown is measured, once, where its
/// last reference is seen, and never where it is not.
pub(super) fn life_of(world: &World, kind: NsKind) -> Result<String> {
    let daemon = world.daemon();
    world.barrier()?;
    let before = daemon.scrape()?;
    lives::life_of(world, kind)?;
    let expected = before.get(&freed(kind))? + 1.0;
    daemon.wait_for(&freed(kind), "one more", |count| count >= expected)?;
    let reason = out_of_sight(world.kernel, kind);
    // A scrape may come between two counters.
    let last = Cell::new((0.0, 0.0));
    let agree = poll_until(PATIENCE, || {
        let after = daemon.scrape()?;
        let gone = rise(&before, &after, &freed(kind))?;
        let seen = rise(&before, &after, &measured(kind))?;
        last.set((gone, seen));
        let wanted = if reason.is_some() { 0.0 } else { gone };
        Ok((gone >= 1.0 && seen == wanted).then_some(()))
    })?;
    let (gone, seen) = last.get();
    agree.with_context(|| format!("{gone} freed, {seen} measured ({reason:?})"))?;
    Ok(match reason {
        None => String::new(),
        Some(reason) => format!("its teardown is not measured: {reason}"),
    })
}

/// As many network namespaces as are let go at once go through each stage.
pub(super) fn net_cleanup_stages(world: &World) -> Result<String> {
    let daemon = world.daemon();
    settled(world)?;
    let before = daemon.scrape()?;
    let from = world.trace.log.len();
    let hoarder = Puppet::start("hoarder")?;
    hoarder.hoard(Net, SOME, LONGEST)?;
    hoarder.end()?;

    let expected = f64::from(SOME);
    for name in AFTER_QUEUE {
        let wanted = before.get(&stage(name))? + expected;
        daemon.wait_for(&stage(name), "as many more", |count| count >= wanted)?;
    }
    let mut rounds = Vec::new();
    let told = poll_until(PATIENCE, || {
        rounds = world.trace.log.look(from, |lines| {
            let round = |what: &What| match what {
                What::NetCleanup(round) => Some(round.as_ref().clone()),
                _ => None,
            };
            lines.iter().filter_map(|line| round(&line.what)).collect()
        });
        let sum: u32 = rounds
            .iter()
            .map(|round: &NetCleanup| round.namespaces)
            .sum();
        Ok((sum >= SOME).then_some(()))
    })?;
    told.with_context(|| format!("net_cleanup of fewer than {SOME}: {rounds:?}"))?;
    let sum = rounds.iter().map(|round| round.namespaces).sum();
    same("network namespaces cleaned up", SOME, sum)?;
    let is_likely = |seconds: f64| (f64::MIN_POSITIVE..CLEAN_UP.as_secs_f64()).contains(&seconds);
    for round in &rounds {
        let after_queue = [round.unlist_seconds, round.exits_seconds, round.end_seconds];
        ensure!(
            after_queue
                .into_iter()
                .all(|took| took.is_some_and(is_likely))
                && round.queue_seconds.is_none_or(is_likely),
            "expected that each stage takes a while, saw {round:?}"
        );
    }
    let after = daemon.scrape()?;
    for name in AFTER_QUEUE {
        same(name, expected, rise(&before, &after, &stage(name))?)?;
    }
    // Of those that were let go while a round began it is not known.
    let waited = rise(&before, &after, &stage(QUEUE))?;
    ensure!(
        (1.0..=expected).contains(&waited),
        "expected how long 1 to {SOME} waited, got {waited}"
    );
    same("measured", expected, rise(&before, &after, &measured(Net))?)?;
    Ok(format!(
        "in {} rounds, of {waited} it is known how long they waited",
        rounds.len()
    ))
}

/// Waits until no network namespace awaits its end any more.
fn settled(world: &World) -> Result<()> {
    let labels = [("ns_type", Net.name()), ("state", "destroyed")];
    let awaiting = series("nslife_namespaces", &labels);
    world.barrier()?;
    world
        .daemon()
        .wait_for(&awaiting, "none", |count| count == 0.0)?;
    Ok(())
}

/// While the kernel cleans up lots of network namespaces the daemon's list shows those that are left,
/// since when, and how many must go before. A walk shows those that are on the kernel's list still, if
/// it comes at the right moment: what it shows must be in order, and is remarked.
pub(super) fn list_shows_what_is_being_destroyed(world: &World) -> Result<String> {
    settled(world)?;
    let daemon = world.daemon();
    let ask = || daemon.list(&world.nslife, &["--ns-type", "net"]);
    let mut most = [0, 0];
    let mut head_start = Duration::ZERO;
    let shown = poll_until(LONGEST, || {
        let hoarders = [Puppet::start("hoarder")?, Puppet::start("hoarder")?];
        for hoarder in &hoarders {
            hoarder.hoard(Net, LOTS, LONGEST)?;
        }
        // A walk takes its time to begin; how long is found out.
        let walk = walk_begins(world)?;
        thread::sleep(head_start);
        head_start += HEAD_START;
        if head_start > MOST_HEAD_START {
            head_start = Duration::ZERO;
        }
        // While those of the first are cleaned up, those of the second stay on the list.
        for hoarder in hoarders {
            hoarder.end()?;
            thread::sleep(APART);
        }
        most[1] = most[1].max(destroyed(&ask()?)?);
        most[0] = most[0].max(destroyed(&walk_ends(world, walk)?)?);
        Ok((most[1] > 1).then_some(()))
    })?;
    let [walked, asked] = most;
    shown.with_context(|| format!("{asked} seen by the daemon"))?;
    let none_left = poll_until(CLEAN_UP, || {
        let left = destroyed(&ask()?)? + destroyed(&walk_ends(world, walk_begins(world)?)?)?;
        Ok((left == 0).then_some(()))
    })?;
    none_left.context("what is destroyed is never freed")?;
    Ok(format!("a walk showed {walked}, the daemon {asked}"))
}

/// Starts a look of its own at network namespaces.
fn walk_begins(world: &World) -> Result<Child> {
    let arguments = [
        "list",
        "--from",
        "walk",
        "--ns-type",
        "net",
        "--output",
        "json",
    ];
    let mut command = world.nslife.command(&arguments);
    let process = command.stdout(Stdio::piped()).spawn()?;
    world.nslife.started(&process);
    Ok(process)
}

/// What it saw.
fn walk_ends(world: &World, process: Child) -> Result<List> {
    let output = process.wait_with_output()?;
    ensure!(output.status.success(), "nslife list: {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    world.nslife.remember("list", &text);
    Ok(serde_json::from_str(&text)?)
}

/// How many namespaces of a list are destroyed. What a walk shows has no time, and nothing before
/// it; what the daemon saw has both, in the same order.
fn destroyed(list: &List) -> Result<usize> {
    let mut all: Vec<_> = list
        .namespaces
        .iter()
        .filter(|ns| ns.state == State::Destroyed)
        .collect();
    all.sort_by_key(|ns| ns.before);
    let mut latest = None;
    for (place, ns) in (0_u32..).zip(&all) {
        if list.source == "walk" {
            same("since when", None, ns.since.as_deref())?;
            same("how many before", None, ns.before)?;
            continue;
        }
        same("how many before", Some(place), ns.before)?;
        // Times of one form, in one zone: their order is that of the letters.
        ensure!(
            ns.since.is_some() && latest <= ns.since.as_ref(),
            "expected it later than {latest:?}, saw {ns:?}"
        );
        latest = ns.since.as_ref();
    }
    for ns in &list.namespaces {
        ensure!(
            ns.state == State::Destroyed || ns.before.is_none(),
            "something is before {ns:?}"
        );
    }
    Ok(all.len())
}
