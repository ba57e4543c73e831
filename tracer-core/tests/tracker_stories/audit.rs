//! Whether the picture is the kernel's.

use support::Walker;
use tracer_core::model::{
    Walk,
    audit::{Difference, Field, Findings, InitState, Value},
};

use super::*;

const ACTIVE: Value = Value::State(State::Active);
const INACTIVE: Value = Value::State(State::Inactive);

/// The picture, sampled twice, and how it is put right.
fn audit(kernel: &mut World, meet: impl Fn(&mut Walker<'_>)) -> Findings {
    kernel.later();
    let first = kernel.walk(&meet);
    let first = kernel.tracker.compare(&first);
    kernel.later();
    let second = kernel.walk(&meet);
    let findings = first.confirmed_by(&kernel.tracker.compare(&second));
    kernel.merge_walk(&second);
    findings
}

/// What is drift, in short.
fn drift(findings: &Findings) -> Vec<(NsKind, Field, Value, Value)> {
    let short = |d: &Difference| (d.kind, d.field, d.picture, d.kernel);
    findings.drift.iter().map(short).collect()
}

#[test]
fn a_picture_that_is_right_has_none() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let user = kernel.ns("user");
        let net = kernel.ns("net").owned_by(&user).stashed(1);
        let nsproxy = kernel.nsproxy(&[&net]);
        kernel.created(&user);
        kernel.created(&net);
        kernel.installed(&nsproxy);
        kernel.opened(&net, 1);
        if config.kernel_counts {
            kernel.count(&net, 2);
            kernel.count(&user, 1);
        }
        let findings = audit(&mut kernel, |walk| {
            walk.counted(&user, 1);
            walk.counted(&net, 2);
            walk.nsproxy(&nsproxy);
        });
        assert_eq!(findings.drift, []);
        assert_eq!((findings.compared, findings.moving), (2, 0));
        assert!(findings.are_clean());
    }
}

#[test]
fn a_step_that_was_missed_is_found_and_put_right() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.count(&net, 1);
    let is_inactive = |walk: &mut Walker<'_>| walk.counted(&net, 0);
    let findings = audit(&mut kernel, is_inactive);
    let expected = Difference {
        kind: NsKind::Net,
        inum: Some(net.facts.inum.get()),
        id: net.facts.ns_id.map(|id| NsId(id.get())),
        field: Field::State,
        picture: ACTIVE,
        kernel: INACTIVE,
    };
    assert_eq!(findings.drift, [expected]);
    assert!(!findings.are_clean());
    assert_eq!(kernel.state(&net), Some(State::Inactive));
    assert_eq!(audit(&mut kernel, is_inactive).drift, []);
}

#[test]
fn one_sample_proves_nothing() {
    let mut kernel = World::walked(COUNTS);
    let (net, uts) = (kernel.ns("net"), kernel.ns("uts"));
    for ns in [&net, &uts] {
        kernel.created(ns);
        kernel.count(ns, 1);
    }
    let nsproxy = kernel.nsproxy(&[&uts]);
    kernel.installed(&nsproxy);
    let sample = |kernel: &mut World, uts_count| {
        kernel.later();
        let walk = kernel.walk(|walk| {
            walk.nsproxy(&nsproxy);
            walk.counted(&net, 0);
            walk.counted(&uts, uts_count);
        });
        kernel.tracker.compare(&walk)
    };
    let first = sample(&mut kernel, 0);
    assert_eq!((first.agrees(), first.alone().drift.len()), (false, 0));
    // The net namespace is heard of meanwhile; the other one came to agree.
    kernel.count(&net, 1);
    let second = sample(&mut kernel, 1);
    let findings = first.confirmed_by(&second);
    assert_eq!((findings.drift.len(), findings.moving), (0, 1));
}

#[test]
fn what_only_one_of_them_has() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let (net, uts) = (kernel.ns("net"), kernel.ns("uts"));
        kernel.created(&net);
        let met = |walk: &mut Walker<'_>| walk.ns(&uts);
        let found = audit(&mut kernel, met);
        assert_eq!(
            drift(&found),
            [
                (NsKind::Uts, Field::Existence, Value::Absent, INACTIVE),
                (NsKind::Net, Field::Existence, INACTIVE, Value::Absent),
            ]
        );
        // nslife's own numbers are given out by the picture alone.
        assert_eq!(found.drift[0].id.is_some(), config.kernel_ids);
        assert!(found.drift[1].id.is_some());
        assert_eq!(audit(&mut kernel, met).drift, []);
    }
}

#[test]
fn a_walk_that_may_have_missed_it_proves_no_absence() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user");
    let net = kernel.ns("net").owned_by(&user);
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.created(&user);
    kernel.created(&net);
    kernel.opened(&net, 1);
    // By tasks alone: the one has none in it, the other owns it.
    let blind = |walk: Walk| Walk {
        all_of: [false; NsKind::COUNT],
        ..walk
    };
    kernel.later();
    let first = blind(kernel.walk(|walk| walk.ns(&user)));
    assert!(kernel.tracker.compare(&first).agrees());
    kernel.installed(&nsproxy);
    kernel.later();
    let second = blind(kernel.walk(|walk| {
        walk.ns(&user);
        walk.ns(&net.stashed(1));
    }));
    let sample = kernel.tracker.compare(&second);
    let again = sample.confirmed_by(&sample);
    assert_eq!(
        drift(&again),
        [(
            NsKind::Net,
            Field::Nsproxies,
            Value::Count(1),
            Value::Count(0)
        )]
    );
}

/// A picture with one of everything, and a kernel that has none of it.
#[test]
fn each_contributor_is_compared() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user").with_tasks(1);
    let pid = kernel.ns("pid").owned_by(&user).with_tasks(1);
    let net = kernel.ns("net").owned_by(&user);
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.created(&user);
    kernel.created(&pid);
    kernel.created(&net);
    kernel.installed(&nsproxy);
    kernel.opened(&net, 1);
    kernel.tasks(&user, 1);
    kernel.tasks(&pid, 1);
    kernel.mounted(&pid, 77);
    let found = audit(&mut kernel, |walk| {
        walk.with_tasks(&user, 0);
        walk.with_tasks(&pid, 0);
        walk.ns(&net);
    });
    let count = |n| Value::Count(n);
    let (there, gone) = (Value::Present, Value::Absent);
    let mut expected = vec![
        (NsKind::User, Field::State, ACTIVE, INACTIVE),
        (NsKind::User, Field::Owned, count(2), count(0)),
        (NsKind::User, Field::Creds, there, gone),
        (NsKind::Pid, Field::State, ACTIVE, INACTIVE),
        (NsKind::Pid, Field::Pids, there, gone),
        (NsKind::Pid, Field::Procfs, count(1), count(0)),
        (NsKind::Net, Field::State, ACTIVE, INACTIVE),
        (NsKind::Net, Field::Nsfs, count(1), count(0)),
        (NsKind::Net, Field::Nsproxies, count(1), count(0)),
    ];
    let mut found = drift(&found);
    let order = |d: &(NsKind, Field, Value, Value)| (d.0, d.1);
    found.sort_by_key(order);
    expected.sort_by_key(order);
    assert_eq!(found, expected);
    for ns in [&user, &pid, &net] {
        assert_eq!(kernel.state(ns), Some(State::Inactive));
    }
}

#[test]
fn credentials_are_counted_task_by_task() {
    let mut kernel = World::walked(OLD);
    let (user, pid) = (kernel.ns("user"), kernel.initial(NsKind::Pid));
    let nsproxy = kernel.nsproxy(&[]);
    kernel.created(&user);
    // The kernel programs say that nobody is in it, and somebody is.
    let found = audit(&mut kernel, |walk| {
        walk.with_tasks(&user, 0);
        walk.ns(&pid);
        walk.nsproxy(&nsproxy);
        walk.task(&user, &pid, &nsproxy);
    });
    let expected = (NsKind::User, Field::Creds, Value::Absent, Value::Present);
    assert!(drift(&found).contains(&expected), "{found:?}");
}

#[test]
fn what_keeps_it_active_adds_up_to_the_count() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.created(&net);
    kernel.installed(&nsproxy);
    kernel.count(&net, 1);
    let met = |count| {
        move |walk: &mut Walker<'_>| {
            walk.nsproxy(&nsproxy);
            walk.counted(&net, count);
        }
    };
    assert_eq!(audit(&mut kernel, met(1)).drift, []);
    let expected = (
        NsKind::Net,
        Field::ActiveCount,
        Value::Count(1),
        Value::Count(2),
    );
    assert_eq!(drift(&audit(&mut kernel, met(2))), [expected]);
}

#[test]
fn owners_and_parents_are_compared() {
    for config in [OLD, IDS, COUNTS] {
        let mut kernel = World::walked(config);
        let [user1, user2] = ["user1", "user2"].map(|name| kernel.ns(name));
        let (parent, child) = (kernel.ns("pid1"), kernel.ns("pid2"));
        for ns in [&user1, &user2, &parent, &child] {
            kernel.created(ns);
        }
        // Not known when it was created.
        let child = child.owned_by(&user1).child_of(&parent);
        let found = audit(&mut kernel, |walk| {
            for ns in [&user1, &user2, &parent, &child] {
                walk.ns(ns);
            }
        });
        let inum = |ns: &Ns| Value::Inum(ns.facts.inum.get());
        assert_eq!(
            drift(&found),
            [
                (NsKind::Pid, Field::Owner, Value::Absent, inum(&user1)),
                (NsKind::Pid, Field::Parent, Value::Absent, inum(&parent)),
            ]
        );
    }
}

#[test]
fn an_init_that_died_unseen_is_found() {
    let mut kernel = World::walked(IDS);
    let user = kernel.initial(NsKind::User);
    let pid = kernel.ns("pid").with_tasks(1);
    let nsproxy = kernel.nsproxy(&[]);
    kernel.created(&pid);
    kernel.tasks(&pid, 1);
    let mut disabled = pid;
    disabled.facts.pids_disabled = true;
    let found = audit(&mut kernel, |walk| {
        walk.with_tasks(&disabled, 1);
        walk.ns(&user);
        walk.nsproxy(&nsproxy);
        walk.task(&user, &pid, &nsproxy);
    });
    let state = |state| Value::Init(state);
    let expected = (
        NsKind::Pid,
        Field::Init,
        state(InitState::Alive),
        state(InitState::Dead),
    );
    assert!(drift(&found).contains(&expected), "{found:?}");
}
