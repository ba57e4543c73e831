use super::*;

#[test]
fn another_one_at_the_same_address_ends_the_first() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let net1 = kernel.ns("net1");
        let net2 = kernel.ns("net2").in_place_of(&net1);
        kernel.created(&net1);
        let first = kernel.get(&net1).unwrap().id;
        assert_eq!(
            kernel.created(&net2),
            ["destroyed net1", "freed net1", "created net2"]
        );
        assert_ne!(kernel.get(&net2).unwrap().id, first);
        assert_eq!(kernel.tracker.get(first), None);
    }
}

#[test]
fn the_number_tells_them_apart_where_address_and_inode_do_not() {
    let mut kernel = World::walked(OLD);
    let net1 = kernel.ns("net");
    let net2 = kernel
        .ns("net")
        .in_place_of(&net1)
        .numbered(net1.facts.inum.get());
    kernel.created(&net1);
    kernel.freed(&net1);
    assert_eq!(kernel.created(&net2), ["created net"]);
    assert_eq!(kernel.last_ref(&net1), NOTHING, "stale");
}

#[test]
fn a_creation_at_a_known_address_and_inode_is_a_new_one() {
    let mut kernel = World::walked(OLD);
    let uts = kernel.ns("uts");
    kernel.created(&uts);
    assert_eq!(
        kernel.created(&uts),
        ["destroyed uts", "freed uts", "created uts"]
    );
}

#[test]
fn the_same_creation_twice_is_one() {
    for config in [OLD, COUNTS] {
        let mut kernel = World::walked(config);
        let uts = kernel.ns("uts");
        kernel.created(&uts);
        let (now, body) = (kernel.now, Body::created(uts.facts));
        assert_eq!(kernel.tell_at(now, body), NOTHING);
    }
}

#[test]
fn news_from_before_the_address_was_reused_is_stale() {
    let mut kernel = World::walked(OLD);
    let net1 = kernel.ns("net1");
    let net2 = kernel.ns("net2").in_place_of(&net1);
    let before = kernel.tick();
    kernel.created(&net2);
    let opened = Body::NsfsOpened {
        ns: net1.facts,
        inode: support::key(1),
    };
    assert_eq!(kernel.tell_at(before, opened), NOTHING);
    assert_eq!(
        kernel.tell_at(before, Body::Freed(net1.facts.as_ref())),
        NOTHING
    );
    assert_eq!(kernel.state(&net2), Some(State::Inactive));
    assert_eq!(kernel.get(&net1), None);
}

/// Only the time can tell, where address and inode number are the same.
#[test]
fn what_was_said_before_the_end_is_stale() {
    let mut kernel = World::walked(OLD);
    let uts = kernel.ns("uts");
    kernel.created(&uts);
    let before = kernel.tick();
    kernel.freed(&uts);
    let opened = Body::NsfsOpened {
        ns: uts.facts,
        inode: support::key(1),
    };
    assert_eq!(kernel.tell_at(before, opened), NOTHING);
    assert_eq!(kernel.get(&uts), None);
    assert_eq!(kernel.opened(&uts, 1), NOTHING);
    assert!(kernel.get(&uts).is_some(), "another one");
    let freed = Body::Freed(uts.facts.as_ref());
    assert_eq!(kernel.tell_at(before, freed), NOTHING);
    assert!(kernel.get(&uts).is_some());
}

#[test]
fn life_in_the_place_of_a_destroyed_one_is_another_ones() {
    let mut kernel = World::walked(OLD);
    let uts = kernel.ns("uts");
    kernel.created(&uts);
    kernel.last_ref(&uts);
    assert_eq!(kernel.opened(&uts, 1), ["freed uts"]);
    assert_eq!(kernel.state(&uts), Some(State::Active));
}

#[test]
fn a_grave_is_for_one_type() {
    let mut kernel = World::walked(OLD);
    let uts = kernel.ns("uts");
    let ipc = kernel
        .ns("ipc")
        .in_place_of(&uts)
        .numbered(uts.facts.inum.get());
    kernel.created(&uts);
    kernel.freed(&uts);
    let soon = kernel.now + 1_000;
    kernel.tell_at(soon, Body::LastRef(ipc.facts));
    assert_eq!(kernel.state(&ipc), Some(State::Destroyed));
}

#[test]
fn a_grave_is_not_lost_to_another_type() {
    let mut kernel = World::walked(OLD);
    let uts = kernel.ns("uts");
    let ipc = kernel
        .ns("ipc")
        .in_place_of(&uts)
        .numbered(uts.facts.inum.get());
    kernel.created(&uts);
    let before = kernel.tick();
    kernel.freed(&uts);
    kernel.created(&ipc);
    kernel.freed(&ipc);
    let opened = Body::NsfsOpened {
        ns: uts.facts,
        inode: support::key(1),
    };
    assert_eq!(kernel.tell_at(before, opened), NOTHING);
    assert_eq!(kernel.get(&uts), None);
}

#[test]
fn the_same_kernel_id_at_another_address_moves() {
    let mut kernel = World::walked(COUNTS);
    let net1 = kernel.ns("net1");
    let mut net2 = kernel.ns("net2");
    net2.facts.ns_id = net1.facts.ns_id;
    kernel.created(&net1);
    assert_eq!(
        kernel.created(&net2),
        ["destroyed net1", "freed net1", "created net2"]
    );
}

#[test]
fn what_a_person_types() {
    let mut kernel = World::walked(COUNTS);
    let mut net = kernel.ns("net");
    net.facts.ns_id = NonZeroU64::new(1234);
    kernel.created(&net);
    let known = kernel.tracker.get(NsId(1234)).unwrap();
    assert_eq!(known.ns_id, Some(1234));
    assert_eq!(kernel.tracker.find(1234), Some(known));
    assert_eq!(kernel.tracker.find(known.inum.into()), Some(known));
    assert_eq!(kernel.tracker.find(1235), None);
    assert_eq!(kernel.tracker.find(0xF000_0000), None);
}

#[test]
fn own_numbers_start_after_those_of_the_initial_ones() {
    let mut kernel = World::walked(OLD);
    let (net, uts) = (kernel.ns("net"), kernel.ns("uts"));
    kernel.created(&net);
    kernel.created(&uts);
    assert_eq!(kernel.get(&net).unwrap().id, NsId(9));
    assert_eq!(kernel.get(&uts).unwrap().id, NsId(10));
    assert_eq!(kernel.get(&uts).unwrap().ns_id, None);
}

/// A record of an nsproxy that pointed to the predecessor comes late, and then
/// that of the predecessor's end.
#[test]
fn the_end_of_a_predecessor_is_not_that_of_a_successor() {
    let mut kernel = World::walked(OLD);
    let uts = kernel.ns("uts");
    let nsproxy = kernel.nsproxy(&[&uts]);
    let installed_at = kernel.tick();
    let freed_at = kernel.tick();
    assert_eq!(kernel.created(&uts), ["created uts"]);
    let installed = Body::NsproxyInstalled(nsproxy);
    assert_eq!(kernel.tell_at(installed_at, installed), NOTHING);
    let freed = Body::Freed(uts.facts.as_ref());
    assert_eq!(kernel.tell_at(freed_at, freed), NOTHING);
    assert_eq!(kernel.state(&uts), Some(State::Inactive));
}

#[test]
fn one_that_was_seen_alive_later_was_not_freed() {
    let mut kernel = World::new(OLD);
    let uts = kernel.ns("uts");
    let freed_at = kernel.tick();
    kernel.opened(&uts, 1);
    let opened_at = kernel.now;
    let earlier = Body::NsfsOpened {
        ns: uts.facts,
        inode: support::key(1),
    };
    kernel.tell_at(freed_at - 1, earlier);
    let freed = Body::Freed(uts.facts.as_ref());
    assert_eq!(kernel.tell_at(freed_at, freed), NOTHING);
    assert_eq!(kernel.state(&uts), Some(State::Active));
    assert_eq!(
        kernel.tell_at(opened_at, freed),
        ["deactivated uts", "destroyed uts", "freed uts"]
    );
}

/// Its end is heard of while another one is at its address, its life only
/// when that one is gone, too.
#[test]
fn one_that_ended_unheard_of_does_not_come_to_life() {
    let mut kernel = World::walked(OLD);
    let net1 = kernel.ns("net1");
    let net2 = kernel.ns("net2").in_place_of(&net1);
    let opened_at = kernel.tick();
    let freed_at = kernel.tick();
    kernel.created(&net2);
    kernel.tell_at(freed_at, Body::Freed(net1.facts.as_ref()));
    kernel.freed(&net2);
    let opened = Body::NsfsOpened {
        ns: net1.facts,
        inode: support::key(1),
    };
    assert_eq!(kernel.tell_at(opened_at, opened), NOTHING);
    assert_eq!(kernel.get(&net1), None);
}

/// What is known of the dead is not forgotten because it is said again, with
/// less.
#[test]
fn freed_twice_is_freed_once() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.freed(&net);
    let again = Body::Freed(net.facts.as_ref());
    assert_eq!(kernel.tell_at(kernel.now, again), NOTHING);
    assert_eq!(kernel.count(&net, 1), NOTHING, "its number tells");
    assert_eq!(kernel.get(&net), None);
}
