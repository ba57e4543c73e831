//! The ends of tasks, for a trace that asks for them: nsproxy dropped, children
//! handed over, reaped. Nothing here is loaded otherwise.
//!
//! `exit_notify`, which hands the children over, is inlined into `do_exit`, and
//! a task can be reaped before that returns, by its parent on another CPU or
//! by itself. So what happened there is told by whoever comes first: the task,
//! right afterwards, or whoever reaps it. All of it is one record, which has
//! its place in the ring buffer before anybody decides who fills it: whoever
//! comes second finds its place taken, ahead of all that follows.

use core::mem::MaybeUninit;

use aya_ebpf::programs::FEntryContext;
use tracer_common::event::{
    CHILDREN, Counter, ExitEvent, Header, MORE_CHILDREN, ReapEvent, TaskInfo, What,
};

use crate::{
    atomic::Word,
    emit::{self, now},
    maps::{ADOPTED, EXITED, LEAVING, count},
    mem::{current, offset, peek, read},
    select,
    twins::programs,
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
    /// How many more there are, see [`ExitEvent::more_children`].
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

/// Says whose end a record is about.
#[inline(always)]
fn fill_header(header: *mut Header, what: What, task: u64) {
    let info = info_of(task);
    // SAFETY: `header` points into a reserved record of at least its size.
    unsafe {
        *header = Header {
            what: what as u32,
            flags: select::flag_of(task),
            time: now(),
            cgroup: 0,
            pid: info.pid,
            tgid: info.tgid,
            comm: info.comm,
        };
    }
}

/// 6.19+ `exit_nsproxy_namespaces`, before `exit_task_namespaces(struct
/// task_struct *p)`: notes the children that a task has when it leaves its
/// namespaces.
#[expect(
    clippy::needless_borrows_for_generic_args,
    reason = "by value it would be put together on the stack, which is small"
)]
#[inline(always)]
fn on_task_left(ctx: &FEntryContext) {
    let task: u64 = ctx.arg(0);
    if task != current() {
        // A child that never ran: its parent cleans up.
        return;
    }
    let dropped_at = now();
    if EXITED.insert(task, dropped_at, 0).is_err() || LEAVING.insert(task, &NOBODY, 0).is_err() {
        count(Counter::MapFull);
        return;
    }
    let Some(leaving) = LEAVING.get_ptr_mut(task) else {
        return;
    };
    // SAFETY: the entry is this task's own, and nobody else looks at it before
    // it has handed its children over.
    unsafe { (*leaving).dropped_at = dropped_at };
    note_children(task, leaving);
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
#[inline(always)]
fn on_task_handed_over(_ctx: &FEntryContext) {
    let task = current();
    match LEAVING.get_ptr_mut(task) {
        Some(leaving) => {
            exited(task, leaving);
            let _ = LEAVING.remove(task);
        }
        // It began to exit before anybody looked, or too many exit at once.
        None => {
            if let Some(mut entry) = emit::reserve::<ExitEvent>() {
                let event = MaybeUninit::as_mut_ptr(&mut entry);
                fill_exit(event, task, 0, 0);
                entry.submit(0);
            }
        }
    }
}

/// Fills the record of an exit, with room for the children.
#[inline(never)]
fn fill_exit(event: *mut ExitEvent, task: u64, dropped_at: u64, more: u32) -> i32 {
    // SAFETY: `event` is a reserved record; all its fields are written.
    unsafe {
        fill_header(&raw mut (*event).header, What::TaskExited, task);
        (*event).dropped_at = dropped_at;
        (*event).parent = TaskInfo::NONE;
        (*event).more_children = more;
        (*event).reserved = 0;
        let mut index = 0;
        while index < CHILDREN {
            let place = (&raw mut (*event).children).cast::<TaskInfo>().add(index);
            *place = TaskInfo::NONE;
            index += 1;
        }
    }
    0
}

/// Says that the task has exited, and who has its children now, unless that
/// has been said.
#[inline(never)]
fn exited(task: u64, leaving: *mut Leaving) -> i32 {
    let Some(mut entry) = emit::reserve::<ExitEvent>() else {
        return 0;
    };
    // SAFETY: an aligned word of a map value, which stays valid (RCU) while
    // this program runs.
    let told = unsafe { Word::new(&raw mut (*leaving).told) };
    if !told.replace(0, 1) {
        entry.discard(0);
        return 0;
    }
    let event = MaybeUninit::as_mut_ptr(&mut entry);
    // SAFETY: what the entry says was complete before the task handed its
    // children over. `index` stays below the length of the arrays.
    unsafe {
        fill_exit(event, task, (*leaving).dropped_at, (*leaving).more);
        let children = (*leaving).count as usize;
        let mut index = 0;
        while index < CHILDREN && index < children {
            let child = (&raw const (*leaving).children).cast::<Child>().add(index);
            let place = (&raw mut (*event).children).cast::<TaskInfo>().add(index);
            handed_over(task, child, place, &raw mut (*event).parent);
            index += 1;
        }
    }
    entry.submit(0);
    0
}

/// Says which child of a task this was, and who has it now, if it is the same
/// child still and another has it.
#[inline(never)]
fn handed_over(task: u64, child: *const Child, place: *mut TaskInfo, to: *mut TaskInfo) -> i32 {
    // SAFETY: `child` points into a map value, `place` and `to` into a reserved
    // record.
    unsafe {
        let Child {
            task: child,
            start_time,
            pid,
        } = *child;
        let parent: u64 = peek(child, offset!(task_real_parent));
        if peek::<u64>(child, offset!(task_start_time)) != start_time
            || u64::from(peek::<u32>(child, offset!(task_pid))) != pid
            || parent == task
        {
            return 0;
        }
        *place = info_of(child);
        *to = info_of(parent);
        let own = info_of(task);
        if own.tgid != (*to).tgid {
            adopted(child, start_time, own);
        }
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
    let adopted = Adopted { start_time, parent };
    if ADOPTED.insert(child, adopted, 0).is_err() {
        count(Counter::MapFull);
    }
}

/// 6.19+ `void exit_cred_namespaces(struct task_struct *tsk)`, before `void
/// cgroup_release(struct task_struct *task)`: once for each task that is
/// reaped, see [`crate::cred::cred_dropped`].
#[inline(always)]
fn on_task_reaped(ctx: &FEntryContext) {
    let task: u64 = ctx.arg(0);
    if read::<u32>(task, offset!(task_exit_state)) == 0 {
        // A fork failed.
        return;
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
}

#[inline(never)]
fn reaped(task: u64, running: u64, parent: &TaskInfo) -> i32 {
    let Some(mut entry) = emit::reserve::<ReapEvent>() else {
        return 0;
    };
    let event = MaybeUninit::as_mut_ptr(&mut entry);
    // SAFETY: `event` is a reserved record; all its fields are written. The
    // values of maps are copied at once.
    unsafe {
        fill_header(&raw mut (*event).header, What::TaskReaped, task);
        (*event).dropped_at = EXITED.get(task).copied().unwrap_or(0);
        (*event).by = if running == task {
            TaskInfo::NONE
        } else {
            info_of(running)
        };
        (*event).parent = *parent;
        (*event).original_parent = TaskInfo::NONE;
        if let Some(adopted) = ADOPTED.get(task) {
            if adopted.start_time == read::<u64>(task, offset!(task_start_time)) {
                (*event).original_parent = adopted.parent;
            }
            let _ = ADOPTED.remove(task);
        }
    }
    entry.submit(0);
    let _ = EXITED.remove(task);
    0
}

programs! {
    fentry task_left, task_left_again: on_task_left;
    fentry task_handed_over, task_handed_over_again: on_task_handed_over;
    fentry task_reaped, task_reaped_again: on_task_reaped;
}
