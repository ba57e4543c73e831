//! All scenarios, by subject.

mod cascade;
mod holders;
mod lives;
mod switches;
mod tasks;

use anyhow::Result;
use tracer_common::kind::NsKind;

use crate::{
    kernel::{SWITCHES_ON_EXEC, Version},
    scenario::{On, Scenario},
    world::World,
};

/// All scenarios, in the order in which they are run.
pub(crate) const ALL: &[Scenario] = &[
    on_all("life_of_mnt", |world| lives::life_of(world, NsKind::Mnt)),
    on_all("life_of_uts", |world| lives::life_of(world, NsKind::Uts)),
    on_all("life_of_ipc", |world| lives::life_of(world, NsKind::Ipc)),
    on_all("life_of_user", |world| lives::life_of(world, NsKind::User)),
    on_all("life_of_pid", |world| lives::life_of(world, NsKind::Pid)),
    on_all("life_of_net", |world| lives::life_of(world, NsKind::Net)),
    on_all("life_of_cgroup", |world| {
        lives::life_of(world, NsKind::Cgroup)
    }),
    on_all("life_of_time", |world| lives::life_of(world, NsKind::Time)),
    on_all("two_tasks_in_one_namespace", tasks::two_in_one_namespace),
    on_all(
        "threads_exit_in_any_order",
        tasks::threads_exit_in_any_order,
    ),
    on_all(
        "zombie_keeps_user_and_pid",
        tasks::zombie_keeps_user_and_pid,
    ),
    on_all("clone_reason", switches::clone_reason),
    on_all("setns_in_and_out", switches::setns_in_and_out),
    since(
        SWITCHES_ON_EXEC,
        "exec changes no namespace",
        "exec_into_time_namespace",
        switches::exec_into_time_namespace,
    ),
    on_all("fd_keeps_it", holders::fd_keeps_it),
    on_all("bind_mount_keeps_it", holders::bind_mount_keeps_it),
    on_all("ip_netns_add_and_delete", holders::ip_netns_add_and_delete),
    on_all("socket_alone", holders::socket_alone),
    on_all("user_cascade", cascade::user_cascade),
];

/// A scenario for all kernels.
const fn on_all(name: &'static str, run: fn(&World) -> Result<()>) -> Scenario {
    Scenario {
        name,
        on: On::AllKernels,
        run,
    }
}

/// A scenario for kernels from a certain one on, because of what others lack.
const fn since(
    version: Version,
    lacking: &'static str,
    name: &'static str,
    run: fn(&World) -> Result<()>,
) -> Scenario {
    Scenario {
        name,
        on: On::Since(version, lacking),
        run,
    }
}
