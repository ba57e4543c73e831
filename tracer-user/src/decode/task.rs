//! Records about the end of a task.

use tracer_common::event::{TaskInfo, UNKNOWN};

use super::{Cursor, DecodeError};
use crate::model::{Actor, Comm, HandedOver, Reaped, TaskRecord};

/// The rest of a [`tracer_common::event::TaskEvent`], behind its header.
struct Rest {
    dropped_at: Option<u64>,
    other: Option<Actor>,
    parent: Option<Actor>,
    original_parent: Option<Actor>,
    more_children: u32,
}

pub(super) fn exited(cursor: &mut Cursor<'_>) -> Result<TaskRecord, DecodeError> {
    let rest = rest(cursor)?;
    Ok(TaskRecord::Exited {
        dropped_at: rest.dropped_at,
        more_children: rest.more_children,
    })
}

pub(super) fn reaped(cursor: &mut Cursor<'_>) -> Result<TaskRecord, DecodeError> {
    let rest = rest(cursor)?;
    Ok(TaskRecord::Reaped(Reaped {
        by: rest.other,
        parent: rest.parent,
        original_parent: rest.original_parent,
        dropped_at: rest.dropped_at,
    }))
}

pub(super) fn handed_over(cursor: &mut Cursor<'_>) -> Result<TaskRecord, DecodeError> {
    let offset = cursor.offset();
    let rest = rest(cursor)?;
    let there = |task: Option<Actor>, field| task.ok_or(DecodeError::NoTask { field, offset });
    Ok(TaskRecord::HandedOver(HandedOver {
        child: there(rest.other, "child")?,
        parent: there(rest.parent, "parent")?,
    }))
}

fn rest(cursor: &mut Cursor<'_>) -> Result<Rest, DecodeError> {
    let dropped_at = cursor.u64()?;
    let rest = Rest {
        dropped_at: (dropped_at != 0).then_some(dropped_at),
        other: task(cursor)?,
        parent: task(cursor)?,
        original_parent: task(cursor)?,
        more_children: cursor.u32()?,
    };
    cursor.skip(4)?;
    Ok(rest)
}

/// A [`TaskInfo`], `None` if there is no such task.
fn task(cursor: &mut Cursor<'_>) -> Result<Option<Actor>, DecodeError> {
    let start = cursor.offset();
    let actor = Actor {
        pid: cursor.u32()?,
        tgid: cursor.u32()?,
        comm: Comm(cursor.array()?),
    };
    debug_assert_eq!(cursor.offset() - start, size_of::<TaskInfo>());
    Ok((actor.pid != UNKNOWN).then_some(actor))
}
