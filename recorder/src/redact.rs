//! Takes out of records what belongs to the machine and to the day: addresses, numbers, names,
//! the time. Equal values stay equal, and what was used again is used again.

use std::{collections::HashMap, mem::offset_of, ops::RangeInclusive};

use anyhow::{Context as _, Result, ensure};
use tracer_common::{
    event::{
        CHILDREN, ExitEvent, FailEvent, Header, NetCleanupEvent, NsEvent, NsInfo, NsproxyEvent,
        NsproxyInfo, ReapEvent, TaskInfo, UNKNOWN, What,
    },
    kind::Slot,
    walk::{Tag, WalkInit, WalkNs, WalkNsproxy, WalkProcfs, WalkTask},
};

/// How the names of those who play begin. Nobody else is called by name.
const PLAYS: &[u8] = b"play-";

/// The name of everybody else.
const STRANGER: &[u8; 16] = b"stranger\0\0\0\0\0\0\0\0";

/// Kernel threads are alike: the first one is enough to know the namespaces that all have.
const FIRST_KTHREAD: u32 = 2;

/// A field that is not as it was.
#[derive(Clone, Copy, Debug)]
enum Field {
    /// An address, 64 bits.
    Key,
    /// Nanoseconds, 64 bits.
    Time,
    /// The same, or 0 for a time that was not seen.
    Moment,
    /// The kernel's number for a namespace, 64 bits.
    Id,
    /// See [`NsInfo::guard`], 64 bits.
    Guard,
    /// A cgroup's inode number, 64 bits.
    Cgroup,
    /// A namespace's inode number, 32 bits.
    Inum,
    /// A pid, 32 bits.
    Pid,
    /// A command name, 16 bytes.
    Comm,
}

use Field::{Cgroup, Comm, Guard, Id, Inum, Key, Moment, Pid, Time};

/// Fields of a structure, by offset.
type Fields = &'static [(usize, Field)];

const HEADER: Fields = &[
    (offset_of!(Header, time), Time),
    (offset_of!(Header, cgroup), Cgroup),
    (offset_of!(Header, pid), Pid),
    (offset_of!(Header, tgid), Pid),
    (offset_of!(Header, comm), Comm),
];

const NET_CLEANUP: Fields = &[
    (offset_of!(NetCleanupEvent, begin), Time),
    (offset_of!(NetCleanupEvent, exits_begin), Moment),
    (offset_of!(NetCleanupEvent, exits_end), Moment),
    (offset_of!(NetCleanupEvent, end), Moment),
];

const NS: Fields = &[
    (offset_of!(NsInfo, key), Key),
    (offset_of!(NsInfo, ns_id), Id),
    (offset_of!(NsInfo, owner), Key),
    (offset_of!(NsInfo, parent), Key),
    (offset_of!(NsInfo, guard), Guard),
    (offset_of!(NsInfo, inode), Key),
    (offset_of!(NsInfo, inum), Inum),
];

const NSPROXY: [(usize, Field); 1 + 2 * Slot::COUNT] = {
    let mut fields = [(offset_of!(NsproxyInfo, key), Key); 1 + 2 * Slot::COUNT];
    let mut slot = 0;
    while slot < Slot::COUNT {
        fields[1 + 2 * slot] = (offset_of!(NsproxyInfo, slots) + 8 * slot, Key);
        fields[2 + 2 * slot] = (offset_of!(NsproxyInfo, inums) + 4 * slot, Inum);
        slot += 1;
    }
    fields
};

const TASK_INFO: Fields = &[
    (offset_of!(TaskInfo, pid), Pid),
    (offset_of!(TaskInfo, tgid), Pid),
    (offset_of!(TaskInfo, comm), Comm),
];

const TASK: Fields = &[
    (offset_of!(WalkTask, nsproxy), Key),
    (offset_of!(WalkTask, user_ns), Key),
    (offset_of!(WalkTask, pid_ns), Key),
    (offset_of!(WalkTask, pid), Pid),
    (offset_of!(WalkTask, tgid), Pid),
    (offset_of!(WalkTask, comm), Comm),
    (offset_of!(WalkTask, parent), Pid),
];

/// The other numbers count within a namespace of the play.
const INIT: Fields = &[
    (offset_of!(WalkInit, pid_ns), Key),
    (offset_of!(WalkInit, pid), Pid),
    (offset_of!(WalkInit, numbers), Pid),
];

const PROCFS: Fields = &[
    (offset_of!(WalkProcfs, time), Time),
    (offset_of!(WalkProcfs, superblock), Key),
    (offset_of!(WalkProcfs, pid_ns), Key),
];

/// Made-up numbers in the place of real ones.
struct Numbers {
    /// Those that mean the same on every machine.
    fixed: RangeInclusive<u64>,
    given: HashMap<u64, u64>,
    next: u64,
}

impl Numbers {
    fn new(fixed: RangeInclusive<u64>) -> Self {
        Self {
            next: fixed.end() + 1,
            fixed,
            given: HashMap::new(),
        }
    }

    fn instead_of(&mut self, number: u64) -> u64 {
        // None at all.
        if number == 0 || self.fixed.contains(&number) {
            return number;
        }
        *self.given.entry(number).or_insert_with(|| {
            self.next += 1;
            self.next - 1
        })
    }
}

/// Redacts the records of one recording.
pub(crate) struct Redactor {
    /// What is time 0.
    started_at: u64,
    keys: Numbers,
    ids: Numbers,
    guards: Numbers,
    cgroups: Numbers,
    inums: Numbers,
    pids: Numbers,
}

impl Redactor {
    /// Times are to count from `started_at`.
    pub(crate) fn new(started_at: u64) -> Self {
        Self {
            started_at,
            keys: Numbers::new(0..=0),
            // The initial namespaces have these from 6.19 on.
            ids: Numbers::new(0..=8),
            guards: Numbers::new(0..=0),
            // The root.
            cgroups: Numbers::new(0..=1),
            // The initial namespaces again.
            inums: Numbers::new(0xEFFF_FFF8..=0xEFFF_FFFF),
            // init and kthreadd.
            pids: Numbers::new(0..=u64::from(FIRST_KTHREAD)),
        }
    }

    /// A time, as the recording has it.
    pub(crate) fn time(&self, time: u64) -> Result<u64> {
        time.checked_sub(self.started_at)
            .context("something happened before the recording began")
    }

    /// Redacts a record of the ring buffer.
    pub(crate) fn record(&mut self, bytes: &mut [u8]) -> Result<()> {
        let number = u32_at(bytes, offset_of!(Header, what))?;
        let what = What::from_u32(number).with_context(|| format!("unknown event {number}"))?;
        self.fields(bytes, 0, HEADER)?;
        let size = match what {
            What::NsproxyInstalled | What::Switched | What::NsproxyFreed => {
                self.fields(bytes, offset_of!(NsproxyEvent, from), &NSPROXY)?;
                self.fields(bytes, offset_of!(NsproxyEvent, to), &NSPROXY)?;
                size_of::<NsproxyEvent>()
            }
            What::NsFailed => size_of::<FailEvent>(),
            What::NetCleanup => {
                self.fields(bytes, 0, NET_CLEANUP)?;
                size_of::<NetCleanupEvent>()
            }
            What::NsfsOpened | What::NsfsEvicted | What::ProcfsMounted | What::ProcfsGone => {
                self.fields(bytes, offset_of!(NsEvent, ns), NS)?;
                self.field(bytes, offset_of!(NsEvent, aux), Key)?;
                self.field(bytes, offset_of!(NsEvent, below), Key)?;
                size_of::<NsEvent>()
            }
            What::NsCreated
            | What::NsActivity
            | What::NsLastRef
            | What::NsFreed
            | What::NsTasks
            | What::InitDying
            | What::InitDead
            | What::ClimbEnded => {
                self.fields(bytes, offset_of!(NsEvent, ns), NS)?;
                self.field(bytes, offset_of!(NsEvent, below), Key)?;
                size_of::<NsEvent>()
            }
            What::TaskExited => {
                self.field(bytes, offset_of!(ExitEvent, dropped_at), Moment)?;
                self.task_if_known(bytes, offset_of!(ExitEvent, parent))?;
                for index in 0..CHILDREN {
                    let child = index * size_of::<TaskInfo>();
                    self.task_if_known(bytes, offset_of!(ExitEvent, children) + child)?;
                }
                size_of::<ExitEvent>()
            }
            What::TaskReaped => {
                self.field(bytes, offset_of!(ReapEvent, dropped_at), Moment)?;
                for task in [
                    offset_of!(ReapEvent, by),
                    offset_of!(ReapEvent, parent),
                    offset_of!(ReapEvent, original_parent),
                ] {
                    self.task_if_known(bytes, task)?;
                }
                size_of::<ReapEvent>()
            }
        };
        ensure!(bytes.len() == size, "an event of {} bytes", bytes.len());
        Ok(())
    }

    /// Redacts the records of a walk and returns them one by one, without the tasks that are of
    /// no interest: they have nothing to do with the play, and are in initial namespaces.
    pub(crate) fn walk(&mut self, mut bytes: &mut [u8]) -> Result<Vec<Vec<u8>>> {
        let mut records = Vec::new();
        while !bytes.is_empty() {
            let number = u32_at(bytes, 0)?;
            let tag = Tag::from_u32(number).with_context(|| format!("unknown tag {number}"))?;
            let size = match tag {
                Tag::Namespace => size_of::<WalkNs>(),
                Tag::Nsproxy => size_of::<WalkNsproxy>(),
                Tag::Task => size_of::<WalkTask>(),
                Tag::Procfs => size_of::<WalkProcfs>(),
                Tag::Init => size_of::<WalkInit>(),
            };
            let (record, rest) = bytes
                .split_at_mut_checked(size)
                .context("a walk ends within a record")?;
            bytes = rest;
            if tag == Tag::Task && !is_of_interest(record)? {
                continue;
            }
            match tag {
                Tag::Namespace => {
                    self.field(record, offset_of!(WalkNs, time), Time)?;
                    self.fields(record, offset_of!(WalkNs, ns), NS)?;
                }
                Tag::Nsproxy => {
                    self.field(record, offset_of!(WalkNsproxy, time), Time)?;
                    self.fields(record, offset_of!(WalkNsproxy, nsproxy), &NSPROXY)?;
                }
                Tag::Task => self.fields(record, 0, TASK)?,
                Tag::Procfs => self.fields(record, 0, PROCFS)?,
                Tag::Init => self.fields(record, 0, INIT)?,
            }
            records.push(record.to_vec());
        }
        Ok(records)
    }

    /// Redacts the fields of a structure that starts at `start`.
    fn fields(&mut self, bytes: &mut [u8], start: usize, fields: &[(usize, Field)]) -> Result<()> {
        for &(offset, field) in fields {
            self.field(bytes, start + offset, field)?;
        }
        Ok(())
    }

    /// A task that may not be there.
    fn task_if_known(&mut self, bytes: &mut [u8], at: usize) -> Result<()> {
        match u32_at(bytes, at + offset_of!(TaskInfo, pid))? {
            UNKNOWN => Ok(()),
            _ => self.fields(bytes, at, TASK_INFO),
        }
    }

    fn field(&mut self, bytes: &mut [u8], at: usize, field: Field) -> Result<()> {
        let numbers = match field {
            Key => &mut self.keys,
            Id => &mut self.ids,
            Guard => &mut self.guards,
            Cgroup => &mut self.cgroups,
            Inum => &mut self.inums,
            Pid => &mut self.pids,
            Moment if u64::from_ne_bytes(*part_mut(bytes, at)?) == 0 => return Ok(()),
            Time | Moment => {
                let word = part_mut(bytes, at)?;
                *word = self.time(u64::from_ne_bytes(*word))?.to_ne_bytes();
                return Ok(());
            }
            Comm => {
                let name: &mut [u8; 16] = part_mut(bytes, at)?;
                if !name.starts_with(PLAYS) {
                    *name = *STRANGER;
                }
                return Ok(());
            }
        };
        if matches!(field, Inum | Pid) {
            let word = part_mut(bytes, at)?;
            let number = numbers.instead_of(u32::from_ne_bytes(*word).into());
            *word = u32::try_from(number)?.to_ne_bytes();
        } else {
            let word = part_mut(bytes, at)?;
            *word = numbers.instead_of(u64::from_ne_bytes(*word)).to_ne_bytes();
        }
        Ok(())
    }
}

/// Whether a walked task is init, the first kernel thread, or one that plays.
fn is_of_interest(task: &mut [u8]) -> Result<bool> {
    let pid = u32_at(task, offset_of!(WalkTask, pid))?;
    let name: &mut [u8; 16] = part_mut(task, offset_of!(WalkTask, comm))?;
    Ok(pid <= FIRST_KTHREAD || name.starts_with(PLAYS))
}

fn u32_at(bytes: &mut [u8], at: usize) -> Result<u32> {
    Ok(u32::from_ne_bytes(*part_mut(bytes, at)?))
}

fn part_mut<const N: usize>(bytes: &mut [u8], at: usize) -> Result<&mut [u8; N]> {
    bytes
        .get_mut(at..)
        .and_then(<[u8]>::first_chunk_mut)
        .context("a record is too short")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel has them. Here it is in every word of a record.
    const ADDRESS: u64 = 0xffff_8881_0203_0400;

    /// A record of nothing but addresses, apart from the number at its start.
    fn addresses(number: u32, size: usize) -> Vec<u8> {
        let mut bytes = ADDRESS.to_ne_bytes().repeat(size / 8);
        bytes[..4].copy_from_slice(&number.to_ne_bytes());
        bytes
    }

    /// Where an address is left.
    fn places(bytes: &[u8]) -> Vec<usize> {
        let words = bytes.chunks(8).enumerate();
        words
            .filter(|(_, word)| *word == ADDRESS.to_ne_bytes())
            .map(|(index, _)| 8 * index)
            .collect()
    }

    fn redactor() -> Redactor {
        Redactor::new(ADDRESS - 1)
    }

    #[test]
    fn no_address_is_left_in_a_record() {
        for what in (0..32).filter_map(What::from_u32) {
            // Where there are but counts and the like, on any kernel.
            let (size, counts): (_, &[usize]) = match what {
                What::NsproxyInstalled | What::Switched | What::NsproxyFreed => {
                    (size_of::<NsproxyEvent>(), &[48, 160, 272])
                }
                What::NsfsOpened | What::NsfsEvicted | What::ProcfsMounted | What::ProcfsGone => {
                    (size_of::<NsEvent>(), &[104, 112, 120, 128, 144])
                }
                What::TaskExited => (size_of::<ExitEvent>(), &[368]),
                What::TaskReaped => (size_of::<ReapEvent>(), &[]),
                What::NetCleanup => (size_of::<NetCleanupEvent>(), &[48]),
                What::NsFailed => (size_of::<FailEvent>(), &[48]),
                _ => (size_of::<NsEvent>(), &[104, 112, 120, 128, 136, 144]),
            };
            let mut bytes = addresses(what as u32, size);
            redactor().record(&mut bytes).unwrap();
            assert_eq!(places(&bytes), counts, "{what:?}");
        }
    }

    #[test]
    fn no_address_is_left_in_a_walk() {
        let left = |tag: Tag, size| {
            let mut bytes = addresses(tag as u32, size);
            if tag == Tag::Task {
                bytes[offset_of!(WalkTask, pid)..][..4].fill(0);
            }
            places(&redactor().walk(&mut bytes).unwrap().concat())
        };
        assert_eq!(
            left(Tag::Namespace, size_of::<WalkNs>()),
            [16, 24, 88, 96, 104, 112]
        );
        assert_eq!(left(Tag::Nsproxy, size_of::<WalkNsproxy>()), [120]);
        assert_eq!(left(Tag::Task, size_of::<WalkTask>()), [56]);
        let numbers: Vec<_> = (24..size_of::<WalkInit>()).step_by(8).collect();
        assert_eq!(left(Tag::Init, size_of::<WalkInit>()), numbers);
        assert!(left(Tag::Procfs, size_of::<WalkProcfs>()).is_empty());
    }

    #[test]
    fn what_is_not_known_is_not_passed_on() {
        assert!(redactor().record(&mut addresses(99, 160)).is_err());
        assert!(redactor().record(&mut addresses(1, 152)).is_err());
        assert!(redactor().record(&mut addresses(1, 168)).is_err());
        assert!(redactor().walk(&mut addresses(99, 72)).is_err());
        assert!(redactor().walk(&mut addresses(3, 48)).is_err());
    }

    #[test]
    fn equal_numbers_stay_equal() {
        let mut numbers = Numbers::new(0..=2);
        let given = [700, 0, 2, 600, 700].map(|number| numbers.instead_of(number));
        assert_eq!(given, [3, 0, 2, 4, 3]);
    }

    #[test]
    fn only_those_who_play_are_called_by_name() {
        let name = |name: &[u8; 16]| {
            let mut bytes = *name;
            redactor().field(&mut bytes, 0, Comm).unwrap();
            bytes
        };
        assert_eq!(name(b"play-maker\0\0\0\0\0\0"), *b"play-maker\0\0\0\0\0\0");
        assert_eq!(name(b"kworker/1:0\0\0\0\0\0"), *STRANGER);
    }

    #[test]
    fn tasks_that_do_not_play_are_left_out() {
        let kept = |pid: u32, name: &[u8; 16]| {
            let mut bytes = addresses(Tag::Task as u32, size_of::<WalkTask>());
            bytes[offset_of!(WalkTask, pid)..][..4].copy_from_slice(&pid.to_ne_bytes());
            bytes[offset_of!(WalkTask, comm)..][..16].copy_from_slice(name);
            redactor().walk(&mut bytes).unwrap().len()
        };
        assert_eq!(kept(2, b"kthreadd\0\0\0\0\0\0\0\0"), 1);
        assert_eq!(kept(3, b"kworker/0:0\0\0\0\0\0"), 0);
        assert_eq!(kept(90, b"play-keeper\0\0\0\0\0"), 1);
    }
}
