//! Where the running kernel keeps what the programs read.
//!
//! Resolved from the kernel's BTF by userspace and written into the
//! programs' read-only data before they are loaded, so the verifier sees
//! constants. All offsets are in bytes.

use crate::kind::{NsKind, Slot};

/// The kernel has no such field.
pub const ABSENT: u32 = u32::MAX;

/// Fields of one `*_namespace` structure (or `struct net`).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KindLayout {
    /// Its embedded `ns_common`.
    pub common: u32,
    /// Pointer to the owning user namespace (`user_ns`; `parent` of a user
    /// namespace).
    pub owner: u32,
    /// Pointer to the parent (pid and user namespaces).
    pub parent: u32,
    /// `level` (pid and user namespaces).
    pub level: u32,
    /// `net_cookie` or `seq`, see [`crate::event::NsInfo::guard`].
    pub guard: u32,
}

/// All offsets.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Per type, indexed by [`NsKind`].
    pub kinds: [KindLayout; NsKind::COUNT],

    /// `ns_common.inum`
    pub ns_inum: u32,
    /// `ns_common.ns_type` (6.18+)
    pub ns_type: u32,
    /// `ns_common.ops`
    pub ns_ops: u32,
    /// `proc_ns_operations.type` (up to 6.17)
    pub ops_type: u32,
    /// `ns_common.__ns_ref`, formerly `count`
    pub ns_refs: u32,
    /// `ns_common.ns_id` (6.18+)
    pub ns_id: u32,
    /// `ns_common.__ns_ref_active` (6.19+)
    pub ns_active: u32,
    /// `ns_common.ns_unified_node.ns_list_entry` (6.19+)
    pub ns_list: u32,
    /// `ns_common.stashed`
    pub ns_stashed: u32,

    /// `nsproxy.count`
    pub nsproxy_count: u32,
    /// The eight pointers, indexed by [`Slot`].
    pub nsproxy_slots: [u32; Slot::COUNT],

    /// `user_namespace.owner`
    pub user_owner_uid: u32,

    /// `task_struct.nsproxy`
    pub task_nsproxy: u32,
    /// `task_struct.pid`
    pub task_pid: u32,
    /// `task_struct.tgid`
    pub task_tgid: u32,
    /// `task_struct.comm`
    pub task_comm: u32,
    /// `task_struct.flags`
    pub task_flags: u32,
    /// `task_struct.real_cred`
    pub task_real_cred: u32,
    /// `task_struct.thread_pid`
    pub task_thread_pid: u32,
    /// `task_struct.signal`
    pub task_signal: u32,
    /// `signal_struct.live`: threads that have not begun to exit
    pub signal_live: u32,

    /// `cred.user_ns`
    pub cred_user_ns: u32,

    /// `pid.level`
    pub pid_level: u32,
    /// `pid.numbers`
    pub pid_numbers: u32,
    /// Size of a `struct upid`
    pub upid_size: u32,
    /// `upid.ns`
    pub upid_ns: u32,

    /// `inode.i_private`
    pub inode_private: u32,
    /// `path.dentry`
    pub path_dentry: u32,
    /// `dentry.d_inode`
    pub dentry_inode: u32,
}

impl KindLayout {
    /// Nothing known.
    pub const ABSENT: Self = Self {
        common: ABSENT,
        owner: ABSENT,
        parent: ABSENT,
        level: ABSENT,
        guard: ABSENT,
    };
}

impl Layout {
    /// Nothing known.
    pub const ABSENT: Self = Self {
        kinds: [KindLayout::ABSENT; NsKind::COUNT],
        ns_inum: ABSENT,
        ns_type: ABSENT,
        ns_ops: ABSENT,
        ops_type: ABSENT,
        ns_refs: ABSENT,
        ns_id: ABSENT,
        ns_active: ABSENT,
        ns_list: ABSENT,
        ns_stashed: ABSENT,
        nsproxy_count: ABSENT,
        nsproxy_slots: [ABSENT; Slot::COUNT],
        user_owner_uid: ABSENT,
        task_nsproxy: ABSENT,
        task_pid: ABSENT,
        task_tgid: ABSENT,
        task_comm: ABSENT,
        task_flags: ABSENT,
        task_real_cred: ABSENT,
        task_thread_pid: ABSENT,
        task_signal: ABSENT,
        signal_live: ABSENT,
        cred_user_ns: ABSENT,
        pid_level: ABSENT,
        pid_numbers: ABSENT,
        upid_size: ABSENT,
        upid_ns: ABSENT,
        inode_private: ABSENT,
        path_dentry: ABSENT,
        dentry_inode: ABSENT,
    };
}

#[cfg(feature = "user")]
mod pod {
    use super::Layout;

    // SAFETY: `Layout` is `repr(C)`, consists of `u32` alone (no padding, no
    // pointers), and every bit pattern is a value.
    unsafe impl aya::Pod for Layout {}
}
