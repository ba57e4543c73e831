//! Which namespace an observation is about, and what it is called.
//!
//! Addresses and inode numbers are reused as soon as they are free, so both
//! may fit and still belong to another one. What decides then is a number
//! that is never reused, where the kernel has one, and else the time.

use tracer_common::kind::NsKind;

use super::super::{Key, NsFacts, NsId, State};
use super::entry::{Entry, Identity, NsHandle, agree};
use super::sink::Sink;
use super::tombstones::Tombstone;
use super::{NsGrave, Tracker};

/// The first of the inode numbers that the kernel set aside for initial
/// namespaces; below it there are only ids.
pub(super) const FIRST_INUM: u64 = 0xEFFF_FFF8;

/// How many initial namespaces there are: the ids up to this are theirs.
pub(super) const INITIAL: u64 = 8;

/// Whom an observation means.
pub(super) enum Located {
    /// This entry, known or only referred to.
    At(NsHandle),
    /// One that is not there (any more, or yet).
    Nowhere,
    /// One that has a successor at its address: there is nothing to learn.
    Stale,
}

/// Whom an observation of a namespace that is there met.
pub(super) enum Met {
    /// This entry, which is known.
    Known(NsHandle),
    /// One that is not known (any more, or yet), or only referred to.
    Stranger,
    /// One that was there before what is there now: there is nothing to
    /// learn.
    Gone,
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

    /// Finds whom an observation made at `time` met, alive. An entry with the
    /// same address and inode number whose end was missed is buried.
    pub(super) fn meet(&mut self, who: &Identity, time: u64, sink: &mut Sink<'_>) -> Met {
        let handle = match self.locate(who, time, sink) {
            Located::At(handle) => handle,
            Located::Nowhere => return Met::Stranger,
            Located::Stale => return Met::Gone,
        };
        let Some((entry, ns)) = self
            .namespaces
            .get(handle)
            .and_then(|entry| Some((entry, entry.ns.as_ref()?)))
        else {
            return Met::Stranger;
        };
        if entry.identity.is_certainly(who) {
            Met::Known(handle)
        } else if ns.created_at.is_some_and(|created_at| time < created_at) {
            Met::Gone
        } else if ns
            .destroyed_at
            .is_some_and(|destroyed_at| time > destroyed_at)
        {
            self.replace(handle, time, sink);
            Met::Stranger
        } else {
            Met::Known(handle)
        }
    }

    /// Up to when what is said about this namespace can only be about one
    /// that was freed: for ever, if a number tells that it is the same.
    pub(super) fn dead_until(&self, who: &Identity) -> Option<u64> {
        let stone = self.grave_of(who)?;
        // Address and inode number may both be in use again.
        let is_certain = stone.about.unique.is_some() && who.unique.is_some();
        Some(if is_certain { u64::MAX } else { stone.time })
    }

    /// The tombstone of this namespace, if nothing tells that it is another
    /// one's.
    pub(super) fn grave_of(&self, who: &Identity) -> Option<&Tombstone<NsGrave>> {
        let stone = self.graves.get(&(who.key, who.inum?, who.kind))?;
        agree(stone.about.unique, who.unique).then_some(stone)
    }

    /// The entry at this address, known or only referred to, if it is of this
    /// type.
    pub(super) fn at(&self, key: Key, kind: NsKind) -> Option<NsHandle> {
        let &handle = self.by_key.get(&key)?;
        (self.namespaces.get(handle)?.identity.kind == kind).then_some(handle)
    }

    /// Whether its last reference is gone.
    pub(super) fn is_destroyed(&self, handle: NsHandle) -> bool {
        let entry = self.namespaces.get(handle);
        entry.and_then(Entry::state) == Some(State::Destroyed)
    }

    /// The entry at this address, if it is known and agrees.
    pub(super) fn known_at(&self, who: &Identity) -> Option<NsHandle> {
        let &handle = self.by_key.get(&who.key)?;
        let entry = self.namespaces.get(handle)?;
        (entry.ns.is_some() && entry.identity.agrees_with(who)).then_some(handle)
    }

    /// The id of a namespace that enters the picture, and whether it is an
    /// initial one. `None` if the kernel should have numbered it and did not,
    /// or if its number is taken by one that cannot be gone.
    pub(super) fn identify(
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
            entry.quiet = true;
            self.quiet.push(handle);
            self.step_out(handle);
            self.weigh(handle);
            self.set_active(handle, true, sink);
        }
    }
}

/// The id of the initial namespace of this type, in the order that 6.19
/// fixed.
const fn initial_id(kind: NsKind) -> u64 {
    match kind {
        NsKind::Ipc => 1,
        NsKind::Uts => 2,
        NsKind::User => 3,
        NsKind::Pid => 4,
        NsKind::Cgroup => 5,
        NsKind::Time => 6,
        NsKind::Net => 7,
        NsKind::Mnt => 8,
    }
}
