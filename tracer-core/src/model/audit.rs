//! Whether the picture is the kernel's: differences, and which of them are
//! drift.
//!
//! The kernel goes on while it is read, so a difference in one sample proves
//! nothing. It is drift if a second sample, taken later, shows the same two
//! sides again, and nothing was heard of the namespace in between. All else is
//! moving.

use std::fmt;

use serde::{Deserialize, Serialize};
use tracer_common::kind::NsKind;

use super::{Key, NsId, Reaper, State};

/// What about a namespace is compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Whether it is there.
    Existence,
    /// Whether it is active.
    State,
    /// Its owning user namespace.
    Owner,
    /// The parent of a pid namespace.
    Parent,
    /// Pointers in nsproxies.
    Nsproxies,
    /// Whether credentials of tasks are in it.
    Creds,
    /// Whether it has pids of its own.
    Pids,
    /// Its nsfs inode.
    Nsfs,
    /// Active namespaces that it owns.
    Owned,
    /// Whether what keeps it active adds up to the kernel's active count.
    ActiveCount,
    /// What became of the init of a pid namespace.
    Init,
    /// Superblocks of procfs that show it.
    Procfs,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Existence,
        Self::State,
        Self::Owner,
        Self::Parent,
        Self::Nsproxies,
        Self::Creds,
        Self::Pids,
        Self::Nsfs,
        Self::Owned,
        Self::ActiveCount,
        Self::Init,
        Self::Procfs,
    ];

    /// The word for it in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Existence => "existence",
            Self::State => "state",
            Self::Owner => "owner",
            Self::Parent => "parent",
            Self::Nsproxies => "nsproxies",
            Self::Creds => "creds",
            Self::Pids => "pids",
            Self::Nsfs => "nsfs",
            Self::Owned => "owned",
            Self::ActiveCount => "active_count",
            Self::Init => "init",
            Self::Procfs => "procfs",
        }
    }
}

/// One side of a difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Value {
    /// There is none.
    Absent,
    /// There is one, or some.
    Present,
    /// A state.
    State(State),
    /// The inode number of another namespace.
    Inum(u32),
    /// So many.
    Count(u32),
    /// An init that is there, dying or gone.
    Init(InitState),
}

/// What can be compared of a [`super::Reaper`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum InitState {
    /// It lives, or there is none yet.
    Alive,
    /// See [`super::Reaper::Dying`].
    Dying,
    /// See [`super::Reaper::Dead`].
    Dead,
}

impl From<Option<State>> for Value {
    fn from(state: Option<State>) -> Self {
        state.map_or(Self::Absent, Self::State)
    }
}

impl From<Option<Reaper>> for Value {
    fn from(reaper: Option<Reaper>) -> Self {
        Self::Init(match reaper {
            None => InitState::Alive,
            Some(Reaper::Dying { .. }) => InitState::Dying,
            Some(Reaper::Dead) => InitState::Dead,
        })
    }
}

impl From<bool> for Value {
    fn from(is_there: bool) -> Self {
        if is_there {
            Self::Present
        } else {
            Self::Absent
        }
    }
}

impl From<u32> for Value {
    fn from(count: u32) -> Self {
        Self::Count(count)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Present => f.write_str("present"),
            Self::State(state) => f.write_str(state.name()),
            Self::Inum(inum) => write!(f, "{inum}"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Init(InitState::Alive) => f.write_str("alive"),
            Self::Init(InitState::Dying) => f.write_str("dying"),
            Self::Init(InitState::Dead) => f.write_str("dead"),
        }
    }
}

/// In what picture and kernel disagree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// The type of the namespace.
    pub kind: NsKind,
    /// Its inode number, if that is known.
    pub inum: Option<u32>,
    /// Its identity in the picture, or else the kernel's own number.
    pub id: Option<NsId>,
    /// In what.
    pub field: Field,
    /// What the picture has.
    pub picture: Value,
    /// What the kernel has.
    pub kernel: Value,
}

/// A difference in one sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub(super) key: Key,
    pub(super) difference: Difference,
    /// When the picture last heard of the namespace, `CLOCK_BOOTTIME`
    /// nanoseconds; 0 for never.
    pub(super) heard_at: u64,
}

/// Picture and kernel, compared once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sample {
    /// When the kernel began to be read, `CLOCK_BOOTTIME` nanoseconds.
    pub(super) started_at: u64,
    /// How many namespaces were compared.
    pub(super) compared: usize,
    pub(super) differences: Vec<Seen>,
}

/// What two samples prove.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Findings {
    /// How many namespaces were compared.
    pub compared: usize,
    /// In what the picture is wrong.
    pub drift: Vec<Difference>,
    /// Differences that prove nothing: the kernel moved while it was read.
    pub moving: usize,
    /// Tasks that the kernel programs' set of credentials lacked, or had too
    /// many of. A walk that finds such a task puts it right at once, so there
    /// is no second sample.
    pub creds: u64,
}

impl Findings {
    /// Whether the picture was wrong in anything.
    pub fn are_clean(&self) -> bool {
        self.drift.is_empty() && self.creds == 0
    }
}

impl Sample {
    /// Whether they agree, so that no second sample is needed.
    pub fn agrees(&self) -> bool {
        self.differences.is_empty()
    }

    /// When the kernel began to be read, `CLOCK_BOOTTIME` nanoseconds.
    pub fn started_at(&self) -> u64 {
        self.started_at
    }

    /// What this sample alone proves: that there is no drift, if both sides
    /// agree.
    pub fn alone(&self) -> Findings {
        Findings {
            compared: self.compared,
            moving: self.differences.len(),
            ..Findings::default()
        }
    }

    /// What this sample and a later one prove.
    pub fn confirmed_by(&self, later: &Self) -> Findings {
        let is_drift = |seen: &&Seen| {
            let before =
                |first: &Seen| first.key == seen.key && first.difference == seen.difference;
            seen.heard_at < self.started_at && self.differences.iter().any(before)
        };
        let drift: Vec<_> = later
            .differences
            .iter()
            .filter(is_drift)
            .map(|seen| seen.difference)
            .collect();
        Findings {
            compared: later.compared,
            moving: later.differences.len() - drift.len(),
            drift,
            creds: 0,
        }
    }
}
