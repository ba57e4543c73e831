//! Tasks that exit in unusual ways.

use anyhow::Result;
use tracer_common::kind::NsKind::{self, Cgroup, Ipc, Mnt, Net, Pid, User, Uts};

use super::{
    holders::WHOLE_TWICE,
    lives::{IN_USE, WHOLE},
};
use crate::{
    expect::{EXIT, clone},
    held::HELD,
    stage::Stage,
    world::World,
};

/// How many tasks are pursued.
const ATTEMPTS: u32 = 30;

/// What a task can be born into by `clone`, where the flag for time namespaces means a signal.
const ALL_BUT_TIME: [NsKind; 7] = [Mnt, Uts, Ipc, User, Pid, Net, Cgroup];

/// A task enters the namespaces of another by its number while that exits. In time or too late,
/// nothing is left of it.
pub(super) fn setns_by_pidfd_to_exiting_task(world: &World) -> Result<String> {
    let mut stage = Stage::new(world);
    let hunter = stage.puppet("hunter")?;
    let entered = hunter.chase(ATTEMPTS, &ALL_BUT_TIME)?;
    entered.iter().for_each(|task| stage.stranger(task));
    for _ in 0..ATTEMPTS {
        for kind in ALL_BUT_TIME {
            let ns = stage.born(&hunter, kind)?;
            match kind {
                // The zombie is there meanwhile.
                User => stage.lives(&ns, WHOLE)?,
                // The kernel lets go of the old nsproxy before it takes up the new one.
                _ => stage.lives_one_of(&ns, &[WHOLE, WHOLE_TWICE])?,
            }
        }
    }
    hunter.end()?;
    stage.close()?;
    Ok(format!("{} of {ATTEMPTS} got in", entered.len()))
}

/// Whose parent ignores SIGCHLD is reaped by the kernel, be it the only thread of its process or a
/// first one that others outlive.
pub(super) fn sigchld_ignored(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let parent = stage.puppet("parent")?;
    parent.ignore_children()?;
    let born = clone(&["pid_for_children"]);

    let single = stage.child(&parent, "single", &[User, Pid])?;
    let user = stage.born(&parent, User)?;
    let pid = stage.born(&parent, Pid)?;
    stage.all_live([&user, &pid], IN_USE)?;
    single.exit()?;
    stage.all_live([&user, &pid], WHOLE)?;
    stage.changes(&single.task(), &[born, EXIT])?;

    let leader = stage.child(&parent, "leader", &[User, Pid])?;
    let user = stage.born(&parent, User)?;
    let pid = stage.born(&parent, Pid)?;
    let last = stage.thread(&leader, "last")?;
    leader.exit_thread()?;
    stage.still_live([&user, &pid], IN_USE)?;
    stage.shows([
        (&user, HELD.tasks(2).creds(2).owned(1)),
        (&pid, HELD.tasks(2).nsproxies(1).pids(2)),
    ])?;
    last.exit_thread()?;
    stage.all_live([&user, &pid], WHOLE)?;
    stage.changes(&leader.task(), &[born])?;
    stage.changes(&last.task(), &[EXIT])?;
    parent.end()?;
    stage.close()
}
