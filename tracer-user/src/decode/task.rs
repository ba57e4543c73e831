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

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use tracer_common::event::{Header, TaskEvent, What};

    use super::super::event;
    use super::*;
    use crate::model::Body;

    fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
        bytes[at..at + value.len()].copy_from_slice(value);
    }

    fn put_task(bytes: &mut [u8], at: usize, pid: u32) {
        put(bytes, at + offset_of!(TaskInfo, pid), &pid.to_ne_bytes());
        put(bytes, at + offset_of!(TaskInfo, tgid), &7_u32.to_ne_bytes());
        put(bytes, at + offset_of!(TaskInfo, comm), b"sleep");
    }

    fn record(what: What) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<TaskEvent>()];
        let word = (what as u32).to_ne_bytes();
        put(&mut bytes, offset_of!(Header, what), &word);
        put(&mut bytes, offset_of!(Header, pid), &100_u32.to_ne_bytes());
        let at = 55_u64.to_ne_bytes();
        put(&mut bytes, offset_of!(TaskEvent, dropped_at), &at);
        put_task(&mut bytes, offset_of!(TaskEvent, other), 101);
        put_task(&mut bytes, offset_of!(TaskEvent, parent), 1);
        put_task(&mut bytes, offset_of!(TaskEvent, original_parent), UNKNOWN);
        let more = 3_u32.to_ne_bytes();
        put(&mut bytes, offset_of!(TaskEvent, more_children), &more);
        bytes
    }

    fn task(pid: u32) -> Actor {
        let mut comm = Comm::default();
        comm.0[..5].copy_from_slice(b"sleep");
        Actor { pid, tgid: 7, comm }
    }

    fn decoded(bytes: &[u8]) -> TaskRecord {
        let event = event(bytes).unwrap();
        assert_eq!(event.origin.task.pid, 100);
        match event.body {
            Body::TaskEnd(record) => record,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_record_has_what_it_is_about() {
        assert_eq!(
            decoded(&record(What::ChildHandedOver)),
            TaskRecord::HandedOver(HandedOver {
                child: task(101),
                parent: task(1),
            })
        );
        assert_eq!(
            decoded(&record(What::TaskExited)),
            TaskRecord::Exited {
                dropped_at: Some(55),
                more_children: 3,
            }
        );
        assert_eq!(
            decoded(&record(What::TaskReaped)),
            TaskRecord::Reaped(Reaped {
                by: Some(task(101)),
                parent: Some(task(1)),
                original_parent: None,
                dropped_at: Some(55),
            })
        );
    }

    #[test]
    fn what_is_not_known_is_none() {
        let mut bytes = record(What::TaskReaped);
        put(&mut bytes, offset_of!(TaskEvent, dropped_at), &[0; 8]);
        put_task(&mut bytes, offset_of!(TaskEvent, other), UNKNOWN);
        let TaskRecord::Reaped(reaped) = decoded(&bytes) else {
            panic!("not reaped");
        };
        assert_eq!((reaped.by, reaped.dropped_at), (None, None));
    }

    #[test]
    fn a_child_that_nobody_has_is_refused() {
        for (at, field) in [
            (offset_of!(TaskEvent, other), "child"),
            (offset_of!(TaskEvent, parent), "parent"),
        ] {
            let mut bytes = record(What::ChildHandedOver);
            put_task(&mut bytes, at, UNKNOWN);
            let offset = offset_of!(TaskEvent, dropped_at);
            assert_eq!(event(&bytes), Err(DecodeError::NoTask { field, offset }));
        }
    }

    #[test]
    fn every_other_length_is_refused() {
        let bytes = record(What::TaskExited);
        for length in 0..bytes.len() {
            assert!(event(&bytes[..length]).is_err());
        }
        assert!(event(&[bytes.as_slice(), &[0]].concat()).is_err());
    }
}
