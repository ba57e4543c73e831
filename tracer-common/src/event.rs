//! Records on the ring buffer, kernel to userspace.
//!
//! [`NsEvent`] is for what happens to a namespace, [`NsproxyEvent`] for what
//! happens to an nsproxy, [`FailEvent`] for a namespace that did not come to be,
//! [`ExitEvent`] and [`ReapEvent`] for the end of a task.
//! Kernel addresses in them are keys; they never leave the process.

use crate::kind::{NsKind, Slot};

/// "Not known" in a 32-bit field whose values are otherwise all meaningful.
pub const UNKNOWN: u32 = u32::MAX;

/// What a record says. The number is [`Header::what`].
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A namespace came to be ([`NsEvent`], `aux` is how long it took to make,
    /// nanoseconds, 0 if not known): `__ns_tree_add_raw`, or a `copy_*` that
    /// returned a new one. The header's task is its creator.
    NsCreated = 1,
    /// The kernel's active count of a namespace became zero or ceased to be
    /// ([`NsEvent`], `aux` is the sequence number drawn before the count was
    /// read): `__ns_ref_active_get`, `__ns_ref_active_put`.
    NsActivity = 2,
    /// The last reference to a namespace was dropped ([`NsEvent`]):
    /// `__ns_tree_remove`, `__put_net`, `free_uts_ns` and their like.
    NsLastRef = 3,
    /// The inode number of a namespace was given back ([`NsEvent`], of which
    /// only key, kind and inum are filled): `proc_free_inum`.
    NsFreed = 4,
    /// An inode of nsfs now stands for the namespace ([`NsEvent`], `aux` is
    /// the inode's key): `nsfs_init_inode`, `__ns_get_path`.
    NsfsOpened = 5,
    /// That inode went away ([`NsEvent`], `aux` is the inode's key):
    /// `nsfs_evict`.
    NsfsEvicted = 6,
    /// An nsproxy was put to use ([`NsproxyEvent`], only `to`):
    /// `nsproxy_ns_active_get`, or `copy_namespaces` with a new result.
    NsproxyInstalled = 7,
    /// A task changed its nsproxy, or exited from its last one
    /// ([`NsproxyEvent`]; the header's task is the one that changed).
    Switched = 8,
    /// The last count of an nsproxy was dropped ([`NsproxyEvent`], only
    /// `from`): `free_nsproxy`, `nsproxy_ns_active_put`.
    NsproxyFreed = 9,
    /// Where the kernel keeps no active count (before 6.19): the credentials
    /// of tasks in a user namespace, or the pids of a pid namespace, became
    /// none or ceased to be ([`NsEvent`], `aux` is the sequence number drawn
    /// before they were counted): `copy_creds`, `commit_creds`,
    /// `cgroup_release`, `alloc_pid`, `free_pid`.
    NsTasks = 10,
    /// A procfs was mounted that shows a pid namespace and keeps it allocated
    /// ([`NsEvent`], `aux` is the superblock's key): `proc_fill_super`.
    ProcfsMounted = 11,
    /// That superblock went away ([`NsEvent`], `aux` likewise):
    /// `proc_kill_sb`.
    ProcfsGone = 12,
    /// A namespace that the running task wanted to have made could not be
    /// ([`FailEvent`]): the return of `create_new_namespaces` or
    /// `create_user_ns`.
    NsFailed = 13,
    /// The init of a pid namespace, the running task, begins to kill and reap
    /// everybody else in it ([`NsEvent`]): `zap_pid_ns_processes`.
    InitDying = 14,
    /// It has done that, and nobody else is left ([`NsEvent`]): the return of
    /// the same.
    InitDead = 15,
    /// A task has left its namespaces for good, and its children have been
    /// handed over ([`ExitEvent`] about it): `exit_notify`.
    TaskExited = 16,
    /// A task was reaped ([`ReapEvent`] about it): `release_task`.
    TaskReaped = 17,
    /// The kernel began or ended a round of cleaning up network namespaces
    /// ([`NetCleanupEvent`]): `cleanup_net`.
    NetCleanup = 19,
    /// The running task has reported the last of the owners that a namespace
    /// pulled along when it became active or inactive ([`NsEvent`], which is
    /// about that namespace).
    ClimbEnded = 20,
}

impl What {
    /// The meaning of [`Header::what`], if this build knows it.
    pub const fn from_u32(raw: u32) -> Option<Self> {
        Some(match raw {
            1 => Self::NsCreated,
            2 => Self::NsActivity,
            3 => Self::NsLastRef,
            4 => Self::NsFreed,
            5 => Self::NsfsOpened,
            6 => Self::NsfsEvicted,
            7 => Self::NsproxyInstalled,
            8 => Self::Switched,
            9 => Self::NsproxyFreed,
            10 => Self::NsTasks,
            11 => Self::ProcfsMounted,
            12 => Self::ProcfsGone,
            13 => Self::NsFailed,
            14 => Self::InitDying,
            15 => Self::InitDead,
            16 => Self::TaskExited,
            17 => Self::TaskReaped,
            19 => Self::NetCleanup,
            20 => Self::ClimbEnded,
            _ => return None,
        })
    }
}

/// What made a namespace active or inactive ([`NsEvent::cause`]), or destroyed
/// it.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Cause {
    /// An nsproxy that points to it was put to use
    /// (`nsproxy_ns_active_get`, `copy_namespaces`, `switch_task_namespaces`).
    NsproxyInstalled = 1,
    /// The last count of an nsproxy that points to it was dropped
    /// (`nsproxy_ns_active_put`, `free_nsproxy`).
    NsproxyDropped = 2,
    /// A task was born with credentials in it (`copy_creds`).
    CredTaken = 3,
    /// A task changed to credentials in it, or from them to others
    /// (`commit_creds`).
    CredChanged = 4,
    /// A task with credentials in it was reaped (`release_task`).
    CredReaped = 5,
    /// A task that was to have credentials in it was not born after all
    /// (`copy_process`).
    ForkFailed = 6,
    /// A pid was allocated in it (`alloc_pid`).
    PidAllocated = 7,
    /// A pid in it was freed (`free_pid`).
    PidFreed = 8,
    /// A file or bind mount of it was opened, as the first (`nsfs_init_inode`).
    NsfsOpened = 9,
    /// The last file or bind mount of it was closed (`nsfs_evict`).
    NsfsClosed = 10,
    /// A namespace that it owns became active.
    OwnedCame = 11,
    /// A namespace that it owns became inactive.
    OwnedWent = 12,
    /// The last reference was dropped.
    ReferenceDropped = 13,
}

impl Cause {
    /// All causes, in numeric order.
    pub const ALL: [Self; 13] = [
        Self::NsproxyInstalled,
        Self::NsproxyDropped,
        Self::CredTaken,
        Self::CredChanged,
        Self::CredReaped,
        Self::ForkFailed,
        Self::PidAllocated,
        Self::PidFreed,
        Self::NsfsOpened,
        Self::NsfsClosed,
        Self::OwnedCame,
        Self::OwnedWent,
        Self::ReferenceDropped,
    ];

    /// The word for it in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NsproxyInstalled => "nsproxy_installed",
            Self::NsproxyDropped => "nsproxy_dropped",
            Self::CredTaken => "cred_taken",
            Self::CredChanged => "cred_changed",
            Self::CredReaped => "cred_reaped",
            Self::ForkFailed => "fork_failed",
            Self::PidAllocated => "pid_allocated",
            Self::PidFreed => "pid_freed",
            Self::NsfsOpened => "nsfs_opened",
            Self::NsfsClosed => "nsfs_closed",
            Self::OwnedCame => "owned_came",
            Self::OwnedWent => "owned_went",
            Self::ReferenceDropped => "reference_dropped",
        }
    }

    /// Whether this can happen to a namespace of this type.
    pub const fn concerns(self, kind: NsKind) -> bool {
        match self {
            Self::CredTaken
            | Self::CredChanged
            | Self::CredReaped
            | Self::ForkFailed
            | Self::OwnedCame
            | Self::OwnedWent => matches!(kind, NsKind::User),
            Self::PidAllocated | Self::PidFreed => matches!(kind, NsKind::Pid),
            Self::NsproxyInstalled | Self::NsproxyDropped => !matches!(kind, NsKind::User),
            Self::NsfsOpened | Self::NsfsClosed | Self::ReferenceDropped => true,
        }
    }

    /// Whether this makes namespaces active.
    pub const fn activates(self) -> bool {
        matches!(
            self,
            Self::NsproxyInstalled
                | Self::CredTaken
                | Self::CredChanged
                | Self::PidAllocated
                | Self::NsfsOpened
                | Self::OwnedCame
        )
    }

    /// Whether this makes namespaces inactive.
    pub const fn deactivates(self) -> bool {
        matches!(
            self,
            Self::NsproxyDropped
                | Self::CredChanged
                | Self::CredReaped
                | Self::ForkFailed
                | Self::PidFreed
                | Self::NsfsClosed
                | Self::OwnedWent
        )
    }

    /// The meaning of [`NsEvent::cause`], if this build knows it.
    pub const fn from_u32(raw: u32) -> Option<Self> {
        if raw >= 1 && raw <= Self::ALL.len() as u32 {
            Some(Self::ALL[raw as usize - 1])
        } else {
            None
        }
    }
}

/// Why a task changed its nsproxy ([`NsproxyEvent::reason`]).
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Reason {
    /// Born with a new one (`copy_namespaces`).
    Clone = 1,
    /// `unshare(2)`.
    Unshare = 2,
    /// `setns(2)`.
    Setns = 3,
    /// `execve(2)` into a time namespace (`exec_task_namespaces`).
    Exec = 4,
    /// The end of the task (`exit_nsproxy_namespaces`).
    Exit = 5,
}

impl Reason {
    /// All reasons, in numeric order.
    pub const ALL: [Self; 5] = [
        Self::Clone,
        Self::Unshare,
        Self::Setns,
        Self::Exec,
        Self::Exit,
    ];

    /// The word for it in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Unshare => "unshare",
            Self::Setns => "setns",
            Self::Exec => "exec",
            Self::Exit => "exit",
        }
    }

    /// The meaning of [`NsproxyEvent::reason`], if this build knows it.
    pub const fn from_u32(raw: u32) -> Option<Self> {
        if raw >= 1 && raw <= Self::ALL.len() as u32 {
            Some(Self::ALL[raw as usize - 1])
        } else {
            None
        }
    }
}

/// [`Header::flags`]: the header's task is the one that did this, not merely
/// the one that ran when it happened.
pub const FLAG_ACTOR: u32 = 1 << 0;
/// [`Header::flags`]: the header's task was selected by a running trace.
pub const FLAG_SELECTED: u32 = 1 << 1;

/// The start of every record.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// A [`What`].
    pub what: u32,
    /// `FLAG_*`.
    pub flags: u32,
    /// `CLOCK_BOOTTIME`, nanoseconds.
    pub time: u64,
    /// The task's cgroup on the unified hierarchy (its inode number), 0 when
    /// not known.
    pub cgroup: u64,
    /// The task's pid in the initial pid namespace (a thread's own).
    pub pid: u32,
    /// Its thread group, likewise.
    pub tgid: u32,
    /// Its command name: bytes, NUL-padded, chosen by strangers.
    pub comm: [u8; 16],
}

/// One namespace, as read from kernel memory at one moment.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NsInfo {
    /// Address of its `ns_common`: unique while it is allocated, reused
    /// afterwards.
    pub key: u64,
    /// `ns_common.ns_id`, never reused; 0 where the kernel has none.
    pub ns_id: u64,
    /// Key of the owning user namespace, 0 if none (the initial one).
    pub owner: u64,
    /// Key of the parent (pid and user namespaces), 0 if none.
    pub parent: u64,
    /// A second witness of identity where there is no `ns_id`:
    /// `net.net_cookie` or `mnt_namespace.seq`; 0 otherwise.
    pub guard: u64,
    /// Key of the nsfs inode that stands for it (`ns_common.stashed`), 0 if
    /// there is none.
    pub inode: u64,
    /// Inode number, what `readlink /proc/PID/ns/*` shows.
    pub inum: u32,
    /// A [`crate::kind::NsKind`].
    pub kind: u32,
    /// Reference count, [`UNKNOWN`] if not read.
    pub refs: u32,
    /// Active count, [`UNKNOWN`] where the kernel has none.
    pub active: u32,
    /// Depth of a pid or user namespace, [`UNKNOWN`] for others.
    pub level: u32,
    /// Uid that created a user namespace, in the initial one's numbers;
    /// [`UNKNOWN`] for others.
    pub owner_uid: u32,
    /// Tasks whose real credentials are in a user namespace, as the programs
    /// count them; [`UNKNOWN`] for others, and for the initial one.
    pub creds: u32,
    /// Pids that have a number in a pid namespace, those of deeper ones
    /// included (`pid_namespace.pid_allocated`); [`UNKNOWN`] for others.
    pub pids: u32,
    /// `NS_*`.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}

/// [`NsInfo::flags`]: no pid will be allocated in this pid namespace any more:
/// its init has died, or is about to (`disable_pid_allocation`).
pub const NS_PIDS_DISABLED: u32 = 1 << 0;
/// [`NsInfo::flags`]: the active count was read, and is one below zero, which
/// looks like [`UNKNOWN`].
pub const NS_ACTIVE_MINUS_ONE: u32 = 1 << 8;

/// What happened to a namespace.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NsEvent {
    /// Who, when, what.
    pub header: Header,
    /// The namespace.
    pub ns: NsInfo,
    /// Depends on [`What`].
    pub aux: u64,
    /// A [`Cause`] for [`What::NsActivity`] and [`What::NsTasks`], if known;
    /// else 0.
    pub cause: u32,
    /// 0
    pub reserved: u32,
    /// For [`What::NsActivity`]: key of the namespace that pulled this one,
    /// its owner, along, and whose flip the running task has just reported; 0
    /// if none did.
    pub below: u64,
}

/// A namespace could not be made.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailEvent {
    /// Who wanted it, when, what.
    pub header: Header,
    /// Its type, an [`NsKind`].
    pub kind: u32,
    /// The error that the kernel gave, a positive number; may be one that
    /// never gets to userspace (`ERESTARTNOINTR`).
    pub errno: u32,
}

/// One nsproxy: eight pointers and a count, immutable once installed.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NsproxyInfo {
    /// Its address; 0 for "none".
    pub key: u64,
    /// Key of the namespace in each [`Slot`], 0 where the kernel lacks it.
    pub slots: [u64; Slot::COUNT],
    /// Inode number of the namespace in each slot, 0 likewise.
    pub inums: [u32; Slot::COUNT],
    /// `nsproxy.count` when it was read.
    pub count: u32,
    /// Zero.
    pub reserved: u32,
}

/// [`NsproxyEvent::breaches`]: another task changed the nsproxy of this one,
/// which runs already.
pub const BREACH_FOREIGN: u32 = 1 << 0;
/// [`NsproxyEvent::breaches`]: the running task still has the nsproxy that is
/// being freed.
pub const BREACH_IN_USE: u32 = 1 << 1;

/// What happened to an nsproxy, or to a task's choice of one.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NsproxyEvent {
    /// Who, when, what.
    pub header: Header,
    /// A [`Reason`] for [`What::Switched`], else 0.
    pub reason: u32,
    /// `BREACH_*`: rules of the kernel that this breaks.
    pub breaches: u32,
    /// The one left behind.
    pub from: NsproxyInfo,
    /// The one taken up.
    pub to: NsproxyInfo,
}

/// A round of cleaning up network namespaces, all of which ended before it: one
/// call of `cleanup_net`. Times are `CLOCK_BOOTTIME`, nanoseconds; 0 for what
/// was not seen, or not yet.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetCleanupEvent {
    /// Who, when.
    pub header: Header,
    /// A [`Phase`].
    pub phase: u32,
    /// Zero.
    pub reserved: u32,
    /// When it began: what came to be queued later is left to the next one.
    pub begin: u64,
    /// When the exit functions of the parts of the network were begun to be
    /// called: the first entry of `ops_undo_list` or `ops_exit_list`.
    pub exits_begin: u64,
    /// When that was done: the last return of the same.
    pub exits_end: u64,
    /// When the round ended.
    pub end: u64,
}

/// How far a round of cleaning up network namespaces has come
/// ([`NetCleanupEvent::phase`]).
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// `cleanup_net` was entered.
    Begin = 1,
    /// It has returned.
    End = 2,
}

impl Phase {
    /// The meaning of [`NetCleanupEvent::phase`], if this build knows it.
    pub const fn from_u32(raw: u32) -> Option<Self> {
        match raw {
            1 => Some(Self::Begin),
            2 => Some(Self::End),
            _ => None,
        }
    }
}

/// One task, as read from kernel memory at one moment.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskInfo {
    /// Its pid in the initial pid namespace (a thread's own); [`UNKNOWN`] if
    /// there is no such task.
    pub pid: u32,
    /// Its thread group, likewise.
    pub tgid: u32,
    /// Its command name: bytes, NUL-padded, chosen by strangers.
    pub comm: [u8; 16],
}

impl TaskInfo {
    /// No task.
    pub const NONE: Self = Self {
        pid: UNKNOWN,
        tgid: UNKNOWN,
        comm: [0; 16],
    };
}

/// The children of a task that exits of which it is said who gets them.
pub const CHILDREN: usize = 12;

/// The children beyond those that are counted.
pub const MORE_CHILDREN: u32 = 240;

/// A task exited. The header's task is that one, whichever ran.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExitEvent {
    /// Whose exit, when its children were seen to be handed over, what.
    pub header: Header,
    /// When it dropped its nsproxy, `CLOCK_BOOTTIME`; 0 if not known.
    pub dropped_at: u64,
    /// Who has its children now: the kernel gives all of them to one; none if
    /// there are none.
    pub parent: TaskInfo,
    /// The children that were handed over, in no particular order; none behind
    /// the last one.
    pub children: [TaskInfo; CHILDREN],
    /// Children that it had when it dropped its nsproxy, beyond those that were
    /// looked at, counted up to [`MORE_CHILDREN`].
    pub more_children: u32,
    /// Zero.
    pub reserved: u32,
}

/// A task was reaped. The header's task is that one, whichever ran.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReapEvent {
    /// Who was reaped, when, what.
    pub header: Header,
    /// When it dropped its nsproxy, `CLOCK_BOOTTIME`; 0 if not known.
    pub dropped_at: u64,
    /// Who reaped it; none if it did so itself.
    pub by: TaskInfo,
    /// Its parent.
    pub parent: TaskInfo,
    /// The parent that it had before it was handed over; none if it was not.
    pub original_parent: TaskInfo,
}

/// Counters of the kernel programs, summed over CPUs by userspace. The index
/// into the per-CPU array map `COUNTERS`.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Counter {
    /// Records that found the ring buffer full.
    RingFull = 0,
    /// Namespaces or nsproxies that found a map full.
    MapFull = 1,
    /// Kernel memory that could not be read.
    ReadFailed = 2,
    /// Tasks that left their nsproxy by exiting.
    Exits = 3,
    /// Records written.
    Records = 4,
    /// Tasks that a walk put into the set of those with credentials in a user
    /// namespace, or took out of it.
    CredsCorrected = 5,
    /// Not a count: the most bytes of the ring buffer that were taken when a
    /// record was reserved on this CPU.
    RingTaken = 6,
}

impl Counter {
    /// How many there are.
    pub const COUNT: usize = 7;
    /// All, in index order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::RingFull,
        Self::MapFull,
        Self::ReadFailed,
        Self::Exits,
        Self::Records,
        Self::CredsCorrected,
        Self::RingTaken,
    ];
}

const _: () = {
    assert!(size_of::<Header>() == 48);
    assert!(size_of::<NsInfo>() == 88);
    assert!(size_of::<NsEvent>() == 160);
    assert!(size_of::<FailEvent>() == 56);
    assert!(size_of::<NsproxyInfo>() == 112);
    assert!(size_of::<NsproxyEvent>() == 280);
    assert!(size_of::<NetCleanupEvent>() == 88);
    assert!(size_of::<TaskInfo>() == 24);
    assert!(size_of::<ExitEvent>() == 376);
    assert!(size_of::<ReapEvent>() == 128);
    assert!(core::mem::offset_of!(NsEvent, ns) == 48);
    assert!(core::mem::offset_of!(NsEvent, aux) == 136);
    assert!(core::mem::offset_of!(NsproxyEvent, from) == 56);
    assert!(core::mem::offset_of!(NsproxyEvent, to) == 168);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for raw in 0..32 {
            if let Some(what) = What::from_u32(raw) {
                assert_eq!(what as u32, raw);
            }
            if let Some(reason) = Reason::from_u32(raw) {
                assert_eq!(reason as u32, raw);
            }
            if let Some(cause) = Cause::from_u32(raw) {
                assert_eq!(cause as u32, raw);
            }
        }
        assert_eq!(What::from_u32(0), None);
        assert_eq!(Reason::from_u32(0), None);
        assert_eq!(Reason::from_u32(6), None);
        assert_eq!(Cause::from_u32(0), None);
        assert_eq!(Cause::from_u32(14), None);
    }
}
