use super::*;

#[test]
fn what_was_there_before_is_found_silently() {
    let mut kernel = World::new(OLD);
    let net = kernel.ns("net");
    assert_eq!(kernel.opened(&net, 1), NOTHING);
    assert_eq!(kernel.state(&net), Some(State::Active));
    assert_eq!(kernel.get(&net).unwrap().since, None);
    assert_eq!(kernel.evicted(&net, 1), ["deactivated net"]);
    assert_eq!(kernel.opened(&net, 2), ["resurrected net"]);

    let mut kernel = World::new(COUNTS);
    let net = kernel.ns("net");
    assert_eq!(kernel.count(&net, 1), NOTHING);
    assert_eq!(kernel.count(&net, 0), ["deactivated net"]);
}

#[test]
fn contributions_to_an_unknown_one_are_not_lost() {
    let mut kernel = World::new(OLD);
    let user = kernel.ns("user");
    let net = kernel.ns("net").owned_by(&user);
    let (first, second) = (kernel.nsproxy(&[&net]), kernel.nsproxy(&[&net]));
    kernel.installed(&first);
    kernel.installed(&second);
    kernel.nsproxy_freed(&first);
    assert_eq!(kernel.get(&net), None);
    let id = |kernel: &World, ns: &Ns| kernel.get(ns).map(|ns| ns.id);

    // The child first, then its owner.
    kernel.opened(&net, 1);
    let known = kernel.get(&net).unwrap();
    assert_eq!((known.because.nsproxies, known.owner), (1, None));
    kernel.opened(&user, 2);
    let owner = kernel.get(&user).unwrap();
    assert_eq!(owner.because.owned, 1);
    assert_eq!(kernel.get(&net).unwrap().owner, id(&kernel, &user));
    let shown = kernel.tracker.nsproxies().next().unwrap();
    assert_eq!(shown.namespaces[Slot::Net as usize], id(&kernel, &net));
}

#[test]
fn an_owner_is_remembered_after_its_end() {
    let mut kernel = World::new(COUNTS);
    let user = kernel.ns("user");
    let net = kernel.ns("net").owned_by(&user);
    kernel.count(&net, 1);
    kernel.count(&user, 1);
    kernel.count(&net, 0);
    let owner = kernel.get(&user).unwrap().id;
    kernel.freed(&user);
    assert_eq!(kernel.get(&net).unwrap().owner, Some(owner));
}

#[test]
fn a_creation_heard_of_late_tells_who_and_when() {
    let mut kernel = World::new(COUNTS);
    let net = kernel.ns("net");
    let born = kernel.tick();
    kernel.merge(|walk| walk.counted(&net, 0));
    assert_eq!(kernel.tell_at(born, Body::created(net.facts)), NOTHING);
    let known = kernel.get(&net).unwrap();
    assert_eq!(known.created_at, Some(born));
    assert!(known.creator.is_some());
    assert_eq!(kernel.count(&net, 1), ["activated net"]);
}
