//! The kernel's own rules of nsproxies, and what breaks them.

use serde::{Deserialize, Serialize};

use super::{Actor, Namespace, Nsproxy};

/// What `include/linux/nsproxy.h` and `kernel/nsproxy.c` promise, as far as
/// nslife can check it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Rule {
    /// Only a task itself changes its nsproxy, but for a fork, which gives the
    /// child one before it runs.
    ForeignSwitch,
    /// The nsproxy that a task takes up is the initial one, a brand-new one or
    /// one that it holds already: never one that others use.
    NewNotFresh,
    /// No count goes below zero: not the holders of an nsproxy, not the
    /// references to a namespace, not its active count.
    CountBelowZero,
    /// A task without an nsproxy is exiting.
    NullWhileAlive,
    /// A freed nsproxy is on no task.
    FreedWhileUsed,
}

impl Rule {
    /// How many there are.
    pub const COUNT: usize = 5;
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::ForeignSwitch,
        Self::NewNotFresh,
        Self::CountBelowZero,
        Self::NullWhileAlive,
        Self::FreedWhileUsed,
    ];

    /// The word for it in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForeignSwitch => "foreign_switch",
            Self::NewNotFresh => "new_not_fresh",
            Self::CountBelowZero => "count_below_zero",
            Self::NullWhileAlive => "null_while_alive",
            Self::FreedWhileUsed => "freed_while_used",
        }
    }
}

/// A rule was broken, with the evidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// The task whose nsproxy it is about; not always the one to blame.
    pub task: Option<Actor>,
    /// The nsproxy, with its count as it was read then.
    pub nsproxy: Option<Nsproxy>,
    /// The namespace.
    pub namespace: Option<Namespace>,
    /// The counts of the namespace that broke the rule, with their sign.
    pub counts: SignedCounts,
}

/// Counts that may be below zero, or, of references, saturated, which looks
/// like it. `None` if they were not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SignedCounts {
    /// The holders of an nsproxy (`nsproxy.count`).
    pub nsproxy: Option<i32>,
    /// References to a namespace.
    pub refs: Option<i32>,
    /// Its active count, where the kernel keeps one.
    pub active: Option<i32>,
}

impl SignedCounts {
    /// Whether one of them is below zero.
    pub fn below_zero(&self) -> bool {
        [self.nsproxy, self.refs, self.active]
            .into_iter()
            .flatten()
            .any(i32::is_negative)
    }
}
