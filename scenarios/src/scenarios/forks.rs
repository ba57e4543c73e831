//! Forks of which nothing comes.

use std::fs;

use anyhow::{Context as _, Result};
use tracer_common::kind::NsKind::{Pid, User, Uts};

use super::lives::{IN_USE, WHOLE};
use crate::{
    expect::{EXIT, clone, same, unshare},
    held::HELD,
    process::Finally,
    stage::Stage,
    world::World,
};

/// How often a puppet tries to have a child that shares its namespaces, and one that does not.
const PLAIN: u32 = 50;
const IN_NEW: u32 = 3;

/// A cgroup that has room for one task.
const CGROUP: &str = "/sys/fs/cgroup/nslife-forks";

/// The last thing that can go wrong with a fork is that the cgroup is full: credentials and number
/// are there already, and new namespaces, too.
pub(super) fn failed_forks(world: &World) -> Result<()> {
    fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+pids").context("no pids controller")?;
    fs::create_dir(CGROUP).context(CGROUP)?;
    let _clean = Finally(|| {
        // Whoever was in it has left it by then, if all went well.
        let _ = fs::remove_dir(CGROUP);
    });
    let mut stage = Stage::new(world);
    let parent = stage.puppet("parent")?;
    let child = stage.child(&parent, "child", &[User, Pid])?;
    let user = stage.born(&parent, User)?;
    let pid = stage.born(&parent, Pid)?;
    child.map_root()?;
    fs::write(format!("{CGROUP}/cgroup.procs"), child.pid.to_string()).context(CGROUP)?;
    fs::write(format!("{CGROUP}/pids.max"), "1").context(CGROUP)?;

    let errno = child.fail_to_fork(PLAIN, &[])?;
    same("what the kernel says", libc::EAGAIN, errno)?;
    let errno = child.fail_to_fork(IN_NEW, &[User, Pid, Uts])?;
    same("what the kernel says", libc::EAGAIN, errno)?;
    for _ in 0..IN_NEW {
        for kind in [User, Pid, Uts] {
            let unused = stage.born(&child, kind)?;
            stage.lives(&unused, WHOLE)?;
            stage.because(
                &unused,
                match kind {
                    User => &["cred_taken", "fork_failed"],
                    _ => &["nsproxy_installed", "nsproxy_dropped"],
                },
            )?;
        }
    }
    stage.still_live([&user, &pid], IN_USE)?;
    stage.shows([
        (&user, HELD.tasks(1).creds(1).owned(1)),
        (&pid, HELD.tasks(1).nsproxies(1).pids(1)),
    ])?;

    child.exit()?;
    parent.reap_child(&child)?;
    stage.all_live([&user, &pid], WHOLE)?;
    stage.changes(&child.task(), &[clone(&["pid_for_children"]), EXIT])?;
    parent.end()?;
    stage.close()
}

/// A pid namespace whose first task is gone gets no other.
pub(super) fn forks_without_init(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let parent = stage.puppet("parent")?;
    parent.unshare(&[User, Pid])?;
    let user = stage.born(&parent, User)?;
    let pid = stage.born(&parent, Pid)?;
    let init = stage.child(&parent, "init", &[])?;
    init.exit()?;
    parent.reap_child(&init)?;

    let errno = parent.fail_to_fork(PLAIN, &[])?;
    same("what the kernel says", libc::ENOMEM, errno)?;
    let errno = parent.fail_to_fork(IN_NEW, &[Uts])?;
    same("what the kernel says", libc::ENOMEM, errno)?;
    for _ in 0..IN_NEW {
        let unused = stage.born(&parent, Uts)?;
        stage.lives(&unused, WHOLE)?;
    }
    stage.still_live([&user, &pid], IN_USE)?;
    stage.shows([
        (&user, HELD.tasks(1).creds(1).owned(1)),
        (&pid, HELD.nsproxies(1)),
    ])?;

    let task = parent.task();
    parent.end()?;
    stage.all_live([&user, &pid], WHOLE)?;
    stage.changes(&task, &[unshare(&["pid_for_children"]), EXIT])?;
    stage.close()
}
