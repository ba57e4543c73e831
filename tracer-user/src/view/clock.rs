//! Boot-time nanoseconds to wall-clock time.

use jiff::Timestamp;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// A step of the wall clock smaller than this is the noise of sampling two
/// clocks one after the other, and taking it over would only make equal
/// moments look different.
const NOISE_NS: i128 = 1_000_000;

/// How the wall clock stands to `CLOCK_BOOTTIME`.
///
/// Both are slewed alike, so the distance changes only when somebody sets
/// the wall clock; [`Clock::refresh`] notices that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// Wall-clock time at boot, nanoseconds since the epoch.
    boot: i128,
}

impl Clock {
    /// A clock for a machine that booted at this moment.
    pub fn booted_at(boot: Timestamp) -> Self {
        Self {
            boot: boot.as_nanosecond(),
        }
    }

    /// Samples the machine's clocks.
    pub fn sample() -> Self {
        // The narrowest of a few brackets: a sample during which this task
        // was preempted is off by as long as it slept.
        let best = (0..5)
            .map(|_| {
                let before = nanoseconds(clock_gettime(ClockId::Boottime));
                let wall = nanoseconds(clock_gettime(ClockId::Realtime));
                let after = nanoseconds(clock_gettime(ClockId::Boottime));
                (after - before, wall - (before + after) / 2)
            })
            .min();
        Self {
            boot: best.map_or(0, |(_, boot)| boot),
        }
    }

    /// Takes over a step of the wall clock since the last sample.
    pub fn refresh(&mut self) {
        let now = Self::sample();
        if (now.boot - self.boot).abs() > NOISE_NS {
            *self = now;
        }
    }

    /// Wall-clock time of a `CLOCK_BOOTTIME` reading.
    pub fn wall(&self, boottime_ns: u64) -> Timestamp {
        Timestamp::from_nanosecond(self.boot + i128::from(boottime_ns)).unwrap_or(Timestamp::MAX)
    }

    /// Seconds since 1970 of a `CLOCK_BOOTTIME` reading: the form of a moment in
    /// metrics.
    pub fn unix_seconds(&self, boottime_ns: u64) -> f64 {
        self.wall(boottime_ns).as_nanosecond() as f64 / 1e9
    }
}

/// `CLOCK_BOOTTIME` now, nanoseconds.
pub fn boottime() -> u64 {
    u64::try_from(nanoseconds(clock_gettime(ClockId::Boottime))).unwrap_or(0)
}

fn nanoseconds(time: Timespec) -> i128 {
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

/// Nanoseconds as seconds: the one form of a duration in JSON and in metrics.
pub fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// RFC 3339 in UTC with nanoseconds: the one form of time in JSON.
pub fn rfc3339(time: Timestamp) -> String {
    format!("{time:.9}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boottime_becomes_wall_time_to_the_nanosecond() {
        let clock = Clock::booted_at("2026-11-22T01:02:03Z".parse().unwrap());
        assert_eq!(
            rfc3339(clock.wall(4_000_000_005)),
            "2026-11-22T01:02:07.000000005Z"
        );
        assert_eq!(rfc3339(clock.wall(0)), "2026-11-22T01:02:03.000000000Z");
    }

    #[test]
    fn an_impossible_time_is_late_rather_than_a_panic() {
        let clock = Clock::booted_at(Timestamp::MAX);
        assert_eq!(clock.wall(u64::MAX), Timestamp::MAX);
    }

    #[test]
    fn the_machines_clocks_agree() {
        let mut clock = Clock::sample();
        let sampled = clock;
        clock.refresh();
        assert_eq!(clock, sampled);
        let difference = Timestamp::now().duration_since(clock.wall(boottime()));
        assert!(difference.abs().as_secs() < 5, "{difference:?}");
    }
}
