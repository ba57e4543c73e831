//! The ends of tasks, for a trace that asks for them: nsproxy dropped, children
//! handed over, reaped. Nothing here is loaded otherwise.
//!
//! `exit_notify`, which hands the children over, is inlined into `do_exit`, and
//! a task can be reaped before that returns, by its parent on another CPU or
//! by itself. So what happened there is told by whoever comes first: the task,
//! right afterwards, or whoever reaps it.

use aya_ebpf::{macros::fentry, programs::FEntryContext};
use tracer_common::event::{CHILDREN, Counter, Header, MORE_CHILDREN, TaskEvent, TaskInfo, What};

use crate::{
    atomic::Word,
    emit::{self, now},
    maps::{ADOPTED, EXITED, LEAVING, count},
    mem::{current, offset, peek, read},
    select,
};

/// A child of a task that exits.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Child {
    /// Its address, which may be another task's by the time it is looked at.
    task: u64,
    /// When it began, by which that shows.
    start_time: u64,
    /// Its pid, likewise.
    pid: u64,
}

/// A task between dropping its nsproxy and the end of its exit.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Leaving {
    /// 1 as soon as somebody tells of it.
    told: u64,
    /// When it dropped its nsproxy, `CLOCK_BOOTTIME`.
    dropped_at: u64,
    /// How many of `children` are filled.
    count: u32,
    /// How many more there are, see [`TaskEvent::more_children`].
    more: u32,
    children: [Child; CHILDREN],
}

/// What an entry begins with. Not on the stack, where it would not fit.
static NOBODY: Leaving = Leaving {
    told: 0,
    dropped_at: 0,
    count: 0,
    more: 0,
    children: [Child {
        task: 0,
        start_time: 0,
        pid: 0,
    }; CHILDREN],
};

/// Who a task was handed over by.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Adopted {
    /// When the task began: whether this is about it.
    start_time: u64,
    /// Its parent before.
    parent: TaskInfo,
}

/// Describes a task that may be gone.
#[inline(always)]
fn info_of(task: u64) -> TaskInfo {
    TaskInfo {
        pid: peek(task, offset!(task_pid)),
        tgid: peek(task, offset!(task_tgid)),
        comm: peek(task, offset!(task_comm)),
    }
}

/// Writes a record about the end of a task.
#[inline(never)]
fn tell(task: u64, what: u32, flags: u32, about: *const About) -> i32 {
    let Some(mut entry) = emit::reserve::<TaskEvent>() else {
        return 0;
    };
    let event = core::mem::MaybeUninit::as_mut_ptr(&mut entry);
    // SAFETY: `event` is the reserved record; all its fields are written.
    // `about` is on the stack of the caller.
    unsafe {
        let info = info_of(task);
        (*event).header = Header {
            what,
            flags,
            time: (*about).time,
            cgroup: 0,
            pid: info.pid,
            tgid: info.tgid,
            comm: info.comm,
        };
        (*event).dropped_at = (*about).dropped_at;
        (*event).other = (*about).other;
        (*event).parent = (*about).parent;
        (*event).original_parent = (*about).original_parent;
        (*event).more_children = (*about).more;
        (*event).reserved = 0;
    }
    entry.submit(0);
    0
}

/// The parts of a record that depend on what it says.
struct About {
    time: u64,
    dropped_at: u64,
    other: TaskInfo,
    parent: TaskInfo,
    original_parent: TaskInfo,
    more: u32,
}

impl About {
    /// Nothing but the time of it.
    #[inline(always)]
    fn new(dropped_at: u64) -> Self {
        Self {
            time: now(),
            dropped_at,
            other: TaskInfo::NONE,
            parent: TaskInfo::NONE,
            original_parent: TaskInfo::NONE,
            more: 0,
        }
    }
}

/// 6.19+ `exit_nsproxy_namespaces`, before `exit_task_namespaces(struct
/// task_struct *p)`: notes the children that a task has when it leaves its
/// namespaces.
#[fentry]
pub fn task_left(ctx: FEntryContext) -> i32 {
    let task: u64 = ctx.arg(0);
    if task != current() {
        // A child that never ran: its parent cleans up.
        return 0;
    }
    let dropped_at = now();
    if EXITED.insert(task, dropped_at, 0).is_err() || LEAVING.insert(task, &NOBODY, 0).is_err() {
        count(Counter::MapFull);
        return 0;
    }
    let Some(leaving) = LEAVING.get_ptr_mut(task) else {
        return 0;
    };
    // SAFETY: the entry is this task's own, and nobody else looks at it before
    // it has handed its children over.
    unsafe { (*leaving).dropped_at = dropped_at };
    note_children(task, leaving);
    0
}

/// Follows the list of children. Others may change it meanwhile, so nothing in
/// it is taken for granted.
#[inline(always)]
fn note_children(task: u64, leaving: *mut Leaving) {
    let head = task + u64::from(offset!(task_children));
    let mut entry: u64 = peek(head, 0);
    let mut index = 0;
    while index < CHILDREN {
        if entry == head || entry == 0 {
            return;
        }
        let child = entry.wrapping_sub(u64::from(offset!(task_sibling)));
        // SAFETY: `index` is below the length of the array.
        unsafe {
            let place = (&raw mut (*leaving).children).cast::<Child>().add(index);
            (*place).task = child;
            (*place).start_time = peek(child, offset!(task_start_time));
            (*place).pid = u64::from(peek::<u32>(child, offset!(task_pid)));
            (*leaving).count = index as u32 + 1;
        }
        entry = peek(entry, 0);
        index += 1;
    }
    let mut more = 0;
    while more < MORE_CHILDREN {
        if entry == head || entry == 0 {
            break;
        }
        entry = peek(entry, 0);
        more += 1;
    }
    // SAFETY: the entry is this task's own.
    unsafe { (*leaving).more = more };
}

/// `void proc_exit_connector(struct task_struct *task)`, or `void
/// do_task_dead(void)`: the running task has handed its children over.
#[fentry]
pub fn task_handed_over(_ctx: FEntryContext) -> i32 {
    let task = current();
    match LEAVING.get_ptr_mut(task) {
        Some(leaving) => {
            exited(task, leaving);
            let _ = LEAVING.remove(task);
        }
        // It began to exit before anybody looked, or too many exit at once.
        None => {
            tell(
                task,
                What::TaskExited as u32,
                select::flag_of(task),
                &About::new(0),
            );
        }
    }
    0
}

/// Says that the task has exited, and who has its children now, unless that
/// has been said.
#[inline(never)]
fn exited(task: u64, leaving: *mut Leaving) -> i32 {
    // SAFETY: an aligned word of a map value, which stays valid (RCU) while
    // this program runs.
    let told = unsafe { Word::new(&raw mut (*leaving).told) };
    if !told.replace(0, 1) {
        return 0;
    }
    // SAFETY: what the entry says was complete before the task handed its
    // children over.
    let (dropped_at, children, more) =
        unsafe { ((*leaving).dropped_at, (*leaving).count, (*leaving).more) };
    let mut about = About::new(dropped_at);
    about.more = more;
    let flags = select::flag_of(task);
    let mut index = 0;
    while index < CHILDREN && index < children as usize {
        // SAFETY: `index` is below the length of the array.
        let child = unsafe { *(&raw const (*leaving).children).cast::<Child>().add(index) };
        handed_over(task, flags, &child, &about);
        index += 1;
    }
    tell(task, What::TaskExited as u32, flags, &about);
    0
}

/// Says who has this child of a task now, if it is the same child still and
/// another has it.
#[inline(never)]
fn handed_over(task: u64, flags: u32, child: &Child, about: &About) -> i32 {
    let start_time: u64 = peek(child.task, offset!(task_start_time));
    let pid: u32 = peek(child.task, offset!(task_pid));
    let parent: u64 = peek(child.task, offset!(task_real_parent));
    if start_time != child.start_time || u64::from(pid) != child.pid || parent == task {
        return 0;
    }
    let parent = info_of(parent);
    tell(
        task,
        What::ChildHandedOver as u32,
        flags,
        &About {
            time: about.time,
            dropped_at: about.dropped_at,
            other: info_of(child.task),
            parent,
            original_parent: TaskInfo::NONE,
            more: 0,
        },
    );
    let own = info_of(task);
    if own.tgid != parent.tgid {
        adopted(child.task, start_time, own);
    }
    0
}

/// Remembers the first parent that was gone.
#[inline(always)]
fn adopted(child: u64, start_time: u64, parent: TaskInfo) {
    // SAFETY: only the end of its parent writes an entry, one after the other.
    if let Some(before) = unsafe { ADOPTED.get(child) }
        && before.start_time == start_time
    {
        return;
    }
    if ADOPTED
        .insert(child, Adopted { start_time, parent }, 0)
        .is_err()
    {
        count(Counter::MapFull);
    }
}

/// 6.19+ `void exit_cred_namespaces(struct task_struct *tsk)`, before `void
/// cgroup_release(struct task_struct *task)`: once for each task that is
/// reaped, see [`crate::cred::cred_dropped`].
#[fentry]
pub fn task_reaped(ctx: FEntryContext) -> i32 {
    let task: u64 = ctx.arg(0);
    if read::<u32>(task, offset!(task_exit_state)) == 0 {
        // A fork failed.
        return 0;
    }
    let running = current();
    let parent = info_of(peek(task, offset!(task_real_parent)));
    // What happened before is told before.
    if let Some(leaving) = LEAVING.get_ptr_mut(task) {
        exited(task, leaving);
    }
    if parent.tgid != peek::<u32>(running, offset!(task_tgid))
        && let Some(leaving) = LEAVING.get_ptr_mut(running)
    {
        // It had the child, which is somebody else's by now.
        exited(running, leaving);
    }
    reaped(task, running, &parent);
    select::forget_if_reaped(task);
    0
}

#[inline(never)]
fn reaped(task: u64, running: u64, parent: &TaskInfo) -> i32 {
    // SAFETY: the values are copied at once.
    let dropped_at = unsafe { EXITED.get(task) }.copied().unwrap_or(0);
    let mut about = About::new(dropped_at);
    about.parent = *parent;
    if running != task {
        about.other = info_of(running);
    }
    // SAFETY: likewise.
    if let Some(adopted) = unsafe { ADOPTED.get(task) } {
        if adopted.start_time == read::<u64>(task, offset!(task_start_time)) {
            about.original_parent = adopted.parent;
        }
        let _ = ADOPTED.remove(task);
    }
    tell(task, What::TaskReaped as u32, select::flag_of(task), &about);
    let _ = EXITED.remove(task);
    0
}
