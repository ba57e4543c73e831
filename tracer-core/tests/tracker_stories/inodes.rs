//! Inodes of nsfs, as walks meet them.

use super::*;

#[test]
fn a_walk_meets_the_inode_that_events_name() {
    let mut kernel = World::new(OLD);
    let net = kernel.ns("net").stashed(1);
    kernel.merge(|walk| walk.ns(&net));
    assert_eq!(kernel.get(&net).unwrap().because.nsfs, 1);
    assert_eq!(kernel.opened(&net, 1), NOTHING);
    assert_eq!(kernel.get(&net).unwrap().because.nsfs, 1);
    assert_eq!(kernel.evicted(&net, 2), NOTHING, "another one");
    assert_eq!(kernel.evicted(&net, 1), ["deactivated net"]);
}

#[test]
fn a_missed_eviction_is_put_right() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.opened(&net, 1);
    let (story, _) = kernel.merge(|walk| walk.ns(&net));
    assert_eq!(story, ["deactivated net"]);
}

#[test]
fn an_inode_that_replaced_a_missed_one_is_one() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.opened(&net, 1);
    let (story, _) = kernel.merge(|walk| walk.ns(&net.stashed(2)));
    assert_eq!(story, NOTHING);
    assert_eq!(kernel.get(&net).unwrap().because.nsfs, 1);
    assert_eq!(kernel.evicted(&net, 2), ["deactivated net"]);
}

#[test]
fn a_walk_that_met_one_does_not_bring_it_back() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.opened(&net, 1);
    let walk = kernel.walk(|walk| walk.ns(&net.stashed(1)));
    kernel.evicted(&net, 1);
    kernel.opened(&net, 2);
    kernel.evicted(&net, 2);
    assert_eq!(kernel.merge_walk(&walk).0, NOTHING);
    assert_eq!(kernel.state(&net), Some(State::Inactive));
}
