//! What goes into the model: one observation each, already validated.
//!
//! [`crate::decode`] makes these from the kernel programs' records. What a
//! record leaves unread is `None` here, never 0.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

use tracer_common::event::{Cause, Reason};
use tracer_common::kind::{NsKind, Slot};

use super::{Actor, Errno, Exited, Reaped};

/// The kernel address of an object: unique while the object is allocated,
/// reused afterwards. It never leaves the process, so it does not print.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(NonZeroU64);

impl Key {
    /// The key at this address; `None` for the null pointer.
    pub const fn new(address: u64) -> Option<Self> {
        match NonZeroU64::new(address) {
            Some(address) => Some(Self(address)),
            None => None,
        }
    }

    /// The address.
    pub const fn address(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// One record from the ring buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// When, and in whose context.
    pub origin: Origin,
    /// What.
    pub body: Body,
    /// Which rules that breaks.
    pub breaches: Breaches,
}

/// Rules that the kernel programs saw broken when they looked. All others are
/// judged by the [`super::Tracker`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Breaches {
    /// [`Body::Switched`]: another task did that to the origin's task, which
    /// runs already.
    pub foreign: bool,
    /// [`Body::NsproxyFreed`]: the origin's task still has it.
    pub in_use: bool,
}

/// When an event happened, and which task ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// `CLOCK_BOOTTIME`, nanoseconds.
    pub time: u64,
    /// The task that ran.
    pub task: Actor,
    /// Its cgroup (inode number on the unified hierarchy), 0 if not known.
    pub cgroup: u64,
    /// Whether that task did it, rather than merely being there.
    pub is_actor: bool,
    /// Whether a running trace selected that task.
    pub selected: bool,
}

/// What an event says, see [`tracer_common::event::What`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// A namespace came to be, made by the origin's task.
    Created {
        /// The namespace.
        ns: NsFacts,
        /// How long it took to make, nanoseconds, if that was seen.
        took: Option<u64>,
    },
    /// A namespace that the origin's task wanted could not be made.
    Failed {
        /// Its type.
        kind: NsKind,
        /// Why.
        errno: Errno,
    },
    /// The kernel's active count of a namespace was read after it flipped.
    Activity {
        /// The namespace.
        ns: NsFacts,
        /// Drawn before the count was read: of two readings, the one with
        /// the higher number is the newer.
        sequence: u64,
        /// What made it flip.
        cause: Option<Cause>,
        /// The namespace that pulled this one, its owner, along: the task has
        /// just said that it flipped.
        below: Option<Key>,
    },
    /// The last reference to a namespace was dropped.
    LastRef(NsFacts),
    /// The inode number of a namespace was given back.
    Freed(NsRef),
    /// An inode of nsfs stands for the namespace.
    NsfsOpened {
        /// The namespace.
        ns: NsFacts,
        /// The inode.
        inode: Key,
    },
    /// An inode of nsfs went away.
    NsfsEvicted {
        /// The namespace it stood for.
        ns: NsFacts,
        /// The inode.
        inode: Key,
    },
    /// An nsproxy was put to use.
    NsproxyInstalled(NsproxyFacts),
    /// The origin's task changed its nsproxy.
    Switched {
        /// How.
        reason: Reason,
        /// What it left.
        from: NsproxyFacts,
        /// What it took up; `None` when it exited.
        to: Option<NsproxyFacts>,
    },
    /// The last count of an nsproxy was dropped.
    NsproxyFreed(NsproxyFacts),
    /// Where the kernel keeps no active count: the credentials in a user
    /// namespace, or the pids of a pid namespace, were counted after they
    /// became none or ceased to be.
    Tasks {
        /// The namespace.
        ns: NsFacts,
        /// Drawn before they were counted, see [`Body::Activity`].
        sequence: u64,
        /// What made them so.
        cause: Option<Cause>,
    },
    /// The init of a pid namespace, the origin's task, begins to kill and reap
    /// everybody else in it.
    InitDying(NsFacts),
    /// It has done that.
    InitDead(NsFacts),
    /// The origin's task has left its namespaces and handed its children over.
    TaskExited(Exited),
    /// The origin's task was reaped.
    TaskReaped(Reaped),
    /// Everything that this namespace pulled along has been said.
    ClimbEnded(NsRef),
    /// The origin's thread begins to clean up all network namespaces that await
    /// it.
    NetCleanupBegan {
        /// When.
        at: u64,
    },
    /// It has done that.
    NetCleanupEnded(CleanupTimes),
    /// A procfs was mounted that shows a pid namespace.
    ProcfsMounted {
        /// The namespace.
        ns: NsFacts,
        /// The superblock.
        superblock: Key,
    },
    /// That superblock went away.
    ProcfsGone {
        /// The namespace that it showed.
        ns: NsFacts,
        /// The superblock.
        superblock: Key,
    },
}

impl Body {
    /// A creation of which nobody saw the beginning.
    pub const fn created(ns: NsFacts) -> Self {
        Self::Created { ns, took: None }
    }
}

/// When a round of cleaning up network namespaces came how far,
/// `CLOCK_BOOTTIME` nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CleanupTimes {
    /// It began (`cleanup_net`).
    pub began: u64,
    /// The first exit functions were called, if that was seen.
    pub exits_began: Option<u64>,
    /// The last ones had returned, likewise.
    pub exits_ended: Option<u64>,
    /// It was over.
    pub ended: u64,
}

/// Just enough to tell which namespace is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NsRef {
    /// Address of its `ns_common`.
    pub key: Key,
    /// Its type.
    pub kind: NsKind,
    /// Its inode number.
    pub inum: NonZeroU32,
}

/// A namespace as read from kernel memory at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NsFacts {
    /// Address of its `ns_common`.
    pub key: Key,
    /// Its type.
    pub kind: NsKind,
    /// Its inode number.
    pub inum: NonZeroU32,
    /// The kernel's own number for it (6.18+), never reused.
    pub ns_id: Option<NonZeroU64>,
    /// `net.net_cookie` or `mnt_namespace.seq`, never reused either.
    pub guard: Option<NonZeroU64>,
    /// The owning user namespace; none for the initial one.
    pub owner: Option<Key>,
    /// The parent of a pid or user namespace.
    pub parent: Option<Key>,
    /// Reference count.
    pub refs: Option<u32>,
    /// Active count (6.19+).
    pub active: Option<u32>,
    /// Depth of a pid or user namespace.
    pub level: Option<u32>,
    /// The uid that created a user namespace.
    pub owner_uid: Option<u32>,
    /// The nsfs inode that stands for it (`ns_common.stashed`).
    pub inode: Option<Key>,
    /// Tasks whose real credentials are in this user namespace.
    pub creds: Option<u32>,
    /// Pids that have a number in this pid namespace, those of deeper ones
    /// included (`pid_namespace.pid_allocated`).
    pub pids: Option<u32>,
    /// No pid will be allocated in this pid namespace any more.
    pub pids_disabled: bool,
}

impl NsFacts {
    /// The reference to this namespace.
    pub fn as_ref(&self) -> NsRef {
        NsRef {
            key: self.key,
            kind: self.kind,
            inum: self.inum,
        }
    }
}

/// An nsproxy as read from kernel memory; immutable once installed, apart
/// from the count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NsproxyFacts {
    /// Its address.
    pub key: Key,
    /// What each [`Slot`] points to; `None` where the kernel lacks it.
    pub slots: [Option<SlotFacts>; Slot::COUNT],
    /// `nsproxy.count`.
    pub count: u32,
}

/// A pointer in an nsproxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotFacts {
    /// Address of the namespace's `ns_common`.
    pub key: Key,
    /// Its inode number, if it was read.
    pub inum: Option<NonZeroU32>,
}
