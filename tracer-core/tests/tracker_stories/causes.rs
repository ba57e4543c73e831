//! Why a namespace became active or inactive, and what went along.

use tracer_common::event::Cause;

use super::*;

#[test]
fn where_nobody_counts_the_event_is_the_cause() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.created(&net);
    assert_eq!(kernel.causes(), ["net nothing known"]);
    let mut causes = Vec::new();
    kernel.installed(&nsproxy);
    causes.extend(kernel.causes());
    kernel.nsproxy_freed(&nsproxy);
    causes.extend(kernel.causes());
    kernel.opened(&net, 1);
    causes.extend(kernel.causes());
    kernel.evicted(&net, 1);
    causes.extend(kernel.causes());
    kernel.last_ref(&net);
    causes.extend(kernel.causes());
    kernel.freed(&net);
    causes.extend(kernel.causes());
    assert_eq!(
        causes,
        [
            "net nsproxy_installed",
            "net nsproxy_dropped",
            "net nsfs_opened",
            "net nsfs_closed",
            "net reference_dropped",
            "net nothing known",
        ]
    );
}

#[test]
fn credentials_and_pids_come_with_their_cause() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user");
    kernel.created(&user);
    for (sequence, count, cause) in [(1, 1, Cause::CredChanged), (2, 0, Cause::CredReaped)] {
        let ns = user.with_tasks(count).facts;
        kernel.tell(Body::Tasks {
            ns,
            sequence,
            cause: Some(cause),
        });
        assert_eq!(kernel.causes(), [format!("user {}", cause.name())]);
    }
}

#[test]
fn a_cause_that_cannot_be_one_is_none() {
    let mut kernel = World::walked(COUNTS);
    let net = kernel.ns("net");
    kernel.created(&net);
    kernel.flip(&net, 1, Some(Cause::NsproxyDropped), None);
    assert_eq!(kernel.causes(), ["net nothing known"]);
    kernel.flip(&net, 0, Some(Cause::NsproxyDropped), None);
    assert_eq!(kernel.causes(), ["net nsproxy_dropped"]);
}

#[test]
fn what_a_walk_finds_out_has_no_cause() {
    let mut kernel = World::walked(OLD);
    let net = kernel.ns("net");
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.created(&net);
    kernel.installed(&nsproxy);
    kernel.later();
    kernel.merge(|walk| walk.ns(&net));
    assert_eq!(kernel.causes(), ["net nothing known"]);
}

#[test]
fn owners_that_go_along_are_one_chain() {
    let mut kernel = World::walked(OLD);
    let outer = kernel.ns("user1");
    let inner = kernel.ns("user2").owned_by(&outer);
    let net = kernel.ns("net").owned_by(&inner);
    let nsproxy = kernel.nsproxy(&[&net]);
    for ns in [&outer, &inner, &net] {
        kernel.created(ns);
    }
    kernel.installed(&nsproxy);
    assert_eq!(
        kernel.causes(),
        [
            "net nsproxy_installed",
            "net > user2 owned_came > user1 owned_came"
        ]
    );
    kernel.nsproxy_freed(&nsproxy);
    assert_eq!(
        kernel.causes(),
        [
            "net nsproxy_dropped",
            "net > user2 owned_went > user1 owned_went"
        ]
    );
}

/// The last of several that an owner loses is the one that pulls it along.
#[test]
fn owners_of_one_nsproxys_namespaces_have_a_chain_each() {
    let mut kernel = World::walked(OLD);
    let (one, other) = (kernel.ns("user1"), kernel.ns("user2"));
    let net = kernel.ns("net").owned_by(&one);
    let uts = kernel.ns("uts").owned_by(&one);
    let ipc = kernel.ns("ipc").owned_by(&other);
    let nsproxy = kernel.nsproxy(&[&net, &uts, &ipc]);
    for ns in [&one, &other, &net, &uts, &ipc] {
        kernel.created(ns);
    }
    kernel.installed(&nsproxy);
    kernel.nsproxy_freed(&nsproxy);
    let chains: Vec<_> = kernel
        .causes()
        .into_iter()
        .filter(|cause| cause.contains('>'))
        .collect();
    assert_eq!(chains, ["net > user1 owned_went", "ipc > user2 owned_went"]);
}

#[test]
fn an_owner_that_stayed_is_not_pulled_along_later() {
    let mut kernel = World::walked(OLD);
    let user = kernel.ns("user");
    let net = kernel.ns("net").owned_by(&user);
    let nsproxy = kernel.nsproxy(&[&net]);
    kernel.created(&user);
    kernel.created(&net);
    kernel.tasks(&user, 1);
    kernel.installed(&nsproxy);
    kernel.nsproxy_freed(&nsproxy);
    assert_eq!(kernel.causes(), ["net nsproxy_dropped"]);
    let ns = user.with_tasks(0).facts;
    kernel.tell(Body::Tasks {
        ns,
        sequence: 9,
        cause: Some(Cause::CredReaped),
    });
    assert_eq!(kernel.causes(), ["user cred_reaped"]);
}

/// Three levels, on a kernel that counts.
fn three(kernel: &mut World) -> [Ns; 3] {
    let outer = kernel.ns("user1");
    let inner = kernel.ns("user2").owned_by(&outer);
    let net = kernel.ns("net").owned_by(&inner);
    for ns in [&outer, &inner, &net] {
        kernel.created(ns);
    }
    [net, inner, outer]
}

#[test]
fn a_climb_of_the_kernel_is_a_chain_once_it_is_over() {
    let mut kernel = World::walked(COUNTS);
    let [net, inner, outer] = three(&mut kernel);
    let came = Some(Cause::OwnedCame);
    kernel.flip(&net, 1, Some(Cause::NsproxyInstalled), None);
    assert_eq!(kernel.causes(), ["net nsproxy_installed"]);
    assert_eq!(kernel.flip(&inner, 1, came, Some(&net)), NOTHING);
    assert_eq!(kernel.get(&inner).unwrap().state, State::Active);

    // Somebody else gets in between.
    let uts = kernel.ns("uts");
    kernel.thread += 1;
    kernel.created(&uts);
    kernel.flip(&uts, 1, Some(Cause::NsfsOpened), None);
    assert_eq!(kernel.climb_ended(&uts), NOTHING);
    kernel.thread -= 1;

    assert_eq!(kernel.flip(&outer, 1, came, Some(&inner)), NOTHING);
    assert_eq!(
        kernel.climb_ended(&net),
        ["activated user2", "activated user1"]
    );
    assert_eq!(
        kernel.causes(),
        ["net > user2 owned_came > user1 owned_came"]
    );
    assert_eq!(kernel.climb_ended(&net), NOTHING);
}

#[test]
fn an_owner_pulled_along_by_nobody_known_is_a_line_of_its_own() {
    let mut kernel = World::walked(COUNTS);
    let [_, inner, _] = three(&mut kernel);
    kernel.tell(Body::Activity {
        ns: NsFacts {
            active: Some(1),
            ..inner.facts
        },
        sequence: 1,
        cause: Some(Cause::OwnedCame),
        below: Key::new(1),
    });
    assert_eq!(kernel.causes(), ["user2 owned_came"]);
}

#[test]
fn a_chain_whose_end_was_lost_is_said_with_the_next_walk() {
    let mut kernel = World::walked(COUNTS);
    let [net, inner, outer] = three(&mut kernel);
    kernel.flip(&net, 1, Some(Cause::NsproxyInstalled), None);
    kernel.flip(&inner, 1, Some(Cause::OwnedCame), Some(&net));
    kernel.merge(|walk| {
        for ns in [&net, &inner, &outer] {
            walk.ns(ns);
        }
    });
    assert_eq!(kernel.causes()[0], "net > user2 owned_came");
}

#[test]
fn chains_without_an_end_do_not_pile_up() {
    let mut kernel = World::walked(COUNTS);
    let mut said = 0;
    for thread in 0..1000 {
        let [net, inner, _] = three(&mut kernel);
        kernel.thread = thread;
        kernel.flip(&net, 1, Some(Cause::NsproxyInstalled), None);
        kernel.flip(&inner, 1, Some(Cause::OwnedCame), Some(&net));
        said += kernel.causes().len();
    }
    assert!(said > 900, "{said} of 1000 chains were said");
}
