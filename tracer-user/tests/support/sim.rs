//! A small kernel: namespaces with owners, nsproxies and nsfs inodes, and
//! nothing else that could keep a namespace active.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};

use nslife::model::{
    Actor, Body, Config, Contributors, Corrections, Event, Key, NsFacts, NsRef, NsproxyFacts,
    Origin, SlotFacts, State, Tracker, Transition, Walk, WalkNs, WalkNsproxy,
};
use tracer_common::event::Reason;
use tracer_common::kind::{NsKind, Slot};

use super::{check, check_sums, key};

/// What to do next; the numbers choose among what is possible.
pub(crate) type Choice = (u8, u16, u16, u16);

/// How many different first numbers of a [`Choice`] there are.
pub(crate) const DEEDS: u8 = 9;

/// A namespace that is not freed.
#[derive(Clone, Debug)]
struct SimNs {
    facts: NsFacts,
    alive: bool,
    inode: Option<Key>,
    was_active: bool,
    sequence: u64,
}

/// What a tracker shows of one namespace, by inode number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shown {
    kind: NsKind,
    ns_id: Option<u64>,
    state: State,
    because: Contributors,
}

pub(crate) struct Sim {
    config: Config,
    /// Whether a pair of address and inode number can come back, and the
    /// address of a user namespace.
    reuses_all: bool,
    now: u64,
    namespaces: Vec<SimNs>,
    nsproxies: Vec<NsproxyFacts>,
    free: Vec<(Key, NonZeroU32)>,
    next_address: u64,
    next_inum: u32,
    next_id: u64,
    log: Vec<Event>,
}

impl Sim {
    pub(crate) fn new(config: Config, reuses_all: bool) -> Self {
        Self {
            config,
            reuses_all,
            now: 1_000_000,
            namespaces: Vec::new(),
            nsproxies: Vec::new(),
            free: Vec::new(),
            next_address: 0x1000,
            next_inum: 4_026_532_000,
            next_id: 9,
            log: Vec::new(),
        }
    }

    /// Does one thing, and returns the events that tell of it.
    pub(crate) fn step(&mut self, (deed, a, b, c): Choice) -> Vec<Event> {
        match deed {
            0 => self.create(NsKind::User, a, b),
            1 => {
                let kinds = NsKind::ALL.into_iter().filter(|&kind| kind != NsKind::User);
                let kind = choose(&kinds.collect::<Vec<_>>(), c).copied();
                self.create(kind.unwrap_or(NsKind::Net), a, b);
            }
            2 => {
                let nsproxy = self.make_nsproxy(&[a, b, c]);
                self.nsproxies.push(nsproxy);
                self.say(Body::NsproxyInstalled(nsproxy));
            }
            3 => self.free_nsproxy(a),
            4 => self.open(a),
            5 => self.evict(a),
            6 => self.drop_last_reference(a),
            7 => self.free(a),
            _ => self.switch(a, &[b, c]),
        }
        self.say_flips();
        std::mem::take(&mut self.log)
    }

    /// The truth about everything that has references.
    fn picture(&self) -> BTreeMap<u32, Shown> {
        self.namespaces
            .iter()
            .filter(|ns| ns.alive)
            .map(|ns| {
                let shown = Shown {
                    kind: ns.facts.kind,
                    ns_id: ns.facts.ns_id.map(u64::from),
                    state: if self.is_active(ns) {
                        State::Active
                    } else {
                        State::Inactive
                    },
                    because: self.contributors(ns),
                };
                (ns.facts.inum.get(), shown)
            })
            .collect()
    }

    /// Walks, while other things happen between one record and the next.
    /// Returns what happened meanwhile, too.
    pub(crate) fn walk(&mut self, meanwhile: &[Choice]) -> (Walk, Vec<Event>) {
        let mut walk = Walk {
            started_at: self.tick(),
            all_tasks: true,
            all_of: [true; NsKind::COUNT],
            all_superblocks: true,
            ..Walk::default()
        };
        let mut events = Vec::new();
        let mut meanwhile = meanwhile.iter();
        let namespaces: Vec<Key> = self.namespaces.iter().map(|ns| ns.facts.key).collect();
        let nsproxies: Vec<Key> = self.nsproxies.iter().map(|held| held.key).collect();
        for key in namespaces {
            events.extend(meanwhile.next().into_iter().flat_map(|&c| self.step(c)));
            let time = self.tick();
            if let Some(index) = self
                .namespaces
                .iter()
                .position(|ns| ns.facts.key == key && ns.alive)
            {
                self.namespaces[index].sequence += 1;
                let ns = &self.namespaces[index];
                walk.namespaces.push(WalkNs {
                    time,
                    sequence: self.config.kernel_counts.then_some(ns.sequence),
                    tasks_sequence: None,
                    ns: self.facts_now(ns),
                });
            }
        }
        for key in nsproxies {
            events.extend(meanwhile.next().into_iter().flat_map(|&c| self.step(c)));
            let time = self.tick();
            if let Some(&nsproxy) = self.nsproxies.iter().find(|held| held.key == key) {
                walk.nsproxies.push(WalkNsproxy { time, nsproxy });
            }
        }
        walk.ended_at = self.tick();
        (walk, events)
    }

    fn tick(&mut self) -> u64 {
        self.now += 10_000_000;
        self.now
    }

    fn address(&mut self) -> Key {
        self.next_address += 0x100;
        key(self.next_address)
    }

    fn say(&mut self, body: Body) {
        let time = self.tick();
        self.log.push(event_at(time, body));
    }

    fn alive(&self, kind: Option<NsKind>) -> Vec<usize> {
        (0..self.namespaces.len())
            .filter(|&index| {
                let ns = &self.namespaces[index];
                ns.alive && kind.is_none_or(|kind| ns.facts.kind == kind)
            })
            .collect()
    }

    fn create(&mut self, kind: NsKind, owner: u16, place: u16) {
        let owner = choose(&self.alive(Some(NsKind::User)), owner)
            .map(|&index| self.namespaces[index].facts.key);
        self.next_id += 1;
        self.next_inum += 1;
        let fresh = NonZeroU32::new(self.next_inum).expect("not zero");
        let old = if place.is_multiple_of(2) && (self.reuses_all || kind != NsKind::User) {
            self.free.pop()
        } else {
            None
        };
        let (key, inum) = match old {
            Some(old) if self.reuses_all && place.is_multiple_of(4) => old,
            Some((key, _)) => (key, fresh),
            None => (self.address(), fresh),
        };
        let number = NonZeroU64::new(self.next_id);
        let guarded = matches!(kind, NsKind::Net | NsKind::Mnt);
        let ns = SimNs {
            facts: NsFacts {
                key,
                kind,
                inum,
                ns_id: number.filter(|_| self.config.kernel_ids),
                guard: number.filter(|_| guarded),
                owner,
                parent: None,
                refs: Some(1),
                active: None,
                level: None,
                owner_uid: None,
                inode: None,
                creds: None,
                pids: None,
            },
            alive: true,
            inode: None,
            was_active: false,
            sequence: 0,
        };
        let facts = self.facts_now(&ns);
        self.namespaces.push(ns);
        self.say(Body::Created(facts));
    }

    fn make_nsproxy(&mut self, picks: &[u16]) -> NsproxyFacts {
        let mut nsproxy = NsproxyFacts {
            key: self.address(),
            slots: [None; Slot::COUNT],
            count: 1,
        };
        for &pick in picks {
            if let Some(&index) = choose(&self.alive(None), pick) {
                let facts = &self.namespaces[index].facts;
                for slot in Slot::ALL {
                    // Odd picks leave the time slot alone.
                    if slot.kind() == facts.kind && (slot != Slot::Time || pick.is_multiple_of(2)) {
                        nsproxy.slots[slot as usize] = Some(SlotFacts {
                            key: facts.key,
                            inum: Some(facts.inum),
                        });
                    }
                }
            }
        }
        nsproxy
    }

    fn free_nsproxy(&mut self, pick: u16) {
        if !self.nsproxies.is_empty() {
            let index = usize::from(pick) % self.nsproxies.len();
            let nsproxy = self.nsproxies.swap_remove(index);
            self.say(Body::NsproxyFreed(NsproxyFacts {
                count: 0,
                ..nsproxy
            }));
        }
    }

    fn switch(&mut self, from: u16, picks: &[u16]) {
        let Some(&old) = choose(&self.nsproxies, from) else {
            return;
        };
        let new = self.make_nsproxy(picks);
        self.nsproxies.push(new);
        self.say(Body::Switched {
            reason: Reason::Unshare,
            from: old,
            to: Some(new),
        });
        if from.is_multiple_of(2) {
            let index = self.nsproxies.iter().position(|held| held.key == old.key);
            self.nsproxies.swap_remove(index.expect("it was chosen"));
            self.say(Body::NsproxyFreed(NsproxyFacts { count: 0, ..old }));
        }
    }

    fn open(&mut self, pick: u16) {
        if let Some(&index) = choose(&self.alive(None), pick)
            && self.namespaces[index].inode.is_none()
        {
            let inode = self.address();
            self.namespaces[index].inode = Some(inode);
            let ns = self.facts_now(&self.namespaces[index]);
            self.say(Body::NsfsOpened { ns, inode });
        }
    }

    fn evict(&mut self, pick: u16) {
        if let Some(&index) = choose(&self.alive(None), pick)
            && let Some(inode) = self.namespaces[index].inode.take()
        {
            let ns = self.facts_now(&self.namespaces[index]);
            self.say(Body::NsfsEvicted { ns, inode });
        }
    }

    fn drop_last_reference(&mut self, pick: u16) {
        if let Some(&index) = choose(&self.alive(None), pick) {
            let ns = &self.namespaces[index];
            let owns = self
                .namespaces
                .iter()
                .any(|other| other.facts.owner == Some(ns.facts.key));
            if !owns && !self.is_active(ns) {
                let facts = self.facts_now(ns);
                self.namespaces[index].alive = false;
                self.say(Body::LastRef(NsFacts {
                    refs: Some(0),
                    ..facts
                }));
            }
        }
    }

    fn free(&mut self, pick: u16) {
        let dead: Vec<usize> = (0..self.namespaces.len())
            .filter(|&index| !self.namespaces[index].alive)
            .collect();
        if let Some(&index) = choose(&dead, pick) {
            let ns = self.namespaces.swap_remove(index);
            self.free.push((ns.facts.key, ns.facts.inum));
            self.say(Body::Freed(ns.facts.as_ref()));
        }
    }

    /// What a kernel that counts says after each change.
    fn say_flips(&mut self) {
        if !self.config.kernel_counts {
            return;
        }
        for index in 0..self.namespaces.len() {
            let active = self.is_active(&self.namespaces[index]);
            if active != self.namespaces[index].was_active {
                let ns = &mut self.namespaces[index];
                ns.was_active = active;
                ns.sequence += 1;
                let sequence = ns.sequence;
                let ns = self.facts_now(&self.namespaces[index]);
                self.say(Body::Activity { ns, sequence });
            }
        }
    }

    fn facts_now(&self, ns: &SimNs) -> NsFacts {
        let because = self.contributors(ns);
        let count = because.nsproxies + because.nsfs + because.owned;
        NsFacts {
            active: self.config.kernel_counts.then_some(count),
            inode: ns.inode,
            ..ns.facts
        }
    }

    fn contributors(&self, ns: &SimNs) -> Contributors {
        let pointers = self
            .nsproxies
            .iter()
            .flat_map(|held| held.slots)
            .flatten()
            .filter(|slot| slot.key == ns.facts.key)
            .count();
        let owned = self
            .namespaces
            .iter()
            .filter(|other| other.facts.owner == Some(ns.facts.key) && self.is_active(other))
            .count();
        Contributors {
            nsproxies: pointers as u32,
            nsfs: u32::from(ns.inode.is_some()),
            owned: owned as u32,
            ..Contributors::default()
        }
    }

    fn is_active(&self, ns: &SimNs) -> bool {
        ns.alive && {
            let because = self.contributors(ns);
            because.nsproxies + because.nsfs + because.owned > 0
        }
    }
}

pub(crate) fn event_at(time: u64, body: Body) -> Event {
    Event {
        origin: Origin {
            time,
            task: Actor {
                pid: 1,
                tgid: 1,
                comm: Default::default(),
            },
            cgroup: 0,
            is_actor: false,
            selected: false,
        },
        body,
    }
}

/// A tracker that listens to a [`Sim`], and what it has heard.
pub(crate) struct Listener {
    pub(crate) tracker: Tracker,
    config: Config,
    transitions: Vec<Transition>,
    heard: Vec<String>,
}

impl Listener {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            tracker: Tracker::new(config),
            config,
            transitions: Vec::new(),
            heard: Vec::new(),
        }
    }

    pub(crate) fn hear(&mut self, event: &Event) {
        self.heard.push(brief(event));
        self.tracker.apply(event, &mut self.transitions);
        check_sums(&self.tracker, self.config);
    }

    pub(crate) fn miss(&mut self, event: &Event) {
        self.heard.push(format!("{} (missed)", brief(event)));
    }

    pub(crate) fn merge(&mut self, walk: &Walk) -> Corrections {
        for record in &walk.namespaces {
            let (time, kind, inum) = (record.time, record.ns.kind, record.ns.inum);
            self.heard.push(format!(
                "{time} met {} {inum} @{:?} own {:?}",
                kind.name(),
                record.ns.key,
                record.ns.owner
            ));
        }
        let before = self.transitions.len();
        let corrections = self.tracker.merge(walk, &mut self.transitions);
        assert!(corrections.total() > 0 || self.transitions.len() == before);
        corrections
    }

    /// Panics if tracker and kernel disagree.
    pub(crate) fn compare(&self, sim: &Sim) {
        if let Some(difference) = self.difference(sim) {
            panic!("{difference}, after hearing\n{}", self.heard.join("\n"));
        }
        check(&self.tracker, self.config);
    }

    /// The first thing on which they disagree.
    fn difference(&self, sim: &Sim) -> Option<String> {
        let (shown, truth) = (shown(&self.tracker), sim.picture());
        if let Some(inum) = truth
            .keys()
            .chain(shown.keys())
            .find(|inum| shown.get(inum) != truth.get(inum))
        {
            let (shown, truth) = (shown.get(inum), truth.get(inum));
            return Some(format!("{inum} is {truth:?}, shown as {shown:?}"));
        }
        let shown = self.tracker.census().nsproxies;
        let truth = sim.nsproxies.len() as u64;
        (shown != truth).then(|| format!("{truth} nsproxies, shown as {shown}"))
    }
}

/// An event in a few words.
fn brief(event: &Event) -> String {
    let ns = |what: &str, ns: NsRef| format!("{what} {} {}", ns.kind.name(), ns.inum);
    let nsproxy = |nsproxy: &NsproxyFacts| {
        let inums = nsproxy.slots.iter().flatten().filter_map(|slot| slot.inum);
        inums.map(|inum| format!(" {inum}")).collect::<String>()
    };
    let what = match &event.body {
        Body::Created(facts) => ns(&format!("created(own {:?})", facts.owner), facts.as_ref()),
        Body::Activity { ns: facts, .. } => ns("activity of", facts.as_ref()),
        Body::LastRef(facts) => ns("last reference to", facts.as_ref()),
        Body::Freed(freed) => ns("freed", *freed),
        Body::NsfsOpened { ns: facts, .. } => ns("opened", facts.as_ref()),
        Body::NsfsEvicted { ns: facts, .. } => ns("evicted", facts.as_ref()),
        Body::Tasks { ns: facts, .. } => ns("tasks of", facts.as_ref()),
        Body::ProcfsMounted { ns: facts, .. } => ns("procfs of", facts.as_ref()),
        Body::ProcfsGone { ns: facts, .. } => ns("no procfs of", facts.as_ref()),
        Body::NsproxyInstalled(to) => format!("installed{}", nsproxy(to)),
        Body::NsproxyFreed(from) => format!("freed nsproxy{}", nsproxy(from)),
        Body::Switched { from, to, .. } => format!(
            "switched from{} to{}",
            nsproxy(from),
            to.as_ref().map(nsproxy).unwrap_or_default()
        ),
    };
    format!("{} {what}", event.origin.time)
}

/// What the tracker shows of everything that has references.
fn shown(tracker: &Tracker) -> BTreeMap<u32, Shown> {
    tracker
        .namespaces()
        .filter(|ns| ns.state != State::Destroyed)
        .map(|ns| {
            let shown = Shown {
                kind: ns.kind,
                ns_id: ns.ns_id,
                state: ns.state,
                because: ns.because,
            };
            (ns.inum, shown)
        })
        .collect()
}

/// One of these, by a number.
fn choose<T>(from: &[T], pick: u16) -> Option<&T> {
    from.get(usize::from(pick).checked_rem(from.len())?)
}
