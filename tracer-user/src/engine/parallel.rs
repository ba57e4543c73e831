//! Work on several threads at once.

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

/// Does all of these jobs on up to so many threads, the calling one among them,
/// and returns what each came to, in the order of the jobs.
///
/// Goes on with fewer threads where the system gives no more.
pub(super) fn on_threads<J: Send, R: Send>(
    jobs: Vec<J>,
    threads: usize,
    work: impl Fn(J) -> R + Sync,
) -> Vec<R> {
    let others = threads.min(jobs.len()).saturating_sub(1);
    let results = Mutex::new(Vec::with_capacity(jobs.len()));
    let queue = Mutex::new(jobs.into_iter().enumerate());
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
            if thread::Builder::new()
                .spawn_scoped(scope, take_turns)
                .is_err()
            {
                break;
            }
        }
        take_turns();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|&(index, _)| index);
    results.into_iter().map(|(_, result)| result).collect()
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

    /// Without a thread for each the barrier would hold all of them for ever.
    #[test]
    fn jobs_run_beside_each_other() {
        let barrier = Barrier::new(4);
        on_threads(vec![(); 4], 4, |()| barrier.wait());
    }
}
