//! Whether the kernel keeps its own rules of nsproxies.
//!
//! Only what is proven is said: a record that may be about an earlier or later
//! object at an address, or a picture from which something may be missing,
//! proves nothing.

use tracer_common::event::Reason;
use tracer_common::kind::Slot;

use super::super::{
    Actor, Body, Event, NsFacts, NsproxyFacts, Rule, SignedCounts, Violation, Walk, WalkNsproxy,
    WalkTask,
};
use super::Tracker;
use super::entry::Identity;
use super::sink::Sink;

/// How often each rule was judged, and what was found already.
#[derive(Debug, Default)]
pub(super) struct Rules {
    checks: [u64; Rule::COUNT],
    /// A count of a namespace has ever been below zero. Unless one was, none has
    /// to be looked up to learn that it is in order again.
    below_zero: bool,
    /// Tasks without an nsproxy that the last walk met alive, in order.
    without: Vec<u32>,
}

impl Rules {
    fn judged(&mut self, rule: Rule) {
        self.checks[rule as usize] += 1;
    }
}

impl Tracker {
    /// How often each [`Rule`] was judged, in their order.
    pub fn checks(&self) -> [u64; Rule::COUNT] {
        self.rules.checks
    }

    /// Judges what an event says, after it was taken in.
    pub(super) fn judge(&mut self, event: &Event, sink: &mut Sink<'_>) {
        match &event.body {
            Body::Created { ns, .. }
            | Body::Activity { ns, .. }
            | Body::LastRef(ns)
            | Body::NsfsOpened { ns, .. }
            | Body::NsfsEvicted { ns, .. }
            | Body::Tasks { ns, .. }
            | Body::ProcfsMounted { ns, .. }
            | Body::ProcfsGone { ns, .. }
            | Body::InitDying(ns)
            | Body::InitDead(ns) => self.judge_namespace(ns, sink),
            Body::NsproxyInstalled(nsproxy) => self.judge_count(nsproxy, sink),
            Body::Switched { reason, from, to } => {
                let task = event.origin.task;
                self.judge_switch(task, event.breaches.foreign, from, to.as_ref(), sink);
                if let (Reason::Unshare | Reason::Setns, Some(to)) = (reason, to) {
                    self.judge_new(task, from, to, sink);
                }
            }
            Body::NsproxyFreed(nsproxy) => {
                self.judge_count(nsproxy, sink);
                self.judge_freed(event.origin.task, event.breaches.in_use, nsproxy, sink);
            }
            Body::Failed { .. }
            | Body::Freed(_)
            | Body::ClimbEnded(_)
            | Body::NetCleanupBegan { .. }
            | Body::NetCleanupEnded(_)
            | Body::TaskExited(_)
            | Body::TaskReaped(_) => {}
        }
    }

    /// Judges what a walk met, after it was taken in.
    pub(super) fn judge_walk(&mut self, walk: &Walk, sink: &mut Sink<'_>) {
        // Elsewhere a walk meets namespaces that nothing holds meanwhile.
        if self.config.kernel_counts {
            for record in &walk.namespaces {
                if record.ns.refs != Some(0) {
                    self.judge_namespace(&record.ns, sink);
                }
            }
        }
        for record in &walk.nsproxies {
            self.judge_met(record, sink);
        }
        self.judge_tasks(&walk.tasks, sink);
    }

    /// The counts of a namespace.
    fn judge_namespace(&mut self, facts: &NsFacts, sink: &mut Sink<'_>) {
        self.rules.judged(Rule::CountBelowZero);
        let counts = SignedCounts {
            nsproxy: None,
            refs: facts.refs.map(u32::cast_signed),
            active: facts.active.map(u32::cast_signed),
        };
        if !counts.below_zero() && !self.rules.below_zero {
            return;
        }
        self.rules.below_zero = true;
        let Some(handle) = self.known_at(&Identity::from(facts)) else {
            return;
        };
        let Some(entry) = self.namespaces.get_mut(handle) else {
            return;
        };
        let was = std::mem::replace(&mut entry.below_zero, counts.below_zero());
        if counts.below_zero() && !was {
            sink.violation(Violation {
                rule: Rule::CountBelowZero,
                task: None,
                nsproxy: None,
                namespace: self.view(handle),
                counts,
            });
        }
    }

    /// The holders of an nsproxy.
    fn judge_count(&mut self, facts: &NsproxyFacts, sink: &mut Sink<'_>) {
        self.rules.judged(Rule::CountBelowZero);
        if facts.count.cast_signed() < 0 {
            self.broken(Rule::CountBelowZero, None, facts, sink);
        }
    }

    fn judge_switch(
        &mut self,
        task: Actor,
        foreign: bool,
        from: &NsproxyFacts,
        to: Option<&NsproxyFacts>,
        sink: &mut Sink<'_>,
    ) {
        self.rules.judged(Rule::ForeignSwitch);
        if foreign {
            self.broken(Rule::ForeignSwitch, Some(task), to.unwrap_or(from), sink);
        }
        self.judge_count(from, sink);
        if let Some(to) = to {
            self.judge_count(to, sink);
        }
    }

    /// The one that a task takes up. Its count was read before anybody could
    /// find it there: it has one holder if it is brand-new.
    fn judge_new(
        &mut self,
        task: Actor,
        from: &NsproxyFacts,
        to: &NsproxyFacts,
        sink: &mut Sink<'_>,
    ) {
        self.rules.judged(Rule::NewNotFresh);
        if to.count != 1 && to.key != from.key && !self.is_initial_nsproxy(to) {
            self.broken(Rule::NewNotFresh, Some(task), to, sink);
        }
    }

    /// All that it points to is initial.
    fn is_initial_nsproxy(&self, facts: &NsproxyFacts) -> bool {
        Slot::ALL.into_iter().all(|slot| {
            facts.slots[slot as usize].is_none_or(|pointer| {
                self.by_key
                    .get(&pointer.key)
                    .and_then(|&handle| self.namespaces.get(handle))
                    .is_some_and(super::entry::Entry::is_initial)
            })
        })
    }

    /// The one that is freed. One that was never installed may be freed by its
    /// only holder, without dropping the count first.
    fn judge_freed(
        &mut self,
        task: Actor,
        in_use: bool,
        facts: &NsproxyFacts,
        sink: &mut Sink<'_>,
    ) {
        self.rules.judged(Rule::FreedWhileUsed);
        if in_use || facts.count.cast_signed() > 1 {
            self.broken(Rule::FreedWhileUsed, in_use.then_some(task), facts, sink);
        }
    }

    /// One that a walk met on a task, which had it before and after it was
    /// read: somebody holds it. Unless it was freed meanwhile, and what the task
    /// had afterwards is another one in its place: then what was read is of no
    /// nsproxy.
    fn judge_met(&mut self, record: &WalkNsproxy, sink: &mut Sink<'_>) {
        let facts = &record.nsproxy;
        let dead_until = self.nsproxy_dead_until(facts.key);
        if dead_until.is_some_and(|until| record.time <= until) {
            return;
        }
        self.rules.judged(Rule::CountBelowZero);
        self.rules.judged(Rule::FreedWhileUsed);
        let rule = match facts.count.cast_signed() {
            1.. => None,
            0 => Some(Rule::FreedWhileUsed),
            _ => Some(Rule::CountBelowZero),
        };
        let Some(held) = self.nsproxies.get_mut(&facts.key) else {
            return;
        };
        let was = std::mem::replace(&mut held.broken, rule.is_some());
        if let Some(rule) = rule
            && !was
        {
            self.broken(rule, None, facts, sink);
        }
    }

    /// Tasks without an nsproxy: that was read before whether they exit.
    fn judge_tasks(&mut self, tasks: &[WalkTask], sink: &mut Sink<'_>) {
        let mut found = Vec::new();
        for task in tasks {
            self.rules.judged(Rule::NullWhileAlive);
            if task.nsproxy.is_none() && !task.exiting {
                found.push(task);
            }
        }
        found.sort_unstable_by_key(|task| task.pid);
        found.dedup_by_key(|task| task.pid);
        for task in &found {
            if self.rules.without.binary_search(&task.pid).is_err() {
                sink.violation(Violation {
                    rule: Rule::NullWhileAlive,
                    task: Some(task.actor()),
                    nsproxy: None,
                    namespace: None,
                    counts: SignedCounts::default(),
                });
            }
        }
        self.rules.without = found.iter().map(|task| task.pid).collect();
    }

    /// A rule was broken with this nsproxy.
    fn broken(
        &mut self,
        rule: Rule,
        task: Option<Actor>,
        facts: &NsproxyFacts,
        sink: &mut Sink<'_>,
    ) {
        sink.violation(Violation {
            rule,
            task,
            nsproxy: Some(self.describe(facts)),
            namespace: None,
            counts: SignedCounts {
                nsproxy: Some(facts.count.cast_signed()),
                ..SignedCounts::default()
            },
        });
    }
}
