//! Memory that was needed only at the start.

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
