//! Which transitions are asked for.

use nslife::{
    model::{Lifecycle, NsId, Transition, What},
    view::filter::{EventName, Filter, NsNumber},
};
use tracer_common::{
    event::Reason,
    kind::{NsKind, Slot},
};

use crate::values::{
    actor, at, every_transition, initial_ids, initial_nsproxy, namespace, nsproxy_with, step,
    switch,
};

fn filter() -> Filter {
    Filter {
        initial: initial_ids(),
        ..Filter::default()
    }
}

fn net_step() -> Transition {
    step(Lifecycle::Created, namespace(57, NsKind::Net), None)
}

/// A task that takes up, or exits from, a network namespace of its own.
fn net_switch(reason: Reason) -> Transition {
    let own = nsproxy_with(12, Slot::Net, &namespace(57, NsKind::Net));
    match reason {
        Reason::Exit => switch(actor(5, b"sh"), reason, own, None),
        _ => switch(actor(5, b"sh"), reason, initial_nsproxy(), Some(own)),
    }
}

#[test]
fn an_empty_filter_wants_everything() {
    for transition in every_transition() {
        assert!(filter().wants(&transition));
    }
}

#[test]
fn events_are_chosen_by_name() {
    for wanted in EventName::ALL {
        let filter = Filter {
            events: vec![wanted],
            ..filter()
        };
        for transition in every_transition() {
            // A chain is of steps, and the one here of deactivations.
            let of_wanted = matches!(transition.what, What::Chain(_))
                && wanted == EventName::Namespace(Lifecycle::Deactivated);
            assert_eq!(
                filter.wants(&transition),
                EventName::of(&transition) == wanted || of_wanted
            );
        }
        assert!(filter.wants_event(wanted));
    }
}

#[test]
fn types_choose_namespaces_and_what_switches_change() {
    let of = |kind| Filter {
        kinds: vec![kind],
        ..filter()
    };
    let freed = at(What::NsproxyFreed(nsproxy_with(
        12,
        Slot::Net,
        &namespace(57, NsKind::Net),
    )));
    for transition in [
        net_step(),
        net_switch(Reason::Unshare),
        net_switch(Reason::Exit),
        freed,
    ] {
        assert!(of(NsKind::Net).wants(&transition), "{transition:?}");
        assert!(!of(NsKind::Uts).wants(&transition), "{transition:?}");
    }
    let quiet = switch(actor(5, b"sh"), Reason::Exit, initial_nsproxy(), None);
    assert!(
        !of(NsKind::Net).wants(&quiet),
        "leaving the initial one is no news"
    );
}

#[test]
fn pid_and_time_stand_for_what_children_get() {
    for (kind, slot) in [
        (NsKind::Pid, Slot::PidForChildren),
        (NsKind::Time, Slot::TimeForChildren),
    ] {
        let own = nsproxy_with(12, slot, &namespace(57, kind));
        let unshare = switch(
            actor(5, b"sh"),
            Reason::Unshare,
            initial_nsproxy(),
            Some(own),
        );
        let filter = Filter {
            kinds: vec![kind],
            ..filter()
        };
        assert!(filter.wants(&unshare));
    }
}

#[test]
fn one_namespace_is_chosen_by_either_number() {
    let inum = namespace(57, NsKind::Net).inum;
    for number in [NsNumber::Inum(inum), NsNumber::Id(NsId(57))] {
        let filter = Filter {
            ns: Some(number),
            ..filter()
        };
        assert!(filter.wants(&net_step()));
        assert!(filter.wants(&net_switch(Reason::Setns)));
        assert!(filter.wants(&net_switch(Reason::Exit)));
        let other = step(Lifecycle::Created, namespace(58, NsKind::Net), None);
        assert!(!filter.wants(&other));
    }
    let left = Filter {
        ns: Some(NsNumber::Id(NsId(7))),
        ..filter()
    };
    assert!(
        left.wants(&net_switch(Reason::Setns)),
        "what was left counts"
    );
    let untouched = Filter {
        ns: Some(NsNumber::Id(NsId(2))),
        ..filter()
    };
    assert!(
        !untouched.wants(&net_switch(Reason::Setns)),
        "what stayed does not"
    );
}

#[test]
fn all_filters_must_agree() {
    let filter = Filter {
        kinds: vec![NsKind::Net],
        events: vec![EventName::Switched],
        ..filter()
    };
    assert!(filter.wants(&net_switch(Reason::Clone)));
    assert!(!filter.wants(&net_step()));
}

#[test]
fn numbers_are_inums_or_ids_by_their_size() {
    let parse = |text: &str| text.parse::<NsNumber>();
    assert_eq!(parse("57"), Ok(NsNumber::Id(NsId(57))));
    assert_eq!(parse("0x39"), Ok(NsNumber::Id(NsId(57))));
    assert_eq!(parse("4026531831"), Ok(NsNumber::Id(NsId(4_026_531_831))));
    assert_eq!(parse("4026531832"), Ok(NsNumber::Inum(4_026_531_832)));
    assert_eq!(parse("0xEFFFFFF8"), Ok(NsNumber::Inum(4_026_531_832)));
    assert_eq!(parse("4294967295"), Ok(NsNumber::Inum(u32::MAX)));
    for text in ["", "0", "-1", "net", "4294967296", "0x", "1 2", "net:[1]"] {
        let error = parse(text).unwrap_err();
        assert!(error.to_string().contains("/proc/PID/ns"), "{text:?}");
    }
}
