//! Whatever the tracker is told: it does not panic, and its sums are right.

mod support;

use std::num::{NonZeroU32, NonZeroU64};

use proptest::option;
use proptest::prelude::*;
use support::sim::event_at;
use support::{COUNTS, IDS, OLD, check_sums, key};
use tracer_common::event::{Cause, Reason};
use tracer_common::kind::NsKind;
use tracer_common::walk::PID_LEVELS;
use tracer_core::model::{
    Actor, Body, CleanupTimes, Comm, Config, Exited, Key, NsFacts, NsproxyFacts, PidNumbers,
    Reaped, SlotFacts, Tracker, Walk, WalkInit, WalkNs, WalkNsproxy, WalkProcfs, WalkTask,
};

/// Addresses are few, so that everything meets everything.
fn keys() -> impl Strategy<Value = Key> {
    (1_u64..10).prop_map(key)
}

fn times() -> impl Strategy<Value = u64> {
    prop_oneof![
        20 => 0_u64..200,
        5 => (0_u64..1000).prop_map(|seconds| seconds * 1_000_000_000),
        1 => Just(u64::MAX),
    ]
}

fn inums() -> impl Strategy<Value = NonZeroU32> {
    prop_oneof![1_u32..8, 0xEFFF_FFF7..=0xF000_0000_u32]
        .prop_map(|inum| NonZeroU32::new(inum).expect("not zero"))
}

fn numbers() -> impl Strategy<Value = Option<NonZeroU64>> {
    option::weighted(
        0.8,
        (1_u64..16).prop_map(|n| NonZeroU64::new(n).expect("not zero")),
    )
}

fn counts() -> impl Strategy<Value = Option<u32>> {
    option::weighted(0.8, prop_oneof![0_u32..3, any::<u32>()])
}

prop_compose! {
    fn facts()(
        key in keys(),
        kind in prop::sample::select(&NsKind::ALL[..]),
        inum in inums(),
        (ns_id, guard) in (numbers(), numbers()),
        (owner, parent) in (option::of(keys()), option::of(keys())),
        (refs, active, level, owner_uid) in (counts(), counts(), counts(), counts()),
        inode in option::of(keys()),
        (creds, pids, pids_disabled) in (counts(), counts(), any::<bool>()),
    ) -> NsFacts {
        NsFacts {
            key, kind, inum, ns_id, guard, owner, parent, refs, active, level, owner_uid, inode, creds, pids, pids_disabled,
        }
    }
}

prop_compose! {
    fn cleanup_times()(
        (began, ended) in (times(), times()),
        (exits_began, exits_ended) in (option::of(times()), option::of(times())),
    ) -> CleanupTimes {
        CleanupTimes { began, exits_began, exits_ended, ended }
    }
}

prop_compose! {
    fn nsproxies()(
        key in keys(),
        slots in prop::array::uniform8(option::of((keys(), option::of(inums())))),
        count in prop_oneof![0_u32..3, Just(u32::MAX)],
    ) -> NsproxyFacts {
        let slots = slots.map(|slot| slot.map(|(key, inum)| SlotFacts { key, inum }));
        NsproxyFacts { key, slots, count }
    }
}

fn ends_of_tasks() -> BoxedStrategy<Body> {
    let actors = || {
        option::of((0_u32..4, 0_u32..4).prop_map(|(pid, tgid)| Actor {
            pid,
            tgid,
            comm: Comm::default(),
        }))
    };
    let exited = (
        option::of(times()),
        actors(),
        prop::array::uniform12(actors()),
        any::<u32>(),
    );
    let reaped = (option::of(times()), actors(), actors(), actors());
    prop_oneof![
        exited.prop_map(|(dropped_at, parent, children, more_children)| {
            Body::TaskExited(Exited {
                dropped_at,
                parent,
                children,
                more_children,
            })
        }),
        reaped.prop_map(|(dropped_at, by, parent, original_parent)| {
            Body::TaskReaped(Reaped {
                by,
                parent,
                original_parent,
                dropped_at,
            })
        }),
    ]
    .boxed()
}

/// Boxed, like all that follow: the trees by which proptest shrinks would not
/// fit on a test's stack.
fn bodies() -> BoxedStrategy<Body> {
    let facts = || facts().boxed();
    let nsproxies = || nsproxies().boxed();
    let causes = || option::of(prop::sample::select(&Cause::ALL[..]));
    let reasons = prop::sample::select(&Reason::ALL[..]);
    prop_oneof![
        facts().prop_map(Body::created),
        (facts(), 0_u64..20, causes(), option::of(keys())).prop_map(
            |(ns, sequence, cause, below)| Body::Activity {
                ns,
                sequence,
                cause,
                below
            }
        ),
        facts().prop_map(Body::InitDying),
        facts().prop_map(Body::InitDead),
        facts().prop_map(|ns| Body::ClimbEnded(ns.as_ref())),
        times().prop_map(|at| Body::NetCleanupBegan { at }),
        cleanup_times().prop_map(Body::NetCleanupEnded),
        facts().prop_map(Body::LastRef),
        facts().prop_map(|ns| Body::Freed(ns.as_ref())),
        (facts(), keys()).prop_map(|(ns, inode)| Body::NsfsOpened { ns, inode }),
        (facts(), keys()).prop_map(|(ns, inode)| Body::NsfsEvicted { ns, inode }),
        nsproxies().prop_map(Body::NsproxyInstalled),
        (reasons, nsproxies(), option::of(nsproxies()))
            .prop_map(|(reason, from, to)| Body::Switched { reason, from, to }),
        nsproxies().prop_map(Body::NsproxyFreed),
        (facts(), 0_u64..20, causes()).prop_map(|(ns, sequence, cause)| Body::Tasks {
            ns,
            sequence,
            cause
        }),
        (facts(), keys()).prop_map(|(ns, superblock)| Body::ProcfsMounted { ns, superblock }),
        (facts(), keys()).prop_map(|(ns, superblock)| Body::ProcfsGone { ns, superblock }),
        ends_of_tasks(),
    ]
    .boxed()
}

prop_compose! {
    fn tasks()(
        nsproxy in option::of(keys()),
        user_ns in option::of(keys()),
        pid_ns in option::of(keys()),
        pid in 0_u32..4,
        (kthread, leader, exiting) in any::<(bool, bool, bool)>(),
        (state, exit_state, parent) in (0_u32..0x200, 0_u32..0x40, 0_u32..4),
    ) -> WalkTask {
        WalkTask { nsproxy, user_ns, pid_ns, pid, tgid: pid, comm: Comm::default(), kthread, leader, exiting, state, exit_state, parent }
    }
}

prop_compose! {
    fn walks()(
        (started_at, ended_at) in (times(), times()),
        (all_tasks, all_of, all_superblocks) in any::<(bool, [bool; NsKind::COUNT], bool)>(),
        namespaces in prop::collection::vec(
            (times(), option::of(0_u64..20), option::of(0_u64..20), facts()),
            0..8,
        ),
        nsproxies in prop::collection::vec((times(), nsproxies()), 0..4),
        tasks in prop::collection::vec(tasks(), 0..4),
        procfs in prop::collection::vec((times(), keys(), keys()), 0..4),
        inits in prop::collection::vec((keys(), 0_u32..4, 0_u32..33), 0..4),
        gone in prop::collection::vec(keys(), 0..4),
    ) -> Walk {
        Walk {
            started_at,
            ended_at,
            all_tasks,
            all_of,
            all_superblocks,
            gone,
            inits: inits
                .into_iter()
                .filter_map(|(pid_ns, pid, level)| {
                    let numbers = PidNumbers::new([pid; PID_LEVELS], level)?;
                    Some(WalkInit { pid_ns, pid, numbers })
                })
                .collect(),
            namespaces: namespaces
                .into_iter()
                .map(|(time, sequence, tasks_sequence, ns)| WalkNs {
                    time,
                    sequence,
                    tasks_sequence,
                    ns,
                })
                .collect(),
            nsproxies: nsproxies
                .into_iter()
                .map(|(time, nsproxy)| WalkNsproxy { time, nsproxy })
                .collect(),
            tasks,
            procfs: procfs
                .into_iter()
                .map(|(time, superblock, pid_ns)| WalkProcfs { time, superblock, pid_ns })
                .collect(),
        }
    }
}

/// Something to tell the tracker.
#[derive(Clone, Debug)]
enum Told {
    Event(u64, Box<Body>),
    Walk(Walk),
}

fn told() -> BoxedStrategy<Told> {
    prop_oneof![
        12 => (times(), bodies()).prop_map(|(time, body)| Told::Event(time, Box::new(body))),
        1 => walks().boxed().prop_map(Told::Walk),
    ]
    .boxed()
}

fn configs() -> impl Strategy<Value = Config> {
    prop::sample::select(vec![OLD, IDS, COUNTS])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_breaks_it(config in configs(), told in prop::collection::vec(told(), 0..100)) {
        let mut tracker = Tracker::new(config);
        let mut transitions = Vec::new();
        for told in told {
            match told {
                Told::Event(time, body) => tracker.apply(&event_at(time, *body), &mut transitions),
                Told::Walk(walk) => drop(tracker.merge(&walk, &mut transitions)),
            }
            check_sums(&tracker, config);
        }
    }
}
