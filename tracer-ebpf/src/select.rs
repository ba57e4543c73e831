//! Which tasks a running trace has selected. Without a trace the answer is a
//! constant, and the verifier removes the question.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use tracer_common::event::Counter;

use crate::{
    maps::{SELECTED, count},
    mem::{offset, read, read_ptr, volatile},
};

/// Nothing can be selected.
const OFF: u32 = 0;
/// Thread groups in the map.
const LISTED: u32 = 1;
/// Everybody.
const ALL: u32 = 2;

/// One of the above, set by userspace before loading.
#[unsafe(no_mangle)]
static SELECTION: u32 = OFF;

/// Whether this thread group is selected.
#[inline(always)]
fn group(tgid: u32) -> bool {
    match volatile(&raw const SELECTION) {
        LISTED => SELECTED.get_ptr(tgid).is_some(),
        ALL => true,
        _ => false,
    }
}

/// Whether the running task is selected.
#[inline(always)]
pub fn current() -> bool {
    group((bpf_get_current_pid_tgid() >> 32) as u32)
}

/// Selects a newborn if its parent is selected.
#[inline(always)]
pub fn inherit(child: u64) -> bool {
    if !current() {
        return false;
    }
    if volatile(&raw const SELECTION) == LISTED {
        // SAFETY: `offset!` reads the frozen layout.
        let tgid = read::<u32>(child, unsafe { offset!(task_tgid) }).unwrap_or(0);
        if SELECTED.insert(tgid, 1, 0).is_err() {
            count(Counter::MapFull);
        }
    }
    true
}

/// When the last thread of a group exits its number can be reused.
#[inline(always)]
pub fn forget_if_last(task: u64) {
    if volatile(&raw const SELECTION) != LISTED {
        return;
    }
    // SAFETY: `offset!` reads the frozen layout.
    let live = unsafe {
        read_ptr(task, offset!(task_signal))
            .and_then(|signal| read::<u32>(signal, offset!(signal_live)))
    };
    if live == Some(0) {
        let _ = SELECTED.remove((bpf_get_current_pid_tgid() >> 32) as u32);
    }
}
