//! The state machine.
//!
//! What it keeps to, whatever it is told and in whatever order:
//!
//! - A life has no gaps. A step that must have happened and was not seen is
//!   said before the one that was.
//! - What is gone does not come back: see [`tombstones`].
//! - A namespace that is only referred to, by an nsproxy or by one that it is
//!   the owner or the parent of, is kept without being shown, so that nothing
//!   is missing from its contributors when it comes to be known: see
//!   [`entry::Entry::ns`].
//! - On kernels that count, the newest reading of the count is the state. On
//!   others the state follows from contributors, and nothing else sets it.
//! - Discovery is silent: that a namespace is there says nothing about when
//!   it came to be, or came to be active.

mod activity;
mod audit;
mod census;
mod chains;
mod entry;
mod held;
mod identity;
mod inodes;
mod keepers;
mod life;
mod links;
mod merge;
mod nsproxies;
mod people;
mod procfs;
mod queues;
mod rules;
mod sink;
mod tasks;
mod teardown;
mod tombstones;
mod unmet;
mod users;
mod waiting;

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroU64};

use hashbrown::HashMap;
use slotmap::SlotMap;
use tracer_common::{event::Cause, kind::NsKind};

use super::{
    Body, Contributors, Event, Key, Namespace, NsId, Nsproxy, People, TaskEnd, Transition,
};
use chains::Chains;
use entry::{Entry, Identity, NsHandle};
use held::Nsproxies;
use identity::{FIRST_INUM, INITIAL};
use nsproxies::NsproxyGrave;
use people::Dying;
use procfs::Procfs;
use queues::Queues;
use rules::Rules;
use sink::Sink;
use teardown::Round;
use tombstones::Tombstones;
use waiting::Waiting;

pub use census::Census;
pub use merge::Corrections;
pub use queues::Standing;
pub use unmet::Unmet;
pub use users::{Share, Users};

/// What the kernel offers, as far as the model must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// The kernel numbers its namespaces (`ns_common.ns_id`, 6.18+).
    pub kernel_ids: bool,
    /// The kernel keeps an active count (`__ns_ref_active`, 6.19+).
    pub kernel_counts: bool,
}

/// What is still known of a namespace that was freed.
#[derive(Clone, Copy, Debug)]
struct NsGrave {
    /// See [`Identity::unique`].
    unique: Option<NonZeroU64>,
    /// Its identity in views, for an nsproxy that is shown after it is gone;
    /// `None` if it never had one.
    id: Option<NsId>,
}

/// The picture of all namespaces, and how it changes.
///
/// # Activity without the kernel's count
///
/// Up to 6.18 a namespace is active while something keeps it so that 6.19
/// would count: see [`Contributors`].
///
/// # Initial namespaces
///
/// They are always active, have no contributors, never end, and count as
/// active in the [`Census`].
pub struct Tracker {
    config: Config,
    namespaces: SlotMap<NsHandle, Entry>,
    by_key: HashMap<Key, NsHandle>,
    by_id: HashMap<NsId, NsHandle>,
    /// By address, inode number and type.
    graves: Tombstones<(Key, NonZeroU32, NsKind), NsGrave>,
    nsproxies: Nsproxies,
    nsproxy_graves: Tombstones<Key, NsproxyGrave>,
    procfs: HashMap<Key, Procfs>,
    procfs_graves: Tombstones<Key, ()>,
    census: Census,
    queues: Queues,
    /// By [`NsKind`]: see [`Standing::kept_by_files`].
    kept_by_files: [u64; NsKind::COUNT],
    /// The next number to give to a namespace, where the kernel gives none.
    next_id: u64,
    next_nsproxy: u64,
    /// Namespaces whose contributors changed, until they are settled.
    queue: Vec<NsHandle>,
    /// Entries that are quiet until the observation at hand is dealt with.
    quiet: Vec<NsHandle>,
    /// Owners that are being pulled along.
    chains: Chains,
    /// Pid namespaces whose init is dying, and since when, if that was seen.
    dying: HashMap<NsHandle, Dying>,
    /// The same, in order of when they were first known to be.
    dying_since: BTreeSet<(u64, NsHandle)>,
    /// The clean-up of network namespaces that goes on.
    round: Option<Round>,
    /// Who waits to be reaped, as of the last walk.
    waiting: Waiting,
    /// As of the last walk.
    people: HashMap<NsId, People>,
    /// How many walks have been merged.
    walks: u64,
    /// By [`NsKind`]: the last of them met every namespace of the type.
    complete: [bool; NsKind::COUNT],
    /// The initial network and mount namespaces where they have no fixed
    /// inode numbers (up to 6.17).
    initial_keys: Vec<Key>,
    /// Whether the kernel keeps its rules.
    rules: Rules,
}

impl Tracker {
    /// An empty picture.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            namespaces: SlotMap::with_key(),
            by_key: HashMap::new(),
            by_id: HashMap::new(),
            graves: Tombstones::new(),
            nsproxies: Nsproxies::default(),
            nsproxy_graves: Tombstones::new(),
            procfs: HashMap::new(),
            procfs_graves: Tombstones::new(),
            census: Census::default(),
            queues: Queues::default(),
            kept_by_files: [0; NsKind::COUNT],
            next_id: INITIAL + 1,
            next_nsproxy: 1,
            queue: Vec::new(),
            quiet: Vec::new(),
            chains: Chains::default(),
            dying: HashMap::new(),
            dying_since: BTreeSet::new(),
            round: None,
            waiting: Waiting::default(),
            people: HashMap::new(),
            walks: 0,
            complete: [false; NsKind::COUNT],
            initial_keys: Vec::new(),
            rules: Rules::default(),
        }
    }

    /// What it takes the kernel to offer.
    pub fn config(&self) -> Config {
        self.config
    }

    /// Forgets what was freed too long ago (`CLOCK_BOOTTIME`, nanoseconds) to be
    /// brought up by anything that is still under way. It is forgotten when
    /// others are freed, too, without the room being given back.
    pub fn tidy(&mut self, now: u64) {
        self.graves.forget_and_shrink(now);
        self.nsproxy_graves.forget_and_shrink(now);
        self.procfs_graves.forget_and_shrink(now);
    }

    /// Takes in an event, and appends what it changed.
    pub fn apply(&mut self, event: &Event, transitions: &mut Vec<Transition>) {
        let origin = &event.origin;
        let sink = &mut Sink::event(origin, cause_of(&event.body), transitions);
        match &event.body {
            Body::Created { ns, took } => self.created(ns, origin, &mut sink.making(*took)),
            Body::Failed { kind, errno } => sink.failed(*kind, *errno),
            Body::Activity {
                ns,
                sequence,
                below,
                ..
            } => self.counted(ns, *sequence, *below, sink),
            Body::LastRef(ns) => self.last_ref(ns, sink),
            Body::Freed(ns) => self.freed(ns, sink),
            Body::NsfsOpened { ns, inode } => {
                self.nsfs_changed(ns, sink, |inodes| inodes.open(*inode, origin.time));
            }
            Body::NsfsEvicted { ns, inode } => {
                self.nsfs_changed(ns, sink, |inodes| inodes.evict(*inode, origin.time));
            }
            Body::NsproxyInstalled(nsproxy) => self.installed(nsproxy, sink),
            Body::Switched { reason, from, to } => {
                self.switched(origin.task, *reason, from, to.as_ref(), sink);
            }
            Body::NsproxyFreed(nsproxy) => self.nsproxy_freed(nsproxy, sink),
            Body::TaskExited(exited) => sink.task_end(TaskEnd::exited(origin.task, exited)),
            Body::TaskReaped(reaped) => sink.task_end(TaskEnd::Reaped {
                task: origin.task,
                reaped: *reaped,
            }),
            Body::Tasks { ns, sequence, .. } => {
                if let Some(handle) = self.observed(ns, sink) {
                    self.tasks_counted(handle, ns, *sequence, origin.time);
                }
            }
            Body::InitDying(ns) => self.init_dying(ns, &origin.task, sink),
            Body::InitDead(ns) => self.init_dead(ns, sink),
            Body::NetCleanupBegan { at } => self.net_cleanup_began(*at, sink),
            Body::NetCleanupEnded(times) => self.net_cleanup_ended(times, sink),
            Body::ClimbEnded(_) => self.chains.end(sink),
            Body::ProcfsMounted { ns, superblock } => self.procfs_mounted(ns, *superblock, sink),
            Body::ProcfsGone { ns, superblock } => self.procfs_gone(ns, *superblock, sink),
        }
        self.settle(sink);
        self.speak_again();
        self.judge(event, sink);
        if !self.config.kernel_counts {
            self.chains.end_all(sink);
        }
    }

    /// All namespaces that exist: active, inactive, and destroyed ones that
    /// are not freed yet. In no particular order.
    pub fn namespaces(&self) -> impl Iterator<Item = Namespace> + '_ {
        self.namespaces
            .values()
            .filter_map(|entry| self.view_of(entry))
    }

    /// The initial namespaces.
    pub fn initial(&self) -> impl Iterator<Item = NsId> + '_ {
        let known = self.namespaces.values();
        known
            .filter_map(|entry| entry.ns.as_ref())
            .filter(|ns| ns.initial)
            .map(|ns| ns.id)
    }

    /// The namespace with this id.
    pub fn get(&self, id: NsId) -> Option<Namespace> {
        self.by_id.get(&id).and_then(|&handle| self.view(handle))
    }

    /// The namespace that a person means by this number: an inode number from
    /// `0xEFFF_FFF8` up, below that an id.
    pub fn find(&self, number: u64) -> Option<Namespace> {
        if number < FIRST_INUM {
            return self.get(NsId(number));
        }
        self.namespaces
            .values()
            .filter_map(|entry| self.view_of(entry))
            .find(|ns| u64::from(ns.inum) == number)
    }

    /// How many of everything; costs nothing to read.
    pub fn census(&self) -> &Census {
        &self.census
    }

    /// All nsproxies in use, in no particular order.
    pub fn nsproxies(&self) -> impl Iterator<Item = Nsproxy> + '_ {
        self.nsproxies.values().map(|held| self.view_of_held(held))
    }

    /// The namespace as it is to be shown.
    fn view(&self, handle: NsHandle) -> Option<Namespace> {
        self.view_of(self.namespaces.get(handle)?)
    }

    fn view_of(&self, entry: &Entry) -> Option<Namespace> {
        let mut ns = entry.ns?;
        ns.owner = ns.owner.or_else(|| self.id_at(entry.owner?));
        ns.parent = match ns.kind {
            NsKind::User => ns.owner,
            _ => ns.parent.or_else(|| self.id_at(entry.parent?)),
        };
        ns.because = if ns.initial {
            Contributors::default()
        } else {
            self.contributors(entry)
        };
        ns.procfs = (ns.kind == NsKind::Pid && !ns.initial).then_some(entry.procfs);
        Some(ns)
    }

    /// The id of a namespace that may not be known, or not be there any more.
    fn id_at(&self, handle: NsHandle) -> Option<NsId> {
        let entry = self.namespaces.get(handle)?;
        entry.ns.as_ref().map(|ns| ns.id)
    }

    /// The id of whatever this identity belongs or belonged to.
    fn id_of(&self, identity: &Identity) -> Option<NsId> {
        if let Some(&handle) = self.by_key.get(&identity.key)
            && let Some(entry) = self.namespaces.get(handle)
            && entry.identity.agrees_with(identity)
        {
            return entry.ns.as_ref().map(|ns| ns.id);
        }
        let &Identity {
            key, inum, kind, ..
        } = identity;
        self.graves.get(&(key, inum?, kind))?.about.id
    }
}

/// What makes namespaces active or inactive, if this event does. Where the
/// kernel counts, only its count does.
fn cause_of(body: &Body) -> Option<Cause> {
    match body {
        Body::Activity { cause, .. } | Body::Tasks { cause, .. } => *cause,
        Body::NsfsOpened { .. } => Some(Cause::NsfsOpened),
        Body::NsfsEvicted { .. } => Some(Cause::NsfsClosed),
        Body::NsproxyInstalled(_) | Body::Switched { .. } => Some(Cause::NsproxyInstalled),
        Body::NsproxyFreed(_) => Some(Cause::NsproxyDropped),
        Body::Created { .. }
        | Body::Failed { .. }
        | Body::LastRef(_)
        | Body::Freed(_)
        | Body::InitDying(_)
        | Body::InitDead(_)
        | Body::NetCleanupBegan { .. }
        | Body::NetCleanupEnded(_)
        | Body::ClimbEnded(_)
        | Body::TaskExited(_)
        | Body::TaskReaped(_)
        | Body::ProcfsMounted { .. }
        | Body::ProcfsGone { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Actor, Breaches, Comm, NsproxyFacts, Origin, SlotFacts};
    use super::*;

    /// Nobody sees what is only referred to, so nobody would see it pile up.
    #[test]
    fn references_do_not_outlive_who_refers() {
        let mut tracker = Tracker::new(Config {
            kernel_ids: false,
            kernel_counts: false,
        });
        let mut transitions = Vec::new();
        for number in 1..100 {
            let key = |address| Key::new(number << 8 | address).unwrap();
            let pointer = SlotFacts {
                key: key(1),
                inum: NonZeroU32::new(1),
            };
            let nsproxy = NsproxyFacts {
                key: key(2),
                slots: [Some(pointer); 8],
                count: 1,
            };
            for body in [Body::NsproxyInstalled(nsproxy), Body::NsproxyFreed(nsproxy)] {
                let origin = Origin {
                    time: number,
                    task: Actor {
                        pid: 1,
                        tgid: 1,
                        comm: Comm::default(),
                    },
                    cgroup: 0,
                    is_actor: false,
                    selected: false,
                };
                tracker.apply(
                    &Event {
                        origin,
                        body,
                        breaches: Breaches::default(),
                    },
                    &mut transitions,
                );
            }
        }
        assert!(tracker.namespaces.is_empty() && tracker.by_key.is_empty());
    }
}
