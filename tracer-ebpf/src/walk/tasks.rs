//! Every task, and what it shows.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_for_each_map_elem, bpf_loop};
use tracer_common::{
    kind::{NsKind, Slot},
    walk::{PID_LEVELS, TASK_EXITING, TASK_KTHREAD, TASK_LEADER, Tag, WalkTask},
};

use super::{Out, TaskContext, visit, visit_all, visit_pid};
use crate::{
    cred::{self, Cred},
    emit::now,
    fill::fill_nsproxy,
    known::{self, Known},
    maps::{CREDS, NAMESPACES, WALK_SCRATCH, WALK_STARTED, WALKED, sized},
    mem::{offset, peek, read, read_or},
    ns_common::common_of,
    pid::{deepest_namespace, number_at},
};

/// `task_struct.flags`: getting shut down (`PF_EXITING`). Set before the nsproxy
/// is dropped, so to be read after that.
const PF_EXITING: u32 = 0x4;

/// `task_struct.flags`: a kernel thread (`PF_KTHREAD`).
const PF_KTHREAD: u32 = 0x0020_0000;

/// The `struct pid` of a task; 0 once it is reaped.
#[inline(always)]
fn pid_of(task: u64) -> u64 {
    read(task, offset!(task_thread_pid))
}

/// The deepest pid namespace in which a `struct pid` has a number; 0 if it is
/// none.
#[inline(always)]
fn pid_namespace(pid: u64) -> u64 {
    if pid == 0 {
        return 0;
    }
    common_of(deepest_namespace(pid), NsKind::Pid)
}

/// Writes the task's nsproxy, if it is new, and returns its key, or that of the
/// one that the task has by now.
#[inline(always)]
fn write_nsproxy(out: &Out) -> u64 {
    let field = offset!(task_nsproxy);
    // Drawn first: should this one be freed while it is read, and the task take
    // up another one at its address, that has a later time.
    let time = now();
    let nsproxy: u64 = read(out.task, field);
    if nsproxy == 0 || !out.first_visit(nsproxy) {
        return nsproxy;
    }
    let Some(scratch) = WALK_SCRATCH.get_ptr_mut(0) else {
        return nsproxy;
    };
    // SAFETY: the scratch is this program's own, see `WALK_SCRATCH`.
    let record = unsafe { &raw mut (*scratch).nsproxy };
    // SAFETY: likewise.
    unsafe {
        (*record).tag = Tag::Nsproxy as u32;
        (*record).reserved = 0;
        (*record).time = time;
        fill_nsproxy(&raw mut (*record).nsproxy, nsproxy);
    }
    let still: u64 = read(out.task, field);
    if still != nsproxy {
        // It let go of it meanwhile: what was read may be somebody else's. The
        // switch is on the ring buffer.
        let _ = WALKED.remove(nsproxy);
        return still;
    }
    // SAFETY: likewise.
    out.write(unsafe { &*record });
    nsproxy
}

/// The user namespace of the task's real credentials.
#[inline(always)]
fn user_namespace(task: u64) -> u64 {
    let user_ns = read(read(task, offset!(task_real_cred)), offset!(cred_user_ns));
    common_of(user_ns, NsKind::User)
}

/// The numbers of a task, on their way into a record.
struct Numbers {
    /// Its `struct pid`.
    pid: u64,
    /// The level of the deepest of its pid namespaces.
    level: u32,
    /// The first of [`PID_LEVELS`] places for them.
    to: *mut u32,
}

extern "C" fn number_callback(index: u32, numbers: *mut Numbers) -> i64 {
    // SAFETY: `bpf_loop` hands back the context it was given.
    let numbers = unsafe { &mut *numbers };
    if index as usize >= PID_LEVELS {
        return 1;
    }
    let number = if index <= numbers.level {
        number_at(numbers.pid, index)
    } else {
        0
    };
    // SAFETY: there are that many places.
    unsafe { *numbers.to.add(index as usize) = number };
    0
}

/// Writes the numbers of a task that is the first one of its pid namespace.
#[inline(always)]
fn write_init(out: &Out, pid: u64, task: &WalkTask) {
    let level: u32 = read(pid, offset!(pid_level));
    if level == 0 || level as usize >= PID_LEVELS || number_at(pid, level) != 1 {
        return;
    }
    let Some(scratch) = WALK_SCRATCH.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: the scratch is this program's own, see `WALK_SCRATCH`. The callback
    // has the signature that the helper documents, and the context outlives the
    // call.
    unsafe {
        let record = &raw mut (*scratch).init;
        (*record).tag = Tag::Init as u32;
        (*record).level = level;
        (*record).pid_ns = task.pid_ns;
        (*record).pid = task.pid;
        let mut numbers = Numbers {
            pid,
            level,
            to: (&raw mut (*record).numbers).cast(),
        };
        bpf_loop(
            PID_LEVELS as u32,
            number_callback as *mut c_void,
            (&raw mut numbers).cast(),
            0,
        );
        out.write(&*record);
    }
}

/// Writes every task and its nsproxy, and counts its credentials.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn walk_tasks(context: *const TaskContext) -> i32 {
    let Some(out) = Out::of(context) else {
        return 0;
    };
    let task = out.task;
    cred::met(task);
    let nsproxy = write_nsproxy(&out);
    let flags: u32 = read(task, offset!(task_flags));
    let pid: u32 = read(task, offset!(task_pid));
    let tgid: u32 = read(task, offset!(task_tgid));
    let mut about = 0;
    if flags & PF_KTHREAD != 0 {
        about |= TASK_KTHREAD;
    }
    if flags & PF_EXITING != 0 {
        about |= TASK_EXITING;
    }
    if pid == tgid {
        about |= TASK_LEADER;
    }
    let thread_pid = pid_of(task);
    let record = WalkTask {
        tag: Tag::Task as u32,
        flags: about,
        nsproxy,
        user_ns: user_namespace(task),
        pid_ns: pid_namespace(thread_pid),
        pid,
        tgid,
        comm: read(task, offset!(task_comm)),
        state: read(task, offset!(task_state)),
        exit_state: read(task, offset!(task_exit_state)),
        parent: read(read(task, offset!(task_parent)), offset!(task_tgid)),
        reserved: 0,
    };
    out.write(&record);
    if pid == tgid && thread_pid != 0 {
        write_init(&out, thread_pid, &record);
    }
    0
}

extern "C" fn sweep_callback(
    _map: *mut c_void,
    task: *const u64,
    cred: *const Cred,
    _context: *mut c_void,
) -> i64 {
    let started = WALK_STARTED.get(0).copied().unwrap_or(0);
    // SAFETY: the kernel hands over a key and a value of the map.
    unsafe { cred::sweep(*task, &*cred, started) };
    0
}

extern "C" fn forget_callback(
    _map: *mut c_void,
    inum: *const u32,
    known: *mut Known,
    _context: *mut c_void,
) -> i64 {
    let started = WALK_STARTED.get(0).copied().unwrap_or(0);
    // SAFETY: the kernel hands over a key and a value of the map.
    known::sweep(unsafe { *inum }, known, started);
    0
}

/// Takes those tasks out of the set of credentials that a walk of all tasks
/// did not meet, and forgets namespaces whose freeing was missed.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn walk_sweep(context: *const TaskContext) -> i32 {
    if Out::once(context).is_some() {
        // SAFETY: the callbacks have the signature that the helper documents.
        let (creds, namespaces) = unsafe {
            let creds = bpf_for_each_map_elem(
                (&raw const CREDS).cast_mut().cast(),
                sweep_callback as *mut c_void,
                core::ptr::null_mut(),
                0,
            );
            let namespaces = bpf_for_each_map_elem(
                (&raw const NAMESPACES).cast_mut().cast(),
                forget_callback as *mut c_void,
                core::ptr::null_mut(),
                0,
            );
            (creds, namespaces)
        };
        sized(0, creds);
        sized(1, namespaces);
    }
    0
}

/// `enum pid_type`: those of a thread group, a process group, a session.
const SHARED_PIDS: core::ops::RangeInclusive<u32> = 1..=3;

/// Up to 6.17: writes the namespaces that every task shows, with their owners
/// and, of pid namespaces, their parents. Its process group or session can be
/// in a pid namespace that has no task any more.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn walk_shown(context: *const TaskContext) -> i32 {
    let Some(out) = Out::of(context) else {
        return 0;
    };
    let task = out.task;
    let nsproxy: u64 = read(task, offset!(task_nsproxy));
    if nsproxy != 0 {
        let mut index = 0;
        while index < Slot::COUNT {
            let pointer = read_or(nsproxy, offset!(nsproxy_slots[index]), 0);
            let kind = Slot::ALL[index].kind();
            visit_all(out, common_of(pointer, kind), kind);
            index += 1;
        }
    }
    visit(out, user_namespace(task), NsKind::User);
    visit_pid(out, pid_namespace(pid_of(task)));
    let signal: u64 = read(task, offset!(task_signal));
    for index in SHARED_PIDS {
        let pid: u64 = peek(signal, offset!(signal_pids) + 8 * index);
        if pid != 0 {
            visit_pid(out, common_of(deepest_namespace(pid), NsKind::Pid));
        }
    }
    0
}
