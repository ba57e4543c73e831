use super::*;

#[test]
fn a_switch_shows_both_sides() {
    let mut kernel = World::walked(OLD);
    let (net1, net2) = (kernel.ns("net1"), kernel.ns("net2"));
    let (old, new) = (kernel.nsproxy(&[&net1]), kernel.nsproxy(&[&net2]));
    kernel.created(&net1);
    kernel.created(&net2);
    kernel.installed(&old);
    kernel.selected = true;
    kernel.switched(Reason::Unshare, &old, Some(&new));
    assert!(kernel.transitions[0].selected);
    let What::Switched(switch) = kernel.transitions[0].what else {
        panic!("a switch");
    };
    let (from, to) = (switch.from, switch.to.unwrap());
    assert_eq!(switch.task, ACTOR);
    assert_ne!(from.id, to.id);
    let net = Slot::Net as usize;
    assert_eq!(from.namespaces[net], kernel.get(&net1).map(|ns| ns.id));
    assert_eq!(to.namespaces[net], kernel.get(&net2).map(|ns| ns.id));
    assert_eq!(from.inums[net], Some(net1.facts.inum.get()));
    assert_eq!(from.namespaces[Slot::Uts as usize], None);
}

#[test]
fn an_exit_has_no_other_side() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.created(&net);
    kernel.installed(&nsproxy);
    assert_eq!(
        kernel.switched(Reason::Exit, &nsproxy, None),
        ["switched by exit"]
    );
    assert_eq!(
        kernel.nsproxy_freed(&nsproxy),
        ["nsproxy freed", "deactivated net"]
    );
}

#[test]
fn one_that_was_freed_keeps_its_name_in_a_late_switch() {
    let mut kernel = World::walked(OLD);
    let uts = kernel.ns("uts");
    let (old, new) = (kernel.nsproxy(&[&uts]), kernel.nsproxy(&[]));
    kernel.created(&uts);
    kernel.installed(&old);
    let id = kernel.tracker.nsproxies().next().unwrap().id;
    let uts_id = kernel.get(&uts).unwrap().id;
    let switched_at = kernel.tick();
    kernel.nsproxy_freed(&old);
    kernel.freed(&uts);
    let late = Body::Switched {
        reason: Reason::Setns,
        from: old,
        to: Some(new),
    };
    assert_eq!(kernel.tell_at(switched_at, late), ["switched by setns"]);
    let What::Switched(switch) = kernel.transitions[0].what else {
        panic!("a switch");
    };
    assert_eq!(switch.from.id, id);
    assert_eq!(switch.from.namespaces[Slot::Uts as usize], Some(uts_id));
    assert_eq!(kernel.tracker.nsproxies().count(), 1, "only the new one");
}

#[test]
fn what_a_task_left_is_still_in_use_unless_its_count_is_gone() {
    let mut kernel = World::walked(OLD);
    let shared = kernel.nsproxy(&[]);
    let mut dying = kernel.nsproxy(&[]);
    dying.count = 0;
    kernel.switched(Reason::Exit, &shared, None);
    kernel.switched(Reason::Exit, &dying, None);
    assert_eq!(kernel.tracker.census().nsproxies, 1);
}

#[test]
fn what_an_exec_left_is_not_revived_by_the_report_that_follows() {
    let mut kernel = World::walked(OLD);
    let time = kernel.ns("time");
    let (old, new) = (kernel.nsproxy(&[&time]), kernel.nsproxy(&[&time]));
    kernel.created(&time);
    kernel.installed(&old);
    let id = kernel.tracker.nsproxies().next().unwrap().id;
    kernel.installed(&new);
    kernel.nsproxy_freed(&old);
    assert_eq!(
        kernel.switched(Reason::Exec, &old, Some(&new)),
        ["switched by exec"]
    );
    let What::Switched(switch) = kernel.transitions[0].what else {
        panic!("a switch");
    };
    assert_eq!(switch.from.id, id);
    assert_eq!(kernel.tracker.census().nsproxies, 1);
    assert_eq!(
        kernel.nsproxy_freed(&new),
        ["nsproxy freed", "deactivated time"]
    );
}

#[test]
fn one_that_was_freed_unheard_of_has_one_name() {
    let mut kernel = World::walked(OLD);
    let (old, new) = (kernel.nsproxy(&[]), kernel.nsproxy(&[]));
    let before = kernel.tick();
    kernel.nsproxy_freed(&old);
    let names = [1, 2].map(|_| {
        let late = Body::Switched {
            reason: Reason::Setns,
            from: old,
            to: Some(new),
        };
        kernel.tell_at(before, late);
        let What::Switched(switch) = kernel.transitions[0].what else {
            panic!("a switch");
        };
        switch.from.id
    });
    assert_eq!(names[0], names[1]);
}

#[test]
fn one_that_was_never_put_to_use_ends_unnoticed() {
    let mut kernel = World::walked(OLD);
    let nsproxy = kernel.nsproxy(&[]);
    assert_eq!(kernel.nsproxy_freed(&nsproxy), NOTHING);
}

#[test]
fn news_from_before_its_end_or_its_beginning_is_stale() {
    let mut kernel = World::walked(OLD);
    let (old, new) = (kernel.nsproxy(&[]), kernel.nsproxy(&[]));
    let before = kernel.tick();
    kernel.installed(&new);
    let freed = Body::NsproxyFreed(new);
    assert_eq!(kernel.tell_at(before, freed), NOTHING);
    assert_eq!(kernel.tracker.census().nsproxies, 1);

    let switched_at = kernel.tick();
    kernel.nsproxy_freed(&new);
    let late = Body::Switched {
        reason: Reason::Setns,
        from: NsproxyFacts { count: 0, ..old },
        to: Some(new),
    };
    kernel.tell_at(switched_at, late);
    assert_eq!(kernel.tracker.census().nsproxies, 0);
}

#[test]
fn an_address_can_be_used_again() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    let first = kernel.nsproxy(&[&net]);
    kernel.created(&net);
    kernel.installed(&first);
    kernel.nsproxy_freed(&first);
    assert_eq!(kernel.installed(&first), ["resurrected net"]);
}

#[test]
fn a_late_freeing_is_not_that_of_the_next_at_the_address() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.created(&net);
    kernel.installed(&nsproxy);
    let freed_at = kernel.tick();
    kernel.installed(&nsproxy);
    assert_eq!(
        kernel.tell_at(freed_at, Body::NsproxyFreed(nsproxy)),
        NOTHING
    );
    assert_eq!(kernel.state(&net), Some(State::Active));
}

/// How long it lived is known where both ends were seen.
#[test]
fn lives_of_nsproxies_are_measured() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let uts = kernel.ns("uts");
        kernel.created(&uts);
        let (seen, found) = (kernel.nsproxy(&[&uts]), kernel.nsproxy(&[&uts]));
        kernel.installed(&seen);
        let installed = kernel.now;
        kernel.merge(|walk| {
            walk.ns(&uts);
            walk.nsproxy(&seen);
            walk.nsproxy(&found);
        });
        for (nsproxy, began) in [(seen, Some(installed)), (found, None)] {
            kernel.nsproxy_freed(&nsproxy);
            let lived = kernel.transitions.iter().find_map(|said| match &said.what {
                What::NsproxyFreed(freed) => Some(freed.lived),
                _ => None,
            });
            assert_eq!(lived, Some(began.map(|began| kernel.now - began)));
        }
    }
}
