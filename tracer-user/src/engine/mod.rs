//! The one place where kernel and model meet: attaches the programs, walks,
//! drains the ring buffer into the [`Tracker`], and notices what was lost.

mod report;

use crate::model::{Tracker, Transition};

pub use report::{Attempt, CapabilityStatus, HookReport, HookState, Report};

/// Which tasks a trace wants to hear about in full, decided in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Selection {
    /// None: exits are counted, not reported, unless the nsproxy dies too.
    #[default]
    None,
    /// One thread group.
    Process(u32),
    /// This process and all descendants that it has from now on.
    Tree(u32),
    /// Every task.
    All,
}

/// How to start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Follow descendants of selected processes: attaches the fork hook,
    /// which a daemon does without.
    pub follow_forks: bool,
    /// Walk only, attach nothing: for a single look without a daemon.
    pub walk_only: bool,
}

/// Totals of the kernel programs since they were loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KernelTotals {
    /// Records lost because the ring buffer was full.
    pub lost_ring_full: u64,
    /// Namespaces not tracked in the kernel because a map was full.
    pub lost_map_full: u64,
    /// Kernel memory that could not be read.
    pub lost_read_failed: u64,
    /// Program runs skipped by the kernel's recursion guard.
    pub lost_recursion: u64,
    /// Tasks that left their nsproxy by exiting.
    pub exits: u64,
    /// Records written to the ring buffer.
    pub records: u64,
}

/// What happened while the engine waited, besides transitions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Records did not arrive, by cause (see [`KernelTotals`]).
    Lost {
        /// Which counter moved: `ring_full`, `map_full`, `read_failed`,
        /// `recursion`, `undecodable`.
        cause: &'static str,
        /// By how much.
        count: u64,
    },
    /// The picture was renewed by a walk.
    Resync {
        /// How many corrections that brought.
        corrections: u64,
    },
}

/// What the engine cannot see on this kernel, in words for people.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// True if every namespace is known (apart from what arrives later).
    pub complete: bool,
    /// Why it is not, one sentence each; also names partial activity.
    pub because: Vec<String>,
    /// True where the kernel keeps no active count and only some
    /// contributors are counted.
    pub partial_activity: bool,
}

/// A running tracer: hooks attached, first walk merged.
pub struct Engine {
    tracker: Tracker,
}

/// Why the tracer cannot start. `Display` is one line that names the thing
/// and the way out.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Placeholder until the loader lands.
    #[error("the loader is not built yet")]
    NotBuilt,
}

/// Why a running tracer had to stop.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The ring buffer or an iterator could not be read.
    #[error("cannot read from the kernel programs: {0}")]
    Read(#[from] std::io::Error),
}

impl Engine {
    /// Attaches the hooks, walks, and merges. Blocking; call it before the
    /// runtime matters. Needs a tokio runtime context unless `walk_only`.
    pub fn start(_options: &Options) -> Result<Self, StartError> {
        Err(StartError::NotBuilt)
    }

    /// Selects tasks for full reporting.
    pub fn select(&mut self, _selection: Selection) -> Result<(), EngineError> {
        Ok(())
    }

    /// Waits until the kernel has something, then appends the transitions
    /// (and what was lost, with the resync that follows). Cancel-safe.
    pub async fn next(
        &mut self,
        _transitions: &mut Vec<Transition>,
        _notices: &mut Vec<Notice>,
    ) -> Result<(), EngineError> {
        std::future::pending().await
    }

    /// Drains what is already there without waiting.
    pub fn poll_now(
        &mut self,
        _transitions: &mut Vec<Transition>,
        _notices: &mut Vec<Notice>,
    ) -> Result<(), EngineError> {
        Ok(())
    }

    /// The picture.
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Totals of the kernel side.
    pub fn totals(&self) -> Result<KernelTotals, EngineError> {
        Ok(KernelTotals::default())
    }

    /// Hooks, and what became of each.
    pub fn hooks(&self) -> &[HookReport] {
        &[]
    }

    /// What cannot be seen here.
    pub fn limits(&self) -> &Limits {
        unreachable!("an Engine cannot be made yet")
    }
}
