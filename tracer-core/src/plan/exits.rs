//! The rows that nobody needs who does not ask for the ends of tasks
//! (`nslife trace --event exited,reaped`): without that their programs are not
//! even loaded.

use super::{
    Hook,
    table::{fentry, sees},
};

/// In the order of attaching, after all others: ends before beginnings.
pub const TASK_HOOKS: &[Hook] = &[
    sees(
        "exit_reaped",
        "tasks reaped, and by whom",
        &[
            fentry("exit_cred_namespaces", "task_reaped"),
            fentry("cgroup_release", "task_reaped"),
        ],
    ),
    // `exit_notify`, which hands the children over, is inlined into `do_exit`;
    // these follow it on every exit.
    sees(
        "exit_handed_over",
        "children of tasks that exit handed over",
        &[
            fentry("proc_exit_connector", "task_handed_over"),
            fentry("do_task_dead", "task_handed_over"),
        ],
    ),
    sees(
        "exit_left",
        "tasks that exit dropping their nsproxy",
        &[
            fentry("exit_nsproxy_namespaces", "task_left"),
            fentry("exit_task_namespaces", "task_left"),
        ],
    ),
];
