//! How many namespaces there are, and the steps of their lives.

use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use tracer_common::{event::Cause, kind::NsKind};

use super::{
    catalogue::{Kind, Metric, Unit, families},
    labels::{
        ACTIVATING, AGE, DEACTIVATING, DESTROYING, ERRNO, NS_TYPE, OTHER_ERRNO, OfType, OfTypeAge,
        OfTypeCause, OfTypeErrno, OfTypeState, STATE, UNKNOWN_CAUSE, of_type,
    },
    values::{Fraction, signed},
};
use crate::model::{Census, Failure, Lifecycle, Standing, State};

/// What sees activity, where the kernel counts it and where it does not.
const ACTIVITY: &[&str] = &["active_", "nsproxy_", "nsfs_", "cred_", "pid_"];

/// A counter of namespaces.
const STEP: Metric = Metric {
    name: "",
    kind: Kind::Counter,
    unit: Unit::Of("namespaces"),
    labels: &[],
    help: "",
    hooks: &[],
    basis: "",
    remedy: "",
    only: None,
};

families! {
    /// What exists, and what becomes of it.
    Lives, "Namespaces" {
        namespaces: Family<OfTypeState, Gauge> = Family::default(), Metric {
            name: "nslife_namespaces",
            kind: Kind::Gauge,
            labels: &[NS_TYPE, STATE],
            help: "Namespaces by type and state, the initial ones included",
            hooks: &["ns_", "active_", "nsproxy_", "nsfs_", "cred_", "pid_"],
            basis: "the first walk, for what was there before nslife",
            remedy: "`nslife list --state inactive` shows what only the kernel holds, \
                     `nslife list --output tree` who owns what",
            ..STEP
        };
        oldest: Family<OfTypeState, Fraction> = Family::default(), Metric {
            name: "nslife_namespace_oldest_timestamp_seconds",
            kind: Kind::Gauge,
            unit: Unit::Timestamp,
            labels: &[NS_TYPE, STATE],
            help: "Since when the namespace that has been in this state for longest has been in \
                   it, the initial ones left out",
            hooks: &["ns_", "active_", "nsproxy_", "nsfs_", "cred_", "pid_"],
            basis: "of one that was there before nslife: since when nslife has known it; taken \
                    over each second",
            remedy: "low is old. `inactive`: a leak, `nslife list --state inactive`; `destroyed`: \
                     a teardown that is stuck, see nslife_namespace_teardown_seconds; \
                     `active`: perhaps a container that nobody stopped",
            ..STEP
        };
        inactive_over: Family<OfTypeAge, Gauge> = Family::default(), Metric {
            name: "nslife_namespaces_inactive_over",
            kind: Kind::Gauge,
            labels: &[NS_TYPE, AGE],
            help: "Namespaces that have been inactive for longer than that, those over longer \
                   times included",
            hooks: ACTIVITY,
            basis: "of those that were inactive before nslife: since when nslife has known them; \
                    taken over each second",
            remedy: "a leak: a socket, a mount of procfs or a namespace that they own keeps them. \
                     `nslife list --state inactive` shows since when and made by whom",
            ..STEP
        };
        kept_by_files: Family<OfType, Gauge> = Family::default(), Metric {
            name: "nslife_namespaces_kept_by_files",
            kind: Kind::Gauge,
            labels: &[NS_TYPE],
            help: "Active namespaces with a file or bind mount and without a task in them",
            hooks: &["nsproxy_", "nsfs_", "cred_", "pid_"],
            basis: "of user and pid namespaces from 6.19 on: tasks as of the last change of \
                    activity or the last walk; taken over each second",
            remedy: "as many as `ip netns` and container engines keep; if they grow, somebody \
                     forgets to unmount or to close: `nslife list` shows what holds each",
            ..STEP
        };
        created: Family<OfType, Counter> = Family::default(), Metric {
            name: "nslife_namespace_created",
            labels: &[NS_TYPE],
            help: "Namespaces created since nslife started",
            hooks: &["ns_created"],
            remedy: "`nslife trace --event created` names who creates them",
            ..STEP
        };
        failures: Family<OfTypeErrno, Counter> = Family::default(), Metric {
            name: "nslife_namespace_create_failed",
            labels: &[NS_TYPE, ERRNO],
            help: "Namespaces that somebody wanted and the kernel could not make",
            hooks: &["making_"],
            basis: "what the kernel refuses beforehand, for want of permission, is not seen; of \
                    several at once only the first that failed",
            remedy: "`ENOSPC`: a limit in /proc/sys/user or of nesting; \
                     `nslife trace --event create_failed` names who runs into it, \
                     `nslife list --output tree` who owns what there is",
            ..STEP
        };
        activated: Family<OfTypeCause, Counter> = Family::default(), Metric {
            name: "nslife_namespace_activated",
            labels: &[NS_TYPE, ACTIVATING],
            help: "Namespaces that became active for the first time",
            hooks: ACTIVITY,
            remedy: "it follows the creations: look at those",
            ..STEP
        };
        deactivated: Family<OfTypeCause, Counter> = Family::default(), Metric {
            name: "nslife_namespace_deactivated",
            labels: &[NS_TYPE, DEACTIVATING],
            help: "Namespaces that became inactive while still referenced",
            hooks: ACTIVITY,
            remedy: "harmless if they are freed soon after; compare with nslife_namespace_freed_total",
            ..STEP
        };
        resurrected: Family<OfTypeCause, Counter> = Family::default(), Metric {
            name: "nslife_namespace_resurrected",
            labels: &[NS_TYPE, ACTIVATING],
            help: "Inactive namespaces that became active again",
            hooks: ACTIVITY,
            remedy: "`nslife trace --event resurrected` names who comes back to them",
            ..STEP
        };
        destroyed: Family<OfTypeCause, Counter> = Family::default(), Metric {
            name: "nslife_namespace_destroyed",
            labels: &[NS_TYPE, DESTROYING],
            help: "Namespaces whose last reference was dropped",
            hooks: &["ns_last_ref"],
            basis: "where that cannot be seen, their freeing (docs/teardown.md)",
            remedy: "it follows the creations: look at those",
            ..STEP
        };
        freed: Family<OfType, Counter> = Family::default(), Metric {
            name: "nslife_namespace_freed",
            labels: &[NS_TYPE],
            help: "Namespaces whose inode number was given back",
            hooks: &["ns_freed"],
            remedy: "if it stays behind the creations, namespaces pile up: \
                     look at nslife_namespaces by state",
            ..STEP
        };
    }
}

impl Default for Lives {
    /// With every series.
    fn default() -> Self {
        let lives = Self::empty();
        lives.census(&Census::default());
        lives.standing(&Standing::default(), |_| 0.0);
        for kind in NsKind::ALL {
            for errno in (ERRNO.values)() {
                let ns_type = kind.name();
                lives
                    .failures
                    .get_or_create_owned(&OfTypeErrno { ns_type, errno });
            }
        }
        for step in Lifecycle::ALL {
            for kind in NsKind::ALL {
                for cause in causes(step, kind) {
                    lives.step(step, kind, cause);
                }
            }
        }
        lives
    }
}

impl Lives {
    /// Takes over how many of everything there are.
    pub(super) fn census(&self, census: &Census) {
        for kind in NsKind::ALL {
            for state in State::ALL {
                let labels = OfTypeState {
                    ns_type: kind.name(),
                    state: state.name(),
                };
                let count = signed(census.count(kind, state));
                self.namespaces.get_or_create(&labels).set(count);
            }
        }
    }

    /// Takes over how long what there is has been what it is.
    pub(super) fn standing(&self, standing: &Standing, wall: impl Fn(u64) -> f64) {
        for kind in NsKind::ALL {
            let ns_type = kind.name();
            for (state, &since) in State::ALL.into_iter().zip(&standing.oldest[kind as usize]) {
                let labels = OfTypeState {
                    ns_type,
                    state: state.name(),
                };
                let since = since.map_or(0.0, &wall);
                self.oldest.get_or_create(&labels).set(since);
            }
            for (over, &count) in Standing::AGES
                .into_iter()
                .zip(&standing.inactive_over[kind as usize])
            {
                let labels = OfTypeAge { ns_type, over };
                self.inactive_over.get_or_create(&labels).set(signed(count));
            }
            self.kept_by_files
                .get_or_create(&of_type(kind))
                .set(signed(standing.kept_by_files[kind as usize]));
        }
    }

    /// The counter of these failures.
    pub(super) fn failed(&self, failure: &Failure) -> Counter {
        self.failures.get_or_create_owned(&OfTypeErrno {
            ns_type: failure.kind.name(),
            errno: failure.errno.name().unwrap_or(OTHER_ERRNO),
        })
    }

    /// The counter of a step.
    pub(super) fn step(&self, step: Lifecycle, kind: NsKind, cause: Option<Cause>) -> Counter {
        let family = match step {
            Lifecycle::Created => return self.created.get_or_create_owned(&of_type(kind)),
            Lifecycle::Freed => return self.freed.get_or_create_owned(&of_type(kind)),
            Lifecycle::Activated => &self.activated,
            Lifecycle::Deactivated => &self.deactivated,
            Lifecycle::Resurrected => &self.resurrected,
            Lifecycle::Destroyed => &self.destroyed,
        };
        family.get_or_create_owned(&OfTypeCause {
            ns_type: kind.name(),
            cause: cause.map_or(UNKNOWN_CAUSE, Cause::name),
        })
    }
}

/// What can bring about this step of a namespace of this type; also nothing
/// that is known: a change that was missed, and that a walk found out.
fn causes(step: Lifecycle, kind: NsKind) -> impl Iterator<Item = Option<Cause>> {
    let fits = move |&cause: &Cause| cause.concerns(kind) && step.can_come_of(cause);
    let known = Cause::ALL.into_iter().filter(fits).map(Some);
    known.chain([None])
}
