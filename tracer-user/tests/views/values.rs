//! Values of the model, as a quiet little system would have them.

use std::collections::BTreeSet;

use nslife::{
    engine::{Attempt, CapabilityStatus, HookReport, HookState, Report},
    model::{
        Actor, Chain, ChainLink, Comm, Contributors, Counts, Creator, Errno, Failure, HandedOver,
        InitStep, Lifecycle, Namespace, NetCleanup, NsId, Nsproxy, NsproxyId, Reaped, Reaper, Rule,
        SignedCounts, State, Switch, TaskEnd, Transition, Violation, What,
    },
    view::clock::Clock,
};
use tracer_common::{
    event::{Cause, Reason},
    kind::{NsKind, Slot},
};

/// The id of the initial user namespace.
pub(crate) const INITIAL_USER: NsId = NsId(3);

/// When the transitions here happen, after boot.
pub(crate) const NOW: u64 = 2_500_000_000;

/// A clock of a machine that booted at one in the morning.
pub(crate) fn clock() -> Clock {
    Clock::booted_at("2026-11-22T01:00:00Z".parse().expect("a time"))
}

/// A command name.
pub(crate) fn comm(name: &[u8]) -> Comm {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name);
    Comm(bytes)
}

/// A task that is its own thread group.
pub(crate) fn actor(pid: u32, name: &[u8]) -> Actor {
    Actor {
        pid,
        tgid: pid,
        comm: comm(name),
    }
}

/// An active namespace that `unshare[100]` created one second after boot.
pub(crate) fn namespace(id: u64, kind: NsKind) -> Namespace {
    let nested = matches!(kind, NsKind::User | NsKind::Pid);
    Namespace {
        id: NsId(id),
        ns_id: Some(id),
        kind,
        inum: 4_026_532_000 + id as u32,
        state: State::Active,
        since: Some(1_000_000_500),
        was_active: true,
        counts: Counts {
            refs: Some(2),
            active: Some(1),
            at: 1_000_000_500,
        },
        initial: false,
        owner: Some(INITIAL_USER),
        parent: nested.then_some(INITIAL_USER),
        owner_uid: (kind == NsKind::User).then_some(1000),
        level: nested.then_some(1),
        zombies: None,
        reaper: None,
        tasks: Some(1),
        because: Contributors {
            nsproxies: 1,
            ..Contributors::default()
        },
        procfs: None,
        created_at: Some(1_000_000_000),
        creator: Some(Creator {
            task: actor(100, b"unshare"),
            cgroup: 4242,
        }),
        inactive_at: None,
        destroyed_at: None,
    }
}

/// A namespace that was there before anybody, and of which little is known.
pub(crate) fn initial(id: u64, kind: NsKind) -> Namespace {
    let nested = matches!(kind, NsKind::User | NsKind::Pid);
    Namespace {
        inum: 4_026_531_831 + id as u32,
        since: None,
        initial: true,
        owner: (kind != NsKind::User).then_some(INITIAL_USER),
        parent: None,
        owner_uid: (kind == NsKind::User).then_some(0),
        level: nested.then_some(0),
        tasks: Some(90),
        because: Contributors::default(),
        procfs: None,
        created_at: None,
        creator: None,
        ..namespace(id, kind)
    }
}

/// The initial namespaces' ids.
pub(crate) fn initial_ids() -> BTreeSet<NsId> {
    (1..=8).map(NsId).collect()
}

/// An nsproxy of initial namespaces only.
pub(crate) fn initial_nsproxy() -> Nsproxy {
    let id = |slot: Slot| match slot.kind() {
        NsKind::Ipc => 1,
        NsKind::Uts => 2,
        NsKind::User => 3,
        NsKind::Pid => 4,
        NsKind::Cgroup => 5,
        NsKind::Time => 6,
        NsKind::Net => 7,
        NsKind::Mnt => 8,
    };
    Nsproxy {
        id: NsproxyId(1),
        count: 90,
        namespaces: Slot::ALL.map(|slot| Some(NsId(id(slot)))),
        inums: Slot::ALL.map(|slot| Some(4_026_531_831 + id(slot) as u32)),
        lived: None,
    }
}

/// The same with another namespace in a slot.
pub(crate) fn nsproxy_with(id: u64, slot: Slot, ns: &Namespace) -> Nsproxy {
    let mut nsproxy = Nsproxy {
        id: NsproxyId(id),
        count: 1,
        ..initial_nsproxy()
    };
    nsproxy.namespaces[slot as usize] = Some(ns.id);
    nsproxy.inums[slot as usize] = Some(ns.inum);
    nsproxy
}

/// A transition two and a half seconds after boot that no trace selected.
pub(crate) fn at(what: What) -> Transition {
    Transition {
        at: NOW,
        selected: false,
        what,
    }
}

/// The same, selected.
pub(crate) fn selected(transition: Transition) -> Transition {
    Transition {
        selected: true,
        ..transition
    }
}

/// The init of a pid namespace on its way out.
pub(crate) fn init(step: InitStep, took: Option<u64>) -> Transition {
    let (reaper, left) = match step {
        InitStep::Dying => (Reaper::Dying { began: Some(NOW) }, 5),
        InitStep::Dead => (Reaper::Dead, 0),
    };
    at(What::Init {
        step,
        ns: Namespace {
            reaper: Some(reaper),
            ..namespace(62, NsKind::Pid)
        },
        left: Some(left),
        took,
        actor: Some(actor(1234, b"sh")),
    })
}

/// A network namespace that became inactive, and three user namespaces with it.
pub(crate) fn chain() -> Transition {
    let inactive = |id, kind| {
        let What::Namespace { ns, .. } =
            step(Lifecycle::Deactivated, namespace(id, kind), None).what
        else {
            panic!("a step");
        };
        ns
    };
    let link = |id| ChainLink {
        step: Lifecycle::Deactivated,
        cause: Cause::OwnedWent,
        ns: inactive(id, NsKind::User),
    };
    at(What::Chain(Box::new(Chain {
        namespace: inactive(57, NsKind::Net),
        actor: None,
        links: [1058, 1059, 1060].map(link).to_vec(),
    })))
}

/// A step in the life of a namespace, with the state that it leads to.
pub(crate) fn step(step: Lifecycle, ns: Namespace, by: Option<Actor>) -> Transition {
    let (state, active) = match step {
        Lifecycle::Created => (State::Inactive, 0),
        Lifecycle::Activated | Lifecycle::Resurrected => (State::Active, 1),
        Lifecycle::Deactivated => (State::Inactive, 0),
        Lifecycle::Destroyed | Lifecycle::Freed => (State::Destroyed, 0),
    };
    let ended = state == State::Destroyed;
    let cause = match step {
        Lifecycle::Created | Lifecycle::Freed => None,
        Lifecycle::Activated => Some(Cause::NsproxyInstalled),
        Lifecycle::Resurrected => Some(Cause::NsfsOpened),
        Lifecycle::Deactivated => Some(Cause::NsproxyDropped),
        Lifecycle::Destroyed => Some(Cause::ReferenceDropped),
    };
    at(What::Namespace {
        step,
        cause,
        ns: Namespace {
            state,
            was_active: step != Lifecycle::Created,
            counts: Counts {
                refs: Some(u32::from(!ended) * 2),
                active: Some(active),
                at: NOW,
            },
            because: if state == State::Active {
                ns.because
            } else {
                Contributors::default()
            },
            inactive_at: None,
            destroyed_at: ended.then_some(2_487_700_000),
            ..ns
        },
        actor: by,
        took: match step {
            Lifecycle::Created => Some(3_400_000),
            Lifecycle::Freed => Some(12_300_000),
            _ => None,
        },
    })
}

/// A task takes up another nsproxy, or (with `None`) exits.
pub(crate) fn switch(
    task: Actor,
    reason: Reason,
    from: Nsproxy,
    to: Option<Nsproxy>,
) -> Transition {
    at(What::Switched(Switch {
        task,
        reason,
        from,
        to,
    }))
}

/// The active count of a network namespace is below zero.
pub(crate) fn below_zero() -> Transition {
    at(What::Violation(Box::new(Violation {
        rule: Rule::CountBelowZero,
        task: None,
        nsproxy: None,
        namespace: Some(namespace(57, NsKind::Net)),
        counts: SignedCounts {
            refs: Some(2),
            active: Some(-1),
            nsproxy: None,
        },
    })))
}

/// Somebody else put a task into a network namespace.
pub(crate) fn foreign_switch() -> Transition {
    let net = namespace(57, NsKind::Net);
    at(What::Violation(Box::new(Violation {
        rule: Rule::ForeignSwitch,
        task: Some(actor(100, b"victim")),
        nsproxy: Some(nsproxy_with(12, Slot::Net, &net)),
        namespace: None,
        counts: SignedCounts {
            nsproxy: Some(1),
            ..SignedCounts::default()
        },
    })))
}

/// One transition of every kind.
pub(crate) fn every_transition() -> Vec<Transition> {
    let net = namespace(57, NsKind::Net);
    let user = namespace(58, NsKind::User);
    let own = nsproxy_with(12, Slot::Net, &net);
    let task = actor(100, b"unshare");
    let mut all: Vec<_> = Lifecycle::ALL
        .into_iter()
        .flat_map(|kind| [step(kind, net, Some(task)), step(kind, user, None)])
        .collect();
    all.extend(Reason::ALL.map(|reason| match reason {
        Reason::Exit => switch(task, reason, own, None),
        _ => switch(task, reason, initial_nsproxy(), Some(own)),
    }));
    all.push(at(What::NsproxyFreed(own)));
    all.push(chain());
    all.push(failed(28));
    all.push(failed(99));
    all.push(net_cleanup());
    all.push(at(What::NetCleanup(Box::new(NetCleanup {
        namespaces: 1,
        waits: vec![],
        unlist: None,
        exits: None,
        end: None,
    }))));
    all.push(init(InitStep::Dying, None));
    all.push(init(InitStep::Dead, Some(20_000_000)));
    all.extend([below_zero(), foreign_switch()]);
    all.extend([exited(), reaped()]);
    all
}

/// A shell that exited and left a child behind.
pub(crate) fn exited() -> Transition {
    let children = vec![HandedOver {
        child: actor(125, b"sleep"),
        parent: actor(1, b"init"),
    }];
    end(TaskEnd::Exited {
        task: actor(123, b"sh"),
        dropped_at: Some(NOW - 200_000),
        children,
        more_children: 0,
    })
}

/// The end of that child.
pub(crate) fn reaped() -> Transition {
    end(TaskEnd::Reaped {
        task: actor(125, b"sleep"),
        reaped: Reaped {
            by: Some(actor(1, b"init")),
            parent: Some(actor(1, b"init")),
            original_parent: Some(actor(123, b"sh")),
            dropped_at: Some(NOW - 1_200_000_000),
        },
    })
}

/// The end of a task.
pub(crate) fn end(end: TaskEnd) -> Transition {
    at(What::TaskEnd(Box::new(end)))
}

/// A network namespace that `unshare[100]` could not have.
pub(crate) fn failed(errno: u32) -> Transition {
    at(What::Failed(Failure {
        kind: NsKind::Net,
        errno: Errno(errno),
        actor: Some(actor(100, b"unshare")),
    }))
}

/// A round of cleaning up three network namespaces.
pub(crate) fn net_cleanup() -> Transition {
    at(What::NetCleanup(Box::new(NetCleanup {
        namespaces: 3,
        waits: vec![250_000, 2_000_000],
        unlist: Some(12_000_000),
        exits: Some(48_500_000),
        end: Some(90_000),
    })))
}

/// A report of a kernel on which one hook could not be attached.
pub(crate) fn report() -> Report {
    let hook = |name, purpose, state, attempts| HookReport {
        name,
        purpose,
        required: name == "nsproxy_switch",
        state,
        attempts,
    };
    Report {
        schema: 1,
        version: "0.1.0",
        commit: "84a32443c2f1",
        ebpf_object: "0011aabbccdd",
        kernel: "6.19.14+deb13-cloud-amd64".into(),
        architecture: "x86_64".into(),
        btf_problem: None,
        capabilities: vec![
            CapabilityStatus {
                name: "CAP_BPF",
                purpose: "load BPF programs",
                effective: true,
            },
            CapabilityStatus {
                name: "CAP_PERFMON",
                purpose: "read kernel memory",
                effective: false,
            },
        ],
        bpf_problem: None,
        initial_pid_namespace: true,
        hooks: vec![
            hook(
                "nsproxy_switch",
                "tasks change their namespaces",
                HookState::Attached {
                    function: "switch_task_namespaces",
                    how: "fentry",
                },
                vec![],
            ),
            hook(
                "ns_last_ref_pid",
                "a pid namespace loses its last reference",
                HookState::NotNeeded {
                    because: "__ns_tree_remove tells it",
                },
                vec![],
            ),
            hook(
                "nsproxy_free",
                "a set of namespaces ends",
                HookState::Missing {
                    because: "none of its functions can be hooked".into(),
                },
                vec![Attempt {
                    function: "nsproxy_free",
                    because: "Device or resource busy (os error 16)".into(),
                }],
            ),
        ],
        can: vec!["when a namespace is created, and by whom".into()],
        cannot: vec!["when a set of namespaces ends".into()],
        runs: true,
    }
}
