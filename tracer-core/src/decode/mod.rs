//! Bytes to observations: pure, and safe against any bytes.
//!
//! The layouts are those of [`tracer_common::event`] and
//! [`tracer_common::walk`]. Lengths are checked first, then fields are read
//! one after the other, in the order of their declaration; nothing is cast.
//! Numbers become enums here, and zeros or [`UNKNOWN`]s that mean "unread"
//! become `None`, so that nobody behind this point can mistake them.

mod cursor;
mod task;
#[cfg(test)]
mod tests;

use tracer_common::event::{
    BREACH_FOREIGN, BREACH_IN_USE, Cause, ExitEvent, FLAG_ACTOR, FLAG_SELECTED, FailEvent, Header,
    NS_ACTIVE_MINUS_ONE, NS_PIDS_DISABLED, NetCleanupEvent, NsEvent, NsInfo, NsproxyEvent,
    NsproxyInfo, Phase, ReapEvent, Reason, UNKNOWN, What,
};
use tracer_common::kind::{NsKind, Slot};
use tracer_common::walk::{
    self as layout, PID_LEVELS, TASK_EXITING, TASK_KTHREAD, TASK_LEADER, Tag,
};

use crate::model::{
    Actor, Body, Breaches, CleanupTimes, Comm, Errno, Event, Key, NsFacts, NsproxyFacts, Origin,
    PidNumbers, SlotFacts, WalkInit, WalkNs, WalkNsproxy, WalkProcfs, WalkRecord, WalkTask,
};
use cursor::Cursor;

/// Why bytes are not a record. Offsets count from the start of the bytes
/// given to [`event`] or [`walk`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// Too few or too many bytes.
    #[error("{record} at byte {offset}: {actual} bytes where {expected} were expected")]
    Length {
        /// Which record.
        record: &'static str,
        /// Where it starts.
        offset: usize,
        /// Bytes it should have.
        expected: usize,
        /// Bytes there are.
        actual: usize,
    },
    /// A number that this build has no meaning for.
    #[error("unknown {field} {value} at byte {offset}")]
    Unknown {
        /// Which field.
        field: &'static str,
        /// Where it is.
        offset: usize,
        /// The number.
        value: u32,
    },
    /// Zero in a field without which the record means nothing.
    #[error("{field} at byte {offset} is zero")]
    Zero {
        /// Which field.
        field: &'static str,
        /// Where it is.
        offset: usize,
    },
}

/// Decodes one record of the ring buffer, which must fill `bytes`.
pub fn event(bytes: &[u8]) -> Result<Event, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    cursor.expect_at_least("event header", size_of::<Header>())?;
    let raw = cursor.u32()?;
    let what = What::from_u32(raw).ok_or(DecodeError::Unknown {
        field: "event",
        offset: 0,
        value: raw,
    })?;
    match what {
        What::NsCreated
        | What::NsActivity
        | What::NsLastRef
        | What::NsFreed
        | What::NsfsOpened
        | What::NsfsEvicted
        | What::NsTasks
        | What::InitDying
        | What::InitDead
        | What::ClimbEnded
        | What::ProcfsMounted
        | What::ProcfsGone => cursor.expect_exactly("namespace event", size_of::<NsEvent>())?,
        What::NsFailed => cursor.expect_exactly("failure event", size_of::<FailEvent>())?,
        What::NsproxyInstalled | What::Switched | What::NsproxyFreed => {
            cursor.expect_exactly("nsproxy event", size_of::<NsproxyEvent>())?;
        }
        What::NetCleanup => {
            cursor.expect_exactly("net clean-up event", size_of::<NetCleanupEvent>())?;
        }
        What::TaskExited => cursor.expect_exactly("exit event", size_of::<ExitEvent>())?,
        What::TaskReaped => cursor.expect_exactly("reap event", size_of::<ReapEvent>())?,
    }
    let origin = origin(&mut cursor)?;
    let mut breaches = Breaches::default();
    let body = match what {
        What::NsCreated => Body::Created {
            ns: ns_facts(&mut cursor)?,
            took: seen(cursor.u64()?),
        },
        What::NsFailed => Body::Failed {
            kind: kind(&mut cursor)?,
            errno: Errno(cursor.nonzero_u32("error number")?.get()),
        },
        What::NsActivity => Body::Activity {
            ns: ns_facts(&mut cursor)?,
            sequence: cursor.u64()?,
            cause: cause(&mut cursor)?,
            below: {
                cursor.skip(4)?;
                Key::new(cursor.u64()?)
            },
        },
        What::NsLastRef => Body::LastRef(ns_facts(&mut cursor)?),
        What::NsFreed => Body::Freed(ns_facts(&mut cursor)?.as_ref()),
        What::NsfsOpened => Body::NsfsOpened {
            ns: ns_facts(&mut cursor)?,
            inode: cursor.key("inode")?,
        },
        What::NsfsEvicted => Body::NsfsEvicted {
            ns: ns_facts(&mut cursor)?,
            inode: cursor.key("inode")?,
        },
        What::NsTasks => Body::Tasks {
            ns: ns_facts(&mut cursor)?,
            sequence: cursor.u64()?,
            cause: cause(&mut cursor)?,
        },
        What::InitDying => Body::InitDying(ns_facts(&mut cursor)?),
        What::InitDead => Body::InitDead(ns_facts(&mut cursor)?),
        What::ClimbEnded => Body::ClimbEnded(ns_facts(&mut cursor)?.as_ref()),
        What::ProcfsMounted => Body::ProcfsMounted {
            ns: ns_facts(&mut cursor)?,
            superblock: cursor.key("superblock")?,
        },
        What::ProcfsGone => Body::ProcfsGone {
            ns: ns_facts(&mut cursor)?,
            superblock: cursor.key("superblock")?,
        },
        What::NsproxyInstalled => {
            cursor.skip(REASON + size_of::<NsproxyInfo>())?;
            Body::NsproxyInstalled(nsproxy(&mut cursor, "to")?)
        }
        What::Switched => switched(&mut cursor, &mut breaches)?,
        What::NsproxyFreed => {
            cursor.skip(size_of::<u32>())?;
            breaches = self::breaches(&mut cursor)?;
            Body::NsproxyFreed(nsproxy(&mut cursor, "from")?)
        }
        What::NetCleanup => net_cleanup(&mut cursor)?,
        What::TaskExited => Body::TaskExited(task::exited(&mut cursor)?),
        What::TaskReaped => Body::TaskReaped(task::reaped(&mut cursor)?),
    };
    Ok(Event {
        origin,
        body,
        breaches,
    })
}

/// Size of [`NsproxyEvent`]'s reason and breaches, in bytes.
const REASON: usize = 8;

/// Decodes the records of a walk, in order. After an unknown or truncated
/// record nothing follows, since its length is not known; after one with a
/// bad field the walk goes on.
pub fn walk(bytes: &[u8]) -> WalkRecords<'_> {
    WalkRecords {
        cursor: Cursor::new(bytes),
    }
}

/// The records of a walk, see [`walk`].
#[derive(Clone, Debug)]
pub struct WalkRecords<'a> {
    cursor: Cursor<'a>,
}

impl Iterator for WalkRecords<'_> {
    type Item = Result<WalkRecord, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_empty() {
            return None;
        }
        let record = self.split_record();
        if record.is_err() {
            self.cursor.finish();
        }
        Some(record.and_then(|(tag, mut cursor)| match tag {
            Tag::Namespace => walk_ns(&mut cursor).map(WalkRecord::Namespace),
            Tag::Nsproxy => walk_nsproxy(&mut cursor).map(WalkRecord::Nsproxy),
            Tag::Task => walk_task(&mut cursor).map(WalkRecord::Task),
            Tag::Procfs => walk_procfs(&mut cursor).map(WalkRecord::Procfs),
            Tag::Init => walk_init(&mut cursor).map(WalkRecord::Init),
        }))
    }
}

impl<'a> WalkRecords<'a> {
    /// Takes the bytes of the next record, up to its length.
    fn split_record(&mut self) -> Result<(Tag, Cursor<'a>), DecodeError> {
        let offset = self.cursor.offset();
        self.cursor
            .expect_at_least("tag of a walk record", size_of::<u32>())?;
        let raw = self.cursor.clone().u32()?;
        let (tag, name, size) = match Tag::from_u32(raw) {
            Some(tag @ Tag::Namespace) => (tag, "walked namespace", size_of::<layout::WalkNs>()),
            Some(tag @ Tag::Nsproxy) => (tag, "walked nsproxy", size_of::<layout::WalkNsproxy>()),
            Some(tag @ Tag::Task) => (tag, "walked task", size_of::<layout::WalkTask>()),
            Some(tag @ Tag::Procfs) => (tag, "walked procfs", size_of::<layout::WalkProcfs>()),
            Some(tag @ Tag::Init) => (tag, "walked init", size_of::<layout::WalkInit>()),
            None => {
                return Err(DecodeError::Unknown {
                    field: "tag of a walk record",
                    offset,
                    value: raw,
                });
            }
        };
        let mut record = self.cursor.split(name, size)?;
        record.skip(size_of::<u32>())?;
        Ok((tag, record))
    }
}

fn walk_ns(cursor: &mut Cursor<'_>) -> Result<WalkNs, DecodeError> {
    cursor.skip(4)?;
    let time = cursor.u64()?;
    let sequence = cursor.u64()?;
    let tasks_sequence = cursor.u64()?;
    Ok(WalkNs {
        time,
        sequence: (sequence != 0).then_some(sequence),
        tasks_sequence: (tasks_sequence != 0).then_some(tasks_sequence),
        ns: ns_facts(cursor)?,
    })
}

fn walk_nsproxy(cursor: &mut Cursor<'_>) -> Result<WalkNsproxy, DecodeError> {
    cursor.skip(4)?;
    Ok(WalkNsproxy {
        time: cursor.u64()?,
        nsproxy: nsproxy(cursor, "nsproxy")?,
    })
}

fn walk_task(cursor: &mut Cursor<'_>) -> Result<WalkTask, DecodeError> {
    let flags = cursor.u32()?;
    Ok(WalkTask {
        nsproxy: Key::new(cursor.u64()?),
        user_ns: Key::new(cursor.u64()?),
        pid_ns: Key::new(cursor.u64()?),
        pid: cursor.u32()?,
        tgid: cursor.u32()?,
        comm: Comm(cursor.array()?),
        kthread: flags & TASK_KTHREAD != 0,
        leader: flags & TASK_LEADER != 0,
        exiting: flags & TASK_EXITING != 0,
        state: cursor.u32()?,
        exit_state: cursor.u32()?,
        parent: cursor.u32()?,
    })
}

fn walk_procfs(cursor: &mut Cursor<'_>) -> Result<WalkProcfs, DecodeError> {
    cursor.skip(4)?;
    Ok(WalkProcfs {
        time: cursor.u64()?,
        superblock: cursor.key("superblock")?,
        pid_ns: cursor.key("namespace address")?,
    })
}

fn walk_init(cursor: &mut Cursor<'_>) -> Result<WalkInit, DecodeError> {
    let offset = cursor.offset();
    let level = cursor.u32()?;
    let pid_ns = cursor.key("namespace address")?;
    let pid = cursor.u32()?;
    let mut numbers = [0; PID_LEVELS];
    for number in &mut numbers {
        *number = cursor.u32()?;
    }
    match PidNumbers::new(numbers, level) {
        Some(numbers) => Ok(WalkInit {
            pid_ns,
            pid,
            numbers,
        }),
        None => Err(DecodeError::Unknown {
            field: "depth of a pid namespace",
            offset,
            value: level,
        }),
    }
}

/// The rest of a [`Header`], behind `what`.
fn origin(cursor: &mut Cursor<'_>) -> Result<Origin, DecodeError> {
    let flags = cursor.u32()?;
    Ok(Origin {
        time: cursor.u64()?,
        cgroup: cursor.u64()?,
        task: Actor {
            pid: cursor.u32()?,
            tgid: cursor.u32()?,
            comm: Comm(cursor.array()?),
        },
        is_actor: flags & FLAG_ACTOR != 0,
        selected: flags & FLAG_SELECTED != 0,
    })
}

/// An [`NsInfo`].
fn ns_facts(cursor: &mut Cursor<'_>) -> Result<NsFacts, DecodeError> {
    let start = cursor.offset();
    let key = cursor.key("namespace address")?;
    let ns_id = cursor.u64()?;
    let owner = cursor.u64()?;
    let parent = cursor.u64()?;
    let guard = cursor.u64()?;
    let inode = cursor.u64()?;
    let inum = cursor.nonzero_u32("inode number")?;
    let kind = kind(cursor)?;
    let mut facts = NsFacts {
        key,
        kind,
        inum,
        ns_id: ns_id.try_into().ok(),
        guard: guard.try_into().ok(),
        owner: Key::new(owner),
        parent: Key::new(parent),
        refs: known(cursor.u32()?),
        active: known(cursor.u32()?),
        level: known(cursor.u32()?),
        owner_uid: known(cursor.u32()?),
        inode: Key::new(inode),
        creds: known(cursor.u32()?),
        pids: known(cursor.u32()?),
        pids_disabled: false,
    };
    let flags = cursor.u32()?;
    facts.pids_disabled = flags & NS_PIDS_DISABLED != 0;
    if flags & NS_ACTIVE_MINUS_ONE != 0 {
        facts.active = Some((-1_i32).cast_unsigned());
    }
    cursor.skip(4)?;
    debug_assert_eq!(cursor.offset() - start, size_of::<NsInfo>());
    Ok(facts)
}

fn kind(cursor: &mut Cursor<'_>) -> Result<NsKind, DecodeError> {
    let offset = cursor.offset();
    let value = cursor.u32()?;
    NsKind::from_u32(value).ok_or(DecodeError::Unknown {
        field: "namespace type",
        offset,
        value,
    })
}

fn cause(cursor: &mut Cursor<'_>) -> Result<Option<Cause>, DecodeError> {
    let offset = cursor.offset();
    let value = cursor.u32()?;
    match Cause::from_u32(value) {
        None if value != 0 => Err(DecodeError::Unknown {
            field: "cause",
            offset,
            value,
        }),
        cause => Ok(cause),
    }
}

fn switched(cursor: &mut Cursor<'_>, breaches: &mut Breaches) -> Result<Body, DecodeError> {
    let offset = cursor.offset();
    let value = cursor.u32()?;
    let reason = Reason::from_u32(value).ok_or(DecodeError::Unknown {
        field: "reason",
        offset,
        value,
    })?;
    *breaches = self::breaches(cursor)?;
    Ok(Body::Switched {
        reason,
        from: nsproxy(cursor, "from")?,
        to: maybe_nsproxy(cursor)?,
    })
}

/// The rest of a [`NetCleanupEvent`].
fn net_cleanup(cursor: &mut Cursor<'_>) -> Result<Body, DecodeError> {
    let offset = cursor.offset();
    let value = cursor.u32()?;
    let phase = Phase::from_u32(value).ok_or(DecodeError::Unknown {
        field: "phase of a net clean-up",
        offset,
        value,
    })?;
    cursor.skip(4)?;
    let began = cursor.moment("beginning of a net clean-up")?;
    Ok(match phase {
        Phase::Begin => Body::NetCleanupBegan { at: began },
        Phase::End => Body::NetCleanupEnded(CleanupTimes {
            began,
            exits_began: seen(cursor.u64()?),
            exits_ended: seen(cursor.u64()?),
            ended: cursor.moment("end of a net clean-up")?,
        }),
    })
}

/// A time, or a length of time, in which 0 means that it was not seen.
fn seen(time: u64) -> Option<u64> {
    (time != 0).then_some(time)
}

fn breaches(cursor: &mut Cursor<'_>) -> Result<Breaches, DecodeError> {
    let offset = cursor.offset();
    let value = cursor.u32()?;
    if value & !(BREACH_FOREIGN | BREACH_IN_USE) != 0 {
        return Err(DecodeError::Unknown {
            field: "breaches",
            offset,
            value,
        });
    }
    Ok(Breaches {
        foreign: value & BREACH_FOREIGN != 0,
        in_use: value & BREACH_IN_USE != 0,
    })
}

/// An [`NsproxyInfo`] that must be there.
fn nsproxy(cursor: &mut Cursor<'_>, field: &'static str) -> Result<NsproxyFacts, DecodeError> {
    let offset = cursor.offset();
    maybe_nsproxy(cursor)?.ok_or(DecodeError::Zero { field, offset })
}

/// An [`NsproxyInfo`], `None` if its key is 0.
fn maybe_nsproxy(cursor: &mut Cursor<'_>) -> Result<Option<NsproxyFacts>, DecodeError> {
    let start = cursor.offset();
    let key = Key::new(cursor.u64()?);
    let mut keys = [None; Slot::COUNT];
    for slot in &mut keys {
        *slot = Key::new(cursor.u64()?);
    }
    let mut slots = [None; Slot::COUNT];
    for (slot, key) in slots.iter_mut().zip(keys) {
        let inum = cursor.u32()?;
        *slot = key.map(|key| SlotFacts {
            key,
            inum: inum.try_into().ok(),
        });
    }
    let count = cursor.u32()?;
    cursor.skip(4)?;
    debug_assert_eq!(cursor.offset() - start, size_of::<NsproxyInfo>());
    Ok(key.map(|key| NsproxyFacts { key, slots, count }))
}

/// A 32-bit field in which [`UNKNOWN`] means that it was not read.
fn known(raw: u32) -> Option<u32> {
    (raw != UNKNOWN).then_some(raw)
}
