//! Records of the kernel walk, written to a BPF iterator's file, and how
//! userspace steers it.
//!
//! Each record starts with a [`Tag`] and has the size of its type. They come
//! in no particular order, and the same object may come more than once.

use crate::event::{NsInfo, NsproxyInfo};
use crate::kind::NsKind;

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
    /// [`WalkProcfs`]
    Procfs = 4,
    /// [`WalkInit`]
    Init = 5,
}

impl Tag {
    /// The tag with this number.
    pub const fn from_u32(raw: u32) -> Option<Self> {
        Some(match raw {
            1 => Self::Namespace,
            2 => Self::Nsproxy,
            3 => Self::Task,
            4 => Self::Procfs,
            5 => Self::Init,
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
    /// Sequence number drawn before credentials and pids were counted; 0 where
    /// they are of no consequence, since the kernel keeps an active count.
    pub tasks_sequence: u64,
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
/// [`WalkTask::flags`]: it has begun to exit (`PF_EXITING`).
pub const TASK_EXITING: u32 = 1 << 2;

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
    /// `task_struct.__state`.
    pub state: u32,
    /// `task_struct.exit_state`.
    pub exit_state: u32,
    /// Thread group of the task that is to reap it: its parent, or its tracer
    /// (`task_struct.parent`).
    pub parent: u32,
    /// Zero.
    pub reserved: u32,
}

/// Deepest nesting of pid namespaces that the kernel allows
/// (`MAX_PID_NS_LEVEL`), and one.
pub const PID_LEVELS: usize = 33;

/// A task that is the first one of its pid namespace, which is not the initial
/// one. Follows its [`WalkTask`].
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkInit {
    /// [`Tag::Init`]
    pub tag: u32,
    /// Depth of that namespace.
    pub level: u32,
    /// Its key.
    pub pid_ns: u64,
    /// The task's pid in the initial pid namespace.
    pub pid: u32,
    /// Its number at each level, from the initial namespace down to its own,
    /// where it is 1; zero below.
    pub numbers: [u32; PID_LEVELS],
}

/// A procfs superblock that the walk met.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkProcfs {
    /// [`Tag::Procfs`]
    pub tag: u32,
    /// Zero.
    pub reserved: u32,
    /// `CLOCK_BOOTTIME` when it was read, nanoseconds.
    pub time: u64,
    /// Its key.
    pub superblock: u64,
    /// Key of the pid namespace that it shows.
    pub pid_ns: u64,
}

/// A ring of kernel objects that a walk follows from one to the next.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ring {
    /// All namespaces of one type: this number and a [`NsKind`].
    Namespaces = 0,
    /// All superblocks: those of procfs keep pid namespaces; those of mqueue
    /// each belong to an ipc namespace; all have a user namespace.
    Superblocks = NsKind::COUNT as u32,
    /// All mounts of nsfs, each of which binds a namespace to a path.
    NsfsMounts = NsKind::COUNT as u32 + 1,
}

/// [`RingCursor::state`]: start from the beginning.
pub const RING_START: u32 = 0;
/// [`RingCursor::state`]: there is more; go on from [`RingCursor::node`].
pub const RING_MORE: u32 = 1;
/// [`RingCursor::state`]: the ring came full circle.
pub const RING_DONE: u32 = 2;
/// [`RingCursor::state`]: the place was lost, since the ring changed. To be
/// started anew.
pub const RING_LOST: u32 = 3;
/// [`RingCursor::state`]: this kernel, or this process, leads to no such ring.
pub const RING_NONE: u32 = 4;

/// How far a walk along a ring has come: set by userspace at the start, by
/// the program after each chunk.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RingCursor {
    /// A [`Ring`].
    pub ring: u32,
    /// `RING_*`.
    pub state: u32,
    /// Key of the next place.
    pub node: u64,
}

#[cfg(feature = "user")]
mod pod {
    // SAFETY: `repr(C)`, two `u32` and a `u64`: no padding, no pointers, and
    // every bit pattern is a value.
    unsafe impl aya::Pod for super::RingCursor {}
}

const _: () = {
    assert!(size_of::<WalkNs>() == 120);
    assert!(size_of::<WalkNsproxy>() == 128);
    assert!(size_of::<WalkTask>() == 72);
    assert!(size_of::<WalkProcfs>() == 32);
    assert!(size_of::<WalkInit>() == 152);
    assert!(size_of::<RingCursor>() == 16);
};
