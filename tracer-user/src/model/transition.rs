//! What the model says when something changed.

use tracer_common::event::Reason;

use super::{Actor, Namespace, Nsproxy};

/// A change, complete in itself: nothing needs to be looked up to show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A namespace went from one state to another.
    Namespace {
        /// Which step.
        step: Lifecycle,
        /// The namespace after it.
        ns: Namespace,
        /// Who did it, where that is certain.
        actor: Option<Actor>,
    },
    /// A task changed its nsproxy.
    Switched(Switch),
    /// An nsproxy is no more.
    NsproxyFreed(Nsproxy),
}

/// The steps in the life of a namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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
}

/// A task went from one nsproxy to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
