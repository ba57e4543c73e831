//! Why the namespaces of the play became active and inactive.

use std::collections::BTreeMap;

use tracer_common::event::Cause;
use tracer_core::model::{Lifecycle, NsId, What};

use crate::{play, recording::Recording};

const IN_AND_OUT: &str = "nsproxy_installed nsproxy_dropped";

/// The causes of all changes of each namespace, in the order of creation: see the lives.
const CAUSES: &[(&str, &str)] = &[
    ("mnt", IN_AND_OUT),
    ("uts", IN_AND_OUT),
    ("ipc", IN_AND_OUT),
    ("user", "cred_changed cred_reaped"),
    ("pid", IN_AND_OUT),
    ("net", IN_AND_OUT),
    ("cgroup", IN_AND_OUT),
    ("time", IN_AND_OUT),
    ("user", "cred_taken owned_went"),
    ("uts", IN_AND_OUT),
    ("pid", "nsproxy_installed pid_freed"),
    ("net", "nsproxy_installed nsfs_closed"),
    ("uts", IN_AND_OUT),
    ("user", "cred_changed owned_went owned_came owned_went"),
    ("user", "cred_changed cred_reaped owned_came owned_went"),
    (
        "net",
        "nsproxy_installed nsproxy_dropped nsfs_opened nsfs_closed",
    ),
    ("pid", "nsproxy_installed pid_freed"),
];

/// Types of the namespaces that pulled others along, and of those, in order.
const CHAINS: &[&[&str]] = &[
    // The inner one goes with its last credentials, the outer one with it.
    &["user", "user"],
    // A socket leads back to all three.
    &["net", "user", "user"],
    &["net", "user", "user"],
    // The dead child's pid is freed after its credentials.
    &["pid", "user"],
];

#[test]
fn they_are_the_same_on_every_kernel() {
    for (series, recording) in Recording::all() {
        let mut order: Vec<(NsId, &'static str)> = Vec::new();
        let mut causes: BTreeMap<NsId, Vec<&'static str>> = BTreeMap::new();
        let mut chains: Vec<Vec<&'static str>> = Vec::new();
        play(&recording, |_, _, transitions| {
            for transition in transitions {
                match &transition.what {
                    What::Namespace {
                        step, ns, cause, ..
                    } => match step {
                        Lifecycle::Created => order.push((ns.id, ns.kind.name())),
                        Lifecycle::Destroyed | Lifecycle::Freed => {}
                        Lifecycle::Activated | Lifecycle::Deactivated | Lifecycle::Resurrected => {
                            let cause = cause.map_or("unknown", Cause::name);
                            causes.entry(ns.id).or_default().push(cause);
                        }
                    },
                    What::Chain(chain) => {
                        let members = chain.links.iter().map(|link| link.ns.kind.name());
                        let all = std::iter::once(chain.namespace.kind.name()).chain(members);
                        chains.push(all.collect());
                        for link in &chain.links {
                            causes
                                .entry(link.ns.id)
                                .or_default()
                                .push(link.cause.name());
                        }
                    }
                    _ => {}
                }
            }
        });
        let told: Vec<_> = order
            .iter()
            .map(|(id, kind)| (*kind, causes[id].join(" ")))
            .collect();
        let expected: Vec<_> = CAUSES
            .iter()
            .map(|(kind, causes)| (*kind, (*causes).to_owned()))
            .collect();
        assert_eq!(told, expected, "{series}");
        assert_eq!(chains, CHAINS, "{series}");
    }
}
