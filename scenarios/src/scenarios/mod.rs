//! All scenarios, by subject.

mod afterwards;
mod ancestors;
mod api;
mod audit;
mod cascade;
mod command;
mod control;
mod credentials;
mod dashboards;
mod detached;
mod ends;
mod exits;
mod faults;
mod floods;
mod forks;
mod handles;
mod holders;
mod hot_path;
mod inits;
mod input;
mod interference;
mod journal;
mod limits;
mod lives;
mod makings;
mod many;
mod mounts;
mod outputs;
mod privileges;
mod prometheus;
mod references;
mod restarts;
mod rules;
mod service;
mod start;
mod switches;
mod tasks;
mod teardown;
mod truth;
mod watchdog;
mod web_config;

use anyhow::Result;
use tracer_common::kind::NsKind;

use crate::{
    kernel::{COUNTS, LISTS, SWITCHES_ON_EXEC, Version},
    scenario::{On, Run, Scenario},
    world::World,
};

/// All scenarios, in the order in which they are run.
pub(crate) const ALL: &[Scenario] = &[
    remarking("life_of_mnt", |world| teardown::life_of(world, NsKind::Mnt)),
    remarking("life_of_uts", |world| teardown::life_of(world, NsKind::Uts)),
    remarking("life_of_ipc", |world| teardown::life_of(world, NsKind::Ipc)),
    remarking("life_of_user", |world| {
        teardown::life_of(world, NsKind::User)
    }),
    remarking("life_of_pid", |world| teardown::life_of(world, NsKind::Pid)),
    remarking("life_of_net", |world| teardown::life_of(world, NsKind::Net)),
    remarking("life_of_cgroup", |world| {
        teardown::life_of(world, NsKind::Cgroup)
    }),
    remarking("life_of_time", |world| {
        teardown::life_of(world, NsKind::Time)
    }),
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
    on_all(
        "threads_in_different_namespaces",
        tasks::threads_in_different_namespaces,
    ),
    on_all(
        "process_group_outlives_leader",
        tasks::process_group_outlives_leader,
    ),
    on_all("sigchld_ignored", exits::sigchld_ignored),
    remarking(
        "setns_by_pidfd_to_exiting_task",
        exits::setns_by_pidfd_to_exiting_task,
    ),
    on_all("failed_forks", forks::failed_forks),
    on_all("forks_without_init", forks::forks_without_init),
    on_all("orphan_goes_to_init", ends::orphan_goes_to_init),
    on_all("orphan_goes_to_subreaper", ends::orphan_goes_to_subreaper),
    on_all("exit_and_reaping", ends::exit_and_reaping),
    on_any("ends_of_a_command", ends::ends_of_a_command),
    on_all(
        "task_events_are_free_of_cost",
        ends::task_events_are_free_of_cost,
    ),
    on_all("credentials_change", credentials::credentials_change),
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
    on_all("descriptor_in_flight", references::descriptor_in_flight),
    on_all(
        "credentials_of_a_file_alone",
        references::credentials_of_a_file_alone,
    ),
    on_all("procfs_mount_alone", references::procfs_mount_alone),
    on_all("pid_namespace_dies", inits::pid_namespace_dies),
    on_all("pid_namespace_hangs", inits::pid_namespace_hangs),
    on_all("init_numbers", inits::init_numbers),
    on_all("user_cascade", cascade::user_cascade),
    on_all(
        "child_user_namespace_outlives_parents_tasks",
        cascade::child_user_namespace_outlives_parents_tasks,
    ),
    on_all("ns_get_userns_revives", ancestors::ns_get_userns_revives),
    on_all("ns_get_parent_revives", ancestors::ns_get_parent_revives),
    since(
        LISTS,
        "namespaces have no file handles",
        "opened_by_file_handle",
        handles::opened_by_file_handle,
    ),
    since(
        Version(7, 0),
        "open_tree makes no mount namespaces",
        "mount_namespace_of_open_tree",
        mounts::mount_namespace_of_open_tree,
    ),
    since(
        Version(7, 1),
        "fsmount makes no mount namespaces",
        "mount_namespace_of_fsmount",
        mounts::mount_namespace_of_fsmount,
    ),
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
    on_all("audit_finds_no_drift", audit::audit_finds_no_drift),
    on_any("command_is_followed", command::command_is_followed),
    on_any("command_status", input::command_status),
    on_any("command_not_found", input::command_not_found),
    on_any("command_inherits_no_fd", input::command_inherits_no_fd),
    on_any("trace_filters", command::trace_filters),
    on_any("trace_ends_on_request", input::trace_ends_on_request),
    on_any("broken_pipe", input::broken_pipe),
    on_any("unknown_flags", input::unknown_flags),
    on_any("no_capability", input::no_capability),
    on_any("no_btf", input::no_btf),
    on_any("bpf_refused", input::bpf_refused),
    on_all("inside_a_pid_namespace", input::inside_a_pid_namespace),
    on_all("doctor_runs", input::doctor_runs),
    on_any("doctor_talks", input::doctor_talks),
    on_any(
        "daemon_from_start_to_end",
        service::daemon_from_start_to_end,
    ),
    on_any(
        "metrics_are_complete_from_the_start",
        service::metrics_are_complete_from_the_start,
    ),
    on_all(
        "daemon_counts_what_the_trace_shows",
        service::daemon_counts_what_the_trace_shows,
    ),
    on_any(
        "created_and_gone_before_the_walk",
        start::created_and_gone_before_the_walk,
    ),
    on_any("list_asks_the_daemon", control::list_asks_the_daemon),
    on_any(
        "control_socket_is_private",
        control::control_socket_is_private,
    ),
    on_any(
        "control_socket_belongs_to_one",
        control::control_socket_belongs_to_one,
    ),
    on_any("api_on_a_socket", api::api_on_a_socket),
    on_any("log_goes_to_the_journal", journal::log_goes_to_the_journal),
    on_all(
        "no_thread_keeps_a_capability",
        privileges::no_thread_keeps_a_capability,
    ),
    on_all("daemon_without_root", privileges::daemon_without_root),
    on_any(
        "missing_capability_is_named",
        privileges::missing_capability_is_named,
    ),
    remarking("net_cleanup_stages", teardown::net_cleanup_stages),
    on_any_remarking(
        "list_shows_what_is_being_destroyed",
        teardown::list_shows_what_is_being_destroyed,
    ),
    on_all("limits_are_hit", makings::limits_are_hit),
    on_any("limits_are_the_kernels", limits::limits_are_the_kernels),
    on_all("rules_are_kept", rules::rules_are_kept),
    on_any("promtool_is_content", prometheus::promtool_is_content),
    on_any(
        "prometheus_finds_what_was_done",
        prometheus::prometheus_finds_what_was_done,
    ),
    on_any(
        "prometheus_with_certificate_and_password",
        web_config::prometheus_with_certificate_and_password,
    ),
    on_any(
        "watchdog_hears_the_engine",
        watchdog::watchdog_hears_the_engine,
    ),
    on_any("hostile_names", outputs::hostile_names),
    on_all("schema", afterwards::schema),
    on_all(
        "own_pid_is_never_blamed",
        afterwards::own_pid_is_never_blamed,
    ),
    on_all("nothing_was_lost", afterwards::nothing_was_lost),
    on_all("no_rule_was_broken", afterwards::no_rule_was_broken),
    on_any("outputs_are_harmless", outputs::outputs_are_harmless),
    // Nothing that all scenarios share watches from here on.
    on_any_remarking("tiny_ring_buffer", faults::tiny_ring_buffer),
    on_any_remarking(
        "daemon_is_stopped_under_load",
        faults::daemon_is_stopped_under_load,
    ),
    remarking(
        "map_of_namespaces_is_full",
        faults::map_of_namespaces_is_full,
    ),
    remarking(
        "hooks_are_detached_for_a_while",
        detached::hooks_are_detached_for_a_while,
    ),
    on_any_remarking("reads_that_fail", detached::reads_that_fail),
    on_any_remarking(
        "dashboards_and_alerts_find_something",
        dashboards::they_find_something,
    ),
    on_any_remarking("flood_of_user_namespaces", floods::flood_of_user_namespaces),
    on_any_remarking(
        "watching_changes_nothing",
        interference::watching_changes_nothing,
    ),
    on_any_remarking(
        "killed_and_started_again",
        restarts::killed_and_started_again,
    ),
    on_any_remarking("fifty_thousand", many::fifty_thousand),
];

/// A scenario for all kernels.
const fn on_all(name: &'static str, run: fn(&World) -> Result<()>) -> Scenario {
    Scenario {
        name,
        on: On::AllKernels,
        run: Run::Plain(run),
    }
}

/// A scenario that any kernel will do for.
const fn on_any(name: &'static str, run: fn(&World) -> Result<()>) -> Scenario {
    Scenario {
        name,
        on: On::Any,
        run: Run::Plain(run),
    }
}

/// A scenario for all kernels, with something to remark.
const fn remarking(name: &'static str, run: fn(&World) -> Result<String>) -> Scenario {
    Scenario {
        name,
        on: On::AllKernels,
        run: Run::WithRemark(run),
    }
}

/// A scenario that any kernel will do for, with something to remark.
const fn on_any_remarking(name: &'static str, run: fn(&World) -> Result<String>) -> Scenario {
    Scenario {
        name,
        on: On::Any,
        run: Run::WithRemark(run),
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
        run: Run::Plain(run),
    }
}
