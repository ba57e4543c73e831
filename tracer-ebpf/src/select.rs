//! Which tasks a running trace has selected. Without a trace the answer is a
//! constant, and the verifier removes the question.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use tracer_common::event::{Counter, FLAG_ACTOR, FLAG_SELECTED};

use crate::{
    maps::{LEFT, SELECTED, count},
    mem::{constant, offset, read},
};

/// Nothing can be selected.
const NOTHING: u32 = 0;

/// Whether anything can be: 0 for nothing, 1 for what the map lists. Set by
/// userspace before loading.
#[unsafe(no_mangle)]
static SELECTION: u32 = NOTHING;

/// Whether the ends of tasks are told: 0 for no. Set by userspace before
/// loading.
#[unsafe(no_mangle)]
static TASK_EVENTS: u32 = 0;

/// In the map: its descendants are selected too.
const AND_DESCENDANTS: u8 = 1;

/// The map's entry for the running task's thread group.
#[inline(always)]
fn entry() -> Option<*const u8> {
    if constant(&SELECTION) == NOTHING {
        return None;
    }
    SELECTED.get_ptr((bpf_get_current_pid_tgid() >> 32) as u32)
}

/// Whether the running task is selected.
#[inline(always)]
pub fn current() -> bool {
    entry().is_some()
}

/// The flags for something that the running task does itself.
#[inline(always)]
pub fn own_deed() -> u32 {
    FLAG_ACTOR | if current() { FLAG_SELECTED } else { 0 }
}

/// Selects a newborn if its parent is selected with its descendants, or is
/// in the same thread group. Says whether the newborn is selected now.
#[inline(always)]
pub fn inherit(child: u64) -> bool {
    let Some(mark) = entry() else {
        return false;
    };
    let tgid: u32 = read(child, offset!(task_tgid));
    if tgid == (bpf_get_current_pid_tgid() >> 32) as u32 {
        return true;
    }
    // SAFETY: the map does not preallocate: the value stays valid (RCU) while
    // this program runs.
    if unsafe { *mark } != AND_DESCENDANTS {
        return false;
    }
    if SELECTED.insert(tgid, AND_DESCENDANTS, 0).is_err() {
        count(Counter::MapFull);
    }
    true
}

/// The running task, which is selected, has been said to leave this nsproxy by
/// exiting.
#[inline(always)]
pub fn has_left(nsproxy: u64) {
    if LEFT.insert(bpf_get_current_pid_tgid(), nsproxy, 0).is_err() {
        count(Counter::MapFull);
    }
}

/// Whether that has been said, even if the task is not selected any more. To
/// be asked once.
#[inline(always)]
pub fn was_left(nsproxy: u64) -> bool {
    if constant(&SELECTION) == NOTHING {
        return false;
    }
    let thread = bpf_get_current_pid_tgid();
    // SAFETY: the entry is this thread's own; nobody else writes it.
    let left = unsafe { LEFT.get(thread) }.copied();
    let _ = LEFT.remove(thread);
    left == Some(nsproxy)
}

/// The flag for something that is about this task.
#[inline(always)]
pub fn flag_of(task: u64) -> u32 {
    if constant(&SELECTION) == NOTHING {
        return 0;
    }
    let tgid: u32 = read(task, offset!(task_tgid));
    match SELECTED.get_ptr(tgid) {
        Some(_) => FLAG_SELECTED,
        None => 0,
    }
}

/// When a process is reaped its number can be reused.
#[inline(always)]
pub fn forget_if_reaped(task: u64) {
    if constant(&SELECTION) == NOTHING {
        return;
    }
    let tgid: u32 = read(task, offset!(task_tgid));
    // The first thread is reaped last.
    if read::<u32>(task, offset!(task_pid)) == tgid {
        let _ = SELECTED.remove(tgid);
    }
}

/// When the last thread of a group exits there is nothing more to be told of
/// it, unless its reaping is, see [`forget_if_reaped`].
#[inline(always)]
pub fn forget_if_last(task: u64) {
    if constant(&TASK_EVENTS) != 0 || !current() {
        return;
    }
    let live: u32 = read(read(task, offset!(task_signal)), offset!(signal_live));
    if live == 0 {
        let _ = SELECTED.remove((bpf_get_current_pid_tgid() >> 32) as u32);
    }
}
