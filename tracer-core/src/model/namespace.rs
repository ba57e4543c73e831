//! A namespace as the model knows it.

use serde::{Deserialize, Serialize};
use tracer_common::kind::NsKind;

/// The identity of a namespace in every view.
///
/// On kernels that number their namespaces (6.18 and later) this is the
/// kernel's own `ns_id`. On older ones the [`super::Tracker`] gives out its
/// own numbers, 1 to 8 for the initial namespaces in the order in which 6.19
/// fixed them, and they mean nothing to another daemon. Never reused. Always
/// below `0xEFFF_FFF8`, so that a number typed by a person is either an id or
/// an inode number, never both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct NsId(pub u64);

/// A command name: bytes chosen by strangers, at most 16, NUL-padded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Comm(pub [u8; 16]);

impl Comm {
    /// The bytes before the padding.
    pub fn bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|&b| b == 0).unwrap_or(16);
        &self.0[..end]
    }
}

/// A task that did something, known with certainty. Numbers are those of the
/// initial pid namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Actor {
    /// The thread.
    pub pid: u32,
    /// Its thread group.
    pub tgid: u32,
    /// Its command name at that moment.
    pub comm: Comm,
}

/// Who created a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Creator {
    /// The task that asked for it.
    pub task: Actor,
    /// Its cgroup (inode number on the unified hierarchy), 0 if not known.
    pub cgroup: u64,
}

/// What a namespace is, in the kernel's own words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum State {
    /// Userspace can reach it: the active count is above zero, or it is one
    /// of the initial namespaces.
    Active,
    /// Only the kernel still holds it: active count 0, reference count above.
    Inactive,
    /// The last reference is gone; it may still await its freeing.
    Destroyed,
}

impl State {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Active, Self::Inactive, Self::Destroyed];

    /// The word for it in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Destroyed => "destroyed",
        }
    }
}

/// What became of a pid namespace's init (`pid_namespace.child_reaper`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reaper {
    /// It kills and reaps everybody else in the namespace
    /// (`zap_pid_ns_processes`), and cannot go before that is done.
    Dying {
        /// When it began to, if nslife saw it; `CLOCK_BOOTTIME` nanoseconds.
        began: Option<u64>,
    },
    /// It has done so: nobody can get a pid there any more.
    Dead,
}

/// The kernel's counts, sampled: references are taken and dropped inline,
/// unseen, so a count is true for the moment it was read and no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Counts {
    /// Reference count (`ns_common.__ns_ref`), if read.
    pub refs: Option<u32>,
    /// Active count (`__ns_ref_active`), on kernels that keep it.
    pub active: Option<u32>,
    /// When they were read, `CLOCK_BOOTTIME` nanoseconds.
    pub at: u64,
}

/// What keeps a namespace active. The kernel has one counter for all of it;
/// for a namespace that does not change, that is the sum of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Contributors {
    /// Pointers in nsproxies (objects, not tasks; `time` and
    /// `time_for_children` counted apart).
    pub nsproxies: u32,
    /// Tasks whose real credentials are in this user namespace, from the fork
    /// that made each until it is reaped. A sample, as counts are.
    pub creds: u32,
    /// Pids of which this is the deepest namespace, until they are freed: a
    /// process group or a session can outlive its leader. A sample, likewise.
    pub pids: u32,
    /// Inodes of nsfs: one, however many open files and bind mounts.
    pub nsfs: u32,
    /// Active namespaces owned by this user namespace.
    pub owned: u32,
}

/// One namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Namespace {
    /// Its identity.
    pub id: NsId,
    /// The kernel's own number, on 6.18 and later.
    pub ns_id: Option<u64>,
    /// Its type.
    pub kind: NsKind,
    /// Its inode number: what `/proc/PID/ns` shows; reused after its end.
    pub inum: u32,
    /// What it is now.
    pub state: State,
    /// When it came to be in that state, if nslife saw it; `CLOCK_BOOTTIME`
    /// nanoseconds.
    pub since: Option<u64>,
    /// Whether it has ever been active.
    pub was_active: bool,
    /// The kernel's counts, when last read.
    pub counts: Counts,
    /// One of the namespaces that the kernel was born with.
    pub initial: bool,
    /// Its owning user namespace, if known (none for the initial one).
    pub owner: Option<NsId>,
    /// Its parent (pid and user namespaces).
    pub parent: Option<NsId>,
    /// The uid that created a user namespace.
    pub owner_uid: Option<u32>,
    /// Depth of a pid or user namespace.
    pub level: Option<u32>,
    /// Tasks (threads) in it when last walked; `None` if never walked.
    pub tasks: Option<u32>,
    /// How many of them have exited and are not reaped: known of user and pid
    /// namespaces, in which a task is until then.
    pub zombies: Option<u32>,
    /// What became of the init of a pid namespace; `None` while it lives or
    /// before there is one, and where that is not known.
    pub reaper: Option<Reaper>,
    /// What keeps it active.
    pub because: Contributors,
    /// Superblocks of procfs that show this pid namespace, and keep it
    /// allocated but not active; `None` for other types.
    pub procfs: Option<u32>,
    /// When it was created, if nslife saw it.
    pub created_at: Option<u64>,
    /// Who created it, if nslife saw it.
    pub creator: Option<Creator>,
    /// When it last became inactive, if nslife saw it and it has not been active
    /// since.
    pub inactive_at: Option<u64>,
    /// When its last reference was dropped, if nslife saw that itself and did not
    /// conclude it from its freeing.
    pub destroyed_at: Option<u64>,
}
