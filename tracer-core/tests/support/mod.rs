//! A pretend kernel's side of the conversation: makes namespaces and
//! nsproxies, says what happens to them, and checks after each sentence that
//! the picture is sound.

#![allow(
    dead_code,
    reason = "each test program compiles its own copy and uses a part of it"
)]

pub(crate) mod sim;

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};

use tracer_common::event::{Cause, Reason};
use tracer_common::kind::{NsKind, Slot};
use tracer_core::model::{
    Actor, Body, Breaches, Census, Comm, Config, Contributors, Corrections, Event, Key, Lifecycle,
    Namespace, NsFacts, NsId, NsproxyFacts, Origin, SlotFacts, State, Tracker, Transition, Walk,
    WalkNs, WalkNsproxy, WalkProcfs, WalkRecord, WalkTask, What,
};

/// 6.12: no ids, no counts.
pub(crate) const OLD: Config = Config {
    kernel_ids: false,
    kernel_counts: false,
};

/// 6.18: ids, no counts.
pub(crate) const IDS: Config = Config {
    kernel_ids: true,
    kernel_counts: false,
};

/// 6.19 and later.
pub(crate) const COUNTS: Config = Config {
    kernel_ids: true,
    kernel_counts: true,
};

/// A task that does things.
pub(crate) const ACTOR: Actor = Actor {
    pid: 100,
    tgid: 100,
    comm: Comm(*b"unshare\0\0\0\0\0\0\0\0\0"),
};

/// The initial namespaces, in the order of their ids.
pub(crate) const INITIAL: [NsKind; 8] = [
    NsKind::Ipc,
    NsKind::Uts,
    NsKind::User,
    NsKind::Pid,
    NsKind::Cgroup,
    NsKind::Time,
    NsKind::Net,
    NsKind::Mnt,
];

pub(crate) fn key(address: u64) -> Key {
    Key::new(address).expect("not the null pointer")
}

/// A namespace as the pretend kernel has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ns {
    pub(crate) facts: NsFacts,
}

impl Ns {
    pub(crate) fn owned_by(mut self, owner: &Ns) -> Self {
        self.facts.owner = Some(owner.facts.key);
        self
    }

    pub(crate) fn child_of(mut self, parent: &Ns) -> Self {
        self.facts.parent = Some(parent.facts.key);
        self
    }

    /// At the address that another one had before.
    pub(crate) fn in_place_of(mut self, old: &Ns) -> Self {
        self.facts.key = old.facts.key;
        self
    }

    pub(crate) fn numbered(mut self, inum: u32) -> Self {
        self.facts.inum = NonZeroU32::new(inum).expect("not zero");
        self
    }

    /// With so many credentials in it, if it is a user namespace, or pids.
    pub(crate) fn with_tasks(mut self, count: u32) -> Self {
        match self.facts.kind {
            NsKind::User => self.facts.creds = Some(count),
            _ => self.facts.pids = Some(count),
        }
        self
    }

    /// After the last one was dropped.
    pub(crate) fn without_references(mut self) -> Self {
        self.facts.refs = Some(0);
        self
    }

    /// With an nsfs inode that stands for it.
    pub(crate) fn stashed(mut self, inode: u64) -> Self {
        self.facts.inode = Some(key(inode));
        self
    }
}

/// The whole set: kernel, tracker, and the clock.
pub(crate) struct World {
    pub(crate) tracker: Tracker,
    pub(crate) config: Config,
    pub(crate) now: u64,
    /// Sets [`Origin::selected`] and [`Origin::is_actor`] of what follows.
    pub(crate) selected: bool,
    pub(crate) is_actor: bool,
    /// Sets [`Event::breaches`] of the next sentence.
    pub(crate) breaches: Breaches,
    /// The thread that runs.
    pub(crate) thread: u32,
    /// What the last sentence caused, in full.
    pub(crate) transitions: Vec<Transition>,
    names: HashMap<u32, &'static str>,
    next_address: u64,
    next_inum: u32,
    next_id: u64,
    sequence: u64,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            tracker: Tracker::new(config),
            config,
            now: 1_000_000_000_000,
            selected: false,
            is_actor: true,
            breaches: Breaches::default(),
            thread: ACTOR.pid,
            transitions: Vec::new(),
            names: HashMap::new(),
            next_address: 0xffff_8880_0000_0000,
            next_inum: 4_026_532_000,
            next_id: 9,
            sequence: 0,
        }
    }

    /// A world in which the first walk, which met nothing, is over.
    pub(crate) fn walked(config: Config) -> Self {
        let mut world = Self::new(config);
        world.merge(|_| {});
        world
    }

    pub(crate) fn address(&mut self) -> u64 {
        self.next_address += 0x100;
        self.next_address
    }

    pub(crate) fn tick(&mut self) -> u64 {
        self.now += 10_000_000;
        self.now
    }

    /// Lets so much time pass that nothing can still be in the middle of a
    /// fork.
    pub(crate) fn later(&mut self) {
        self.now += 2_000_000_000;
    }

    /// A new namespace of the type with which its name begins.
    pub(crate) fn ns(&mut self, name: &'static str) -> Ns {
        let kind = NsKind::ALL
            .into_iter()
            .find(|kind| name.starts_with(kind.name()))
            .expect("a name that begins with a type");
        let ns = self.ns_of(kind);
        self.names.insert(ns.facts.inum.get(), name);
        ns
    }

    pub(crate) fn ns_of(&mut self, kind: NsKind) -> Ns {
        self.next_inum += 1;
        self.next_id += 1;
        let number = NonZeroU64::new(self.next_id);
        let guarded = matches!(kind, NsKind::Net | NsKind::Mnt);
        Ns {
            facts: NsFacts {
                key: key(self.address()),
                kind,
                inum: NonZeroU32::new(self.next_inum).expect("not zero"),
                ns_id: number.filter(|_| self.config.kernel_ids),
                guard: number.filter(|_| guarded),
                owner: None,
                parent: None,
                refs: Some(1),
                active: self.config.kernel_counts.then_some(0),
                level: None,
                owner_uid: None,
                inode: None,
                creds: None,
                pids: None,
                pids_disabled: false,
            },
        }
    }

    /// The initial namespace of this type.
    pub(crate) fn initial(&mut self, kind: NsKind) -> Ns {
        let mut ns = self.ns_of(kind);
        let index = INITIAL
            .iter()
            .position(|&k| k == kind)
            .expect("all types are listed") as u32;
        let fixed = self.config.kernel_ids || !matches!(kind, NsKind::Net | NsKind::Mnt);
        if fixed {
            ns = ns.numbered(0xEFFF_FFFF - index);
        }
        if self.config.kernel_counts {
            ns.facts.ns_id = NonZeroU64::new(u64::from(index) + 1);
            ns.facts.active = Some(1);
        }
        self.names.insert(ns.facts.inum.get(), kind.name());
        ns
    }

    /// A new nsproxy that points to these namespaces. A time namespace goes
    /// into the slot of the task only.
    pub(crate) fn nsproxy(&mut self, namespaces: &[&Ns]) -> NsproxyFacts {
        let mut nsproxy = NsproxyFacts {
            key: key(self.address()),
            slots: [None; Slot::COUNT],
            count: 1,
        };
        for ns in namespaces {
            let slot = Slot::ALL
                .into_iter()
                .find(|slot| slot.kind() == ns.facts.kind)
                .expect("a type that nsproxies have");
            nsproxy.slots[slot as usize] = Some(slot_of(ns));
        }
        nsproxy
    }

    pub(crate) fn tell(&mut self, body: Body) -> Vec<String> {
        let time = self.tick();
        self.tell_at(time, body)
    }

    /// Hands an event to the tracker. Returns what it caused, in short.
    pub(crate) fn tell_at(&mut self, time: u64, body: Body) -> Vec<String> {
        let event = Event {
            origin: Origin {
                time,
                task: Actor {
                    pid: self.thread,
                    ..ACTOR
                },
                cgroup: 7,
                is_actor: self.is_actor,
                selected: self.selected,
            },
            body,
            breaches: std::mem::take(&mut self.breaches),
        };
        self.transitions.clear();
        self.tracker.apply(&event, &mut self.transitions);
        check(&self.tracker, self.config);
        self.story()
    }

    fn story(&self) -> Vec<String> {
        let step = |step: Lifecycle, ns: &Namespace| format!("{} {}", step.name(), self.name(ns));
        let mut story = Vec::new();
        for transition in &self.transitions {
            match &transition.what {
                What::Namespace {
                    step: which, ns, ..
                } => story.push(step(*which, ns)),
                What::Failed(failure) => {
                    story.push(format!("{} failed: {}", failure.kind.name(), failure.errno));
                }
                What::Chain(chain) => {
                    story.extend(chain.links.iter().map(|link| step(link.step, &link.ns)));
                }
                What::Switched(switch) => {
                    story.push(format!("switched by {}", switch.reason.name()));
                }
                What::NsproxyFreed(_) => story.push("nsproxy freed".to_owned()),
                What::NetCleanup(cleanup) => {
                    story.push(format!("cleaned up {}", cleanup.namespaces));
                }
                What::Violation(violation) => {
                    story.push(format!("{} broken", violation.rule.name()));
                }
                What::Init { step, ns, .. } => {
                    story.push(format!("{} of {}", step.name(), self.name(ns)));
                }
                What::TaskEnd(_) => story.push("task ended".to_owned()),
            }
        }
        story
    }

    fn name(&self, ns: &Namespace) -> &'static str {
        let name = self.names.get(&ns.inum).copied();
        name.unwrap_or(ns.kind.name())
    }

    /// The causes of what was caused last, and what was pulled along by what.
    pub(crate) fn causes(&self) -> Vec<String> {
        let because = |cause: Option<Cause>| cause.map_or("nothing known", Cause::name);
        let mut causes = Vec::new();
        for transition in &self.transitions {
            match &transition.what {
                What::Namespace { ns, cause, .. } => {
                    causes.push(format!("{} {}", self.name(ns), because(*cause)));
                }
                What::Chain(chain) => {
                    let links = chain
                        .links
                        .iter()
                        .map(|link| format!(" > {} {}", self.name(&link.ns), link.cause.name()));
                    let links: String = links.collect();
                    causes.push(format!("{}{links}", self.name(&chain.namespace)));
                }
                What::Failed(_)
                | What::Switched(_)
                | What::NsproxyFreed(_)
                | What::NetCleanup(_)
                | What::Init { .. }
                | What::TaskEnd(_)
                | What::Violation(_) => {}
            }
        }
        causes
    }

    pub(crate) fn created(&mut self, ns: &Ns) -> Vec<String> {
        self.tell(Body::created(ns.facts))
    }

    /// The active count was read, after all other readings.
    pub(crate) fn count(&mut self, ns: &Ns, count: u32) -> Vec<String> {
        self.sequence += 1;
        self.count_numbered(ns, self.sequence, count)
    }

    pub(crate) fn count_numbered(&mut self, ns: &Ns, sequence: u64, count: u32) -> Vec<String> {
        let ns = NsFacts {
            active: Some(count),
            ..ns.facts
        };
        self.tell(Body::Activity {
            ns,
            sequence,
            cause: None,
            below: None,
        })
    }

    /// The active count was read as after [`Self::count`], for this cause, on
    /// the way up from a namespace that it owns if there is one below.
    pub(crate) fn flip(
        &mut self,
        ns: &Ns,
        count: u32,
        cause: Option<Cause>,
        below: Option<&Ns>,
    ) -> Vec<String> {
        self.sequence += 1;
        let facts = NsFacts {
            active: Some(count),
            ..ns.facts
        };
        self.tell(Body::Activity {
            ns: facts,
            sequence: self.sequence,
            cause,
            below: below.map(|below| below.facts.key),
        })
    }

    pub(crate) fn climb_ended(&mut self, ns: &Ns) -> Vec<String> {
        self.tell(Body::ClimbEnded(ns.facts.as_ref()))
    }

    pub(crate) fn last_ref(&mut self, ns: &Ns) -> Vec<String> {
        self.tell(Body::LastRef(ns.facts))
    }

    pub(crate) fn freed(&mut self, ns: &Ns) -> Vec<String> {
        self.tell(Body::Freed(ns.facts.as_ref()))
    }

    pub(crate) fn opened(&mut self, ns: &Ns, inode: u64) -> Vec<String> {
        self.tell(Body::NsfsOpened {
            ns: ns.facts,
            inode: key(inode),
        })
    }

    pub(crate) fn evicted(&mut self, ns: &Ns, inode: u64) -> Vec<String> {
        self.tell(Body::NsfsEvicted {
            ns: ns.facts,
            inode: key(inode),
        })
    }

    /// Credentials or pids were counted, after all other readings.
    pub(crate) fn tasks(&mut self, ns: &Ns, count: u32) -> Vec<String> {
        self.sequence += 1;
        self.tasks_numbered(ns, self.sequence, count)
    }

    pub(crate) fn tasks_numbered(&mut self, ns: &Ns, sequence: u64, count: u32) -> Vec<String> {
        let ns = ns.with_tasks(count).facts;
        self.tell(Body::Tasks {
            ns,
            sequence,
            cause: None,
        })
    }

    pub(crate) fn mounted(&mut self, ns: &Ns, superblock: u64) -> Vec<String> {
        self.tell(Body::ProcfsMounted {
            ns: ns.facts,
            superblock: key(superblock),
        })
    }

    pub(crate) fn unmounted(&mut self, ns: &Ns, superblock: u64) -> Vec<String> {
        self.tell(Body::ProcfsGone {
            ns: ns.facts,
            superblock: key(superblock),
        })
    }

    pub(crate) fn installed(&mut self, nsproxy: &NsproxyFacts) -> Vec<String> {
        self.tell(Body::NsproxyInstalled(*nsproxy))
    }

    pub(crate) fn switched(
        &mut self,
        reason: Reason,
        from: &NsproxyFacts,
        to: Option<&NsproxyFacts>,
    ) -> Vec<String> {
        self.tell(Body::Switched {
            reason,
            from: *from,
            to: to.copied(),
        })
    }

    pub(crate) fn nsproxy_freed(&mut self, nsproxy: &NsproxyFacts) -> Vec<String> {
        self.tell(Body::NsproxyFreed(NsproxyFacts {
            count: 0,
            ..*nsproxy
        }))
    }

    /// Merges a walk that met everything there is.
    pub(crate) fn merge(
        &mut self,
        meet: impl FnOnce(&mut Walker<'_>),
    ) -> (Vec<String>, Corrections) {
        let walk = self.walk(meet);
        self.merge_walk(&walk)
    }

    pub(crate) fn walk(&mut self, meet: impl FnOnce(&mut Walker<'_>)) -> Walk {
        let walk = Walk {
            started_at: self.tick(),
            all_tasks: true,
            all_of: [true; NsKind::COUNT],
            all_superblocks: true,
            ..Walk::default()
        };
        let mut walker = Walker { world: self, walk };
        meet(&mut walker);
        let mut walk = walker.walk;
        walk.ended_at = self.tick();
        walk
    }

    pub(crate) fn merge_walk(&mut self, walk: &Walk) -> (Vec<String>, Corrections) {
        self.transitions.clear();
        let corrections = self.tracker.merge(walk, &mut self.transitions);
        check(&self.tracker, self.config);
        (self.story(), corrections)
    }

    /// The namespace as the tracker knows it.
    pub(crate) fn get(&self, ns: &Ns) -> Option<Namespace> {
        self.tracker.find(ns.facts.inum.get().into())
    }

    pub(crate) fn state(&self, ns: &Ns) -> Option<State> {
        self.get(ns).map(|ns| ns.state)
    }
}

/// Meets objects, one after the other.
pub(crate) struct Walker<'a> {
    world: &'a mut World,
    pub(crate) walk: Walk,
}

impl Walker<'_> {
    pub(crate) fn ns(&mut self, ns: &Ns) {
        self.record(ns.facts, None, None);
    }

    /// Meets it with this active count, read after all other readings.
    pub(crate) fn counted(&mut self, ns: &Ns, count: u32) {
        self.world.sequence += 1;
        let active = Some(count);
        let facts = NsFacts { active, ..ns.facts };
        self.record(facts, Some(self.world.sequence), None);
    }

    /// Meets it with so many credentials or pids, counted likewise.
    pub(crate) fn with_tasks(&mut self, ns: &Ns, count: u32) {
        self.world.sequence += 1;
        self.with_tasks_numbered(ns, self.world.sequence, count);
    }

    pub(crate) fn with_tasks_numbered(&mut self, ns: &Ns, sequence: u64, count: u32) {
        self.record(ns.with_tasks(count).facts, None, Some(sequence));
    }

    fn record(&mut self, ns: NsFacts, sequence: Option<u64>, tasks_sequence: Option<u64>) {
        let record = WalkNs {
            time: self.world.tick(),
            sequence,
            tasks_sequence,
            ns,
        };
        self.walk.extend([WalkRecord::Namespace(record)]);
    }

    pub(crate) fn procfs(&mut self, ns: &Ns, superblock: u64) {
        let record = WalkProcfs {
            time: self.world.tick(),
            superblock: key(superblock),
            pid_ns: ns.facts.key,
        };
        self.walk.extend([WalkRecord::Procfs(record)]);
    }

    pub(crate) fn nsproxy(&mut self, nsproxy: &NsproxyFacts) {
        let record = WalkNsproxy {
            time: self.world.tick(),
            nsproxy: *nsproxy,
        };
        self.walk.extend([WalkRecord::Nsproxy(record)]);
    }

    pub(crate) fn task(&mut self, user: &Ns, pid: &Ns, nsproxy: &NsproxyFacts) -> &mut WalkTask {
        let number = self.walk.tasks.len() as u32 + 1;
        self.walk.tasks.push(WalkTask {
            nsproxy: Some(nsproxy.key),
            user_ns: Some(user.facts.key),
            pid_ns: Some(pid.facts.key),
            pid: number,
            tgid: number,
            comm: Comm::default(),
            kthread: false,
            leader: true,
            exiting: false,
            state: 0,
            exit_state: 0,
            parent: 0,
        });
        self.walk.tasks.last_mut().expect("just pushed")
    }
}

pub(crate) fn slot_of(ns: &Ns) -> SlotFacts {
    SlotFacts {
        key: ns.facts.key,
        inum: Some(ns.facts.inum),
    }
}

/// What must hold at any time, whatever the tracker is told. Returns how many
/// active namespaces each one owns.
pub(crate) fn check_sums(tracker: &Tracker, config: Config) -> HashMap<NsId, u32> {
    let mut recount = Census::default();
    let mut owned = HashMap::new();
    for ns in tracker.namespaces() {
        recount.namespaces[ns.kind as usize][ns.state as usize] += 1;
        assert_eq!(tracker.get(ns.id), Some(ns), "the index by id is wrong");
        assert!(!ns.initial || ns.state == State::Active);
        assert!(ns.was_active || ns.state != State::Active);
        let has_procfs = ns.kind == NsKind::Pid && !ns.initial;
        assert_eq!(ns.procfs.is_some(), has_procfs, "{ns:?}");
        let has_parent = matches!(ns.kind, NsKind::User | NsKind::Pid);
        assert!(has_parent || ns.parent.is_none(), "{ns:?}");
        if ns.state == State::Active
            && let Some(owner) = ns.owner
        {
            *owned.entry(owner).or_default() += 1;
        }
        if !config.kernel_counts && !ns.initial && ns.state != State::Destroyed {
            assert_eq!(ns.state == State::Active, is_kept_active(&ns), "{ns:?}");
        }
    }
    recount.nsproxies = tracker.nsproxies().count() as u64;
    assert_eq!(tracker.census(), &recount);
    check_standing(tracker);
    owned
}

/// Who stands in line, and who is kept by files alone, counted anew.
fn check_standing(tracker: &Tracker) {
    let standing = tracker.standing();
    let mut kept = [0; NsKind::COUNT];
    let mut is_there = [[false; State::ALL.len()]; NsKind::COUNT];
    for ns in tracker.namespaces().filter(|ns| !ns.initial) {
        is_there[ns.kind as usize][ns.state as usize] = true;
        let has_tasks = [ns.because.nsproxies, ns.because.creds, ns.because.pids] != [0; 3];
        let is_kept = ns.state == State::Active && ns.because.nsfs > 0 && !has_tasks;
        kept[ns.kind as usize] += u64::from(is_kept);
    }
    assert_eq!(standing.kept_by_files, kept);
    let in_line = standing
        .oldest
        .map(|states| states.map(|since| since.is_some()));
    assert_eq!(in_line, is_there);
}

/// What must hold when the kernel makes no mistakes, either.
pub(crate) fn check(tracker: &Tracker, config: Config) {
    let owned = check_sums(tracker, config);
    for ns in tracker.namespaces().filter(|ns| !ns.initial) {
        let active = owned.get(&ns.id).copied().unwrap_or(0);
        assert_eq!(ns.because.owned, active, "{ns:?}");
    }
}

/// Whether the contributors that are shown keep it active.
fn is_kept_active(ns: &Namespace) -> bool {
    let Contributors {
        nsproxies,
        creds,
        pids,
        nsfs,
        owned,
    } = ns.because;
    [nsproxies, creds, pids, nsfs, owned]
        .iter()
        .any(|&count| count > 0)
}
