//! Programs and their twins, see [`tracer_common::twins`].

use aya_ebpf::{macros::map, maps::PerCpuArray};
use tracer_common::twins::NAMES;

/// Whether a program is running on this CPU, by slot.
#[map]
static RUNNING: PerCpuArray<u64> = PerCpuArray::with_max_entries(NAMES.len() as u32, 0);

/// How often its twin stood in for it, by slot.
#[map]
static STOOD_IN: PerCpuArray<u64> = PerCpuArray::with_max_entries(NAMES.len() as u32, 0);

/// What a program does, and that it is at it.
///
/// Neither of both can be at it twice on one CPU: that is what the kernel sees
/// to. Nor does it move to another meanwhile (`migrate_disable`).
#[inline(always)]
pub fn first(slot: u32, act: impl FnOnce()) {
    let Some(running) = RUNNING.get_ptr_mut(slot) else {
        return;
    };
    // SAFETY: an aligned word of this CPU's, which only this program writes,
    // and the kernel does not let it run twice here. Volatile: what runs in the
    // middle of this reads it.
    unsafe { running.write_volatile(1) };
    act();
    // SAFETY: likewise.
    unsafe { running.write_volatile(0) };
}

/// What its twin does: nothing, unless the kernel has skipped the first one.
///
/// Of two tasks that are preempted here one after the other, one between a
/// program and its twin and the other in the middle of that program, the former
/// does twice what it did. All that is done may be done twice.
#[inline(always)]
pub fn second(slot: u32, act: impl FnOnce()) {
    let is_skipped = RUNNING
        .get_ptr(slot)
        // SAFETY: an aligned word of this CPU's, see `first`.
        .is_some_and(|running| unsafe { running.read_volatile() } != 0);
    if !is_skipped {
        return;
    }
    act();
    if let Some(times) = STOOD_IN.get_ptr_mut(slot) {
        // SAFETY: an aligned word of this CPU's, which only this program writes.
        unsafe { *times = (*times).wrapping_add(1) };
    }
}

/// For each row two programs, the second one the twin of the first, and what
/// they do, which is given the context. See the attach plan for the kernel
/// functions.
macro_rules! programs {
    ($($kind:ident $name:ident, $again:ident: $act:expr;)+) => {
        $($crate::twins::programs!(@ $kind $name, $again: $act);)+
    };
    (@ fentry $name:ident, $again:ident: $act:expr) => {
        $crate::twins::programs!(
            @ #[aya_ebpf::macros::fentry] aya_ebpf::programs::FEntryContext, $name, $again: $act
        );
    };
    (@ fexit $name:ident, $again:ident: $act:expr) => {
        $crate::twins::programs!(
            @ #[aya_ebpf::macros::fexit] aya_ebpf::programs::FExitContext, $name, $again: $act
        );
    };
    (@ #[$attach:meta] $context:path, $name:ident, $again:ident: $act:expr) => {
        const _: () = assert!(
            tracer_common::twins::is_twin(stringify!($again), stringify!($name)),
            "a twin is named after its program"
        );

        /// See the attach plan for the kernel function.
        #[$attach]
        pub fn $name(ctx: $context) -> i32 {
            const SLOT: u32 = tracer_common::twins::slot(stringify!($name)).expect("a slot");
            $crate::twins::first(SLOT, || ($act)(&ctx));
            0
        }

        /// Its twin.
        #[$attach]
        pub fn $again(ctx: $context) -> i32 {
            const SLOT: u32 = tracer_common::twins::slot(stringify!($name)).expect("a slot");
            $crate::twins::second(SLOT, || ($act)(&ctx));
            0
        }
    };
}
pub(crate) use programs;
