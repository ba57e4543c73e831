//! The kernel's own rules of nsproxies are kept, whichever way a task changes its own.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind::{Net, Time, User, Uts};

use super::{input::NOBODY, lives::WHOLE};
use crate::{
    expect::{EXIT, Life, same, unshare},
    metrics::{Metrics, series},
    process::Finally,
    puppet::Failure,
    stage::Stage,
    trace::Step::{Created, Destroyed, Freed},
    world::World,
};

/// All rules, by the label of the metrics.
const RULES: [&str; 5] = [
    "foreign_switch",
    "new_not_fresh",
    "count_below_zero",
    "null_while_alive",
    "freed_while_used",
];

/// How many time namespaces a user can have.
const LIMIT: &str = "/proc/sys/user/max_time_namespaces";

/// Made and done away with.
const UNUSED: Life = Life::new(&[Created, Destroyed, Freed]);

/// How often the two kinds of failure are tried.
const FAILURES: u32 = 3;

/// Other scenarios have tasks be born with an nsproxy of their own, take another by `unshare`, by
/// `setns` to a file and to a process, and by an exec into a time namespace, and exit, and forks fail.
/// Here some try in vain. Each rule is judged meanwhile, and none is broken.
pub(super) fn rules_are_kept(world: &World) -> Result<()> {
    let daemon = world.daemon();
    let before = daemon.scrape()?;
    none_is_broken(&before)?;
    switches_in_vain(world)?;
    // A walk judges what no event tells.
    daemon.list(&world.nslife, &[])?;
    world.barrier()?;

    for rule in RULES {
        let checks = series("nslife_rule_checks_total", &[("rule", rule)]);
        let first = before.get(&checks)?;
        let rises = |value: f64| value > first;
        daemon.wait_for(&checks, &format!("more than {first}"), rises)?;
    }
    none_is_broken(&daemon.scrape()?)?;
    let log = daemon.log()?;
    ensure!(!log.contains("broke a rule"), "the daemon says {log}");
    Ok(())
}

/// An `unshare` that fails when the first of its namespaces is made already, and a `setns` to one
/// that is not to be entered: what was made for it is freed without ever having been in use.
fn switches_in_vain(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let host = stage.puppet("host")?;
    host.unshare(&[User, Net, Uts])?;
    let user = stage.born(&host, User)?;
    let net = stage.born(&host, Net)?;
    let uts = stage.born(&host, Uts)?;

    let maker = stage.puppet("maker")?;
    let limit = fs::read_to_string(LIMIT).context(LIMIT)?;
    fs::write(LIMIT, "0").context(LIMIT)?;
    let restore = Finally(|| {
        // Should that fail, the next scenario with a time namespace says so.
        let _ = fs::write(LIMIT, &limit);
    });
    for _ in 0..FAILURES {
        fails_with(maker.unshare(&[Uts, Time]), libc::ENOSPC)?;
        let unused = stage.born(&maker, Uts)?;
        stage.lives(&unused, UNUSED)?;
    }
    drop(restore);
    maker.end()?;

    let nobody = stage.puppet("nobody")?;
    let file = nobody.open(&host.link("net"))?;
    nobody.set_user(NOBODY)?;
    for _ in 0..FAILURES {
        fails_with(nobody.enter(file), libc::EPERM)?;
        fails_with(nobody.join(host.pid, &[Net, Uts]), libc::EPERM)?;
    }
    nobody.close(file)?;
    nobody.end()?;
    let task = host.task();
    host.end()?;
    stage.all_live([&user, &net, &uts], WHOLE)?;
    stage.changes(&task, &[unshare(&["uts", "net"]), EXIT])?;
    stage.close()
}

/// Fails unless the kernel said this to a puppet.
pub(super) fn fails_with(result: Result<()>, errno: i32) -> Result<()> {
    let error = result.err().context("that was not to be")?;
    let said = error.downcast_ref::<Failure>().and_then(|f| f.errno);
    ensure!(said == Some(errno), error);
    Ok(())
}

/// Fails if a scrape counts a violation of any rule.
pub(super) fn none_is_broken(metrics: &Metrics) -> Result<()> {
    for rule in RULES {
        let violations = series("nslife_rule_violations_total", &[("rule", rule)]);
        same(&violations.to_string(), 0.0, metrics.get(&violations)?)?;
    }
    Ok(())
}
