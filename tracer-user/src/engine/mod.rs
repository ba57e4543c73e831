//! The one place where kernel and model meet: attaches the programs, walks,
//! drains the ring buffer into the [`Tracker`], and notices what was lost.

mod addresses;
mod attach;
mod audit;
mod capabilities;
mod contract;
mod describe;
mod detach;
mod error;
mod examine;
#[cfg(feature = "faults")]
mod faults;
mod gate;
mod kernel;
mod load;
mod losses;
mod parallel;
mod refusals;
mod report;
mod resources;
mod resync;
mod sizes;
mod skipped;
mod spent;
mod stream;
mod tap;
mod walk;

use std::time::Instant;

use tracer_common::layout::ABSENT;

use self::{kernel::Kernel, stream::Stream, walk::Depth};
use crate::model::{Config, Corrections, Standing, Tracker, Transition, Unmet, Walk, What};

pub use addresses::without_addresses;
pub use audit::{Audit, Begun};
pub use contract::{
    KernelTotals, Limits, Loss, MAX_NAMESPACES, Notice, Options, Progress, Selection, StartStep,
    StartTimes,
};
pub use error::{EngineError, StartError};
pub use examine::examine;
pub use report::{Attempt, CapabilityStatus, HookReport, HookState, Report};
pub use resources::{MapUse, ProgramRuns, Resources};
pub use sizes::{RingSize, RingSizeError};
pub use tap::{Frame, Tap};
pub use walk::in_initial_pid_namespace;

/// A running tracer: hooks attached, first walk merged.
pub struct Engine {
    kernel: Kernel,
    tracker: Tracker,
    limits: Limits,
    /// `None` if only a walk was asked for.
    stream: Option<Stream>,
    tap: Tap,
    /// Rules that the first walk found broken, until somebody asks.
    found: Vec<Transition>,
    /// How many walks have been merged.
    merges: u64,
    times: StartTimes,
}

impl Engine {
    /// Attaches the hooks, walks, and merges. Blocking; needs a tokio runtime
    /// context unless `walk_only`.
    pub fn start(options: &Options, progress: Progress<'_>) -> Result<Self, StartError> {
        Self::start_tapped(options, progress, Box::new(|_| {}))
    }

    /// The same; the tap is given all that the kernel programs write.
    pub fn start_tapped(
        options: &Options,
        progress: Progress<'_>,
        tap: Tap,
    ) -> Result<Self, StartError> {
        let missing = capabilities::missing();
        if !missing.is_empty() {
            return Err(StartError::Capabilities { missing });
        }
        let mut times = StartTimes::default();
        let mut began = Instant::now();
        let mut lap = || {
            let now = Instant::now();
            now - std::mem::replace(&mut began, now)
        };
        progress(StartStep::Reading);
        let described = describe::describe()?;
        times.btf = lap();
        let mut kernel = Kernel::new(&described, options)?;
        times.maps = lap();
        let stream = if options.walk_only {
            kernel.load_walk(&described)?;
            times.programs = lap();
            None
        } else {
            let spent = kernel.attach(&described, options.task_ends, progress)?;
            times.programs = lap();
            (times.loading, times.attaching) = (spent.loading, spent.attaching);
            if let Some(hook) = kernel.hooks().iter().find(|hook| hook.is_fatal()) {
                return Err(StartError::Hook {
                    purpose: hook.purpose,
                    because: hook.problem().unwrap_or_default().to_owned(),
                });
            }
            Some(Stream::new(kernel.take_ring()?, options.ring)?)
        };
        // It takes megabytes, and nobody needs it any more.
        drop(described);
        let layout = kernel.layout();
        let tracker = Tracker::new(Config {
            kernel_ids: layout.ns_id != ABSENT,
            kernel_counts: layout.ns_active != ABSENT
                && (options.walk_only || kernel.hooks_attached("active_")),
        });
        let mut engine = Self {
            kernel,
            tracker,
            limits: Limits::default(),
            stream,
            tap,
            found: Vec::new(),
            merges: 0,
            times,
        };
        progress(StartStep::Walking);
        // The first merge tells of nothing new: what is there was there.
        // But a rule that is broken is, whenever that was.
        let mut found = Vec::new();
        engine.walk(&mut found)?;
        engine.times.walk = lap();
        found.retain(|transition| matches!(transition.what, What::Violation(_)));
        engine.found = found;
        progress(StartStep::Done);
        Ok(engine)
    }

    /// How long the parts of the start took.
    pub fn start_times(&self) -> StartTimes {
        self.times
    }

    /// Selects tasks for full reporting.
    pub fn select(&mut self, selection: Selection) -> Result<(), EngineError> {
        match selection {
            Selection::None => Ok(()),
            Selection::Process(tgid) => self.kernel.select(tgid, false),
            Selection::Tree(tgid) => self.kernel.select(tgid, true),
        }
    }

    /// Whether a selected process, or one that inherited its selection, is
    /// still alive.
    pub fn has_selected(&self) -> Result<bool, EngineError> {
        self.kernel.has_selected()
    }

    /// Waits until the kernel has something, then appends the transitions
    /// (and what was lost, with the resync that follows). Cancel-safe. Waits
    /// for ever if only a walk was asked for.
    pub async fn next(
        &mut self,
        transitions: &mut Vec<Transition>,
        notices: &mut Vec<Notice>,
    ) -> Result<(), EngineError> {
        if !self.found.is_empty() {
            transitions.append(&mut self.found);
            return Ok(());
        }
        let Some(stream) = &mut self.stream else {
            return std::future::pending().await;
        };
        let due = stream
            .next(&mut self.tap, &mut self.tracker, transitions)
            .await?;
        if due {
            // Records wait for the next one where a wake-up was missed.
            self.drain_all(transitions);
            self.check(transitions, notices)?;
        }
        Ok(())
    }

    /// Drains what is already there without waiting, and looks for losses.
    pub fn poll_now(
        &mut self,
        transitions: &mut Vec<Transition>,
        notices: &mut Vec<Notice>,
    ) -> Result<(), EngineError> {
        transitions.append(&mut self.found);
        self.drain_all(transitions);
        self.check(transitions, notices)
    }

    /// The picture.
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// How long what there is has been what it is; it is `now`,
    /// `CLOCK_BOOTTIME` nanoseconds.
    pub fn standing(&mut self, now: u64) -> Standing {
        self.tracker.advance(now);
        self.tracker.standing()
    }

    /// Totals of the kernel side.
    pub fn totals(&mut self) -> Result<KernelTotals, EngineError> {
        self.kernel.totals()
    }

    /// Hooks, and what became of each; none if only a walk was asked for.
    pub fn hooks(&self) -> &[HookReport] {
        self.kernel.hooks()
    }

    /// What cannot be seen here.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether everything that can make a namespace active or inactive is
    /// seen: where the kernel does not count, that takes a hook for each.
    fn sees_all_contributors(&self) -> bool {
        self.kernel.layout().ns_active != ABSENT
            || ["cred_", "pid_", "nsfs_"]
                .into_iter()
                .all(|hooks| !self.kernel.lacks_hooks(hooks))
    }

    /// Says what was lost since the last check, and renews the picture if
    /// anything was: at once, or when it is time for another walk.
    fn check(
        &mut self,
        transitions: &mut Vec<Transition>,
        notices: &mut Vec<Notice>,
    ) -> Result<(), EngineError> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        self.kernel.log_diagnostics();
        stream.notice(self.kernel.totals()?, notices);
        if stream.resync.is_due(Instant::now()) {
            let corrections = self.walk(transitions)?;
            notices.push(Notice::Resync { corrections });
        }
        Ok(())
    }

    /// Walks, then merges, and returns how many corrections that brought. What
    /// is on the ring buffer by then comes first, so that no reading of the
    /// walk is older than what is already known.
    pub fn walk(&mut self, transitions: &mut Vec<Transition>) -> Result<u64, EngineError> {
        let began = Instant::now();
        let mut walk = self.look(Depth::Everything)?;
        let corrections = self.merge(&mut walk, transitions)?;
        let partial = self.stream.is_some() && !self.sees_all_contributors();
        self.limits = walk::limits_of(&walk, self.kernel.layout(), partial);
        if let Some(stream) = &mut self.stream {
            stream.resync.walked(Instant::now(), began.elapsed());
        }
        Ok(corrections.total())
    }

    /// Walks, and changes nothing.
    fn look(&mut self, depth: Depth) -> Result<Walk, EngineError> {
        let (walk, undecodable) = walk::take(&mut self.kernel, &mut self.tap, depth)?;
        self.tracker.meet_waiting(&walk);
        if let Some(stream) = &mut self.stream {
            stream.undecodable += undecodable;
        }
        Ok(walk)
    }

    /// Takes over what a walk found, after all that was on the ring buffer by
    /// then.
    fn merge(
        &mut self,
        walk: &mut Walk,
        transitions: &mut Vec<Transition>,
    ) -> Result<Corrections, EngineError> {
        self.merges += 1;
        self.drain_all(transitions);
        if let Some(stream) = &mut self.stream {
            let unmet = self.tracker.unmet(walk);
            let gone = self.kernel.forgotten(&unmet)?;
            let destroyed = |all: &[Unmet]| all.iter().filter(|ns| ns.destroyed).count();
            stream.resync.is_open = destroyed(&unmet) > destroyed(&gone);
            walk.gone = gone.into_iter().map(|ns| ns.key).collect();
            // Those that went just now said so before they were forgotten.
            self.drain_all(transitions);
        }
        (self.tap)(Frame::Merge(walk));
        Ok(self.tracker.merge(walk, transitions))
    }

    fn drain_all(&mut self, transitions: &mut Vec<Transition>) {
        if let Some(stream) = &mut self.stream {
            stream.drain_all(&mut self.tap, &mut self.tracker, transitions);
        }
    }
}
