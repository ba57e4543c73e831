//! A walk of everything there is, while other things go on happening.

use std::collections::HashSet;

use tracer_common::kind::NsKind;
use tracer_core::model::{
    Comm, Event, Key, NsFacts, Walk, WalkNs, WalkNsproxy, WalkProcfs, WalkTask,
};

use super::namespaces::initial_key;
use super::{Choice, Sim};

impl Sim {
    /// Walks a while after all that happened, and while other things happen
    /// between one record and the next. Returns what happened meanwhile, too.
    pub(crate) fn walk(&mut self, meanwhile: &[Choice]) -> (Walk, Vec<Event>) {
        // So that nothing can still be in the middle of a fork.
        self.now += 2_000_000_000;
        let mut walk = Walk {
            started_at: self.tick(),
            all_tasks: true,
            all_of: self.kernel.lists,
            all_superblocks: true,
            ..Walk::default()
        };
        let mut events = Vec::new();
        let mut meanwhile = meanwhile.iter();
        let mut time_passes = |sim: &mut Self| {
            for &choice in meanwhile.by_ref().take(3) {
                events.extend(sim.step(choice));
            }
            sim.tick()
        };
        walk.tasks = self.tasks();
        for key in keys(&self.nsproxies, |held| held.key) {
            let time = time_passes(self);
            if let Some(&nsproxy) = self.nsproxies.iter().find(|held| held.key == key) {
                walk.nsproxies.push(WalkNsproxy { time, nsproxy });
            }
        }
        for kind in [NsKind::User, NsKind::Pid] {
            let (time, ns) = (time_passes(self), self.initial(kind));
            walk.namespaces.push(WalkNs {
                time,
                sequence: None,
                tasks_sequence: None,
                ns,
            });
        }
        let met = self.shown();
        for key in keys(&self.namespaces, |ns| ns.facts.key) {
            let time = time_passes(self);
            if let Some(index) = self.index_of(key)
                && self.namespaces[index].alive
                && (self.kernel.lists[self.namespaces[index].facts.kind as usize]
                    || met.contains(&key))
            {
                self.visit(index, time, &mut walk);
            }
        }
        for key in keys(&self.superblocks, |superblock| superblock.key) {
            let time = time_passes(self);
            if let Some(met) = self.superblocks.iter().find(|s| s.key == key) {
                walk.procfs.push(WalkProcfs {
                    time,
                    superblock: key,
                    pid_ns: met.pid_ns,
                });
            }
        }
        walk.ended_at = self.tick();
        (walk, events)
    }

    /// Meets a namespace; where they are not all listed, its owners and
    /// parents, too.
    fn visit(&mut self, index: usize, time: u64, walk: &mut Walk) {
        let NsFacts {
            key, owner, parent, ..
        } = self.namespaces[index].facts;
        if walk.namespaces.iter().any(|record| record.ns.key == key) {
            return;
        }
        walk.namespaces.push(self.meet(index, time));
        if !self.kernel.lists_all() {
            for above in [owner, parent].into_iter().flatten() {
                if let Some(index) = self.index_of(above) {
                    self.visit(index, time, walk);
                }
            }
        }
    }

    fn meet(&mut self, index: usize, time: u64) -> WalkNs {
        let counts = self.kernel.config.kernel_counts;
        let kind = self.namespaces[index].facts.kind;
        let reads_tasks = !counts && matches!(kind, NsKind::User | NsKind::Pid);
        if reads_tasks {
            // Whoever reads the walk knows it, so that it is no news later.
            self.read_tasks(index);
        } else if counts {
            self.namespaces[index].drawn += 1;
        }
        let drawn = self.namespaces[index].drawn;
        WalkNs {
            time,
            sequence: counts.then_some(drawn),
            tasks_sequence: reads_tasks.then_some(drawn),
            ns: self.read(index),
        }
    }

    fn tasks(&self) -> Vec<WalkTask> {
        let tasks = self.pids.iter().filter(|pid| pid.user_ns.is_some());
        let initial = initial_key(NsKind::Pid);
        tasks
            .zip(1..)
            .map(|(pid, number)| WalkTask {
                nsproxy: None,
                user_ns: pid.user_ns,
                pid_ns: Some(pid.levels.first().copied().unwrap_or(initial)),
                pid: number,
                tgid: number,
                comm: Comm::default(),
                kthread: false,
                leader: true,
                // Their nsproxies are others' business.
                exiting: true,
                state: 0,
                exit_state: 0,
                parent: 0,
            })
            .collect()
    }

    /// The namespaces to which something leads that a walk can see: tasks,
    /// their nsproxies, process groups and sessions, open files, superblocks.
    fn shown(&self) -> HashSet<Key> {
        let mut shown = HashSet::new();
        for slot in self.nsproxies.iter().flat_map(|held| held.slots).flatten() {
            shown.insert(slot.key);
        }
        for pid in &self.pids {
            shown.extend(pid.user_ns);
            shown.extend(&pid.levels);
        }
        for ns in &self.namespaces {
            let is_open = ns.inode.is_some() && !ns.in_flight;
            if is_open {
                shown.insert(ns.facts.key);
            }
        }
        shown.extend(self.superblocks.iter().map(|superblock| superblock.pid_ns));
        shown
    }
}

/// Those that are there when the walk comes to them.
fn keys<T>(objects: &[T], key: impl Fn(&T) -> Key) -> Vec<Key> {
    objects.iter().map(key).collect()
}
