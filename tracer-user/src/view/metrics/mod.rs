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

use std::{
    fmt,
    sync::atomic::Ordering,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    metrics::{counter::Counter, histogram::Histogram},
    registry::Registry,
};
use tracer_common::{
    event::{Cause, Reason},
    kind::NsKind,
};

use crate::{
    engine::{HookReport, HookState, KernelTotals, Limits, Notice},
    model::{
        Census, Lifecycle, NetCleanup, Rule, State, Transition, What,
        audit::{Field, Findings},
    },
    view::clock::seconds,
};

use self::families::{
    CauseLabels, Families, HookLabels, ReasonLabels, RuleLabels, StageLabels, StateLabels,
    StepCounter, TypeCauseLabels, TypeFieldLabels, TypeLabels, TypeStateLabels,
};

pub use exposition::Format;

/// Records that could not be understood are counted by the reader, all other
/// losses by the kernel programs.
const UNDECODABLE: &str = "undecodable";

/// The stages of the clean-up of a network namespace.
const QUEUE: &str = "queue";
const UNLIST: &str = "unlist";
const EXITS: &str = "exits";
const END: &str = "end";

/// The cause of a change that was missed.
const UNKNOWN_CAUSE: &str = "unknown";

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
        for kind in NsKind::ALL {
            metrics.teardown(kind);
            for field in Field::ALL {
                metrics.drift(kind, field);
            }
        }
        for stage in [QUEUE, UNLIST, EXITS, END] {
            metrics.stage(stage);
        }
        for rule in Rule::ALL {
            metrics.violations(rule);
        }
        metrics.checks(&[0; Rule::COUNT]);
        for step in Lifecycle::ALL {
            for kind in NsKind::ALL {
                for cause in causes(step, kind) {
                    metrics.steps(step, kind, cause);
                }
            }
        }
        metrics
    }

    /// Counts a transition.
    pub fn transition(&self, transition: &Transition) {
        match &transition.what {
            What::Namespace {
                step,
                ns,
                cause,
                teardown,
                ..
            } => {
                self.steps(*step, ns.kind, *cause).inc();
                if let Some(took) = teardown {
                    self.teardown(ns.kind).observe(seconds(*took));
                }
            }
            What::Chain(chain) => {
                for link in &chain.links {
                    self.steps(link.step, link.ns.kind, Some(link.cause)).inc();
                }
                let length = u32::try_from(chain.links.len()).unwrap_or(u32::MAX);
                self.families.cascades.0.observe(length.into());
            }
            What::Init { took, .. } => {
                if let Some(took) = took {
                    self.families.dying_took.0.observe(seconds(*took));
                }
            }
            // Exits are counted by the kernel programs, most of them without
            // a record.
            What::Switched(switch) if switch.reason != Reason::Exit => {
                self.switches(switch.reason).inc();
            }
            What::NetCleanup(cleanup) => self.net_cleanup(cleanup),
            What::Violation(violation) => {
                self.violations(violation.rule).inc();
            }
            What::Switched(_) | What::NsproxyFreed(_) | What::TaskEnd(_) => {}
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

    /// Takes over what an audit that ends now has found.
    pub fn audit(&self, findings: &Findings) {
        self.families.audits.inc();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0.0, |now| now.as_secs_f64());
        self.families.audited_at.set(now);
        self.families.moving.set(signed(findings.moving as u64));
        for difference in &findings.drift {
            self.drift(difference.kind, difference.field).inc();
        }
        self.drift(NsKind::User, Field::Creds)
            .inc_by(findings.creds);
    }

    fn drift(&self, kind: NsKind, field: Field) -> Counter {
        self.families.drift.get_or_create_owned(&TypeFieldLabels {
            ns_type: kind.name(),
            field: field.name(),
        })
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

    /// Takes over how often each rule was judged.
    pub fn checks(&self, checks: &[u64; Rule::COUNT]) {
        for (rule, &count) in Rule::ALL.into_iter().zip(checks) {
            let labels = RuleLabels { rule: rule.name() };
            raise(
                &self.families.rule_checks.get_or_create_owned(&labels),
                count,
            );
        }
    }

    /// Takes over how many pid namespaces are dying, and for how long the first
    /// one has been, nanoseconds.
    pub fn dying(&self, count: u64, oldest: Option<u64>) {
        self.families.dying.set(signed(count));
        self.families.dying_oldest.set(oldest.map_or(0.0, seconds));
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

    fn steps(&self, step: Lifecycle, kind: NsKind, cause: Option<Cause>) -> Counter {
        match &self.families.steps.0[step as usize] {
            StepCounter::Plain(family) => family.get_or_create_owned(&of_type(kind)),
            StepCounter::Caused(family) => family.get_or_create_owned(&TypeCauseLabels {
                ns_type: kind.name(),
                cause: cause.map_or(UNKNOWN_CAUSE, Cause::name),
            }),
        }
    }

    fn teardown(&self, kind: NsKind) -> Histogram {
        self.families
            .teardowns
            .0
            .get_or_create_owned(&of_type(kind))
    }

    /// Each of them has been through all stages.
    fn net_cleanup(&self, cleanup: &NetCleanup) {
        for &wait in &cleanup.waits {
            self.stage(QUEUE).observe(seconds(wait));
        }
        for (stage, took) in [
            (UNLIST, cleanup.unlist),
            (EXITS, cleanup.exits),
            (END, cleanup.end),
        ] {
            if let Some(took) = took {
                let histogram = self.stage(stage);
                for _ in 0..cleanup.namespaces {
                    histogram.observe(seconds(took));
                }
            }
        }
    }

    fn stage(&self, stage: &'static str) -> Histogram {
        self.families
            .net_cleanups
            .0
            .get_or_create_owned(&StageLabels { stage })
    }

    fn switches(&self, reason: Reason) -> Counter {
        self.families.switches.get_or_create_owned(&ReasonLabels {
            reason: reason.name(),
        })
    }

    fn violations(&self, rule: Rule) -> Counter {
        self.families
            .rule_violations
            .get_or_create_owned(&RuleLabels { rule: rule.name() })
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

/// What can bring about this step of a namespace of this type; also nothing
/// that is known: a change that was missed, and that a walk found out.
fn causes(step: Lifecycle, kind: NsKind) -> impl Iterator<Item = Option<Cause>> {
    let fits = move |&cause: &Cause| cause.concerns(kind) && step.can_come_of(cause);
    let known = Cause::ALL.into_iter().filter(fits).map(Some);
    known.chain([None])
}

/// Raises a counter to a total that is counted elsewhere.
fn raise(counter: &Counter, total: u64) {
    counter.inner().fetch_max(total, Ordering::Relaxed);
}

/// Nanoseconds as seconds.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
