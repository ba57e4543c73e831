//! Whose doings a trace shows.

use nslife::{
    model::{Lifecycle, NsId, What},
    view::scope::Scope,
};
use tracer_common::{
    event::Reason,
    kind::{NsKind, Slot},
};

use crate::values::{
    actor, at, every_transition, initial_nsproxy, namespace, nsproxy_with, selected, step, switch,
};

/// nslife's own process in these tests.
const OWN: u32 = 9;

fn traced() -> Scope {
    Scope::new(false, Some(OWN))
}

#[test]
fn the_whole_system_is_everything_but_nslife() {
    let mut scope = Scope::new(true, Some(OWN));
    for transition in every_transition() {
        assert!(scope.admits(&transition));
    }
    let own = [
        switch(
            actor(OWN, b"nslife"),
            Reason::Setns,
            initial_nsproxy(),
            Some(initial_nsproxy()),
        ),
        step(
            Lifecycle::Created,
            namespace(60, NsKind::Net),
            Some(actor(OWN, b"nslife")),
        ),
    ];
    for transition in own {
        assert!(!scope.admits(&transition));
        assert!(!scope.admits(&selected(transition)));
    }
}

#[test]
fn strangers_are_out_of_scope() {
    let mut scope = traced();
    for transition in every_transition() {
        assert!(!scope.admits(&transition), "{transition:?}");
    }
    assert_eq!(scope.ever_created(), 0);
}

#[test]
fn what_selected_tasks_create_is_followed_to_its_end() {
    let mut scope = traced();
    let net = namespace(57, NsKind::Net);
    let created = step(Lifecycle::Created, net, Some(actor(100, b"unshare")));
    assert!(scope.admits(&selected(created)));
    assert_eq!(scope.remaining().len(), 1);
    // By nobody in particular, and unselected.
    for kind in [
        Lifecycle::Activated,
        Lifecycle::Deactivated,
        Lifecycle::Destroyed,
        Lifecycle::Freed,
    ] {
        assert!(scope.admits(&step(kind, net, None)), "{kind:?}");
    }
    assert!(scope.remaining().is_empty());
    assert_eq!(scope.ever_created(), 1);
    // Its number may be another's from now on.
    assert!(!scope.admits(&step(Lifecycle::Activated, net, None)));
}

#[test]
fn what_selected_tasks_move_into_is_followed() {
    let mut scope = traced();
    let net = namespace(57, NsKind::Net);
    let own = nsproxy_with(12, Slot::Net, &net);
    let setns = switch(
        actor(100, b"ip"),
        Reason::Setns,
        initial_nsproxy(),
        Some(own),
    );
    assert!(scope.admits(&selected(setns)));
    assert!(scope.admits(&step(Lifecycle::Deactivated, net, None)));
    assert!(scope.admits(&at(What::NsproxyFreed(own))));
    assert!(
        !scope.admits(&at(What::NsproxyFreed(own))),
        "it ended: the same id is not heard of again"
    );
    assert!(scope.remaining().is_empty(), "moving in is not creating");
    let uts = namespace(2, NsKind::Uts);
    assert!(
        !scope.admits(&step(Lifecycle::Deactivated, uts, None)),
        "it stayed where it was"
    );
}

#[test]
fn the_last_to_leave_is_followed_by_what_it_leaves() {
    let net = namespace(57, NsKind::Net);
    let shared = nslife::model::Nsproxy {
        count: 2,
        ..nsproxy_with(12, Slot::Net, &net)
    };
    let last = nsproxy_with(12, Slot::Net, &net);
    let gone = step(Lifecycle::Destroyed, net, None);

    let mut scope = traced();
    let exit = |from| selected(switch(actor(100, b"sh"), Reason::Exit, from, None));
    assert!(scope.admits(&exit(shared)));
    assert!(!scope.admits(&gone), "others remained in it");
    assert!(scope.admits(&exit(last)));
    assert!(scope.admits(&at(What::NsproxyFreed(last))));
    assert!(scope.admits(&gone));
}

#[test]
fn it_remembers_no_more_than_there_is() {
    let mut scope = traced();
    for id in 100..10_100 {
        let net = namespace(id, NsKind::Net);
        let task = actor(100, b"unshare");
        assert!(scope.admits(&selected(step(Lifecycle::Created, net, Some(task)))));
        let own = nsproxy_with(id, Slot::Net, &net);
        let unshare = switch(task, Reason::Unshare, initial_nsproxy(), Some(own));
        assert!(scope.admits(&selected(unshare)));
        assert!(scope.admits(&at(What::NsproxyFreed(own))));
        assert!(scope.admits(&step(Lifecycle::Freed, net, None)));
    }
    assert_eq!(scope.ever_created(), 10_000);
    assert_eq!(
        scope,
        {
            let mut fresh = traced();
            // As if nothing but the count had remained.
            for id in 100..10_100 {
                let net = namespace(id, NsKind::Net);
                fresh.admits(&selected(step(Lifecycle::Created, net, None)));
                fresh.admits(&step(Lifecycle::Freed, net, None));
            }
            fresh
        },
        "nothing that ended is remembered"
    );
    assert!(!scope.remaining().contains(&NsId(100)));
}
