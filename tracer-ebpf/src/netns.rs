//! The clean-up of network namespaces: one round (`cleanup_net`) for all that
//! await it, in one thread.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid,
    programs::{FEntryContext, FExitContext},
};
use tracer_common::event::Phase;

use crate::{
    emit::{self, now},
    maps::NET_ROUND,
    twins::programs,
};

/// What is known of the round that goes on. Times are those of
/// [`NetCleanupEvent`](tracer_common::event::NetCleanupEvent).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Round {
    /// The thread that does it, 0 for none.
    thread: u64,
    /// When it began.
    pub begin: u64,
    /// When the first exit functions were called.
    pub exits_begin: u64,
    /// When the last ones returned.
    pub exits_end: u64,
}

/// The round that the running thread is in.
#[inline(always)]
fn own_round() -> Option<*mut Round> {
    let round = NET_ROUND.get_ptr_mut(0)?;
    // SAFETY: a map value; only the thread that it names writes to it from
    // here on, and this asks whether that one runs.
    (unsafe { (*round).thread } == bpf_get_current_pid_tgid()).then_some(round)
}

/// `void cleanup_net(struct work_struct *work)`: it takes all that are queued.
#[inline(always)]
fn on_net_cleanup_begins(_ctx: &FEntryContext) {
    let Some(round) = NET_ROUND.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: a map value, and there is no other round: see `NET_ROUND`.
    unsafe {
        (*round).thread = bpf_get_current_pid_tgid();
        (*round).begin = now();
        (*round).exits_begin = 0;
        (*round).exits_end = 0;
        emit::net_cleanup(Phase::Begin, &*round, 0);
    }
}

/// The same, left: all of them are gone.
#[inline(always)]
fn on_net_cleanup_ends(_ctx: &FExitContext) {
    if let Some(round) = own_round() {
        // SAFETY: see `own_round`.
        unsafe {
            (*round).thread = 0;
            emit::net_cleanup(Phase::End, &*round, now());
        }
    }
}

/// `void ops_undo_list(const struct list_head *ops_list, …)`, once in a round;
/// where that is missing (6.1) `void ops_exit_list(const struct
/// pernet_operations *ops, struct list_head *net_exit_list)`, once for each
/// part of the network. Both are called elsewhere, too.
#[inline(always)]
fn on_net_exits_begin(_ctx: &FEntryContext) {
    if let Some(round) = own_round() {
        // SAFETY: see `own_round`.
        unsafe {
            if (*round).exits_begin == 0 {
                (*round).exits_begin = now();
            }
        }
    }
}

/// The same, left.
#[inline(always)]
fn on_net_exits_end(_ctx: &FExitContext) {
    if let Some(round) = own_round() {
        // SAFETY: see `own_round`.
        unsafe { (*round).exits_end = now() };
    }
}

programs! {
    fentry net_cleanup_begins, net_cleanup_begins_again: on_net_cleanup_begins;
    fexit net_cleanup_ends, net_cleanup_ends_again: on_net_cleanup_ends;
    fentry net_exits_begin, net_exits_begin_again: on_net_exits_begin;
    fexit net_exits_end, net_exits_end_again: on_net_exits_end;
}
