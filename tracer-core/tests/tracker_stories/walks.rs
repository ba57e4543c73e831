use tracer_core::model::Unmet;

use super::*;

#[test]
fn the_first_merge_is_silent() {
    let mut kernel = World::new(COUNTS);
    let (net1, net2) = (kernel.ns("net1"), kernel.ns("net2"));
    let (story, corrections) = kernel.merge(|walk| {
        walk.counted(&net1, 1);
        walk.counted(&net2, 0);
    });
    assert_eq!((story.as_slice(), corrections.total()), (&[][..], 0));
    assert_eq!(kernel.state(&net1), Some(State::Active));
    assert_eq!(kernel.state(&net2), Some(State::Inactive));
    assert_eq!(kernel.count(&net2, 1), ["resurrected net2"]);
}

#[test]
fn records_come_in_any_order_and_more_than_once() {
    let mut kernel = World::new(OLD);
    let user1 = kernel.ns("user1");
    let user2 = kernel.ns("user2").owned_by(&user1).child_of(&user1);
    let net = kernel.ns("net").owned_by(&user2);
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.merge(|walk| {
        walk.task(&user2, &user2, &nsproxy);
        walk.nsproxy(&nsproxy);
        for ns in [&net, &user2, &net, &user1] {
            walk.ns(ns);
        }
        walk.nsproxy(&nsproxy);
    });
    let [user1, user2, net] = [&user1, &user2, &net].map(|ns| kernel.get(ns).unwrap());
    assert_eq!(net.owner, Some(user2.id));
    assert_eq!(
        (user2.owner, user2.parent),
        (Some(user1.id), Some(user1.id))
    );
    assert_eq!((net.because.nsproxies, user2.because.owned), (1, 1));
    assert_eq!(user1.state, State::Active);
}

#[test]
fn it_does_not_revive_what_was_freed_meanwhile() {
    for config in [OLD, COUNTS] {
        for known in [true, false] {
            let mut kernel = World::new(config);
            let net = kernel.ns("net");
            let nsproxy = kernel.nsproxy(&[&net]);
            if known {
                kernel.created(&net);
                kernel.installed(&nsproxy);
            }
            let walk = kernel.walk(|walk| {
                walk.ns(&net);
                walk.nsproxy(&nsproxy);
            });
            kernel.nsproxy_freed(&nsproxy);
            kernel.freed(&net);
            let (story, _) = kernel.merge_walk(&walk);
            assert_eq!(story, NOTHING);
            assert_eq!(kernel.get(&net), None);
            assert_eq!(kernel.tracker.census().nsproxies, 0);
        }
    }
}

#[test]
fn it_does_not_undo_what_happened_since() {
    let mut kernel = World::new(COUNTS);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.count(&net, 1);
    let walk = kernel.walk(|walk| walk.counted(&net, 1));
    kernel.count(&net, 0);
    kernel.merge_walk(&walk);
    assert_eq!(kernel.state(&net), Some(State::Inactive));

    let mut kernel = World::new(OLD);
    let net = kernel.ns("net").stashed(1);
    kernel.opened(&net, 1);
    let walk = kernel.walk(|walk| walk.ns(&net));
    kernel.evicted(&net, 1);
    kernel.merge_walk(&walk);
    assert_eq!(kernel.state(&net), Some(State::Inactive));
}

#[test]
fn a_later_merge_says_what_was_missed() {
    let mut kernel = World::walked(COUNTS);
    let (net1, net2) = (kernel.ns("net1"), kernel.ns("net2"));
    let user = kernel.ns("user");
    kernel.created(&user);
    kernel.created(&net1);
    kernel.count(&net1, 1);
    let (story, corrections) = kernel.merge(|walk| {
        walk.counted(&net2, 1);
        walk.counted(&user, 2);
    });
    assert_eq!(
        story,
        [
            "created net2",
            "activated net2",
            "activated user",
            "deactivated net1",
            "destroyed net1",
            "freed net1"
        ]
    );
    assert_eq!(
        (corrections.namespaces_found, corrections.namespaces_gone),
        (1, 1)
    );
    assert_eq!(corrections.states, 3);
    let found = kernel.get(&net2).unwrap();
    assert_eq!(
        (found.created_at, found.creator, found.since),
        (None, None, None)
    );
}

#[test]
fn what_is_gone_goes_before_its_owner() {
    let mut kernel = World::walked(COUNTS);
    let user = kernel.ns("user");
    let net = kernel.ns("net").owned_by(&user);
    kernel.created(&user);
    kernel.created(&net);
    let (story, _) = kernel.merge(|_| {});
    assert_eq!(
        story,
        ["destroyed net", "freed net", "destroyed user", "freed user"]
    );
}

#[test]
fn another_owner_tells_another_one() {
    let mut kernel = World::walked(OLD);
    let (user1, user2) = (kernel.ns("user1"), kernel.ns("user2"));
    let uts = kernel.ns("uts").owned_by(&user1);
    for ns in [&user1, &user2, &uts] {
        kernel.created(ns);
    }
    let uts = uts.owned_by(&user2);
    let (story, _) = kernel.merge(|walk| {
        for ns in [&user1, &user2, &uts] {
            walk.ns(ns);
        }
    });
    assert_eq!(story, ["destroyed uts", "freed uts", "created uts"]);
}

#[test]
fn what_pointed_to_a_predecessor_points_to_what_is_there() {
    let mut kernel = World::walked(IDS);
    let uts1 = kernel.ns("uts");
    let uts2 = kernel
        .ns("uts")
        .in_place_of(&uts1)
        .numbered(uts1.facts.inum.get());
    let nsproxy = kernel.nsproxy(&[&uts2]);
    kernel.created(&uts1);
    // The end of the first and the creation of the second are missed.
    kernel.installed(&nsproxy);
    kernel.merge(|walk| {
        walk.ns(&uts2);
        walk.nsproxy(&nsproxy);
    });
    let ns = kernel.get(&uts2).unwrap();
    assert_eq!(
        (ns.ns_id, ns.because.nsproxies),
        (uts2.facts.ns_id.map(u64::from), 1)
    );
}

#[test]
fn what_came_during_the_walk_is_not_missing_from_it() {
    let mut kernel = World::walked(COUNTS);
    let (net, uts) = (kernel.ns("net"), kernel.ns("uts"));
    let nsproxy = kernel.nsproxy(&[]);
    kernel.created(&uts);
    let walk = kernel.walk(|_| {});
    kernel.created(&net);
    kernel.count(&uts, 1);
    kernel.installed(&nsproxy);
    let (story, corrections) = kernel.merge_walk(&walk);
    assert_eq!((story.as_slice(), corrections.total()), (&[][..], 0));
    assert_eq!(kernel.tracker.census().nsproxies, 1);
}

/// A fork installs the child's nsproxy before anybody can see the child.
#[test]
fn an_nsproxy_that_is_in_the_middle_of_a_fork_stays() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.created(&net);
    kernel.installed(&nsproxy);
    assert_eq!(kernel.merge(|walk| walk.ns(&net)).0, NOTHING);
    kernel.later();
    let (story, _) = kernel.merge(|walk| walk.ns(&net));
    assert_eq!(story, ["nsproxy freed", "deactivated net"]);
}

#[test]
fn an_incomplete_one_proves_no_absence() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.created(&net);
    kernel.installed(&nsproxy);
    let mut walk = kernel.walk(|_| {});
    walk.all_of = [false; NsKind::COUNT];
    walk.all_tasks = false;
    assert_eq!(kernel.merge_walk(&walk).0, NOTHING);
    // All tasks are all nsproxies.
    kernel.later();
    let mut walk = kernel.walk(|_| {});
    walk.all_of = [false; NsKind::COUNT];
    let (story, corrections) = kernel.merge_walk(&walk);
    assert_eq!(story, ["nsproxy freed", "deactivated net"]);
    assert_eq!((corrections.nsproxies_gone, corrections.states), (1, 1));
    // Two namespaces never have one inode number.
    let uts = kernel.ns("uts").numbered(net.facts.inum.get());
    let mut walk = kernel.walk(|walk| walk.ns(&uts));
    walk.all_of = [false; NsKind::COUNT];
    let (story, _) = kernel.merge_walk(&walk);
    assert_eq!(story, ["destroyed net", "freed net"]);
}

#[test]
fn a_find_after_an_incomplete_one_need_not_be_new() {
    let mut kernel = World::new(OLD);
    let net = kernel.ns("net");
    let mut walk = kernel.walk(|_| {});
    walk.all_of = [false; NsKind::COUNT];
    kernel.merge_walk(&walk);
    let (story, corrections) = kernel.merge(|walk| walk.ns(&net));
    assert_eq!(
        (story.as_slice(), corrections.namespaces_found),
        (&[][..], 1)
    );
}

#[test]
fn destroyed_ones_have_time_to_be_freed() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.last_ref(&net);
    assert_eq!(kernel.merge(|_| {}).0, NOTHING);
    kernel.now += 301_000_000_000;
    assert_eq!(kernel.merge(|_| {}).0, ["freed net"]);
}

#[test]
fn one_without_references_is_not_there_any_more() {
    let mut kernel = World::walked(COUNTS);
    let uts = kernel.ns("uts").without_references();
    assert_eq!(kernel.merge(|walk| walk.ns(&uts)).0, NOTHING);
    assert_eq!(kernel.get(&uts), None);
}

#[test]
fn tasks_are_counted_where_they_are() {
    let mut kernel = World::new(COUNTS);
    let (user, pid, net) = (kernel.ns("user"), kernel.ns("pid"), kernel.ns("net"));
    let (time1, time2) = (kernel.ns("time1"), kernel.ns("time2"));
    let (pid2, uts) = (kernel.ns("pid2"), kernel.ns("uts"));
    let mut nsproxy = kernel.nsproxy(&[&net, &pid2, &time1]);
    nsproxy.slots[Slot::TimeForChildren as usize] = Some(support::slot_of(&time2));
    kernel.merge(|walk| {
        for ns in [&user, &pid, &pid2, &net, &time1, &time2, &uts] {
            walk.counted(ns, 1);
        }
        walk.nsproxy(&nsproxy);
        walk.task(&user, &pid, &nsproxy);
        walk.task(&user, &pid, &nsproxy).nsproxy = None;
    });
    let tasks = |ns: &Ns| kernel.get(ns).unwrap().tasks;
    assert_eq!([tasks(&user), tasks(&pid)], [Some(2), Some(2)]);
    assert_eq!([tasks(&net), tasks(&time1)], [Some(1), Some(1)]);
    assert_eq!([tasks(&pid2), tasks(&time2), tasks(&uts)], [Some(0); 3]);
}

#[test]
fn a_new_one_at_the_address_of_a_destroyed_one_is_told_by_the_time() {
    let mut kernel = World::walked(OLD);
    let uts = kernel.ns("uts");
    kernel.created(&uts);
    kernel.last_ref(&uts);
    let (story, _) = kernel.merge(|walk| walk.ns(&uts));
    assert_eq!(story, ["freed uts", "created uts"]);
}

/// With a number that is never reused, one that is met is one that lives,
/// whatever buried it.
#[test]
fn one_that_was_buried_by_mistake_comes_back() {
    let mut kernel = World::walked(IDS);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.merge(|_| {});
    assert_eq!(kernel.get(&pid), None);
    assert_eq!(kernel.opened(&pid, 1), NOTHING, "to events it is dead");
    let (story, _) = kernel.merge(|walk| walk.ns(&pid));
    assert_eq!(story, ["created pid"]);
}

/// An owner is there before what it owns, but news of the two may change places.
#[test]
fn what_was_taken_for_the_owner_and_parent_is_put_right() {
    let mut kernel = World::walked(OLD);
    let before = kernel.ns("user before");
    let outer = kernel.ns("user outer").in_place_of(&before);
    let inner = kernel.ns("user inner").owned_by(&outer).child_of(&outer);
    kernel.created(&before);
    kernel.created(&inner);
    let above = |kernel: &World| kernel.get(&inner).map(|ns| (ns.owner, ns.parent));
    let taken_for = kernel.get(&before).map(|ns| ns.id);
    assert_eq!(above(&kernel), Some((taken_for, taken_for)));

    kernel.merge(|walker| {
        walker.ns(&outer);
        walker.ns(&inner);
    });
    let outer = kernel.get(&outer).map(|ns| ns.id);
    assert!(outer.is_some());
    assert_eq!(above(&kernel), Some((outer, outer)));
}

/// No walk proves that these are gone, but the kernel programs saw them go.
#[test]
fn whose_end_was_seen_and_not_heard_of_is_gone() {
    let mut kernel = World::walked(OLD);
    let [held, gone] = ["uts held", "uts gone"].map(|name| kernel.ns(name));
    let dying = kernel.ns("uts dying");
    for ns in [&held, &gone, &dying] {
        kernel.created(ns);
    }
    kernel.last_ref(&dying);
    let met = kernel.ns("uts met");
    kernel.created(&met);
    let mut walk = kernel.walk(|walk| walk.ns(&met));
    walk.all_of = [false; NsKind::COUNT];
    let late = kernel.ns("uts late");
    kernel.created(&late);

    let unmet = kernel.tracker.unmet(&walk);
    let inums = |mut unmet: Vec<Unmet>| {
        unmet.sort_by_key(|unmet| unmet.inum);
        unmet.iter().map(|unmet| unmet.inum).collect::<Vec<_>>()
    };
    let mut expected = [&held, &gone, &dying].map(|ns| ns.facts.inum.get());
    expected.sort_unstable();
    assert_eq!(inums(unmet), expected);
    walk.gone = vec![gone.facts.key, dying.facts.key];
    let (story, corrections) = kernel.merge_walk(&walk);
    assert_eq!(
        story,
        ["freed uts dying", "destroyed uts gone", "freed uts gone"]
    );
    assert_eq!(corrections.namespaces_gone, 2);
    assert_eq!(kernel.state(&held), Some(State::Inactive));
    assert_eq!(kernel.state(&late), Some(State::Inactive));

    // Where a walk meets every namespace it is not asked about those.
    let walk = kernel.walk(|walk| walk.ns(&met));
    assert_eq!(inums(kernel.tracker.unmet(&walk)), Vec::<u32>::new());
    // Unless they are on no list any more.
    kernel.last_ref(&late);
    let walk = kernel.walk(|walk| walk.ns(&met));
    assert_eq!(inums(kernel.tracker.unmet(&walk)), [late.facts.inum.get()]);
}

/// What is known again, in the place of one that is gone, came later.
#[test]
fn whose_end_was_seen_does_not_take_a_successor_along() {
    let mut kernel = World::walked(OLD);
    let old = kernel.ns("uts old");
    kernel.created(&old);
    let mut walk = kernel.walk(|_| {});
    walk.all_of = [false; NsKind::COUNT];
    walk.gone = vec![old.facts.key];
    let new = kernel.ns("uts new").in_place_of(&old);
    kernel.created(&new);
    let (story, _) = kernel.merge_walk(&walk);
    assert_eq!(story, NOTHING);
    assert_eq!(kernel.state(&new), Some(State::Inactive));
}
