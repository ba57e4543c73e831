//! Parents, who stand above as owners do.

use super::*;

#[test]
fn a_child_may_be_heard_of_before_its_parent() {
    let mut kernel = World::walked(OLD);
    let user1 = kernel.ns("user1");
    let user2 = kernel.ns("user2").owned_by(&user1).child_of(&user1);
    let pid1 = kernel.ns("pid1");
    let pid2 = kernel.ns("pid2").child_of(&pid1);
    for ns in [&user2, &pid2, &user1, &pid1] {
        kernel.created(ns);
    }
    let id = |kernel: &World, ns: &Ns| kernel.get(ns).map(|ns| ns.id);
    for (child, parent) in [(&user2, &user1), (&pid2, &pid1)] {
        assert_eq!(kernel.get(child).unwrap().parent, id(&kernel, parent));
    }
    // Its pids count above from the beginning.
    kernel.tasks(&pid2, 2);
    kernel.tasks(&pid1, 5);
    assert_eq!(kernel.get(&pid1).unwrap().because.pids, 3);
}

#[test]
fn a_parent_is_remembered_after_its_end() {
    let mut kernel = World::walked(OLD);
    let pid1 = kernel.ns("pid1");
    let pid2 = kernel.ns("pid2").child_of(&pid1);
    kernel.created(&pid1);
    kernel.created(&pid2);
    let parent = kernel.get(&pid1).map(|ns| ns.id);
    kernel.freed(&pid1);
    assert_eq!(kernel.get(&pid2).unwrap().parent, parent);
}

#[test]
fn a_walk_meets_the_parent_that_was_taken_for_another() {
    let mut kernel = World::walked(OLD);
    let old = kernel.ns("pid1");
    let new = kernel.ns("pid2").in_place_of(&old);
    let child = kernel.ns("pid3").child_of(&new);
    kernel.created(&old);
    // The end of the old one and the creation of the new one are missed.
    kernel.created(&child);
    kernel.merge(|walk| {
        walk.with_tasks(&child, 2);
        walk.with_tasks(&new, 3);
    });
    let parent = kernel.get(&new).unwrap();
    assert_eq!(kernel.get(&child).unwrap().parent, Some(parent.id));
    assert_eq!(parent.because.pids, 1);
}

#[test]
fn another_parent_tells_another_one() {
    let mut kernel = World::walked(OLD);
    let (pid1, pid2) = (kernel.ns("pid1"), kernel.ns("pid2"));
    let pid3 = kernel.ns("pid3").child_of(&pid1);
    for ns in [&pid1, &pid2, &pid3] {
        kernel.created(ns);
    }
    let pid3 = pid3.child_of(&pid2);
    let (story, _) = kernel.merge(|walk| {
        for ns in [&pid1, &pid2, &pid3] {
            walk.ns(ns);
        }
    });
    assert_eq!(story, ["destroyed pid3", "freed pid3", "created pid3"]);
}

/// Of a network namespace nobody is the parent, whatever is said.
#[test]
fn only_pid_and_user_namespaces_have_one() {
    let mut kernel = World::walked(OLD);
    let pid = kernel.ns("pid");
    let net = kernel.ns("net").child_of(&pid);
    kernel.created(&pid);
    kernel.created(&net);
    assert_eq!(kernel.get(&net).unwrap().parent, None);
}

#[test]
fn what_is_destroyed_keeps_the_owner_that_it_had() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user");
    let net = kernel.ns("net").owned_by(&user);
    kernel.created(&user);
    kernel.created(&net);
    let owner = kernel.get(&user).map(|ns| ns.id);
    kernel.last_ref(&net);
    for _ in 0..2 {
        kernel.merge(|_| {});
        assert_eq!(kernel.get(&user), None);
        assert_eq!(kernel.get(&net).unwrap().owner, owner);
    }
}
