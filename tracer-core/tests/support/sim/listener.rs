//! A tracker that listens to a [`Sim`], and whether it has got it right.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::num::NonZeroU32;

use tracer_common::event::Cause;
use tracer_common::kind::NsKind;
use tracer_core::model::{
    Body, Chain, ChainLink, Contributors, Corrections, Event, Key, Lifecycle, Namespace, NsId,
    NsRef, NsproxyFacts, State, Tracker, Transition, Walk, What,
};

use super::super::{check, check_sums};
use super::activity::total;
use super::{Kernel, Sim};

/// A namespace that has references, as it is or as a tracker shows it. Others
/// are named by their inode numbers; initial ones are not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shown {
    kind: NsKind,
    ns_id: Option<u64>,
    state: State,
    because: Contributors,
    procfs: Option<u32>,
    owner: Option<u32>,
    parent: Option<u32>,
}

/// By inode number.
type Picture = BTreeMap<u32, Shown>;

impl Sim {
    /// The truth, as far as it can be known.
    fn picture(&self) -> Picture {
        let contributors = self.contributors();
        let inum = |key: Key| Some(self.namespaces[self.index_of(key)?].facts.inum.get());
        let alive = self.alive(None).into_iter();
        let shown = alive.map(|index| {
            let (ns, truth) = (&self.namespaces[index], &contributors[index]);
            let shown = Shown {
                kind: ns.facts.kind,
                ns_id: ns.facts.ns_id.map(u64::from),
                state: if self.sum(index) > 0 {
                    State::Active
                } else {
                    State::Inactive
                },
                because: self.known_contributors(ns, truth),
                procfs: (ns.facts.kind == NsKind::Pid).then(|| self.procfs_of(ns.facts.key)),
                owner: ns.facts.owner.and_then(inum),
                parent: ns.facts.parent.and_then(inum),
            };
            (ns.facts.inum.get(), shown)
        });
        shown.collect()
    }
}

pub(crate) struct Listener {
    pub(crate) tracker: Tracker,
    kernel: Kernel,
    transitions: Vec<Transition>,
    heard: Vec<String>,
}

impl Listener {
    pub(crate) fn new(kernel: Kernel) -> Self {
        Self {
            tracker: Tracker::new(kernel.config),
            kernel,
            transitions: Vec::new(),
            heard: Vec::new(),
        }
    }

    pub(crate) fn hear(&mut self, event: &Event) {
        self.heard.push(brief(event));
        let said = self.transitions.len();
        self.tracker.apply(event, &mut self.transitions);
        for transition in &self.transitions[said..] {
            if let What::Chain(chain) = &transition.what {
                self.expect_a_chain(chain);
            }
        }
        self.expect_no_violation(said);
        check_sums(&self.tracker, self.kernel.config);
    }

    /// The pretend kernel keeps the rules.
    fn expect_no_violation(&self, said: usize) {
        let is_violation = |news: &&Transition| matches!(news.what, What::Violation(_));
        if let Some(news) = self.transitions[said..].iter().find(is_violation) {
            self.fail(&format!("{news:?}, and all rules are kept"));
        }
    }

    /// Hears what it has heard before: nothing may come of it, except that a
    /// switch is a report in itself.
    pub(crate) fn hear_again(&mut self, event: &Event) {
        let (before, said) = (self.namespaces(), self.transitions.len());
        self.hear(event);
        let news = &self.transitions[said..];
        let is_switch = |news: &Transition| matches!(news.what, What::Switched(_));
        if before != self.namespaces() || !news.iter().all(is_switch) {
            self.fail(&format!("{news:?} came of a repetition"));
        }
    }

    pub(crate) fn miss(&mut self, event: &Event) {
        self.heard.push(format!("{} (missed)", brief(event)));
    }

    pub(crate) fn merge(&mut self, walk: &Walk) -> Corrections {
        for record in &walk.namespaces {
            let (time, kind, inum) = (record.time, record.ns.kind, record.ns.inum);
            self.heard
                .push(format!("{time} met {} {inum}", kind.name()));
        }
        let before = self.transitions.len();
        let corrections = self.tracker.merge(walk, &mut self.transitions);
        self.expect_no_violation(before);
        check_sums(&self.tracker, self.kernel.config);
        let is_old = |news: &Transition| matches!(news.what, What::Chain(_));
        let nothing_new = self.transitions[before..].iter().all(is_old);
        assert!(corrections.total() > 0 || nothing_new);
        corrections
    }

    /// Panics if tracker and kernel disagree.
    pub(crate) fn compare(&self, sim: &Sim) {
        self.expect_equal(&self.shown(), &sim.picture(), sim);
        check(&self.tracker, self.kernel.config);
    }

    /// Panics if they disagree on what this walk can put right. If all
    /// namespaces are listed, that is everything.
    pub(crate) fn compare_after(&self, sim: &Sim, walk: &Walk) {
        if self.kernel.lists_all() {
            return self.compare(sim);
        }
        let met: BTreeSet<u32> = walk.namespaces.iter().map(|r| r.ns.inum.get()).collect();
        let (mut shown, mut truth) = (self.shown(), sim.picture());
        // Where credentials and pids are, a walk gets.
        let tasks = |ns: &Shown| (ns.because.creds, ns.because.pids);
        for (inum, ns) in &shown {
            let truth = truth.get(inum).map(tasks).unwrap_or_default();
            if tasks(ns) != truth {
                self.fail(&format!("{inum} has {truth:?} tasks, shown as {ns:?}"));
            }
        }
        let doubtful = doubtful(&[&shown, &truth], &met);
        for picture in [&mut shown, &mut truth] {
            picture.retain(|inum, ns| met.contains(inum) || self.kernel.lists[ns.kind as usize]);
            for (inum, ns) in picture {
                ns.owner = ns.owner.filter(|owner| met.contains(owner));
                ns.parent = ns.parent.filter(|parent| met.contains(parent));
                if doubtful.contains(inum) {
                    (ns.state, ns.because.owned) = (State::Inactive, 0);
                }
            }
        }
        self.expect_equal(&shown, &truth, sim);
    }

    /// Panics unless each of these is the owner of the one before, and all took
    /// a step in the same direction.
    fn expect_a_chain(&self, chain: &Chain) {
        let mut below = &chain.namespace;
        for ChainLink { step, cause, ns } in &chain.links {
            let fits = match cause {
                Cause::OwnedWent => *step == Lifecycle::Deactivated,
                _ => *step != Lifecycle::Deactivated,
            };
            if below.owner != Some(ns.id) || below.state != ns.state || !fits {
                self.fail(&format!("{ns:?} is no link above {below:?}"));
            }
            below = ns;
        }
    }

    fn expect_equal(&self, shown: &Picture, truth: &Picture, sim: &Sim) {
        for inum in truth.keys().chain(shown.keys()) {
            let (shown, truth) = (shown.get(inum), truth.get(inum));
            if shown != truth {
                self.fail(&format!("{inum} is {truth:?}, shown as {shown:?}"));
            }
        }
        let (shown, truth) = (self.tracker.census().nsproxies, sim.nsproxies.len());
        if shown != truth as u64 {
            self.fail(&format!("{truth} nsproxies, shown as {shown}"));
        }
    }

    /// Panics if one of these is shown.
    pub(crate) fn expect_gone(&self, gone: &HashSet<NonZeroU32>) {
        for ns in self.tracker.namespaces() {
            if NonZeroU32::new(ns.inum).is_some_and(|inum| gone.contains(&inum)) {
                self.fail(&format!("{} is gone, and shown", ns.inum));
            }
        }
    }

    /// Panics if the numbers of what this walk met, with nothing happening
    /// since, are not those of the kernel.
    pub(crate) fn expect_sums(&self, sim: &Sim, walk: &Walk) {
        for record in &walk.namespaces {
            let inum = record.ns.inum.get();
            let Some(ns) = self.tracker.find(inum.into()) else {
                self.fail(&format!("{inum} was met, and is not shown"));
            };
            let because = total(&ns.because);
            if !ns.initial && record.ns.active.is_some_and(|count| count != because) {
                self.fail(&format!("{ns:?} does not add up"));
            }
            let tasks = sim.tasks_in(record.ns.key);
            if matches!(ns.kind, NsKind::User | NsKind::Pid) && ns.tasks != Some(tasks) {
                self.fail(&format!("{tasks} tasks are in {ns:?}"));
            }
        }
    }

    /// Everything that is shown, but for when it was found out.
    pub(crate) fn picture(&self) -> Vec<Namespace> {
        let mut all = self.namespaces();
        for ns in &mut all {
            ns.counts.at = 0;
        }
        all
    }

    fn namespaces(&self) -> Vec<Namespace> {
        let mut all: Vec<_> = self.tracker.namespaces().collect();
        all.sort_by_key(|ns| ns.id);
        all
    }

    fn fail(&self, difference: &str) -> ! {
        panic!("{difference}, after hearing\n{}", self.heard.join("\n"));
    }

    /// What the tracker shows of everything that has references.
    fn shown(&self) -> Picture {
        let inum = |id: NsId| {
            let ns = self.tracker.get(id).filter(|ns| !ns.initial)?;
            Some(ns.inum)
        };
        let all = self.tracker.namespaces();
        all.filter(|ns| ns.state != State::Destroyed && !ns.initial)
            .map(|ns| {
                let shown = Shown {
                    kind: ns.kind,
                    ns_id: ns.ns_id,
                    state: ns.state,
                    because: ns.because,
                    procfs: ns.procfs,
                    owner: ns.owner.and_then(inum),
                    parent: ns.parent.and_then(inum),
                };
                (ns.inum, shown)
            })
            .collect()
    }
}

/// What is not met may be there or gone, and nobody can tell. So nobody can
/// tell how many active namespaces its owner owns, and so on upwards.
fn doubtful(pictures: &[&Picture], met: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut doubtful = BTreeSet::new();
    for picture in pictures {
        for ns in picture
            .iter()
            .filter_map(|(inum, ns)| (!met.contains(inum)).then_some(ns))
        {
            let owner = |inum: &u32| pictures.iter().find_map(|picture| picture.get(inum)?.owner);
            doubtful.extend(std::iter::successors(ns.owner, owner));
        }
    }
    doubtful
}

/// An event in a few words.
fn brief(event: &Event) -> String {
    let ns = |what: &str, ns: NsRef| format!("{what} {} {}", ns.kind.name(), ns.inum);
    let nsproxy = |nsproxy: &NsproxyFacts| {
        let inums = nsproxy.slots.iter().flatten().filter_map(|slot| slot.inum);
        inums.map(|inum| format!(" {inum}")).collect::<String>()
    };
    let what = match &event.body {
        Body::Created { ns: facts, .. } => ns("created", facts.as_ref()),
        Body::Failed { kind, errno } => format!("{} failed: {errno}", kind.name()),
        Body::Activity { ns: facts, .. } => ns("activity of", facts.as_ref()),
        Body::LastRef(facts) => ns("last reference to", facts.as_ref()),
        Body::Freed(freed) => ns("freed", *freed),
        Body::NsfsOpened { ns: facts, .. } => ns("opened", facts.as_ref()),
        Body::NsfsEvicted { ns: facts, .. } => ns("evicted", facts.as_ref()),
        Body::Tasks { ns: facts, .. } => ns("tasks of", facts.as_ref()),
        Body::InitDying(facts) => ns("dying init of", facts.as_ref()),
        Body::InitDead(facts) => ns("dead init of", facts.as_ref()),
        Body::ClimbEnded(end) => ns("end of the climb from", *end),
        Body::NetCleanupBegan { .. } => "begin of a clean-up".to_owned(),
        Body::NetCleanupEnded(_) => "end of a clean-up".to_owned(),
        Body::ProcfsMounted { ns: facts, .. } => ns("procfs of", facts.as_ref()),
        Body::ProcfsGone { ns: facts, .. } => ns("no procfs of", facts.as_ref()),
        Body::TaskExited(_) | Body::TaskReaped(_) => format!("end of {}", event.origin.task.pid),
        Body::NsproxyInstalled(to) => format!("installed{}", nsproxy(to)),
        Body::NsproxyFreed(from) => format!("freed nsproxy{}", nsproxy(from)),
        Body::Switched { from, to, .. } => format!(
            "switched from{} to{}",
            nsproxy(from),
            to.as_ref().map(nsproxy).unwrap_or_default()
        ),
    };
    format!("{} {what}", event.origin.time)
}
