//! Namespaces that a walk did not meet. Whether they are gone it does not tell
//! everywhere: up to 6.17 some are in nobody's way, and one that is destroyed
//! is on no list. But the kernel programs remember each of which anybody heard,
//! until they see its end, even if they find no room to say so.

use hashbrown::HashSet;

use super::super::{Key, State, Walk};
use super::Tracker;
use super::entry::Entry;

/// A namespace by what the kernel programs know it by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unmet {
    /// Its address.
    pub key: Key,
    /// Its inode number.
    pub inum: u32,
    /// Its last reference is known to be gone.
    pub destroyed: bool,
}

impl Tracker {
    /// The namespaces of which a walk that is to be merged proves neither that
    /// they are there nor that they are gone, once the events are applied that
    /// were written while it went on.
    pub fn unmet(&self, walk: &Walk) -> Vec<Unmet> {
        let met: HashSet<Key> = walk.namespaces.iter().map(|record| record.ns.key).collect();
        let is_open = |entry: &&Entry| {
            let Some(ns) = &entry.ns else {
                return false;
            };
            let proves = ns.state != State::Destroyed && walk.all_of[ns.kind as usize];
            !proves
                && !ns.initial
                && entry.last_seen < walk.started_at
                && !met.contains(&entry.identity.key)
        };
        self.namespaces
            .values()
            .filter(is_open)
            .filter_map(|entry| {
                Some(Unmet {
                    key: entry.identity.key,
                    inum: entry.identity.inum?.get(),
                    destroyed: entry.state() == Some(State::Destroyed),
                })
            })
            .collect()
    }
}
