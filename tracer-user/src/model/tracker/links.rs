//! Who refers to whom.

use tracer_common::kind::NsKind;

use super::super::{Counts, Key, NsFacts, State};
use super::Tracker;
use super::entry::{Entry, Identity, NsHandle};
use super::identity::Located;
use super::sink::Sink;

impl Tracker {
    /// Takes over what an observation made at `time` adds to a known
    /// namespace: newer counts, and what could not be found out before.
    pub(super) fn seen(
        &mut self,
        handle: NsHandle,
        facts: &NsFacts,
        time: u64,
        sink: &mut Sink<'_>,
    ) {
        let Some(entry) = self.namespaces.get_mut(handle) else {
            return;
        };
        entry.seen(time);
        let who = Identity::from(facts);
        entry.identity.unique = entry.identity.unique.or(who.unique);
        entry.identity.owner = entry.identity.owner.or(who.owner);
        if let Some(ns) = &mut entry.ns
            && time >= ns.counts.at
            && (facts.refs.is_some() || facts.active.is_some())
        {
            ns.counts = Counts {
                refs: facts.refs,
                active: facts.active,
                at: time,
            };
        }
        self.sample_tasks(handle, facts, time);
        self.link(handle, facts.owner, facts.parent, time, sink);
    }

    /// Ties a known namespace to its owner and parent, as far as that is not
    /// done.
    pub(super) fn link(
        &mut self,
        handle: NsHandle,
        owner: Option<Key>,
        parent: Option<Key>,
        time: u64,
        sink: &mut Sink<'_>,
    ) {
        let Some(entry) = self.namespaces.get(handle) else {
            return;
        };
        let linked = entry
            .owner
            .is_some_and(|owner| self.namespaces.contains_key(owner));
        if !linked
            && let Some(key) = owner
            && let Some(owner) = self.owner_at(key, handle, time, sink)
        {
            self.own(owner, handle);
        }
        let Some(entry) = self.namespaces.get(handle) else {
            return;
        };
        let Some(ns) = &entry.ns else {
            return;
        };
        let owner = ns.owner.or_else(|| self.id_at(entry.owner?));
        let above = parent.and_then(|parent| {
            let &handle = self.by_key.get(&parent)?;
            let parent = self.namespaces.get(handle)?.ns.as_ref()?;
            (parent.kind == ns.kind).then_some((handle, parent.id))
        });
        let parent = match ns.kind {
            // One and the same, and the owner is put right if it was mistaken.
            NsKind::User => owner,
            _ => ns.parent.or(above.map(|(_, id)| id)),
        };
        if let Some(entry) = self.namespaces.get_mut(handle)
            && let Some(ns) = &mut entry.ns
        {
            // Kept here because the entries may be removed before this one.
            ns.owner = owner;
            ns.parent = parent;
        }
        if let Some((above, _)) = above {
            self.adopt(handle, above);
        }
    }

    /// The user namespace at this address, which owned `child` at `time`.
    fn owner_at(
        &mut self,
        key: Key,
        child: NsHandle,
        time: u64,
        sink: &mut Sink<'_>,
    ) -> Option<NsHandle> {
        let who = Identity {
            key,
            kind: NsKind::User,
            inum: None,
            unique: None,
            owner: None,
        };
        if self.by_key.get(&key) == Some(&child) {
            return None;
        }
        match self.locate(&who, time, sink) {
            Located::At(owner) => Some(owner),
            Located::Nowhere => Some(self.entry_for(who, time)),
            Located::Stale => None,
        }
    }

    fn own(&mut self, owner: NsHandle, child: NsHandle) {
        let id = self.id_at(owner);
        let Some(entry) = self.namespaces.get_mut(child) else {
            return;
        };
        entry.owner = Some(owner);
        if let Some(ns) = &mut entry.ns {
            ns.owner = id;
        }
        let active = entry.state() == Some(State::Active);
        if let Some(owner) = self.namespaces.get_mut(owner) {
            owner.children = owner.children.saturating_add(1);
        }
        if active {
            self.owned_changed(owner, true);
        }
    }

    /// One that this user namespace owned was removed.
    pub(super) fn disown(&mut self, owner: NsHandle) {
        if let Some(entry) = self.namespaces.get_mut(owner) {
            entry.children = entry.children.saturating_sub(1);
        }
        self.forget_unused(owner);
    }

    /// The namespace that a slot of an nsproxy points to now counts one more
    /// pointer. `None` if it cannot be there.
    pub(super) fn refer(
        &mut self,
        who: &Identity,
        time: u64,
        sink: &mut Sink<'_>,
    ) -> Option<NsHandle> {
        let handle = match self.locate(who, time, sink) {
            Located::At(handle) => handle,
            Located::Nowhere if self.dead_until(who).is_some_and(|until| time <= until) => {
                return None;
            }
            Located::Nowhere => self.entry_for(*who, time),
            Located::Stale => return None,
        };
        let entry = self.namespaces.get_mut(handle)?;
        entry.seen(time);
        entry.because.nsproxies = entry.because.nsproxies.saturating_add(1);
        self.enqueue(handle);
        Some(handle)
    }

    /// Takes back one [`Self::refer`].
    pub(super) fn release(&mut self, handle: NsHandle) {
        if let Some(entry) = self.namespaces.get_mut(handle) {
            entry.because.nsproxies = entry.because.nsproxies.saturating_sub(1);
            self.enqueue(handle);
            self.forget_unused(handle);
        }
    }

    /// Drops an entry that was only referred to, and is not any more.
    fn forget_unused(&mut self, handle: NsHandle) {
        if self.namespaces.get(handle).is_some_and(Entry::is_forgotten)
            && let Some(entry) = self.namespaces.remove(handle)
        {
            self.by_key.remove(&entry.identity.key);
        }
    }
}
