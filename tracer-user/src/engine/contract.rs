//! What the engine is asked for, and what it says besides transitions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::RingSize;

/// Namespaces that the kernel programs remember unless somebody says otherwise.
pub const MAX_NAMESPACES: u32 = 1 << 17;

/// Which tasks a trace wants to hear about in full, decided in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Selection {
    /// None: exits are counted, not reported, unless the nsproxy dies too.
    #[default]
    None,
    /// One thread group.
    Process(u32),
    /// This thread group and all descendants that it has from now on.
    Tree(u32),
}

/// How to start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Tasks will be selected: without it the programs do not even ask.
    pub selecting: bool,
    /// Walk only, attach nothing: for a single look without a daemon.
    pub walk_only: bool,
    /// The ends of tasks are asked for: without it the programs that see them
    /// are not even loaded.
    pub task_ends: bool,
    /// Room for records that nobody has taken yet.
    pub ring: RingSize,
    /// Namespaces, other than the initial ones, that the kernel programs can
    /// remember. The end of one that finds no room is seen by walks alone.
    pub max_namespaces: u32,
    /// The kernel programs cannot read who made a user namespace: see
    /// `engine/faults.rs`.
    #[cfg(feature = "faults")]
    pub unreadable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            selecting: false,
            walk_only: false,
            task_ends: false,
            ring: RingSize::default(),
            max_namespaces: MAX_NAMESPACES,
            #[cfg(feature = "faults")]
            unreadable: false,
        }
    }
}

/// What a start is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartStep {
    /// Reading the kernel's BTF, creating maps, and loading the walk if that is
    /// all.
    Reading,
    /// Loading the programs of hooks, and attaching them.
    Attaching {
        /// How many hooks are attached, or refused.
        done: usize,
        /// How many will be.
        of: usize,
    },
    /// Walking for the first time.
    Walking,
    /// Nothing any more: it has started.
    Done,
}

/// Is called with each step of a start, by the thread that does it.
pub type Progress<'p> = &'p (dyn Fn(StartStep) + Sync);

/// How long the parts of a start took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StartTimes {
    /// Reading the kernel's BTF.
    pub btf: Duration,
    /// Creating the maps.
    pub maps: Duration,
    /// Loading and attaching the programs, on several threads.
    pub programs: Duration,
    /// The processor time, on all threads, that loading took of that: most of it
    /// is the verifier's.
    pub loading: Duration,
    /// The processor time that attaching took of it.
    pub attaching: Duration,
    /// The first walk, merged.
    pub walk: Duration,
}

/// Totals of the kernel programs since they were loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KernelTotals {
    /// Records lost because the ring buffer was full.
    pub lost_ring_full: u64,
    /// What found a map full: namespaces, each time that one was met, and
    /// tasks.
    pub lost_map_full: u64,
    /// Kernel memory that could not be read.
    pub lost_read_failed: u64,
    /// Program runs skipped by the kernel's recursion guard.
    pub lost_recursion: u64,
    /// Tasks that left their nsproxy by exiting.
    pub exits: u64,
    /// Records written to the ring buffer.
    pub records: u64,
    /// Tasks that walks put into the set of those with credentials in a user
    /// namespace, or took out of it; with all that the first walk found.
    pub creds_corrected: u64,
}

/// Why somebody was not told of something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Loss {
    /// [`KernelTotals::lost_ring_full`]
    RingFull,
    /// [`KernelTotals::lost_map_full`]
    MapFull,
    /// [`KernelTotals::lost_read_failed`]
    ReadFailed,
    /// [`KernelTotals::lost_recursion`]
    Recursion,
    /// A record made no sense.
    Undecodable,
    /// Whoever follows a daemon read more slowly than things happened. The
    /// daemon itself knows them.
    SlowReader,
}

impl Loss {
    /// All that the engine knows.
    pub const OF_THE_ENGINE: [Self; 5] = [
        Self::RingFull,
        Self::MapFull,
        Self::ReadFailed,
        Self::Recursion,
        Self::Undecodable,
    ];

    /// The word for it in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::MapFull => "map_full",
            Self::ReadFailed => "read_failed",
            Self::Recursion => "recursion",
            Self::Undecodable => "undecodable",
            Self::SlowReader => "slow_reader",
        }
    }
}

/// What happened while the engine waited, besides transitions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Notice {
    /// Something did not arrive.
    Lost {
        /// Why.
        cause: Loss,
        /// By how much.
        count: u64,
    },
    /// The picture was renewed by a walk.
    Resync {
        /// How many corrections that brought.
        corrections: u64,
    },
}

/// What the last walk, and with it the engine, cannot see on this kernel, in
/// words for people.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Limits {
    /// How long the walk took.
    pub took: Duration,
    /// True if every namespace is known (apart from what arrives later).
    pub complete: bool,
    /// Why it is not, one sentence each; also names partial activity.
    pub because: Vec<String>,
    /// True where the kernel keeps no active count and only some
    /// contributors are counted.
    pub partial_activity: bool,
}
