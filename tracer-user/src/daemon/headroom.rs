//! How near users are to the limits that the kernel has for them.

use std::{fs, io, time::Duration};

use tokio::time::{Interval, MissedTickBehavior, interval};
use tracer_common::kind::NsKind;
use tracing::warn;

use crate::{model::Tracker, view::metrics::Metrics};

/// How often. It goes through all namespaces.
const EVERY: Duration = Duration::from_secs(10);

/// Looks every now and then.
#[derive(Debug)]
pub(super) struct Headroom {
    ticks: Interval,
    /// The limits could not be read, and that has been said.
    is_blind: bool,
}

impl Headroom {
    /// At once, and every now and then.
    pub(super) fn new() -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            ticks,
            is_blind: false,
        }
    }

    /// Waits until it is time to look.
    pub(super) async fn is_due(&mut self) {
        self.ticks.tick().await;
    }

    /// Looks.
    pub(super) fn look(&mut self, tracker: &Tracker, metrics: &Metrics) {
        let limits = match limits() {
            Ok(limits) => limits,
            Err(error) => {
                if !self.is_blind {
                    warn!(%error, "the limits of users cannot be read");
                }
                self.is_blind = true;
                [0; NsKind::COUNT]
            }
        };
        metrics.headroom(&tracker.users(), &limits);
    }
}

/// How many namespaces of each type a user may have.
fn limits() -> io::Result<[u64; NsKind::COUNT]> {
    let mut limits = [0; NsKind::COUNT];
    for (kind, limit) in NsKind::ALL.into_iter().zip(&mut limits) {
        let path = format!("/proc/sys/user/max_{}_namespaces", kind.name());
        let named =
            |problem: &dyn std::fmt::Display| io::Error::other(format!("{path}: {problem}"));
        let text = fs::read_to_string(&path).map_err(|error| named(&error))?;
        *limit = text.trim_end().parse().map_err(|error| named(&error))?;
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_system_has_limits() {
        let limits = limits().unwrap();
        assert!(limits.iter().all(|&limit| limit > 0), "{limits:?}");
    }
}
