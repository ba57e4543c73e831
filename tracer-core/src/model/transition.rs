//! What the model says when something changed.

use serde::{Deserialize, Serialize};
use tracer_common::event::{Cause, Reason};

use super::{Actor, Failure, Namespace, Nsproxy, TaskEnd, Violation};

/// A change, complete in itself: nothing needs to be looked up to show it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Transition {
    /// When, in `CLOCK_BOOTTIME` nanoseconds.
    pub at: u64,
    /// Whether a running trace selected the task behind it (decided in the
    /// kernel).
    pub selected: bool,
    /// What.
    pub what: What,
}

/// The kinds of change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum What {
    /// A namespace went from one state to another.
    Namespace {
        /// Which step.
        step: Lifecycle,
        /// The namespace after it.
        ns: Namespace,
        /// What brought it about, where that is known. Only steps between
        /// active and inactive have a cause, and destruction.
        cause: Option<Cause>,
        /// Who did it, where that is certain.
        actor: Option<Actor>,
        /// When it was created: how long it took to make; when it was freed: how
        /// long after its last reference. Nanoseconds, if both ends were seen.
        took: Option<u64>,
    },
    /// A namespace could not be made.
    Failed(Failure),
    /// A namespace that became active or inactive pulled its owners along.
    Chain(Box<Chain>),
    /// The init of a pid namespace is on its way out.
    Init {
        /// How far it has come.
        step: InitStep,
        /// The namespace after it.
        ns: Namespace,
        /// How many pids others have in it, those of deeper namespaces
        /// included.
        left: Option<u32>,
        /// How long it took, nanoseconds, if both ends were seen.
        took: Option<u64>,
        /// The init.
        actor: Option<Actor>,
    },
    /// A task changed its nsproxy.
    Switched(Switch),
    /// An nsproxy is no more.
    NsproxyFreed(Nsproxy),
    /// Network namespaces were cleaned up.
    NetCleanup(Box<NetCleanup>),
    /// The kernel broke a rule of its own.
    Violation(Box<Violation>),
    /// A task exited or was reaped. Only said if somebody asked for it.
    TaskEnd(Box<TaskEnd>),
}

/// A round of cleaning up network namespaces (`cleanup_net`), in nanoseconds.
/// What this kernel does not show is `None`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetCleanup {
    /// How many it took: those of which nslife saw the last reference, and the
    /// freeing in this round.
    pub namespaces: u32,
    /// How long those had waited for it since their last reference that were
    /// seen to lose it before it began.
    pub waits: Vec<u64>,
    /// From its beginning to the first call of an exit function: they are
    /// taken off the list of all, and the kernel waits until nobody looks at
    /// them any more.
    pub unlist: Option<u64>,
    /// From there to the return of the last exit function.
    pub exits: Option<u64>,
    /// From there to the end of the round.
    pub end: Option<u64>,
}

/// How far the init of a pid namespace has come on its way out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum InitStep {
    /// It begins to kill and reap everybody else (`zap_pid_ns_processes`).
    Dying,
    /// It has done so.
    Dead,
}

impl InitStep {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::Dying, Self::Dead];

    /// The word for it in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dying => "init_dying",
            Self::Dead => "init_dead",
        }
    }
}

/// Owners that became active or inactive because of a namespace that they own,
/// one because of the other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Chain {
    /// The namespace that began it, after its own step, which was said before.
    pub namespace: Namespace,
    /// Who did that, where it is certain.
    pub actor: Option<Actor>,
    /// Its owner, the owner of that one, and so on, as far as they went along.
    pub links: Vec<ChainLink>,
}

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChainLink {
    /// Which step it took.
    pub step: Lifecycle,
    /// What brought it about: a namespace that it owns came or went.
    pub cause: Cause,
    /// The namespace after it.
    pub ns: Namespace,
}

/// The steps in the life of a namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Lifecycle {
    /// It exists, and nothing uses it yet.
    Created,
    /// It became active for the first time.
    Activated,
    /// It is no longer active, but still referenced.
    Deactivated,
    /// It became active again.
    Resurrected,
    /// Its last reference was dropped.
    Destroyed,
    /// Its inode number was given back: nothing is left to see.
    Freed,
}

impl Lifecycle {
    /// All steps, in the order of a life.
    pub const ALL: [Self; 6] = [
        Self::Created,
        Self::Activated,
        Self::Deactivated,
        Self::Resurrected,
        Self::Destroyed,
        Self::Freed,
    ];

    /// The word for it in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Activated => "activated",
            Self::Deactivated => "deactivated",
            Self::Resurrected => "resurrected",
            Self::Destroyed => "destroyed",
            Self::Freed => "freed",
        }
    }

    /// Whether this cause can bring the step about.
    pub const fn can_come_of(self, cause: Cause) -> bool {
        match self {
            Self::Activated | Self::Resurrected => cause.activates(),
            Self::Deactivated => cause.deactivates(),
            Self::Destroyed => matches!(cause, Cause::ReferenceDropped),
            Self::Created | Self::Freed => false,
        }
    }
}

/// A task went from one nsproxy to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Switch {
    /// The task that changed: itself the one that did it, except on clone,
    /// where it is the newborn.
    pub task: Actor,
    /// How.
    pub reason: Reason,
    /// What it left.
    pub from: Nsproxy,
    /// What it took up; `None` when it exited.
    pub to: Option<Nsproxy>,
}
