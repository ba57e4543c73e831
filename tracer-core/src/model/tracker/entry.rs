//! What the tracker keeps about one namespace.

use std::num::{NonZeroU32, NonZeroU64};

use tracer_common::kind::NsKind;

use super::super::{Contributors, Key, Namespace, NsFacts, NsRef, State};
use super::inodes::Inodes;
use super::queues::Place;
use super::tasks::Tasks;

slotmap::new_key_type! {
    /// Where an [`Entry`] is. Once the entry is removed the handle leads
    /// nowhere, even if its place is taken again.
    pub(super) struct NsHandle;
}

/// What tells a namespace from others that were or will be at its address:
/// what is `None` is not known, and tells nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) key: Key,
    pub(super) kind: NsKind,
    /// Unique among living namespaces, reused at once.
    pub(super) inum: Option<NonZeroU32>,
    /// Never reused, where the kernel has such a number.
    pub(super) unique: Option<NonZeroU64>,
    /// The owning user namespace, which never changes either.
    pub(super) owner: Option<Key>,
    /// The parent of a pid or user namespace, likewise.
    pub(super) parent: Option<Key>,
}

impl Identity {
    /// Nothing speaks against both being the same namespace.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.key == other.key
            && self.kind == other.kind
            && agree(self.inum, other.inum)
            && agree(self.unique, other.unique)
            && agree(self.owner, other.owner)
            && agree(self.parent, other.parent)
    }

    /// Beyond that, a number that is never reused proves it.
    pub(super) fn is_certainly(&self, other: &Self) -> bool {
        self.unique.is_some() && self.unique == other.unique
    }
}

/// Equal as far as known.
pub(super) fn agree<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}

impl From<&NsFacts> for Identity {
    fn from(facts: &NsFacts) -> Self {
        Self {
            key: facts.key,
            kind: facts.kind,
            inum: Some(facts.inum),
            unique: facts.ns_id.or(facts.guard),
            owner: facts.owner,
            parent: facts.parent,
        }
    }
}

impl From<&NsRef> for Identity {
    fn from(ns: &NsRef) -> Self {
        Self {
            key: ns.key,
            kind: ns.kind,
            inum: Some(ns.inum),
            unique: None,
            owner: None,
            parent: None,
        }
    }
}

/// One namespace.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) identity: Identity,
    /// What is known about it. `None` while others only refer to it: it has
    /// contributors and children then, so that nothing is lost when it comes
    /// to be known, but no state, and nobody is shown it.
    pub(super) ns: Option<Namespace>,
    /// Its owning user namespace. It may have been removed first.
    pub(super) owner: Option<NsHandle>,
    /// The parent of a pid namespace, likewise; that of a user namespace is
    /// its owner.
    pub(super) parent: Option<NsHandle>,
    /// Entries whose `owner` or `parent` this is.
    pub(super) children: u32,
    /// What keeps it active; also counted for initial namespaces, which need
    /// nothing and are shown without.
    pub(super) because: Contributors,
    pub(super) inodes: Inodes,
    pub(super) tasks: Tasks,
    /// Superblocks of procfs that show this pid namespace.
    pub(super) procfs: u32,
    /// Number of the newest reading of its active count.
    pub(super) sequence: Option<u64>,
    /// Earliest and latest time at which it is known to have existed.
    pub(super) first_seen: u64,
    pub(super) last_seen: u64,
    /// The number of the last walk that met it.
    pub(super) walked: u64,
    /// Its state is being found out, not changing: say nothing about it.
    pub(super) quiet: bool,
    /// It waits to be settled.
    pub(super) queued: bool,
    /// The namespace that it owns which, by changing, changes this one.
    pub(super) pulled_by: Option<NsHandle>,
    /// One of its counts was below zero when last read.
    pub(super) below_zero: bool,
    /// See [`super::Standing::kept_by_files`].
    pub(super) kept_by_files: bool,
    /// Among those that are in its state.
    pub(super) place: Place,
}

impl Entry {
    /// A namespace of which only a reference is known.
    pub(super) fn referred_to(identity: Identity, time: u64) -> Self {
        Self {
            identity,
            ns: None,
            owner: None,
            parent: None,
            children: 0,
            because: Contributors::default(),
            inodes: Inodes::default(),
            tasks: Tasks::default(),
            procfs: 0,
            sequence: None,
            first_seen: time,
            last_seen: time,
            walked: 0,
            quiet: false,
            queued: false,
            pulled_by: None,
            below_zero: false,
            kept_by_files: false,
            place: Place::default(),
        }
    }

    pub(super) fn is_initial(&self) -> bool {
        self.ns.as_ref().is_some_and(|ns| ns.initial)
    }

    pub(super) fn state(&self) -> Option<State> {
        self.ns.as_ref().map(|ns| ns.state)
    }

    pub(super) fn seen(&mut self, time: u64) {
        self.first_seen = self.first_seen.min(time);
        self.last_seen = self.last_seen.max(time);
    }

    /// Nothing refers to it, and nothing is known about it.
    pub(super) fn is_forgotten(&self) -> bool {
        self.ns.is_none() && self.children == 0 && self.because.nsproxies == 0
    }

    /// On kernels that do not count: whether anything keeps it active.
    pub(super) fn has_contributors(&self) -> bool {
        self.because.nsproxies > 0
            || self.because.nsfs > 0
            || self.because.owned > 0
            || self.tasks.hold()
    }
}
