//! What Prometheus sees.
//!
//! Every family and every label set is there from the first scrape on, with
//! zero where nothing happened yet, so that rates and alerts need no special
//! case. Labels have a handful of values each, none of them chosen by
//! somebody else, so the cost of a scrape does not grow with the number of
//! namespaces.

mod exposition;
mod families;
mod process;

use std::{fmt, sync::atomic::Ordering, time::Instant};

use prometheus_client::{metrics::counter::Counter, registry::Registry};
use tracer_common::{event::Reason, kind::NsKind};

use crate::{
    engine::{HookReport, HookState, KernelTotals, Limits, Notice},
    model::{Census, State, Transition, What},
};

use self::families::{
    CauseLabels, Families, HookLabels, ReasonLabels, StateLabels, TypeLabels, TypeStateLabels,
};

pub use exposition::Format;

/// Records that could not be understood are counted by the reader, all other
/// losses by the kernel programs.
const UNDECODABLE: &str = "undecodable";

/// All metrics of the daemon. They are atomics: whoever owns the engine
/// writes them, and a scrape reads them without asking anybody.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Families,
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new(version: &'static str) -> Self {
        let families = Families::default();
        let mut registry = Registry::default();
        families.register(&mut registry, version);
        registry.register_collector(Box::new(process::Collector));
        let metrics = Self { registry, families };
        metrics.census(&Census::default());
        metrics.totals(&KernelTotals::default());
        metrics.lost(UNDECODABLE);
        metrics.hooks(&[]);
        for reason in Reason::ALL {
            metrics.switches(reason);
        }
        for family in &metrics.families.steps {
            for kind in NsKind::ALL {
                drop(family.get_or_create(&of_type(kind)));
            }
        }
        metrics
    }

    /// Counts a transition.
    pub fn transition(&self, transition: &Transition) {
        match &transition.what {
            What::Namespace { step, ns, .. } => {
                self.families.steps[*step as usize]
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
                self.families.resyncs.inc();
                self.families.corrections.inc_by(corrections);
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
                self.families
                    .namespaces
                    .get_or_create(&labels)
                    .set(signed(census.count(kind, state)));
            }
        }
        self.families.nsproxies.set(signed(census.nsproxies));
    }

    /// Takes over the counters of the kernel programs.
    pub fn totals(&self, totals: &KernelTotals) {
        raise(&self.families.events, totals.records);
        raise(&self.switches(Reason::Exit), totals.exits);
        raise(&self.lost("ring_full"), totals.lost_ring_full);
        raise(&self.lost("map_full"), totals.lost_map_full);
        raise(&self.lost("read_failed"), totals.lost_read_failed);
        raise(&self.lost("recursion"), totals.lost_recursion);
    }

    /// Takes over what became of the hooks.
    pub fn hooks(&self, hooks: &[HookReport]) {
        let (mut attached, mut not_needed, mut missing) = (0, 0, 0);
        for hook in hooks {
            let (count, value) = match hook.state {
                HookState::Attached { .. } => (&mut attached, Some(1)),
                HookState::Missing { .. } => (&mut missing, Some(0)),
                HookState::NotNeeded { .. } => (&mut not_needed, None),
            };
            *count += 1;
            if let Some(value) = value {
                self.families
                    .hook_attached
                    .get_or_create(&HookLabels { hook: hook.name })
                    .set(value);
            }
        }
        for (state, count) in [
            ("attached", attached),
            ("not_needed", not_needed),
            ("missing", missing),
        ] {
            self.families
                .hooks
                .get_or_create(&StateLabels { state })
                .set(count);
        }
    }

    /// Takes over what cannot be seen.
    pub fn limits(&self, limits: &Limits) {
        self.families.complete.set(limits.complete.into());
        self.families
            .activity_partial
            .set(limits.partial_activity.into());
    }

    /// Everything as text.
    pub fn encode(&self, format: Format) -> Result<String, fmt::Error> {
        let start = Instant::now();
        let text = exposition::encode(&self.registry, format);
        self.families
            .scrape_duration
            .set(start.elapsed().as_secs_f64());
        text
    }

    fn switches(&self, reason: Reason) -> Counter {
        self.families.switches.get_or_create_owned(&ReasonLabels {
            reason: reason.name(),
        })
    }

    fn lost(&self, cause: &'static str) -> Counter {
        self.families
            .lost
            .get_or_create_owned(&CauseLabels { cause })
    }
}

const fn of_type(kind: NsKind) -> TypeLabels {
    TypeLabels {
        ns_type: kind.name(),
    }
}

/// Raises a counter to a total that is counted elsewhere.
fn raise(counter: &Counter, total: u64) {
    counter.inner().fetch_max(total, Ordering::Relaxed);
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
