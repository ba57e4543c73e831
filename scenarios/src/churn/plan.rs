//! What is done, in which order: a function of a seed and nothing else.

use tracer_common::kind::NsKind::{self, Cgroup, Ipc, Mnt, Net, Pid, Time, User, Uts};

use super::{kinds::Kinds, random::Random};

/// What a step does. Unless something else is said, a child of the worker's does it and is reaped
/// at the end of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    /// `unshare`, set after set.
    Unshare,
    /// `clone` and exit.
    Clone,
    /// User and pid namespaces in each other, which end from the inside.
    Nest,
    /// The same, of which the outermost init is killed first.
    Collapse,
    /// `setns` with a file of nsfs that is held, and `unshare` in there.
    Enter,
    /// `setns` with the pidfd of a child that is held.
    EnterProcess,
    /// A child stays.
    Keep,
    /// Its `/proc/PID/ns` files stay open after its end.
    Open,
    /// Bind mounts of them stay.
    Bind,
    /// A socket of its network namespace stays.
    Socket,
    /// The network namespace of a socket that is held is opened.
    Revive,
    /// A file stays that was opened with the credentials of a user namespace.
    Credential,
    /// Threads `unshare` and exit, after their leader.
    Threads,
    /// A child is not reaped.
    Zombie,
    /// A grandchild outlives its parent.
    Orphan,
    /// A procfs of a pid namespace is mounted, and goes with the mount namespace.
    Procfs,
    /// A mount namespace that is nobody's, made by `open_tree` or `fsmount` (7.0, 7.1).
    MountFile,
    /// `unshare` in a user namespace that may have none of a type.
    Limit,
    /// `SIGKILL` between one `unshare` and the next, or in the middle of one.
    KillUnshare,
    /// The same with `clone`.
    KillClone,
    /// `clone` that fails when all the namespaces are there.
    FailClone,
    /// `unshare` that fails when some of the namespaces are there.
    FailUnshare,
    /// Something that is held is let go.
    Release,
}

/// How often each comes, of as many times as all of them.
const WEIGHTS: [(Act, u32); Act::COUNT] = [
    (Act::Unshare, 20),
    (Act::Clone, 10),
    (Act::Nest, 4),
    (Act::Collapse, 4),
    (Act::Enter, 6),
    (Act::EnterProcess, 4),
    (Act::Keep, 5),
    (Act::Open, 5),
    (Act::Bind, 3),
    (Act::Socket, 2),
    (Act::Revive, 2),
    (Act::Credential, 2),
    (Act::Threads, 4),
    (Act::Zombie, 4),
    (Act::Orphan, 3),
    (Act::Procfs, 2),
    (Act::MountFile, 2),
    (Act::Limit, 4),
    (Act::KillUnshare, 2),
    (Act::KillClone, 2),
    (Act::FailClone, 4),
    (Act::FailUnshare, 2),
    (Act::Release, 4),
];

impl Act {
    /// How many there are.
    pub(super) const COUNT: usize = 23;

    /// All of them, in order.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        WEIGHTS.iter().map(|&(act, _)| act)
    }

    /// Its place among all.
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    fn turns() -> u32 {
        WEIGHTS.iter().map(|&(_, weight)| weight).sum()
    }

    fn at(mut turn: u32) -> Self {
        for (act, weight) in WEIGHTS {
            if turn < weight {
                return act;
            }
            turn -= weight;
        }
        unreachable!("a turn is below the sum of all weights")
    }

    /// Types that it cannot do without, and types that it cannot do with.
    fn bounds(self) -> (Kinds, Kinds) {
        let (must, must_not): (&[NsKind], &[NsKind]) = match self {
            Self::Nest | Self::Collapse => (&[User, Pid], &[]),
            // With the pid namespace of another, and with credentials of a user namespace that
            // has no users, there are no children.
            Self::Enter => (&[], &[Pid, User]),
            Self::Socket => (&[Net], &[]),
            Self::Credential => (&[User], &[]),
            // These two are for a process with a single thread.
            Self::Threads => (&[], &[Pid, User, Time]),
            Self::Procfs => (&[Pid, Mnt], &[User]),
            // A user namespace in one that has no users, or a second pid namespace, cannot be had.
            Self::KillUnshare => (&[], &[Pid, User]),
            Self::FailUnshare => (&[Mnt, Uts, Ipc, Pid], &[User]),
            _ => (&[], &[]),
        };
        (Kinds::of(must), Kinds::of(must_not))
    }
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) act: Act,
    /// Types of namespaces that it makes.
    pub(super) kinds: Kinds,
    /// How often, or how deep.
    pub(super) rounds: u32,
    /// For what else there is to choose.
    pub(super) choice: u32,
}

impl Step {
    /// The sets of types that [`Act::Unshare`] takes one after the other.
    pub(super) fn sets(self) -> impl Iterator<Item = Kinds> {
        (0..self.rounds).map(move |round| match round {
            0 => self.kinds,
            // A task has one pid namespace for its children, and no second one.
            _ => self.kinds.without(Pid).or(Uts),
        })
    }

    /// How many namespaces there are because of it, at the least: who is killed, or needs a later
    /// kernel, may have made more, or none.
    pub(super) fn makes(self) -> u32 {
        let kinds = self.kinds.count();
        match self.act {
            Act::Unshare => self.sets().map(Kinds::count).sum(),
            Act::Nest | Act::Collapse => self.rounds * kinds,
            Act::Threads => Self::THREADS * kinds,
            Act::Limit | Act::FailUnshare => 1,
            Act::Clone
            | Act::Enter
            | Act::Keep
            | Act::Open
            | Act::Bind
            | Act::Socket
            | Act::Credential
            | Act::Zombie
            | Act::Orphan
            | Act::Procfs => kinds,
            Act::EnterProcess
            | Act::Revive
            | Act::MountFile
            | Act::KillUnshare
            | Act::KillClone
            | Act::FailClone
            | Act::Release => 0,
        }
    }

    /// How many threads [`Act::Threads`] has.
    pub(super) const THREADS: u32 = 2;
}

/// The steps of one worker, without end.
#[derive(Clone, Debug)]
pub(super) struct Plan(Random);

impl Plan {
    /// Of this seed, for the worker with this number.
    pub(super) fn new(seed: u64, worker: u32) -> Self {
        Self(Random::new(seed, worker))
    }

    fn kinds(&mut self) -> Kinds {
        // Mounts and networks take by far the longest to make and to end.
        let times = |kind| match kind {
            Net => 10,
            Mnt => 6,
            Uts | Ipc | Cgroup | Time | User | Pid => 3,
        };
        let mut kinds = Kinds::default();
        for kind in NsKind::ALL {
            if self.0.one_in(times(kind)) {
                kinds = kinds.with(kind);
            }
        }
        kinds
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let act = Act::at(self.0.below(Act::turns()));
        let (must, must_not) = act.bounds();
        let mut kinds = self.kinds().union(must).minus(must_not);
        if kinds.is_empty() {
            kinds = kinds.with([Uts, Ipc, Cgroup][self.0.below(3) as usize]);
        }
        Some(Step {
            act,
            kinds,
            rounds: 1 + self.0.below(4),
            choice: self.0.next() as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn steps(seed: u64, worker: u32, count: usize) -> Vec<Step> {
        Plan::new(seed, worker).take(count).collect()
    }

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(steps(42, 1, 500), steps(42, 1, 500));
        assert_ne!(steps(42, 1, 500), steps(43, 1, 500));
        assert_ne!(steps(42, 1, 500), steps(42, 0, 500));
    }

    /// Seeds that are on record would mean something else after such a change: it takes a good
    /// reason, and the list of seeds that failed starts anew.
    #[test]
    fn a_plan_stays_what_it_is() {
        let beginning: Vec<_> = steps(1, 0, 4)
            .iter()
            .map(|step| format!("{:?} {} x{}", step.act, step.kinds, step.rounds))
            .collect();
        let expected = [
            "Bind mnt x4",
            "Open user+pid+time x1",
            "Unshare ipc+pid x4",
            "Keep ipc+user+pid+cgroup x1",
        ];
        assert_eq!(beginning, expected);
    }

    #[test]
    fn every_act_comes_with_every_type_that_it_can_have() {
        let mut seen: BTreeMap<Act, BTreeSet<NsKind>> = BTreeMap::new();
        for step in steps(1, 0, 20_000) {
            assert!(!step.kinds.is_empty(), "{step:?}");
            assert!((1..=4).contains(&step.rounds), "{step:?}");
            seen.entry(step.act).or_default().extend(step.kinds.iter());
        }
        for act in Act::all() {
            let (must, must_not) = act.bounds();
            let expected: BTreeSet<_> = NsKind::ALL
                .into_iter()
                .filter(|&kind| must.has(kind) || !must_not.has(kind))
                .collect();
            assert_eq!(seen.get(&act), Some(&expected), "{act:?}");
        }
    }

    #[test]
    fn acts_are_in_the_order_of_their_numbers() {
        let indices: Vec<_> = Act::all().map(Act::index).collect();
        assert_eq!(indices, (0..Act::COUNT).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_promised_is_what_there_is_at_the_least() {
        let step = |act, kinds: &[NsKind]| Step {
            act,
            kinds: Kinds::of(kinds),
            rounds: 3,
            choice: 0,
        };
        assert_eq!(step(Act::Unshare, &[Pid, User]).makes(), 2 + 1 + 1);
        assert_eq!(step(Act::Unshare, &[Pid]).makes(), 1 + 1 + 1);
        assert_eq!(step(Act::Nest, &[Pid, User]).makes(), 6);
        assert_eq!(step(Act::Threads, &[Net]).makes(), 2);
        assert_eq!(step(Act::KillClone, &[Net]).makes(), 0);
    }
}
