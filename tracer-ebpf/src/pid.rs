//! Pids: each keeps the deepest pid namespace in which it has a number active,
//! from its allocation until it is freed, which can be long after its task is
//! gone: while it is the process group or the session of another.
//!
//! Only for kernels without an active count (before 6.19). There is nothing
//! to count here: `pid_namespace.pid_allocated` tells. It includes the pids
//! of deeper namespaces, but those cannot outlive the init of this one. A pid
//! namespace that has come down to no pids never gets another, so its history
//! is none, some, none, and what was reported need not be read again.

use aya_ebpf::programs::FExitContext;
use tracer_common::{
    event::{Cause, Counter, What},
    kind::NsKind,
};

use crate::{
    emit::{self, Why},
    fill::pids_of,
    known::{Known, Watched, observe, remember, unreport, was_reported},
    maps::count,
    mem::{constant, kind_layout, number, offset, read},
    ns_common::{common_of, is_namespace},
    select,
    twins::programs,
};

/// Reads whether there are pids and, if that is news, says so.
#[inline(always)]
fn report(known: *mut Known, key: u64, pid_ns: u64, flags: u32, cause: Cause) {
    let reading = observe(known, Watched::Tasks, || pids_of(pid_ns).count);
    let pid = (key, NsKind::Pid);
    let why = Why {
        cause: cause as u32,
        flags,
    };
    if reading.flipped && !emit::reading(What::NsTasks, why, pid, &reading, 0) {
        unreport(read(key, offset!(ns_inum)), Watched::Tasks);
    }
}

/// `struct pid *alloc_pid(struct pid_namespace *ns, …)`. Whether it worked the
/// count says.
#[inline(always)]
fn on_pid_allocated(ctx: &FExitContext) {
    let pid_ns = number(ctx, 0);
    if read::<u32>(pid_ns, constant(&kind_layout(NsKind::Pid).level)) == 0 {
        return;
    }
    let key = common_of(pid_ns, NsKind::Pid);
    if let Some(known) = remember(read(key, offset!(ns_inum)), key, NsKind::Pid)
        && !was_reported(known, Watched::Tasks)
    {
        let actor = select::own_deed();
        report(known, key, pid_ns, actor, Cause::PidAllocated);
    }
}

/// `void free_pid(struct pid *pid)`. Its memory, and with it the namespace,
/// stays for a grace period, which cannot be over yet; should it be after
/// all, there is no namespace to be recognized.
#[inline(always)]
fn on_pid_freed(ctx: &FExitContext) {
    let pid = number(ctx, 0);
    if read::<u32>(pid, offset!(pid_level)) == 0 {
        return;
    }
    let pid_ns = deepest_namespace(pid);
    if pids_of(pid_ns).count > 0 {
        return;
    }
    let key = common_of(pid_ns, NsKind::Pid);
    if !is_namespace(key, NsKind::Pid) {
        count(Counter::ReadFailed);
    } else if let Some(known) = remember(read(key, offset!(ns_inum)), key, NsKind::Pid) {
        report(known, key, pid_ns, 0, Cause::PidFreed);
    }
}

/// The structure of the deepest pid namespace in which a `struct pid` has a
/// number.
#[inline(always)]
pub fn deepest_namespace(pid: u64) -> u64 {
    let level: u32 = read(pid, offset!(pid_level));
    read(at_level(pid, level), offset!(upid_ns))
}

/// The number of a `struct pid` in the namespace at this level, which it must
/// reach.
#[inline(always)]
pub fn number_at(pid: u64, level: u32) -> u32 {
    read(at_level(pid, level), offset!(upid_nr))
}

/// Where a `struct pid` keeps what it is at this level.
#[inline(always)]
fn at_level(pid: u64, level: u32) -> u64 {
    pid + u64::from(offset!(pid_numbers)) + u64::from(level) * u64::from(offset!(upid_size))
}

programs! {
    fexit pid_allocated, pid_allocated_again: on_pid_allocated;
    fexit pid_freed, pid_freed_again: on_pid_freed;
}
