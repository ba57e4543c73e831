//! Work on several threads at once.

use std::{
    fs,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::{process::Pid, thread::gettid};

/// How long to wait for a thread that has done its work to be gone.
const GOING: Duration = Duration::from_secs(1);

/// Does all of these jobs on up to so many threads, the calling one among them,
/// and returns what each came to, in the order of the jobs.
///
/// Goes on with fewer threads where the system gives no more. The kernel shows
/// none of them any more when this returns: a walk would count them.
pub(super) fn on_threads<J: Send, R: Send>(
    jobs: Vec<J>,
    threads: usize,
    work: impl Fn(J) -> R + Sync,
) -> Vec<R> {
    let others = threads.min(jobs.len()).saturating_sub(1);
    let results = Mutex::new(Vec::with_capacity(jobs.len()));
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let started = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let take_turns = || {
        while let Some((index, job)) = next() {
            let result = work(job);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 0..others {
            let work = || {
                let mut started = started.lock().unwrap_or_else(PoisonError::into_inner);
                started.push(gettid());
                drop(started);
                take_turns();
            };
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        take_turns();
    });
    let started = started.into_inner().unwrap_or_else(PoisonError::into_inner);
    started.into_iter().for_each(wait_for_end);
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|&(index, _)| index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Waits until the kernel has no such thread of this process any more: to be
/// joined it need only have given its stack back.
pub(super) fn wait_for_end(thread: Pid) {
    let path = format!("/proc/self/task/{}", thread.as_raw_nonzero());
    let deadline = Instant::now() + GOING;
    while fs::exists(&path).unwrap_or(false) && Instant::now() < deadline {
        thread::sleep(Duration::from_micros(100));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_jobs() {
        for threads in [0, 1, 3, 200] {
            let jobs: Vec<u64> = (0..100).collect();
            let doubled: Vec<u64> = jobs.iter().map(|job| job * 2).collect();
            assert_eq!(on_threads(jobs, threads, |job| job * 2), doubled);
        }
        assert!(on_threads(Vec::<u64>::new(), 8, |job| job).is_empty());
    }

    #[test]
    fn threads_are_gone_when_the_work_is_done() {
        for _ in 0..100 {
            let own = gettid();
            let barrier = Barrier::new(4);
            let threads = on_threads(vec![(); 4], 4, |()| {
                barrier.wait();
                gettid()
            });
            for thread in threads.into_iter().filter(|thread| *thread != own) {
                let path = format!("/proc/self/task/{}", thread.as_raw_nonzero());
                assert!(!fs::exists(path).unwrap());
            }
        }
    }

    /// Without a thread for each the barrier would hold all of them for ever.
    #[test]
    fn jobs_run_beside_each_other() {
        let barrier = Barrier::new(4);
        on_threads(vec![(); 4], 4, |()| barrier.wait());
    }
}
