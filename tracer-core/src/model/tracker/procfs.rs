//! Superblocks of procfs, each of which keeps a pid namespace allocated.

use super::super::{Key, NsFacts, Walk, WalkProcfs};
use super::Tracker;
use super::entry::NsHandle;
use super::sink::Sink;

/// A superblock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Procfs {
    /// The pid namespace that it shows.
    pid_ns: NsHandle,
    /// When it was last known to be there.
    last_seen: u64,
    /// The number of the last walk that met it.
    walked: u64,
}

impl Tracker {
    /// A procfs was mounted.
    pub(super) fn procfs_mounted(&mut self, facts: &NsFacts, key: Key, sink: &mut Sink<'_>) {
        if let Some(pid_ns) = self.observed(facts, sink) {
            self.keep_procfs(key, pid_ns, sink.at());
        }
    }

    /// A superblock of procfs went away.
    pub(super) fn procfs_gone(&mut self, facts: &NsFacts, key: Key, sink: &mut Sink<'_>) {
        self.observed(facts, sink);
        let is_later = |procfs: &Procfs| procfs.last_seen > sink.at();
        if !self.procfs.get(&key).is_some_and(is_later) {
            self.drop_procfs(key, sink.at());
        }
    }

    /// It is there at this time, unless it is known to have gone since.
    fn keep_procfs(&mut self, key: Key, pid_ns: NsHandle, time: u64) {
        let gone = self.procfs_graves.get(&key);
        if gone.is_some_and(|stone| time <= stone.time) {
            return;
        }
        match self.procfs.get_mut(&key) {
            Some(procfs) if procfs.pid_ns == pid_ns => {
                procfs.last_seen = procfs.last_seen.max(time);
                procfs.walked = self.walks;
                return;
            }
            // Another one was at its address before, or is there now.
            Some(procfs) if time < procfs.last_seen => return,
            Some(_) => self.drop_procfs(key, time.saturating_sub(1)),
            None => {}
        }
        let procfs = Procfs {
            pid_ns,
            last_seen: time,
            walked: self.walks,
        };
        self.procfs.insert(key, procfs);
        if let Some(entry) = self.namespaces.get_mut(pid_ns) {
            entry.procfs = entry.procfs.saturating_add(1);
        }
    }

    fn drop_procfs(&mut self, key: Key, time: u64) {
        self.procfs_graves.insert(key, time, ());
        if let Some(procfs) = self.procfs.remove(&key)
            && let Some(entry) = self.namespaces.get_mut(procfs.pid_ns)
        {
            entry.procfs = entry.procfs.saturating_sub(1);
        }
    }

    /// Takes over the superblocks that a walk met, and ends those that it did
    /// not.
    pub(super) fn merge_procfs(&mut self, walk: &Walk) {
        for &WalkProcfs {
            time,
            superblock,
            pid_ns,
        } in &walk.procfs
        {
            if let Some(&pid_ns) = self.by_key.get(&pid_ns) {
                self.keep_procfs(superblock, pid_ns, time);
            }
        }
        if !walk.all_superblocks {
            return;
        }
        let absent: Vec<_> = self
            .procfs
            .iter()
            .filter(|(_, procfs)| procfs.walked != self.walks && procfs.last_seen < walk.started_at)
            .map(|(&key, _)| key)
            .collect();
        for key in absent {
            self.drop_procfs(key, walk.started_at);
        }
    }
}
