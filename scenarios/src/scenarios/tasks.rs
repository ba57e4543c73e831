//! Which of several tasks, in which state, keep a namespace active.

use anyhow::Result;
use tracer_common::kind::NsKind::{Net, Pid, User, Uts};

use super::lives::{IN_USE, WHOLE};
use crate::{
    expect::{EXIT, clone, unshare},
    held::HELD,
    stage::Stage,
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
    stage.shows([(&uts, HELD.tasks(2).nsproxies(1))])?;

    let (first_task, second_task) = (first.task(), second.task());
    first.end()?;
    stage.still_live([&uts], IN_USE)?;
    stage.shows([(&uts, HELD.tasks(1).nsproxies(1))])?;

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
    stage.shows([
        (&user, HELD.tasks(1).creds(1).owned(1)),
        (&pid, HELD.tasks(1).pids(1)),
    ])?;

    parent.reap_child(&child)?;
    stage.all_live([&user, &pid], WHOLE)?;
    stage.because(&uts, &["nsproxy_installed", "nsproxy_dropped"])?;
    stage.because(&pid, &["nsproxy_installed", "pid_freed"])?;
    stage.because(&user, &["cred_taken", "owned_went"])?;
    stage.changes(&child.task(), &[clone(&["uts", "pid_for_children"]), EXIT])?;
    parent.end()?;
    stage.close()
}

/// Threads of one process are in different namespaces, and each counts where it is.
pub(super) fn threads_in_different_namespaces(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let leader = stage.puppet("leader")?;
    let first = stage.thread(&leader, "first")?;
    first.unshare(&[Uts])?;
    let shared = stage.born(&first, Uts)?;
    let second = stage.thread(&first, "second")?;
    let third = stage.thread(&leader, "third")?;
    third.unshare(&[Net, Uts])?;
    let net = stage.born(&third, Net)?;
    let uts = stage.born(&third, Uts)?;
    stage.all_live([&shared, &net, &uts], IN_USE)?;
    stage.is_linked(&first, "uts", &shared)?;
    stage.is_linked(&second, "uts", &shared)?;
    stage.is_linked(&third, "uts", &uts)?;
    stage.shows([
        (&shared, HELD.tasks(2).nsproxies(1)),
        (&net, HELD.tasks(1).nsproxies(1)),
        (&uts, HELD.tasks(1).nsproxies(1)),
    ])?;

    second.unshare(&[Net])?;
    let other = stage.born(&second, Net)?;
    stage.lives(&other, IN_USE)?;
    stage.shows([
        (&shared, HELD.tasks(2).nsproxies(2)),
        (&other, HELD.tasks(1).nsproxies(1)),
    ])?;
    first.exit_thread()?;
    // The others have left its nsproxy.
    stage.changes(&first.task(), &[unshare(&["uts"]), EXIT])?;
    stage.still_live([&shared, &net, &uts, &other], IN_USE)?;

    let tasks = [second.task(), third.task()];
    leader.end()?;
    stage.all_live([&shared, &net, &uts, &other], WHOLE)?;
    stage.changes(&tasks[0], &[unshare(&["net"]), EXIT])?;
    stage.changes(&tasks[1], &[unshare(&["uts", "net"]), EXIT])?;
    stage.close()
}

/// The number of a task is that of its process group, too, and stays in use for as long as anybody
/// is in that.
pub(super) fn process_group_outlives_leader(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let parent = stage.puppet("parent")?;
    let leader = stage.child(&parent, "leader", &[Pid])?;
    let pid = stage.born(&parent, Pid)?;
    leader.lead_group()?;
    let member = stage.puppet("member")?;
    member.join_group(&leader)?;

    leader.exit()?;
    parent.reap_child(&leader)?;
    stage.changes(&leader.task(), &[clone(&["pid_for_children"]), EXIT])?;
    stage.still_live([&pid], IN_USE)?;
    stage.shows([(&pid, HELD.pids(1))])?;

    member.lead_group()?;
    stage.lives(&pid, WHOLE)?;
    member.end()?;
    parent.end()?;
    stage.close()
}
