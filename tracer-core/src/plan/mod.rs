//! Which program goes to which kernel function: a table, and a pure function
//! that turns it and what the running kernel offers into a plan.
//!
//! The functions and their history are those of the kernel's `kernel/nsproxy.c`,
//! `kernel/nscommon.c`, `kernel/nstree.c` and `fs/nsfs.c`.

mod exits;
mod settle;
mod table;

use std::collections::BTreeSet;

pub use exits::TASK_HOOKS;
pub use settle::{Decision, Refused, settle};
pub use table::HOOKS;

use crate::btf::KernelBtf;

/// How a program is attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// On entry of a function, through a BPF trampoline.
    Fentry,
    /// On return of a function, likewise.
    Fexit,
    /// To a tracepoint with typed arguments.
    Tracepoint,
}

impl How {
    /// The word for it in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fentry => "fentry",
            Self::Fexit => "fexit",
            Self::Tracepoint => "tp_btf",
        }
    }
}

/// One way to get what a hook is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Kernel function or tracepoint.
    pub function: &'static str,
    /// How to attach there.
    pub how: How,
    /// Program in the object file.
    pub program: &'static str,
}

/// What it means that a kernel has none of a hook's functions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absence {
    /// nslife cannot run.
    Fatal,
    /// Something is not seen.
    Loss,
    /// Nothing is lost, for this reason.
    Fine(&'static str),
}

/// A row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hook {
    /// Stable name, also the metric label.
    pub name: &'static str,
    /// What it tells.
    pub purpose: &'static str,
    /// In order of preference.
    pub candidates: &'static [Candidate],
    /// If this function can be hooked the row is not needed, for the reason
    /// given.
    pub unless: Option<(&'static str, &'static str)>,
    /// See [`Absence`].
    pub absence: Absence,
    /// Hooks of a lower wave are attached before those of a higher one; those
    /// of one wave in any order.
    pub wave: u8,
}

/// What to do about one hook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Attach this.
    Attach(Candidate),
    /// Nothing: for this reason it is not needed.
    NotNeeded(&'static str),
    /// Nothing: the kernel has none of the functions.
    Absent,
}

/// The function or tracepoint names of the table that this kernel has.
pub type Offered = BTreeSet<&'static str>;

/// Every function and tracepoint that the table names, with how it would be
/// hooked.
pub fn wanted() -> impl Iterator<Item = Candidate> {
    all().flat_map(|hook| hook.candidates.iter().copied())
}

/// Which of these this kernel describes.
pub fn offered(kernel: &KernelBtf) -> Offered {
    wanted()
        .filter(|candidate| match candidate.how {
            How::Tracepoint => kernel.has_tracepoint(candidate.function),
            How::Fentry | How::Fexit => kernel.has_function(candidate.function),
        })
        .map(|candidate| candidate.function)
        .collect()
}

/// Every hook, those that are only attached on demand included.
pub fn all() -> impl Iterator<Item = &'static Hook> {
    HOOKS.iter().chain(TASK_HOOKS)
}

/// What to do about this hook on a kernel that offers these.
pub fn step(hook: &Hook, offered: &Offered) -> Step {
    if let Some((function, because)) = hook.unless
        && offered.contains(function)
    {
        return Step::NotNeeded(because);
    }
    match hook
        .candidates
        .iter()
        .find(|candidate| offered.contains(candidate.function))
    {
        Some(&candidate) => Step::Attach(candidate),
        None => match hook.absence {
            Absence::Fine(because) => Step::NotNeeded(because),
            Absence::Loss | Absence::Fatal => Step::Absent,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel that has these of the table's functions.
    fn kernel(lacks: &[&str]) -> Offered {
        wanted()
            .map(|candidate| candidate.function)
            .filter(|function| !lacks.contains(function))
            .collect()
    }

    fn planned(offered: &Offered) -> Vec<(&'static str, &'static str)> {
        all()
            .filter_map(|hook| match step(hook, offered) {
                Step::Attach(candidate) => Some((hook.name, candidate.function)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_7_3_kernel_is_seen_through_the_generic_functions() {
        let plan = planned(&kernel(&[
            "exit_task_namespaces",
            "free_nsproxy",
            "__ns_get_path",
            "cgroup_release",
        ]));
        assert!(plan.contains(&("ns_created", "__ns_tree_add_raw")));
        assert!(plan.contains(&("task_exit", "exit_nsproxy_namespaces")));
        assert!(plan.contains(&("nsproxy_freed", "nsproxy_ns_active_put")));
        assert!(!plan.iter().any(|(name, _)| name.starts_with("ns_created_")));
        assert!(plan.contains(&("nsfs_opened", "nsfs_init_inode")));
        assert!(plan.contains(&("cred_taken", "get_cred_namespaces")));
        assert!(plan.contains(&("cred_dropped", "exit_cred_namespaces")));
        assert!(!plan.iter().any(|(name, _)| *name == "cred_freed"));
        assert!(!plan.iter().any(|(name, _)| name.starts_with("pid_")));
    }

    #[test]
    fn a_6_1_kernel_is_seen_type_by_type() {
        let plan = planned(&kernel(&[
            "__ns_tree_add_raw",
            "__ns_tree_remove",
            "__ns_ref_active_get",
            "__ns_ref_active_put",
            "nsproxy_ns_active_get",
            "nsproxy_ns_active_put",
            "exit_nsproxy_namespaces",
            "exec_task_namespaces",
            "nsfs_init_inode",
            "get_cred_namespaces",
            "exit_cred_namespaces",
        ]));
        let types = plan
            .iter()
            .filter(|(name, _)| name.starts_with("ns_created_"))
            .count();
        assert_eq!(types, 8);
        assert!(plan.contains(&("nsproxy_installed", "copy_namespaces")));
        assert!(plan.contains(&("nsproxy_freed", "free_nsproxy")));
        assert!(plan.contains(&("nsfs_opened", "__ns_get_path")));
        assert!(plan.contains(&("cred_taken", "copy_creds")));
        assert!(plan.contains(&("cred_dropped", "cgroup_release")));
        assert!(plan.contains(&("cred_freed", "exit_creds")));
        assert!(plan.contains(&("pid_freed", "free_pid")));
        assert!(!plan.iter().any(|(name, _)| *name == "exec_begins"));
    }

    #[test]
    fn what_cannot_be_attached_is_planned_around() {
        let mut offered = kernel(&[]);
        offered.remove("__ns_tree_add_raw");
        let plan = planned(&offered);
        assert!(plan.contains(&("ns_created_net", "copy_net_ns")));
    }

    #[test]
    fn a_missing_function_is_a_loss_unless_the_table_says_why_not() {
        for hook in all() {
            let step = step(hook, &Offered::new());
            match hook.absence {
                Absence::Fine(because) => assert_eq!(step, Step::NotNeeded(because)),
                _ => assert_eq!(step, Step::Absent, "{}", hook.name),
            }
        }
    }

    #[test]
    fn ends_are_attached_before_beginnings() {
        let waves = |prefix: &str| {
            let hooks = all().filter(|hook| hook.name.starts_with(prefix));
            let waves: BTreeSet<u8> = hooks.map(|hook| hook.wave).collect();
            assert!(!waves.is_empty(), "there is no hook {prefix}");
            waves
        };
        for (end, beginning) in [
            ("ns_freed", "ns_created"),
            ("ns_freed", "ns_last_ref"),
            ("ns_freed", "active_put"),
            ("ns_freed", "nsfs_evicted"),
            ("ns_freed", "procfs_gone"),
            ("ns_freed", "init_dead"),
            ("ns_freed", "pid_freed"),
            ("exec_ends", "exec_begins"),
            ("ns_last_ref", "ns_created"),
            ("active_put", "active_get"),
            ("nsproxy_freed", "nsproxy_installed"),
            ("nsproxy_freed", "nsproxy_switched"),
            ("nsfs_evicted", "nsfs_opened"),
            ("cred_dropped", "cred_taken"),
            ("cred_freed", "cred_taken"),
            ("pid_freed", "pid_allocated"),
            ("procfs_gone", "procfs_mounted"),
            ("making_ends", "making_begins"),
            ("making_user_ends", "making_user_begins"),
            ("net_cleanup_ends", "net_cleanup_begins"),
            ("net_exits_end", "net_exits_begin"),
            ("cause_nsproxy_dropped", "nsproxy_freed"),
            ("cause_nsproxy_installed", "nsproxy_installed"),
            ("cause_nsfs_closed", "nsfs_evicted"),
            ("cause_nsfs_opened", "nsfs_opened"),
            ("exit_reaped", "exit_handed_over"),
            ("exit_handed_over", "exit_left"),
        ] {
            let (ends, beginnings) = (waves(end), waves(beginning));
            assert!(ends.last() < beginnings.first(), "{end}, {beginning}");
        }
    }

    /// The kernel runs last what was attached first
    /// (`bpf_trampoline_link_prog`), so the order in which two programs run on
    /// one function must not depend on which thread attached its own sooner.
    #[test]
    fn no_two_hooks_of_a_wave_are_on_the_same_side_of_a_function() {
        let mut taken = BTreeSet::new();
        for hook in all() {
            for candidate in hook.candidates {
                let side = (hook.wave, candidate.function, candidate.how.name());
                assert!(taken.insert(side), "{}: {side:?}", hook.name);
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = all().map(|hook| hook.name).collect();
        assert_eq!(names.len(), all().count());
    }

    /// Without that an ordinary trace would load what it has no use for.
    #[test]
    fn what_must_be_asked_for_is_in_a_table_of_its_own() {
        assert!(TASK_HOOKS.iter().all(|hook| hook.name.starts_with("exit_")));
        assert!(!HOOKS.iter().any(|hook| hook.name.starts_with("exit_")));
        let own: BTreeSet<_> = programs(TASK_HOOKS).collect();
        assert!(!programs(HOOKS).any(|program| own.contains(program)));
    }

    /// What the picture rests on may not be missed because the kernel skips a
    /// program.
    #[test]
    fn programs_have_twins_but_for_a_few() {
        let twins: BTreeSet<_> = tracer_common::twins::NAMES.into_iter().collect();
        let planned: BTreeSet<_> = programs(HOOKS).chain(programs(TASK_HOOKS)).collect();
        assert!(twins.is_subset(&planned));
        let alone: Vec<_> = planned.difference(&twins).copied().collect();
        assert_eq!(
            alone,
            [
                "making_begins",
                "making_ends",
                "making_user_begins",
                "making_user_ends",
                "task_exit",
                "task_new"
            ]
        );
    }

    fn programs(hooks: &[Hook]) -> impl Iterator<Item = &'static str> {
        let candidates = hooks.iter().flat_map(|hook| hook.candidates);
        candidates.map(|candidate| candidate.program)
    }
}
