//! Active or not: as the kernel counts, or else as contributors tell.

use super::super::{Key, Lifecycle, NsFacts, State};
use super::Tracker;
use super::chains::Pulled;
use super::entry::{Entry, NsHandle};
use super::inodes::Inodes;
use super::sink::Sink;

impl Tracker {
    /// The kernel's active count of a namespace was read.
    pub(super) fn counted(
        &mut self,
        facts: &NsFacts,
        sequence: u64,
        below: Option<Key>,
        sink: &mut Sink<'_>,
    ) {
        if let Some(handle) = self.observed(facts, sink) {
            let below = below.and_then(|key| self.by_key.get(&key)).copied();
            if let Some(entry) = self.namespaces.get_mut(handle) {
                entry.pulled_by = below;
            }
            self.read_count(handle, Some(sequence), facts.active, sink);
        }
    }

    /// Takes over the state that a reading of the active count shows, unless
    /// a newer one is known. A reading without a number yields to all that
    /// have one.
    pub(super) fn read_count(
        &mut self,
        handle: NsHandle,
        sequence: Option<u64>,
        active: Option<u32>,
        sink: &mut Sink<'_>,
    ) {
        let (Some(active), true) = (active, self.config.kernel_counts) else {
            return;
        };
        let Some(entry) = self.namespaces.get_mut(handle) else {
            return;
        };
        // `None` is less than any number.
        if entry.sequence.is_some() && sequence <= entry.sequence {
            return;
        }
        entry.sequence = sequence;
        // A signed count: 7.0 and 7.1 have a way to take it below zero.
        self.set_active(handle, active.cast_signed() > 0, sink);
    }

    /// Something happened to the nsfs inodes of a namespace.
    pub(super) fn nsfs_changed(
        &mut self,
        facts: &NsFacts,
        sink: &mut Sink<'_>,
        change: impl FnOnce(&mut Inodes),
    ) {
        if let Some(handle) = self.observed(facts, sink)
            && let Some(entry) = self.namespaces.get_mut(handle)
        {
            change(&mut entry.inodes);
            entry.because.nsfs = entry.inodes.count();
            self.weigh(handle);
            self.enqueue(handle);
        }
    }

    /// Makes a namespace active or inactive, says so, and tells its owner. If
    /// one below pulls it along, that is said in a chain.
    /// Initial namespaces stay active, destroyed ones inactive.
    pub(super) fn set_active(&mut self, handle: NsHandle, active: bool, sink: &mut Sink<'_>) {
        let Some(entry) = self.namespaces.get_mut(handle) else {
            return;
        };
        let pulled_by = entry.pulled_by.take();
        let Some(ns) = &mut entry.ns else {
            return;
        };
        let is_active = ns.state == State::Active;
        if is_active == active || ns.state == State::Destroyed || (ns.initial && !active) {
            return;
        }
        self.census.leave(ns.kind, ns.state);
        let (state, step) = match (active, ns.was_active) {
            (true, false) => (State::Active, Lifecycle::Activated),
            (true, true) => (State::Active, Lifecycle::Resurrected),
            (false, _) => (State::Inactive, Lifecycle::Deactivated),
        };
        ns.state = state;
        ns.was_active |= active;
        self.census.enter(ns.kind, ns.state);
        let (quiet, owner) = (entry.quiet, entry.owner);
        ns.since = if quiet { None } else { sink.since() };
        ns.inactive_at = ns.since.filter(|_| !active);
        self.line_up(handle, sink.at());
        self.weigh(handle);
        if !active {
            self.outlived_init(handle);
        }
        if !quiet && let Some(ns) = self.view(handle) {
            let pulled = pulled_by.map(|by| Pulled {
                by,
                handle,
                step,
                ns,
            });
            if !pulled.is_some_and(|pulled| self.pull(&pulled, sink)) {
                if self.config.kernel_counts {
                    // Whatever this thread was climbing, it has come down.
                    self.chains.end(sink);
                }
                sink.namespace(step, ns);
            }
        }
        if let Some(owner) = owner {
            self.owned_changed(owner, active);
            self.pulls(handle, owner);
        }
    }

    /// Adds an owner to a chain. False if what is said to have pulled it along
    /// cannot have.
    fn pull(&mut self, pulled: &Pulled, sink: &mut Sink<'_>) -> bool {
        let has_pulled = |entry: &Entry| {
            entry.owner == Some(pulled.handle) && entry.state() == Some(pulled.ns.state)
        };
        if !self.namespaces.get(pulled.by).is_some_and(has_pulled) {
            return false;
        }
        if self.chains.go_on(pulled, sink) {
            return true;
        }
        let Some(namespace) = self.view(pulled.by) else {
            return false;
        };
        self.chains.begin(namespace, pulled, sink);
        true
    }

    /// Where the kernel does not say so, it is the last one that came or went
    /// which pulls its owner along.
    fn pulls(&mut self, below: NsHandle, owner: NsHandle) {
        if !self.config.kernel_counts
            && let Some(entry) = self.namespaces.get_mut(owner)
        {
            entry.pulled_by = Some(below);
        }
    }

    /// A namespace that this one owns became active or inactive.
    pub(super) fn owned_changed(&mut self, owner: NsHandle, active: bool) {
        if let Some(entry) = self.namespaces.get_mut(owner) {
            let owned = &mut entry.because.owned;
            *owned = if active {
                owned.saturating_add(1)
            } else {
                owned.saturating_sub(1)
            };
            self.enqueue(owner);
        }
    }

    /// Lets a namespace be settled, now that its contributors have changed.
    pub(super) fn enqueue(&mut self, handle: NsHandle) {
        if self.config.kernel_counts {
            return;
        }
        if let Some(entry) = self.namespaces.get_mut(handle)
            && entry.ns.is_some()
            && !entry.queued
        {
            entry.queued = true;
            self.queue.push(handle);
        }
    }

    /// Makes the states of all queued namespaces follow from their
    /// contributors, and those of their owners, level by level.
    ///
    /// What becomes active comes first. Otherwise an owner that loses one
    /// active namespace and gains another in the same moment would seem to
    /// have been inactive in between. Neither pass undoes its own work, so
    /// each ends, even if the owners of damaged records go in circles.
    pub(super) fn settle(&mut self, sink: &mut Sink<'_>) {
        for active in [true, false] {
            let mut next = 0;
            while let Some(&handle) = self.queue.get(next) {
                next += 1;
                let Some(entry) = self.namespaces.get_mut(handle) else {
                    continue;
                };
                entry.queued = false;
                if (entry.is_initial() || entry.has_contributors()) == active {
                    self.set_active(handle, active, sink);
                }
            }
        }
        // What stayed as it was, although one below it changed.
        for handle in self.queue.drain(..) {
            if let Some(entry) = self.namespaces.get_mut(handle) {
                entry.pulled_by = None;
            }
        }
    }

    /// Ends the silence about what was discovered by the observation at hand.
    pub(super) fn speak_again(&mut self) {
        for handle in self.quiet.drain(..) {
            if let Some(entry) = self.namespaces.get_mut(handle) {
                entry.quiet = false;
            }
        }
    }
}
