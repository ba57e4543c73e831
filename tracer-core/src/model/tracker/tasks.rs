//! What tasks contribute: credentials to user namespaces, pids to pid
//! namespaces.
//!
//! The kernel programs count them, so here are only readings: of whether there
//! are any, which a sequence number puts in order, and of how many, which is
//! true for the moment at which it was read.

use tracer_common::kind::NsKind;

use super::super::{Contributors, NsFacts, Walk, WalkNs};
use super::Tracker;
use super::entry::{Entry, NsHandle};

/// What is known of the tasks that keep a namespace active.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tasks {
    /// Credentials.
    creds: u32,
    /// Pids, those of deeper namespaces included.
    pids: u32,
    /// How many of those are of deeper namespaces.
    pids_below: u32,
    /// When these were read.
    at: u64,
    /// Where the kernel keeps no active count: whether there are any.
    hold: bool,
    /// Number of the newest reading of that, and when it was made.
    sequence: Option<u64>,
    read_at: u64,
}

impl Tasks {
    /// Whether they keep the namespace active, on kernels that do not count.
    pub(super) fn hold(&self) -> bool {
        self.hold
    }

    /// How many pids there were, those of deeper namespaces included.
    pub(super) fn pids(&self) -> u32 {
        self.pids
    }
}

impl Tracker {
    /// The credentials or pids of a namespace were counted, after drawing this
    /// number.
    pub(super) fn tasks_counted(
        &mut self,
        handle: NsHandle,
        facts: &NsFacts,
        sequence: u64,
        time: u64,
    ) {
        let Some(entry) = self.namespaces.get_mut(handle) else {
            return;
        };
        let count = match entry.identity.kind {
            NsKind::User => facts.creds,
            NsKind::Pid => facts.pids,
            _ => None,
        };
        let tasks = &mut entry.tasks;
        if let Some(count) = count
            && tasks.sequence.is_none_or(|newest| sequence > newest)
        {
            tasks.sequence = Some(sequence);
            tasks.read_at = time;
            tasks.hold = count > 0;
            self.weigh(handle);
            self.enqueue(handle);
        }
    }

    /// Whether a walk found that the numbers of readings have begun anew. Then
    /// this is another namespace, which nothing else tells if address, inode
    /// number, owner and parent are the same. Of one namespace a walk that is
    /// later than a reading has a higher number: an event is given its time
    /// after its number, a walk before.
    pub(super) fn counts_anew(&self, handle: NsHandle, record: &WalkNs) -> bool {
        self.namespaces.get(handle).is_some_and(|entry| {
            record.tasks_sequence.is_some()
                && record.tasks_sequence <= entry.tasks.sequence
                && record.time > entry.tasks.read_at
        })
    }

    /// Ends the credentials and pids in namespaces that a walk of all tasks
    /// would have met, had there been any.
    pub(super) fn end_absent_tasks(&mut self, walk: &Walk) {
        let is_absent = |entry: &Entry| {
            entry.tasks.hold && entry.walked != self.walks && entry.tasks.read_at < walk.started_at
        };
        let absent: Vec<_> = self
            .namespaces
            .iter()
            .filter_map(|(handle, entry)| is_absent(entry).then_some(handle))
            .collect();
        for handle in absent {
            self.set_pids(handle, 0);
            if let Some(entry) = self.namespaces.get_mut(handle) {
                entry.tasks.hold = false;
                self.weigh(handle);
                self.enqueue(handle);
            }
        }
    }

    /// How many there were when these facts were read. What a kernel that
    /// counts calls inactive has none, even if this was read before the last
    /// one was taken out of its own count.
    pub(super) fn sample_tasks(&mut self, handle: NsHandle, facts: &NsFacts, time: u64) {
        let Some(entry) = self.namespaces.get_mut(handle) else {
            return;
        };
        if time < entry.tasks.at {
            return;
        }
        entry.tasks.at = time;
        let is_inactive =
            self.config.kernel_counts && facts.active.is_some_and(|count| count.cast_signed() <= 0);
        let sample = |count: u32| if is_inactive { 0 } else { count };
        if let Some(creds) = facts.creds {
            entry.tasks.creds = sample(creds);
        }
        if let Some(pids) = facts.pids {
            self.set_pids(handle, sample(pids));
        }
        self.weigh(handle);
    }

    /// A pid has a number at each level, so each counts above, too.
    pub(super) fn set_pids(&mut self, handle: NsHandle, pids: u32) {
        let Some(entry) = self.namespaces.get_mut(handle) else {
            return;
        };
        let before = std::mem::replace(&mut entry.tasks.pids, pids);
        if let Some(parent) = entry.parent {
            self.pids_below(parent, before, pids);
        }
        self.weigh(handle);
    }

    /// The pids of one namespace below this one became so many.
    pub(super) fn pids_below(&mut self, parent: NsHandle, before: u32, after: u32) {
        if let Some(entry) = self.namespaces.get_mut(parent) {
            let below = &mut entry.tasks.pids_below;
            *below = below.saturating_sub(before).saturating_add(after);
            self.weigh(parent);
        }
    }

    /// What keeps a namespace active.
    pub(super) fn contributors(&self, entry: &Entry) -> Contributors {
        let tasks = &entry.tasks;
        // Where the state follows from them, there is at least one or none.
        let sampled = |count: u32| match (self.config.kernel_counts, tasks.hold) {
            (true, _) => count,
            (false, true) => count.max(1),
            (false, false) => 0,
        };
        let (creds, pids) = match entry.identity.kind {
            NsKind::User => (sampled(tasks.creds), 0),
            NsKind::Pid => (0, sampled(tasks.pids.saturating_sub(tasks.pids_below))),
            _ => (0, 0),
        };
        Contributors {
            creds,
            pids,
            ..entry.because
        }
    }
}
