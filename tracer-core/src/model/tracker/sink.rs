//! Where transitions go.

use tracer_common::{event::Cause, kind::NsKind};

use super::super::{
    Actor, Errno, Failure, Lifecycle, Namespace, Nsproxy, Origin, Switch, TaskEnd, Transition,
    Violation, What,
};

/// Takes the transitions that one observation causes, and knows what they
/// have in common.
pub(super) struct Sink<'a> {
    out: &'a mut Vec<Transition>,
    at: u64,
    selected: bool,
    actor: Option<Actor>,
    /// The thread that ran, 0 for none.
    thread: u32,
    /// What it did, if that makes namespaces active or inactive.
    cause: Option<Cause>,
    /// Whether the changes happen now, or turn out to have happened unseen.
    witnessed: bool,
    /// How long it took to make what is created, nanoseconds.
    making: Option<u64>,
}

impl<'a> Sink<'a> {
    /// For what an event says.
    pub(super) fn event(
        origin: &Origin,
        cause: Option<Cause>,
        out: &'a mut Vec<Transition>,
    ) -> Self {
        Self {
            out,
            at: origin.time,
            selected: origin.selected,
            actor: origin.is_actor.then_some(origin.task),
            thread: origin.task.pid,
            cause,
            witnessed: true,
            making: None,
        }
    }

    /// For what a walk that ended at this time brings to light.
    pub(super) fn walk(ended_at: u64, out: &'a mut Vec<Transition>) -> Self {
        Self {
            out,
            at: ended_at,
            selected: false,
            actor: None,
            thread: 0,
            cause: None,
            witnessed: false,
            making: None,
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
            thread: self.thread,
            cause: None,
            witnessed: false,
            making: None,
        }
    }

    /// For a creation that took this long.
    pub(super) fn making(&mut self, took: Option<u64>) -> Sink<'_> {
        Sink {
            out: self.out,
            making: took,
            ..*self
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

    /// Whether a running trace selected the task behind them.
    pub(super) fn selected(&self) -> bool {
        self.selected
    }

    /// Who does it, where that is certain.
    pub(super) fn actor(&self) -> Option<Actor> {
        self.actor
    }

    /// The thread that runs, 0 for none.
    pub(super) fn thread(&self) -> u32 {
        self.thread
    }

    pub(super) fn namespace(&mut self, step: Lifecycle, ns: Namespace) {
        let cause = match step {
            Lifecycle::Destroyed if self.witnessed => Some(Cause::ReferenceDropped),
            _ => self.cause.filter(|&cause| step.can_come_of(cause)),
        };
        let actor = self.actor;
        let took = match step {
            Lifecycle::Created => self.making,
            Lifecycle::Freed if self.witnessed => ns
                .destroyed_at
                .and_then(|destroyed| self.at.checked_sub(destroyed)),
            _ => None,
        };
        self.say(What::Namespace {
            step,
            ns,
            cause,
            actor,
            took,
        });
    }

    /// A namespace could not be made.
    pub(super) fn failed(&mut self, kind: NsKind, errno: Errno) {
        self.say(What::Failed(Failure {
            kind,
            errno,
            actor: self.actor,
        }));
    }

    pub(super) fn switched(&mut self, switch: Switch) {
        self.say(What::Switched(switch));
    }

    pub(super) fn nsproxy_freed(&mut self, nsproxy: Nsproxy) {
        self.say(What::NsproxyFreed(nsproxy));
    }

    pub(super) fn violation(&mut self, violation: Violation) {
        self.say(What::Violation(Box::new(violation)));
    }

    /// A task exited or was reaped.
    pub(super) fn task_end(&mut self, end: TaskEnd) {
        self.say(What::TaskEnd(Box::new(end)));
    }

    pub(super) fn say(&mut self, what: What) {
        self.push(Transition {
            at: self.at,
            selected: self.selected,
            what,
        });
    }

    /// What has a time of its own.
    pub(super) fn push(&mut self, transition: Transition) {
        self.out.push(transition);
    }
}
