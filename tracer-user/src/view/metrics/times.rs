//! How long things take.

use prometheus_client::metrics::{family::Family, histogram::Histogram};
use tracer_common::{event::Cause, kind::NsKind};

use super::{
    catalogue::{Kind, Metric, Unit, families},
    labels::{END, EXITS, NS_TYPE, OfStage, OfType, QUEUE, STAGE, STAGES, UNLIST, of_type},
    values::{Histograms, moments, spans},
};
use crate::{
    model::{Lifecycle, Namespace, NetCleanup},
    view::clock::seconds,
};

/// A histogram of times.
const TIMES: Metric = Metric {
    name: "",
    kind: Kind::Histogram,
    unit: Unit::Seconds,
    labels: &[NS_TYPE],
    help: "",
    hooks: &[],
    basis: "",
    remedy: "",
    only: None,
};

families! {
    /// How long namespaces live, lie about, and take to go.
    Times, "Times" {
        creations: Histograms<OfType> = Family::new_with_constructor(moments), Metric {
            name: "nslife_namespace_creation_seconds",
            help: "Time that the kernel took to make a namespace",
            hooks: &["making_", "ns_created"],
            basis: "of several that are made at once: since the one before was there",
            remedy: "of net: RTNL or memory is short, see nslife_net_cleanup_seconds; of mnt: a \
                     mount table that is long",
            ..TIMES
        };
        lifetimes: Histograms<OfType> = Family::new_with_constructor(spans), Metric {
            name: "nslife_namespace_lifetime_seconds",
            help: "Time from the creation of a namespace to its last reference being dropped, \
                   where both were seen",
            hooks: &["ns_created", "ns_last_ref", "ns_freed"],
            basis: "the freeing, where the last reference cannot be told from it \
                    (docs/teardown.md)",
            remedy: "nothing is wrong with a long life; many short ones are work for the kernel: \
                     `nslife trace --event created` names who makes them",
            ..TIMES
        };
        inactive: Histograms<OfType> = Family::new_with_constructor(spans), Metric {
            name: "nslife_namespace_inactive_seconds",
            help: "Time that a namespace had last been inactive for when its last reference was \
                   dropped, where both were seen",
            hooks: &["active_", "nsproxy_", "nsfs_", "cred_", "pid_", "ns_last_ref", "ns_freed"],
            basis: "those that were never active are left out",
            remedy: "something in the kernel holds namespaces that nobody can reach: sockets, \
                     mounts of procfs, namespaces that they own. \
                     `nslife list --state inactive` shows those that are there now",
            ..TIMES
        };
        teardowns: Histograms<OfType> = Family::new_with_constructor(spans), Metric {
            name: "nslife_namespace_teardown_seconds",
            help: "Time from the last reference to a namespace to its inode number being given \
                   back, where both were seen",
            hooks: &["ns_last_ref", "ns_freed"],
            basis: "docs/teardown.md",
            remedy: "of net: nslife_net_cleanup_seconds tells which stage is slow; of others, \
                     workqueues are late",
            ..TIMES
        };
        net_cleanups: Histograms<OfStage> = Family::new_with_constructor(moments), Metric {
            name: "nslife_net_cleanup_seconds",
            labels: &[STAGE],
            help: "Time that network namespaces spent in each stage of being cleaned up",
            hooks: &["net_", "ns_last_ref_net"],
            basis: "all namespaces of a round count with its time",
            remedy: "`queue`: too many at a time for the kernel's one thread; `exits`: devices and \
                     protocols are slow, or somebody holds RTNL; `unlist`: RCU is slow",
            ..TIMES
        };
        cascades: Histogram = Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]), Metric {
            name: "nslife_cascade_length",
            unit: Unit::Of("owners"),
            labels: &[],
            help: "How many owners in a row became active or inactive because of a namespace \
                   that they own",
            hooks: &["active_", "nsproxy_", "nsfs_", "cred_", "pid_"],
            remedy: "user namespaces nest that deep: `nslife list --output tree` shows how",
            ..TIMES
        };
    }
}

impl Default for Times {
    /// With every series.
    fn default() -> Self {
        let times = Self::empty();
        for kind in NsKind::ALL {
            for family in [
                &times.creations,
                &times.lifetimes,
                &times.inactive,
                &times.teardowns,
            ] {
                family.get_or_create_owned(&of_type(kind));
            }
        }
        for stage in STAGES {
            times.net_cleanups.get_or_create_owned(&OfStage { stage });
        }
        times
    }
}

impl Times {
    /// Measures a step that was taken at `at`, `CLOCK_BOOTTIME` nanoseconds. A
    /// destruction without a cause was missed: nobody knows when it was.
    pub(super) fn step(
        &self,
        step: Lifecycle,
        ns: &Namespace,
        cause: Option<Cause>,
        took: Option<u64>,
        at: u64,
    ) {
        let labels = of_type(ns.kind);
        let observe = |family: &Histograms<OfType>, took: Option<u64>| {
            if let Some(took) = took {
                family.get_or_create(&labels).observe(seconds(took));
            }
        };
        match step {
            Lifecycle::Destroyed if cause.is_some() => {
                let since = |moment: Option<u64>| at.checked_sub(moment?);
                observe(&self.lifetimes, since(ns.created_at));
                observe(&self.inactive, since(ns.inactive_at));
            }
            Lifecycle::Created => observe(&self.creations, took),
            Lifecycle::Freed => observe(&self.teardowns, took),
            _ => {}
        }
    }

    /// Measures a round. Each of its namespaces has been through all stages.
    pub(super) fn net_cleanup(&self, cleanup: &NetCleanup) {
        let stage = |stage| self.net_cleanups.get_or_create_owned(&OfStage { stage });
        for &wait in &cleanup.waits {
            stage(QUEUE).observe(seconds(wait));
        }
        for (name, took) in [
            (UNLIST, cleanup.unlist),
            (EXITS, cleanup.exits),
            (END, cleanup.end),
        ] {
            if let Some(took) = took {
                let histogram = stage(name);
                for _ in 0..cleanup.namespaces {
                    histogram.observe(seconds(took));
                }
            }
        }
    }
}
