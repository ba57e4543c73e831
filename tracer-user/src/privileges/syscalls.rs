//! What is left to do once the engine has started: which system calls, and with
//! which arguments.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, SeccompCmpArgLen::Dword, SeccompCmpArgLen::Qword, SeccompCmpOp, SeccompCondition,
    SeccompRule,
};

/// System calls, each with the rules of which one has to match; without any
/// all do.
pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// `linux/bpf.h`: the commands of `bpf` that read and write maps that are open,
/// say how large they are, and begin a walk with a program that is loaded.
const BPF_COMMANDS: [u32; 5] = [
    1,  // BPF_MAP_LOOKUP_ELEM
    2,  // BPF_MAP_UPDATE_ELEM
    15, // BPF_OBJ_GET_INFO_BY_FD
    28, // BPF_LINK_CREATE
    33, // BPF_ITER_CREATE
];

/// Allowed whatever the arguments.
const ALLOWED: &[c_long] = &[
    // Memory; what makes it executable is below.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads, and the end of all of them.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Each thread makes sure that it has no capabilities.
    libc::SYS_capset,
    libc::SYS_capget,
    // Signals.
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    // Time.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    // Waiting for descriptors.
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_epoll_ctl,
    libc::SYS_poll,
    libc::SYS_ppoll,
    // Descriptors that are open.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_fcntl,
    libc::SYS_close,
    libc::SYS_getdents64,
    // What a path leads to: /proc/self; the control socket, which is removed at
    // the end.
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    // Those who ask, and the service manager.
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    // What the system and the process are like.
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrandom,
    libc::SYS_getrlimit,
    libc::SYS_getrusage,
];

/// What no running daemon has a use for, and an intruder has.
const FATAL: &[c_long] = &[
    // Other programs, other processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Other users, other roots.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    // Namespaces and mounts: they are looked at, and left as they are.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    // The kernel.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_swapon,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_open_by_handle_at,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
];

/// What is allowed.
pub(super) fn allowed() -> Result<Rules, BackendError> {
    let mut rules = always(ALLOWED);
    let commands = BPF_COMMANDS.map(|command| rule([equals(0, command.into())?]));
    rules.insert(
        libc::SYS_bpf,
        commands.into_iter().collect::<Result<_, _>>()?,
    );
    // Memory that is never executable: what is to be executed is mapped by now.
    let exec = unsigned(libc::PROT_EXEC);
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![rule([has(2, exec, 0)?])?]);
    }
    // Files are opened to be read.
    let change = unsigned(
        libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY),
    );
    rules.insert(libc::SYS_open, vec![rule([has(1, change, 0)?])?]);
    rules.insert(libc::SYS_openat, vec![rule([has(2, change, 0)?])?]);
    // Connections come in; only local ones go out, to the service manager.
    let local = unsigned(libc::AF_UNIX);
    rules.insert(libc::SYS_socket, vec![rule([equals(0, local)?])?]);
    // Threads, but no processes and no namespaces. `clone3` has its flags where a
    // filter cannot see them: the C library does without.
    let thread = unsigned(libc::CLONE_VM | libc::CLONE_THREAD);
    let new = unsigned(
        libc::CLONE_NEWNS
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUSER
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWCGROUP,
    );
    rules.insert(
        libc::SYS_clone,
        vec![rule([has(0, thread | new, thread)?])?],
    );
    let name = unsigned(libc::PR_SET_NAME);
    rules.insert(libc::SYS_prctl, vec![rule([equals(0, name)?])?]);
    // Limits are read, and those of this process; where it would be set, there
    // is a pointer.
    let reads = SeccompCondition::new(2, Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![rule([equals(0, 0)?, reads])?]);
    // A signal to itself, by which it aborts.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![rule([equals(0, own)?])?]);
    rules.insert(libc::SYS_ioctl, vec![rule([equals(1, libc::FIONBIO)?])?]);
    Ok(rules)
}

/// What ends the process.
pub(super) fn fatal() -> Result<Rules, BackendError> {
    let mut rules = always(FATAL);
    let others: Result<Vec<_>, _> = BPF_COMMANDS
        .into_iter()
        .map(|command| SeccompCondition::new(0, Dword, SeccompCmpOp::Ne, command.into()))
        .collect();
    rules.insert(libc::SYS_bpf, vec![SeccompRule::new(others?)?]);
    Ok(rules)
}

fn always(calls: &[c_long]) -> Rules {
    calls.iter().map(|&call| (call, Vec::new())).collect()
}

/// All of these.
fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.to_vec())
}

/// That this argument is that.
fn equals(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, Dword, SeccompCmpOp::Eq, value)
}

/// That of these bits of this argument those are set and no other.
fn has(argument: u8, bits: u64, set: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, Dword, SeccompCmpOp::MaskedEq(bits), set)
}

/// Constants that the C library has as signed numbers.
fn unsigned(value: libc::c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fatal_is_not_allowed() {
        for call in FATAL {
            assert!(!ALLOWED.contains(call), "system call {call}");
        }
        let allowed = allowed().unwrap();
        let both: Vec<_> = fatal()
            .unwrap()
            .into_keys()
            .filter(|call| allowed.contains_key(call))
            .collect();
        assert_eq!(both, [libc::SYS_bpf], "only by its commands");
    }
}
