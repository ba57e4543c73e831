//! The walk: what exists now, put together from what the walk programs write.

use std::{fs, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use tracer_common::{
    kind::NsKind,
    layout::{ABSENT, Layout},
    walk::{RING_DONE, RING_LOST, RING_MORE, RING_START, Ring, RingCursor},
};

use super::{
    EngineError, Frame, Limits, Tap,
    kernel::{Kernel, Part},
};
use crate::{decode, model::Walk};

/// The initial pid namespace, whose inode number is the same on every kernel
/// (`PROC_PID_INIT_INO`).
const INITIAL_PID_NS: &str = "pid:[4026531836]";

/// How often a ring that changes under the walk is started anew before it is
/// given up.
const MAX_STARTS: u32 = 32;

/// How far a walk goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Depth {
    /// To everything that leads to a namespace. Up to 6.17 that holds each open
    /// file for a moment.
    Everything,
    /// It holds nothing: up to 6.17 it does not meet what only files and their
    /// credentials lead to.
    NoFiles,
}

/// A walk in the making.
struct Taking<'k> {
    kernel: &'k mut Kernel,
    tap: &'k mut Tap,
    walk: Walk,
    undecodable: u64,
}

/// Walks. Also says how many records made no sense.
///
/// Tasks come first, since their credentials are counted on the way, and the
/// namespaces are to be read with all of them counted.
pub(super) fn take(
    kernel: &mut Kernel,
    tap: &mut Tap,
    depth: Depth,
) -> Result<(Walk, u64), EngineError> {
    let started_at = boottime();
    kernel.walk_started(started_at)?;
    let mut taking = Taking {
        walk: Walk {
            started_at,
            all_tasks: in_initial_pid_namespace(),
            ..Walk::default()
        },
        kernel,
        tap,
        undecodable: 0,
    };
    taking.part(Part::TASKS)?;
    if taking.walk.all_tasks && taking.kernel.has(Part::SWEEP) {
        taking.part(Part::SWEEP)?;
    }
    let layout = *taking.kernel.layout();
    for kind in NsKind::ALL {
        if layout.lists(kind) {
            let met = taking.ring(kind as u32)?;
            taking.walk.all_of[kind as usize] = met;
            // Here it is the lists, not the tasks, that lead to namespaces.
            taking.walk.all_tasks &= met;
        } else {
            // A type that this kernel does not have has no namespaces.
            taking.walk.all_of[kind as usize] = !has(&layout, kind);
        }
    }
    taking.walk.all_superblocks = taking.ring(Ring::Superblocks as u32)?;
    if !layout.lists_all() {
        taking.ring(Ring::NsfsMounts as u32)?;
        taking.part(Part::SHOWN)?;
        if depth == Depth::Everything {
            taking.part(Part::FILES)?;
        }
    }
    taking.walk.ended_at = boottime();
    Ok((taking.walk, taking.undecodable))
}

impl Taking<'_> {
    /// Runs a part once.
    fn part(&mut self, part: Part) -> Result<(), EngineError> {
        let bytes = self.kernel.walk(part)?;
        self.collect(&bytes);
        Ok(())
    }

    /// Follows a ring to its end. False if it changed too fast for that, or
    /// nothing leads to it.
    fn ring(&mut self, ring: u32) -> Result<bool, EngineError> {
        let mut starts = 0;
        let mut cursor = RingCursor {
            ring,
            state: RING_START,
            node: 0,
        };
        loop {
            let bytes = self.kernel.walk_ring(&mut cursor)?;
            self.collect(&bytes);
            match cursor.state {
                RING_MORE => {}
                RING_LOST if starts < MAX_STARTS => {
                    starts += 1;
                    cursor.state = RING_START;
                }
                state => return Ok(state == RING_DONE),
            }
        }
    }

    fn collect(&mut self, bytes: &[u8]) {
        (self.tap)(Frame::Walk(bytes));
        for record in decode::walk(bytes) {
            match record {
                Ok(record) => self.walk.extend([record]),
                Err(_) => self.undecodable += 1,
            }
        }
    }
}

/// Whether the kernel has namespaces of this type at all.
fn has(layout: &Layout, kind: NsKind) -> bool {
    layout.kinds[kind as usize].common != ABSENT
}

/// What this walk could not show.
///
/// `partial_activity` says that, on a kernel without an active count, what
/// keeps namespaces active could not be hooked in full.
pub(super) fn limits_of(walk: &Walk, layout: &Layout, partial_activity: bool) -> Limits {
    let mut because = Vec::new();
    let counts = layout.ns_active != ABSENT;
    if !in_initial_pid_namespace() {
        let mut unseen =
            "nslife is not in the initial pid namespace: tasks outside its own are not seen"
                .to_owned();
        if !counts {
            unseen.push_str(", and a namespace that only they keep active shows as inactive");
        }
        because.push(unseen);
    }
    let types = |wanted: &dyn Fn(NsKind) -> bool| {
        let names: Vec<_> = NsKind::ALL
            .into_iter()
            .filter(|&kind| !walk.all_of[kind as usize] && wanted(kind))
            .map(NsKind::name)
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = types(&|kind| layout.lists(kind)) {
        because.push(format!(
            "the list of all {names} namespaces changed too fast to be read to its end"
        ));
    }
    if let Some(names) = types(&|kind| !layout.lists(kind)) {
        because.push(format!(
            "this kernel (before 6.18) keeps no list of {names} namespaces: one that was there \
             before nslife and that no task is in is found by open files, bind mounts, \
             superblocks and what it owns, but not if it is held only by a descriptor in flight \
             or in an io_uring, by a pidfd, or from within the kernel"
        ));
    }
    if partial_activity {
        because.push(
            "activity is partial: not everything that keeps a namespace active could be hooked \
             (see nslife doctor)"
                .to_owned(),
        );
    }
    Limits {
        took: Duration::from_nanos(walk.ended_at.saturating_sub(walk.started_at)),
        complete: walk.is_complete() && !partial_activity,
        because,
        partial_activity: partial_activity || (!counts && !walk.all_tasks),
    }
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
