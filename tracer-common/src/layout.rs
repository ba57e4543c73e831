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
    /// A `list_head` that chains all namespaces of this type: 6.18 and later
    /// keep one for each, earlier kernels for network namespaces alone
    /// (`net.list`).
    pub list: u32,
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
    /// `task_struct.exit_state`
    pub task_exit_state: u32,
    /// `task_struct.__state`
    pub task_state: u32,
    /// `task_struct.parent`: who is to reap it
    pub task_parent: u32,
    /// `task_struct.fs`
    pub task_fs: u32,
    /// `task_struct.signal`
    pub task_signal: u32,
    /// `task_struct.real_parent`
    pub task_real_parent: u32,
    /// `task_struct.children`, a `list_head`
    pub task_children: u32,
    /// `task_struct.sibling`, its entry in the list of its parent
    pub task_sibling: u32,
    /// `task_struct.start_time`
    pub task_start_time: u32,
    /// `signal_struct.live`: threads that have not begun to exit
    pub signal_live: u32,
    /// `signal_struct.pids`: pointers to the pids of the thread group, process
    /// group and session, at the index of their `pid_type`
    pub signal_pids: u32,

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
    /// `upid.nr`
    pub upid_nr: u32,

    /// `pid_namespace.pid_allocated`
    pub pid_allocated: u32,

    /// `inode.i_private`
    pub inode_private: u32,
    /// `inode.i_sb`
    pub inode_super: u32,
    /// `file.f_inode`
    pub file_inode: u32,
    /// `file.f_cred`
    pub file_cred: u32,
    /// `path.dentry`
    pub path_dentry: u32,
    /// `dentry.d_inode`
    pub dentry_inode: u32,
    /// `dentry.d_sb`
    pub dentry_super: u32,
    /// `fs_struct.root.dentry`
    pub fs_root: u32,

    /// `super_block.s_list`
    pub super_list: u32,
    /// `super_block.s_magic`
    pub super_magic: u32,
    /// `super_block.s_fs_info`
    pub super_info: u32,
    /// `super_block.s_user_ns`
    pub super_user_ns: u32,
    /// `super_block.s_mounts`, while it is a `list_head` (up to 6.17)
    pub super_mounts: u32,
    /// `mount.mnt_instance`, its entry in that list
    pub mount_instance: u32,
    /// `mount.mnt.mnt_root`
    pub mount_root: u32,
    /// `proc_fs_info.pid_ns`
    pub procfs_pid_ns: u32,
}

impl Layout {
    /// Whether the kernel chains all namespaces of this type in a list that a
    /// walk can follow.
    pub const fn lists(&self, kind: NsKind) -> bool {
        self.kinds[kind as usize].list != ABSENT
    }

    /// Whether it does so for every type that it has (6.18 and later).
    pub const fn lists_all(&self) -> bool {
        let mut index = 0;
        while index < NsKind::COUNT {
            let kind = &self.kinds[index];
            if kind.common != ABSENT && kind.list == ABSENT {
                return false;
            }
            index += 1;
        }
        true
    }
}

impl KindLayout {
    /// Nothing known.
    pub const ABSENT: Self = Self {
        common: ABSENT,
        owner: ABSENT,
        parent: ABSENT,
        level: ABSENT,
        guard: ABSENT,
        list: ABSENT,
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
        task_exit_state: ABSENT,
        task_state: ABSENT,
        task_parent: ABSENT,
        task_fs: ABSENT,
        task_signal: ABSENT,
        task_real_parent: ABSENT,
        task_children: ABSENT,
        task_sibling: ABSENT,
        task_start_time: ABSENT,
        signal_live: ABSENT,
        signal_pids: ABSENT,
        cred_user_ns: ABSENT,
        pid_level: ABSENT,
        pid_numbers: ABSENT,
        upid_size: ABSENT,
        upid_ns: ABSENT,
        upid_nr: ABSENT,
        pid_allocated: ABSENT,
        inode_private: ABSENT,
        inode_super: ABSENT,
        file_inode: ABSENT,
        file_cred: ABSENT,
        path_dentry: ABSENT,
        dentry_inode: ABSENT,
        dentry_super: ABSENT,
        fs_root: ABSENT,
        super_list: ABSENT,
        super_magic: ABSENT,
        super_info: ABSENT,
        super_user_ns: ABSENT,
        super_mounts: ABSENT,
        mount_instance: ABSENT,
        mount_root: ABSENT,
        procfs_pid_ns: ABSENT,
    };
}

#[cfg(feature = "user")]
mod pod {
    use super::Layout;

    // SAFETY: `Layout` is `repr(C)`, consists of `u32` alone (no padding, no
    // pointers), and every bit pattern is a value.
    unsafe impl aya::Pod for Layout {}
}
