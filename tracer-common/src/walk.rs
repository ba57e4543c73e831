//! Records of the kernel walk, written to a BPF iterator's file.
//!
//! Each record starts with a [`Tag`] and has the size of its type. They come
//! in no particular order, and the same object may come more than once.

use crate::event::{NsInfo, NsproxyInfo};

/// The kind of a walk record.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tag {
    /// [`WalkNs`]
    Namespace = 1,
    /// [`WalkNsproxy`]
    Nsproxy = 2,
    /// [`WalkTask`]
    Task = 3,
}

impl Tag {
    /// The tag with this number.
    pub const fn from_u32(raw: u32) -> Option<Self> {
        Some(match raw {
            1 => Self::Namespace,
            2 => Self::Nsproxy,
            3 => Self::Task,
            _ => return None,
        })
    }
}

/// A namespace that the walk met.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkNs {
    /// [`Tag::Namespace`]
    pub tag: u32,
    /// Zero.
    pub reserved: u32,
    /// `CLOCK_BOOTTIME` when it was read, nanoseconds.
    pub time: u64,
    /// Sequence number drawn before the counts were read; 0 where the kernel
    /// keeps no active count.
    pub sequence: u64,
    /// The namespace.
    pub ns: NsInfo,
}

/// An nsproxy that the walk met.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkNsproxy {
    /// [`Tag::Nsproxy`]
    pub tag: u32,
    /// Zero.
    pub reserved: u32,
    /// `CLOCK_BOOTTIME` when it was read, nanoseconds.
    pub time: u64,
    /// The nsproxy.
    pub nsproxy: NsproxyInfo,
}

/// [`WalkTask::flags`]: a kernel thread; its nsproxy is the initial one.
pub const TASK_KTHREAD: u32 = 1 << 0;
/// [`WalkTask::flags`]: the leader of its thread group.
pub const TASK_LEADER: u32 = 1 << 1;

/// A task (thread) that the walk met.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkTask {
    /// [`Tag::Task`]
    pub tag: u32,
    /// `TASK_*`.
    pub flags: u32,
    /// Key of its nsproxy, 0 for a task that is almost dead.
    pub nsproxy: u64,
    /// Key of the user namespace of its real credentials.
    pub user_ns: u64,
    /// Key of the deepest pid namespace it has a number in, 0 once reaped.
    pub pid_ns: u64,
    /// Its pid in the initial pid namespace.
    pub pid: u32,
    /// Its thread group, likewise.
    pub tgid: u32,
    /// Its command name.
    pub comm: [u8; 16],
}

const _: () = {
    assert!(size_of::<WalkNs>() == 96);
    assert!(size_of::<WalkNsproxy>() == 128);
    assert!(size_of::<WalkTask>() == 56);
};
