//! What a walk of the kernel's objects found.

use tracer_common::kind::NsKind;

use super::{Actor, Comm, Key, NsFacts, NsproxyFacts, PidNumbers};

/// One record of a walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WalkRecord {
    /// A namespace.
    Namespace(WalkNs),
    /// An nsproxy.
    Nsproxy(WalkNsproxy),
    /// A task (thread).
    Task(WalkTask),
    /// A procfs superblock.
    Procfs(WalkProcfs),
    /// The first task of a pid namespace.
    Init(WalkInit),
}

/// A namespace that the walk met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkNs {
    /// When it was read, `CLOCK_BOOTTIME` nanoseconds.
    pub time: u64,
    /// Drawn before its active count was read; `None` where there is none.
    pub sequence: Option<u64>,
    /// Drawn before its credentials or pids were counted; `None` where the
    /// active count makes that needless.
    pub tasks_sequence: Option<u64>,
    /// The namespace.
    pub ns: NsFacts,
}

/// An nsproxy that the walk met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkNsproxy {
    /// When it was read, `CLOCK_BOOTTIME` nanoseconds.
    pub time: u64,
    /// The nsproxy.
    pub nsproxy: NsproxyFacts,
}

/// A task (thread) that the walk met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkTask {
    /// Its nsproxy; `None` if it is almost dead.
    pub nsproxy: Option<Key>,
    /// The user namespace of its real credentials.
    pub user_ns: Option<Key>,
    /// The deepest pid namespace in which it has a number; `None` once
    /// reaped.
    pub pid_ns: Option<Key>,
    /// Its pid in the initial pid namespace.
    pub pid: u32,
    /// Its thread group, likewise.
    pub tgid: u32,
    /// Its command name.
    pub comm: Comm,
    /// A kernel thread: its nsproxy is the initial one.
    pub kthread: bool,
    /// The leader of its thread group.
    pub leader: bool,
    /// It has begun to exit.
    pub exiting: bool,
    /// `task_struct.__state`.
    pub state: u32,
    /// `task_struct.exit_state`.
    pub exit_state: u32,
    /// Thread group of the task that is to reap it: its parent or its tracer.
    pub parent: u32,
}

impl WalkTask {
    /// What it is called.
    pub fn actor(&self) -> Actor {
        Actor {
            pid: self.pid,
            tgid: self.tgid,
            comm: self.comm,
        }
    }
}

/// The first task of a pid namespace, which is also among the tasks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkInit {
    /// The namespace.
    pub pid_ns: Key,
    /// Its pid in the initial pid namespace.
    pub pid: u32,
    /// Its numbers.
    pub numbers: PidNumbers,
}

/// A procfs superblock that the walk met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkProcfs {
    /// When it was read, `CLOCK_BOOTTIME` nanoseconds.
    pub time: u64,
    /// The superblock.
    pub superblock: Key,
    /// The pid namespace that it shows.
    pub pid_ns: Key,
}

/// A whole walk.
///
/// The `all_*` fields say what *absence* proves: on kernels without lists of
/// namespaces (up to 6.17) a walk can meet every task, and so every nsproxy,
/// and still miss a namespace that nothing but a descriptor in flight holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Walk {
    /// `CLOCK_BOOTTIME` before the first record was read, nanoseconds.
    pub started_at: u64,
    /// `CLOCK_BOOTTIME` after the last one.
    pub ended_at: u64,
    /// Every task of the system was met, and so every nsproxy in use and every
    /// namespace that tasks keep active.
    pub all_tasks: bool,
    /// By [`NsKind`]: every namespace of the type that has references was met.
    pub all_of: [bool; NsKind::COUNT],
    /// Every superblock was met.
    pub all_superblocks: bool,
    /// The namespaces, owners before what they own.
    pub namespaces: Vec<WalkNs>,
    /// The nsproxies.
    pub nsproxies: Vec<WalkNsproxy>,
    /// The tasks.
    pub tasks: Vec<WalkTask>,
    /// The superblocks of procfs.
    pub procfs: Vec<WalkProcfs>,
    /// The first tasks of pid namespaces.
    pub inits: Vec<WalkInit>,
    /// Of those that it did not meet (see [`Tracker::unmet`]), the namespaces
    /// whose end the kernel programs saw, whether or not anybody heard of it.
    ///
    /// [`Tracker::unmet`]: super::Tracker::unmet
    pub gone: Vec<Key>,
}

impl Walk {
    /// Nothing can be missing from it.
    pub fn is_complete(&self) -> bool {
        self.all_tasks && self.all_of == [true; NsKind::COUNT]
    }
}

impl Extend<WalkRecord> for Walk {
    fn extend<I: IntoIterator<Item = WalkRecord>>(&mut self, records: I) {
        for record in records {
            match record {
                WalkRecord::Namespace(ns) => self.namespaces.push(ns),
                WalkRecord::Nsproxy(nsproxy) => self.nsproxies.push(nsproxy),
                WalkRecord::Task(task) => self.tasks.push(task),
                WalkRecord::Procfs(procfs) => self.procfs.push(procfs),
                WalkRecord::Init(init) => self.inits.push(init),
            }
        }
    }
}
