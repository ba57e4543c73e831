//! The nsproxies in use, by address.
//!
//! A table keeps up to half of its places free, so what is large stands beside
//! it, in places that are taken again.

use hashbrown::HashMap;
use slotmap::SlotMap;

use super::super::Key;
use super::nsproxies::Held;

slotmap::new_key_type! {
    struct HeldHandle;
}

/// All nsproxies in use.
#[derive(Debug, Default)]
pub(super) struct Nsproxies {
    by_key: HashMap<Key, HeldHandle>,
    held: SlotMap<HeldHandle, Held>,
}

impl Nsproxies {
    /// The one at this address.
    pub(super) fn get(&self, key: &Key) -> Option<&Held> {
        self.held.get(*self.by_key.get(key)?)
    }

    /// Likewise, to change it.
    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Held> {
        self.held.get_mut(*self.by_key.get(key)?)
    }

    /// Adds one, in place of another one at its address.
    pub(super) fn insert(&mut self, key: Key, held: Held) {
        let handle = self.held.insert(held);
        if let Some(before) = self.by_key.insert(key, handle) {
            self.held.remove(before);
        }
    }

    /// Takes out the one at this address.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Held> {
        self.held.remove(self.by_key.remove(key)?)
    }

    /// All with their addresses, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Held)> {
        self.by_key
            .iter()
            .filter_map(|(key, handle)| Some((key, self.held.get(*handle)?)))
    }

    /// All, in no order.
    pub(super) fn values(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }
}
