//! Namespaces: how they come and go.

use std::num::{NonZeroU32, NonZeroU64};

use tracer_common::kind::NsKind;
use tracer_core::model::{Body, Key, NsFacts};

use super::super::{INITIAL, key};
use super::{Sim, choose};

/// Where a namespace was.
#[derive(Clone, Copy)]
pub(super) struct Address {
    key: Key,
    inum: NonZeroU32,
}

/// A namespace that is not freed.
#[derive(Clone, Debug)]
pub(super) struct SimNs {
    /// What does not change.
    pub(super) facts: NsFacts,
    /// It has references.
    pub(super) alive: bool,
    pub(super) inode: Option<Key>,
    /// Nothing shows the inode but a descriptor in flight.
    pub(super) in_flight: bool,
    /// A pid namespace that has come down to no pids, and gets no more.
    pub(super) closed: bool,
    /// Last sequence number drawn, and the states last reported.
    pub(super) drawn: u64,
    pub(super) active: bool,
    pub(super) tasks: Option<bool>,
    /// How many credentials, and pids of all levels, there were when it was
    /// last read.
    pub(super) sampled: (u32, u32),
}

/// The initial user and pid namespaces: no others own or are parents.
pub(super) fn initial_key(kind: NsKind) -> Key {
    key(0x100 + 0x10 * kind as u64)
}

impl Sim {
    /// Those with references, of this type or of all.
    pub(super) fn alive(&self, kind: Option<NsKind>) -> Vec<usize> {
        (0..self.namespaces.len())
            .filter(|&index| {
                let ns = &self.namespaces[index];
                ns.alive && kind.is_none_or(|kind| ns.facts.kind == kind)
            })
            .collect()
    }

    pub(super) fn index_of(&self, key: Key) -> Option<usize> {
        self.namespaces.iter().position(|ns| ns.facts.key == key)
    }

    /// One that has references, or the initial one: where tasks can be.
    pub(super) fn user_namespace(&self, pick: u16) -> Key {
        let alive = self.alive(Some(NsKind::User)).into_iter();
        let mut keys: Vec<_> = alive.map(|i| self.namespaces[i].facts.key).collect();
        keys.push(initial_key(NsKind::User));
        keys[usize::from(pick) % keys.len()]
    }

    pub(super) fn create(&mut self, kind: NsKind, owner: u16, place: u16, parent: u16) {
        let owner = self.user_namespace(owner);
        let parent = match kind {
            NsKind::User => Some(owner),
            NsKind::Pid => Some(self.inhabited_pid_namespace(parent)),
            _ => None,
        };
        let above = parent.and_then(|key| self.index_of(key));
        let level = above.map_or(1, |index| {
            self.namespaces[index].facts.level.unwrap_or(0) + 1
        });
        let Address { key, inum } = self.place(kind, place);
        self.next_id += 1;
        let number = NonZeroU64::new(self.next_id);
        let guarded = matches!(kind, NsKind::Net | NsKind::Mnt);
        self.namespaces.push(SimNs {
            facts: NsFacts {
                key,
                kind,
                inum,
                ns_id: number.filter(|_| self.kernel.config.kernel_ids),
                guard: number.filter(|_| guarded),
                owner: Some(owner),
                parent,
                refs: Some(1),
                active: None,
                level: parent.map(|_| level),
                owner_uid: (kind == NsKind::User).then_some(1000),
                inode: None,
                creds: None,
                pids: None,
                pids_disabled: false,
            },
            alive: true,
            inode: None,
            in_flight: false,
            closed: false,
            drawn: 0,
            active: false,
            tasks: None,
            sampled: (0, 0),
        });
        self.say_of(self.namespaces.len() - 1, Body::created);
    }

    /// Where a new one is put. Unless all is reused, an inode number can tell
    /// it from others that were there before, and those to which others refer
    /// by their address alone are where none were.
    fn place(&mut self, kind: NsKind, pick: u16) -> Address {
        self.next_inum += 1;
        let inum = NonZeroU32::new(self.next_inum).expect("not zero");
        let is_referred_to = matches!(kind, NsKind::User | NsKind::Pid);
        let old = if pick.is_multiple_of(2) && (self.reuses_all || !is_referred_to) {
            self.vacant.pop()
        } else {
            None
        };
        match old {
            Some(old) if self.reuses_all && pick.is_multiple_of(4) => old,
            Some(old) => Address { inum, ..old },
            None => Address {
                key: self.fresh_address(),
                inum,
            },
        }
    }

    pub(super) fn drop_last_reference(&mut self, pick: u16) {
        let Some(&index) = choose(&self.alive(None), pick) else {
            return;
        };
        if !self.is_referenced(index) {
            self.namespaces[index].alive = false;
            self.say_of(index, |facts| {
                Body::LastRef(NsFacts {
                    refs: Some(0),
                    ..facts
                })
            });
        }
    }

    /// Whether anything holds it. A reference from elsewhere, a socket's for
    /// example, is there as long as nobody drops it.
    fn is_referenced(&self, index: usize) -> bool {
        let key = self.namespaces[index].facts.key;
        let depends =
            |other: &SimNs| other.facts.owner == Some(key) || other.facts.parent == Some(key);
        self.sum(index) > 0 || self.namespaces.iter().any(depends) || self.procfs_of(key) > 0
    }

    pub(super) fn free(&mut self, pick: u16) {
        let dead: Vec<usize> = (0..self.namespaces.len())
            .filter(|&index| !self.namespaces[index].alive)
            .collect();
        if let Some(&index) = choose(&dead, pick) {
            let facts = self.namespaces.swap_remove(index).facts;
            self.vacant.push(Address {
                key: facts.key,
                inum: facts.inum,
            });
            self.say(Body::Freed(facts.as_ref()));
        }
    }

    /// The initial namespace of this type, as a walk meets it.
    pub(super) fn initial(&self, kind: NsKind) -> NsFacts {
        let place = INITIAL.iter().position(|&k| k == kind);
        let place = place.expect("all types are listed") as u32;
        let config = self.kernel.config;
        NsFacts {
            key: initial_key(kind),
            kind,
            inum: NonZeroU32::new(0xEFFF_FFFF - place).expect("not zero"),
            ns_id: NonZeroU64::new(u64::from(place) + 1).filter(|_| config.kernel_ids),
            guard: None,
            owner: (kind != NsKind::User).then_some(initial_key(NsKind::User)),
            parent: None,
            refs: Some(1),
            active: config.kernel_counts.then_some(1),
            level: Some(0),
            owner_uid: (kind == NsKind::User).then_some(0),
            inode: None,
            creds: None,
            pids: (kind == NsKind::Pid).then_some(self.pids.len() as u32),
            pids_disabled: false,
        }
    }
}
