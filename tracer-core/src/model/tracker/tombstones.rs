//! What is gone, so that a late or stale observation cannot bring it back.

use std::collections::VecDeque;
use std::hash::Hash;

use hashbrown::HashMap;

/// How long a tombstone is kept: longer than any walk takes. Nanoseconds.
const AGE: u64 = 60_000_000_000;

/// How many are kept: more than a machine frees during a walk.
const LIMIT: usize = 1 << 17;

/// When an object was freed, and what is still worth knowing about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tombstone<V> {
    /// `CLOCK_BOOTTIME`, nanoseconds.
    pub(super) time: u64,
    pub(super) about: V,
}

/// Tombstones by key; a new one replaces an older one of the same key.
#[derive(Debug)]
pub(super) struct Tombstones<K, V> {
    by_key: HashMap<K, Tombstone<V>>,
    /// In order of arrival, with those that were replaced since.
    order: VecDeque<(u64, K)>,
}

impl<K: Copy + Eq + Hash, V> Tombstones<K, V> {
    pub(super) fn new() -> Self {
        Self {
            by_key: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&Tombstone<V>> {
        self.by_key.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut Tombstone<V>> {
        self.by_key.get_mut(key)
    }

    /// Adds one, and forgets those that are too old by its time, or too many.
    pub(super) fn insert(&mut self, key: K, time: u64, about: V) {
        self.by_key.insert(key, Tombstone { time, about });
        self.order.push_back((time, key));
        self.forget(time);
    }

    /// Forgets those that are too old by now, and gives back the room that they
    /// took.
    pub(super) fn forget_and_shrink(&mut self, now: u64) {
        self.forget(now);
        if self.order.capacity() / 4 > self.order.len() {
            self.order.shrink_to(self.order.len() * 2);
            self.by_key.shrink_to(self.order.len() * 2);
        }
    }

    /// Forgets those that are too old by now, or too many.
    fn forget(&mut self, now: u64) {
        while let Some(&(oldest, key)) = self.order.front() {
            if self.order.len() <= LIMIT && oldest.saturating_add(AGE) >= now {
                break;
            }
            self.order.pop_front();
            if self.get(&key).is_some_and(|stone| stone.time == oldest) {
                self.by_key.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_key_stands() {
        let mut stones = Tombstones::new();
        stones.insert(1, 10, "old");
        stones.insert(1, 20, "new");
        let stone = stones.get(&1).unwrap();
        assert_eq!((stone.time, stone.about), (20, "new"));
        assert!(stones.get(&2).is_none());
    }

    #[test]
    fn age_ends_them() {
        let mut stones = Tombstones::new();
        stones.insert(1, 0, ());
        stones.insert(2, AGE, ());
        assert!(stones.get(&1).is_some());
        stones.insert(3, AGE + 1, ());
        assert!(stones.get(&1).is_none());
        assert!(stones.get(&2).is_some());
    }

    #[test]
    fn room_is_given_back() {
        let mut stones = Tombstones::new();
        for key in 0..1000 {
            stones.insert(key, key, ());
        }
        stones.forget_and_shrink(AGE + 998);
        assert!(stones.get(&997).is_none());
        assert!(stones.get(&998).is_some());
        assert!(stones.order.capacity() < 100, "{}", stones.order.capacity());
        assert!(stones.by_key.capacity() < 100);
    }

    #[test]
    fn a_replaced_one_does_not_end_its_successor() {
        let mut stones = Tombstones::new();
        stones.insert(1, 0, ());
        stones.insert(1, AGE, ());
        stones.insert(2, AGE + 1, ());
        assert!(stones.get(&1).is_some());
    }

    #[test]
    fn number_ends_them() {
        let mut stones = Tombstones::new();
        for key in 0..=LIMIT {
            stones.insert(key, 5, ());
        }
        assert!(stones.get(&0).is_none());
        assert!(stones.get(&1).is_some());
        assert_eq!(stones.by_key.len(), LIMIT);
        assert_eq!(stones.order.len(), LIMIT);
    }
}
