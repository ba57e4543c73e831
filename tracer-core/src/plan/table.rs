//! The table: what nslife wants to know, and the functions that tell.

use super::{Absence, Candidate, Hook, How};

pub(super) const fn fentry(function: &'static str, program: &'static str) -> Candidate {
    Candidate {
        function,
        how: How::Fentry,
        program,
    }
}

const fn fexit(function: &'static str, program: &'static str) -> Candidate {
    Candidate {
        function,
        how: How::Fexit,
        program,
    }
}

const CREATED_FOR_ALL: Option<(&str, &str)> =
    Some(("__ns_tree_add_raw", "one hook sees all types created"));
const LAST_REF_FOR_ALL: Option<(&str, &str)> =
    Some(("__ns_tree_remove", "one hook sees all types end"));
const KERNEL_COUNTS: Option<(&str, &str)> =
    Some(("__ns_ref_active_get", "the kernel keeps the count itself"));
const EVENT_IS_CAUSE: Option<(&str, &str)> = Some((
    "exit_task_namespaces",
    "the kernel keeps no count that something else would move",
));
const BY_TYPE: Absence = Absence::Fine("each type has a hook of its own here");
const NO_COUNT: Absence = Absence::Fine("this kernel keeps no active count");

/// The waves in which hooks are attached. What came to be while nslife was
/// still attaching, and was seen, is also seen to go.
///
/// First what takes back what another hook begins: a mark of its thread, or the
/// memory of a namespace, which any other hook may bring.
const FIRST: u8 = 0;
const ENDS: u8 = 1;
const BEGINNINGS: u8 = 2;
/// Hooks on demand come after all others.
pub(super) const ON_DEMAND: u8 = 3;

/// Without it something is not seen.
pub(super) const fn sees(
    name: &'static str,
    purpose: &'static str,
    candidates: &'static [Candidate],
) -> Hook {
    Hook {
        name,
        purpose,
        candidates,
        unless: None,
        absence: Absence::Loss,
        wave: BEGINNINGS,
    }
}

/// The same, in another wave.
pub(super) const fn in_wave(wave: u8, hook: Hook) -> Hook {
    Hook { wave, ..hook }
}

/// Up to 6.17: creation of one type, by its `copy_*` function.
const fn created(
    name: &'static str,
    purpose: &'static str,
    candidates: &'static [Candidate],
) -> Hook {
    Hook {
        unless: CREATED_FOR_ALL,
        ..sees(name, purpose, candidates)
    }
}

/// Up to 6.17: last reference of one type.
const fn last_ref(
    name: &'static str,
    purpose: &'static str,
    candidates: &'static [Candidate],
) -> Hook {
    Hook {
        unless: LAST_REF_FOR_ALL,
        wave: ENDS,
        ..sees(name, purpose, candidates)
    }
}

/// 6.19+: the end of something that makes namespaces active or inactive. Its
/// beginning is a hook of its own: without the end nobody would know where it
/// stops being the cause.
const fn cause_ends(
    name: &'static str,
    purpose: &'static str,
    candidates: &'static [Candidate],
) -> Hook {
    Hook {
        unless: EVENT_IS_CAUSE,
        wave: FIRST,
        ..sees(name, purpose, candidates)
    }
}

/// Needed on every kernel.
const fn needed(
    name: &'static str,
    purpose: &'static str,
    candidates: &'static [Candidate],
) -> Hook {
    Hook {
        absence: Absence::Fatal,
        ..sees(name, purpose, candidates)
    }
}

/// The table. A row that makes up for another one comes after it.
pub const HOOKS: &[Hook] = &[
    in_wave(
        FIRST,
        needed(
            "ns_freed",
            "inode numbers given back",
            &[fentry("proc_free_inum", "free_inum")],
        ),
    ),
    Hook {
        absence: BY_TYPE,
        wave: ENDS,
        ..sees(
            "ns_last_ref",
            "last reference dropped",
            &[fentry("__ns_tree_remove", "ns_tree_remove")],
        )
    },
    last_ref(
        "ns_last_ref_mnt",
        "last reference to a mount namespace",
        &[fentry("free_mnt_ns", "last_ref_mnt")],
    ),
    last_ref(
        "ns_last_ref_uts",
        "last reference to a UTS namespace",
        &[fentry("free_uts_ns", "last_ref_uts")],
    ),
    last_ref(
        "ns_last_ref_ipc",
        "last reference to an IPC namespace",
        &[fexit("put_ipc_ns", "ipc_put")],
    ),
    in_wave(
        ENDS,
        sees(
            "ns_last_ref_user",
            "last reference to a user namespace, before its clean-up is queued",
            &[fentry("__put_user_ns", "last_ref_user")],
        ),
    ),
    last_ref(
        "ns_last_ref_cgroup",
        "last reference to a cgroup namespace",
        &[fentry("free_cgroup_ns", "last_ref_cgroup")],
    ),
    last_ref(
        "ns_last_ref_time",
        "last reference to a time namespace",
        &[fentry("free_time_ns", "last_ref_time")],
    ),
    in_wave(
        ENDS,
        sees(
            "ns_last_ref_net",
            "last reference to a network namespace, before its clean-up is queued",
            &[fentry("__put_net", "last_ref_net")],
        ),
    ),
    in_wave(
        ENDS,
        sees(
            "ns_last_ref_net_nsfs",
            "last reference to a network namespace, if a file or bind mount held it",
            &[fexit("netns_put", "net_put")],
        ),
    ),
    in_wave(
        ENDS,
        sees(
            "ns_last_ref_user_nsfs",
            "last reference to a user namespace, if a file or bind mount held it",
            &[fexit("userns_put", "user_put")],
        ),
    ),
    in_wave(
        FIRST,
        sees(
            "net_cleanup_ends",
            "end of the clean-up of network namespaces",
            &[fexit("cleanup_net", "net_cleanup_ends")],
        ),
    ),
    in_wave(
        FIRST,
        sees(
            "net_exits_end",
            "parts of network namespaces gone",
            &[
                fexit("ops_undo_list", "net_exits_end"),
                fexit("ops_exit_list", "net_exits_end"),
            ],
        ),
    ),
    in_wave(
        ENDS,
        sees(
            "net_exits_begin",
            "parts of network namespaces about to go",
            &[
                fentry("ops_undo_list", "net_exits_begin"),
                fentry("ops_exit_list", "net_exits_begin"),
            ],
        ),
    ),
    sees(
        "net_cleanup_begins",
        "beginning of the clean-up of network namespaces",
        &[fentry("cleanup_net", "net_cleanup_begins")],
    ),
    cause_ends(
        "cause_nsproxy_dropped",
        "what a dropped nsproxy makes inactive",
        &[fexit("nsproxy_ns_active_put", "nsproxy_put")],
    ),
    cause_ends(
        "cause_nsproxy_installed",
        "what a new nsproxy makes active",
        &[fexit("nsproxy_ns_active_get", "nsproxy_got")],
    ),
    cause_ends(
        "cause_nsfs_closed",
        "what a closed file or bind mount makes inactive",
        &[fexit("nsfs_evict", "nsfs_gone")],
    ),
    cause_ends(
        "cause_nsfs_opened",
        "what an opened file or bind mount makes active",
        &[fexit("nsfs_init_inode", "nsfs_inited")],
    ),
    Hook {
        absence: NO_COUNT,
        wave: ENDS,
        ..sees(
            "active_put",
            "the kernel's active count falls",
            &[fexit("__ns_ref_active_put", "active_put")],
        )
    },
    in_wave(
        ENDS,
        needed(
            "nsproxy_freed",
            "sets of namespaces freed",
            &[
                fentry("nsproxy_ns_active_put", "nsproxy_freed"),
                fentry("free_nsproxy", "nsproxy_freed"),
            ],
        ),
    ),
    in_wave(
        ENDS,
        sees(
            "nsfs_evicted",
            "files and bind mounts of namespaces gone",
            &[fentry("nsfs_evict", "nsfs_evicted")],
        ),
    ),
    in_wave(
        ENDS,
        sees(
            "cred_dropped",
            "credentials of tasks that are reaped",
            &[
                fentry("exit_cred_namespaces", "cred_dropped"),
                fentry("cgroup_release", "cred_dropped"),
            ],
        ),
    ),
    Hook {
        unless: Some((
            "exit_cred_namespaces",
            "one hook sees all credentials dropped",
        )),
        wave: ENDS,
        ..sees(
            "cred_freed",
            "credentials of tasks that never ran",
            &[fentry("exit_creds", "cred_freed")],
        )
    },
    Hook {
        unless: KERNEL_COUNTS,
        wave: ENDS,
        ..sees(
            "pid_freed",
            "last pid of a pid namespace",
            &[fexit("free_pid", "pid_freed")],
        )
    },
    in_wave(
        ENDS,
        sees(
            "init_dead",
            "pid namespaces in which nobody is left",
            &[fexit("zap_pid_ns_processes", "init_dead")],
        ),
    ),
    in_wave(
        ENDS,
        sees(
            "procfs_gone",
            "superblocks of procfs gone",
            &[fentry("proc_kill_sb", "procfs_gone")],
        ),
    ),
    in_wave(
        FIRST,
        sees(
            "making_ends",
            "namespaces other than user that could not be made",
            &[fexit("create_new_namespaces", "making_ends")],
        ),
    ),
    in_wave(
        FIRST,
        sees(
            "making_user_ends",
            "user namespaces that could not be made",
            &[fexit("create_user_ns", "making_user_ends")],
        ),
    ),
    Hook {
        absence: BY_TYPE,
        ..sees(
            "ns_created",
            "new namespaces",
            &[fentry("__ns_tree_add_raw", "ns_tree_add")],
        )
    },
    created(
        "ns_created_mnt",
        "new mount namespaces",
        &[fexit("copy_mnt_ns", "copy_mnt")],
    ),
    created(
        "ns_created_uts",
        "new UTS namespaces",
        &[fexit("copy_utsname", "copy_uts")],
    ),
    created(
        "ns_created_ipc",
        "new IPC namespaces",
        &[fexit("copy_ipcs", "copy_ipc")],
    ),
    created(
        "ns_created_user",
        "new user namespaces",
        &[fexit("create_user_ns", "create_user")],
    ),
    created(
        "ns_created_pid",
        "new pid namespaces",
        &[fexit("copy_pid_ns", "copy_pid")],
    ),
    created(
        "ns_created_net",
        "new network namespaces",
        &[fexit("copy_net_ns", "copy_net")],
    ),
    created(
        "ns_created_cgroup",
        "new cgroup namespaces",
        &[fexit("copy_cgroup_ns", "copy_cgroup")],
    ),
    created(
        "ns_created_time",
        "new time namespaces",
        &[fexit("copy_time_ns", "copy_time")],
    ),
    sees(
        "making_user_begins",
        "how long it takes to make a user namespace",
        &[fentry("create_user_ns", "making_user_begins")],
    ),
    sees(
        "making_begins",
        "how long it takes to make any other namespace",
        &[fentry("create_new_namespaces", "making_begins")],
    ),
    Hook {
        absence: NO_COUNT,
        ..sees(
            "active_get",
            "the kernel's active count rises",
            &[fexit("__ns_ref_active_get", "active_get")],
        )
    },
    needed(
        "nsproxy_installed",
        "new sets of namespaces put to use",
        &[
            fentry("nsproxy_ns_active_get", "nsproxy_get"),
            fexit("copy_namespaces", "nsproxy_copied"),
        ],
    ),
    needed(
        "nsproxy_switched",
        "unshare and setns",
        &[fentry("switch_task_namespaces", "switched")],
    ),
    needed(
        "nsproxy_unshared",
        "telling unshare from setns",
        &[fexit("unshare_nsproxy_namespaces", "unshared")],
    ),
    Hook {
        absence: Absence::Fine("exec changes no namespace on this kernel"),
        ..sees(
            "exec_begins",
            "exec into another time namespace, before",
            &[fentry("exec_task_namespaces", "exec_begins")],
        )
    },
    Hook {
        wave: FIRST,
        absence: Absence::Fine("exec changes no namespace on this kernel"),
        ..sees(
            "exec_ends",
            "exec into another time namespace, after",
            &[fexit("exec_task_namespaces", "exec_ends")],
        )
    },
    needed(
        "task_new",
        "clone into new namespaces",
        &[Candidate {
            function: "task_newtask",
            how: How::Tracepoint,
            program: "task_new",
        }],
    ),
    needed(
        "task_exit",
        "tasks leaving their namespaces",
        &[
            fentry("exit_nsproxy_namespaces", "task_exit"),
            fentry("exit_task_namespaces", "task_exit"),
        ],
    ),
    sees(
        "nsfs_opened",
        "namespaces held by files and bind mounts",
        &[
            fentry("nsfs_init_inode", "nsfs_init"),
            fexit("__ns_get_path", "nsfs_path"),
        ],
    ),
    sees(
        "cred_taken",
        "tasks born with credentials in a user namespace",
        &[
            fentry("get_cred_namespaces", "cred_taken"),
            fexit("copy_creds", "cred_copied"),
        ],
    ),
    sees(
        "cred_changed",
        "credentials that go to another user namespace",
        &[fentry("commit_creds", "cred_changed")],
    ),
    Hook {
        unless: KERNEL_COUNTS,
        ..sees(
            "pid_allocated",
            "first pid of a pid namespace",
            &[fexit("alloc_pid", "pid_allocated")],
        )
    },
    sees(
        "init_dying",
        "pid namespaces whose init dies",
        &[fentry("zap_pid_ns_processes", "init_dying")],
    ),
    sees(
        "procfs_mounted",
        "pid namespaces kept by a mounted procfs",
        &[fexit("proc_fill_super", "procfs_mounted")],
    ),
];
