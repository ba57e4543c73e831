//! The lives of pid namespaces, and the tasks worth naming.
//!
//! That an init is dying an event says, or a walk: no pid is given out any more
//! (`disable_pid_allocation`), and the init has not exited yet. When it has,
//! nobody else is left.

use hashbrown::{HashMap, HashSet};
use tracer_common::kind::NsKind;

use super::super::{
    Actor, Init, InitStep, Key, NsFacts, NsId, People, Person, Reaper, TaskState, Walk, WalkTask,
    What,
};
use super::Tracker;
use super::entry::NsHandle;
use super::sink::Sink;

/// Pid namespaces one below the other: the kernel nests them 33 deep.
const DEEPEST: usize = 33;

/// A pid namespace whose init is dying.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dying {
    /// Since when, if that was seen.
    began: Option<u64>,
    /// Since when, or else since when that has been known.
    since: u64,
}

impl Tracker {
    /// The init of a pid namespace begins to kill and reap the others. Its own
    /// pid is still there, and that of its leader if another thread is the
    /// last one.
    pub(super) fn init_dying(&mut self, facts: &NsFacts, init: &Actor, sink: &mut Sink<'_>) {
        let Some(handle) = self.observed(facts, sink) else {
            return;
        };
        let began = sink.since();
        self.is_dying(handle, began, sink.at());
        let own = if init.pid == init.tgid { 1 } else { 2 };
        let left = facts.pids.map(|pids| pids.saturating_sub(own));
        self.say_init(handle, InitStep::Dying, left, None, sink);
    }

    /// It has reaped them all.
    pub(super) fn init_dead(&mut self, facts: &NsFacts, sink: &mut Sink<'_>) {
        let Some(handle) = self.observed(facts, sink) else {
            return;
        };
        let began = self.dying_began(handle);
        let took = began.map(|began| sink.at().saturating_sub(began));
        self.is_dead(handle);
        self.say_init(handle, InitStep::Dead, Some(0), took, sink);
    }

    fn say_init(
        &mut self,
        handle: NsHandle,
        step: InitStep,
        left: Option<u32>,
        took: Option<u64>,
        sink: &mut Sink<'_>,
    ) {
        if let Some(ns) = self.view(handle) {
            sink.say(What::Init {
                step,
                ns,
                left,
                took,
                actor: sink.actor(),
            });
        }
    }

    fn dying_began(&self, handle: NsHandle) -> Option<u64> {
        self.dying.get(&handle)?.began
    }

    /// An init is dying, since `began` or for all that is known since `time`.
    fn is_dying(&mut self, handle: NsHandle, began: Option<u64>, time: u64) {
        if self.set_reaper(handle, Reaper::Dying { began }) {
            let known = self.dying.get(&handle).map(|dying| dying.since);
            let since = began.or(known).unwrap_or(time);
            self.no_longer_dying(handle);
            self.dying.insert(handle, Dying { began, since });
            self.dying_since.insert((since, handle));
        }
    }

    fn is_dead(&mut self, handle: NsHandle) {
        if self.set_reaper(handle, Reaper::Dead) {
            self.no_longer_dying(handle);
        }
    }

    /// What became of an init. False if that cannot be: the dead do not die
    /// again.
    fn set_reaper(&mut self, handle: NsHandle, reaper: Reaper) -> bool {
        let Some(ns) = self
            .namespaces
            .get_mut(handle)
            .and_then(|entry| entry.ns.as_mut())
        else {
            return false;
        };
        if ns.kind != NsKind::Pid || ns.initial || ns.reaper == Some(Reaper::Dead) {
            return false;
        }
        ns.reaper = Some(reaper);
        true
    }

    fn no_longer_dying(&mut self, handle: NsHandle) {
        if let Some(dying) = self.dying.remove(&handle) {
            self.dying_since.remove(&(dying.since, handle));
        }
    }

    /// An inactive pid namespace has no pids, so its init is gone.
    pub(super) fn outlived_init(&mut self, handle: NsHandle) {
        if self.dying.contains_key(&handle) {
            self.is_dead(handle);
        }
    }

    /// A pid namespace without pids that gets no more has no init any more.
    pub(super) fn note_pids(&mut self, handle: NsHandle, facts: &NsFacts) {
        if facts.pids_disabled && facts.pids == Some(0) {
            self.is_dead(handle);
        }
    }

    /// Nothing is known of it any more.
    pub(super) fn forget_people(&mut self, handle: NsHandle, id: NsId) {
        self.no_longer_dying(handle);
        self.people.remove(&id);
    }

    /// The tasks of a namespace that are worth naming, as of the last walk.
    pub fn people(&self) -> impl Iterator<Item = (NsId, &People)> {
        self.people.iter().map(|(id, people)| (*id, people))
    }

    /// Takes over who was met, and where.
    pub(super) fn meet_people(&mut self, walk: &Walk) {
        self.people.clear();
        let by_pid: HashMap<u32, &WalkTask> =
            walk.tasks.iter().map(|task| (task.pid, task)).collect();
        let mut inits = HashMap::new();
        for init in &walk.inits {
            if let Some(&task) = by_pid.get(&init.pid)
                && let Some((handle, id)) = self.pid_namespace(init.pid_ns)
            {
                inits.insert(handle, task);
                self.people.entry(id).or_default().init = Some(Init {
                    task: task.actor(),
                    numbers: init.numbers.as_slice().to_vec(),
                });
            }
        }
        self.judge_inits(walk, &inits);
        self.meet_zombies(walk, &by_pid);
        if self.dying.is_empty() {
            return;
        }
        for task in &walk.tasks {
            self.meet_left(task, &inits, &by_pid);
        }
    }

    /// Which of the inits that get no more pids are still dying. The last thread
    /// of an init is the one that waits, and its leader may have exited before.
    fn judge_inits(&mut self, walk: &Walk, inits: &HashMap<NsHandle, &WalkTask>) {
        let living: HashSet<u32> = match inits.is_empty() {
            true => HashSet::new(),
            false => walk
                .tasks
                .iter()
                .filter(|task| task.exit_state == 0)
                .map(|task| task.tgid)
                .collect(),
        };
        for record in &walk.namespaces {
            if !record.ns.pids_disabled {
                continue;
            }
            let Some((handle, _)) = self.pid_namespace(record.ns.key) else {
                continue;
            };
            match inits.get(&handle) {
                Some(init) if living.contains(&init.tgid) => {
                    let began = self.dying_began(handle);
                    self.is_dying(handle, began, walk.ended_at);
                }
                Some(_) => self.is_dead(handle),
                None if walk.all_tasks => self.is_dead(handle),
                None => {}
            }
        }
    }

    /// A task that a dying init waits for is in its namespace or below it.
    fn meet_left(
        &mut self,
        task: &WalkTask,
        inits: &HashMap<NsHandle, &WalkTask>,
        by_pid: &HashMap<u32, &WalkTask>,
    ) {
        let mut next = task.pid_ns.and_then(|key| self.pid_namespace(key));
        for _ in 0..DEEPEST {
            let Some((handle, id)) = next else {
                return;
            };
            let is_init = inits
                .get(&handle)
                .is_some_and(|init| init.tgid == task.tgid);
            if self.dying.contains_key(&handle) && !is_init {
                let people = self.people.entry(id).or_default();
                people.left_count = people.left_count.saturating_add(1);
                if people.left.len() < People::NAMED {
                    people.left.push(person(task, by_pid));
                }
            }
            next = self.namespaces.get(handle).and_then(|entry| {
                let parent = entry.parent?;
                Some((parent, self.id_at(parent)?))
            });
        }
    }

    /// Counts, and names, those that have exited: they stay in their user and
    /// pid namespaces until they are reaped.
    fn meet_zombies(&mut self, walk: &Walk, by_pid: &HashMap<u32, &WalkTask>) {
        for (_, entry) in &mut self.namespaces {
            if let Some(ns) = &mut entry.ns
                && matches!(ns.kind, NsKind::User | NsKind::Pid)
            {
                ns.zombies = ns.tasks.map(|_| 0);
            }
        }
        for task in &walk.tasks {
            if task.doing() != TaskState::Zombie {
                continue;
            }
            for (key, kind) in [(task.user_ns, NsKind::User), (task.pid_ns, NsKind::Pid)] {
                let Some(handle) = key.and_then(|key| self.at(key, kind)) else {
                    continue;
                };
                let Some(ns) = self
                    .namespaces
                    .get_mut(handle)
                    .and_then(|entry| entry.ns.as_mut())
                else {
                    continue;
                };
                ns.zombies = Some(ns.zombies.unwrap_or(0).saturating_add(1));
                if !ns.initial {
                    let zombies = &mut self.people.entry(ns.id).or_default().zombies;
                    if zombies.len() < People::NAMED {
                        zombies.push(person(task, by_pid));
                    }
                }
            }
        }
    }

    /// The known pid namespace at this address.
    fn pid_namespace(&self, key: Key) -> Option<(NsHandle, NsId)> {
        let handle = self.at(key, NsKind::Pid)?;
        Some((handle, self.id_at(handle)?))
    }
}

fn person(task: &WalkTask, by_pid: &HashMap<u32, &WalkTask>) -> Person {
    let state = task.doing();
    let waits_for = by_pid
        .get(&task.parent)
        .filter(|_| matches!(state, TaskState::Zombie | TaskState::Traced))
        .map(|parent| parent.actor());
    Person {
        task: task.actor(),
        state,
        waits_for,
    }
}
