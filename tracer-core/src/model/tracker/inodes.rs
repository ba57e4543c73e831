//! The nsfs inodes of one namespace.

use super::super::Key;

/// Inodes kept per namespace. The kernel has one, and while openers race a
/// few that are evicted at once; more means evictions that were missed.
const LIMIT: usize = 64;

/// How long after its opening an inode may not be stashed yet, so that a walk
/// does not show it. Nanoseconds.
const STASHING: u64 = 1_000_000;

/// The set of inodes that stand for a namespace. One, as good as always, so
/// that one is kept without an allocation.
#[derive(Clone, Debug, Default)]
pub(super) struct Inodes {
    first: Option<Inode>,
    /// Further ones, in the order in which they were opened.
    more: Vec<Inode>,
    /// The one that was evicted last, and when: a walk may have met it before.
    evicted: Option<Inode>,
}

#[derive(Clone, Copy, Debug)]
struct Inode {
    key: Key,
    /// When it was last reported.
    at: u64,
}

impl Inodes {
    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        let count = usize::from(self.first.is_some()) + self.more.len();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The kernel opened this one, or reports the one that it has.
    pub(super) fn open(&mut self, key: Key, time: u64) {
        let is_over = |inode: Inode| inode.key == key && inode.at >= time;
        if self.evicted.is_some_and(is_over) {
            return;
        }
        let mut all = self.first.iter_mut().chain(&mut self.more);
        if let Some(inode) = all.find(|inode| inode.key == key) {
            inode.at = inode.at.max(time);
            return;
        }
        let inode = Inode { key, at: time };
        if self.first.is_none() {
            self.first = Some(inode);
        } else {
            if self.more.len() >= LIMIT {
                self.more.remove(0);
            }
            self.more.push(inode);
        }
    }

    /// The kernel evicted this one.
    pub(super) fn evict(&mut self, key: Key, time: u64) {
        if self.evicted.is_none_or(|last| last.at <= time) {
            self.evicted = Some(Inode { key, at: time });
        }
        // Seen later, it is another one at the address.
        let is_it = |inode: &Inode| inode.key == key && inode.at <= time;
        if self.first.as_ref().is_some_and(is_it) {
            self.first = (!self.more.is_empty()).then(|| self.more.remove(0));
        } else if let Some(index) = self.more.iter().position(is_it) {
            self.more.remove(index);
        }
    }

    /// At this time a walk saw that this one stands for the namespace, or that
    /// none does. Others that were opened before are gone.
    pub(super) fn walked(&mut self, seen: Option<Key>, time: u64) {
        let stays =
            |inode: &Inode| seen == Some(inode.key) || inode.at.saturating_add(STASHING) >= time;
        self.more.retain(stays);
        if !self.first.as_ref().is_some_and(stays) {
            self.first = (!self.more.is_empty()).then(|| self.more.remove(0));
        }
        // Only the last eviction is remembered. If there was one since, this
        // one may have gone before that: had it been opened later, an event
        // would have said so.
        let is_outdated = self.evicted.is_some_and(|last| last.at >= time);
        if let Some(key) = seen
            && (!is_outdated || self.has(key))
        {
            self.open(key, time);
        }
    }

    fn has(&self, key: Key) -> bool {
        let mut all = self.first.iter().chain(&self.more);
        all.any(|inode| inode.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long enough for anything to be stashed.
    const LATER: u64 = 1_000_000_000;

    fn key(address: u64) -> Key {
        Key::new(address).unwrap()
    }

    #[test]
    fn old_and_new_may_coexist() {
        let mut inodes = Inodes::default();
        inodes.open(key(1), 1);
        inodes.open(key(2), 2);
        inodes.open(key(2), 3);
        assert_eq!(inodes.count(), 2);
        inodes.evict(key(1), 4);
        assert_eq!(inodes.count(), 1);
        inodes.evict(key(1), 5);
        assert_eq!(inodes.count(), 1, "evicted for the second time");
        inodes.evict(key(2), 6);
        assert_eq!(inodes.count(), 0);
    }

    #[test]
    fn what_a_walk_met_goes_with_its_eviction() {
        let mut inodes = Inodes::default();
        inodes.walked(Some(key(1)), LATER);
        inodes.walked(Some(key(1)), 2 * LATER);
        assert_eq!(inodes.count(), 1);
        inodes.open(key(1), 3 * LATER);
        assert_eq!(inodes.count(), 1);
        inodes.evict(key(1), 4 * LATER);
        assert_eq!(inodes.count(), 0);
    }

    #[test]
    fn a_walk_leaves_the_one_that_it_met() {
        for met in [1, 2, 3, 4] {
            let mut inodes = Inodes::default();
            for address in 1..=3 {
                inodes.open(key(address), address);
            }
            inodes.walked(Some(key(met)), LATER);
            assert_eq!(inodes.count(), 1);
            inodes.evict(key(met), 2 * LATER);
            assert_eq!(inodes.count(), 0);
        }
    }

    #[test]
    fn a_walk_does_not_undo_what_happened_since() {
        let mut inodes = Inodes::default();
        inodes.open(key(1), LATER);
        inodes.evict(key(1), 3 * LATER);
        inodes.walked(Some(key(1)), 2 * LATER);
        assert_eq!(inodes.count(), 0);

        inodes.open(key(2), 5 * LATER);
        inodes.walked(None, 4 * LATER);
        assert_eq!(inodes.count(), 1);
    }

    /// Who looks at a namespace again and again opens and closes it each time.
    #[test]
    fn a_walk_does_not_undo_any_of_many_evictions() {
        let mut inodes = Inodes::default();
        inodes.open(key(1), LATER);
        inodes.evict(key(1), 3 * LATER);
        inodes.open(key(2), 4 * LATER);
        inodes.evict(key(2), 5 * LATER);
        inodes.walked(Some(key(1)), 2 * LATER);
        assert_eq!(inodes.count(), 0);
    }

    #[test]
    fn a_late_eviction_is_not_that_of_a_later_one_at_the_address() {
        let mut inodes = Inodes::default();
        inodes.open(key(1), 3 * LATER);
        inodes.evict(key(1), 2 * LATER);
        assert_eq!(inodes.count(), 1);
        inodes.evict(key(1), 5 * LATER);
        inodes.evict(key(2), 2 * LATER);
        inodes.open(key(1), 4 * LATER);
        assert_eq!(inodes.count(), 0, "the newest eviction is remembered");
    }

    #[test]
    fn one_that_is_just_being_opened_need_not_show() {
        let mut inodes = Inodes::default();
        inodes.open(key(1), LATER);
        inodes.walked(None, LATER + STASHING);
        assert_eq!(inodes.count(), 1);
        inodes.walked(None, LATER + STASHING + 1);
        assert_eq!(inodes.count(), 0);
    }

    #[test]
    fn missed_evictions_do_not_pile_up() {
        let mut inodes = Inodes::default();
        for address in 1..10_000 {
            inodes.open(key(address), address);
        }
        assert_eq!(inodes.count() as usize, LIMIT + 1);
    }
}
