//! Pid namespaces that are dying, and tasks that nobody reaps.

use prometheus_client::metrics::{family::Family, gauge::Gauge, histogram::Histogram};
use tracer_common::kind::NsKind;

use super::{
    catalogue::{Kind, Metric, Unit, families},
    labels::{NS_TYPE_OF_ZOMBIES, OfType, of_type},
    values::{Fraction, signed},
};
use crate::{model::Standing, view::clock::seconds};

families! {
    /// Inits on their way out, and tasks that nobody reaps.
    Pids, "What cannot die" {
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
        zombies: Family<OfType, Gauge> = Family::default(), Metric {
            name: "nslife_zombies",
            kind: Kind::Gauge,
            unit: Unit::Of("tasks"),
            labels: &[NS_TYPE_OF_ZOMBIES],
            help: "Tasks that have exited and are not reaped, and so keep a namespace other than \
                   the initial one, as of the last walk",
            hooks: &[],
            basis: "walks: at the start, after a loss, and for each audit and `nslife list`",
            remedy: "their parents do not wait for them: `nslife list --ns-type pid --output tree` \
                     names them and their parents, `nslife trace --event exited,reaped` shows who \
                     reaps whom",
            only: None,
        };
        zombies_oldest: Fraction = Fraction::default(), Metric {
            name: "nslife_zombies_oldest_timestamp_seconds",
            kind: Kind::Gauge,
            unit: Unit::Timestamp,
            labels: &[],
            help: "Since when the first of them is known to wait",
            hooks: &[],
            basis: "the walk that first met it as a zombie: it exited before that, up to \
                    `--audit.interval` earlier",
            remedy: "low is old: its parent does not wait for it",
            only: None,
        };
    }
}

impl Default for Pids {
    /// With every series.
    fn default() -> Self {
        let pids = Self::empty();
        pids.standing(&Standing::default(), |_| 0.0);
        pids
    }
}

impl Pids {
    /// Takes over how many are dying, and since when the first one has been.
    pub(super) fn standing(&self, standing: &Standing, wall: impl Fn(u64) -> f64) {
        self.dying.set(signed(standing.dying));
        self.dying_oldest
            .set(standing.dying_oldest.map_or(0.0, &wall));
        for (kind, count) in [
            (NsKind::User, standing.zombies_in_user),
            (NsKind::Pid, standing.zombies_in_pid),
        ] {
            let zombies = self.zombies.get_or_create_owned(&of_type(kind));
            zombies.set(signed(count));
        }
        self.zombies_oldest
            .set(standing.zombies_oldest.map_or(0.0, wall));
    }

    /// One is dead, after so long, nanoseconds.
    pub(super) fn dead(&self, took: u64) {
        self.dying_took.observe(seconds(took));
    }
}
