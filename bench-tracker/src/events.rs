//! What the tracker is measured with: events of each kind, about namespaces in no order.

use std::{hint::black_box, time::Duration};

use tracer_common::kind::NsKind;
use tracer_core::model::{Body, Config, Event, NsFacts, Tracker, Transition};

use crate::{
    clock::{nanoseconds, spent},
    support::{self, COUNTS, Ns, OLD, World, sim::event_at},
};

/// Events that are made before they are measured.
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
    tracker.apply(&event_at(1, Body::created(user.facts)), &mut transitions);
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
            tracker.apply(&event_at(2, Body::created(ns.facts)), &mut transitions);
            ns
        })
        .collect();
    (tracker, namespaces)
}

/// One kind of event, and nanoseconds that it takes with so many namespaces, over so many events.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) measure: fn(usize, usize) -> f64,
}

pub(crate) const KINDS: [Kind; 6] = [
    Kind {
        name: "flips of the count",
        measure: flips,
    },
    Kind {
        name: "credentials",
        measure: |live, events| tasks(NsKind::User, live, events),
    },
    Kind {
        name: "pids",
        measure: |live, events| tasks(NsKind::Pid, live, events),
    },
    Kind {
        name: "nsfs inodes",
        measure: inodes,
    },
    Kind {
        name: "nsproxies",
        measure: nsproxies,
    },
    Kind {
        name: "whole lives",
        measure: lives,
    },
];

/// Nanoseconds that the tracker takes for an event.
fn cost(mut tracker: Tracker, events: usize, mut event: impl FnMut(usize) -> Event) -> f64 {
    let mut transitions: Vec<Transition> = Vec::new();
    let mut sum = Duration::ZERO;
    let mut batch = Vec::with_capacity(BATCH);
    for first in (0..events).step_by(BATCH) {
        // As the ring buffer has them: one after the other in memory.
        batch.clear();
        batch.extend((first..first + BATCH).map(&mut event));
        let start = spent();
        for event in &batch {
            transitions.clear();
            tracker.apply(event, &mut transitions);
            black_box(&transitions);
        }
        sum += spent() - start;
    }
    nanoseconds(sum, events)
}

fn flips(live: usize, events: usize) -> f64 {
    let (tracker, namespaces) = populated(COUNTS, live);
    cost(tracker, events, |index| {
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
    })
}

fn tasks(kind: NsKind, live: usize, events: usize) -> f64 {
    let (tracker, namespaces) = populated_with(kind, OLD, live);
    cost(tracker, events, |index| {
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
    })
}

fn inodes(live: usize, events: usize) -> f64 {
    let (tracker, namespaces) = populated(OLD, live);
    cost(tracker, events, |index| {
        let ns = namespaces[scatter(index as u64 / 2) % live].facts;
        let inode = ns.key;
        let body = if index % 2 == 0 {
            Body::NsfsOpened { ns, inode }
        } else {
            Body::NsfsEvicted { ns, inode }
        };
        event_at(index as u64 + 3, body)
    })
}

fn nsproxies(live: usize, events: usize) -> f64 {
    let (tracker, namespaces) = populated(OLD, live);
    let mut world = World::new(OLD);
    let mut nsproxy = world.nsproxy(&[]);
    cost(tracker, events, |index| {
        if index % 2 == 0 {
            let ns = &namespaces[scatter(index as u64) % live];
            nsproxy = world.nsproxy(&[ns]);
            event_at(index as u64 + 3, Body::NsproxyInstalled(nsproxy))
        } else {
            event_at(index as u64 + 3, Body::NsproxyFreed(nsproxy))
        }
    })
}

fn lives(live: usize, events: usize) -> f64 {
    let (tracker, mut namespaces) = populated(COUNTS, live);
    let mut world = World::new(COUNTS);
    let user = world.ns_of(NsKind::User);
    let mut fresh = world.ns_of(NsKind::Net);
    cost(tracker, events, |index| {
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
                Body::created(fresh.facts)
            }
            1 => count(fresh, 1),
            2 => count(fresh, 0),
            3 => Body::LastRef(fresh.facts),
            _ => Body::Freed(fresh.facts.as_ref()),
        };
        event_at(index as u64 + 3, body)
    })
}
