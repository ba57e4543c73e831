//! Pid namespaces that are dying.

use prometheus_client::metrics::{gauge::Gauge, histogram::Histogram};

use super::{
    catalogue::{Kind, Metric, Unit, families},
    values::{Fraction, signed},
};
use crate::{model::Standing, view::clock::seconds};

families! {
    /// Inits on their way out.
    Pids, "Pid namespaces that are dying" {
        dying: Gauge = Gauge::default(), Metric {
            name: "nslife_pid_namespaces_dying",
            kind: Kind::Gauge,
            unit: Unit::Of("namespaces"),
            labels: &[],
            help: "Pid namespaces whose init waits for everybody else in them to be gone",
            hooks: &["init_"],
            basis: "walks, for those that were dying before",
            remedy: "`nslife list --ns-type pid --output tree` names who is left, and who is to \
                     reap it",
            only: None,
        };
        dying_oldest: Fraction = Fraction::default(), Metric {
            name: "nslife_pid_namespaces_dying_oldest_timestamp_seconds",
            kind: Kind::Gauge,
            unit: Unit::Timestamp,
            labels: &[],
            help: "Since when the first of them has been dying",
            hooks: &["init_dying"],
            basis: "of one whose beginning was not seen: since when that has been known; taken \
                    over each second",
            remedy: "low is old: it cannot end before the last one in it is reaped. \
                     `nslife list --ns-type pid --output tree` names that one",
            only: None,
        };
        dying_took: Histogram = Histogram::new([
            0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0,
        ]), Metric {
            name: "nslife_pid_namespace_dying_seconds",
            kind: Kind::Histogram,
            unit: Unit::Seconds,
            labels: &[],
            help: "How long pid namespaces took from the death of their init until nobody was left",
            hooks: &["init_"],
            basis: "",
            remedy: "processes that do not die at once: uninterruptible I/O, or a tracer that does \
                     not reap",
            only: None,
        };
    }
}

impl Default for Pids {
    fn default() -> Self {
        Self::empty()
    }
}

impl Pids {
    /// Takes over how many are dying, and since when the first one has been.
    pub(super) fn standing(&self, standing: &Standing, wall: impl Fn(u64) -> f64) {
        self.dying.set(signed(standing.dying));
        self.dying_oldest
            .set(standing.dying_oldest.map_or(0.0, wall));
    }

    /// One is dead, after so long, nanoseconds.
    pub(super) fn dead(&self, took: u64) {
        self.dying_took.observe(seconds(took));
    }
}
