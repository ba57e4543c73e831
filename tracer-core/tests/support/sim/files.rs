//! Inodes of nsfs, which keep a namespace active, and superblocks of procfs,
//! which keep a pid namespace allocated.

use tracer_common::kind::NsKind;
use tracer_core::model::{Body, Key};

use super::namespaces::initial_key;
use super::{Sim, choose};

/// A procfs.
#[derive(Clone, Copy)]
pub(super) struct Superblock {
    pub(super) key: Key,
    pub(super) pid_ns: Key,
}

impl Sim {
    pub(super) fn open(&mut self, pick: u16, how: u16) {
        if let Some(&index) = choose(&self.alive(None), pick)
            && self.namespaces[index].inode.is_none()
        {
            let inode = self.address(how);
            self.namespaces[index].inode = Some(inode);
            self.namespaces[index].in_flight = how.is_multiple_of(3);
            self.say_of(index, |ns| Body::NsfsOpened { ns, inode });
        }
    }

    pub(super) fn evict(&mut self, pick: u16) {
        if let Some(&index) = choose(&self.alive(None), pick)
            && let Some(inode) = self.namespaces[index].inode.take()
        {
            self.vacate(inode);
            self.say_of(index, |ns| Body::NsfsEvicted { ns, inode });
        }
    }

    /// Mounts a procfs of some pid namespace. Nothing is said of those that
    /// show the initial one.
    pub(super) fn mount(&mut self, pick: u16, how: u16) {
        let key = self.address(how);
        let alive = self.alive(Some(NsKind::Pid));
        let chosen = choose(&alive, pick).filter(|_| !how.is_multiple_of(5));
        let pid_ns = chosen.map_or(initial_key(NsKind::Pid), |&index| {
            self.namespaces[index].facts.key
        });
        self.superblocks.push(Superblock { key, pid_ns });
        if let Some(&index) = chosen {
            self.say_of(index, |ns| Body::ProcfsMounted {
                ns,
                superblock: key,
            });
        }
    }

    pub(super) fn unmount(&mut self, pick: u16) {
        if self.superblocks.is_empty() {
            return;
        }
        let index = usize::from(pick) % self.superblocks.len();
        let Superblock { key, pid_ns } = self.superblocks.swap_remove(index);
        self.vacate(key);
        if let Some(index) = self.index_of(pid_ns) {
            self.say_of(index, |ns| Body::ProcfsGone {
                ns,
                superblock: key,
            });
        }
    }

    /// How many show this pid namespace.
    pub(super) fn procfs_of(&self, pid_ns: Key) -> u32 {
        let shows = |superblock: &&Superblock| superblock.pid_ns == pid_ns;
        self.superblocks.iter().filter(shows).count() as u32
    }
}
