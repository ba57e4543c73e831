//! Records are written here field by field at the offsets of the shared
//! layouts, so that a decoder which reads in another order cannot pass.

use std::mem::offset_of;
use std::num::{NonZeroU32, NonZeroU64};

use proptest::prelude::*;

use super::*;

/// A record under construction.
struct Record(Vec<u8>);

impl Record {
    fn zeroed(size: usize) -> Self {
        Self(vec![0; size])
    }

    fn u32(mut self, offset: usize, value: u32) -> Self {
        self.0[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    fn u64(mut self, offset: usize, value: u64) -> Self {
        self.0[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
        self
    }

    fn comm(mut self, offset: usize, comm: &[u8]) -> Self {
        self.0[offset..offset + comm.len()].copy_from_slice(comm);
        self
    }

    fn header(self, what: u32, flags: u32) -> Self {
        self.u32(offset_of!(Header, what), what)
            .u32(offset_of!(Header, flags), flags)
            .u64(offset_of!(Header, time), 123_456_789_012)
            .u64(offset_of!(Header, cgroup), 77)
            .u32(offset_of!(Header, pid), 1001)
            .u32(offset_of!(Header, tgid), 1000)
            .comm(offset_of!(Header, comm), b"unshare")
    }

    /// Everything known about a network namespace, at `at`.
    fn net(self, at: usize) -> Self {
        self.u64(at + offset_of!(NsInfo, key), 0xffff_8880_0000_1000)
            .u64(at + offset_of!(NsInfo, ns_id), 42)
            .u64(at + offset_of!(NsInfo, owner), 0xffff_8880_0000_2000)
            .u64(at + offset_of!(NsInfo, parent), 0xffff_8880_0000_3000)
            .u64(at + offset_of!(NsInfo, guard), 43)
            .u32(at + offset_of!(NsInfo, inum), 4_026_532_177)
            .u32(at + offset_of!(NsInfo, kind), NsKind::Net as u32)
            .u32(at + offset_of!(NsInfo, refs), 3)
            .u32(at + offset_of!(NsInfo, active), 2)
            .u32(at + offset_of!(NsInfo, level), 1)
            .u32(at + offset_of!(NsInfo, owner_uid), 1000)
            .u64(at + offset_of!(NsInfo, inode), 0xffff_8880_0000_4000)
            .u32(at + offset_of!(NsInfo, creds), 6)
            .u32(at + offset_of!(NsInfo, pids), 7)
    }

    /// An nsproxy whose slot `n` points to namespace `base + n`.
    fn nsproxy(mut self, at: usize, key: u64, base: u64) -> Self {
        self = self
            .u64(at + offset_of!(NsproxyInfo, key), key)
            .u32(at + offset_of!(NsproxyInfo, count), 5);
        for slot in 0..Slot::COUNT {
            self = self
                .u64(
                    at + offset_of!(NsproxyInfo, slots) + 8 * slot,
                    base + slot as u64,
                )
                .u32(
                    at + offset_of!(NsproxyInfo, inums) + 4 * slot,
                    100 + slot as u32,
                );
        }
        self
    }
}

fn ns_event(what: What) -> Record {
    Record::zeroed(size_of::<NsEvent>())
        .header(what as u32, FLAG_ACTOR)
        .net(offset_of!(NsEvent, ns))
        .u64(offset_of!(NsEvent, aux), 99)
}

fn nsproxy_event(what: What) -> Record {
    Record::zeroed(size_of::<NsproxyEvent>())
        .header(what as u32, FLAG_SELECTED)
        .nsproxy(offset_of!(NsproxyEvent, from), 0x1000, 0x2000)
        .nsproxy(offset_of!(NsproxyEvent, to), 0x3000, 0x4000)
}

fn switched_for(reason: Reason) -> Record {
    nsproxy_event(What::Switched).u32(offset_of!(NsproxyEvent, reason), reason as u32)
}

fn walked_ns() -> Record {
    Record::zeroed(size_of::<layout::WalkNs>())
        .u32(offset_of!(layout::WalkNs, tag), Tag::Namespace as u32)
        .u64(offset_of!(layout::WalkNs, time), 5)
        .u64(offset_of!(layout::WalkNs, sequence), 6)
        .u64(offset_of!(layout::WalkNs, tasks_sequence), 8)
        .net(offset_of!(layout::WalkNs, ns))
}

fn walked_nsproxy() -> Record {
    Record::zeroed(size_of::<layout::WalkNsproxy>())
        .u32(offset_of!(layout::WalkNsproxy, tag), Tag::Nsproxy as u32)
        .u64(offset_of!(layout::WalkNsproxy, time), 7)
        .nsproxy(offset_of!(layout::WalkNsproxy, nsproxy), 0x1000, 0x2000)
}

fn walked_task() -> Record {
    Record::zeroed(size_of::<layout::WalkTask>())
        .u32(offset_of!(layout::WalkTask, tag), Tag::Task as u32)
        .u32(offset_of!(layout::WalkTask, flags), TASK_LEADER)
        .u64(offset_of!(layout::WalkTask, nsproxy), 0x1000)
        .u64(offset_of!(layout::WalkTask, user_ns), 0x2000)
        .u64(offset_of!(layout::WalkTask, pid_ns), 0)
        .u32(offset_of!(layout::WalkTask, pid), 12)
        .u32(offset_of!(layout::WalkTask, tgid), 11)
        .comm(offset_of!(layout::WalkTask, comm), b"bash")
}

fn walked_init() -> Record {
    let numbers = offset_of!(layout::WalkInit, numbers);
    Record::zeroed(size_of::<layout::WalkInit>())
        .u32(offset_of!(layout::WalkInit, tag), Tag::Init as u32)
        .u32(offset_of!(layout::WalkInit, level), 2)
        .u64(offset_of!(layout::WalkInit, pid_ns), 0x3000)
        .u32(offset_of!(layout::WalkInit, pid), 1234)
        .u32(numbers, 1234)
        .u32(numbers + 4, 7)
        .u32(numbers + 8, 1)
}

#[test]
fn an_init_has_a_number_at_each_level() {
    let records: Vec<_> = walk(&walked_init().0).collect();
    let [Ok(WalkRecord::Init(init))] = records[..] else {
        panic!("one init: {records:?}");
    };
    assert_eq!((Some(init.pid_ns), init.pid), (Key::new(0x3000), 1234));
    assert_eq!(init.numbers.as_slice(), [1234, 7, 1]);
    let level = offset_of!(layout::WalkInit, level);
    let too_deep = walked_init().u32(level, 33).0;
    assert!(matches!(
        walk(&too_deep).next(),
        Some(Err(DecodeError::Unknown { value: 33, .. }))
    ));
}

#[test]
fn causes_and_what_is_below_are_told() {
    let told = |what, cause| {
        let record = ns_event(what)
            .u32(offset_of!(NsEvent, cause), cause)
            .u64(offset_of!(NsEvent, below), 0x5000);
        event(&record.0).map(|event| event.body)
    };
    assert_eq!(
        told(What::NsActivity, 12),
        Ok(Body::Activity {
            ns: net(),
            sequence: 99,
            cause: Some(Cause::OwnedWent),
            below: Key::new(0x5000),
        })
    );
    assert_eq!(
        told(What::NsTasks, 5),
        Ok(Body::Tasks {
            ns: net(),
            sequence: 99,
            cause: Some(Cause::CredReaped),
        })
    );
    assert!(matches!(
        told(What::NsActivity, 14),
        Err(DecodeError::Unknown {
            field: "cause",
            value: 14,
            ..
        })
    ));
    assert_eq!(
        told(What::ClimbEnded, 0),
        Ok(Body::ClimbEnded(net().as_ref()))
    );
    assert_eq!(told(What::InitDying, 0), Ok(Body::InitDying(net())));
    assert_eq!(told(What::InitDead, 0), Ok(Body::InitDead(net())));
}

fn comm(bytes: &[u8]) -> Comm {
    let mut comm = Comm::default();
    comm.0[..bytes.len()].copy_from_slice(bytes);
    comm
}

fn net() -> NsFacts {
    NsFacts {
        key: Key::new(0xffff_8880_0000_1000).unwrap(),
        kind: NsKind::Net,
        inum: NonZeroU32::new(4_026_532_177).unwrap(),
        ns_id: NonZeroU64::new(42),
        guard: NonZeroU64::new(43),
        owner: Key::new(0xffff_8880_0000_2000),
        parent: Key::new(0xffff_8880_0000_3000),
        refs: Some(3),
        active: Some(2),
        level: Some(1),
        owner_uid: Some(1000),
        inode: Key::new(0xffff_8880_0000_4000),
        creds: Some(6),
        pids: Some(7),
        pids_disabled: false,
    }
}

fn proxy(key: u64, base: u64) -> NsproxyFacts {
    NsproxyFacts {
        key: Key::new(key).unwrap(),
        slots: std::array::from_fn(|slot| {
            Some(SlotFacts {
                key: Key::new(base + slot as u64).unwrap(),
                inum: NonZeroU32::new(100 + slot as u32),
            })
        }),
        count: 5,
    }
}

#[test]
fn a_namespace_event_comes_out_as_it_went_in() {
    let event = event(&ns_event(What::NsCreated).0).unwrap();
    assert_eq!(
        event.origin,
        Origin {
            time: 123_456_789_012,
            task: Actor {
                pid: 1001,
                tgid: 1000,
                comm: comm(b"unshare"),
            },
            cgroup: 77,
            is_actor: true,
            selected: false,
        }
    );
    let took = Some(99);
    assert_eq!(event.body, Body::Created { ns: net(), took });
}

#[test]
fn aux_means_what_the_event_says() {
    let body = |what| event(&ns_event(what).0).unwrap().body;
    let inode = Key::new(99).unwrap();
    assert_eq!(
        body(What::NsActivity),
        Body::Activity {
            ns: net(),
            sequence: 99,
            cause: None,
            below: None,
        }
    );
    assert_eq!(body(What::NsLastRef), Body::LastRef(net()));
    assert_eq!(body(What::NsFreed), Body::Freed(net().as_ref()));
    assert_eq!(
        body(What::NsfsOpened),
        Body::NsfsOpened { ns: net(), inode }
    );
    assert_eq!(
        body(What::NsfsEvicted),
        Body::NsfsEvicted { ns: net(), inode }
    );
    assert_eq!(
        body(What::NsTasks),
        Body::Tasks {
            ns: net(),
            sequence: 99,
            cause: None,
        }
    );
    let superblock = Key::new(99).unwrap();
    assert_eq!(
        body(What::ProcfsMounted),
        Body::ProcfsMounted {
            ns: net(),
            superblock
        }
    );
    assert_eq!(
        body(What::ProcfsGone),
        Body::ProcfsGone {
            ns: net(),
            superblock
        }
    );
}

#[test]
fn nsproxy_events_take_the_side_they_mean() {
    let (from, to) = (proxy(0x1000, 0x2000), proxy(0x3000, 0x4000));
    let installed = event(&nsproxy_event(What::NsproxyInstalled).0).unwrap();
    assert!(installed.origin.selected && !installed.origin.is_actor);
    assert_eq!(installed.body, Body::NsproxyInstalled(to));
    assert_eq!(
        event(&nsproxy_event(What::NsproxyFreed).0).unwrap().body,
        Body::NsproxyFreed(from)
    );
    for reason in Reason::ALL {
        assert_eq!(
            event(&switched_for(reason).0).unwrap().body,
            Body::Switched {
                reason,
                from,
                to: Some(to)
            }
        );
    }
    assert_eq!(
        event(&switched_for(Reason::Setns).0).unwrap().breaches,
        Breaches::default()
    );
    let exit = switched_for(Reason::Exit).u64(offset_of!(NsproxyEvent, to), 0);
    assert!(matches!(
        event(&exit.0).unwrap().body,
        Body::Switched { to: None, .. }
    ));
}

#[test]
fn breaches_are_what_the_kernel_programs_saw() {
    let breaches = offset_of!(NsproxyEvent, breaches);
    let foreign = switched_for(Reason::Exit).u32(breaches, BREACH_FOREIGN);
    assert_eq!(
        event(&foreign.0).unwrap().breaches,
        Breaches {
            foreign: true,
            in_use: false
        }
    );
    let in_use = nsproxy_event(What::NsproxyFreed).u32(breaches, BREACH_IN_USE);
    assert_eq!(
        event(&in_use.0).unwrap().breaches,
        Breaches {
            foreign: false,
            in_use: true
        }
    );
    let both = BREACH_FOREIGN | BREACH_IN_USE;
    for record in [
        nsproxy_event(What::NsproxyFreed),
        switched_for(Reason::Exit),
    ] {
        let error = event(&record.u32(breaches, both << 1).0).unwrap_err();
        assert_eq!(
            error,
            DecodeError::Unknown {
                field: "breaches",
                offset: breaches,
                value: both << 1
            }
        );
    }
}

#[test]
fn one_below_zero_is_not_unread() {
    let at = offset_of!(NsEvent, ns);
    let record = ns_event(What::NsLastRef)
        .u32(at + offset_of!(NsInfo, active), UNKNOWN)
        .u32(at + offset_of!(NsInfo, flags), NS_ACTIVE_MINUS_ONE);
    let Body::LastRef(facts) = event(&record.0).unwrap().body else {
        panic!("not a last reference");
    };
    assert_eq!(facts.active.map(u32::cast_signed), Some(-1));
    assert!(!facts.pids_disabled);
}

#[test]
fn unread_fields_are_none() {
    let at = offset_of!(NsEvent, ns);
    let mut record = ns_event(What::NsLastRef);
    for field in [
        offset_of!(NsInfo, ns_id),
        offset_of!(NsInfo, owner),
        offset_of!(NsInfo, parent),
        offset_of!(NsInfo, guard),
        offset_of!(NsInfo, inode),
    ] {
        record = record.u64(at + field, 0);
    }
    for field in [
        offset_of!(NsInfo, refs),
        offset_of!(NsInfo, active),
        offset_of!(NsInfo, level),
        offset_of!(NsInfo, owner_uid),
        offset_of!(NsInfo, creds),
        offset_of!(NsInfo, pids),
    ] {
        record = record.u32(at + field, UNKNOWN);
    }
    let bare = NsFacts {
        ns_id: None,
        guard: None,
        owner: None,
        parent: None,
        refs: None,
        active: None,
        level: None,
        owner_uid: None,
        inode: None,
        creds: None,
        pids: None,
        ..net()
    };
    assert_eq!(event(&record.0).unwrap().body, Body::LastRef(bare));
}

#[test]
fn zero_counts_are_counts() {
    let at = offset_of!(NsEvent, ns);
    let record = ns_event(What::NsLastRef)
        .u32(at + offset_of!(NsInfo, refs), 0)
        .u32(at + offset_of!(NsInfo, active), 0)
        .u32(at + offset_of!(NsInfo, owner_uid), 0);
    let Body::LastRef(facts) = event(&record.0).unwrap().body else {
        panic!("not a last reference");
    };
    assert_eq!(
        (facts.refs, facts.active, facts.owner_uid),
        (Some(0), Some(0), Some(0))
    );
}

#[test]
fn slots_that_the_kernel_lacks_are_none() {
    let to = offset_of!(NsproxyEvent, to);
    let time = 8 * Slot::Time as usize;
    let record = nsproxy_event(What::NsproxyInstalled)
        .u64(to + offset_of!(NsproxyInfo, slots) + time, 0)
        .u32(to + offset_of!(NsproxyInfo, inums), 0);
    let Body::NsproxyInstalled(facts) = event(&record.0).unwrap().body else {
        panic!("not an installation");
    };
    assert_eq!(facts.slots[Slot::Time as usize], None);
    let uts = facts.slots[Slot::Uts as usize].unwrap();
    assert_eq!(uts.inum, None);
}

/// A round of cleaning up network namespaces.
#[test]
fn a_failure_has_a_type_and_an_error() {
    let failure = |kind: u32, errno: u32| {
        Record::zeroed(size_of::<FailEvent>())
            .header(What::NsFailed as u32, 0)
            .u32(offset_of!(FailEvent, kind), kind)
            .u32(offset_of!(FailEvent, errno), errno)
    };
    let decoded = event(&failure(NsKind::Net as u32, 28).0).unwrap();
    let (kind, errno) = (NsKind::Net, Errno(28));
    assert_eq!(decoded.body, Body::Failed { kind, errno });
    assert!(event(&failure(NsKind::COUNT as u32, 28).0).is_err());
    assert!(event(&failure(0, 0).0).is_err());
}

fn net_cleanup(phase: Phase) -> Record {
    Record::zeroed(size_of::<NetCleanupEvent>())
        .header(What::NetCleanup as u32, 0)
        .u32(offset_of!(NetCleanupEvent, phase), phase as u32)
        .u64(offset_of!(NetCleanupEvent, begin), 100)
        .u64(offset_of!(NetCleanupEvent, exits_begin), 200)
        .u64(offset_of!(NetCleanupEvent, exits_end), 300)
        .u64(offset_of!(NetCleanupEvent, end), 400)
}

#[test]
fn a_round_of_cleaning_up_has_times_as_far_as_they_were_seen() {
    let began = event(&net_cleanup(Phase::Begin).0).unwrap();
    assert_eq!(began.body, Body::NetCleanupBegan { at: 100 });
    assert_eq!(began.origin.task.pid, 1001);
    let ended = net_cleanup(Phase::End);
    let times = CleanupTimes {
        began: 100,
        exits_began: Some(200),
        exits_ended: Some(300),
        ended: 400,
    };
    assert_eq!(event(&ended.0).unwrap().body, Body::NetCleanupEnded(times));
    let blind = ended
        .u64(offset_of!(NetCleanupEvent, exits_begin), 0)
        .u64(offset_of!(NetCleanupEvent, exits_end), 0);
    let unseen = CleanupTimes {
        exits_began: None,
        exits_ended: None,
        ..times
    };
    assert_eq!(event(&blind.0).unwrap().body, Body::NetCleanupEnded(unseen));
}

#[test]
fn a_round_without_its_own_times_or_phase_is_refused() {
    for (field, at) in [
        (
            "beginning of a net clean-up",
            offset_of!(NetCleanupEvent, begin),
        ),
        ("end of a net clean-up", offset_of!(NetCleanupEvent, end)),
    ] {
        let record = net_cleanup(Phase::End).u64(at, 0);
        let error = event(&record.0).unwrap_err();
        assert_eq!(error, DecodeError::Zero { field, offset: at });
    }
    let record = net_cleanup(Phase::End).u32(offset_of!(NetCleanupEvent, phase), 3);
    assert!(matches!(
        event(&record.0),
        Err(DecodeError::Unknown { value: 3, .. })
    ));
}

#[test]
fn every_other_length_is_refused() {
    for record in [
        ns_event(What::NsCreated).0,
        ns_event(What::NsFreed).0,
        switched_for(Reason::Unshare).0,
        nsproxy_event(What::NsproxyFreed).0,
        net_cleanup(Phase::End).0,
    ] {
        assert!(event(&record).is_ok());
        for length in 0..record.len() {
            let error = event(&record[..length]).unwrap_err();
            let DecodeError::Length { actual, .. } = error else {
                panic!("{length} bytes: {error}");
            };
            assert_eq!(actual, length);
        }
        let longer = [record.as_slice(), &[0]].concat();
        assert!(matches!(event(&longer), Err(DecodeError::Length { .. })));
    }
}

#[test]
fn unknown_numbers_name_the_field_and_the_place() {
    for what in [0, 18, u32::MAX] {
        let record = ns_event(What::NsCreated).u32(0, what);
        assert_eq!(
            event(&record.0),
            Err(DecodeError::Unknown {
                field: "event",
                offset: 0,
                value: what
            })
        );
    }
    let offset = offset_of!(NsEvent, ns) + offset_of!(NsInfo, kind);
    let error = event(&ns_event(What::NsFreed).u32(offset, 8).0).unwrap_err();
    assert_eq!(error.to_string(), "unknown namespace type 8 at byte 100");
    let offset = offset_of!(NsproxyEvent, reason);
    let error = event(&switched_for(Reason::Exit).u32(offset, 6).0).unwrap_err();
    assert_eq!(error.to_string(), "unknown reason 6 at byte 48");
}

#[test]
fn records_about_nothing_are_refused() {
    let refused = |record: Record, field| {
        let error = event(&record.0).unwrap_err();
        assert!(
            matches!(error, DecodeError::Zero { field: f, .. } if f == field),
            "{error}"
        );
    };
    let ns = offset_of!(NsEvent, ns);
    let key = ns + offset_of!(NsInfo, key);
    let inum = ns + offset_of!(NsInfo, inum);
    let aux = offset_of!(NsEvent, aux);
    let from = offset_of!(NsproxyEvent, from);
    let to = offset_of!(NsproxyEvent, to);
    refused(ns_event(What::NsFreed).u64(key, 0), "namespace address");
    refused(ns_event(What::NsFreed).u32(inum, 0), "inode number");
    refused(ns_event(What::NsfsOpened).u64(aux, 0), "inode");
    refused(nsproxy_event(What::NsproxyFreed).u64(from, 0), "from");
    refused(nsproxy_event(What::NsproxyInstalled).u64(to, 0), "to");
    refused(switched_for(Reason::Setns).u64(from, 0), "from");
}

#[test]
fn a_walk_is_a_row_of_records() {
    let bytes = [walked_ns().0, walked_nsproxy().0, walked_task().0].concat();
    let records: Vec<_> = walk(&bytes).collect::<Result<_, _>>().unwrap();
    assert_eq!(
        records,
        [
            WalkRecord::Namespace(WalkNs {
                time: 5,
                sequence: Some(6),
                tasks_sequence: Some(8),
                ns: net(),
            }),
            WalkRecord::Nsproxy(WalkNsproxy {
                time: 7,
                nsproxy: proxy(0x1000, 0x2000),
            }),
            WalkRecord::Task(WalkTask {
                nsproxy: Key::new(0x1000),
                user_ns: Key::new(0x2000),
                pid_ns: None,
                pid: 12,
                tgid: 11,
                comm: comm(b"bash"),
                kthread: false,
                leader: true,
                exiting: false,
                state: 0,
                exit_state: 0,
                parent: 0,
            }),
        ]
    );
}

#[test]
fn a_walk_without_sequence_numbers_has_none() {
    let record = walked_ns().u64(offset_of!(layout::WalkNs, sequence), 0);
    let Some(Ok(WalkRecord::Namespace(ns))) = walk(&record.0).next() else {
        panic!("not a namespace");
    };
    assert_eq!(ns.sequence, None);
    assert_eq!(ns.tasks_sequence, Some(8));
}

#[test]
fn a_walked_procfs_leads_to_its_namespace() {
    let record = Record::zeroed(size_of::<layout::WalkProcfs>())
        .u32(offset_of!(layout::WalkProcfs, tag), Tag::Procfs as u32)
        .u64(offset_of!(layout::WalkProcfs, time), 9)
        .u64(offset_of!(layout::WalkProcfs, superblock), 0x1000)
        .u64(offset_of!(layout::WalkProcfs, pid_ns), 0x2000);
    let expected = WalkProcfs {
        time: 9,
        superblock: Key::new(0x1000).unwrap(),
        pid_ns: Key::new(0x2000).unwrap(),
    };
    let records: Vec<_> = walk(&record.0).collect();
    assert_eq!(records, [Ok(WalkRecord::Procfs(expected))]);
    let orphan = record.u64(offset_of!(layout::WalkProcfs, pid_ns), 0);
    assert!(walk(&orphan.0).next().is_some_and(|record| record.is_err()));
}

#[test]
fn the_end_of_an_init_is_about_its_namespace() {
    let flags = offset_of!(NsEvent, ns) + offset_of!(NsInfo, flags);
    let body = |what| {
        let record = ns_event(what).u32(flags, NS_PIDS_DISABLED);
        event(&record.0).unwrap().body
    };
    let facts = NsFacts {
        pids_disabled: true,
        ..net()
    };
    assert_eq!(body(What::InitDying), Body::InitDying(facts));
    assert_eq!(body(What::InitDead), Body::InitDead(facts));
}

#[test]
fn a_walked_init_has_a_number_at_each_level() {
    let numbers = offset_of!(layout::WalkInit, numbers);
    let record = |level| {
        Record::zeroed(size_of::<layout::WalkInit>())
            .u32(offset_of!(layout::WalkInit, tag), Tag::Init as u32)
            .u32(offset_of!(layout::WalkInit, level), level)
            .u64(offset_of!(layout::WalkInit, pid_ns), 0x2000)
            .u32(offset_of!(layout::WalkInit, pid), 1234)
            .u32(numbers, 1234)
            .u32(numbers + 4, 7)
            .u32(numbers + 8, 1)
    };
    let Some(Ok(WalkRecord::Init(init))) = walk(&record(2).0).next() else {
        panic!("not an init");
    };
    assert_eq!((init.pid_ns, init.pid), (Key::new(0x2000).unwrap(), 1234));
    assert_eq!(init.numbers.as_slice(), [1234, 7, 1]);
    let too_deep = PID_LEVELS as u32;
    assert!(matches!(
        walk(&record(too_deep).0).next(),
        Some(Err(DecodeError::Unknown { offset: 4, value, .. })) if value == too_deep
    ));
}

#[test]
fn a_truncated_walk_ends_with_an_error() {
    let bytes = [walked_task().0, walked_ns().0].concat();
    let first = walked_task().0.len();
    for length in first + 1..bytes.len() {
        let records: Vec<_> = walk(&bytes[..length]).collect();
        assert_eq!(records.len(), 2, "{length} bytes");
        assert!(records[0].is_ok());
        assert!(
            matches!(records[1], Err(DecodeError::Length { offset, .. }) if offset == first),
            "{length} bytes: {:?}",
            records[1]
        );
    }
}

#[test]
fn a_walk_stops_at_an_unknown_record_but_passes_a_bad_field() {
    let bad_kind = walked_ns().u32(offset_of!(layout::WalkNs, ns) + offset_of!(NsInfo, kind), 8);
    let bytes = [bad_kind.0, walked_task().0].concat();
    let records: Vec<_> = walk(&bytes).map(|record| record.is_ok()).collect();
    assert_eq!(records, [false, true]);

    let bytes = [walked_task().u32(0, 6).0, walked_task().0].concat();
    let records: Vec<_> = walk(&bytes).collect();
    assert!(
        matches!(
            records.as_slice(),
            [Err(DecodeError::Unknown { value: 6, .. })]
        ),
        "{records:?}"
    );
}

proptest! {
    #[test]
    fn no_bytes_can_break_it(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = event(&bytes);
        let _ = walk(&bytes).count();
    }

    /// Right length and right first word, so that all fields are reached.
    #[test]
    fn no_fields_can_break_it(
        what in 1u32..21,
        tag in 1u32..6,
        mut bytes in prop::collection::vec(any::<u8>(), 280),
    ) {
        bytes[..4].copy_from_slice(&what.to_ne_bytes());
        let _ = event(&bytes);
        let _ = event(&bytes[..size_of::<NsEvent>()]);
        let _ = event(&bytes[..size_of::<NetCleanupEvent>()]);
        bytes[..4].copy_from_slice(&tag.to_ne_bytes());
        let _ = walk(&bytes).count();
    }
}
