//! The one place where kernel and model meet: attaches the programs, walks,
//! drains the ring buffer into the [`Tracker`], and notices what was lost.

mod audit;
mod capabilities;
mod contract;
mod error;
mod examine;
mod kernel;
mod report;
mod tap;
mod walk;

use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use tokio::{io::unix::AsyncFd, time::Interval};
use tracer_common::layout::ABSENT;

use self::{kernel::Kernel, walk::Depth};
use crate::{
    decode,
    model::{Config, Corrections, Tracker, Transition, Walk, What},
};

pub use audit::{Audit, Begun};
pub use contract::{KernelTotals, Limits, Notice, Options, Selection};
pub use error::{EngineError, StartError};
pub use examine::examine;
pub use report::{Attempt, CapabilityStatus, HookReport, HookState, Report};
pub use tap::{Frame, Tap};
pub use walk::in_initial_pid_namespace;

/// How often the kernel's loss counters are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Records taken from the ring buffer before others get a turn.
const BATCH: usize = 4096;

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
}

/// What keeps coming from the kernel.
struct Stream {
    ring: AsyncFd<RingBuf<MapData>>,
    check: Interval,
    /// As of the last check.
    totals: KernelTotals,
    /// Records that made no sense, ever, and as of the last check.
    undecodable: u64,
    undecodable_seen: u64,
}

impl Engine {
    /// Attaches the hooks, walks, and merges. Blocking; needs a tokio runtime
    /// context unless `walk_only`.
    pub fn start(options: &Options) -> Result<Self, StartError> {
        Self::start_tapped(options, Box::new(|_| {}))
    }

    /// The same, with somebody who hears all that the kernel says.
    pub fn start_tapped(options: &Options, tap: Tap) -> Result<Self, StartError> {
        let missing = capabilities::missing();
        if !missing.is_empty() {
            return Err(StartError::Capabilities { missing });
        }
        let described = kernel::describe()?;
        let mut kernel = Kernel::load(&described, options)?;
        let stream = if options.walk_only {
            None
        } else {
            kernel.attach(&described, options.task_ends)?;
            if let Some(hook) = kernel.hooks().iter().find(|hook| hook.is_fatal()) {
                return Err(StartError::Hook {
                    purpose: hook.purpose,
                    because: hook.problem().unwrap_or_default().to_owned(),
                });
            }
            Some(Stream {
                // SAFETY: the ring buffer owns its descriptor, names the same
                // one each time, and closes it when it is dropped, not before.
                ring: unsafe { AsyncFd::register(kernel.take_ring()?) }
                    .map_err(|error| EngineError::Read(error.into()))?,
                check: tokio::time::interval(CHECK_EVERY),
                totals: KernelTotals::default(),
                undecodable: 0,
                undecodable_seen: 0,
            })
        };
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
        };
        // The first merge tells of nothing new: what is there was there.
        // But a rule that is broken is, whenever that was.
        let mut found = Vec::new();
        engine.walk(&mut found)?;
        found.retain(|transition| matches!(transition.what, What::Violation(_)));
        engine.found = found;
        Ok(engine)
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
        let due = tokio::select! {
            ready = stream.ring.readable_mut() => {
                let mut ready = ready?;
                let drained = drain(
                    ready.get_inner_mut(),
                    &mut self.tap,
                    &mut self.tracker,
                    &mut stream.undecodable,
                    transitions,
                );
                if drained < BATCH {
                    ready.clear_ready();
                }
                false
            }
            _ = stream.check.tick() => true,
        };
        if due {
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

    /// Totals of the kernel side.
    pub fn totals(&self) -> Result<KernelTotals, EngineError> {
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

    fn drain_all(&mut self, transitions: &mut Vec<Transition>) {
        if let Some(stream) = &mut self.stream {
            while drain(
                stream.ring.get_mut(),
                &mut self.tap,
                &mut self.tracker,
                &mut stream.undecodable,
                transitions,
            ) == BATCH
            {}
        }
    }

    /// Says what was lost since the last check, and renews the picture if
    /// anything was.
    fn check(
        &mut self,
        transitions: &mut Vec<Transition>,
        notices: &mut Vec<Notice>,
    ) -> Result<(), EngineError> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        self.kernel.log_diagnostics();
        let now = self.kernel.totals()?;
        let before = std::mem::replace(&mut stream.totals, now);
        let undecodable = std::mem::replace(&mut stream.undecodable_seen, stream.undecodable);
        let lost = [
            ("ring_full", now.lost_ring_full - before.lost_ring_full),
            ("map_full", now.lost_map_full - before.lost_map_full),
            (
                "read_failed",
                now.lost_read_failed - before.lost_read_failed,
            ),
            ("recursion", now.lost_recursion - before.lost_recursion),
            ("undecodable", stream.undecodable - undecodable),
        ];
        let already = notices.len();
        notices.extend(
            lost.into_iter()
                .filter(|&(_, count)| count > 0)
                .map(|(cause, count)| Notice::Lost { cause, count }),
        );
        if notices.len() > already {
            let corrections = self.walk(transitions)?;
            notices.push(Notice::Resync { corrections });
        }
        Ok(())
    }

    /// Walks, then merges, and returns how many corrections that brought. What
    /// is on the ring buffer by then comes first, so that no reading of the
    /// walk is older than what is already known.
    pub fn walk(&mut self, transitions: &mut Vec<Transition>) -> Result<u64, EngineError> {
        let walk = self.look(Depth::Everything)?;
        self.drain_all(transitions);
        let corrections = self.merge(&walk, transitions);
        let partial = self.stream.is_some() && !self.sees_all_contributors();
        self.limits = walk::limits_of(&walk, self.kernel.layout(), partial);
        Ok(corrections.total())
    }

    /// Walks, and changes nothing.
    fn look(&mut self, depth: Depth) -> Result<Walk, EngineError> {
        let (walk, undecodable) = walk::take(&mut self.kernel, &mut self.tap, depth)?;
        if let Some(stream) = &mut self.stream {
            stream.undecodable += undecodable;
        }
        Ok(walk)
    }

    /// Takes over what a walk found, after all that is on the ring buffer.
    fn merge(&mut self, walk: &Walk, transitions: &mut Vec<Transition>) -> Corrections {
        self.merges += 1;
        (self.tap)(Frame::Merge(walk));
        self.tracker.merge(walk, transitions)
    }
}

/// Takes up to [`BATCH`] records.
fn drain(
    ring: &mut RingBuf<MapData>,
    tap: &mut Tap,
    tracker: &mut Tracker,
    undecodable: &mut u64,
    transitions: &mut Vec<Transition>,
) -> usize {
    for taken in 0..BATCH {
        let Some(record) = ring.next() else {
            return taken;
        };
        tap(Frame::Record(&record));
        match decode::event(&record) {
            Ok(event) => tracker.apply(&event, transitions),
            Err(_) => *undecodable += 1,
        }
    }
    BATCH
}
