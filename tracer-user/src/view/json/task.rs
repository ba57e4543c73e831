//! The ends of tasks.

use serde::Serialize;

use super::{TaskJson, task};
use crate::{
    model::{HandedOver, TaskEnd},
    view::clock::{Clock, rfc3339},
};

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum EndJson {
    Exited {
        #[serde(flatten)]
        task: TaskJson,
        nsproxy_dropped_at: Option<String>,
        handed_over_at: String,
        children: Vec<ChildJson>,
        children_more: u32,
    },
    Reaped {
        #[serde(flatten)]
        task: TaskJson,
        by: Option<TaskJson>,
        itself: bool,
        parent: Option<TaskJson>,
        original_parent: Option<TaskJson>,
        nsproxy_dropped_at: Option<String>,
    },
}

/// A child that was handed over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct ChildJson {
    #[serde(flatten)]
    task: TaskJson,
    /// Whose it is now.
    parent: TaskJson,
}

/// The end of a task, said at this time (`CLOCK_BOOTTIME`), as JSON.
pub(super) fn end(end: &TaskEnd, at: u64, clock: &Clock) -> EndJson {
    let time = |at: u64| rfc3339(clock.wall(at));
    match end {
        TaskEnd::Exited {
            task: exited,
            dropped_at,
            children,
            more_children,
        } => EndJson::Exited {
            task: task(exited),
            nsproxy_dropped_at: dropped_at.map(time),
            handed_over_at: time(at),
            children: children.iter().map(child).collect(),
            children_more: *more_children,
        },
        TaskEnd::Reaped { task: gone, reaped } => EndJson::Reaped {
            task: task(gone),
            by: reaped.by.as_ref().map(task),
            itself: reaped.by.is_none(),
            parent: reaped.parent.as_ref().map(task),
            original_parent: reaped.original_parent.as_ref().map(task),
            nsproxy_dropped_at: reaped.dropped_at.map(time),
        },
    }
}

fn child(handed_over: &HandedOver) -> ChildJson {
    ChildJson {
        task: task(&handed_over.child),
        parent: task(&handed_over.parent),
    }
}
