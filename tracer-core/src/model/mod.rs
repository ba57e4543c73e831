//! The model: what each namespace is, as a pure state machine.
//!
//! No clock, no input or output, no BPF, no async runtime: observations go
//! in, transitions come out. Times are `CLOCK_BOOTTIME` nanoseconds as the
//! kernel read them; the views turn them into wall-clock time.

pub mod audit;
mod failure;
mod namespace;
mod nsproxy;
mod observation;
mod people;
mod rules;
mod task;
mod tracker;
mod transition;
mod walk;

pub use failure::{Errno, Failure};
pub use namespace::{Actor, Comm, Contributors, Counts, Creator, Namespace, NsId, Reaper, State};
pub use nsproxy::{Nsproxy, NsproxyId};
pub use observation::{
    Body, Breaches, CleanupTimes, Event, Key, NsFacts, NsRef, NsproxyFacts, Origin, SlotFacts,
};
pub use people::{Init, People, Person, PidNumbers, TaskState};
pub use rules::{Rule, SignedCounts, Violation};
pub use task::{Exited, HandedOver, Reaped, TaskEnd};
pub use tracker::{Census, Config, Corrections, Share, Standing, Tracker, Unmet, Users};
pub use transition::{Chain, ChainLink, InitStep, Lifecycle, NetCleanup, Switch, Transition, What};
pub use walk::{Walk, WalkInit, WalkNs, WalkNsproxy, WalkProcfs, WalkRecord, WalkTask};
