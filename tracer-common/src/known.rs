//! What the kernel programs remember of each namespace.

use crate::kind::NsKind;

/// What is remembered of one namespace that is not initial: the value of the
/// map `NAMESPACES`, whose keys are inode numbers. How its words are used
/// is written where the programs use them (`tracer-ebpf/src/known.rs`).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// Address of its `ns_common`, to tell it from an earlier or later
    /// holder of the same inode number.
    pub key: u64,
    /// Last sequence number drawn.
    pub drawn: u64,
    /// Last report of whether its active count is above zero.
    pub active: u64,
    /// Last report of whether tasks keep it active.
    pub tasks: u64,
    /// Tasks whose real credentials are in this user namespace.
    pub creds: u64,
    /// When a walk first found that nothing refers to it, `CLOCK_BOOTTIME`; 0
    /// if none did.
    pub unused: u64,
    /// A [`NsKind`].
    pub kind: u32,
    /// The [`Cause`](crate::event::Cause) of the last change of `creds` from 0
    /// or to 0; 0 if not known.
    pub creds_cause: u32,
}

impl Known {
    /// One of which nothing was reported yet.
    #[inline(always)]
    pub const fn new(key: u64, kind: NsKind) -> Self {
        Self {
            key,
            drawn: 0,
            active: 0,
            tasks: 0,
            creds: 0,
            unused: 0,
            kind: kind as u32,
            creds_cause: 0,
        }
    }
}

const _: () = assert!(size_of::<Known>() == 56);

#[cfg(feature = "user")]
mod user {
    // SAFETY: integers only, `repr(C)`, without padding: the size is that of
    // its fields.
    unsafe impl aya::Pod for super::Known {}
}
