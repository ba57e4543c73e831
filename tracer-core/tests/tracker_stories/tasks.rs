//! Credentials and pids.

use super::*;

/// Credentials and pids of a namespace, as they are shown.
fn shown(kernel: &World, ns: &Ns) -> (u32, u32) {
    let because = kernel.get(ns).unwrap().because;
    (because.creds, because.pids)
}

#[test]
fn the_first_brings_it_to_life_and_the_last_takes_that_away() {
    for config in [OLD, IDS] {
        let mut kernel = World::walked(config);
        let (user, pid) = (kernel.ns("user"), kernel.ns("pid"));
        for (ns, name) in [(&user, "user"), (&pid, "pid")] {
            kernel.created(ns);
            assert_eq!(kernel.tasks(ns, 1), [format!("activated {name}")]);
            assert_eq!(kernel.tasks(ns, 0), [format!("deactivated {name}")]);
            assert_eq!(kernel.tasks(ns, 2), [format!("resurrected {name}")]);
        }
        assert_eq!(shown(&kernel, &user), (2, 0));
        assert_eq!(shown(&kernel, &pid), (0, 2));
    }
}

#[test]
fn they_keep_it_beside_others() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user");
    let net = kernel.ns("net").owned_by(&user);
    kernel.created(&user);
    kernel.created(&net);
    assert_eq!(kernel.tasks(&user, 1), ["activated user"]);
    assert_eq!(kernel.opened(&net, 1), ["activated net"]);
    assert_eq!(kernel.tasks(&user, 0), NOTHING);
    assert_eq!(kernel.get(&user).unwrap().because.owned, 1);
    assert_eq!(
        kernel.evicted(&net, 1),
        ["deactivated net", "deactivated user"]
    );
}

#[test]
fn they_keep_its_owners_too() {
    let mut kernel = World::walked(OLD);
    let user1 = kernel.ns("user1");
    let user2 = kernel.ns("user2").owned_by(&user1).child_of(&user1);
    let pid = kernel.ns("pid").owned_by(&user2);
    for ns in [&user1, &user2, &pid] {
        kernel.created(ns);
    }
    assert_eq!(
        kernel.tasks(&pid, 1),
        ["activated pid", "activated user2", "activated user1"]
    );
    assert_eq!(kernel.tasks(&user2, 1), NOTHING);
    assert_eq!(kernel.tasks(&pid, 0), ["deactivated pid"]);
    assert_eq!(
        kernel.tasks(&user2, 0),
        ["deactivated user2", "deactivated user1"]
    );
}

#[test]
fn the_reading_with_the_highest_number_stands() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user");
    kernel.created(&user);
    assert_eq!(kernel.tasks_numbered(&user, 2, 1), ["activated user"]);
    assert_eq!(kernel.tasks_numbered(&user, 1, 0), NOTHING);
    assert_eq!(kernel.tasks_numbered(&user, 2, 0), NOTHING);
    assert_eq!(kernel.state(&user), Some(State::Active));
    assert_eq!(kernel.tasks_numbered(&user, 4, 0), ["deactivated user"]);
    assert_eq!(kernel.tasks_numbered(&user, 3, 5), NOTHING);
    assert_eq!(kernel.state(&user), Some(State::Inactive));
    assert_eq!(shown(&kernel, &user), (0, 0));
}

#[test]
fn a_reading_that_read_nothing_says_nothing() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user");
    kernel.created(&user);
    kernel.tasks_numbered(&user, 1, 1);
    let ns = user.facts;
    let now = kernel.tick();
    assert_eq!(ns.creds, None);
    assert_eq!(
        kernel.tell_at(
            now,
            Body::Tasks {
                ns,
                sequence: 2,
                cause: None
            }
        ),
        NOTHING
    );
    assert_eq!(kernel.tasks_numbered(&user, 2, 0), ["deactivated user"]);
}

/// Their number is a sample; whether there are any is not.
#[test]
fn the_number_is_that_of_the_newest_record() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user");
    kernel.created(&user);
    kernel.tasks(&user, 1);
    kernel.opened(&user.with_tasks(7), 1);
    assert_eq!(shown(&kernel, &user), (7, 0));
    let earlier = kernel.now - 1;
    let late = Body::NsfsOpened {
        ns: user.with_tasks(3).facts,
        inode: support::key(1),
    };
    kernel.tell_at(earlier, late);
    assert_eq!(shown(&kernel, &user), (7, 0));
    // Another CPU takes the last one away, and has not said so yet.
    kernel.opened(&user.with_tasks(0), 1);
    assert_eq!(shown(&kernel, &user), (1, 0));
    // Or it has, and this was read before.
    kernel.tasks(&user, 0);
    kernel.opened(&user.with_tasks(2), 1);
    assert_eq!(shown(&kernel, &user), (0, 0));
}

#[test]
fn pids_of_deeper_namespaces_are_not_its_own() {
    let mut kernel = World::walked(OLD);
    let pid1 = kernel.ns("pid1");
    let pid2 = kernel.ns("pid2").child_of(&pid1);
    let pid3 = kernel.ns("pid3").child_of(&pid2);
    for ns in [&pid1, &pid2, &pid3] {
        kernel.created(ns);
    }
    kernel.merge(|walk| {
        walk.with_tasks(&pid1, 6);
        walk.with_tasks(&pid2, 5);
        walk.with_tasks(&pid3, 2);
    });
    let own = |kernel: &World| [&pid1, &pid2, &pid3].map(|ns| shown(kernel, ns).1);
    assert_eq!(own(&kernel), [1, 3, 2]);
    kernel.tasks(&pid3, 0);
    kernel.freed(&pid3);
    kernel.opened(&pid2.with_tasks(3), 1);
    kernel.opened(&pid1.with_tasks(4), 2);
    assert_eq!(shown(&kernel, &pid1), (0, 1));
    assert_eq!(shown(&kernel, &pid2), (0, 3));
    // Its own cannot be less than none.
    kernel.opened(&pid2.with_tasks(9), 1);
    assert_eq!(shown(&kernel, &pid1), (0, 1));
}

#[test]
fn pids_of_a_namespace_that_is_gone_count_nowhere() {
    let mut kernel = World::walked(COUNTS);
    let pid1 = kernel.ns("pid1");
    let pid2 = kernel.ns("pid2").child_of(&pid1);
    kernel.created(&pid1);
    kernel.created(&pid2);
    kernel.count(&pid2.with_tasks(2), 2);
    // What took its pids away was missed.
    kernel.freed(&pid2);
    kernel.count(&pid1.with_tasks(3), 3);
    assert_eq!(shown(&kernel, &pid1), (0, 3));
}

#[test]
fn where_the_kernel_counts_they_are_shown_but_do_not_decide() {
    let mut kernel = World::walked(COUNTS);
    let (user, pid) = (kernel.ns("user"), kernel.ns("pid"));
    kernel.created(&user);
    kernel.created(&pid);
    assert_eq!(kernel.tasks(&user, 1), NOTHING);
    kernel.count(&user.with_tasks(3), 3);
    assert_eq!(shown(&kernel, &user), (3, 0));
    // The last pid is taken out of the active count first.
    kernel.count(&pid.with_tasks(1), 1);
    kernel.count(&pid.with_tasks(1), 0);
    assert_eq!(shown(&kernel, &pid), (0, 0));
    kernel.tell_at(kernel.now, kernel_said_again(&pid));
    assert_eq!(shown(&kernel, &pid), (0, 0));
}

/// That nothing keeps it active, and that a pid is on its way out.
fn kernel_said_again(pid: &Ns) -> Body {
    Body::Activity {
        ns: NsFacts {
            active: Some(0),
            ..pid.with_tasks(1).facts
        },
        sequence: 1,
        cause: None,
        below: None,
    }
}

#[test]
fn a_walk_tells_what_was_missed() {
    let mut kernel = World::walked(OLD);
    let (user, pid) = (kernel.ns("user"), kernel.ns("pid"));
    kernel.created(&user);
    kernel.created(&pid);
    kernel.tasks(&pid, 1);
    let (story, corrections) = kernel.merge(|walk| {
        walk.with_tasks(&user, 3);
        walk.with_tasks(&pid, 0);
    });
    assert_eq!(story, ["activated user", "deactivated pid"]);
    assert_eq!(corrections.states, 2);
    assert_eq!(shown(&kernel, &user), (3, 0));
}

#[test]
fn what_happened_since_a_walk_stands() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user");
    kernel.created(&user);
    kernel.tasks(&user, 1);
    let walk = kernel.walk(|walk| walk.with_tasks(&user, 1));
    assert_eq!(kernel.tasks(&user, 0), ["deactivated user"]);
    assert_eq!(kernel.merge_walk(&walk).0, NOTHING);
    assert_eq!(kernel.state(&user), Some(State::Inactive));
}

/// Up to 6.17 nothing else tells two pid namespaces apart.
#[test]
fn numbers_that_begin_anew_are_another_ones() {
    let mut kernel = World::walked(OLD);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.tasks_numbered(&pid, 3, 1);
    let (story, _) = kernel.merge(|walk| walk.with_tasks_numbered(&pid, 3, 0));
    assert_eq!(
        story,
        [
            "deactivated pid",
            "destroyed pid",
            "freed pid",
            "created pid"
        ]
    );
    assert_eq!(kernel.state(&pid), Some(State::Inactive));
}

/// Also where user and pid namespaces are not listed: tasks lead to them, and
/// to process groups and sessions that outlive theirs.
#[test]
fn what_no_walk_of_all_tasks_meets_has_none() {
    let mut kernel = World::walked(OLD);
    let (user, pid1) = (kernel.ns("user"), kernel.ns("pid1"));
    let pid2 = kernel.ns("pid2").child_of(&pid1);
    for ns in [&user, &pid1, &pid2] {
        kernel.created(ns);
        kernel.tasks(ns, 2);
    }
    let mut walk = kernel.walk(|_| {});
    walk.all_of = [false; NsKind::COUNT];
    walk.all_tasks = false;
    assert_eq!(kernel.merge_walk(&walk).0, NOTHING);
    let mut walk = kernel.walk(|walk| walk.with_tasks(&pid1, 2));
    walk.all_of = [false; NsKind::COUNT];
    assert_eq!(
        kernel.merge_walk(&walk).0,
        ["deactivated user", "deactivated pid2"]
    );
    assert_eq!(shown(&kernel, &pid1), (0, 2), "all its own");
    // A task that came while the walk went on was behind its back.
    let mut walk = kernel.walk(|_| {});
    walk.all_of = [false; NsKind::COUNT];
    assert_eq!(kernel.tasks(&user, 1), ["resurrected user"]);
    assert_eq!(kernel.merge_walk(&walk).0, ["deactivated pid1"]);
}
