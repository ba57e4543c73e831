//! How many events the tracker takes per second, and whether that depends on
//! how many namespaces there are:
//!
//! ```text
//! cargo test --release -p tracer-user --test tracker_speed -- --ignored --nocapture
//! ```

mod support;

use std::time::{Duration, Instant};

use nslife::model::{Body, Config, Event, NsFacts, Tracker, Transition};
use support::sim::event_at;
use support::{COUNTS, Ns, OLD, World};
use tracer_common::kind::NsKind;

const EVENTS: usize = 4_000_000;
const BATCH: usize = 10_000;

/// How deep pid namespaces may be.
const MAX_LEVELS: usize = 32;

/// A generator of numbers that are not in any order (splitmix64).
fn scatter(seed: u64) -> usize {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) as usize
}

/// A world with a user namespace that owns `count` network namespaces.
fn populated(config: Config, count: usize) -> (Tracker, Vec<Ns>) {
    populated_with(NsKind::Net, config, count)
}

/// The same with others. Of pid namespaces each is the parent of the next, as
/// deep as the kernel lets them.
fn populated_with(kind: NsKind, config: Config, count: usize) -> (Tracker, Vec<Ns>) {
    let mut world = World::new(config);
    let mut tracker = Tracker::new(config);
    let mut transitions = Vec::new();
    let user = world.ns_of(NsKind::User);
    tracker.apply(&event_at(1, Body::Created(user.facts)), &mut transitions);
    let mut parent: Option<Ns> = None;
    let namespaces: Vec<Ns> = (0..count)
        .map(|index| {
            let mut ns = world.ns_of(kind).owned_by(&user);
            if let Some(parent) = &parent
                && index % MAX_LEVELS > 0
            {
                ns = ns.child_of(parent);
            }
            parent = (kind == NsKind::Pid).then_some(ns);
            transitions.clear();
            tracker.apply(&event_at(2, Body::Created(ns.facts)), &mut transitions);
            ns
        })
        .collect();
    (tracker, namespaces)
}

fn measure(what: &str, live: usize, mut tracker: Tracker, mut event: impl FnMut(usize) -> Event) {
    let mut transitions: Vec<Transition> = Vec::new();
    let mut said = 0;
    let mut spent = Duration::ZERO;
    let mut batch = Vec::with_capacity(BATCH);
    for first in (0..EVENTS).step_by(BATCH) {
        // As the ring buffer has them: one after the other in memory.
        batch.clear();
        batch.extend((first..first + BATCH).map(&mut event));
        let start = Instant::now();
        for event in &batch {
            transitions.clear();
            tracker.apply(event, &mut transitions);
            said += transitions.len();
        }
        spent += start.elapsed();
    }
    let rate = EVENTS as f64 / spent.as_secs_f64() / 1e6;
    println!("{what:>24}, {live:>7} live: {rate:5.2} million events/s, {said} transitions");
}

#[test]
#[ignore = "measures, in release mode"]
fn events_per_second() {
    for live in [100, 10_000, 1_000_000] {
        let (tracker, namespaces) = populated(COUNTS, live);
        measure("flips of the count", live, tracker, |index| {
            let ns = NsFacts {
                active: Some(index as u32 % 2),
                ..namespaces[scatter(index as u64 / 2) % live].facts
            };
            event_at(
                index as u64 + 3,
                Body::Activity {
                    ns,
                    sequence: index as u64,
                    cause: None,
                    below: None,
                },
            )
        });

        for (kind, what) in [(NsKind::User, "credentials"), (NsKind::Pid, "pids")] {
            let (tracker, namespaces) = populated_with(kind, OLD, live);
            measure(what, live, tracker, |index| {
                let ns = &namespaces[scatter(index as u64 / 2) % live];
                let ns = ns.with_tasks((index as u32 + 1) % 2).facts;
                let sequence = index as u64;
                event_at(
                    index as u64 + 3,
                    Body::Tasks {
                        ns,
                        sequence,
                        cause: None,
                    },
                )
            });
        }

        let (tracker, namespaces) = populated(OLD, live);
        measure("nsfs inodes", live, tracker, |index| {
            let ns = namespaces[scatter(index as u64 / 2) % live].facts;
            let inode = ns.key;
            let body = if index % 2 == 0 {
                Body::NsfsOpened { ns, inode }
            } else {
                Body::NsfsEvicted { ns, inode }
            };
            event_at(index as u64 + 3, body)
        });

        let (tracker, namespaces) = populated(OLD, live);
        let mut world = World::new(OLD);
        let mut nsproxy = world.nsproxy(&[]);
        measure("nsproxies", live, tracker, |index| {
            if index % 2 == 0 {
                let ns = &namespaces[scatter(index as u64) % live];
                nsproxy = world.nsproxy(&[ns]);
                event_at(index as u64 + 3, Body::NsproxyInstalled(nsproxy))
            } else {
                event_at(index as u64 + 3, Body::NsproxyFreed(nsproxy))
            }
        });

        let (tracker, mut namespaces) = populated(COUNTS, live);
        let mut world = World::new(COUNTS);
        let user = world.ns_of(NsKind::User);
        let mut fresh = world.ns_of(NsKind::Net);
        measure("whole lives", live, tracker, |index| {
            let count = |ns: Ns, count| Body::Activity {
                ns: NsFacts {
                    active: Some(count),
                    ..ns.facts
                },
                sequence: index as u64 + 1,
                cause: None,
                below: None,
            };
            let body = match index % 5 {
                0 => {
                    // In place of one that the last round freed.
                    let old = &mut namespaces[scatter(index as u64) % live];
                    fresh = world.ns_of(NsKind::Net).owned_by(&user);
                    fresh.facts.ns_id = fresh.facts.ns_id.map(|id| id | (1 << 40));
                    fresh.facts.key = support::key(1 << 50 | scatter(index as u64) as u64 >> 20);
                    *old = fresh;
                    Body::Created(fresh.facts)
                }
                1 => count(fresh, 1),
                2 => count(fresh, 0),
                3 => Body::LastRef(fresh.facts),
                _ => Body::Freed(fresh.facts.as_ref()),
            };
            event_at(index as u64 + 3, body)
        });
    }
}
