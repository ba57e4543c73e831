//! Processor time, whoever else uses the processor.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// For how long this thread has had a processor.
pub(crate) fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("no time before the start")
}

/// Nanoseconds for each of so many.
pub(crate) fn nanoseconds(all: Duration, count: usize) -> f64 {
    all.as_nanos() as f64 / count as f64
}
