//! All scenarios, by subject.

mod afterwards;
mod cascade;
mod command;
mod holders;
mod hot_path;
mod input;
mod lives;
mod prometheus;
mod service;
mod switches;
mod tasks;
mod truth;

use anyhow::Result;
use tracer_common::kind::NsKind;

use crate::{
    kernel::{COUNTS, SWITCHES_ON_EXEC, Version},
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
    on_all("user_namespace_of_nobody", lives::user_namespace_of_nobody),
    on_all("creator_has_a_cgroup", lives::creator_has_a_cgroup),
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
    on_all("exit_on_every_kernel", hot_path::exit_on_every_kernel),
    on_all(
        "no_record_for_fork_exec_exit",
        hot_path::no_record_for_fork_exec_exit,
    ),
    on_all(
        "no_record_inside_user_and_pid",
        hot_path::no_record_inside_user_and_pid,
    ),
    on_all("list_agrees_with_proc", truth::list_agrees_with_proc),
    since(
        COUNTS,
        "there is no listns",
        "list_agrees_with_listns",
        truth::list_agrees_with_listns,
    ),
    on_all("command_is_followed", command::command_is_followed),
    on_all("command_status", input::command_status),
    on_all("command_not_found", input::command_not_found),
    on_all("command_inherits_no_fd", input::command_inherits_no_fd),
    on_all("trace_filters", command::trace_filters),
    on_all("trace_ends_on_request", input::trace_ends_on_request),
    on_all("broken_pipe", input::broken_pipe),
    on_all("unknown_flags", input::unknown_flags),
    on_all("no_capability", input::no_capability),
    on_all("no_btf", input::no_btf),
    on_all("bpf_refused", input::bpf_refused),
    on_all("inside_a_pid_namespace", input::inside_a_pid_namespace),
    on_all("doctor_runs", input::doctor_runs),
    on_all(
        "daemon_from_start_to_end",
        service::daemon_from_start_to_end,
    ),
    on_all(
        "metrics_are_complete_from_the_start",
        service::metrics_are_complete_from_the_start,
    ),
    on_all(
        "daemon_counts_what_the_trace_shows",
        service::daemon_counts_what_the_trace_shows,
    ),
    on_all("promtool_is_content", prometheus::promtool_is_content),
    on_all(
        "prometheus_finds_what_was_done",
        prometheus::prometheus_finds_what_was_done,
    ),
    on_all("schema", afterwards::schema),
    on_all(
        "own_pid_is_never_blamed",
        afterwards::own_pid_is_never_blamed,
    ),
    on_all("nothing_was_lost", afterwards::nothing_was_lost),
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
