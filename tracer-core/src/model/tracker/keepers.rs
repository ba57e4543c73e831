//! Namespaces that are active without a task in them: only a file or a bind
//! mount keeps them, as those of the network that `ip netns add` makes.

use super::super::{Contributors, State};
use super::Tracker;
use super::entry::{Entry, NsHandle};

impl Tracker {
    /// What keeps a namespace, or its state, may have changed.
    pub(super) fn weigh(&mut self, handle: NsHandle) {
        let Some(entry) = self.namespaces.get(handle) else {
            return;
        };
        let kind = entry.identity.kind;
        let (was, is) = (entry.kept_by_files, self.is_kept_by_files(entry));
        if was == is {
            return;
        }
        let count = &mut self.kept_by_files[kind as usize];
        *count = if is { *count + 1 } else { *count - 1 };
        if let Some(entry) = self.namespaces.get_mut(handle) {
            entry.kept_by_files = is;
        }
    }

    fn is_kept_by_files(&self, entry: &Entry) -> bool {
        if entry.is_initial() || entry.state() != Some(State::Active) {
            return false;
        }
        let Contributors {
            nsproxies,
            creds,
            pids,
            nsfs,
            ..
        } = self.contributors(entry);
        nsfs > 0 && nsproxies == 0 && creds == 0 && pids == 0
    }
}
