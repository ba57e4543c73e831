//! Records about the end of a task.

use tracer_common::event::{CHILDREN, TaskInfo, UNKNOWN};

use super::{Cursor, DecodeError, seen};
use crate::model::{Actor, Comm, Exited, Reaped};

/// The rest of a [`tracer_common::event::ExitEvent`], behind its header.
pub(super) fn exited(cursor: &mut Cursor<'_>) -> Result<Exited, DecodeError> {
    let dropped_at = seen(cursor.u64()?);
    let parent = task(cursor)?;
    let mut children = [None; CHILDREN];
    for child in &mut children {
        *child = task(cursor)?;
    }
    let more_children = cursor.u32()?;
    cursor.skip(4)?;
    Ok(Exited {
        dropped_at,
        parent,
        children,
        more_children,
    })
}

/// The rest of a [`tracer_common::event::ReapEvent`], behind its header.
pub(super) fn reaped(cursor: &mut Cursor<'_>) -> Result<Reaped, DecodeError> {
    Ok(Reaped {
        dropped_at: seen(cursor.u64()?),
        by: task(cursor)?,
        parent: task(cursor)?,
        original_parent: task(cursor)?,
    })
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

    use tracer_common::event::{ExitEvent, Header, ReapEvent, What};

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

    fn record(what: What, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        let word = (what as u32).to_ne_bytes();
        put(&mut bytes, offset_of!(Header, what), &word);
        put(&mut bytes, offset_of!(Header, pid), &100_u32.to_ne_bytes());
        bytes
    }

    fn exit() -> Vec<u8> {
        let mut bytes = record(What::TaskExited, size_of::<ExitEvent>());
        let at = 55_u64.to_ne_bytes();
        put(&mut bytes, offset_of!(ExitEvent, dropped_at), &at);
        put_task(&mut bytes, offset_of!(ExitEvent, parent), 1);
        for index in 0..CHILDREN {
            let at = offset_of!(ExitEvent, children) + index * size_of::<TaskInfo>();
            put_task(&mut bytes, at, if index == 2 { 102 } else { UNKNOWN });
        }
        let more = 3_u32.to_ne_bytes();
        put(&mut bytes, offset_of!(ExitEvent, more_children), &more);
        bytes
    }

    fn reaping() -> Vec<u8> {
        let mut bytes = record(What::TaskReaped, size_of::<ReapEvent>());
        let at = 55_u64.to_ne_bytes();
        put(&mut bytes, offset_of!(ReapEvent, dropped_at), &at);
        put_task(&mut bytes, offset_of!(ReapEvent, by), 101);
        put_task(&mut bytes, offset_of!(ReapEvent, parent), 1);
        put_task(&mut bytes, offset_of!(ReapEvent, original_parent), UNKNOWN);
        bytes
    }

    fn task(pid: u32) -> Actor {
        let mut comm = Comm::default();
        comm.0[..5].copy_from_slice(b"sleep");
        Actor { pid, tgid: 7, comm }
    }

    fn body(bytes: &[u8]) -> Body {
        let event = event(bytes).unwrap();
        assert_eq!(event.origin.task.pid, 100);
        event.body
    }

    #[test]
    fn each_record_has_what_it_is_about() {
        let mut children = [None; CHILDREN];
        children[2] = Some(task(102));
        assert_eq!(
            body(&exit()),
            Body::TaskExited(Exited {
                dropped_at: Some(55),
                parent: Some(task(1)),
                children,
                more_children: 3,
            })
        );
        assert_eq!(
            body(&reaping()),
            Body::TaskReaped(Reaped {
                by: Some(task(101)),
                parent: Some(task(1)),
                original_parent: None,
                dropped_at: Some(55),
            })
        );
    }

    #[test]
    fn what_is_not_known_is_none() {
        let mut bytes = reaping();
        put(&mut bytes, offset_of!(ReapEvent, dropped_at), &[0; 8]);
        put_task(&mut bytes, offset_of!(ReapEvent, by), UNKNOWN);
        let Body::TaskReaped(reaped) = body(&bytes) else {
            panic!("not reaped");
        };
        assert_eq!((reaped.by, reaped.dropped_at), (None, None));
    }

    #[test]
    fn every_other_length_is_refused() {
        for bytes in [exit(), reaping()] {
            for length in 0..bytes.len() {
                assert!(event(&bytes[..length]).is_err());
            }
            assert!(event(&[bytes.as_slice(), &[0]].concat()).is_err());
        }
    }
}
