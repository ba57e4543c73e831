//! A small kernel: namespaces with owners and parents, and everything that
//! keeps them active or allocated: nsproxies, credentials and pids of tasks,
//! inodes of nsfs, superblocks of procfs. It says what the kernel programs
//! say, and knows the truth.

mod activity;
mod files;
pub(crate) mod listener;
mod namespaces;
mod nsproxies;
mod tasks;
mod walk;

use tracer_common::kind::NsKind;
use tracer_core::model::{Actor, Body, Breaches, Config, Event, Key, NsproxyFacts, Origin};

use self::files::Superblock;
use self::namespaces::{Address, SimNs};
use self::tasks::Pid;
use super::{COUNTS, IDS, OLD, key};

/// What to do next; the numbers choose among what is possible.
pub(crate) type Choice = (u8, u16, u16, u16);

/// How many different first numbers of a [`Choice`] there are.
pub(crate) const DEEDS: u8 = 16;

/// A kernel to pretend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel {
    pub(crate) config: Config,
    /// By [`NsKind`]: it keeps a list of all.
    pub(crate) lists: [bool; NsKind::COUNT],
}

impl Kernel {
    const fn listing_all(config: Config) -> Self {
        Self {
            config,
            lists: [true; NsKind::COUNT],
        }
    }

    /// Up to 6.17: a list of network namespaces, and of no others.
    const LISTING_NET: Self = {
        let mut lists = [false; NsKind::COUNT];
        lists[NsKind::Net as usize] = true;
        Self { config: OLD, lists }
    };

    pub(crate) const ALL: [Self; 4] = [
        Self::LISTING_NET,
        Self::listing_all(OLD),
        Self::listing_all(IDS),
        Self::listing_all(COUNTS),
    ];

    pub(crate) fn lists_all(&self) -> bool {
        self.lists == [true; NsKind::COUNT]
    }
}

pub(crate) struct Sim {
    kernel: Kernel,
    /// Whether all addresses are used again: also with the same inode number,
    /// also by user and pid namespaces and by what is no namespace.
    reuses_all: bool,
    now: u64,
    namespaces: Vec<SimNs>,
    nsproxies: Vec<NsproxyFacts>,
    superblocks: Vec<Superblock>,
    /// Those of tasks, and those that outlived theirs.
    pids: Vec<Pid>,
    /// Where freed namespaces were.
    vacant: Vec<Address>,
    /// Where freed objects of other types were.
    scrap: Vec<Key>,
    next_address: u64,
    next_inum: u32,
    next_id: u64,
    log: Vec<Event>,
}

impl Sim {
    pub(crate) fn new(kernel: Kernel, reuses_all: bool) -> Self {
        Self {
            kernel,
            reuses_all,
            now: 1_000_000,
            namespaces: Vec::new(),
            nsproxies: Vec::new(),
            superblocks: Vec::new(),
            pids: Vec::new(),
            vacant: Vec::new(),
            scrap: Vec::new(),
            next_address: 0x1000,
            next_inum: 4_026_532_000,
            next_id: 9,
            log: Vec::new(),
        }
    }

    /// Does one thing, and returns the events that tell of it.
    pub(crate) fn step(&mut self, (deed, a, b, c): Choice) -> Vec<Event> {
        match deed {
            0 => self.create(NsKind::User, a, b, c),
            1 => self.create(NsKind::Pid, a, b, c),
            2 => {
                let of_others = |kind: &NsKind| !matches!(kind, NsKind::User | NsKind::Pid);
                let kinds: Vec<_> = NsKind::ALL.into_iter().filter(of_others).collect();
                let kind = choose(&kinds, c).copied().unwrap_or(NsKind::Net);
                self.create(kind, a, b, c);
            }
            3 => self.install(&[a, b, c]),
            4 => self.free_nsproxy(a),
            5 => self.switch(a, &[b, c]),
            6 => self.open(a, b),
            7 => self.evict(a),
            8 => self.mount(a, b),
            9 => self.unmount(a),
            10 => self.fork(a, b, c),
            11 => self.change_credentials(a, b),
            12 => self.reap(a, b),
            13 => self.free_pid(a),
            14 => self.drop_last_reference(a),
            _ => self.free(a),
        }
        self.say_flips();
        std::mem::take(&mut self.log)
    }

    fn tick(&mut self) -> u64 {
        self.now += 10_000_000;
        self.now
    }

    /// An address where nothing was before.
    fn fresh_address(&mut self) -> Key {
        self.next_address += 0x100;
        key(self.next_address)
    }

    /// An address for what is no namespace.
    fn address(&mut self, pick: u16) -> Key {
        let old = if pick.is_multiple_of(2) {
            self.scrap.pop()
        } else {
            None
        };
        old.unwrap_or_else(|| self.fresh_address())
    }

    /// Gives back such an address.
    fn vacate(&mut self, address: Key) {
        if self.reuses_all {
            self.scrap.push(address);
        }
    }

    fn say(&mut self, body: Body) {
        let time = self.tick();
        self.log.push(event_at(time, body));
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
        breaches: Breaches::default(),
    }
}

/// One of these, by a number.
fn choose<T>(from: &[T], pick: u16) -> Option<&T> {
    from.get(usize::from(pick).checked_rem(from.len())?)
}
