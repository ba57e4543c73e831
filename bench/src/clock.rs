//! Instructions, by the clock of a machine that counts them.
//!
//! Its clock moves by one nanosecond an instruction, and jumps to the next timer while nothing
//! runs. So the time for which a task had the processor is what was executed, by whom and on whose
//! behalf it may be. What interrupts do while nothing runs is all that is not in it.

use std::{fs, hint::black_box, thread, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::time::{ClockId, clock_gettime};

/// For how long tasks have had the processor.
const STATISTICS: &str = "/proc/schedstat";

/// The most that a pause may be busy for the system to be at rest, in a hundred.
const REST_PERCENT: u64 = 2;

/// What the system has executed since a moment.
pub(crate) struct Stopwatch {
    busy: u64,
}

impl Stopwatch {
    /// Starts.
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { busy: busy()? })
    }

    /// Instructions since the start.
    pub(crate) fn stop(self) -> Result<u64> {
        Ok(busy()? - self.busy)
    }
}

/// The machine's clock, which also moves while nothing runs.
pub(crate) fn elapsed() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::try_from(now).unwrap_or_default()
}

/// For how many nanoseconds tasks have had the processor.
fn busy() -> Result<u64> {
    // The kernel adds up what a task had when it takes the processor away.
    pause(Duration::from_micros(100));
    let text = fs::read_to_string(STATISTICS).with_context(|| {
        format!("cannot read {STATISTICS}, which a kernel with CONFIG_SCHEDSTATS has")
    })?;
    parse_busy(&text).with_context(|| format!("{STATISTICS} tells of no single processor"))
}

/// The busy time of the only processor.
fn parse_busy(text: &str) -> Option<u64> {
    let mut processors = text.lines().filter(|line| line.starts_with("cpu"));
    match (processors.next(), processors.next()) {
        (Some(line), None) => line.split_whitespace().nth(7)?.parse().ok(),
        _ => None,
    }
}

/// Lets others run.
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}

/// Waits until nobody has anything to do.
pub(crate) fn settle() -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(200);
    let mut quiet = 0;
    for _ in 0..1000 {
        let stopwatch = Stopwatch::start()?;
        pause(PAUSE);
        let busy = stopwatch.stop()?;
        if u128::from(busy) * 100 < PAUSE.as_nanos() * u128::from(REST_PERCENT) {
            quiet += 1;
        } else {
            quiet = 0;
        }
        if quiet == 3 {
            return Ok(());
        }
    }
    bail!("the system does not come to rest")
}

/// Fails on a machine whose clock shows something else. It has to be at rest.
pub(crate) fn check() -> Result<()> {
    let now = || {
        let time = clock_gettime(ClockId::Monotonic);
        Duration::try_from(time).map_or(0, |time| time.as_nanos())
    };
    let spin = || {
        let start = now();
        for step in 0..100_000_u32 {
            black_box(step);
        }
        now() - start
    };
    spin();
    let mut spans: Vec<_> = (0..15).map(|_| spin()).collect();
    spans.sort_unstable();
    // The median: now and then an interrupt comes in between.
    let (low, middle) = (spans[0], spans[spans.len() / 2]);
    ensure!(
        low >= 100_000 && (middle - low) * 1000 < low,
        "this machine's clock does not count instructions, for the same loop took {low} ns and \
         {middle} ns; cargo xtask bench runs this in one that does"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_time_is_that_of_the_only_processor() {
        let one = "version 17\ntimestamp 4295\ncpu0 0 0 1 2 3 4 42 6 7\ndomain0 MC 3 0 0\n";
        assert_eq!(parse_busy(one), Some(42));
        assert_eq!(parse_busy(&one.repeat(2)), None);
        assert_eq!(parse_busy("version 17\n"), None);
    }
}
