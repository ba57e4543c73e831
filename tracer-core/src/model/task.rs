//! The ends of tasks, which change nothing about any namespace: they pass
//! through.

use serde::{Deserialize, Serialize};
use tracer_common::event::CHILDREN;

use super::Actor;

/// How a task exited, the origin's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exited {
    /// When it dropped its nsproxy, if that was seen.
    pub dropped_at: Option<u64>,
    /// Who has its children now.
    pub parent: Option<Actor>,
    /// The children that were handed over, `None` for others that it had.
    pub children: [Option<Actor>; CHILDREN],
    /// Children of which nothing is known.
    pub more_children: u32,
}

/// A child that has another parent now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HandedOver {
    /// The child.
    pub child: Actor,
    /// Whose it is now.
    pub parent: Actor,
}

/// The end of a task, as it is to be shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
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
    /// The exit of a task.
    pub(super) fn exited(task: Actor, exited: &Exited) -> Self {
        let handed_over = exited.parent.into_iter().flat_map(|parent| {
            let children = exited.children.iter().flatten();
            children.map(move |&child| HandedOver { child, parent })
        });
        Self::Exited {
            task,
            dropped_at: exited.dropped_at,
            children: handed_over.collect(),
            more_children: exited.more_children,
        }
    }

    /// Whose end it is.
    pub const fn task(&self) -> &Actor {
        match self {
            Self::Exited { task, .. } | Self::Reaped { task, .. } => task,
        }
    }
}

/// How a task was reaped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
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
