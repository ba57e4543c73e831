//! Tasks: their credentials, their pids, and what the kernel programs say of
//! both.

use tracer_common::kind::NsKind;
use tracer_core::model::{Body, Key};

use super::namespaces::initial_key;
use super::{Sim, choose};

/// A pid, until it is freed.
#[derive(Clone)]
pub(super) struct Pid {
    /// The pid namespaces in which it has a number, from the deepest up,
    /// without the initial one.
    pub(super) levels: Vec<Key>,
    /// The user namespace of the real credentials of its task. `None` if that
    /// is reaped, and the pid only names a process group or a session.
    pub(super) user_ns: Option<Key>,
    /// A kernel that counts takes it out of its active count before it is
    /// freed.
    pub(super) is_counted: bool,
}

impl Sim {
    /// How many tasks have their real credentials in this user namespace.
    pub(super) fn creds_of(&self, user_ns: Key) -> u32 {
        let has = |pid: &&Pid| pid.user_ns == Some(user_ns);
        self.pids.iter().filter(has).count() as u32
    }

    /// How many pids have a number in this pid namespace.
    pub(super) fn pids_of(&self, pid_ns: Key) -> u32 {
        let has = |pid: &&Pid| pid.levels.contains(&pid_ns);
        self.pids.iter().filter(has).count() as u32
    }

    /// How many tasks are in this user namespace, or in this pid namespace and
    /// in none below.
    pub(super) fn tasks_in(&self, key: Key) -> u32 {
        let initial = initial_key(NsKind::Pid);
        let is_in = |pid: &&Pid| {
            let deepest = pid.levels.first().unwrap_or(&initial);
            pid.user_ns.is_some() && (pid.user_ns == Some(key) || *deepest == key)
        };
        self.pids.iter().filter(is_in).count() as u32
    }

    /// A pid namespace, or the initial one, in which a task can run that
    /// creates another.
    pub(super) fn inhabited_pid_namespace(&self, pick: u16) -> Key {
        let mut deepest: Vec<Key> = self
            .pids
            .iter()
            .filter_map(|pid| pid.levels.first().copied())
            .collect();
        deepest.push(initial_key(NsKind::Pid));
        deepest[usize::from(pick) % deepest.len()]
    }

    /// The pid namespaces of a new pid: its deepest one is open, and those
    /// above have pids of their own, as the init of each outlives all below.
    fn levels(&self, pick: u16) -> Vec<Key> {
        let is_inhabited = |key: &Key| self.pids.iter().any(|pid| pid.levels.first() == Some(key));
        let mut possible = vec![Vec::new()];
        for index in self.alive(Some(NsKind::Pid)) {
            let ns = &self.namespaces[index];
            let levels = self.ancestry(ns.facts.key);
            if !ns.closed && levels[1..].iter().all(is_inhabited) {
                possible.push(levels);
            }
        }
        possible.swap_remove(usize::from(pick) % possible.len())
    }

    /// A pid namespace and its parents, without the initial one.
    fn ancestry(&self, pid_ns: Key) -> Vec<Key> {
        let parent = |&key: &Key| self.namespaces[self.index_of(key)?].facts.parent;
        let all = std::iter::successors(Some(pid_ns), parent);
        all.filter(|&key| self.index_of(key).is_some()).collect()
    }

    /// A task is made: credentials first. It may fail after that.
    pub(super) fn fork(&mut self, user_ns: u16, pid_ns: u16, luck: u16) {
        let user_ns = self.user_namespace(user_ns);
        let levels = self.levels(pid_ns);
        self.pids.push(Pid {
            levels: Vec::new(),
            user_ns: Some(user_ns),
            is_counted: true,
        });
        self.cred_gained(user_ns);
        if luck.is_multiple_of(8) {
            self.pids.pop();
            self.cred_lost(user_ns);
            return;
        }
        let deepest = levels.first().copied();
        if let Some(pid) = self.pids.last_mut() {
            pid.levels = levels;
        }
        // What was reported need not be read again.
        if let Some(index) = deepest.and_then(|key| self.index_of(key))
            && self.namespaces[index].tasks != Some(true)
        {
            self.report_tasks(index);
        }
    }

    fn task(&self, pick: u16) -> Option<usize> {
        let has_task = |&index: &usize| self.pids[index].user_ns.is_some();
        let tasks: Vec<_> = (0..self.pids.len()).filter(has_task).collect();
        choose(&tasks, pick).copied()
    }

    /// A task enters another user namespace.
    pub(super) fn change_credentials(&mut self, task: u16, user_ns: u16) {
        let new = self.user_namespace(user_ns);
        if let Some(index) = self.task(task)
            && self.pids[index].user_ns != Some(new)
            && let Some(old) = self.pids[index].user_ns.replace(new)
        {
            self.cred_gained(new);
            self.cred_lost(old);
        }
    }

    /// A task is reaped. Its pid goes too, unless others need it.
    pub(super) fn reap(&mut self, task: u16, luck: u16) {
        if let Some(index) = self.task(task)
            && let Some(user_ns) = self.pids[index].user_ns.take()
        {
            self.cred_lost(user_ns);
            if !luck.is_multiple_of(4) {
                self.end_pid(index);
            }
        }
    }

    /// The last process group or session of this name ends.
    pub(super) fn free_pid(&mut self, pick: u16) {
        let has_no_task = |&index: &usize| self.pids[index].user_ns.is_none();
        let kept: Vec<_> = (0..self.pids.len()).filter(has_no_task).collect();
        if let Some(&index) = choose(&kept, pick) {
            self.end_pid(index);
        }
    }

    /// The last of its namespace is that of its init, which outlives all in
    /// the namespaces below.
    fn end_pid(&mut self, index: usize) {
        let deepest = self.pids[index].levels.first().copied();
        let has_it_deepest = |pid: &&Pid| pid.levels.first().copied() == deepest;
        let is_last = self.pids.iter().filter(has_it_deepest).count() == 1;
        if is_last && deepest.is_some_and(|key| self.pids_of(key) > 1) {
            return;
        }
        self.pids[index].is_counted = false;
        self.say_flips();
        self.pids.swap_remove(index);
        if let Some(index) = deepest.and_then(|key| self.index_of(key))
            && self.pids_of(self.namespaces[index].facts.key) == 0
        {
            self.namespaces[index].closed = true;
            self.report_tasks(index);
        }
    }

    /// The first one says so.
    fn cred_gained(&mut self, user_ns: Key) {
        if let Some(index) = self.index_of(user_ns)
            && self.creds_of(user_ns) == 1
        {
            self.report_tasks(index);
        }
        self.say_flips();
    }

    /// The last one says so.
    fn cred_lost(&mut self, user_ns: Key) {
        if let Some(index) = self.index_of(user_ns)
            && self.creds_of(user_ns) == 0
        {
            self.report_tasks(index);
        }
        self.say_flips();
    }

    /// Reads whether tasks keep a namespace active. True if that is news.
    pub(super) fn read_tasks(&mut self, index: usize) -> bool {
        let key = self.namespaces[index].facts.key;
        let state = self.creds_of(key) + self.pids_of(key) > 0;
        let ns = &mut self.namespaces[index];
        ns.drawn += 1;
        ns.tasks.replace(state) != Some(state)
    }

    /// Where the kernel does not count: says it, if it is news.
    fn report_tasks(&mut self, index: usize) {
        if !self.kernel.config.kernel_counts && self.read_tasks(index) {
            let sequence = self.namespaces[index].drawn;
            self.say_of(index, |ns| Body::Tasks {
                ns,
                sequence,
                cause: None,
            });
        }
    }
}
