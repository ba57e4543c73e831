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
        entry.identity.parent = entry.identity.parent.or(who.parent);
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
        self.note_pids(handle, facts);
        self.link(handle, time, sink);
    }

    /// Ties a known namespace to its owner and parent, which it had at `time`,
    /// as far as that is not done.
    pub(super) fn link(&mut self, handle: NsHandle, time: u64, sink: &mut Sink<'_>) {
        let Some(entry) = self.namespaces.get(handle) else {
            return;
        };
        let (owner, parent) = self.untied(entry);
        if let Some(key) = owner
            && let Some(owner) = self.above(key, NsKind::User, handle, time, sink)
        {
            self.own(owner, handle);
        }
        if let Some(key) = parent
            && let Some(parent) = self.above(key, NsKind::Pid, handle, time, sink)
        {
            self.adopt(handle, parent);
        }
        let Some(entry) = self.namespaces.get(handle) else {
            return;
        };
        let Some(ns) = &entry.ns else {
            return;
        };
        let owner = ns.owner.or_else(|| self.id_at(entry.owner?));
        let parent = ns.parent.or_else(|| self.id_at(entry.parent?));
        if let Some(entry) = self.namespaces.get_mut(handle)
            && let Some(ns) = &mut entry.ns
        {
            // Kept here because the entries may be removed before this one.
            ns.owner = owner;
            ns.parent = parent;
        }
    }

    /// Owner and parent of a namespace, where it is not tied to them. The
    /// parent of a user namespace is its owner.
    pub(super) fn untied(&self, entry: &Entry) -> (Option<Key>, Option<Key>) {
        let is_tied = |above: Option<NsHandle>| {
            above.is_some_and(|above| self.namespaces.contains_key(above))
        };
        let Identity {
            kind,
            owner,
            parent,
            ..
        } = entry.identity;
        (
            owner.filter(|_| !is_tied(entry.owner)),
            parent.filter(|_| kind == NsKind::Pid && !is_tied(entry.parent)),
        )
    }

    /// The namespace of this type at this address, which was the owner or the
    /// parent of `child` at `time`.
    fn above(
        &mut self,
        key: Key,
        kind: NsKind,
        child: NsHandle,
        time: u64,
        sink: &mut Sink<'_>,
    ) -> Option<NsHandle> {
        let who = Identity {
            key,
            kind,
            inum: None,
            unique: None,
            owner: None,
            parent: None,
        };
        if self.by_key.get(&key) == Some(&child) {
            return None;
        }
        match self.locate(&who, time, sink) {
            Located::At(above) => Some(above),
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

    /// Ties a pid namespace to its parent, of which its pids are pids, too.
    fn adopt(&mut self, child: NsHandle, parent: NsHandle) {
        let id = self.id_at(parent);
        let Some(entry) = self.namespaces.get_mut(child) else {
            return;
        };
        entry.parent = Some(parent);
        if let Some(ns) = &mut entry.ns {
            ns.parent = id;
        }
        let pids = entry.tasks.pids();
        if let Some(parent) = self.namespaces.get_mut(parent) {
            parent.children = parent.children.saturating_add(1);
        }
        self.pids_below(parent, 0, pids);
    }

    /// One that this namespace was the owner or the parent of was removed.
    pub(super) fn disown(&mut self, above: NsHandle) {
        if let Some(entry) = self.namespaces.get_mut(above) {
            entry.children = entry.children.saturating_sub(1);
        }
        self.forget_unused(above);
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
        let created_at = entry.ns.as_ref().and_then(|ns| ns.created_at);
        if created_at.is_some_and(|created_at| time < created_at) {
            return None;
        }
        entry.seen(time);
        entry.because.nsproxies = entry.because.nsproxies.saturating_add(1);
        self.weigh(handle);
        self.enqueue(handle);
        Some(handle)
    }

    /// Takes back one [`Self::refer`].
    pub(super) fn release(&mut self, handle: NsHandle) {
        if let Some(entry) = self.namespaces.get_mut(handle) {
            entry.because.nsproxies = entry.because.nsproxies.saturating_sub(1);
            self.weigh(handle);
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
