//! What Prometheus sees.
//!
//! Every family and every label set is there from the first scrape on, with
//! zero where nothing happened yet, so that rates and alerts need no special
//! case. Labels have a handful of values each, none of them chosen by
//! somebody else, so the cost of a scrape does not grow with the number of
//! namespaces.

mod exposition;
mod process;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};
use tracer_common::{event::Reason, kind::NsKind};

use crate::{
    engine::{HookReport, HookState, KernelTotals, Limits, Notice},
    model::{Census, Lifecycle, State, Transition, What},
};

pub use exposition::Format;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct TypeLabels {
    ns_type: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct TypeStateLabels {
    ns_type: &'static str,
    state: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CauseLabels {
    cause: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct HookLabels {
    hook: &'static str,
}

/// Seconds as a floating-point gauge.
type Seconds = Gauge<f64, AtomicU64>;

/// Records that could not be understood are counted by the reader, all other
/// losses by the kernel programs.
const UNDECODABLE: &str = "undecodable";

/// All metrics of the daemon. They are atomics: whoever owns the engine
/// writes them, and a scrape reads them without asking anybody.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    namespaces: Family<TypeStateLabels, Gauge>,
    steps: [Family<TypeLabels, Counter>; Lifecycle::ALL.len()],
    switches: Family<ReasonLabels, Counter>,
    nsproxies: Gauge,
    events: Counter,
    lost: Family<CauseLabels, Counter>,
    resyncs: Counter,
    corrections: Counter,
    hook_attached: Family<HookLabels, Gauge>,
    hooks_attached: Gauge,
    hooks_missing: Gauge,
    complete: Gauge,
    activity_partial: Gauge,
    scrape_duration: Seconds,
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new(version: &'static str) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            namespaces: Family::default(),
            steps: Default::default(),
            switches: Family::default(),
            nsproxies: Gauge::default(),
            events: Counter::default(),
            lost: Family::default(),
            resyncs: Counter::default(),
            corrections: Counter::default(),
            hook_attached: Family::default(),
            hooks_attached: Gauge::default(),
            hooks_missing: Gauge::default(),
            complete: Gauge::default(),
            activity_partial: Gauge::default(),
            scrape_duration: Seconds::default(),
        };
        metrics.register(version);
        metrics.census(&Census::default());
        metrics.totals(&KernelTotals::default());
        metrics.lost(UNDECODABLE);
        for reason in Reason::ALL {
            metrics.switches(reason);
        }
        for family in &metrics.steps {
            for kind in NsKind::ALL {
                drop(family.get_or_create(&of_type(kind)));
            }
        }
        metrics
    }

    fn register(&mut self, version: &'static str) {
        let ours = self.registry.sub_registry_with_prefix("nslife");
        ours.register(
            "build",
            "What this is",
            Info::new(vec![("version", version)]),
        );
        ours.register(
            "namespaces",
            "Namespaces by type and state",
            self.namespaces.clone(),
        );
        for (step, family) in Lifecycle::ALL.into_iter().zip(&self.steps) {
            let (name, help) = step_family(step);
            ours.register(name, help, family.clone());
        }
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
            "hook_attached",
            "Whether a hook that this kernel calls for is attached",
            self.hook_attached.clone(),
        );
        ours.register(
            "hooks_attached",
            "Hooks that are attached",
            self.hooks_attached.clone(),
        );
        ours.register(
            "hooks_missing",
            "Hooks that this kernel calls for but that could not be attached",
            self.hooks_missing.clone(),
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
        self.registry
            .register_collector(Box::new(process::Collector));
    }

    /// Counts a transition.
    pub fn transition(&self, transition: &Transition) {
        match &transition.what {
            What::Namespace { step, ns, .. } => {
                self.steps[*step as usize]
                    .get_or_create(&of_type(ns.kind))
                    .inc();
            }
            // Exits are counted by the kernel programs, most of them without
            // a record.
            What::Switched(switch) if switch.reason != Reason::Exit => {
                self.switches(switch.reason).inc();
            }
            What::Switched(_) | What::NsproxyFreed(_) => {}
        }
    }

    /// Counts a notice.
    pub fn notice(&self, notice: &Notice) {
        match *notice {
            Notice::Lost { cause, count } if cause == UNDECODABLE => {
                self.lost(cause).inc_by(count);
            }
            // In the kernel's totals.
            Notice::Lost { .. } => {}
            Notice::Resync { corrections } => {
                self.resyncs.inc();
                self.corrections.inc_by(corrections);
            }
        }
    }

    /// Takes over how many of everything there are.
    pub fn census(&self, census: &Census) {
        for kind in NsKind::ALL {
            for state in State::ALL {
                let labels = TypeStateLabels {
                    ns_type: kind.name(),
                    state: state.name(),
                };
                self.namespaces
                    .get_or_create(&labels)
                    .set(signed(census.count(kind, state)));
            }
        }
        self.nsproxies.set(signed(census.nsproxies));
    }

    /// Takes over the counters of the kernel programs.
    pub fn totals(&self, totals: &KernelTotals) {
        raise(&self.events, totals.records);
        raise(&self.switches(Reason::Exit), totals.exits);
        raise(&self.lost("ring_full"), totals.lost_ring_full);
        raise(&self.lost("map_full"), totals.lost_map_full);
        raise(&self.lost("read_failed"), totals.lost_read_failed);
        raise(&self.lost("recursion"), totals.lost_recursion);
    }

    /// Takes over what became of the hooks.
    pub fn hooks(&self, hooks: &[HookReport]) {
        let (mut attached, mut missing) = (0, 0);
        for hook in hooks {
            let value = match hook.state {
                HookState::Attached { .. } => 1,
                HookState::Missing { .. } => 0,
                HookState::NotNeeded { .. } => continue,
            };
            attached += value;
            missing += 1 - value;
            self.hook_attached
                .get_or_create(&HookLabels { hook: hook.name })
                .set(value);
        }
        self.hooks_attached.set(attached);
        self.hooks_missing.set(missing);
    }

    /// Takes over what cannot be seen.
    pub fn limits(&self, limits: &Limits) {
        self.complete.set(limits.complete.into());
        self.activity_partial.set(limits.partial_activity.into());
    }

    /// Everything as text.
    pub fn encode(&self, format: Format) -> Result<String, fmt::Error> {
        let start = Instant::now();
        let text = exposition::encode(&self.registry, format);
        self.scrape_duration.set(start.elapsed().as_secs_f64());
        text
    }

    fn switches(&self, reason: Reason) -> Counter {
        self.switches.get_or_create_owned(&ReasonLabels {
            reason: reason.name(),
        })
    }

    fn lost(&self, cause: &'static str) -> Counter {
        self.lost.get_or_create_owned(&CauseLabels { cause })
    }
}

const fn of_type(kind: NsKind) -> TypeLabels {
    TypeLabels {
        ns_type: kind.name(),
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

/// Raises a counter to a total that is counted elsewhere.
fn raise(counter: &Counter, total: u64) {
    counter.inner().fetch_max(total, Ordering::Relaxed);
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
