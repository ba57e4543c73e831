//! Taking over what a walk found.

use hashbrown::{HashMap, HashSet};
use tracer_common::kind::{NsKind, Slot};

use super::super::{Key, Lifecycle, State, Transition, Walk, WalkNs, WalkNsproxy, What};
use super::Tracker;
use super::entry::{Entry, Identity, NsHandle};
use super::identity::Met;
use super::life::Arrival;
use super::sink::Sink;

/// How long a destroyed namespace that a walk does not meet is taken to be
/// still on its way to being freed. Longer than any queue of network
/// namespaces (`cleanup_net`) takes. Nanoseconds.
const FREEING: u64 = 300_000_000_000;

/// How long an nsproxy may be in use before a walk can meet it: a fork installs
/// it before anybody can see the child. Nanoseconds.
const FORKING: u64 = 1_000_000_000;

/// What a walk had to put right in a picture that was there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Corrections {
    /// Namespaces that had been missed.
    pub namespaces_found: u64,
    /// Namespaces whose end had been missed.
    pub namespaces_gone: u64,
    /// Changes between active and inactive that had been missed.
    pub states: u64,
    /// nsproxies that had been missed.
    pub nsproxies_found: u64,
    /// nsproxies whose end had been missed.
    pub nsproxies_gone: u64,
}

impl Corrections {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.namespaces_found
            + self.namespaces_gone
            + self.states
            + self.nsproxies_found
            + self.nsproxies_gone
    }

    fn count(&mut self, what: &What) {
        match what {
            What::Namespace { step, .. } => match step {
                Lifecycle::Activated | Lifecycle::Deactivated | Lifecycle::Resurrected => {
                    self.states += 1;
                }
                Lifecycle::Freed => self.namespaces_gone += 1,
                Lifecycle::Created | Lifecycle::Destroyed => {}
            },
            What::Chain(chain) => self.states += chain.links.len() as u64,
            What::Failed(_)
            | What::Switched(_)
            | What::Init { .. }
            | What::Violation(_)
            | What::NetCleanup(_) => {}
            What::NsproxyFreed(_) => self.nsproxies_gone += 1,
            // No walk brings those to light.
            What::TaskEnd(_) => {}
        }
    }
}

impl Tracker {
    /// Takes in a whole walk: adds what is missing, ends what is gone, and
    /// says so in transitions, except on the first merge, when nothing is
    /// news.
    ///
    /// Apply the events that were written up to [`Walk::ended_at`] before:
    /// otherwise ends that are on the ring buffer already count as missed.
    ///
    /// Absence proves an end only where the walk would have met the object
    /// for certain, and not for objects that came, or showed signs of life,
    /// after it started. A destroyed namespace, which no walk meets while it
    /// is being freed, has five minutes for that.
    pub fn merge(&mut self, walk: &Walk, transitions: &mut Vec<Transition>) -> Corrections {
        // What has been going on is no correction.
        self.chains
            .end_all(&mut Sink::walk(walk.ended_at, transitions));
        let before = transitions.len();
        let sink = &mut Sink::walk(walk.ended_at, transitions);
        let first = self.walks == 0;
        self.walks += 1;
        let mut found = Corrections::default();

        self.find_initial(walk);
        for record in &walk.namespaces {
            found.namespaces_found += u64::from(self.merge_namespace(record, sink));
        }
        self.link_all(walk, sink);
        for record in &walk.nsproxies {
            found.nsproxies_found += u64::from(self.merge_nsproxy(record, sink));
        }
        self.relink_nsproxies(sink);
        self.merge_procfs(walk);
        self.count_tasks(walk);
        self.meet_people(walk);
        self.meet_waiting(walk);
        if walk.all_tasks {
            self.end_absent_nsproxies(walk, sink);
            self.end_absent_tasks(walk);
        }
        self.settle(sink);
        self.end_absent_namespaces(walk, sink);
        self.settle(sink);
        self.speak_again();
        self.chains.end_all(sink);
        self.judge_walk(walk, sink);
        self.complete = walk.all_of;

        let mut done = Corrections::default();
        if !first {
            done = found;
        }
        for transition in transitions.iter().skip(before) {
            done.count(&transition.what);
        }
        done
    }

    /// Up to 6.17 the initial network and mount namespaces look like any
    /// other: they are those of the kernel's own threads.
    fn find_initial(&mut self, walk: &Walk) {
        if self.config.kernel_ids {
            return;
        }
        let kernel_thread = walk
            .tasks
            .iter()
            .filter(|task| task.kthread && task.nsproxy.is_some())
            .min_by_key(|task| task.pid);
        let Some(key) = kernel_thread.and_then(|task| task.nsproxy) else {
            return;
        };
        let Some(record) = walk.nsproxies.iter().find(|r| r.nsproxy.key == key) else {
            return;
        };
        self.initial_keys.clear();
        for slot in [Slot::Net, Slot::Mnt] {
            if let Some(pointer) = record.nsproxy.slots[slot as usize] {
                self.initial_keys.push(pointer.key);
            }
        }
    }

    /// True if the namespace was not known.
    fn merge_namespace(&mut self, record: &WalkNs, sink: &mut Sink<'_>) -> bool {
        let (facts, time) = (&record.ns, record.time);
        if facts.refs == Some(0) {
            return self.merge_ended(record, sink);
        }
        let who = Identity::from(facts);
        let known = match self.meet(&who, time, sink) {
            Met::Gone => return false,
            Met::Stranger => None,
            Met::Known(handle) if self.counts_anew(handle, record) => {
                self.replace(handle, time, sink);
                None
            }
            Met::Known(handle) => Some(handle),
        };
        let handle = if let Some(handle) = known {
            self.seen(handle, facts, time, sink);
            self.promote(handle, facts, sink);
            handle
        } else {
            // What is met alive was buried by mistake.
            if self.grave_of(&who).is_some_and(|stone| time <= stone.time) {
                return false;
            }
            match self.learn(facts, time, &self.arrival(facts.kind), sink) {
                Some(handle) => handle,
                None => return false,
            }
        };
        self.read_count(handle, record.sequence, facts.active, sink);
        if let Some(sequence) = record.tasks_sequence {
            self.tasks_counted(handle, facts, sequence, time);
        }
        if let Some(entry) = self.namespaces.get_mut(handle) {
            entry.walked = self.walks;
            entry.inodes.walked(facts.inode, time);
            entry.because.nsfs = entry.inodes.count();
            self.weigh(handle);
            self.enqueue(handle);
        }
        known.is_none()
    }

    /// How a namespace that was not known enters the picture: only what an
    /// earlier walk would have met must be new.
    pub(super) fn arrival(&self, kind: NsKind) -> Arrival<'static> {
        if self.complete[kind as usize] {
            Arrival::Missed
        } else {
            Arrival::Discovered
        }
    }

    /// Ties what could not be tied before: a parent may come after its child,
    /// and another owner in the place of the one that was thought to be there.
    fn link_all(&mut self, walk: &Walk, sink: &mut Sink<'_>) {
        for record in &walk.namespaces {
            if let Some(&handle) = self.by_key.get(&record.ns.key)
                && self
                    .namespaces
                    .get(handle)
                    .is_some_and(|entry| entry.walked == self.walks)
            {
                self.link(handle, record.time, sink);
            }
        }
        // What is destroyed keeps the owner that it had.
        let is_adrift = |entry: &Entry| {
            matches!(entry.state(), Some(State::Active | State::Inactive))
                && self.untied(entry) != (None, None)
        };
        let adrift: Vec<_> = self
            .namespaces
            .iter()
            .filter(|(_, entry)| is_adrift(entry))
            .map(|(handle, entry)| (handle, entry.last_seen))
            .collect();
        for (handle, time) in adrift {
            self.link(handle, time, sink);
        }
    }

    /// True if the nsproxy was not known.
    fn merge_nsproxy(&mut self, record: &WalkNsproxy, sink: &mut Sink<'_>) -> bool {
        let key = record.nsproxy.key;
        let dead_until = self.nsproxy_dead_until(key);
        if dead_until.is_some_and(|until| record.time <= until) {
            return false;
        }
        let found = self.hold(&record.nsproxy, record.time, None, sink);
        if let Some(held) = self.nsproxies.get_mut(&key) {
            held.walked = self.walks;
        }
        found
    }

    /// Sets the number of tasks in each namespace. A task is in the
    /// namespaces of its nsproxy, except those that are for its children, and
    /// in a user and a pid namespace of its own.
    fn count_tasks(&mut self, walk: &Walk) {
        let mut users: HashMap<Key, u32> = HashMap::new();
        let mut tasks: HashMap<NsHandle, u32> = HashMap::new();
        for task in &walk.tasks {
            if let Some(nsproxy) = task.nsproxy {
                *users.entry(nsproxy).or_default() += 1;
            }
            for (key, kind) in [(task.user_ns, NsKind::User), (task.pid_ns, NsKind::Pid)] {
                if let Some(handle) = key.and_then(|key| self.at(key, kind)) {
                    *tasks.entry(handle).or_default() += 1;
                }
            }
        }
        for (key, count) in users {
            let Some(held) = self.nsproxies.get(&key) else {
                continue;
            };
            for slot in Slot::ALL {
                if let Some(handle) = held.links[slot as usize]
                    && !matches!(slot, Slot::PidForChildren | Slot::TimeForChildren)
                {
                    *tasks.entry(handle).or_default() += count;
                }
            }
        }
        for (handle, entry) in &mut self.namespaces {
            let Some(ns) = &mut entry.ns else {
                continue;
            };
            // A namespace that came while the walk went on may have got its
            // tasks behind the walk's back.
            let was_there = entry.first_seen < walk.started_at
                || (entry.walked == self.walks && ns.created_at.is_none());
            let none = (walk.all_tasks && was_there).then_some(0);
            if let Some(count) = tasks.get(&handle).copied().or(none) {
                ns.tasks = Some(count);
            }
        }
    }

    /// Ends the nsproxies that a walk of all tasks did not meet.
    fn end_absent_nsproxies(&mut self, walk: &Walk, sink: &mut Sink<'_>) {
        let mut absent: Vec<_> = self
            .nsproxies
            .iter()
            .filter(|(_, held)| {
                held.walked != self.walks
                    && held.last_seen.saturating_add(FORKING) < walk.started_at
            })
            .map(|(&key, held)| (held.id, key))
            .collect();
        absent.sort_unstable();
        for (_, key) in absent {
            self.let_go(key, walk.started_at, None, sink);
        }
    }

    /// Ends the namespaces that cannot be there any more: those that a walk
    /// of all namespaces did not meet, those whose end the kernel programs saw,
    /// those whose inode number somebody else has, and those that were
    /// destroyed long ago.
    fn end_absent_namespaces(&mut self, walk: &Walk, sink: &mut Sink<'_>) {
        let holders: HashMap<u32, &WalkNs> = walk
            .namespaces
            .iter()
            .map(|record| (record.ns.inum.get(), record))
            .collect();
        let gone: HashSet<Key> = walk.gone.iter().copied().collect();
        let is_gone = |entry: &Entry| {
            let Some(ns) = &entry.ns else {
                return false;
            };
            if entry.walked == self.walks || entry.last_seen >= walk.started_at {
                return false;
            }
            let replaced = holders
                .get(&ns.inum)
                .is_some_and(|holder| holder.ns.key != entry.identity.key);
            replaced
                || gone.contains(&entry.identity.key)
                || match ns.state {
                    State::Active | State::Inactive => walk.all_of[ns.kind as usize],
                    State::Destroyed => entry.last_seen.saturating_add(FREEING) < walk.started_at,
                }
        };
        let mut gone: Vec<_> = self
            .namespaces
            .iter()
            .filter(|(_, entry)| is_gone(entry))
            .filter_map(|(handle, entry)| Some((entry.ns.as_ref()?.id, handle)))
            .collect();
        // What came last goes first: owners after what they own.
        gone.sort_unstable_by(|a, b| b.cmp(a));
        for (_, handle) in gone {
            self.bury(handle, walk.started_at, sink);
        }
    }
}
