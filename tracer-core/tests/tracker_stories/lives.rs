use super::*;

#[test]
fn a_whole_life_on_a_kernel_that_counts() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    assert_eq!(kernel.created(&net), ["created net"]);
    assert_eq!(kernel.state(&net), Some(State::Inactive));
    assert_eq!(kernel.count(&net, 1), ["activated net"]);
    assert_eq!(kernel.count(&net, 0), ["deactivated net"]);
    assert_eq!(kernel.count(&net, 2), ["resurrected net"]);
    assert_eq!(kernel.count(&net, 0), ["deactivated net"]);
    assert_eq!(kernel.last_ref(&net), ["destroyed net"]);
    assert_eq!(kernel.state(&net), Some(State::Destroyed));
    assert_eq!(kernel.freed(&net), ["freed net"]);
    assert_eq!(kernel.get(&net), None);
}

#[test]
fn a_whole_life_on_a_kernel_that_does_not() {
    let mut kernel = World::walked(OLD);
    let uts = kernel.ns("uts");
    let nsproxy = kernel.nsproxy(&[&uts]);
    assert_eq!(kernel.created(&uts), ["created uts"]);
    assert_eq!(kernel.installed(&nsproxy), ["activated uts"]);
    assert_eq!(
        kernel.nsproxy_freed(&nsproxy),
        ["nsproxy freed", "deactivated uts"]
    );
    assert_eq!(kernel.last_ref(&uts), ["destroyed uts"]);
    assert_eq!(kernel.freed(&uts), ["freed uts"]);
}

#[test]
fn some_are_never_used() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let net = kernel.ns("net");
        kernel.created(&net);
        assert_eq!(kernel.last_ref(&net), ["destroyed net"]);
        assert_eq!(kernel.freed(&net), ["freed net"]);
    }
}

#[test]
fn the_last_reference_may_be_reported_twice() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    kernel.created(&net);
    assert_eq!(kernel.last_ref(&net), ["destroyed net"]);
    let first = kernel.get(&net).unwrap().destroyed_at;
    assert_eq!(kernel.last_ref(&net), NOTHING);
    assert_eq!(kernel.get(&net).unwrap().destroyed_at, first);
}

#[test]
fn an_active_one_is_deactivated_before_it_is_destroyed() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.count(&net, 1);
    assert_eq!(kernel.last_ref(&net), ["deactivated net", "destroyed net"]);
}

/// The only end that is seen of ipc and pid namespaces up to 6.17.
#[test]
fn freeing_includes_what_comes_before_it() {
    let mut kernel = World::walked(OLD);
    let ipc = kernel.ns("ipc");
    kernel.created(&ipc);
    assert_eq!(kernel.freed(&ipc), ["destroyed ipc", "freed ipc"]);

    let pid = kernel.ns("pid");
    let nsproxy = kernel.nsproxy(&[&pid]);
    kernel.created(&pid);
    kernel.installed(&nsproxy);
    assert_eq!(
        kernel.freed(&pid),
        ["deactivated pid", "destroyed pid", "freed pid"]
    );
    assert_eq!(kernel.nsproxy_freed(&nsproxy), ["nsproxy freed"]);
}

/// Mount namespaces give back their number first, from 6.18 on.
#[test]
fn a_last_reference_after_the_freeing_is_no_news() {
    for known in [true, false] {
        let mut kernel = World::walked(IDS);
        let mnt = kernel.ns("mnt");
        if known {
            kernel.created(&mnt);
        }
        kernel.freed(&mnt);
        let soon = kernel.now + 1_000;
        assert_eq!(kernel.tell_at(soon, Body::LastRef(mnt.facts)), NOTHING);
        assert_eq!(kernel.get(&mnt), None);
    }
}

#[test]
fn nothing_revives_a_destroyed_one() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.last_ref(&net);
    assert_eq!(kernel.count(&net, 1), NOTHING);

    let mut kernel = World::walked(IDS);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.last_ref(&net);
    assert_eq!(kernel.opened(&net, 1), NOTHING);
    assert_eq!(kernel.state(&net), Some(State::Destroyed));
}

#[test]
fn the_end_of_an_unknown_one_is_ignored() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    assert_eq!(kernel.freed(&net), NOTHING);
}

#[test]
fn who_and_when() {
    let mut kernel = World::walked(COUNTS);
    let user = kernel.ns("user");
    let net = kernel.ns("net").owned_by(&user);
    kernel.created(&user);
    let born = kernel.now;
    kernel.created(&net);
    let ns = kernel.get(&user).unwrap();
    assert_eq!((ns.created_at, ns.since), (Some(born), Some(born)));
    let creator = ns.creator.unwrap();
    assert_eq!((creator.task, creator.cgroup), (ACTOR, 7));
    assert_eq!(kernel.get(&net).unwrap().owner, Some(ns.id));

    kernel.count(&user, 1);
    assert_eq!(kernel.get(&user).unwrap().since, Some(kernel.now));

    kernel.selected = true;
    kernel.is_actor = false;
    kernel.count(&user, 0);
    let [transition] = &kernel.transitions[..] else {
        panic!("one transition");
    };
    assert_eq!((transition.at, transition.selected), (kernel.now, true));
    let What::Namespace { ns, actor, .. } = &transition.what else {
        panic!("about a namespace");
    };
    assert_eq!((*actor, ns.state), (None, State::Inactive));
}

#[test]
fn what_could_not_be_made_is_told_and_nothing_else_changes() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let census = kernel.tracker.census().clone();
        let failed = Body::Failed {
            kind: NsKind::Net,
            errno: Errno(28),
        };
        assert_eq!(kernel.tell(failed), ["net failed: ENOSPC"]);
        assert_eq!(*kernel.tracker.census(), census);
    }
}
