//! Whether nslife still knows what there is, once nothing moves.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tracer_common::kind::NsKind;

use super::{board::Board, picture::Picture};
use crate::{
    daemon::Daemon,
    metrics::{Metrics, series},
    nslife::Nslife,
};

/// How long it may take until nothing moves any more: network namespaces are queued for their end.
const REST: Duration = Duration::from_secs(120);

/// How long it may take until losses are in the metrics: they are counted in the kernel, which the
/// daemon asks each second.
const HEARSAY: Duration = Duration::from_millis(2500);

/// How often to look again.
const PAUSE: Duration = Duration::from_millis(200);

/// What the daemon writes into its log with the number of mistakes that a walk found.
const CORRECTIONS: &str = "corrections=";

/// By type and state, how many there are.
type Census = BTreeMap<(String, String), u64>;

/// Compares what a daemon knows with what there is.
pub(super) struct Judge {
    nslife: Nslife,
    daemon: Daemon,
    board: Board,
    /// What the metrics said when nothing had been done yet.
    before: Metrics,
}

/// What was found while nothing moved.
#[derive(Clone, Debug)]
pub(super) struct Findings {
    /// How many namespaces there were.
    pub(super) held: usize,
    /// How long it took until nothing moved.
    pub(super) rest: Duration,
    /// What was lost since the start, by cause.
    pub(super) lost: BTreeMap<String, u64>,
    /// What walks after losses put right since the start.
    pub(super) corrected: u64,
    /// What the daemon has allocated, bytes.
    pub(super) memory: u64,
}

impl Judge {
    pub(super) fn new(nslife: Nslife, daemon: Daemon, board: Board) -> Result<Self> {
        let before = daemon.scrape()?;
        Ok(Self {
            nslife,
            daemon,
            board,
            before,
        })
    }

    /// Waits until nothing moves, and compares. What is not as it has to be is an error, except
    /// losses: those are told in the end, and do no harm as long as they are put right.
    pub(super) fn judge(&self) -> Result<Findings> {
        let start = Instant::now();
        let mut last = String::new();
        while start.elapsed() < REST {
            match self.compare(start) {
                Ok(Ok(findings)) => return Ok(findings),
                Ok(Err(difference)) => last = difference,
                Err(error) => return Err(error),
            }
            thread::sleep(PAUSE);
        }
        let told = match self.testimony() {
            Ok(place) => format!("what it has seen is in {}", place.display()),
            Err(error) => format!("what it has seen it does not say: {error:#}"),
        };
        bail!("after {} s, drift: {last}; {told}", REST.as_secs())
    }

    /// Keeps what the daemon remembers to have seen, before anything makes it walk and put right what
    /// it knows, and returns where.
    fn testimony(&self) -> Result<PathBuf> {
        let mut trace = self
            .nslife
            .command(&["trace", "--daemon", "--output", "json"]);
        trace.args(["--duration", "1s", "--control-socket", &self.daemon.socket]);
        let ran = self.nslife.finish(&mut trace)?;
        ensure!(ran.code == Some(0), "nslife trace: {ran}");
        let place = self.daemon.log.with_extension("events.json");
        fs::write(&place, &ran.stdout)
            .with_context(|| format!("cannot write {}", place.display()))?;
        Ok(place)
    }

    /// What there is, or what may yet come to rest.
    fn compare(&self, start: Instant) -> Result<Result<Findings, String>> {
        let kernel = self.nslife.look(&["--from", "walk"])?;
        let metrics = self.daemon.scrape()?;
        let (expected, seen) = (census_of(&kernel.namespaces), census(&metrics)?);
        if let Some(difference) = difference(&expected, &seen) {
            return Ok(Err(format!("the metrics: {difference}")));
        }
        if seen
            .iter()
            .any(|((_, state), count)| state == "destroyed" && *count > 0)
        {
            return Ok(Err("something is still being freed".to_owned()));
        }
        let rest = start.elapsed();
        thread::sleep(HEARSAY.saturating_sub(rest));

        self.audit()?;
        // Asking it for a list has it walk. What it did not know by then, it has missed.
        let already = self.corrections()?;
        let socket = ["--from", "daemon", "--control-socket", &self.daemon.socket];
        let model = Picture::of(&self.nslife.look(&socket)?)?;
        let missed = self.corrections()? - already;
        let kernel = Picture::of(&self.nslife.look(&["--from", "walk"])?)?;
        ensure!(
            missed == 0,
            "drift: a walk found {missed} mistakes in what the daemon knew; the log of the daemon says more"
        );
        if let Some(difference) = kernel.difference(&model) {
            return Ok(Err(difference));
        }
        // After an audit the daemon gives back what nobody uses any more.
        self.audit()?;
        let metrics = self.daemon.scrape()?;
        self.balance(&metrics)?;
        Self::nothing_wrong(&metrics)?;
        let corrected = metrics.plain("nslife_resync_corrections_total")?;
        Ok(Ok(Findings {
            held: kernel.len(),
            rest,
            lost: lost(&metrics)?,
            corrected: corrected as u64,
            memory: self.daemon.anonymous_memory()?,
        }))
    }

    /// Has the daemon compare its picture with the kernel: by what walks find, `listns` and `/proc`.
    fn audit(&self) -> Result<()> {
        let socket = ["--from", "daemon", "--control-socket", &self.daemon.socket];
        let mut audit = self.nslife.command(&["audit", "--output", "json"]);
        let ran = self.nslife.finish(audit.args(socket))?;
        ensure!(ran.code == Some(0), "nslife audit: {ran}");
        Ok(())
    }

    /// Mistakes that walks have found up to now.
    fn corrections(&self) -> Result<u64> {
        let log = self.daemon.log()?;
        let numbers = log.split(CORRECTIONS).skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit());
            rest[..end.unwrap_or(rest.len())].parse::<u64>()
        });
        numbers.sum::<Result<_, _>>().context("the daemon's log")
    }

    /// What has come and has not gone is there, and everything that was made has come.
    fn balance(&self, now: &Metrics) -> Result<()> {
        if !lost(now)?.is_empty() {
            // What was never seen is not counted.
            return Ok(());
        }
        let (before, now) = (&self.before, now);
        for kind in NsKind::ALL {
            let ns_type = kind.name();
            let since = |name: &str| -> Result<i64> {
                let counter = series(name, &[("ns_type", ns_type)]);
                Ok((now.get(&counter)? - before.get(&counter)?) as i64)
            };
            let there = |metrics: &Metrics| -> Result<i64> {
                let of_type = |((it, _), count): ((String, String), u64)| {
                    (it == ns_type).then_some(count as i64)
                };
                Ok(census(metrics)?.into_iter().filter_map(of_type).sum())
            };
            let created = since("nslife_namespace_created_total")?;
            let freed = since("nslife_namespace_freed_total")?;
            let more = there(now)? - there(before)?;
            ensure!(
                created - freed == more,
                "{ns_type}: {created} came and {freed} went, but there are {more} more than before"
            );
            let made = self.board.namespaces(kind);
            ensure!(
                created >= made as i64,
                "{ns_type}: {made} were made, and nslife saw {created}"
            );
        }
        Ok(())
    }

    /// The kernel has broken no rule, and no audit that the daemon made by itself has found drift,
    /// unless something was lost: then that is what it is to find.
    fn nothing_wrong(metrics: &Metrics) -> Result<()> {
        let names = match lost(metrics)?.is_empty() {
            true => &["nslife_rule_violations_total", "nslife_drift_total"][..],
            false => &["nslife_rule_violations_total"],
        };
        for name in names {
            let all = metrics.having(&series(name, &[]));
            ensure!(!all.is_empty(), "there is no {name}");
            for wrong in all {
                let count = metrics.get(wrong)?;
                ensure!(count == 0.0, "{wrong} {count}");
            }
        }
        Ok(())
    }

    /// Ends the daemon.
    pub(super) fn retire(self) -> Result<()> {
        let status = self.daemon.stop()?;
        ensure!(status.success(), "nslife daemon ended with {status}");
        Ok(())
    }
}

/// Losses that there were, by cause.
fn lost(metrics: &Metrics) -> Result<BTreeMap<String, u64>> {
    let all = metrics.having(&series("nslife_events_lost_total", &[]));
    ensure!(!all.is_empty(), "nslife does not say what it has lost");
    let mut lost = BTreeMap::new();
    for of_cause in all {
        let count = metrics.get(of_cause)? as u64;
        if count > 0 {
            lost.insert(
                of_cause.label("cause").unwrap_or_default().to_owned(),
                count,
            );
        }
    }
    Ok(lost)
}

/// How many of each type and state the metrics say that there are.
fn census(metrics: &Metrics) -> Result<Census> {
    let all = metrics.having(&series("nslife_namespaces", &[]));
    ensure!(!all.is_empty(), "nslife does not say what there is");
    let mut census = Census::new();
    for some in all {
        let label = |name| some.label(name).unwrap_or_default().to_owned();
        census.insert(
            (label("ns_type"), label("state")),
            metrics.get(some)? as u64,
        );
    }
    Ok(census)
}

fn census_of(namespaces: &[crate::trace::Namespace]) -> Census {
    let mut census = Census::new();
    for ns in namespaces {
        let key = (ns.ns_type.clone(), ns.state.name().to_owned());
        *census.entry(key).or_default() += 1;
    }
    census
}

/// The first of all differences, in words.
fn difference(expected: &Census, seen: &Census) -> Option<String> {
    let count = |census: &Census, key| census.get(key).copied().unwrap_or(0);
    let mut keys = expected.keys().chain(seen.keys());
    let key = keys.find(|key| count(expected, key) != count(seen, key))?;
    let (ns_type, state) = key;
    Some(format!(
        "{} {state} {ns_type} namespaces, where the kernel has {}",
        count(seen, key),
        count(expected, key)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "nslife_namespaces{ns_type=\"net\",state=\"active\"} 2\n\
                        nslife_namespaces{ns_type=\"net\",state=\"destroyed\"} 0\n\
                        nslife_events_lost_total{cause=\"recursion\"} 3\n\
                        nslife_events_lost_total{cause=\"ring_full\"} 0\n";

    #[test]
    fn losses_are_told_by_cause() {
        let metrics = Metrics::parse(PAGE).unwrap();
        assert_eq!(
            lost(&metrics).unwrap(),
            BTreeMap::from([("recursion".to_owned(), 3)])
        );
        assert!(
            lost(&Metrics::default()).is_err(),
            "no losses, or no metrics?"
        );
    }

    #[test]
    fn a_census_is_compared_with_another() {
        let seen = census(&Metrics::parse(PAGE).unwrap()).unwrap();
        let of = |active| Census::from([(("net".to_owned(), "active".to_owned()), active)]);
        assert_eq!(difference(&of(2), &seen), None);
        let told = difference(&of(3), &seen).unwrap();
        assert_eq!(told, "2 active net namespaces, where the kernel has 3");
        assert!(census(&Metrics::default()).is_err());
    }
}
