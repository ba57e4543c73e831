//! Atomic operations on map values.
//!
//! The BPF target declares no compare-and-swap, so `core::sync::atomic` has
//! no read-modify-write there, although every kernel from 5.12 has the
//! instructions. The compiler's intrinsics, which need no declaration, do.

use core::intrinsics::{AtomicOrdering::SeqCst, atomic_and, atomic_cxchg, atomic_xadd};

/// An aligned 64-bit word of a map value, touched by programs on all CPUs.
#[derive(Clone, Copy)]
pub struct Word(*mut u64);

impl Word {
    /// # Safety
    ///
    /// `word` must point into a map value, aligned, that stays valid while
    /// this program runs, and be touched only through `Word`.
    pub unsafe fn new(word: *mut u64) -> Self {
        Self(word)
    }

    /// Adds, and returns what was there before.
    #[inline(always)]
    pub fn fetch_add(self, value: u64) -> u64 {
        // SAFETY: promised to `new`.
        unsafe { atomic_xadd::<u64, u64, { SeqCst }>(self.0, value) }
    }

    /// Clears the bits that are not in `mask`.
    #[inline(always)]
    pub fn and(self, mask: u64) {
        // SAFETY: promised to `new`.
        unsafe {
            atomic_and::<u64, u64, { SeqCst }>(self.0, mask);
        }
    }

    /// What is there now.
    #[inline(always)]
    pub fn load(self) -> u64 {
        // SAFETY: promised to `new`; an aligned 64-bit load is one
        // instruction.
        unsafe { core::ptr::read_volatile(self.0) }
    }

    /// Puts `new` in place of `old`; false if something else was there.
    #[inline(always)]
    pub fn replace(self, old: u64, new: u64) -> bool {
        // SAFETY: promised to `new`.
        unsafe { atomic_cxchg::<u64, { SeqCst }, { SeqCst }>(self.0, old, new).1 }
    }
}
