//! What the running thread is in the middle of, for the cause of what its
//! active references do (6.19 and later: elsewhere the cause is the event).
//!
//! `__ns_ref_active_get` and `__ns_ref_active_put` do not know on whose behalf
//! they are called. Functions that are rare mark their thread when they are
//! entered and take the mark back when they return, so that a mark is there
//! only while it is true. What is left are credentials and pids, which go with
//! every fork and exit and are told apart by the type of the namespace.

use aya_ebpf::{helpers::bpf_get_current_pid_tgid, programs::FExitContext};
use tracer_common::{event::Cause, kind::NsKind, layout::ABSENT};

use crate::{emit::UNKNOWN_CAUSE, known::Known, maps::DOING, mem::offset, twins::programs};

/// The running thread begins to do this.
#[inline(always)]
pub fn begin(cause: Cause) {
    if offset!(ns_active) != ABSENT {
        // An LRU map makes room. Should it fail the cause will be unknown.
        let _ = DOING.insert(bpf_get_current_pid_tgid(), cause as u32, 0);
    }
}

/// Why the running thread takes or drops an active reference to this
/// namespace, which it has just done: a [`Cause`].
#[inline(always)]
pub fn cause(known: *mut Known, kind: NsKind, rises: bool) -> u32 {
    // SAFETY: the value is copied at once; it stays valid (RCU) meanwhile.
    if let Some(&mark) = unsafe { DOING.get(bpf_get_current_pid_tgid()) } {
        return mark;
    }
    match (kind, rises) {
        // SAFETY: an aligned word of a map value, see `known::recall`.
        (NsKind::User, _) => unsafe { (&raw const (*known).creds_cause).read_volatile() },
        (NsKind::Pid, true) => Cause::PidAllocated as u32,
        (NsKind::Pid, false) => Cause::PidFreed as u32,
        _ => UNKNOWN_CAUSE,
    }
}

/// The function that marked its thread has returned.
#[inline(always)]
fn on_end(_ctx: &FExitContext) {
    let _ = DOING.remove(bpf_get_current_pid_tgid());
}

programs! {
    fexit nsproxy_got, nsproxy_got_again: on_end;
    fexit nsproxy_put, nsproxy_put_again: on_end;
    fexit nsfs_inited, nsfs_inited_again: on_end;
    fexit nsfs_gone, nsfs_gone_again: on_end;
}
