//! Programs and their twins, see [`tracer_common::twins`].

use core::cell::UnsafeCell;

use aya_ebpf::{EbpfContext, macros::map, maps::PerCpuArray};
use tracer_common::twins::NAMES;

/// Where the arguments are of the call that a program ran for last on this CPU:
/// two words for each slot, the program's and its twin's.
///
/// A word is written by one program alone, which the kernel does not let run
/// twice on a CPU, nor leave it (`migrate_disable`).
#[map]
static PLACES: PerCpuArray<u64> = PerCpuArray::with_max_entries(2 * NAMES.len() as u32, 0);

/// Calls that a program did its work for and its twin has not seen yet, by slot
/// and [`cell`].
///
/// A call is told from all others by where its arguments are: a trampoline keeps
/// them on the stack, once for all its programs, and whatever interrupts or
/// preempts it has another place for them. Not by CPU: a task may be preempted,
/// or move, between the two programs.
///
/// Not a map, so that no call is needed to get at a cell.
static CALLS: Calls = Calls(UnsafeCell::new([0; NAMES.len() << CELL_BITS]));

/// How many cells there are for each slot, as a power of two. Two calls that
/// meet in one cell, both of them between a program and its twin, may have one
/// of the twins do what was done, and say that it stood in.
const CELL_BITS: u32 = 8;

/// Cells that programs on all CPUs write, a word at a time.
struct Calls(UnsafeCell<[u64; NAMES.len() << CELL_BITS]>);

// SAFETY: nobody borrows what is in it: it is read and written by word, which
// the kernel's machines do at once.
unsafe impl Sync for Calls {}

/// How often its twin stood in for a program, by slot: one entry, so that
/// userspace reads them at once.
#[map]
static STOOD_IN: PerCpuArray<[u64; NAMES.len()]> = PerCpuArray::with_max_entries(1, 0);

/// Notes for which call this program runs, and does its work.
#[inline(always)]
pub fn first(slot: u32, ctx: &impl EbpfContext, act: impl FnOnce()) {
    let Some(place) = place(2 * slot, ctx) else {
        return;
    };
    // SAFETY: an aligned word. Volatile: it is for the twin.
    unsafe { cell(slot, place).write_volatile(place) };
    act();
}

/// What its twin does: nothing, unless the kernel has skipped the first one for
/// this call, which it does not do where that one has never run.
///
/// All that is done may be done twice.
#[inline(always)]
pub fn second(slot: u32, ctx: &impl EbpfContext, act: impl FnOnce()) {
    let Some(place) = place(2 * slot + 1, ctx) else {
        return;
    };
    let call = cell(slot, place);
    // SAFETY: an aligned word, which `first` writes.
    if unsafe { call.read_volatile() } == place {
        // The next call may have its arguments in the same place.
        // SAFETY: likewise.
        unsafe { call.write_volatile(0) };
        return;
    }
    let has_run = PLACES
        .get_ptr(2 * slot)
        // SAFETY: an aligned word of this CPU's.
        .is_some_and(|place| unsafe { place.read_volatile() } != 0);
    if !has_run {
        return;
    }
    act();
    if let Some(times) = STOOD_IN.get_ptr_mut(0) {
        // SAFETY: an aligned word of this CPU's, which only this program writes;
        // each slot is an index of it.
        unsafe {
            let times = times.cast::<u64>().add(slot as usize);
            *times = (*times).wrapping_add(1);
        }
    }
}

/// Where a call's arguments are, as a number: from [`PLACES`], since the verifier
/// does not let programs calculate with what it knows to be their context.
#[inline(always)]
fn place(index: u32, ctx: &impl EbpfContext) -> Option<u64> {
    let word = PLACES.get_ptr_mut(index)?;
    // SAFETY: an aligned word of this CPU's, which only this program writes.
    // Volatile: what is read is to be what the map has.
    unsafe {
        word.write_volatile(ctx.as_ptr() as u64);
        Some(word.read_volatile())
    }
}

/// Where in [`CALLS`] a call is noted whose arguments are in this place: stacks
/// differ in the middle of an address, calls on one stack in its end.
#[inline(always)]
fn cell(slot: u32, place: u64) -> *mut u64 {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let index = (slot << CELL_BITS) as usize
        + (place.wrapping_mul(GOLDEN) >> (u64::BITS - CELL_BITS)) as usize;
    // SAFETY: the highest bits of a number, as many as number the cells of a
    // slot.
    unsafe { CALLS.0.get().cast::<u64>().add(index) }
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
            $crate::twins::first(SLOT, &ctx, || ($act)(&ctx));
            0
        }

        /// Its twin.
        #[$attach]
        pub fn $again(ctx: $context) -> i32 {
            const SLOT: u32 = tracer_common::twins::slot(stringify!($name)).expect("a slot");
            $crate::twins::second(SLOT, &ctx, || ($act)(&ctx));
            0
        }
    };
}
pub(crate) use programs;
