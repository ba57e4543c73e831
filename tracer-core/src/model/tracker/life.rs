//! Birth and death: how a namespace enters the picture, and how it leaves.

use super::super::{
    Contributors, Counts, Creator, Lifecycle, Namespace, NsFacts, NsRef, Origin, State,
};
use super::entry::{Entry, Identity, NsHandle};
use super::identity::{Located, Met};
use super::sink::Sink;
use super::{NsGrave, Tracker};

/// How long after a namespace gave back its number its last reference may be
/// reported: mount namespaces do it in that order from 6.18 on, within one
/// function. Nanoseconds.
const LATE: u64 = 5_000_000;

/// How a namespace enters the picture.
pub(super) enum Arrival<'a> {
    /// It was created just now.
    Created(&'a Origin),
    /// It had been there, for all that is known.
    Discovered,
    /// It was created since the last look, and that was missed.
    Missed,
}

/// How it is known that the last reference to a namespace is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// That was reported when it happened.
    Seen,
    /// From what comes later: nobody knows when it happened.
    Concluded,
}

impl Tracker {
    /// A namespace was created.
    pub(super) fn created(&mut self, facts: &NsFacts, origin: &Origin, sink: &mut Sink<'_>) {
        let who = Identity::from(facts);
        let time = sink.at();
        if let Located::Stale = self.locate(&who, time, sink) {
            return;
        }
        if let Some(handle) = self.known_at(&who) {
            if !self.predates(handle, &who, time) {
                self.born(handle, origin);
                return;
            }
            self.replace(handle, time, sink);
        }
        // Freed and created within the clock's resolution is still in order.
        if self.dead_until(&who).is_none_or(|until| time >= until) {
            self.learn(facts, time, &Arrival::Created(origin), sink);
        }
    }

    /// Whether an entry with the same address and inode number was there
    /// before a creation at `time`, so that its own end was missed.
    fn predates(&self, handle: NsHandle, who: &Identity, time: u64) -> bool {
        self.namespaces
            .get(handle)
            .is_some_and(|entry| !entry.identity.is_certainly(who) && entry.first_seen < time)
    }

    /// The creation of a namespace that was discovered before its record was
    /// read: it only tells when, and by whom.
    fn born(&mut self, handle: NsHandle, origin: &Origin) {
        if let Some(entry) = self.namespaces.get_mut(handle)
            && let Some(ns) = &mut entry.ns
            && ns.created_at.is_none()
            && !ns.initial
        {
            ns.created_at = Some(origin.time);
            ns.creator = Some(creator(origin));
            if ns.state != State::Active {
                // Taken for one that had been active, as old ones have.
                ns.was_active = false;
            }
        }
    }

    /// The entry that an event is about, made known if it was not. `None` if
    /// it is gone.
    pub(super) fn observed(&mut self, facts: &NsFacts, sink: &mut Sink<'_>) -> Option<NsHandle> {
        let who = Identity::from(facts);
        let time = sink.at();
        match self.meet(&who, time, sink) {
            Met::Gone => return None,
            Met::Known(handle) => {
                self.seen(handle, facts, time, sink);
                return Some(handle);
            }
            Met::Stranger => {}
        }
        if self.dead_until(&who).is_some_and(|until| time <= until) {
            return None;
        }
        self.learn(facts, time, &Arrival::Discovered, sink)
    }

    /// The last reference to a namespace was dropped. Heard twice of some:
    /// when the count becomes zero, and when that is processed.
    pub(super) fn last_ref(&mut self, facts: &NsFacts, sink: &mut Sink<'_>) {
        let who = Identity::from(facts);
        let over = match self.known_at(&who) {
            Some(handle) => self.is_destroyed(handle),
            None => self
                .dead_until(&who)
                .is_some_and(|until| sink.at() <= until.saturating_add(LATE)),
        };
        if over {
            return;
        }
        let Some(handle) = self.observed(facts, sink) else {
            return;
        };
        self.settle(sink);
        self.speak_again();
        self.destroy(handle, End::Seen, sink);
    }

    /// The inode number of a namespace was given back.
    pub(super) fn freed(&mut self, ns: &NsRef, sink: &mut Sink<'_>) {
        let who = Identity::from(ns);
        let time = sink.at();
        match self.locate(&who, time, sink) {
            Located::At(handle) => {
                // Seen later, it is one in the place of the one that was freed.
                if let Some(entry) = self.namespaces.get_mut(handle)
                    && entry.last_seen <= time
                {
                    entry.identity.inum = who.inum;
                    self.cleaned_up(handle, sink.thread());
                    self.bury(handle, time, sink);
                }
            }
            // What is still to come of it, late, must find it dead.
            Located::Nowhere | Located::Stale => {
                if self.grave_of(&who).is_none_or(|stone| stone.time < time) {
                    let grave = NsGrave {
                        unique: None,
                        id: None,
                    };
                    self.graves.insert((ns.key, ns.inum, ns.kind), time, grave);
                }
            }
        }
    }

    /// Makes a namespace known. `None` if it cannot be told from another.
    pub(super) fn learn(
        &mut self,
        facts: &NsFacts,
        time: u64,
        arrival: &Arrival<'_>,
        sink: &mut Sink<'_>,
    ) -> Option<NsHandle> {
        let (id, initial) = self.identify(facts, time, sink)?;
        let handle = self.entry_for(Identity::from(facts), time);
        let origin = match arrival {
            Arrival::Created(origin) => Some(*origin),
            Arrival::Discovered | Arrival::Missed => None,
        };
        let ns = Namespace {
            id,
            ns_id: facts.ns_id.map(u64::from),
            kind: facts.kind,
            inum: facts.inum.get(),
            state: State::Inactive,
            since: origin.map(|origin| origin.time),
            // Between creation and first use lie microseconds: what is found
            // unused has been used.
            was_active: matches!(arrival, Arrival::Discovered),
            counts: Counts {
                refs: facts.refs,
                active: facts.active,
                at: time,
            },
            initial,
            owner: None,
            parent: None,
            owner_uid: facts.owner_uid,
            level: facts.level,
            tasks: None,
            zombies: None,
            reaper: None,
            because: Contributors::default(),
            procfs: None,
            created_at: origin.map(|origin| origin.time),
            creator: origin.map(creator),
            inactive_at: None,
            destroyed_at: None,
        };
        self.by_id.insert(id, handle);
        self.census.enter(ns.kind, ns.state);
        let entry = self.namespaces.get_mut(handle)?;
        entry.ns = Some(ns);
        entry.quiet = matches!(arrival, Arrival::Discovered);
        if entry.quiet {
            self.quiet.push(handle);
        }
        self.sample_tasks(handle, facts, time);
        self.note_pids(handle, facts);
        self.link(handle, time, sink);
        self.line_up(handle, time);
        if !matches!(arrival, Arrival::Discovered)
            && let Some(ns) = self.view(handle)
        {
            sink.namespace(Lifecycle::Created, ns);
        }
        let counted = self.config.kernel_counts
            && origin.is_none()
            && facts.active.is_some_and(|count| count.cast_signed() > 0);
        if initial || counted {
            self.set_active(handle, true, sink);
        }
        self.enqueue(handle);
        Some(handle)
    }

    /// The entry at this address, which others may have referred to, or else
    /// a new one.
    pub(super) fn entry_for(&mut self, identity: Identity, time: u64) -> NsHandle {
        if let Some(&handle) = self.by_key.get(&identity.key)
            && let Some(entry) = self.namespaces.get_mut(handle)
        {
            entry.identity = identity;
            entry.seen(time);
            return handle;
        }
        let handle = self.namespaces.insert(Entry::referred_to(identity, time));
        self.by_key.insert(identity.key, handle);
        handle
    }

    /// Says that the last reference is gone, unless that was said.
    pub(super) fn destroy(&mut self, handle: NsHandle, end: End, sink: &mut Sink<'_>) {
        let Some(entry) = self.namespaces.get(handle) else {
            return;
        };
        if entry.is_initial() || entry.state().is_none_or(|state| state == State::Destroyed) {
            return;
        }
        self.set_active(handle, false, sink);
        let Some(entry) = self.namespaces.get_mut(handle) else {
            return;
        };
        let Some(ns) = &mut entry.ns else {
            return;
        };
        self.census.leave(ns.kind, ns.state);
        ns.state = State::Destroyed;
        ns.since = sink.since().filter(|_| end == End::Seen);
        ns.destroyed_at = ns.since;
        self.census.enter(ns.kind, ns.state);
        self.line_up(handle, sink.at());
        self.weigh(handle);
        if let Some(ns) = self.view(handle) {
            sink.namespace(Lifecycle::Destroyed, ns);
        }
    }

    /// Buries an entry whose place another one was seen to have at `time`.
    pub(super) fn replace(&mut self, handle: NsHandle, time: u64, sink: &mut Sink<'_>) {
        // Just before, or the tombstone would be the other one's.
        self.bury(handle, time.saturating_sub(1), &mut sink.missed());
    }

    /// Takes an entry out of the picture, saying what was not said yet, and
    /// remembers that it was freed at `time`. Initial namespaces stay.
    pub(super) fn bury(&mut self, handle: NsHandle, time: u64, sink: &mut Sink<'_>) {
        if self.namespaces.get(handle).is_none_or(Entry::is_initial) {
            return;
        }
        self.destroy(handle, End::Concluded, sink);
        let last = self.view(handle);
        self.set_pids(handle, 0);
        self.step_out(handle);
        let Some(entry) = self.namespaces.remove(handle) else {
            return;
        };
        self.by_key.remove(&entry.identity.key);
        for above in [entry.owner, entry.parent].into_iter().flatten() {
            self.disown(above);
        }
        if let Some(ns) = last {
            sink.namespace(Lifecycle::Freed, ns);
            self.census.leave(ns.kind, ns.state);
            self.by_id.remove(&ns.id);
            self.forget_people(handle, ns.id);
        }
        let Identity {
            key,
            kind,
            inum,
            unique,
            ..
        } = entry.identity;
        if let Some(inum) = inum {
            let id = last.map(|ns| ns.id);
            let grave = NsGrave { unique, id };
            self.graves.insert((key, inum, kind), time, grave);
        }
    }
}

fn creator(origin: &Origin) -> Creator {
    Creator {
        task: origin.task,
        cgroup: origin.cgroup,
    }
}
