//! Tasks that have exited and that nobody has reaped: until then they keep
//! their user and pid namespaces. No event tells of them, walks do.

use hashbrown::HashMap;
use tracer_common::kind::NsKind;

use super::super::{Key, TaskState, Walk};
use super::Tracker;

/// Those that the last walk met.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By pid, when a walk first met it like this.
    since: HashMap<u32, u64>,
    /// How many are in a user namespace that is not the initial one.
    pub(super) in_user: u64,
    /// Likewise, pid namespaces.
    pub(super) in_pid: u64,
    /// When the first of them was first met, `CLOCK_BOOTTIME` nanoseconds.
    pub(super) oldest: Option<u64>,
    /// When the walk began.
    pub(super) walked_at: Option<u64>,
}

impl Tracker {
    /// Takes over who waits to be reaped. One who was met like this before has
    /// been waiting since then: a zombie's pid is not given to anybody else.
    pub fn meet_waiting(&mut self, walk: &Walk) {
        let mut waiting = Waiting {
            walked_at: Some(walk.started_at),
            ..Waiting::default()
        };
        for task in &walk.tasks {
            if task.doing() != TaskState::Zombie {
                continue;
            }
            let is_in = |key: Option<Key>, kind| key.is_some_and(|key| self.is_inner(key, kind));
            let in_user = is_in(task.user_ns, NsKind::User);
            let in_pid = is_in(task.pid_ns, NsKind::Pid);
            waiting.in_user += u64::from(in_user);
            waiting.in_pid += u64::from(in_pid);
            if in_user || in_pid {
                let before = self.waiting.since.get(&task.pid).copied();
                let since = before.unwrap_or(walk.started_at);
                waiting.since.insert(task.pid, since);
                let oldest = waiting.oldest.map_or(since, |oldest| oldest.min(since));
                waiting.oldest = Some(oldest);
            }
        }
        self.waiting = waiting;
    }

    /// Whether there is a namespace here that is not an initial one.
    fn is_inner(&self, key: Key, kind: NsKind) -> bool {
        self.at(key, kind)
            .and_then(|handle| self.namespaces.get(handle))
            .is_some_and(|entry| !entry.is_initial())
    }
}
