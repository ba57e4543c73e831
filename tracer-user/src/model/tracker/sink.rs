//! Where transitions go.

use super::super::{Actor, Lifecycle, Namespace, Nsproxy, Origin, Switch, Transition, What};

/// Takes the transitions that one observation causes, and knows what they
/// have in common.
pub(super) struct Sink<'a> {
    out: &'a mut Vec<Transition>,
    at: u64,
    selected: bool,
    actor: Option<Actor>,
    /// Whether the changes happen now, or turn out to have happened unseen.
    witnessed: bool,
}

impl<'a> Sink<'a> {
    /// For what an event says.
    pub(super) fn event(origin: &Origin, out: &'a mut Vec<Transition>) -> Self {
        Self {
            out,
            at: origin.time,
            selected: origin.selected,
            actor: origin.is_actor.then_some(origin.task),
            witnessed: true,
        }
    }

    /// For what a walk that ended at this time brings to light.
    pub(super) fn walk(ended_at: u64, out: &'a mut Vec<Transition>) -> Self {
        Self {
            out,
            at: ended_at,
            selected: false,
            actor: None,
            witnessed: false,
        }
    }

    /// For what must have happened earlier and was missed: nobody is known to
    /// have done it, and the time is only that of finding out.
    pub(super) fn missed(&mut self) -> Sink<'_> {
        Sink {
            out: self.out,
            at: self.at,
            selected: false,
            actor: None,
            witnessed: false,
        }
    }

    /// The time of the transitions.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Since when what the transitions say is so, if that was seen.
    pub(super) fn since(&self) -> Option<u64> {
        self.witnessed.then_some(self.at)
    }

    pub(super) fn namespace(&mut self, step: Lifecycle, ns: Namespace) {
        let actor = self.actor;
        self.push(What::Namespace { step, ns, actor });
    }

    pub(super) fn switched(&mut self, switch: Switch) {
        self.push(What::Switched(switch));
    }

    pub(super) fn nsproxy_freed(&mut self, nsproxy: Nsproxy) {
        self.push(What::NsproxyFreed(nsproxy));
    }

    fn push(&mut self, what: What) {
        self.out.push(Transition {
            at: self.at,
            selected: self.selected,
            what,
        });
    }
}
