//! The rows that nobody needs who does not ask for the ends of tasks
//! (`nslife trace --event exited,reaped`): without that their programs are not
//! even loaded.

use super::{
    Hook,
    table::{ON_DEMAND, fentry, in_wave, sees},
};

/// Each in a wave of its own, after all others: ends before beginnings.
pub const TASK_HOOKS: &[Hook] = &[
    in_wave(
        ON_DEMAND,
        sees(
            "exit_reaped",
            "tasks reaped, and by whom",
            &[
                fentry("exit_cred_namespaces", "task_reaped"),
                fentry("cgroup_release", "task_reaped"),
            ],
        ),
    ),
    // `exit_notify`, which hands the children over, is inlined into `do_exit`;
    // these follow it on every exit.
    in_wave(
        ON_DEMAND + 1,
        sees(
            "exit_handed_over",
            "children of tasks that exit handed over",
            &[
                fentry("proc_exit_connector", "task_handed_over"),
                fentry("do_task_dead", "task_handed_over"),
            ],
        ),
    ),
    in_wave(
        ON_DEMAND + 2,
        sees(
            "exit_left",
            "tasks that exit dropping their nsproxy",
            &[
                fentry("exit_nsproxy_namespaces", "task_left"),
                fentry("exit_task_namespaces", "task_left"),
            ],
        ),
    ),
];
