//! What it takes to start a daemon, part by part, and to stop it.
//!
//! On one processor, so this shows neither what several threads gain nor, in instructions, what is
//! spent waiting: that is a column of its own, in milliseconds of the machine's clock.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};

use crate::{
    clock::{Stopwatch, elapsed, settle},
    daemon::Daemon,
    figure::Figure,
};

/// The table.
const TABLE: &str = "start and stop";

/// The line of the daemon's log that has the parts, at level debug.
const LINE: &str = "what the start took";

/// The parts that it names.
const PARTS: [&str; 6] = ["btf", "maps", "programs", "loading", "attaching", "walk"];

/// How often it is done, after the first time.
const RUNS: usize = 2;

/// Starts and stops it.
pub(crate) fn measure(nslife: &Path) -> Result<()> {
    let mut starts = Vec::new();
    let mut stops = Vec::new();
    let mut parts = PARTS.map(|_| Vec::new());
    // Once more, for what is read from files for the first time.
    for run in 0..=RUNS {
        settle()?;
        let (daemon, start) = Spent::by(|| Daemon::start_logged(nslife))?;
        let log = daemon.log()?;
        settle()?;
        let ((), stop) = Spent::by(|| daemon.stop())?;
        if run == 0 {
            continue;
        }
        starts.push(start);
        stops.push(stop);
        for (part, name) in parts.iter_mut().zip(PARTS) {
            part.push(millions(parse_part(&log, name).with_context(|| {
                format!("the daemon's log does not say how long {name} took: {log}")
            })?));
        }
    }
    let unit = "million instructions";
    Spent::print("start of the daemon", &starts)?;
    for (part, name) in parts.iter().zip(PARTS) {
        Figure::of(TABLE, &format!("of it: {name}"), "executed", unit, part).print()?;
    }
    Spent::print("stop of the daemon", &stops)
}

/// What something took.
struct Spent {
    /// Millions of instructions that the system executed.
    executed: f64,
    /// Milliseconds for which it had nothing to do.
    waiting: f64,
}

impl Spent {
    fn by<T>(act: impl FnOnce() -> Result<T>) -> Result<(T, Self)> {
        let began = elapsed();
        let stopwatch = Stopwatch::start()?;
        let result = act()?;
        let executed = Duration::from_nanos(stopwatch.stop()?);
        let waiting = (elapsed() - began).saturating_sub(executed);
        let spent = Self {
            executed: millions(executed),
            waiting: waiting.as_secs_f64() * 1e3,
        };
        Ok((result, spent))
    }

    fn print(row: &str, all: &[Self]) -> Result<()> {
        let executed: Vec<_> = all.iter().map(|spent| spent.executed).collect();
        let waiting: Vec<_> = all.iter().map(|spent| spent.waiting).collect();
        Figure::of(TABLE, row, "executed", "million instructions", &executed).print()?;
        Figure::of(TABLE, row, "waiting", "ms", &waiting).print()?;
        Ok(())
    }
}

/// Nanoseconds are instructions here.
fn millions(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// How long a part took, such as `12.5ms` in `btf=12.5ms`.
fn parse_part(log: &str, name: &str) -> Option<Duration> {
    let line = log.lines().find(|line| line.contains(LINE))?;
    let mut fields = line.split_whitespace();
    let value = fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))?;
    let digits = value.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = value.split_at(digits);
    let seconds = match unit {
        "ns" => 1e-9,
        "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_from_the_log() {
        let log = "2026-11-30T11:29:02Z DEBUG what the start took btf=170.5ms programs=1.25s walk=3µs\n\
                   2026-11-30T11:29:02Z  INFO ready\n";
        let part = |name| parse_part(log, name);
        assert_eq!(part("btf"), Some(Duration::from_micros(170_500)));
        assert_eq!(part("programs"), Some(Duration::from_millis(1250)));
        assert_eq!(part("walk"), Some(Duration::from_micros(3)));
        assert_eq!(part("maps"), None);
        assert_eq!(parse_part("ready", "btf"), None);
    }
}
