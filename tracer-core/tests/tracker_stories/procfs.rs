//! Superblocks of procfs.

use super::*;

fn mounts(kernel: &World, ns: &Ns) -> Option<u32> {
    kernel.get(ns).unwrap().procfs
}

#[test]
fn a_mount_keeps_a_pid_namespace_but_not_active() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let (pid, net) = (kernel.ns("pid"), kernel.ns("net"));
        kernel.created(&pid);
        kernel.created(&net);
        assert_eq!(mounts(&kernel, &pid), Some(0));
        assert_eq!(mounts(&kernel, &net), None);
        assert_eq!(kernel.mounted(&pid, 1), NOTHING);
        assert_eq!(kernel.mounted(&pid, 1), NOTHING, "said twice");
        assert_eq!(kernel.mounted(&pid, 2), NOTHING);
        assert_eq!(mounts(&kernel, &pid), Some(2));
        assert_eq!(kernel.state(&pid), Some(State::Inactive));
        assert_eq!(kernel.unmounted(&pid, 1), NOTHING);
        assert_eq!(kernel.unmounted(&pid, 1), NOTHING, "said twice");
        assert_eq!(mounts(&kernel, &pid), Some(1));
    }
}

#[test]
fn mounts_are_of_no_account_for_the_initial_one() {
    let mut kernel = World::new(OLD);
    let pid = kernel.initial(NsKind::Pid);
    kernel.merge(|walk| {
        walk.ns(&pid);
        walk.procfs(&pid, 1);
    });
    assert_eq!(mounts(&kernel, &pid), None);
}

#[test]
fn a_mount_heard_of_after_its_end_is_over() {
    let mut kernel = World::walked(OLD);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    let before = kernel.tick();
    kernel.unmounted(&pid, 1);
    let late = Body::ProcfsMounted {
        ns: pid.facts,
        superblock: support::key(1),
    };
    kernel.tell_at(before, late);
    assert_eq!(mounts(&kernel, &pid), Some(0));
    kernel.mounted(&pid, 1);
    assert_eq!(mounts(&kernel, &pid), Some(1), "another one");
    let late = Body::ProcfsGone {
        ns: pid.facts,
        superblock: support::key(1),
    };
    kernel.tell_at(before, late);
    assert_eq!(mounts(&kernel, &pid), Some(1), "the end of the first");
}

#[test]
fn another_one_at_the_address_ends_the_first() {
    let mut kernel = World::walked(OLD);
    let (pid1, pid2) = (kernel.ns("pid1"), kernel.ns("pid2"));
    kernel.created(&pid1);
    kernel.created(&pid2);
    kernel.mounted(&pid1, 1);
    let before = kernel.tick();
    kernel.mounted(&pid2, 1);
    let both = |kernel: &World| [&pid1, &pid2].map(|ns| mounts(kernel, ns));
    assert_eq!(both(&kernel), [Some(0), Some(1)]);
    // Late, and then of one that was never heard of.
    kernel.mounted(&pid2, 2);
    for superblock in [1, 2] {
        let late = Body::ProcfsMounted {
            ns: pid1.facts,
            superblock: support::key(superblock),
        };
        kernel.tell_at(before, late);
        assert_eq!(both(&kernel), [Some(0), Some(2)]);
    }
}

#[test]
fn a_walk_finds_those_that_were_missed_and_ends_those_that_are_gone() {
    let mut kernel = World::walked(OLD);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.mounted(&pid, 1);
    kernel.mounted(&pid, 2);
    let (story, corrections) = kernel.merge(|walk| {
        walk.ns(&pid);
        walk.procfs(&pid, 2);
        walk.procfs(&pid, 3);
        walk.procfs(&pid, 4);
    });
    assert_eq!((story.as_slice(), corrections.total()), (&[][..], 0));
    assert_eq!(mounts(&kernel, &pid), Some(3));
    kernel.unmounted(&pid, 3);
    assert_eq!(mounts(&kernel, &pid), Some(2));
}

#[test]
fn a_walk_that_did_not_get_round_ends_none() {
    let mut kernel = World::walked(OLD);
    let pid = kernel.ns("pid");
    kernel.created(&pid);
    kernel.mounted(&pid, 1);
    let mut walk = kernel.walk(|walk| walk.ns(&pid));
    walk.all_superblocks = false;
    kernel.merge_walk(&walk);
    assert_eq!(mounts(&kernel, &pid), Some(1));
}

#[test]
fn a_walk_does_not_undo_what_happened_since() {
    let mut kernel = World::walked(OLD);
    let (pid1, pid2) = (kernel.ns("pid1"), kernel.ns("pid2"));
    kernel.created(&pid1);
    kernel.created(&pid2);
    kernel.mounted(&pid1, 1);
    kernel.mounted(&pid1, 2);
    let walk = kernel.walk(|walk| {
        for ns in [&pid1, &pid2] {
            walk.ns(ns);
        }
        walk.procfs(&pid1, 1);
        walk.procfs(&pid1, 2);
    });
    kernel.unmounted(&pid1, 1);
    kernel.unmounted(&pid1, 2);
    kernel.mounted(&pid2, 2);
    kernel.mounted(&pid2, 3);
    kernel.merge_walk(&walk);
    let both = [&pid1, &pid2].map(|ns| mounts(&kernel, ns));
    assert_eq!(both, [Some(0), Some(2)]);

    // Beginning and end of one were missed, and its address is used again.
    let walk = kernel.walk(|walk| walk.procfs(&pid2, 4));
    kernel.mounted(&pid1, 4);
    kernel.merge_walk(&walk);
    assert_eq!(mounts(&kernel, &pid1), Some(1));
}
