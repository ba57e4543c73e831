//! Where nslife would attach on each kernel, if all that is there could be
//! hooked.

use std::collections::BTreeSet;

use tracer_core::plan::{self, Offered, Step};

use crate::stored::{ALL, KERNELS, Kernel, Span};

/// Functions that some kernels lack, and which have them.
const FUNCTIONS: &[(&str, &[Span])] = &[
    ("__ns_get_path", &[Span("6.1", "6.1")]),
    ("__ns_ref_active_get", &[Span("6.19", "7.3")]),
    ("__ns_ref_active_put", &[Span("6.19", "7.3")]),
    ("__ns_tree_add_raw", &[Span("6.18", "7.3")]),
    ("__ns_tree_remove", &[Span("6.18", "7.3")]),
    ("cgroup_release", &[Span("6.1", "6.18")]),
    ("exec_task_namespaces", &[Span("6.12", "7.3")]),
    ("exit_cred_namespaces", &[Span("6.19", "7.3")]),
    ("exit_nsproxy_namespaces", &[Span("6.19", "7.3")]),
    ("exit_task_namespaces", &[Span("6.1", "6.18")]),
    // In between it is inlined into its only caller.
    ("free_mnt_ns", &[Span("6.1", "6.17"), Span("7.0", "7.3")]),
    ("free_nsproxy", &[Span("6.1", "6.18")]),
    ("get_cred_namespaces", &[Span("6.19", "7.3")]),
    ("nsfs_init_inode", &[Span("6.12", "7.3")]),
    ("nsproxy_ns_active_get", &[Span("6.19", "7.3")]),
    ("nsproxy_ns_active_put", &[Span("6.19", "7.3")]),
    ("ops_exit_list", &[Span("6.1", "6.1")]),
    ("ops_undo_list", &[Span("6.12", "7.3")]),
];

/// Up to 6.17 each namespace type has hooks of its own.
const TYPE_BY_TYPE: Span = Span("6.1", "6.17");

/// From 6.19 on the kernel keeps an active count.
const KERNEL_COUNTS: Span = Span("6.19", "7.3");

/// Where network namespaces lose their parts.
const NET_EXITS: &[(&str, Span)] = &[
    ("ops_exit_list", Span("6.1", "6.1")),
    ("ops_undo_list", Span("6.12", "7.3")),
];

/// For each hook, the function that it goes to, and on which kernels; on the
/// others it is not needed.
const PLANNED: &[(&str, &[(&str, Span)])] = &[
    ("ns_created", &[("__ns_tree_add_raw", Span("6.18", "7.3"))]),
    ("ns_created_mnt", &[("copy_mnt_ns", TYPE_BY_TYPE)]),
    ("ns_created_uts", &[("copy_utsname", TYPE_BY_TYPE)]),
    ("ns_created_ipc", &[("copy_ipcs", TYPE_BY_TYPE)]),
    ("ns_created_user", &[("create_user_ns", TYPE_BY_TYPE)]),
    ("ns_created_pid", &[("copy_pid_ns", TYPE_BY_TYPE)]),
    ("ns_created_net", &[("copy_net_ns", TYPE_BY_TYPE)]),
    ("ns_created_cgroup", &[("copy_cgroup_ns", TYPE_BY_TYPE)]),
    ("ns_created_time", &[("copy_time_ns", TYPE_BY_TYPE)]),
    ("ns_last_ref", &[("__ns_tree_remove", Span("6.18", "7.3"))]),
    ("ns_last_ref_mnt", &[("free_mnt_ns", TYPE_BY_TYPE)]),
    ("ns_last_ref_uts", &[("free_uts_ns", TYPE_BY_TYPE)]),
    ("ns_last_ref_user", &[("__put_user_ns", ALL)]),
    ("ns_last_ref_ipc", &[("put_ipc_ns", TYPE_BY_TYPE)]),
    ("ns_last_ref_cgroup", &[("free_cgroup_ns", TYPE_BY_TYPE)]),
    ("ns_last_ref_time", &[("free_time_ns", TYPE_BY_TYPE)]),
    ("ns_last_ref_net", &[("__put_net", ALL)]),
    ("ns_last_ref_net_nsfs", &[("netns_put", ALL)]),
    ("ns_last_ref_user_nsfs", &[("userns_put", ALL)]),
    ("ns_freed", &[("proc_free_inum", ALL)]),
    (
        "active_get",
        &[("__ns_ref_active_get", Span("6.19", "7.3"))],
    ),
    (
        "active_put",
        &[("__ns_ref_active_put", Span("6.19", "7.3"))],
    ),
    (
        "nsproxy_installed",
        &[
            ("copy_namespaces", Span("6.1", "6.18")),
            ("nsproxy_ns_active_get", Span("6.19", "7.3")),
        ],
    ),
    ("nsproxy_switched", &[("switch_task_namespaces", ALL)]),
    ("nsproxy_unshared", &[("unshare_nsproxy_namespaces", ALL)]),
    (
        "exec_begins",
        &[("exec_task_namespaces", Span("6.12", "7.3"))],
    ),
    (
        "exec_ends",
        &[("exec_task_namespaces", Span("6.12", "7.3"))],
    ),
    ("making_begins", &[("create_new_namespaces", ALL)]),
    ("making_ends", &[("create_new_namespaces", ALL)]),
    ("making_user_begins", &[("create_user_ns", ALL)]),
    ("making_user_ends", &[("create_user_ns", ALL)]),
    ("task_new", &[("task_newtask", ALL)]),
    (
        "task_exit",
        &[
            ("exit_task_namespaces", Span("6.1", "6.18")),
            ("exit_nsproxy_namespaces", Span("6.19", "7.3")),
        ],
    ),
    (
        "nsproxy_freed",
        &[
            ("free_nsproxy", Span("6.1", "6.18")),
            ("nsproxy_ns_active_put", Span("6.19", "7.3")),
        ],
    ),
    (
        "nsfs_opened",
        &[
            ("__ns_get_path", Span("6.1", "6.1")),
            ("nsfs_init_inode", Span("6.12", "7.3")),
        ],
    ),
    ("nsfs_evicted", &[("nsfs_evict", ALL)]),
    (
        "cred_taken",
        &[
            ("copy_creds", Span("6.1", "6.18")),
            ("get_cred_namespaces", Span("6.19", "7.3")),
        ],
    ),
    ("cred_changed", &[("commit_creds", ALL)]),
    (
        "cred_dropped",
        &[
            ("cgroup_release", Span("6.1", "6.18")),
            ("exit_cred_namespaces", Span("6.19", "7.3")),
        ],
    ),
    ("cred_freed", &[("exit_creds", Span("6.1", "6.18"))]),
    ("pid_allocated", &[("alloc_pid", Span("6.1", "6.18"))]),
    ("pid_freed", &[("free_pid", Span("6.1", "6.18"))]),
    ("procfs_mounted", &[("proc_fill_super", ALL)]),
    ("procfs_gone", &[("proc_kill_sb", ALL)]),
    ("init_dying", &[("zap_pid_ns_processes", ALL)]),
    ("init_dead", &[("zap_pid_ns_processes", ALL)]),
    (
        "cause_nsproxy_dropped",
        &[("nsproxy_ns_active_put", KERNEL_COUNTS)],
    ),
    (
        "cause_nsproxy_installed",
        &[("nsproxy_ns_active_get", KERNEL_COUNTS)],
    ),
    ("cause_nsfs_closed", &[("nsfs_evict", KERNEL_COUNTS)]),
    ("cause_nsfs_opened", &[("nsfs_init_inode", KERNEL_COUNTS)]),
    ("net_cleanup_begins", &[("cleanup_net", ALL)]),
    ("net_cleanup_ends", &[("cleanup_net", ALL)]),
    ("net_exits_begin", NET_EXITS),
    ("net_exits_end", NET_EXITS),
    (
        "exit_reaped",
        &[
            ("cgroup_release", Span("6.1", "6.18")),
            ("exit_cred_namespaces", Span("6.19", "7.3")),
        ],
    ),
    ("exit_handed_over", &[("proc_exit_connector", ALL)]),
    (
        "exit_left",
        &[
            ("exit_task_namespaces", Span("6.1", "6.18")),
            ("exit_nsproxy_namespaces", Span("6.19", "7.3")),
        ],
    ),
];

/// The functions and tracepoints of the attach plan that a kernel has.
fn offered(kernel: &Kernel) -> Offered {
    plan::offered(&kernel.parse())
}

#[test]
fn each_kernel_offers_what_it_is_known_to_offer() {
    for kernel in KERNELS {
        let expected: Offered = plan::wanted()
            .map(|candidate| candidate.function)
            .filter(|name| {
                let row = FUNCTIONS.iter().find(|(function, _)| function == name);
                row.is_none_or(|(_, spans)| spans.iter().any(|span| span.has(kernel)))
            })
            .collect();
        assert_eq!(offered(kernel), expected, "{}", kernel.series);
    }
}

#[test]
fn each_hook_goes_where_it_should() {
    for kernel in KERNELS {
        let offered = offered(kernel);
        for hook in plan::all() {
            let (_, row) = PLANNED
                .iter()
                .find(|(name, _)| *name == hook.name)
                .unwrap_or_else(|| panic!("{} is not in the table of this test", hook.name));
            let expected = row
                .iter()
                .find(|(_, span)| span.has(kernel))
                .map(|(function, _)| *function);
            let planned = match plan::step(hook, &offered) {
                Step::Attach(candidate) => Some(candidate.function),
                Step::NotNeeded(_) => None,
                Step::Absent => panic!("{} is lost on {}", hook.name, kernel.series),
            };
            assert_eq!(planned, expected, "{} on {}", hook.name, kernel.series);
        }
    }
}

#[test]
fn every_row_is_about_a_hook() {
    let hooks: BTreeSet<_> = plan::all().map(|hook| hook.name).collect();
    let rows: BTreeSet<_> = PLANNED.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows, hooks);
}

/// Only what is a function can be hooked, and only what is a tracepoint can
/// be traced.
#[test]
fn a_name_of_something_else_is_not_offered() {
    for kernel in KERNELS {
        let btf = kernel.parse();
        assert!(!btf.has_function("task_struct"));
        assert!(!btf.has_function("btf_trace_task_newtask"));
        assert!(!btf.has_tracepoint("switch_task_namespaces"));
        assert!(!btf.has_tracepoint("no_such_tracepoint"));
    }
}
