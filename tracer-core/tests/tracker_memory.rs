//! What unprivileged users can create without end costs bounded memory: a flood
//! on a live kernel is too slow, where that is emulated, to fill what is bounded.

mod support;

use std::fs;

use support::sim::event_at;
use support::{COUNTS, Ns, World};
use tracer_common::kind::NsKind;
use tracer_core::model::{Body, NsFacts, Tracker, Transition};

/// Short lives of two namespaces each: the model keeps tombstones of a fixed
/// number of namespaces and nsproxies, which is far below that.
const LIVES: u64 = 400_000;

/// From one life to the next, nanoseconds: tombstones do not grow old.
const STEP: u64 = 10_000;

/// What all of it may cost, bytes. Each table doubles once more, in the long
/// run, to make room for what was removed.
const MOST: u64 = 64 << 20;

/// Memory that this process has, bytes.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

/// A user namespace and a network namespace in it come, are used and go, each
/// at an address and with a number that nobody had before.
fn live(world: &mut World, tracker: &mut Tracker, at: u64, transitions: &mut Vec<Transition>) {
    let user = world.ns_of(NsKind::User);
    let net = world.ns_of(NsKind::Net).owned_by(&user);
    let nsproxy = world.nsproxy(&[&net]);
    let count = |ns: &Ns, active, sequence| Body::Activity {
        ns: NsFacts {
            active: Some(active),
            ..ns.facts
        },
        sequence,
        cause: None,
        below: None,
    };
    let bodies = [
        Body::created(user.facts),
        Body::created(net.facts),
        Body::NsproxyInstalled(nsproxy),
        count(&net, 1, 1),
        count(&user, 1, 1),
        Body::NsproxyFreed(nsproxy),
        count(&net, 0, 2),
        count(&user, 0, 2),
        Body::LastRef(net.facts),
        Body::Freed(net.facts.as_ref()),
        Body::Freed(user.facts.as_ref()),
    ];
    for (index, body) in bodies.into_iter().enumerate() {
        transitions.clear();
        tracker.apply(&event_at(at + index as u64, body), transitions);
    }
}

#[test]
fn short_lives_without_end_cost_bounded_memory() {
    let mut world = World::new(COUNTS);
    let mut tracker = Tracker::new(COUNTS);
    let mut transitions = Vec::new();
    let before = resident();
    for number in 1..=LIVES {
        live(&mut world, &mut tracker, number * STEP, &mut transitions);
    }
    let after = resident();
    assert_eq!(tracker.namespaces().count(), 0);
    println!("{} MiB after {LIVES} lives", (after - before) >> 20);
    assert!(after < before + MOST, "{before}, then {after}");
}
