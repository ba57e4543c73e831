//! What the allocator may keep.

/// Has all threads share one heap. To be called before there are any: otherwise each of them gets
/// one of its own, and a walk, whose memory is given back when it is over, leaves some in whichever
/// thread it ran.
pub fn one_heap() {
    // SAFETY: it takes numbers, and there is no other thread that allocates.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives memory of the heap that nobody uses back to the kernel. To be called when something big
/// has been dropped: the allocator would keep what lies between the small pieces that are left,
/// and what the kernel says of its own types takes 30 MiB while it is read.
pub(crate) fn give_back() {
    // SAFETY: it may be called at any time and touches only memory that is not in use.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}
