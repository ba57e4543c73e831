//! Raw reads of kernel memory: the only file that turns addresses into values.
//!
//! Reads go through `bpf_probe_read_kernel`, which never faults: memory that
//! cannot be read is counted and comes back as `None`.

use aya_ebpf::helpers::{bpf_get_current_task_btf, bpf_probe_read_kernel};
use tracer_common::{
    event::Counter,
    kind::NsKind,
    layout::{ABSENT, KindLayout, Layout},
};

use crate::maps::count;

/// Filled in by userspace before loading; frozen, so the verifier sees
/// constants.
#[unsafe(no_mangle)]
static LAYOUT: Layout = Layout::ABSENT;

/// Reads one field of [`LAYOUT`], as it is at load time, not as it is here.
macro_rules! offset {
    ($($field:tt)+) => {
        $crate::mem::volatile(&raw const (*$crate::mem::layout()).$($field)+)
    };
}
pub(crate) use offset;

/// Address of the layout.
#[inline(always)]
pub fn layout() -> *const Layout {
    &raw const LAYOUT
}

/// Reads an offset without letting the compiler assume its initial value.
#[inline(always)]
pub fn volatile(field: *const u32) -> u32 {
    // SAFETY: callers pass a field of `LAYOUT`.
    unsafe { core::ptr::read_volatile(field) }
}

/// Reads a `T` at `base + offset`. `None` if the kernel has no such field, if
/// `base` is null, or if the memory cannot be read.
#[inline(always)]
pub fn read<T: Copy>(base: u64, offset: u32) -> Option<T> {
    if offset == ABSENT || base == 0 {
        return None;
    }
    let address = (base + u64::from(offset)) as *const T;
    // SAFETY: the helper checks the address; every `T` used here is a plain
    // integer or array of bytes, for which all bit patterns are values.
    match unsafe { bpf_probe_read_kernel(address) } {
        Ok(value) => Some(value),
        Err(_) => {
            count(Counter::ReadFailed);
            None
        }
    }
}

/// Reads a pointer; `None` also for a null one.
#[inline(always)]
pub fn read_ptr(base: u64, offset: u32) -> Option<u64> {
    read::<u64>(base, offset).filter(|&ptr| ptr != 0)
}

/// Offsets of the structure of this kind.
#[inline(always)]
pub fn kind_layout(kind: NsKind) -> *const KindLayout {
    let index = (kind as usize) & (NsKind::COUNT - 1);
    // SAFETY: the mask keeps the index inside the array of eight.
    unsafe { (&raw const (*layout()).kinds).cast::<KindLayout>().add(index) }
}

/// The running task.
#[inline(always)]
pub fn current() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_current_task_btf() as u64 }
}
