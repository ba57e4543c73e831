//! What keeps each namespace active, and what of that is said.

use std::cmp::Reverse;
use std::collections::HashMap;

use tracer_common::event::Cause;
use tracer_common::kind::NsKind;
use tracer_core::model::{Body, Contributors, Key, NsFacts};

use super::Sim;
use super::namespaces::SimNs;

/// The active count that these make.
pub(super) fn total(because: &Contributors) -> u32 {
    let Contributors {
        nsproxies,
        creds,
        pids,
        nsfs,
        owned,
    } = because;
    nsproxies + creds + pids + nsfs + owned
}

impl Sim {
    /// What keeps each of them active, in order.
    pub(super) fn contributors(&self) -> Vec<Contributors> {
        let places: HashMap<Key, usize> = (0..self.namespaces.len())
            .map(|index| (self.namespaces[index].facts.key, index))
            .collect();
        let mut all = vec![Contributors::default(); self.namespaces.len()];
        for slot in self.nsproxies.iter().flat_map(|held| held.slots).flatten() {
            all[places[&slot.key]].nsproxies += 1;
        }
        for pid in &self.pids {
            if let Some(&index) = pid.user_ns.and_then(|key| places.get(&key)) {
                all[index].creds += 1;
            }
            if let Some(&index) = pid.levels.first().and_then(|key| places.get(key)) {
                all[index].pids += u32::from(pid.is_counted);
            }
        }
        for (because, ns) in all.iter_mut().zip(&self.namespaces) {
            because.nsfs += u32::from(ns.inode.is_some());
        }
        for index in self.upwards() {
            let owner = self.namespaces[index].facts.owner;
            if total(&all[index]) > 0
                && let Some(&owner) = owner.and_then(|key| places.get(&key))
            {
                all[owner].owned += 1;
            }
        }
        all
    }

    /// All of them, owners after what they own.
    fn upwards(&self) -> Vec<usize> {
        let depth = |&index: &usize| match self.namespaces[index].facts {
            NsFacts {
                kind: NsKind::User,
                level,
                ..
            } => Reverse(level),
            _ => Reverse(Some(u32::MAX)),
        };
        let mut order: Vec<usize> = (0..self.namespaces.len()).collect();
        order.sort_by_key(depth);
        order
    }

    /// The active count of one of them, kept or not.
    pub(super) fn sum(&self, index: usize) -> u32 {
        total(&self.contributors()[index])
    }

    /// A namespace as the programs read it at this moment.
    pub(super) fn facts_now(&self, index: usize) -> NsFacts {
        let ns = &self.namespaces[index];
        let key = ns.facts.key;
        let counts = self.kernel.config.kernel_counts;
        NsFacts {
            active: counts.then(|| self.sum(index)),
            inode: ns.inode,
            creds: (ns.facts.kind == NsKind::User).then(|| self.creds_of(key)),
            pids: (ns.facts.kind == NsKind::Pid).then(|| self.pids_of(key)),
            ..ns.facts
        }
    }

    /// Reads one of them, and remembers what the reader knows from now on.
    pub(super) fn read(&mut self, index: usize) -> NsFacts {
        let facts = self.facts_now(index);
        self.namespaces[index].sampled = match facts.active {
            // Whatever is still to be taken out of other counts.
            Some(0) => (0, 0),
            _ => (facts.creds.unwrap_or(0), facts.pids.unwrap_or(0)),
        };
        facts
    }

    /// Says something of a namespace.
    pub(super) fn say_of(&mut self, index: usize, what: impl FnOnce(NsFacts) -> Body) {
        let facts = self.read(index);
        self.say(what(facts));
    }

    /// What a kernel that counts says after each change.
    pub(super) fn say_flips(&mut self) {
        if !self.kernel.config.kernel_counts {
            return;
        }
        let contributors = self.contributors();
        let mut flipped: Vec<(Option<Key>, Key, bool)> = Vec::new();
        let mut climbed = None;
        for index in self.upwards() {
            let ns = &mut self.namespaces[index];
            let active = total(&contributors[index]) > 0;
            if active == ns.active {
                continue;
            }
            ns.active = active;
            ns.drawn += 1;
            let (sequence, key) = (ns.drawn, ns.facts.key);
            let pulls = |&&(owner, _, state): &&_| owner == Some(key) && state == active;
            let below = flipped.iter().rev().find(pulls).map(|&(_, below, _)| below);
            flipped.push((ns.facts.owner, key, active));
            let cause = below.map(|_| match active {
                true => Cause::OwnedCame,
                false => Cause::OwnedWent,
            });
            self.say_of(index, |ns| Body::Activity {
                ns,
                sequence,
                cause,
                below,
            });
            if below.is_some() {
                climbed = Some(self.namespaces[index].facts.as_ref());
            }
        }
        if let Some(end) = climbed {
            self.say(Body::ClimbEnded(end));
        }
    }

    /// What of the contributors can be known of a namespace at any moment.
    ///
    /// Of credentials and pids only samples are known: as many as there were
    /// when the namespace was last read, less those that the namespaces below
    /// had when *they* were. Where the state follows from them, it is exact
    /// whether there are any.
    pub(super) fn known_contributors(&self, ns: &SimNs, truth: &Contributors) -> Contributors {
        let is_below = |other: &&SimNs| {
            ns.facts.kind == NsKind::Pid && other.facts.parent == Some(ns.facts.key)
        };
        let below: u32 = self
            .namespaces
            .iter()
            .filter(is_below)
            .map(|other| other.sampled.1)
            .sum();
        let (creds, pids) = ns.sampled;
        let known = |sample: u32, truth: u32| match (self.kernel.config.kernel_counts, truth) {
            (true, _) => sample,
            (false, 0) => 0,
            (false, _) => sample.max(1),
        };
        Contributors {
            creds: known(creds, truth.creds),
            pids: known(pids.saturating_sub(below), truth.pids),
            ..*truth
        }
    }
}
