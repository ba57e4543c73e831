//! What is kept: more than nslife asks today, so that one more question
//! rarely takes ten kernels to be booted.

use tracer_core::plan::{self, How};

/// Structures, beside every `*_namespace`.
const STRUCTURES: &[&str] = &[
    "cred",
    "dentry",
    "fdtable",
    "file",
    "files_struct",
    "fs_struct",
    "inode",
    "list_head",
    "mount",
    "net",
    "ns_common",
    "ns_tree",
    "ns_tree_node",
    "ns_tree_root",
    "nsproxy",
    "path",
    "pid",
    "proc_fs_info",
    "proc_ns_operations",
    "rb_node",
    "signal_struct",
    "super_block",
    "task_struct",
    "ucounts",
    "upid",
    "vfsmount",
];

/// Functions where a namespace's life can be watched, beside those of the
/// attach plan.
const FUNCTIONS: &[&str] = &[
    "__ns_common_free",
    "__ns_common_init",
    "alloc_mnt_ns",
    "alloc_pid",
    "cgroup_release",
    "cgroup_task_release",
    "cleanup_net",
    "commit_creds",
    "copy_creds",
    "create_new_namespace",
    "create_new_namespaces",
    "deactivate_nsproxy",
    "delayed_free_pidns",
    "destroy_pid_namespace_work",
    "disable_pid_allocation",
    "do_exit",
    "exit_cred_namespaces",
    "exit_creds",
    "free_ipc",
    "free_pid",
    "free_user_ns",
    "get_cred_namespaces",
    "mnt_ns_release",
    "net_drop_ns",
    "net_free",
    "net_passive_dec",
    "nsproxy_free",
    "ops_exit_list",
    "ops_init",
    "ops_undo_list",
    "path_from_stashed",
    "proc_alloc_inum",
    "proc_fill_super",
    "proc_flush_pid",
    "proc_kill_sb",
    "put_ipc_ns",
    "put_mnt_ns",
    "put_pid_ns",
    "put_task_struct_rcu_user",
    "release_task",
    "setup_net",
    "switch_cred_namespaces",
    "zap_pid_ns_processes",
];

/// Tracepoints, likewise.
const TRACEPOINTS: &[&str] = &[
    "sched_process_exec",
    "sched_process_exit",
    "sched_process_fork",
    "sched_process_free",
    "sched_process_wait",
];

/// Whether a structure or union of this name is kept, with all its members.
pub(crate) fn is_structure(name: &str) -> bool {
    name.ends_with("_namespace") || STRUCTURES.contains(&name)
}

/// The functions that are kept.
pub(crate) fn functions() -> impl Iterator<Item = &'static str> {
    let planned = plan::wanted()
        .filter(|candidate| candidate.how != How::Tracepoint)
        .map(|candidate| candidate.function);
    FUNCTIONS.iter().copied().chain(planned)
}

/// The tracepoints that are kept.
pub(crate) fn tracepoints() -> impl Iterator<Item = &'static str> {
    let planned = plan::wanted()
        .filter(|candidate| candidate.how == How::Tracepoint)
        .map(|candidate| candidate.function);
    TRACEPOINTS.iter().copied().chain(planned)
}
