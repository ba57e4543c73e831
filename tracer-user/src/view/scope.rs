//! Whose doings a trace shows.

use std::collections::BTreeSet;

use super::{filter::concerned, switch::changed};
use crate::model::{Lifecycle, Namespace, NsId, NsproxyId, Transition, What};

/// What a trace of some tasks must remember in order to tell what concerns
/// them: the namespaces and nsproxies that they made or moved into.
///
/// It learns from every transition, in order, shown or not. It stays as small
/// as what the traced tasks use, since the end of a thing is also the end of
/// its place here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    everything: bool,
    own_tgid: Option<u32>,
    created: BTreeSet<NsId>,
    entered: BTreeSet<NsId>,
    nsproxies: BTreeSet<NsproxyId>,
    ever_created: usize,
}

impl Scope {
    /// The whole system, or only what concerns selected tasks. `own_tgid` is
    /// nslife's own process, if known, whose doings are never shown.
    pub fn new(everything: bool, own_tgid: Option<u32>) -> Self {
        Self {
            everything,
            own_tgid,
            created: BTreeSet::new(),
            entered: BTreeSet::new(),
            nsproxies: BTreeSet::new(),
            ever_created: 0,
        }
    }

    /// Learns from a transition, and says whether it is within the scope.
    pub fn admits(&mut self, transition: &Transition) -> bool {
        let concerned = transition.selected || self.knows(&transition.what);
        self.learn(transition);
        (self.everything || concerned) && !self.is_own(&transition.what)
    }

    /// The namespaces that selected tasks created and that still exist.
    pub fn remaining(&self) -> &BTreeSet<NsId> {
        &self.created
    }

    /// How many namespaces selected tasks have created.
    pub fn ever_created(&self) -> usize {
        self.ever_created
    }

    fn knows(&self, what: &What) -> bool {
        match what {
            What::Namespace { ns, .. } | What::Init { ns, .. } => {
                self.created.contains(&ns.id) || self.entered.contains(&ns.id)
            }
            What::Chain(chain) => concerned(chain)
                .any(|ns| self.created.contains(&ns.id) || self.entered.contains(&ns.id)),
            What::Failed(_) | What::Switched(_) | What::NetCleanup(_) | What::TaskEnd(_) => false,
            What::NsproxyFreed(nsproxy) => self.nsproxies.contains(&nsproxy.id),
            What::Violation(violation) => {
                let is_known =
                    |ns: &Namespace| self.created.contains(&ns.id) || self.entered.contains(&ns.id);
                violation.namespace.as_ref().is_some_and(is_known)
                    || violation
                        .nsproxy
                        .is_some_and(|nsproxy| self.nsproxies.contains(&nsproxy.id))
            }
        }
    }

    fn learn(&mut self, transition: &Transition) {
        match &transition.what {
            What::Namespace { step, ns, .. } => match step {
                Lifecycle::Created if transition.selected && self.created.insert(ns.id) => {
                    self.ever_created += 1;
                }
                Lifecycle::Freed => {
                    self.created.remove(&ns.id);
                    self.entered.remove(&ns.id);
                }
                _ => {}
            },
            What::Switched(switch) if transition.selected => match &switch.to {
                Some(to) => {
                    self.nsproxies.insert(to.id);
                    // Only what it moved to: nobody asked about the
                    // namespaces that it was born into,
                    self.entered.extend(
                        changed(&switch.from, to).filter_map(|slot| to.namespaces[slot as usize]),
                    );
                }
                // unless they may end with it.
                None if switch.from.count <= 1 => {
                    self.nsproxies.insert(switch.from.id);
                    self.entered.extend(switch.from.namespaces.iter().flatten());
                }
                None => {}
            },
            What::Failed(_)
            | What::Switched(_)
            | What::NetCleanup(_)
            | What::Chain(_)
            | What::Init { .. }
            | What::Violation(_)
            | What::TaskEnd(_) => {}
            What::NsproxyFreed(nsproxy) => {
                self.nsproxies.remove(&nsproxy.id);
            }
        }
    }

    fn is_own(&self, what: &What) -> bool {
        let task = match what {
            What::Namespace { actor, .. } | What::Init { actor, .. } => actor.as_ref(),
            What::Failed(failure) => failure.actor.as_ref(),
            What::Chain(chain) => chain.actor.as_ref(),
            What::Switched(switch) => Some(&switch.task),
            // Whoever it was: the kernel broke a rule.
            What::NsproxyFreed(_) | What::NetCleanup(_) | What::Violation(_) => None,
            What::TaskEnd(end) => Some(end.task()),
        };
        task.is_some_and(|task| Some(task.tgid) == self.own_tgid)
    }
}
