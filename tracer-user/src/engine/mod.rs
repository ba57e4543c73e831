//! The one place where kernel and model meet: attaches the programs, walks,
//! drains the ring buffer into the [`Tracker`], and notices what was lost.

mod capabilities;
mod error;
mod examine;
mod kernel;
mod report;

use std::{fs, time::Duration};

use aya::maps::{MapData, RingBuf};
use rustix::time::{ClockId, clock_gettime};
use tokio::{io::unix::AsyncFd, time::Interval};
use tracer_common::layout::ABSENT;

use self::kernel::Kernel;
use crate::{
    decode,
    model::{Config, Tracker, Transition, Walk},
};

pub use error::{EngineError, StartError};
pub use examine::examine;
pub use report::{Attempt, CapabilityStatus, HookReport, HookState, Report};

/// How often the kernel's loss counters are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Records taken from the ring buffer before others get a turn.
const BATCH: usize = 4096;

/// Inode number of the initial pid namespace, the same on every kernel
/// (`PROC_PID_INIT_INO`).
const INITIAL_PID_NS: &str = "pid:[4026531836]";

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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Tasks will be selected: without it the programs do not even ask.
    pub selecting: bool,
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
    kernel: Kernel,
    tracker: Tracker,
    limits: Limits,
    /// `None` if only a walk was asked for.
    stream: Option<Stream>,
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
        let missing = capabilities::missing();
        if !missing.is_empty() {
            return Err(StartError::Capabilities { missing });
        }
        let described = kernel::describe()?;
        let mut kernel = Kernel::load(&described, options.selecting)?;
        let stream = if options.walk_only {
            None
        } else {
            kernel.attach(&described)?;
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
        };
        // The first merge tells of nothing new: what is there was there.
        engine.walk(&mut Vec::new())?;
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

    /// Waits until the kernel has something, then appends the transitions
    /// (and what was lost, with the resync that follows). Cancel-safe. Waits
    /// for ever if only a walk was asked for.
    pub async fn next(
        &mut self,
        transitions: &mut Vec<Transition>,
        notices: &mut Vec<Notice>,
    ) -> Result<(), EngineError> {
        let Some(stream) = &mut self.stream else {
            return std::future::pending().await;
        };
        let due = tokio::select! {
            ready = stream.ring.readable_mut() => {
                let mut ready = ready?;
                let drained = drain(
                    ready.get_inner_mut(),
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

    fn drain_all(&mut self, transitions: &mut Vec<Transition>) {
        if let Some(stream) = &mut self.stream {
            while drain(
                stream.ring.get_mut(),
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

    /// Walks, then merges: what is on the ring buffer by then comes first, so
    /// that no reading of the walk is older than what is already known.
    fn walk(&mut self, transitions: &mut Vec<Transition>) -> Result<u64, EngineError> {
        let mut walk = Walk {
            started_at: boottime(),
            ..Walk::default()
        };
        let mut undecodable = 0;
        let mut collect = |walk: &mut Walk, bytes: &[u8]| {
            for record in decode::walk(bytes) {
                match record {
                    Ok(record) => walk.extend([record]),
                    Err(_) => undecodable += 1,
                }
            }
        };
        if self.kernel.has_list() {
            let mut after = 0;
            loop {
                let chunk = self.kernel.walk_list(after)?;
                collect(&mut walk, &chunk);
                let last = walk.namespaces.iter().filter_map(|n| n.ns.ns_id).max();
                match last.map(std::num::NonZeroU64::get) {
                    Some(last) if last > after => after = last,
                    _ => break,
                }
            }
        }
        let listed = !walk.namespaces.is_empty();
        let tasks = self.kernel.walk_tasks()?;
        collect(&mut walk, &tasks);
        walk.ended_at = boottime();
        walk.all_tasks = in_initial_pid_namespace();
        walk.all_namespaces = listed;
        if let Some(stream) = &mut self.stream {
            stream.undecodable += undecodable;
        }
        self.drain_all(transitions);
        let corrections = self.tracker.merge(&walk, transitions);
        self.limits = self.limits_of(&walk);
        Ok(corrections.total())
    }

    fn limits_of(&self, walk: &Walk) -> Limits {
        let partial_activity = self.kernel.layout().ns_active == ABSENT;
        let mut because = Vec::new();
        if !walk.all_tasks {
            because.push(
                "nslife is not in the initial pid namespace: tasks outside its own are not seen"
                    .to_owned(),
            );
        }
        if !walk.all_namespaces {
            because.push(
                "on this kernel a namespace that was there before nslife and that no task is in \
                 is not found: one held only by an open file, a bind mount or a socket"
                    .to_owned(),
            );
        }
        if partial_activity {
            because.push(
                "activity is partial: this kernel (before 6.19) keeps no active count, and \
                 between walks nslife counts nsproxies and nsfs inodes, not yet credentials and \
                 pids"
                    .to_owned(),
            );
        }
        Limits {
            complete: walk.is_complete() && !partial_activity,
            because,
            partial_activity,
        }
    }
}

/// Takes up to [`BATCH`] records.
fn drain(
    ring: &mut RingBuf<MapData>,
    tracker: &mut Tracker,
    undecodable: &mut u64,
    transitions: &mut Vec<Transition>,
) -> usize {
    for taken in 0..BATCH {
        let Some(record) = ring.next() else {
            return taken;
        };
        match decode::event(&record) {
            Ok(event) => tracker.apply(&event, transitions),
            Err(_) => *undecodable += 1,
        }
    }
    BATCH
}

/// Nanoseconds since boot, suspended time included.
fn boottime() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds * 1_000_000_000 + nanoseconds
}

/// Whether this process sees all tasks. Reading the link opens nothing.
pub fn in_initial_pid_namespace() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == INITIAL_PID_NS)
}
