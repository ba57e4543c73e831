//! Raw reads of kernel memory: the only file that turns addresses into values.
//!
//! Reads go through `bpf_probe_read_kernel`, which never faults: memory that
//! cannot be read is counted and comes back as zero.

use core::{ffi::c_void, hint::black_box, mem::MaybeUninit};

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_get_current_task_btf, bpf_probe_read_kernel},
};
use tracer_common::{
    event::Counter,
    kind::NsKind,
    layout::{ABSENT, KindLayout, Layout},
};

use crate::maps::count;

/// Filled in by userspace before loading; frozen, so the verifier sees
/// constants.
#[unsafe(no_mangle)]
pub static LAYOUT: Layout = Layout::ABSENT;

/// A field of [`LAYOUT`], as it is at load time, not as it is here.
macro_rules! offset {
    ($($field:tt)+) => {
        $crate::mem::constant(&$crate::mem::LAYOUT.$($field)+)
    };
}
pub(crate) use offset;

/// Reads a constant without letting the compiler assume its initial value.
#[inline(always)]
pub fn constant<T: Copy>(constant: &'static T) -> T {
    // SAFETY: a reference can be read.
    unsafe { core::ptr::read_volatile(constant) }
}

/// Counts memory that could not be read. A function of its own, so that the
/// verifier looks at it once for each read and not once for each way to it.
#[inline(never)]
fn unreadable() -> i32 {
    count(Counter::ReadFailed);
    0
}

/// Copies what is at `base + offset`, or zeroes if that cannot be read. Returns
/// what the helper says: 0 if it could.
#[inline(always)]
fn copy<T: Copy>(to: &mut MaybeUninit<T>, base: u64, offset: u32) -> i64 {
    // SAFETY: the helper checks the address, and fills `to` in any case.
    unsafe {
        bpf_probe_read_kernel(
            to.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            base.wrapping_add(u64::from(offset)) as *const c_void,
        )
    }
}

/// Reads a `T` at `base + offset`, which must not be null; zero (and counted)
/// if the memory cannot be read. Not an `Option`: the verifier would follow
/// "some" and "none" separately from there on.
#[inline(always)]
pub fn read<T: Copy>(base: u64, offset: u32) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    if copy(&mut value, base, offset) != 0 {
        unreadable();
    }
    // SAFETY: the helper has filled it; every `T` used here is a plain integer or
    // array of bytes, for which all bit patterns are values.
    unsafe { value.assume_init() }
}

/// Several reads, of which it is counted once if any fails. The verifier follows
/// each of them one way, where after a [`read`] it follows two.
pub struct Reads {
    /// What the helper returned, all bits of it: 0 as long as none has failed.
    failed: i64,
}

impl Reads {
    /// None yet.
    #[inline(always)]
    pub fn begin() -> Self {
        Self { failed: 0 }
    }

    /// As [`read`].
    #[inline(always)]
    pub fn read<T: Copy>(&mut self, base: u64, offset: u32) -> T {
        let mut value = MaybeUninit::<T>::uninit();
        self.failed |= copy(&mut value, base, offset);
        // SAFETY: as for the other `read`.
        unsafe { value.assume_init() }
    }

    /// As [`read_or`].
    #[inline(always)]
    pub fn read_or<T: Copy>(&mut self, base: u64, offset: u32, absent: T) -> T {
        if offset == ABSENT {
            absent
        } else {
            self.read(base, offset)
        }
    }

    /// Counts it if any has failed.
    #[inline(always)]
    pub fn end(self) {
        if self.failed != 0 {
            unreadable();
        }
    }
}

/// As [`read`], for memory that may not be what it is taken for, since nothing
/// holds it: zero, and not counted, if it cannot be read.
#[inline(always)]
pub fn peek<T: Copy>(base: u64, offset: u32) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    copy(&mut value, base, offset);
    // SAFETY: as for `read`.
    unsafe { value.assume_init() }
}

/// Has the verifier forget what it knows of a value on the stack. Whatever it
/// knows it follows: where the same code runs with this value and with that, as
/// in the steps of a loop, it looks at the code once for each. Some kernels (6.19)
/// stop looking only if it is forgotten in each step.
#[inline(always)]
pub fn forget<T: Copy>(value: &mut T) {
    let copy = *value;
    // SAFETY: the helper copies a value on the stack over itself.
    unsafe {
        bpf_probe_read_kernel(
            (&raw mut *value).cast(),
            size_of::<T>() as u32,
            (&raw const copy).cast(),
        );
    }
}

/// Writes a value word by word. What the compiler makes of an assignment of more
/// than a few words are calls that go byte by byte, and the verifier looks at
/// each of them.
///
/// # Safety
///
/// `to` has room for a `T`, aligned to words.
#[inline(always)]
pub unsafe fn put<T: Copy>(to: *mut T, value: &T) {
    const { assert!(size_of::<T>().is_multiple_of(8) && align_of::<T>() == 8) };
    let (to, from) = (to.cast::<u64>(), (&raw const *value).cast::<u64>());
    let mut index = 0;
    while index < size_of::<T>() / 8 {
        // SAFETY: both have as many words. Volatile, or it would be an
        // assignment again.
        unsafe { to.add(index).write_volatile(from.add(index).read()) };
        index += 1;
    }
}

/// As [`read`], with an answer for kernels that have no such field.
#[inline(always)]
pub fn read_or<T: Copy>(base: u64, offset: u32, absent: T) -> T {
    if offset == ABSENT {
        absent
    } else {
        read(base, offset)
    }
}

/// Offsets of the structure of this kind.
#[inline(always)]
pub fn kind_layout(kind: NsKind) -> &'static KindLayout {
    // The compiler knows the range of a `NsKind` and would drop the mask that
    // tells the verifier.
    &LAYOUT.kinds[black_box(kind as usize) & (NsKind::COUNT - 1)]
}

/// The running task.
#[inline(always)]
pub fn current() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_current_task_btf() as u64 }
}

/// An argument of the hooked function as a mere number. The verifier knows
/// the types of arguments and does not let a typed pointer go back to the
/// structure around its target (nor, before 6.14 or so, a pointer to a pointer
/// be used at all); a number may.
#[inline(always)]
pub fn number(ctx: &impl EbpfContext, argument: u32) -> u64 {
    read(ctx.as_ptr() as u64, argument * 8)
}
