//! From the last reference to the end.

use tracer_core::model::{CleanupTimes, Lifecycle, NetCleanup};

use super::*;

/// The kernel's thread for network namespaces.
const WORKER: u32 = 77;

/// How long the namespaces that were freed last had been without a reference.
fn teardowns(kernel: &World) -> Vec<Option<u64>> {
    let freed = |what: &What| match what {
        What::Namespace {
            step: Lifecycle::Freed,
            took,
            ..
        } => Some(*took),
        _ => None,
    };
    let transitions = kernel.transitions.iter();
    transitions.filter_map(|said| freed(&said.what)).collect()
}

/// The round that was said to be over last.
fn round(kernel: &World) -> Option<&NetCleanup> {
    kernel.transitions.iter().find_map(|said| match &said.what {
        What::NetCleanup(round) => Some(&**round),
        _ => None,
    })
}

/// A round begins in the worker. Returns when.
fn begin(kernel: &mut World) -> u64 {
    kernel.thread = WORKER;
    let at = kernel.tick();
    kernel.tell_at(at, Body::NetCleanupBegan { at });
    at
}

fn end(kernel: &mut World, times: CleanupTimes) -> Vec<String> {
    kernel.thread = WORKER;
    kernel.tell_at(times.ended, Body::NetCleanupEnded(times))
}

/// Of a round that began then: so long took each stage.
fn times(began: u64, unlist: u64, exits: u64, end: u64) -> CleanupTimes {
    CleanupTimes {
        began,
        exits_began: Some(began + unlist),
        exits_ended: Some(began + unlist + exits),
        ended: began + unlist + exits + end,
    }
}

#[test]
fn it_is_measured_if_both_ends_were_seen() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let uts = kernel.ns("uts");
        kernel.created(&uts);
        kernel.last_ref(&uts);
        let destroyed_at = kernel.now;
        kernel.now += 500;
        kernel.freed(&uts);
        assert_eq!(teardowns(&kernel), [Some(kernel.now - destroyed_at)]);
    }
}

#[test]
fn a_last_reference_that_was_concluded_has_no_time() {
    let mut kernel = World::walked(OLD);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    assert_eq!(kernel.freed(&pid), ["destroyed pid", "freed pid"]);
    assert_eq!(teardowns(&kernel), [None]);
    let ends = kernel.transitions.iter().map(|said| match &said.what {
        What::Namespace { ns, .. } => (ns.since, ns.destroyed_at),
        other => panic!("{other:?}"),
    });
    assert!(ends.eq([(None, None); 2]));
}

#[test]
fn an_end_that_a_walk_found_out_is_not_measured() {
    let mut kernel = World::walked(COUNTS);
    let uts = kernel.ns("uts");
    kernel.created(&uts);
    kernel.last_ref(&uts);
    kernel.now += 400_000_000_000;
    let (story, _) = kernel.merge(|_| {});
    assert_eq!(story, ["freed uts"]);
    assert_eq!(teardowns(&kernel), [None]);
}

#[test]
fn a_round_counts_those_that_are_freed_in_it() {
    let mut kernel = World::walked(COUNTS);
    let [net1, net2, late] = ["net1", "net2", "net3"].map(|name| kernel.ns(name));
    let uts = kernel.ns("uts");
    for ns in [&net1, &net2, &late, &uts] {
        kernel.created(ns);
    }
    let mut ended = Vec::new();
    for ns in [&net1, &net2, &uts] {
        kernel.last_ref(ns);
        ended.push(kernel.now);
    }
    let began = begin(&mut kernel);
    kernel.last_ref(&late);
    for ns in [&net1, &net2, &uts] {
        kernel.freed(ns);
    }
    assert_eq!(
        end(&mut kernel, times(began, 10_000, 2000, 300)),
        ["cleaned up 2"]
    );
    let expected = NetCleanup {
        namespaces: 2,
        waits: vec![began - ended[0], began - ended[1]],
        unlist: Some(10_000),
        exits: Some(2000),
        end: Some(300),
    };
    assert_eq!(round(&kernel), Some(&expected));

    kernel.now += 20_000;
    let began = begin(&mut kernel);
    kernel.freed(&late);
    assert_eq!(
        end(&mut kernel, times(began, 100, 100, 100)),
        ["cleaned up 1"]
    );
}

#[test]
fn a_stage_that_was_not_seen_is_not_known() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.last_ref(&net);
    let began = begin(&mut kernel);
    kernel.freed(&net);
    let blind = CleanupTimes {
        exits_began: None,
        exits_ended: None,
        ..times(began, 100, 100, 100)
    };
    end(&mut kernel, blind);
    let round = round(&kernel).unwrap();
    assert_eq!((round.unlist, round.exits, round.end), (None, None, None));
    assert_eq!((round.namespaces, round.waits.len()), (1, 1));
}

/// A function that tells of the last reference at its return does so when the
/// round may have begun.
#[test]
fn a_wait_that_cannot_be_known_is_none() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let [early, late] = ["net1", "net2"].map(|name| kernel.ns(name));
        kernel.created(&early);
        kernel.created(&late);
        kernel.last_ref(&early);
        let ended = kernel.now;
        let began = begin(&mut kernel);
        kernel.last_ref(&late);
        kernel.freed(&late);
        kernel.freed(&early);
        end(&mut kernel, times(began, 100, 100, 100));
        let round = round(&kernel).unwrap();
        assert_eq!(round.namespaces, 2);
        assert_eq!(round.waits, [began - ended]);
    }
}

#[test]
fn a_round_of_nobody_known_says_nothing() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    kernel.created(&net);
    let began = begin(&mut kernel);
    // Its last reference was not seen.
    kernel.freed(&net);
    assert_eq!(end(&mut kernel, times(began, 1, 1, 1)), NOTHING);
}

#[test]
fn a_round_whose_beginning_or_end_was_missed_says_nothing() {
    let mut kernel = World::walked(COUNTS);
    let [net1, net2] = ["net1", "net2"].map(|name| kernel.ns(name));
    for ns in [&net1, &net2] {
        kernel.created(ns);
        kernel.last_ref(ns);
    }
    let missed = begin(&mut kernel);
    kernel.freed(&net1);
    kernel.now += 1000;
    assert_eq!(end(&mut kernel, times(missed + 1, 1, 1, 1)), NOTHING);

    begin(&mut kernel);
    let began = begin(&mut kernel);
    // By somebody else than the worker.
    kernel.thread = 1;
    kernel.freed(&net2);
    assert_eq!(end(&mut kernel, times(began, 1, 1, 1)), NOTHING);
}

#[test]
fn a_walk_meets_network_namespaces_that_await_their_end() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::new(config);
        let net = kernel.ns("net").without_references();
        let uts = kernel.ns("uts").without_references();
        let (story, _) = kernel.merge(|walk| {
            walk.counted(&net, 0);
            walk.counted(&uts, 0);
        });
        assert_eq!(story, NOTHING);
        let seen = kernel.get(&net).unwrap();
        assert_eq!(seen.state, State::Destroyed);
        assert_eq!((seen.since, seen.destroyed_at), (None, None));
        assert_eq!(kernel.state(&uts), None);
        let count = |state| kernel.tracker.census().count(NsKind::Net, state);
        assert_eq!((count(State::Inactive), count(State::Destroyed)), (0, 1));

        // Not even for long does a round take it off the list without an end.
        let (story, _) = kernel.merge(|_| {});
        assert_eq!(story, NOTHING);
        assert_eq!(kernel.freed(&net), ["freed net"]);
        assert_eq!(teardowns(&kernel), [None]);
        assert_eq!(kernel.state(&net), None);
    }
}

#[test]
fn a_walk_tells_of_a_last_reference_that_was_missed() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.count(&net, 1);
    let net = net.without_references();
    let (story, _) = kernel.merge(|walk| walk.counted(&net, 0));
    assert_eq!(story, ["deactivated net", "destroyed net"]);
    assert_eq!(kernel.get(&net).unwrap().destroyed_at, None);

    let unheard = kernel.ns("net2").without_references();
    let (story, corrections) = kernel.merge(|walk| {
        walk.counted(&net, 0);
        walk.counted(&unheard, 0);
    });
    assert_eq!(story, ["created net2", "destroyed net2"]);
    assert_eq!(corrections.namespaces_found, 1);
}

#[test]
fn a_walk_leaves_a_last_reference_that_was_seen_its_time() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let net = kernel.ns("net");
        kernel.created(&net);
        kernel.last_ref(&net);
        let destroyed_at = kernel.now;
        let net = net.without_references();
        let walk = kernel.walk(|walk| walk.counted(&net, 0));
        assert_eq!(kernel.merge_walk(&walk).0, NOTHING);
        assert_eq!(kernel.get(&net).unwrap().destroyed_at, Some(destroyed_at));
        kernel.freed(&net);
        assert_eq!(teardowns(&kernel), [Some(kernel.now - destroyed_at)]);
        // The same walk, late.
        assert_eq!(kernel.merge_walk(&walk).0, NOTHING);
        assert_eq!(kernel.state(&net), None);
    }
}
