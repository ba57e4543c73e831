//! The nsfs inodes of one namespace.

use super::super::Key;

/// Inodes kept per namespace. The kernel has one, and while openers race a
/// few that are evicted at once; more means evictions that were missed.
const LIMIT: usize = 64;

/// The set of inodes that stand for a namespace. One, as good as always, so
/// that one is kept without an allocation.
#[derive(Clone, Debug, Default)]
pub(super) struct Inodes {
    first: Option<Key>,
    more: Vec<Key>,
    /// An inode that a walk saw without learning its address.
    unnamed: bool,
}

impl Inodes {
    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        let named = usize::from(self.first.is_some()) + self.more.len();
        u32::from(self.unnamed) + u32::try_from(named).unwrap_or(u32::MAX)
    }

    /// The kernel opened this one. It only makes a new one when the one
    /// before is on its way out, and otherwise reports the one it has, so
    /// nothing unnamed is left.
    pub(super) fn open(&mut self, inode: Key) {
        self.unnamed = false;
        if self.first == Some(inode) || self.more.contains(&inode) {
            return;
        }
        if self.first.is_none() {
            self.first = Some(inode);
        } else {
            if self.more.len() >= LIMIT {
                self.more.remove(0);
            }
            self.more.push(inode);
        }
    }

    /// The kernel evicted this one; one that was never seen before is the
    /// unnamed one.
    pub(super) fn evict(&mut self, inode: Key) {
        if self.first == Some(inode) {
            self.first = self.more.pop();
        } else if let Some(index) = self.more.iter().position(|&other| other == inode) {
            self.more.swap_remove(index);
        } else {
            self.unnamed = false;
        }
    }

    /// A walk saw that there is one, or that there is none.
    pub(super) fn walked(&mut self, present: bool) {
        if !present {
            *self = Self::default();
        } else if self.count() == 0 {
            self.unnamed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: u64) -> Key {
        Key::new(address).unwrap()
    }

    #[test]
    fn old_and_new_may_coexist() {
        let mut inodes = Inodes::default();
        inodes.open(key(1));
        inodes.open(key(2));
        inodes.open(key(2));
        assert_eq!(inodes.count(), 2);
        inodes.evict(key(1));
        assert_eq!(inodes.count(), 1);
        inodes.evict(key(1));
        assert_eq!(inodes.count(), 1, "evicted for the second time");
        inodes.evict(key(2));
        assert_eq!(inodes.count(), 0);
    }

    #[test]
    fn the_unnamed_one_goes_with_the_first_unknown_eviction() {
        let mut inodes = Inodes::default();
        inodes.walked(true);
        inodes.walked(true);
        assert_eq!(inodes.count(), 1);
        inodes.evict(key(1));
        assert_eq!(inodes.count(), 0);
    }

    #[test]
    fn the_unnamed_one_gets_its_name_when_opened_again() {
        let mut inodes = Inodes::default();
        inodes.walked(true);
        inodes.open(key(1));
        assert_eq!(inodes.count(), 1);
        inodes.walked(true);
        assert_eq!(inodes.count(), 1);
        inodes.walked(false);
        assert_eq!(inodes.count(), 0);
    }

    #[test]
    fn missed_evictions_do_not_pile_up() {
        let mut inodes = Inodes::default();
        for address in 1..10_000 {
            inodes.open(key(address));
        }
        assert_eq!(inodes.count() as usize, LIMIT + 1);
    }
}
