//! Kernels that list some types of namespaces, and 6.18, which lists all and
//! numbers them, but does not count.

use tracer_core::model::Walk;

use super::*;

/// A walk by which network namespaces are all met, and others as chance has
/// it.
fn lists_net(mut walk: Walk) -> Walk {
    walk.all_of = [false; NsKind::COUNT];
    walk.all_of[NsKind::Net as usize] = true;
    walk
}

#[test]
fn absence_proves_an_end_only_where_all_are_met() {
    let mut kernel = World::walked(OLD);
    let (net, uts) = (kernel.ns("net"), kernel.ns("uts"));
    kernel.created(&net);
    kernel.created(&uts);
    let walk = lists_net(kernel.walk(|_| {}));
    assert!(!walk.is_complete());
    let (story, corrections) = kernel.merge_walk(&walk);
    assert_eq!(story, ["destroyed net", "freed net"]);
    assert_eq!(corrections.namespaces_gone, 1);
    assert_eq!(kernel.state(&uts), Some(State::Inactive));
}

#[test]
fn absence_proves_novelty_only_where_all_were_met() {
    let mut kernel = World::new(OLD);
    let walk = lists_net(kernel.walk(|_| {}));
    kernel.merge_walk(&walk);
    let (net, uts) = (kernel.ns("net"), kernel.ns("uts"));
    let (story, corrections) = kernel.merge(|walk| {
        walk.ns(&net);
        walk.ns(&uts);
    });
    assert_eq!(story, ["created net"]);
    assert_eq!(corrections.namespaces_found, 2);
    // What was found without a beginning has been in use before.
    assert_eq!(kernel.opened(&net, 1), ["activated net"]);
    assert_eq!(kernel.opened(&uts, 2), ["resurrected uts"]);
}

/// Types that a kernel does not have are all met.
#[test]
fn a_walk_is_complete_if_every_type_is() {
    let mut kernel = World::new(OLD);
    let mut walk = kernel.walk(|_| {});
    assert!(walk.is_complete());
    walk.all_of[NsKind::Time as usize] = false;
    assert!(!walk.is_complete());
    walk.all_of[NsKind::Time as usize] = true;
    walk.all_tasks = false;
    assert!(!walk.is_complete());
}

/// 6.18 gives out its numbers in batches, also to the initial ones, which the
/// inode numbers tell instead.
#[test]
fn with_ids_but_no_counts_the_inode_number_tells_the_initial_ones() {
    let mut kernel = World::new(IDS);
    let mut ipc = kernel.initial(NsKind::Ipc);
    ipc.facts.ns_id = NonZeroU64::new(4098);
    let mut net = kernel.ns("net");
    net.facts.ns_id = NonZeroU64::new(3);
    kernel.merge(|walk| {
        walk.ns(&ipc);
        walk.ns(&net);
    });
    let [ipc, net] = [&ipc, &net].map(|ns| kernel.get(ns).unwrap());
    assert_eq!((ipc.id, ipc.initial), (NsId(4098), true));
    assert_eq!((net.id, net.initial), (NsId(3), false));
    assert_eq!(net.state, State::Inactive);
}

#[test]
fn with_ids_an_address_and_an_inode_number_may_both_come_back() {
    let mut kernel = World::walked(IDS);
    let pid1 = kernel.ns("pid");
    let pid2 = kernel
        .ns("pid")
        .in_place_of(&pid1)
        .numbered(pid1.facts.inum.get());
    kernel.created(&pid1);
    kernel.tasks_numbered(&pid1, 9, 1);
    let before = kernel.tick();
    let (story, _) = kernel.merge(|walk| walk.with_tasks_numbered(&pid2, 1, 0));
    assert_eq!(
        story,
        [
            "deactivated pid",
            "destroyed pid",
            "freed pid",
            "created pid"
        ]
    );
    let stale = Body::Tasks {
        ns: pid1.with_tasks(3).facts,
        sequence: 10,
        cause: None,
    };
    assert_eq!(kernel.tell_at(before, stale), NOTHING);
    assert_eq!(kernel.tasks_numbered(&pid2, 2, 1), ["activated pid"]);
}
