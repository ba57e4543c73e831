//! Which of several tasks, in which state, keep a namespace active.

use anyhow::Result;
use tracer_common::kind::NsKind::{Net, Pid, User, Uts};

use super::lives::{IN_USE, WHOLE};
use crate::{
    expect::{EXIT, clone, same, unshare},
    stage::Stage,
    trace::State,
    world::World,
};

/// Two tasks share a namespace, and it is active until the second has left.
pub(super) fn two_in_one_namespace(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let first = stage.puppet("first")?;
    first.unshare(&[Uts])?;
    let uts = stage.born(&first, Uts)?;
    let second = stage.child(&first, "second", &[])?;
    stage.is_linked(&second, "uts", &uts)?;
    same("tasks in it", Some(2), stage.listed(&uts)?.tasks)?;

    let (first_task, second_task) = (first.task(), second.task());
    first.end()?;
    stage.still_live([&uts], IN_USE)?;
    let listed = stage.listed(&uts)?;
    same("its state with one task left", State::Active, listed.state)?;
    same("tasks in it", Some(1), listed.tasks)?;

    second.exit()?;
    stage.lives(&uts, WHOLE)?;
    // The nsproxy outlived the first, so its exit was nothing to speak of.
    stage.changes(&first_task, &[unshare(&["uts"])])?;
    stage.changes(&second_task, &[EXIT])?;
    stage.close()
}

/// The threads of a process exit, the first one first. Their nsproxy goes with the last of them;
/// the credentials of the first stay until the process is reaped.
pub(super) fn threads_exit_in_any_order(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let mut leader = stage.puppet("leader")?;
    leader.unshare(&[User])?;
    let user = stage.born(&leader, User)?;
    leader.unshare(&[Net, Uts])?;
    let net = stage.born(&leader, Net)?;
    let uts = stage.born(&leader, Uts)?;
    let loner = stage.thread(&leader, "loner")?;
    let last = stage.thread(&leader, "last")?;
    loner.unshare(&[Uts])?;
    let own = stage.born(&loner, Uts)?;
    stage.all_live([&user, &net, &uts, &own], IN_USE)?;

    leader.exit_thread()?;
    stage.still_live([&user, &net, &uts, &own], IN_USE)?;
    loner.exit_thread()?;
    stage.lives(&own, WHOLE)?;
    stage.changes(&loner.task(), &[unshare(&["uts"]), EXIT])?;
    stage.still_live([&user, &net, &uts], IN_USE)?;
    last.exit_thread()?;
    stage.all_live([&net, &uts], WHOLE)?;
    stage.changes(&last.task(), &[EXIT])?;
    stage.still_live([&user], IN_USE)?;
    leader.reap()?;
    stage.lives(&user, WHOLE)?;
    stage.changes(&leader.task(), &[unshare(&["uts", "net"])])?;
    stage.close()
}

/// A process that has exited is in its user and pid namespaces still, and in no other, until it is
/// reaped.
pub(super) fn zombie_keeps_user_and_pid(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let parent = stage.puppet("parent")?;
    let child = stage.child(&parent, "zombie", &[User, Pid, Uts])?;
    let user = stage.born(&parent, User)?;
    let pid = stage.born(&parent, Pid)?;
    let uts = stage.born(&parent, Uts)?;
    stage.all_live([&user, &pid, &uts], IN_USE)?;
    stage.is_linked(&child, "user", &user)?;
    stage.is_linked(&child, "pid", &pid)?;

    child.exit()?;
    stage.lives(&uts, WHOLE)?;
    stage.still_live([&user, &pid], IN_USE)?;
    for ns in [&user, &pid] {
        let listed = stage.listed(ns)?;
        same("its state with a zombie in it", State::Active, listed.state)?;
        same("tasks in it", Some(1), listed.tasks)?;
    }

    parent.reap_child(&child)?;
    stage.all_live([&user, &pid], WHOLE)?;
    stage.changes(&child.task(), &[clone(&["uts", "pid_for_children"]), EXIT])?;
    parent.end()?;
    stage.close()
}
