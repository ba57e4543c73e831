//! The families of metrics: their names, labels and meanings.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use crate::model::Lifecycle;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct TypeLabels {
    pub(super) ns_type: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct TypeCauseLabels {
    pub(super) ns_type: &'static str,
    pub(super) cause: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct TypeFieldLabels {
    pub(super) ns_type: &'static str,
    pub(super) field: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct TypeStateLabels {
    pub(super) ns_type: &'static str,
    pub(super) state: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub(super) reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct CauseLabels {
    pub(super) cause: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct RuleLabels {
    pub(super) rule: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct StateLabels {
    pub(super) state: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct HookLabels {
    pub(super) hook: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct StageLabels {
    pub(super) stage: &'static str,
}

/// Histograms of how long something takes that may be over at once or take
/// minutes, seconds.
pub(super) type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// From 100 µs to 100 s.
fn durations() -> Histogram {
    Histogram::new([
        0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0,
    ])
}

/// How long it took from the last reference to the freeing.
#[derive(Clone, Debug)]
pub(super) struct Teardowns(pub(super) Durations<TypeLabels>);

impl Default for Teardowns {
    fn default() -> Self {
        Self(Family::new_with_constructor(durations))
    }
}

/// How long each stage of that took for network namespaces.
#[derive(Clone, Debug)]
pub(super) struct NetCleanups(pub(super) Durations<StageLabels>);

impl Default for NetCleanups {
    fn default() -> Self {
        Self(Family::new_with_constructor(durations))
    }
}

/// Seconds as a floating-point gauge.
pub(super) type Seconds = Gauge<f64, AtomicU64>;

/// What is counted and measured. Clones of what the registry holds: all
/// share their values.
#[derive(Debug, Default)]
pub(super) struct Families {
    pub(super) namespaces: Family<TypeStateLabels, Gauge>,
    pub(super) steps: StepCounters,
    pub(super) cascades: CascadeLengths,
    pub(super) dying: Gauge,
    pub(super) dying_oldest: Seconds,
    pub(super) dying_took: DyingTimes,
    pub(super) teardowns: Teardowns,
    pub(super) net_cleanups: NetCleanups,
    pub(super) switches: Family<ReasonLabels, Counter>,
    pub(super) nsproxies: Gauge,
    pub(super) rule_violations: Family<RuleLabels, Counter>,
    pub(super) rule_checks: Family<RuleLabels, Counter>,
    pub(super) events: Counter,
    pub(super) lost: Family<CauseLabels, Counter>,
    pub(super) resyncs: Counter,
    pub(super) corrections: Counter,
    pub(super) audits: Counter,
    pub(super) audited_at: Seconds,
    pub(super) drift: Family<TypeFieldLabels, Counter>,
    pub(super) moving: Gauge,
    pub(super) hooks: Family<StateLabels, Gauge>,
    pub(super) hook_attached: Family<HookLabels, Gauge>,
    pub(super) complete: Gauge,
    pub(super) activity_partial: Gauge,
    pub(super) scrape_duration: Seconds,
}

/// How often a step was taken, by type and, where steps have one, by cause.
#[derive(Debug)]
pub(super) enum StepCounter {
    Plain(Family<TypeLabels, Counter>),
    Caused(Family<TypeCauseLabels, Counter>),
}

impl StepCounter {
    fn of(step: Lifecycle) -> Self {
        match step {
            Lifecycle::Created | Lifecycle::Freed => Self::Plain(Family::default()),
            Lifecycle::Activated
            | Lifecycle::Deactivated
            | Lifecycle::Resurrected
            | Lifecycle::Destroyed => Self::Caused(Family::default()),
        }
    }
}

/// One for each step, in the order of [`Lifecycle::ALL`].
#[derive(Debug)]
pub(super) struct StepCounters(pub(super) [StepCounter; Lifecycle::ALL.len()]);

impl Default for StepCounters {
    fn default() -> Self {
        Self(Lifecycle::ALL.map(StepCounter::of))
    }
}

/// How long pid namespaces took to die: from a moment to for ever.
#[derive(Clone, Debug)]
pub(super) struct DyingTimes(pub(super) Histogram);

impl Default for DyingTimes {
    fn default() -> Self {
        Self(Histogram::new([
            0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0,
        ]))
    }
}

/// Lengths of cascades: user namespaces nest 33 deep.
#[derive(Clone, Debug)]
pub(super) struct CascadeLengths(pub(super) Histogram);

impl Default for CascadeLengths {
    fn default() -> Self {
        Self(Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]))
    }
}

impl Families {
    /// Gives each its name and its meaning.
    pub(super) fn register(&self, registry: &mut Registry, version: &'static str) {
        let ours = registry.sub_registry_with_prefix("nslife");
        ours.register(
            "build",
            "Which nslife this is",
            Info::new(vec![("version", version)]),
        );
        ours.register(
            "namespaces",
            "Namespaces by type and state",
            self.namespaces.clone(),
        );
        for (step, counter) in Lifecycle::ALL.into_iter().zip(&self.steps.0) {
            let (name, help) = step_family(step);
            match counter {
                StepCounter::Plain(family) => ours.register(name, help, family.clone()),
                StepCounter::Caused(family) => ours.register(name, help, family.clone()),
            }
        }
        ours.register(
            "cascade_length",
            "How many owners in a row became active or inactive because of a namespace that they own",
            self.cascades.0.clone(),
        );
        ours.register(
            "pid_namespaces_dying",
            "Pid namespaces whose init waits for everybody else in them to be gone",
            self.dying.clone(),
        );
        ours.register(
            "pid_namespaces_dying_oldest_seconds",
            "For how long the first of them whose beginning was seen has been dying; 0 if there is none",
            self.dying_oldest.clone(),
        );
        ours.register(
            "pid_namespace_dying_seconds",
            "How long pid namespaces took from the death of their init until nobody was left",
            self.dying_took.0.clone(),
        );
        ours.register(
            "namespace_teardown_seconds",
            "Time from the last reference to a namespace to its inode number being given back, where both were seen",
            self.teardowns.0.clone(),
        );
        ours.register(
            "net_cleanup_seconds",
            "Time that network namespaces spent in each stage of that: queue, unlist, exits, end",
            self.net_cleanups.0.clone(),
        );
        ours.register(
            "nsproxy_switches",
            "Tasks that changed their set of namespaces, by how",
            self.switches.clone(),
        );
        ours.register(
            "nsproxies",
            "Sets of namespaces shared by tasks",
            self.nsproxies.clone(),
        );
        ours.register(
            "rule_violations",
            "Rules of its own that the kernel broke",
            self.rule_violations.clone(),
        );
        ours.register(
            "rule_checks",
            "How often nslife judged whether the kernel keeps such a rule",
            self.rule_checks.clone(),
        );
        ours.register(
            "events",
            "Records that the kernel programs wrote",
            self.events.clone(),
        );
        ours.register(
            "events_lost",
            "What did not reach nslife, by cause; each loss leads to a resync",
            self.lost.clone(),
        );
        ours.register(
            "resyncs",
            "Walks that renewed the picture",
            self.resyncs.clone(),
        );
        ours.register(
            "resync_corrections",
            "Mistakes in the picture that those walks corrected",
            self.corrections.clone(),
        );
        ours.register(
            "audits",
            "Comparisons of the picture with the kernel that came to an end",
            self.audits.clone(),
        );
        ours.register(
            "audit_last_timestamp_seconds",
            "When the last of them ended, in Unix time; 0 if none has",
            self.audited_at.clone(),
        );
        ours.register(
            "audit_moving",
            "Differences in the last of them that prove nothing, since the kernel moved meanwhile",
            self.moving.clone(),
        );
        ours.register(
            "drift",
            "What the picture had wrong in a comparison with the kernel, and was put right",
            self.drift.clone(),
        );
        ours.register(
            "hooks",
            "Hooks by what became of them on this kernel; a missing one is a loss of sight",
            self.hooks.clone(),
        );
        ours.register(
            "hook_attached",
            "Whether a hook that this kernel calls for is attached",
            self.hook_attached.clone(),
        );
        ours.register(
            "complete",
            "Whether every namespace of this system is known",
            self.complete.clone(),
        );
        ours.register(
            "activity_partial",
            "Whether the active state is derived from only some of what keeps a namespace active",
            self.activity_partial.clone(),
        );
        ours.register(
            "scrape_duration_seconds",
            "How long the scrape before this one took to put together",
            self.scrape_duration.clone(),
        );
    }
}

/// Name and meaning of the counter of a step; `_total` is added on encoding.
const fn step_family(step: Lifecycle) -> (&'static str, &'static str) {
    match step {
        Lifecycle::Created => (
            "namespace_created",
            "Namespaces created since nslife started",
        ),
        Lifecycle::Activated => (
            "namespace_activated",
            "Namespaces that became active for the first time",
        ),
        Lifecycle::Deactivated => (
            "namespace_deactivated",
            "Namespaces that became inactive while still referenced",
        ),
        Lifecycle::Resurrected => (
            "namespace_resurrected",
            "Inactive namespaces that became active again",
        ),
        Lifecycle::Destroyed => (
            "namespace_destroyed",
            "Namespaces whose last reference was dropped",
        ),
        Lifecycle::Freed => (
            "namespace_freed",
            "Namespaces whose inode number was given back",
        ),
    }
}
