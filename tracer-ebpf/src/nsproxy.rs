//! nsproxies: installed, switched, left on exit, freed.

use core::hint::black_box;

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid,
    macros::{btf_tracepoint, fentry},
    programs::{BtfTracePointContext, FEntryContext, FExitContext},
};
use tracer_common::{
    event::{BREACH_IN_USE, Cause, Counter, FLAG_ACTOR, FLAG_SELECTED, NsproxyInfo, Reason, What},
    kind::Slot,
};

use crate::{
    doing,
    emit::{self, Subject, Whom},
    fill::{NO_NSPROXY, fill_nsproxy},
    maps::{EXECS, UNSHARED, count},
    mem::{current, number, offset, read, read_or},
    select,
    twins::programs,
};

/// `task_struct.flags`: getting shut down (`PF_EXITING`).
const PF_EXITING: u32 = 0x4;

/// `task_struct.__state`: made by a fork, and does not run yet (`TASK_NEW`).
const TASK_NEW: u32 = 0x800;

/// The nsproxy of a task; 0 for one that is almost dead.
#[inline(always)]
fn nsproxy_of(task: u64) -> u64 {
    read(task, offset!(task_nsproxy))
}

/// 6.19+: `void nsproxy_ns_active_get(struct nsproxy *ns)`, called when a new
/// nsproxy is put to use, never when it is merely shared.
#[inline(always)]
fn on_nsproxy_get(ctx: &FEntryContext) {
    doing::begin(Cause::NsproxyInstalled);
    installed(ctx.arg(0));
}

/// Up to 6.18: `int copy_namespaces(flags, struct task_struct *tsk)`; on most
/// forks the child shares its parent's, and there is nothing to say.
#[inline(always)]
fn on_nsproxy_copied(ctx: &FExitContext) {
    let result: i32 = ctx.arg(2);
    let nsproxy = nsproxy_of(ctx.arg(1));
    if result == 0 && nsproxy != 0 && nsproxy != nsproxy_of(current()) {
        installed(nsproxy);
    }
}

#[inline(always)]
fn installed(nsproxy: u64) {
    emit::nsproxy(
        What::NsproxyInstalled,
        select::own_deed(),
        0,
        Whom::Current,
        Subject::At(0),
        nsproxy,
    );
}

/// Tracepoint `task_newtask(struct task_struct *task, unsigned long flags)`:
/// the child has its number and does not run yet.
#[btf_tracepoint(function = "task_newtask")]
pub fn task_new(ctx: BtfTracePointContext) -> i32 {
    let child: u64 = ctx.arg(0);
    let selected = select::inherit(child);
    let (from, to) = (nsproxy_of(current()), nsproxy_of(child));
    if from != to && to != 0 {
        emit::nsproxy(
            What::Switched,
            FLAG_ACTOR | if selected { FLAG_SELECTED } else { 0 },
            Reason::Clone as u32,
            Whom::Task(child),
            Subject::At(from),
            to,
        );
    }
    0
}

/// `int unshare_nsproxy_namespaces(flags, struct nsproxy **new_nsp, …)`:
/// remembers what it made, for the switch that follows.
#[inline(always)]
fn on_unshared(ctx: &FExitContext) {
    let result: i32 = ctx.arg(4);
    let made: u64 = read(number(ctx, 1), 0);
    if result == 0 && made != 0 {
        // An LRU map makes room; without the mark the reason would read
        // "setns", which is counted as a loss.
        if UNSHARED
            .insert(bpf_get_current_pid_tgid(), made, 0)
            .is_err()
        {
            count(Counter::MapFull);
        }
    }
}

/// `void switch_task_namespaces(struct task_struct *p, struct nsproxy *new)`.
/// Exits have a hook of their own, since some kernels inline this one there;
/// so has exec.
#[inline(always)]
fn on_switched(ctx: &FEntryContext) {
    let new: u64 = ctx.arg(1);
    if new == 0 {
        return;
    }
    let task: u64 = ctx.arg(0);
    if task != current() {
        switched_by_another(task, Reason::Setns, new);
        return;
    }
    let thread = bpf_get_current_pid_tgid();
    if EXECS.get_ptr(thread).is_some() {
        return;
    }
    // SAFETY: the entry is this thread's own; nobody else writes it.
    let reason = match unsafe { UNSHARED.get(thread) } {
        Some(&made) if made == new => Reason::Unshare,
        _ => Reason::Setns,
    };
    let _ = UNSHARED.remove(thread);
    emit::nsproxy(
        What::Switched,
        select::own_deed(),
        reason as u32,
        Whom::Current,
        Subject::At(nsproxy_of(task)),
        new,
    );
}

/// Only a task itself changes its nsproxy, but for a fork, before the child
/// runs. Says so if this is otherwise.
#[inline(never)]
fn switched_by_another(task: u64, reason: Reason, new: u64) -> i32 {
    if read::<u32>(task, offset!(task_state)) & TASK_NEW != 0 {
        return 0;
    }
    let nsproxy = nsproxy_of(task);
    if nsproxy != 0 {
        emit::nsproxy(
            What::Switched,
            0,
            reason as u32,
            Whom::Victim(task),
            Subject::At(nsproxy),
            new,
        );
    }
    0
}

/// `int exec_task_namespaces(void)`, entered: an exec changes the nsproxy
/// only if the task asked for another time namespace for its children.
#[inline(always)]
fn on_exec_begins(_ctx: &FEntryContext) {
    let nsproxy = nsproxy_of(current());
    let now: u64 = read_or(nsproxy, offset!(nsproxy_slots[Slot::Time as usize]), 0);
    let next = read_or(
        nsproxy,
        offset!(nsproxy_slots[Slot::TimeForChildren as usize]),
        0,
    );
    if now == next {
        return;
    }
    let thread = bpf_get_current_pid_tgid();
    // Not a copy of it, which would be made byte by byte.
    let nothing: &NsproxyInfo = &NO_NSPROXY;
    if EXECS.insert(thread, nothing, 0).is_err() {
        count(Counter::MapFull);
    }
    if let Some(before) = EXECS.get_ptr_mut(thread) {
        fill_nsproxy(before, nsproxy);
    }
}

/// `int exec_task_namespaces(void)`, left.
#[inline(always)]
fn on_exec_ends(_ctx: &FExitContext) {
    exec_switched(0);
}

/// If this thread is in an exec that has left an nsproxy, says so, once. With
/// `freed`, only if it has left that one: its freeing must not come first.
#[inline(always)]
fn exec_switched(freed: u64) {
    let thread = bpf_get_current_pid_tgid();
    // SAFETY: the entry is this thread's own; nobody else writes it.
    let Some(before) = (unsafe { EXECS.get(thread) }) else {
        return;
    };
    if freed != 0 && freed != before.key {
        return;
    }
    let after = nsproxy_of(current());
    if after != before.key {
        emit::nsproxy(
            What::Switched,
            select::own_deed(),
            Reason::Exec as u32,
            Whom::Current,
            Subject::Was(before),
            after,
        );
    }
    let _ = EXECS.remove(thread);
}

/// 6.19+ `exit_nsproxy_namespaces`, before `exit_task_namespaces(struct
/// task_struct *p)`: every exit, and every fork that fails late.
#[fentry]
pub fn task_exit(ctx: FEntryContext) -> i32 {
    let task: u64 = ctx.arg(0);
    if task != current() {
        // A child that never ran: its parent cleans up.
        switched_by_another(task, Reason::Exit, 0);
        return 0;
    }
    count(Counter::Exits);
    if select::current() {
        let nsproxy = nsproxy_of(task);
        left_by_exit(nsproxy, FLAG_SELECTED);
        select::has_left(nsproxy);
        select::forget_if_last(task);
    }
    0
}

#[inline(always)]
fn left_by_exit(nsproxy: u64, flags: u32) {
    if nsproxy == 0 {
        return;
    }
    emit::nsproxy(
        What::Switched,
        FLAG_ACTOR | flags,
        Reason::Exit as u32,
        Whom::Current,
        Subject::At(nsproxy),
        0,
    );
}

/// [`BREACH_IN_USE`] if this is the task's nsproxy, else 0. Without a branch: the
/// verifier would follow both ways from there on.
#[inline(always)]
fn in_use(task: u64, nsproxy: u64) -> u32 {
    let other = black_box(nsproxy_of(task) ^ nsproxy);
    let differs = black_box((other | other.wrapping_neg()) >> 63) as u32;
    (differs ^ 1) << BREACH_IN_USE.trailing_zeros()
}

/// 6.19+ `nsproxy_ns_active_put`, before `free_nsproxy(struct nsproxy *ns)`:
/// the last count is gone, its namespaces are still held.
#[inline(always)]
fn on_nsproxy_freed(ctx: &FEntryContext) {
    let nsproxy: u64 = ctx.arg(0);
    doing::begin(Cause::NsproxyDropped);
    let task = current();
    let flags: u32 = read(task, offset!(task_flags));
    let dies_with_task = flags & PF_EXITING != 0 && nsproxy_of(task) == 0;
    if dies_with_task && !select::was_left(nsproxy) {
        left_by_exit(nsproxy, 0);
    }
    exec_switched(nsproxy);
    emit::nsproxy_freed(nsproxy, in_use(task, number(ctx, 0)));
    // An unshare that failed after making this one leaves its mark.
    let thread = bpf_get_current_pid_tgid();
    // SAFETY: the entry is this thread's own; nobody else writes it.
    if let Some(&made) = unsafe { UNSHARED.get(thread) }
        && made == nsproxy
    {
        let _ = UNSHARED.remove(thread);
    }
}

programs! {
    fentry nsproxy_get, nsproxy_get_again: on_nsproxy_get;
    fexit nsproxy_copied, nsproxy_copied_again: on_nsproxy_copied;
    fexit unshared, unshared_again: on_unshared;
    fentry switched, switched_again: on_switched;
    fentry exec_begins, exec_begins_again: on_exec_begins;
    fexit exec_ends, exec_ends_again: on_exec_ends;
    fentry nsproxy_freed, nsproxy_freed_again: on_nsproxy_freed;
}
