//! Rules of nsproxies: one that is broken is said once, one that is kept never.

use tracer_core::model::{Breaches, Rule, Violation};

use super::*;

const FOREIGN: Breaches = Breaches {
    foreign: true,
    in_use: false,
};

const IN_USE: Breaches = Breaches {
    foreign: false,
    in_use: true,
};

/// What was said to be broken last, with the evidence.
fn violations(kernel: &World) -> Vec<Violation> {
    let of = |what: &What| match what {
        What::Violation(violation) => Some(**violation),
        _ => None,
    };
    let all = kernel.transitions.iter();
    all.filter_map(|transition| of(&transition.what)).collect()
}

/// Negative, or saturated.
fn negative(count: i32) -> u32 {
    count.cast_unsigned()
}

fn with_count(nsproxy: &NsproxyFacts, count: u32) -> NsproxyFacts {
    NsproxyFacts { count, ..*nsproxy }
}

/// How often this rule was judged.
fn checks(kernel: &World, rule: Rule) -> u64 {
    kernel.tracker.checks()[rule as usize]
}

#[test]
fn only_a_task_itself_switches() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    let (old, new) = (kernel.nsproxy(&[]), kernel.nsproxy(&[&net]));
    for (reason, to) in [
        (Reason::Clone, Some(&new)),
        (Reason::Unshare, Some(&new)),
        (Reason::Setns, Some(&new)),
        (Reason::Exec, Some(&new)),
        (Reason::Exit, None),
    ] {
        let said = kernel.switched(reason, &old, to);
        assert_eq!(said, [format!("switched by {}", reason.name())]);
    }
    assert_eq!(checks(&kernel, Rule::ForeignSwitch), 5);

    kernel.breaches = FOREIGN;
    let said = kernel.switched(Reason::Setns, &old, Some(&new));
    assert_eq!(said, ["switched by setns", "foreign_switch broken"]);
    let [violation] = violations(&kernel)[..] else {
        panic!("not one");
    };
    assert_eq!(violation.task, Some(ACTOR));
    let nsproxy = violation.nsproxy.unwrap();
    assert_eq!(
        nsproxy.inums[Slot::Net as usize],
        Some(net.facts.inum.get())
    );
    kernel.breaches = FOREIGN;
    let said = kernel.switched(Reason::Exit, &old, None);
    assert_eq!(said, ["switched by exit", "foreign_switch broken"]);
}

#[test]
fn what_is_taken_up_is_brand_new() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    let (old, new) = (kernel.nsproxy(&[]), kernel.nsproxy(&[&net]));
    let shared = NsproxyFacts { count: 2, ..new };
    assert_eq!(
        kernel.switched(Reason::Unshare, &old, Some(&new)),
        ["switched by unshare"]
    );
    assert_eq!(checks(&kernel, Rule::NewNotFresh), 1);
    for reason in [Reason::Unshare, Reason::Setns] {
        let said = kernel.switched(reason, &old, Some(&shared));
        assert_eq!(said[1..], ["new_not_fresh broken"]);
    }
    let [violation] = violations(&kernel)[..] else {
        panic!("not one");
    };
    assert_eq!(violation.counts.nsproxy, Some(2));

    // When these are reported others may have found it at the task.
    for reason in [Reason::Clone, Reason::Exec] {
        let said = kernel.switched(reason, &old, Some(&shared));
        assert_eq!(said, [format!("switched by {}", reason.name())]);
    }
    assert_eq!(checks(&kernel, Rule::NewNotFresh), 3);
}

#[test]
fn or_the_initial_one_or_its_own() {
    let mut kernel = World::new(COUNTS);
    let net = kernel.initial(NsKind::Net);
    let other = kernel.ns("net other");
    kernel.merge(|walker| {
        walker.ns(&net);
        walker.counted(&other, 1);
    });
    let own = NsproxyFacts {
        count: 3,
        ..kernel.nsproxy(&[&other])
    };
    let initial = NsproxyFacts {
        count: 90,
        ..kernel.nsproxy(&[&net])
    };
    for to in [&own, &initial] {
        let said = kernel.switched(Reason::Setns, &own, Some(to));
        assert_eq!(said, ["switched by setns"]);
    }
    let said = kernel.switched(Reason::Setns, &initial, Some(&own));
    assert_eq!(said[1..], ["new_not_fresh broken"]);
}

#[test]
fn an_active_count_below_zero_is_said_once_until_it_recovers() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.count(&net, 1);
    assert_eq!(kernel.count(&net, 0), ["deactivated net"]);
    assert_eq!(
        kernel.count(&net, negative(-1)),
        ["count_below_zero broken"]
    );
    let [violation] = violations(&kernel)[..] else {
        panic!("not one");
    };
    assert_eq!(violation.counts.active, Some(-1));
    assert_eq!(violation.counts.refs, Some(1));
    assert_eq!(violation.namespace.unwrap().inum, net.facts.inum.get());
    assert_eq!(kernel.count(&net, negative(-2)), NOTHING);
    kernel.merge(|walker| walker.counted(&net, negative(-2)));
    assert!(violations(&kernel).is_empty());

    assert_eq!(kernel.count(&net, 1), ["resurrected net"]);
    kernel.count(&net, 0);
    assert_eq!(
        kernel.count(&net, negative(-1)),
        ["count_below_zero broken"]
    );
    assert!(checks(&kernel, Rule::CountBelowZero) >= 8);
}

#[test]
fn a_walk_finds_it_too() {
    for (config, found) in [(COUNTS, 1), (IDS, 0), (OLD, 0)] {
        let mut kernel = World::new(config);
        let mut net = kernel.ns("net");
        net.facts.refs = Some(0xC000_0000);
        kernel.merge(|walker| walker.ns(&net));
        // Without lists, what is met may be gone already.
        assert_eq!(violations(&kernel).len(), found);
    }
}

#[test]
fn so_is_a_saturated_reference_count() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let mut ipc = kernel.ns("ipc");
        kernel.created(&ipc);
        ipc.facts.refs = Some(0xC000_0000);
        kernel.opened(&ipc, 0x77);
        let [violation] = violations(&kernel)[..] else {
            panic!("not one");
        };
        assert_eq!(violation.rule, Rule::CountBelowZero);
        assert_eq!(violation.counts.refs, Some(-0x4000_0000));
        ipc.facts.refs = Some(3);
        kernel.evicted(&ipc, 0x77);
        assert!(violations(&kernel).is_empty());
    }
}

#[test]
fn the_count_of_an_nsproxy_stays_above_zero() {
    let mut kernel = World::walked(COUNTS);
    let (old, new) = (kernel.nsproxy(&[]), kernel.nsproxy(&[]));
    let damaged = NsproxyFacts {
        count: negative(-1),
        ..old
    };
    let said = kernel.switched(Reason::Unshare, &damaged, Some(&new));
    assert_eq!(said[1..], ["count_below_zero broken"]);
    assert_eq!(violations(&kernel)[0].counts.nsproxy, Some(-1));
}

#[test]
fn a_task_without_an_nsproxy_is_exiting() {
    let mut kernel = World::walked(OLD);
    let (user, pid) = (kernel.initial(NsKind::User), kernel.initial(NsKind::Pid));
    let nsproxy = kernel.nsproxy(&[]);
    let mut walk = |exiting: bool| {
        kernel.merge(|walker| {
            walker.nsproxy(&nsproxy);
            walker.task(&user, &pid, &nsproxy);
            let dying = walker.task(&user, &pid, &nsproxy);
            dying.nsproxy = None;
            dying.exiting = exiting;
        });
        violations(&kernel)
    };
    assert!(walk(true).is_empty());
    let [violation] = walk(false)[..] else {
        panic!("not one");
    };
    assert_eq!(violation.rule, Rule::NullWhileAlive);
    assert_eq!(violation.task.unwrap().pid, 2);
    assert!(walk(false).is_empty(), "said again");
    assert!(walk(true).is_empty());
    assert_eq!(walk(false).len(), 1, "it recovered in between");
    assert_eq!(checks(&kernel, Rule::NullWhileAlive), 10);
}

#[test]
fn what_is_freed_is_on_no_task() {
    let mut kernel = World::walked(COUNTS);
    let (first, second) = (kernel.nsproxy(&[]), kernel.nsproxy(&[]));
    for nsproxy in [&first, &second] {
        kernel.installed(nsproxy);
    }
    assert_eq!(kernel.nsproxy_freed(&first), ["nsproxy freed"]);
    kernel.breaches = IN_USE;
    let said = kernel.nsproxy_freed(&second);
    assert_eq!(said, ["nsproxy freed", "freed_while_used broken"]);
    assert_eq!(violations(&kernel)[0].task, Some(ACTOR));

    // One that was never put to use is freed with the count it was made with.
    let unused = kernel.nsproxy(&[]);
    assert_eq!(kernel.tell(Body::NsproxyFreed(unused)), NOTHING);
    let held = NsproxyFacts { count: 2, ..unused };
    assert_eq!(
        kernel.tell(Body::NsproxyFreed(held)),
        ["freed_while_used broken"]
    );
    assert_eq!(violations(&kernel)[0].task, None);
    assert_eq!(checks(&kernel, Rule::FreedWhileUsed), 4);
}

#[test]
fn nor_does_a_walk_meet_it() {
    let mut kernel = World::walked(COUNTS);
    let (user, pid) = (kernel.initial(NsKind::User), kernel.initial(NsKind::Pid));
    let nsproxy = kernel.nsproxy(&[]);
    let mut walk = |count: u32| {
        let nsproxy = with_count(&nsproxy, count);
        kernel.merge(|walker| {
            walker.nsproxy(&nsproxy);
            walker.task(&user, &pid, &nsproxy);
        });
        let all = violations(&kernel);
        all.iter().map(|one| one.rule).collect::<Vec<_>>()
    };
    assert!(walk(1).is_empty());
    assert_eq!(walk(0), [Rule::FreedWhileUsed]);
    assert!(walk(0).is_empty(), "said again");
    assert!(walk(1).is_empty());
    assert_eq!(walk(negative(-1)), [Rule::CountBelowZero]);
}

/// The task let go of it while it was read, and took up another one that came
/// to the same address: that looks like one that it has had all the while.
#[test]
fn one_at_the_address_of_one_that_was_freed_meanwhile_proves_nothing() {
    for config in [OLD, IDS, COUNTS] {
        for count in [0, negative(-1)] {
            let mut kernel = World::walked(config);
            let (user, pid) = (kernel.initial(NsKind::User), kernel.initial(NsKind::Pid));
            let (uts, net) = (kernel.ns("uts"), kernel.ns("net"));
            let old = kernel.nsproxy(&[&uts]);
            kernel.installed(&old);
            let walk = kernel.walk(|walker| {
                walker.nsproxy(&with_count(&old, count));
                walker.task(&user, &pid, &old);
            });
            for slots in [kernel.nsproxy(&[&net]).slots, old.slots] {
                let new = NsproxyFacts { slots, ..old };
                kernel.nsproxy_freed(&old);
                kernel.installed(&new);
                let judged = checks(&kernel, Rule::FreedWhileUsed);
                kernel.merge_walk(&walk);
                assert!(violations(&kernel).is_empty());
                assert_eq!(checks(&kernel, Rule::FreedWhileUsed), judged);
            }
        }
    }
}
