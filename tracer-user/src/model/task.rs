//! The ends of tasks, which change nothing about any namespace: they pass
//! through.

use super::Actor;

/// What one record says of a task that ends: the origin's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskRecord {
    /// It has handed a child over. The record of its exit follows.
    HandedOver(HandedOver),
    /// It has left its namespaces and handed all its children over.
    Exited {
        /// When it dropped its nsproxy, if that was seen.
        dropped_at: Option<u64>,
        /// Children of which nothing is said.
        more_children: u32,
    },
    /// It was reaped.
    Reaped(Reaped),
}

/// A child that has another parent now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandedOver {
    /// The child.
    pub child: Actor,
    /// Whose it is now.
    pub parent: Actor,
}

/// The end of a task, as it is to be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TaskEnd {
    /// It left its namespaces and handed its children over.
    Exited {
        /// The task.
        task: Actor,
        /// When it dropped its nsproxy, if that was seen.
        dropped_at: Option<u64>,
        /// Its children, and who has each of them now.
        children: Vec<HandedOver>,
        /// Children beyond those.
        more_children: u32,
    },
    /// It was reaped.
    Reaped {
        /// The task.
        task: Actor,
        /// How.
        reaped: Reaped,
    },
}

impl TaskEnd {
    /// Whose end it is.
    pub const fn task(&self) -> &Actor {
        match self {
            Self::Exited { task, .. } | Self::Reaped { task, .. } => task,
        }
    }
}

/// How a task was reaped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reaped {
    /// Who did it; `None` if it was the task itself, for which nobody waits.
    pub by: Option<Actor>,
    /// Its parent then.
    pub parent: Option<Actor>,
    /// The parent that it had before that one exited, if it was handed over.
    pub original_parent: Option<Actor>,
    /// When it dropped its nsproxy, if that was seen.
    pub dropped_at: Option<u64>,
}
