//! Birth and death: which namespace an observation is about, how it enters
//! the picture, and how it leaves.

use super::super::{
    Contributors, Counts, Creator, Lifecycle, Namespace, NsFacts, NsId, NsRef, Origin, State,
};
use super::entry::{Entry, Identity, NsHandle};
use super::sink::Sink;
use super::{FIRST_INUM, INITIAL, NsGrave, Tracker, initial_id};

/// How long after a namespace gave back its number its last reference may be
/// reported: mount namespaces do it in that order from 6.18 on, within one
/// function. Nanoseconds.
const LATE: u64 = 5_000_000;

/// Whom an observation means.
pub(super) enum Located {
    /// This entry, known or only referred to.
    At(NsHandle),
    /// One that is not there (any more, or yet).
    Nowhere,
    /// One that has a successor at its address: there is nothing to learn.
    Stale,
}

/// Whom an observation met, compared with the entry that has its address and
/// inode number.
pub(super) enum Met {
    /// The very same.
    Same,
    /// One that the entry only refers to so far.
    Reference,
    /// One that was there before.
    Predecessor,
    /// One that is there now, while the end of the entry was missed.
    Successor,
}

/// How a namespace enters the picture.
pub(super) enum Arrival<'a> {
    /// It was created just now.
    Created(&'a Origin),
    /// It had been there, for all that is known.
    Discovered,
    /// It was created since the last look, and that was missed.
    Missed,
}

impl Tracker {
    /// Finds whom an observation made at `time` means. If it proves that
    /// another namespace has taken the place of the one that was thought to
    /// be there, that one is buried.
    pub(super) fn locate(&mut self, who: &Identity, time: u64, sink: &mut Sink<'_>) -> Located {
        let Some(&handle) = self.by_key.get(&who.key) else {
            return Located::Nowhere;
        };
        let Some(entry) = self.namespaces.get(handle) else {
            return Located::Nowhere;
        };
        if entry.identity.agrees_with(who) {
            return Located::At(handle);
        }
        if entry.is_initial() || time < entry.first_seen {
            return Located::Stale;
        }
        self.replace(handle, time, sink);
        Located::Nowhere
    }

    /// Compares what met `who`, alive, at `time` with the entry that has its
    /// address and inode number.
    pub(super) fn compare(&self, handle: NsHandle, who: &Identity, time: u64) -> Met {
        let Some((entry, ns)) = self
            .namespaces
            .get(handle)
            .and_then(|entry| Some((entry, entry.ns.as_ref()?)))
        else {
            return Met::Reference;
        };
        if entry.identity.is_certainly(who) {
            Met::Same
        } else if ns.created_at.is_some_and(|created_at| time < created_at) {
            Met::Predecessor
        } else if ns
            .destroyed_at
            .is_some_and(|destroyed_at| time > destroyed_at)
        {
            Met::Successor
        } else {
            Met::Same
        }
    }

    /// Up to when what is said about this namespace can only be about one
    /// that was freed: for ever, if a number tells that it is the same.
    pub(super) fn dead_until(&self, who: &Identity) -> Option<u64> {
        let stone = self.graves.get(&(who.key, who.inum?))?;
        if stone.about.kind != who.kind {
            return None;
        }
        match (stone.about.unique, who.unique) {
            (Some(dead), Some(unique)) => (dead == unique).then_some(u64::MAX),
            // Address and inode number may both be in use again.
            _ => Some(stone.time),
        }
    }

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

    /// The entry at this address, if it is known and agrees.
    fn known_at(&self, who: &Identity) -> Option<NsHandle> {
        let &handle = self.by_key.get(&who.key)?;
        let entry = self.namespaces.get(handle)?;
        (entry.ns.is_some() && entry.identity.agrees_with(who)).then_some(handle)
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
        match self.locate(&who, time, sink) {
            Located::Stale => return None,
            Located::Nowhere => {}
            Located::At(handle) => match self.compare(handle, &who, time) {
                Met::Same => {
                    self.seen(handle, facts, time, sink);
                    return Some(handle);
                }
                Met::Reference => {}
                Met::Predecessor => return None,
                Met::Successor => self.replace(handle, time, sink),
            },
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
            Some(handle) => self
                .namespaces
                .get(handle)
                .is_some_and(|entry| entry.state() == Some(State::Destroyed)),
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
        self.destroy(handle, sink);
    }

    /// The inode number of a namespace was given back.
    pub(super) fn freed(&mut self, ns: &NsRef, sink: &mut Sink<'_>) {
        let who = Identity::from(ns);
        let time = sink.at();
        match self.locate(&who, time, sink) {
            Located::At(handle) => {
                if let Some(entry) = self.namespaces.get_mut(handle)
                    && entry.first_seen <= time
                {
                    entry.identity.inum = who.inum;
                    self.bury(handle, time, sink);
                }
            }
            Located::Nowhere => self.graves.insert(
                (ns.key, ns.inum),
                time,
                NsGrave {
                    kind: ns.kind,
                    unique: None,
                    id: None,
                },
            ),
            Located::Stale => {}
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
            because: Contributors::default(),
            created_at: origin.map(|origin| origin.time),
            creator: origin.map(creator),
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
        self.link(handle, facts.owner, facts.parent, time, sink);
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

    /// The id of a namespace that enters the picture, and whether it is an
    /// initial one. `None` if the kernel should have numbered it and did not,
    /// or if its number is taken by one that cannot be gone.
    fn identify(
        &mut self,
        facts: &NsFacts,
        time: u64,
        sink: &mut Sink<'_>,
    ) -> Option<(NsId, bool)> {
        let initial = self.looks_initial(facts);
        if !self.config.kernel_ids {
            let id = NsId(initial_id(facts.kind));
            if initial && !self.by_id.contains_key(&id) {
                return Some((id, true));
            }
            let id = NsId(self.next_id);
            self.next_id += 1;
            return Some((id, false));
        }
        let id = NsId(facts.ns_id?.get());
        if let Some(&holder) = self.by_id.get(&id) {
            let entry = self.namespaces.get(holder)?;
            if entry.is_initial() || time < entry.first_seen {
                return None;
            }
            self.replace(holder, time, sink);
        }
        Some((id, initial))
    }

    fn looks_initial(&self, facts: &NsFacts) -> bool {
        if self.config.kernel_counts {
            return facts.ns_id.is_some_and(|id| id.get() <= INITIAL);
        }
        u64::from(facts.inum.get()) == FIRST_INUM + INITIAL - initial_id(facts.kind)
            || self.initial_keys.contains(&facts.key)
    }

    /// Makes a known namespace the initial one that it turns out to be. Before
    /// the first walk this cannot be told on kernels up to 6.17.
    pub(super) fn promote(&mut self, handle: NsHandle, facts: &NsFacts, sink: &mut Sink<'_>) {
        let id = NsId(initial_id(facts.kind));
        if self.config.kernel_ids || !self.looks_initial(facts) || self.by_id.contains_key(&id) {
            return;
        }
        if let Some(entry) = self.namespaces.get_mut(handle)
            && let Some(ns) = &mut entry.ns
            && ns.state != State::Destroyed
        {
            self.by_id.remove(&ns.id);
            self.by_id.insert(id, handle);
            ns.id = id;
            ns.initial = true;
            self.set_active(handle, true, sink);
        }
    }

    /// Says that the last reference is gone, unless that was said.
    pub(super) fn destroy(&mut self, handle: NsHandle, sink: &mut Sink<'_>) {
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
        ns.since = sink.since();
        ns.destroyed_at = sink.since();
        self.census.enter(ns.kind, ns.state);
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
        self.destroy(handle, sink);
        let last = self.view(handle);
        let Some(entry) = self.namespaces.remove(handle) else {
            return;
        };
        self.by_key.remove(&entry.identity.key);
        if let Some(owner) = entry.owner {
            self.disown(owner);
        }
        if let Some(ns) = last {
            sink.namespace(Lifecycle::Freed, ns);
            self.census.leave(ns.kind, ns.state);
            self.by_id.remove(&ns.id);
        }
        if let Some(inum) = entry.identity.inum {
            let grave = NsGrave {
                kind: entry.identity.kind,
                unique: entry.identity.unique,
                id: last.map(|ns| ns.id),
            };
            self.graves.insert((entry.identity.key, inum), time, grave);
        }
    }
}

fn creator(origin: &Origin) -> Creator {
    Creator {
        task: origin.task,
        cgroup: origin.cgroup,
    }
}
