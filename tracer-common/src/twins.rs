//! Programs that have a twin.
//!
//! The kernel skips a program that is running on a CPU already
//! (`__bpf_prog_enter_recur`): in a task that was preempted there, or below an
//! interrupt. So each program that must not miss anything is loaded twice and
//! attached twice to the same function. The first notes for which call it does the
//! work; a twin that does not find its call noted does the work in its stead. What
//! is lost is what both are skipped for.
//!
//! `task_new` and `task_exit` have none: they run on every fork and exit, and what
//! exists, and in which state, does not depend on what they tell. Nor does it on
//! how long namespaces take to be made, and which could not be (`making_*`).

/// What the name of a twin ends with.
pub const SUFFIX: &str = "_again";

/// The programs that have one, by name; their index is their slot in the maps of
/// `tracer-ebpf/src/twins.rs`.
pub const NAMES: [&str; 54] = [
    "active_get",
    "active_put",
    "copy_cgroup",
    "copy_ipc",
    "copy_mnt",
    "copy_net",
    "copy_pid",
    "copy_time",
    "copy_uts",
    "create_user",
    "cred_changed",
    "cred_copied",
    "cred_dropped",
    "cred_freed",
    "cred_taken",
    "exec_begins",
    "exec_ends",
    "free_inum",
    "init_dead",
    "init_dying",
    "ipc_put",
    "last_ref_cgroup",
    "last_ref_mnt",
    "last_ref_net",
    "last_ref_time",
    "last_ref_user",
    "last_ref_uts",
    "net_cleanup_begins",
    "net_cleanup_ends",
    "net_exits_begin",
    "net_exits_end",
    "net_put",
    "ns_tree_add",
    "ns_tree_remove",
    "nsfs_evicted",
    "nsfs_gone",
    "nsfs_init",
    "nsfs_inited",
    "nsfs_path",
    "nsproxy_copied",
    "nsproxy_freed",
    "nsproxy_get",
    "nsproxy_got",
    "nsproxy_put",
    "pid_allocated",
    "pid_freed",
    "procfs_gone",
    "procfs_mounted",
    "switched",
    "task_handed_over",
    "task_left",
    "task_reaped",
    "unshared",
    "user_put",
];

/// The slot of a program that has a twin; none for any other.
pub const fn slot(name: &str) -> Option<u32> {
    let mut index = 0;
    while index < NAMES.len() {
        if is_same(NAMES[index].as_bytes(), name.as_bytes()) {
            return Some(index as u32);
        }
        index += 1;
    }
    None
}

/// Whether this is the name of that program's twin.
pub const fn is_twin(again: &str, name: &str) -> bool {
    let (again, suffix) = (again.as_bytes(), SUFFIX.as_bytes());
    let Some((head, tail)) = again.split_at_checked(name.len()) else {
        return false;
    };
    is_same(head, name.as_bytes()) && is_same(tail, suffix)
}

/// `==`, which is not for constants yet.
const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_names() {
        for (index, name) in NAMES.iter().enumerate() {
            assert_eq!(slot(name), Some(index as u32));
        }
        assert_eq!(slot("active_ge"), None);
        assert_eq!(slot("walk_tasks"), None);
    }

    #[test]
    fn a_twin_is_named_after_its_program() {
        assert!(is_twin("switched_again", "switched"));
        assert!(!is_twin("switched", "switched"));
        assert!(!is_twin("switched_agai", "switched"));
        assert!(!is_twin("unshared_again", "switched"));
    }
}
