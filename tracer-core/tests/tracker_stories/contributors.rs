use super::*;

#[test]
fn an_nsproxy_counts_once_however_often_it_is_reported() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    let old = kernel.nsproxy(&[]);
    let new = kernel.nsproxy(&[&net]);
    kernel.created(&net);
    assert_eq!(kernel.installed(&new), ["activated net"]);
    assert_eq!(kernel.installed(&new), NOTHING);
    assert_eq!(
        kernel.switched(Reason::Unshare, &old, Some(&new)),
        ["switched by unshare"]
    );
    assert_eq!(kernel.get(&net).unwrap().because.nsproxies, 1);
    assert_eq!(
        kernel.nsproxy_freed(&new),
        ["nsproxy freed", "deactivated net"]
    );
    assert_eq!(kernel.nsproxy_freed(&new), NOTHING);
}

#[test]
fn both_time_slots_count() {
    let mut kernel = World::walked(OLD);
    let time = kernel.ns("time");
    let mut nsproxy = kernel.nsproxy(&[&time]);
    nsproxy.slots[Slot::TimeForChildren as usize] = nsproxy.slots[Slot::Time as usize];
    kernel.created(&time);
    kernel.installed(&nsproxy);
    assert_eq!(kernel.get(&time).unwrap().because.nsproxies, 2);
    assert_eq!(
        kernel.nsproxy_freed(&nsproxy),
        ["nsproxy freed", "deactivated time"]
    );
}

#[test]
fn a_switch_is_said_before_what_it_causes() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    let old = kernel.nsproxy(&[]);
    let new = kernel.nsproxy(&[&net]);
    kernel.created(&net);
    assert_eq!(
        kernel.switched(Reason::Setns, &old, Some(&new)),
        ["switched by setns", "activated net"]
    );
}

#[test]
fn an_open_file_keeps_it() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.created(&net);
    kernel.installed(&nsproxy);
    assert_eq!(kernel.opened(&net, 1), NOTHING);
    assert_eq!(kernel.nsproxy_freed(&nsproxy), ["nsproxy freed"]);
    assert_eq!(kernel.evicted(&net, 2), NOTHING, "never heard of");
    assert_eq!(kernel.evicted(&net, 1), ["deactivated net"]);
    assert_eq!(kernel.opened(&net, 3), ["resurrected net"]);
}

#[test]
fn the_loss_cascades_level_by_level() {
    let mut kernel = World::walked(OLD);
    let user1 = kernel.ns("user1");
    let user2 = kernel.ns("user2").owned_by(&user1);
    let net = kernel.ns("net").owned_by(&user2);
    let nsproxy = kernel.nsproxy(&[&net]);
    for ns in [&user1, &user2, &net] {
        kernel.created(ns);
    }
    assert_eq!(
        kernel.installed(&nsproxy),
        ["activated net", "activated user2", "activated user1"]
    );
    assert_eq!(
        kernel.nsproxy_freed(&nsproxy),
        [
            "nsproxy freed",
            "deactivated net",
            "deactivated user2",
            "deactivated user1"
        ]
    );
    assert_eq!(
        kernel.opened(&net, 1),
        ["resurrected net", "resurrected user2", "resurrected user1"]
    );
    kernel.opened(&user2, 2);
    assert_eq!(kernel.evicted(&net, 1), ["deactivated net"]);
    assert_eq!(
        kernel.evicted(&user2, 2),
        ["deactivated user2", "deactivated user1"]
    );
}

#[test]
fn an_owner_with_other_active_ones_stays() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user");
    let net = kernel.ns("net").owned_by(&user);
    let uts = kernel.ns("uts").owned_by(&user);
    for ns in [&user, &net, &uts] {
        kernel.created(ns);
    }
    assert_eq!(kernel.opened(&net, 1), ["activated net", "activated user"]);
    assert_eq!(kernel.opened(&uts, 2), ["activated uts"]);
    assert_eq!(kernel.evicted(&net, 1), ["deactivated net"]);
    assert_eq!(
        kernel.evicted(&uts, 2),
        ["deactivated uts", "deactivated user"]
    );
}

/// Nothing in between: the owner never was without an active namespace.
#[test]
fn an_owner_that_loses_one_and_gains_one_stays() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user");
    let net1 = kernel.ns("net1").owned_by(&user);
    let net2 = kernel.ns("net2").owned_by(&user);
    let first = kernel.nsproxy(&[&net1]);
    let mut second = kernel.nsproxy(&[&net2]);
    second.key = first.key;
    for ns in [&user, &net1, &net2] {
        kernel.created(ns);
    }
    kernel.installed(&first);
    assert_eq!(
        kernel.installed(&second),
        ["nsproxy freed", "activated net2", "deactivated net1"],
        "another nsproxy at the same address"
    );
}

#[test]
fn a_destroyed_one_no_longer_keeps_its_owner() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user");
    let net = kernel.ns("net").owned_by(&user);
    kernel.created(&user);
    kernel.created(&net);
    kernel.opened(&net, 1);
    assert_eq!(
        kernel.last_ref(&net),
        ["deactivated net", "destroyed net", "deactivated user"]
    );
}
