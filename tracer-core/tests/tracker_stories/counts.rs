use super::*;

#[test]
fn the_newest_reading_stands_in_whatever_order_they_come() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    kernel.created(&net);
    assert_eq!(kernel.count_numbered(&net, 3, 1), ["activated net"]);
    assert_eq!(kernel.count_numbered(&net, 2, 0), NOTHING);
    assert_eq!(kernel.count_numbered(&net, 3, 1), NOTHING);
    assert_eq!(kernel.state(&net), Some(State::Active));
    assert_eq!(kernel.count_numbered(&net, 4, 0), ["deactivated net"]);
}

/// 7.0 and 7.1 can take it below zero.
#[test]
fn a_negative_count_is_not_active() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    kernel.created(&net);
    assert_eq!(
        kernel.count(&net, (-2_i32).cast_unsigned()),
        ["count_below_zero broken"]
    );
    assert_eq!(kernel.state(&net), Some(State::Inactive));
}

#[test]
fn contributors_are_shown_but_do_not_decide() {
    let mut kernel = World::walked(COUNTS);
    let user = kernel.ns("user");
    let net = kernel.ns("net").owned_by(&user);
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.created(&user);
    kernel.created(&net);
    assert_eq!(kernel.installed(&nsproxy), NOTHING);
    kernel.opened(&net, 1);
    assert_eq!(kernel.state(&net), Some(State::Inactive));
    kernel.count(&net, 2);
    let because = kernel.get(&net).unwrap().because;
    assert_eq!((because.nsproxies, because.nsfs), (1, 1));
    let owner = kernel.get(&user).unwrap();
    assert_eq!((owner.because.owned, owner.state), (1, State::Inactive));
}

#[test]
fn counts_are_the_newest_that_were_read() {
    let mut kernel = World::walked(COUNTS);
    let mut net = kernel.ns("net");
    kernel.created(&net);
    net.facts.refs = Some(9);
    kernel.count(&net, 3);
    let read = kernel.get(&net).unwrap().counts;
    assert_eq!(
        (read.refs, read.active, read.at),
        (Some(9), Some(3), kernel.now)
    );
    net.facts.refs = Some(4);
    kernel.tell_at(read.at - 1, Body::LastRef(net.facts));
    assert_eq!(kernel.get(&net).unwrap().counts, read);
}
