//! The walk: what exists now, put together from what the walk programs write.

use std::{fs, num::NonZeroU64};

use rustix::time::{ClockId, clock_gettime};

use super::{EngineError, Limits, kernel::Kernel};
use crate::{decode, model::Walk};

/// The initial pid namespace, whose inode number is the same on every kernel
/// (`PROC_PID_INIT_INO`).
const INITIAL_PID_NS: &str = "pid:[4026531836]";

/// Walks. Also says how many records made no sense.
pub(super) fn take(kernel: &mut Kernel) -> Result<(Walk, u64), EngineError> {
    let mut walk = Walk {
        started_at: boottime(),
        ..Walk::default()
    };
    let mut undecodable = 0;
    if kernel.has_list() {
        // In chunks: each asks for what follows the last id of the one before.
        let mut after = 0;
        loop {
            undecodable += collect(&mut walk, &kernel.walk_list(after)?);
            let last = walk.namespaces.last().and_then(|found| found.ns.ns_id);
            match last.map(NonZeroU64::get) {
                Some(last) if last > after => after = last,
                _ => break,
            }
        }
    }
    walk.all_namespaces = !walk.namespaces.is_empty();
    undecodable += collect(&mut walk, &kernel.walk_tasks()?);
    walk.all_tasks = in_initial_pid_namespace();
    walk.ended_at = boottime();
    Ok((walk, undecodable))
}

fn collect(walk: &mut Walk, bytes: &[u8]) -> u64 {
    let mut undecodable = 0;
    for record in decode::walk(bytes) {
        match record {
            Ok(record) => walk.extend([record]),
            Err(_) => undecodable += 1,
        }
    }
    undecodable
}

/// What this walk could not show, on a kernel that does or does not keep an
/// active count.
pub(super) fn limits_of(walk: &Walk, partial_activity: bool) -> Limits {
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
