//! How `nslife list` is to show what holds a namespace.

use crate::trace::ActiveBecause;

/// How `nslife list` is to show a namespace: how many tasks are in it, and what holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Tasks in it.
    pub(crate) tasks: u32,
    /// What makes it active.
    pub(crate) because: ActiveBecause,
    /// Procfs mounts that refer to it, if it is a pid namespace.
    pub(crate) procfs_mounts: u32,
}

/// By nothing that makes it active, and without a task in it.
pub(crate) const HELD: Held = Held {
    tasks: 0,
    because: ActiveBecause {
        nsproxies: 0,
        creds: 0,
        pids: 0,
        nsfs: 0,
        owned: 0,
    },
    procfs_mounts: 0,
};

impl Held {
    /// So many tasks are in it.
    pub(crate) const fn tasks(mut self, count: u32) -> Self {
        self.tasks = count;
        self
    }

    /// It is in so many slots of nsproxies.
    pub(crate) const fn nsproxies(mut self, count: u32) -> Self {
        self.because.nsproxies = count;
        self
    }

    /// It is in the credentials of so many tasks.
    pub(crate) const fn creds(mut self, count: u32) -> Self {
        self.because.creds = count;
        self
    }

    /// So many numbers belong to it.
    pub(crate) const fn pids(mut self, count: u32) -> Self {
        self.because.pids = count;
        self
    }

    /// It has an inode: a file or a mount.
    pub(crate) const fn nsfs(mut self) -> Self {
        self.because.nsfs = 1;
        self
    }

    /// So many active namespaces are its own.
    pub(crate) const fn owned(mut self, count: u32) -> Self {
        self.because.owned = count;
        self
    }

    /// So many procfs mounts refer to it.
    pub(crate) const fn procfs_mounts(mut self, count: u32) -> Self {
        self.procfs_mounts = count;
        self
    }
}
