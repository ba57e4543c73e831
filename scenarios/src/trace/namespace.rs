//! A namespace as nslife shows it, and the tasks that it names, as far as scenarios look at them.

use std::fmt;

use serde::Deserialize;

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Namespace {
    pub(crate) id: u64,
    pub(crate) ns_id: Option<u64>,
    pub(crate) ns_type: String,
    pub(crate) inum: u32,
    pub(crate) state: State,
    pub(crate) since: Option<String>,
    pub(crate) ref_count: Option<u32>,
    pub(crate) active_count: Option<u32>,
    pub(crate) active_because: Option<ActiveBecause>,
    pub(crate) procfs_mounts: Option<u32>,
    pub(crate) initial: bool,
    pub(crate) owner: Option<u64>,
    pub(crate) parent: Option<u64>,
    pub(crate) owner_uid: Option<u32>,
    pub(crate) level: Option<u32>,
    pub(crate) tasks: Option<u32>,
    pub(crate) zombies: Option<u32>,
    pub(crate) init: Option<Reaper>,
    /// What only a list says.
    #[serde(flatten)]
    pub(crate) people: People,
    pub(crate) created_at: Option<String>,
    pub(crate) creator: Option<Creator>,
    /// In a list: how many must go before it.
    #[serde(default)]
    pub(crate) before: Option<u32>,
}

/// What became of a pid namespace's init.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Reaper {
    pub(crate) state: String,
    pub(crate) since: Option<String>,
}

/// Tasks that a list names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct People {
    pub(crate) init_task: Option<InitTask>,
    pub(crate) left: Option<Left>,
    pub(crate) unreaped: Vec<Person>,
}

/// The init of a pid namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct InitTask {
    #[serde(flatten)]
    pub(crate) task: Task,
    pub(crate) numbers: Vec<u32>,
}

/// Who is left while an init is dying.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Left {
    pub(crate) count: u32,
    pub(crate) tasks: Vec<Person>,
}

/// A task, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Person {
    #[serde(flatten)]
    pub(crate) task: Task,
    pub(crate) state: String,
    pub(crate) waits_for: Option<Task>,
}

/// The states of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Active,
    Inactive,
    Destroyed,
}

/// What makes a namespace active: the sum of these is the kernel's active count, where there is
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct ActiveBecause {
    /// Slots of nsproxies that it is in, however many tasks share one.
    pub(crate) nsproxies: u32,
    /// Tasks with credentials of this user namespace, until they are reaped.
    pub(crate) creds: u32,
    /// Numbers whose deepest level is this pid namespace.
    pub(crate) pids: u32,
    /// Its inodes on nsfs: one, however many files and mounts there are.
    pub(crate) nsfs: u32,
    /// Active namespaces that this user namespace owns.
    pub(crate) owned: u32,
}

/// Who created a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Creator {
    #[serde(flatten)]
    pub(crate) task: Task,
    pub(crate) cgroup_id: Option<u64>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Task {
    /// The thread.
    pub(crate) pid: u32,
    /// The process.
    pub(crate) tgid: u32,
    /// The command name.
    pub(crate) comm: String,
}

impl State {
    /// As nslife writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Destroyed => "destroyed",
        }
    }
}

impl Namespace {
    /// The task that created it.
    pub(crate) fn made_by(&self) -> Option<&Task> {
        self.creator.as_ref().map(|creator| &creator.task)
    }

    /// Whether another process means the same one: inode numbers are the same to all processes on
    /// all kernels, unlike ids.
    pub(crate) fn is_seen_as(&self, other: &Self) -> bool {
        self.inum == other.inum && self.ns_type == other.ns_type
    }
}

impl ActiveBecause {
    /// All of it.
    pub(crate) const fn sum(&self) -> u32 {
        self.nsproxies + self.creds + self.pids + self.nsfs + self.owned
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:[{}] #{}", self.ns_type, self.inum, self.id)
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.comm, self.tgid, self.pid)
    }
}
