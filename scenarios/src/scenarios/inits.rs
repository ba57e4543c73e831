//! Lives of pid namespaces: their init, its numbers, and its end.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind::Pid;

use super::lives::{IN_USE, WHOLE};
use crate::{
    PATIENCE,
    expect::{EXIT, clone, same},
    metrics::series,
    process::poll_until,
    stage::Stage,
    trace::{Namespace, Person},
    world::World,
};

const DYING: &str = "nslife_pid_namespaces_dying";
const OLDEST: &str = "nslife_pid_namespaces_dying_oldest_timestamp_seconds";
const TOOK: &str = "nslife_pid_namespace_dying_seconds_count";

/// Whoever is in a pid namespace dies with its init.
pub(super) fn pid_namespace_dies(world: &World) -> Result<()> {
    let took = world.daemon().scrape()?.plain(TOOK)?;
    let mut stage = Stage::new(world);
    let parent = stage.puppet("parent")?;
    let init = stage.child(&parent, "init", &[Pid])?;
    let pid = stage.born(&parent, Pid)?;
    let child = stage.child(&init, "child", &[])?;
    stage.lives(&pid, IN_USE)?;
    same("what became of its init", None, listed(world, &pid)?.init)?;

    init.exit()?;
    let dying = stage.init_is("init_dying", &pid, &init)?;
    same("who is left", Some(1), dying.left)?;
    let dead = stage.init_is("init_dead", &pid, &init)?;
    ensure!(
        dead.took_seconds.is_some(),
        "it is not said how long it took"
    );
    same("who is left in the end", Some(0), dead.left)?;
    let shown = listed(world, &pid)?;
    same(
        "its init",
        Some("dead".to_owned()),
        shown.init.map(|init| init.state),
    )?;
    let zombie = Person {
        task: init.task(),
        state: "Z".to_owned(),
        waits_for: Some(parent.task()),
    };
    same("who is not reaped", vec![zombie], shown.people.unreaped)?;
    same("how many those are", Some(1), shown.zombies)?;

    parent.reap_child(&init)?;
    stage.lives(&pid, WHOLE)?;
    let series = series(TOOK, &[]);
    world
        .daemon()
        .wait_for(&series, &format!("{}", took + 1.0), |value| {
            value == took + 1.0
        })?;
    let born = clone(&["pid_for_children"]);
    // The child had the same nsproxy, and was the last one in it.
    stage.changes(&init.task(), &[born])?;
    stage.changes(&child.task(), &[EXIT])?;
    parent.end()?;
    stage.close()
}

/// An init cannot go before everybody else in its pid namespace is reaped. Whoever is traced
/// from outside is reaped by its tracer first, and that need not be in a hurry.
pub(super) fn pid_namespace_hangs(world: &World) -> Result<()> {
    let daemon = world.daemon();
    let mut stage = Stage::new(world);
    let parent = stage.puppet("parent")?;
    let init = stage.child(&parent, "init", &[Pid])?;
    let pid = stage.born(&parent, Pid)?;
    let child = stage.child(&init, "child", &[])?;
    let tracer = stage.puppet("tracer")?;
    tracer.seize(&child)?;
    stage.lives(&pid, IN_USE)?;

    init.exit()?;
    stage.init_is("init_dying", &pid, &init)?;
    let left = Person {
        task: child.task(),
        state: "Z".to_owned(),
        waits_for: Some(tracer.task()),
    };
    // It has to die first.
    let shown = poll_until(PATIENCE, || {
        let shown = listed(world, &pid)?;
        let people = shown.people.left.clone();
        Ok(people
            .is_some_and(|people| people.tasks == [left.clone()])
            .then_some(shown))
    })?;
    let shown = match shown {
        Some(shown) => shown,
        None => {
            let shown = listed(world, &pid)?;
            anyhow::bail!("expected that {left:?} is left, saw {shown:?}");
        }
    };
    let reaper = shown.init.context("nothing is said of its init")?;
    same("what became of its init", "dying", reaper.state.as_str())?;
    same("since when, if nobody saw it", None, reaper.since)?;
    let people = shown.people;
    same(
        "how many are left",
        Some(1),
        people.left.map(|left| left.count),
    )?;
    same(
        "its init",
        Some(init.task()),
        people.init_task.map(|init| init.task),
    )?;
    let seen = world.daemon().list(&world.nslife, &[])?;
    let seen = seen.find(&pid).context("the daemon does not show it")?;
    ensure!(
        seen.init.as_ref().is_some_and(|init| init.since.is_some()),
        "the daemon does not know since when: {seen:?}"
    );
    daemon.wait_for(&series(DYING, &[]), "1", |value| value == 1.0)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let lately = |value: f64| (now - 3600.0..now + 60.0).contains(&value);
    daemon.wait_for(&series(OLDEST, &[]), "a time of late", lately)?;
    ensure!(!stage.init_was("init_dead", &pid), "it was said to be dead");
    stage.still_live([&pid], IN_USE)?;

    tracer.end()?;
    let dead = stage.init_is("init_dead", &pid, &init)?;
    ensure!(
        dead.took_seconds.is_some_and(|took| took > 0.5),
        "it took longer than {:?}",
        dead.took_seconds
    );
    daemon.wait_for(&series(DYING, &[]), "0", |value| value == 0.0)?;
    daemon.wait_for(&series(OLDEST, &[]), "0", |value| value == 0.0)?;
    parent.reap_child(&init)?;
    stage.lives(&pid, WHOLE)?;
    let born = clone(&["pid_for_children"]);
    // The child had the same nsproxy, and was the last one in it.
    stage.changes(&init.task(), &[born])?;
    stage.changes(&child.task(), &[EXIT])?;
    parent.end()?;
    stage.close()
}

/// A task has a number in each pid namespace from the initial one down to its own, as
/// `/proc/PID/status` says.
pub(super) fn init_numbers(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let parent = stage.puppet("parent")?;
    let outer_init = stage.child(&parent, "outer", &[Pid])?;
    let outer = stage.born(&parent, Pid)?;
    let inner_init = stage.child(&outer_init, "inner", &[Pid])?;
    let inner = stage.born(&outer_init, Pid)?;
    stage.all_live([&outer, &inner], IN_USE)?;
    same("the parent of the inner one", Some(outer.id), inner.parent)?;

    for (ns, init, level) in [(&outer, &outer_init, 1), (&inner, &inner_init, 2)] {
        let shown = listed(world, ns)?;
        same("its level", Some(level), shown.level)?;
        let task = shown.people.init_task.context("no init is shown")?;
        same("its init", init.task(), task.task)?;
        same("the numbers of that", numbers(init.pid)?, task.numbers)?;
    }
    let tree = [
        "list",
        "--from",
        "walk",
        "--ns-type",
        "pid",
        "--output",
        "tree",
    ];
    let ran = world.nslife.run(&tree)?;
    ensure!(ran.code == Some(0), "{ran}");
    let numbers = numbers(inner_init.pid)?;
    let numbers: Vec<_> = numbers.iter().map(u32::to_string).collect();
    let expected = format!("level 2, init inner[{}]", numbers.join("→"));
    let line = ran.stdout.lines().find(|line| line.contains(&expected));
    let line = line.with_context(|| format!("expected {expected:?}, saw {}", ran.stdout))?;
    ensure!(
        line.starts_with("    └── ") || line.starts_with("│   └── "),
        "not below its parent: {}",
        ran.stdout
    );

    let tasks = [outer_init.task(), inner_init.task()];
    outer_init.exit()?;
    parent.reap_child(&outer_init)?;
    stage.all_live([&outer, &inner], WHOLE)?;
    let born = clone(&["pid_for_children"]);
    for task in &tasks {
        stage.changes(task, &[born, EXIT])?;
    }
    parent.end()?;
    stage.close()
}

/// The numbers of a process at all levels, as procfs has them.
fn numbers(pid: u32) -> Result<Vec<u32>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers = line.context("no NSpid")?.split_whitespace();
    numbers.map(|number| Ok(number.parse()?)).collect()
}

/// A namespace as `nslife list` shows it.
fn listed(world: &World, ns: &Namespace) -> Result<Namespace> {
    let list = world.nslife.list()?;
    list.find(ns)
        .cloned()
        .with_context(|| format!("nslife list does not show {ns}"))
}
