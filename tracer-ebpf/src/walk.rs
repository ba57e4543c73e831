//! The walk: what exists now, written to the file of a BPF iterator.
//!
//! Two programs on the task iterator. `walk_tasks` visits every task and the
//! namespaces it shows; `walk_list` visits no task but, once, the kernel's
//! own list of all namespaces (6.19+), in chunks that fit the iterator's
//! buffer.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_loop, bpf_seq_write};
use tracer_common::{
    kind::{NsKind, Slot},
    layout::ABSENT,
    walk::{TASK_KTHREAD, TASK_LEADER, Tag, WalkTask},
};

use crate::{
    active::{is_initial, observe, remember},
    emit::{common_of, fill_ns, fill_nsproxy, kind_of, now, owner_of},
    maps::{WALK_AFTER, WALK_SCRATCH, WALKED, WalkMark},
    mem::{offset, read},
};

/// `task_struct.flags`: a kernel thread (`PF_KTHREAD`).
const PF_KTHREAD: u32 = 0x0020_0000;

/// Deepest nesting of user namespaces that the kernel allows, and one.
const MAX_LEVELS: u32 = 33;

/// Namespaces per chunk of the list: 96 bytes each into a buffer of 32 KiB.
const CHUNK: u64 = 320;

/// Entries that one pass over the list may skip or write.
const MAX_LIST: u32 = 1 << 20;

/// `struct bpf_iter_meta`, part of the BPF interface.
#[repr(C)]
struct Meta {
    seq: *mut c_void,
    session: u64,
    number: u64,
}

/// `struct bpf_iter__task`, part of the BPF interface.
#[repr(C)]
struct TaskContext {
    meta: *const Meta,
    task: *const c_void,
}

/// Appends a record to the iterator's file. An overflow is the iterator's
/// business: it shows the same task again with an empty buffer.
#[inline(always)]
fn write<T>(seq: *mut c_void, record: &T) {
    // SAFETY: `seq` is the iterator's own file, `record` is fully initialized
    // and lives through the call.
    unsafe {
        bpf_seq_write(
            seq.cast(),
            (&raw const *record).cast(),
            size_of::<T>() as u32,
        );
    }
}

/// Whether this object has yet to be written by this walk.
#[inline(always)]
fn first_visit(key: u64, session: u64, task: u64) -> bool {
    // SAFETY: a value that is replaced while it is read can at worst make an
    // object appear twice.
    if let Some(mark) = unsafe { WALKED.get(key) }
        && mark.session == session
        && mark.task != task
    {
        return false;
    }
    let _ = WALKED.insert(key, WalkMark { session, task }, 0);
    true
}

/// Writes one namespace.
#[inline(never)]
fn write_namespace(seq: *mut c_void, key: u64, kind: NsKind) -> i32 {
    let Some(scratch) = WALK_SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch is this program's own, see `WALK_SCRATCH`.
    unsafe {
        let record = &raw mut (*scratch).namespace;
        (*record).tag = Tag::Namespace as u32;
        (*record).reserved = 0;
        (*record).time = now();
        (*record).sequence = 0;
        let inum: u32 = read(key, offset!(ns_inum));
        if !is_initial(inum) {
            if offset!(ns_active) == ABSENT {
                remember(inum, key, kind);
            } else if let Some(reading) = observe(key, inum, kind) {
                (*record).sequence = reading.sequence;
            }
        }
        fill_ns(&raw mut (*record).ns, key, kind);
        write(seq, &*record);
    }
    0
}

/// From a namespace up through its owners.
struct Visit {
    seq: *mut c_void,
    session: u64,
    task: u64,
    key: u64,
    kind: u32,
}

#[inline(always)]
fn visit_step(visit: &mut Visit) -> i64 {
    let Some(kind) = NsKind::from_u32(visit.kind) else {
        return 1;
    };
    if visit.key == 0 || !first_visit(visit.key, visit.session, visit.task) {
        return 1;
    }
    write_namespace(visit.seq, visit.key, kind);
    visit.key = owner_of(visit.key, kind);
    visit.kind = NsKind::User as u32;
    0
}

extern "C" fn visit_callback(_index: u32, visit: *mut Visit) -> i64 {
    // SAFETY: `bpf_loop` hands back the context it was given.
    visit_step(unsafe { &mut *visit })
}

/// Writes a namespace and its owners, as far as they are new.
#[inline(always)]
fn visit(seq: *mut c_void, session: u64, task: u64, key: u64, kind: NsKind) {
    if key == 0 {
        return;
    }
    let mut visit = Visit {
        seq,
        session,
        task,
        key,
        kind: kind as u32,
    };
    // SAFETY: the callback has the signature that the helper documents, and
    // the context outlives the call.
    unsafe {
        bpf_loop(
            MAX_LEVELS,
            visit_callback as *mut c_void,
            (&raw mut visit).cast(),
            0,
        );
    }
}

/// The deepest pid namespace in which the task has a number; 0 once it is
/// reaped.
#[inline(always)]
fn pid_namespace(task: u64) -> u64 {
    let pid: u64 = read(task, offset!(task_thread_pid));
    if pid == 0 {
        return 0;
    }
    let level: u32 = read(pid, offset!(pid_level));
    let upid =
        pid + u64::from(offset!(pid_numbers)) + u64::from(level) * u64::from(offset!(upid_size));
    common_of(read(upid, offset!(upid_ns)), NsKind::Pid)
}

/// Writes the task's nsproxy and the namespaces in it, if they are new.
#[inline(always)]
fn visit_nsproxy(seq: *mut c_void, session: u64, task: u64) -> u64 {
    let field = offset!(task_nsproxy);
    let nsproxy: u64 = read(task, field);
    if nsproxy == 0 || !first_visit(nsproxy, session, task) {
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
        (*record).time = now();
        fill_nsproxy(&raw mut (*record).nsproxy, nsproxy);
    }
    if read::<u64>(task, field) != nsproxy {
        // It let go of it meanwhile: what was read may be somebody else's. The
        // switch is on the ring buffer.
        let _ = WALKED.remove(nsproxy);
        return 0;
    }
    // SAFETY: likewise.
    write(seq, unsafe { &*record });
    let mut index = 0;
    while index < Slot::COUNT {
        // SAFETY: likewise; `index` stays below the length of `slots`.
        let key = unsafe {
            (&raw const (*record).nsproxy.slots)
                .cast::<u64>()
                .add(index)
                .read()
        };
        visit(seq, session, task, key, Slot::ALL[index].kind());
        index += 1;
    }
    nsproxy
}

/// Writes every task, and what it is in.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn walk_tasks(context: *const TaskContext) -> i32 {
    // SAFETY: the kernel passes a `bpf_iter__task`.
    let (seq, session, task) = unsafe {
        let meta = (*context).meta;
        let task = (*context).task;
        if task.is_null() {
            return 0;
        }
        ((*meta).seq, (*meta).session, task as u64)
    };
    let nsproxy = visit_nsproxy(seq, session, task);
    let user_ns = read(read(task, offset!(task_real_cred)), offset!(cred_user_ns));
    let flags: u32 = read(task, offset!(task_flags));
    let pid: u32 = read(task, offset!(task_pid));
    let tgid: u32 = read(task, offset!(task_tgid));
    let mut about = 0;
    if flags & PF_KTHREAD != 0 {
        about |= TASK_KTHREAD;
    }
    if pid == tgid {
        about |= TASK_LEADER;
    }
    let record = WalkTask {
        tag: Tag::Task as u32,
        flags: about,
        nsproxy,
        user_ns: common_of(user_ns, NsKind::User),
        pid_ns: pid_namespace(task),
        pid,
        tgid,
        comm: read(task, offset!(task_comm)),
    };
    visit(seq, session, task, record.user_ns, NsKind::User);
    visit(seq, session, task, record.pid_ns, NsKind::Pid);
    write(seq, &record);
    0
}

/// A pass over the kernel's list of namespaces, sorted by `ns_id`.
struct Pass {
    seq: *mut c_void,
    head: u64,
    node: u64,
    after: u64,
    /// Namespaces written, in the scratch: on the stack the verifier would
    /// count along with it.
    written: *mut u64,
}

#[inline(always)]
fn list_step(pass: &mut Pass) -> i64 {
    // SAFETY: `written` points into the scratch.
    if pass.node == pass.head || unsafe { *pass.written } >= CHUNK {
        return 1;
    }
    let key = pass.node - u64::from(offset!(ns_list));
    // The id first: what was removed keeps its place in the list for a moment,
    // but not its reference.
    let id: u64 = read(key, offset!(ns_id));
    let refs: u32 = read(key, offset!(ns_refs));
    if id > pass.after
        && refs != 0
        && let Some(kind) = kind_of(key)
    {
        write_namespace(pass.seq, key, kind);
        // SAFETY: likewise.
        unsafe { *pass.written += 1 };
    }
    // `list_head.next` comes first.
    pass.node = read(pass.node, 0);
    i64::from(pass.node == 0)
}

extern "C" fn list_callback(_index: u32, pass: *mut Pass) -> i64 {
    // SAFETY: `bpf_loop` hands back the context it was given.
    list_step(unsafe { &mut *pass })
}

/// Writes the next chunk of the kernel's list (6.19+).
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn walk_list(context: *const TaskContext) -> i32 {
    // SAFETY: the kernel passes a `bpf_iter__task`.
    let (seq, task) = unsafe {
        let meta = (*context).meta;
        let task = (*context).task;
        if task.is_null() || (*meta).number != 0 {
            return 0;
        }
        ((*meta).seq, task as u64)
    };
    // The head has no name that programs could use, but the first entry is
    // known: the initial ipc namespace has id 1. The first task the iterator
    // shows is in it, unless nslife runs in a container.
    let nsproxy: u64 = read(task, offset!(task_nsproxy));
    if nsproxy == 0 {
        return 0;
    }
    let ipc = common_of(
        read(nsproxy, offset!(nsproxy_slots[Slot::Ipc as usize])),
        NsKind::Ipc,
    );
    if ipc == 0 || read::<u64>(ipc, offset!(ns_id)) != 1 {
        return 0;
    }
    let first = ipc + u64::from(offset!(ns_list));
    // `list_head.prev` comes second.
    let head: u64 = read(first, 8);
    if head == 0 {
        return 0;
    }
    let Some(scratch) = WALK_SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch is this program's own, see `WALK_SCRATCH`.
    let written = unsafe { &raw mut (*scratch).written };
    // SAFETY: likewise.
    unsafe { *written = 0 };
    let mut pass = Pass {
        seq,
        head,
        node: first,
        after: WALK_AFTER.get(0).copied().unwrap_or(0),
        written,
    };
    // SAFETY: the callback has the signature that the helper documents, and
    // the context outlives the call.
    unsafe {
        bpf_loop(
            MAX_LIST,
            list_callback as *mut c_void,
            (&raw mut pass).cast(),
            0,
        );
    }
    0
}
