//! Sets of namespaces, who changes them, and the rules that the kernel keeps
//! about them.

use prometheus_client::metrics::{
    counter::Counter, family::Family, gauge::Gauge, histogram::Histogram,
};
use tracer_common::event::Reason;

use super::{
    catalogue::{Kind, Metric, Unit, families},
    labels::{OfReason, OfRule, REASON, RULE},
    values::{raise, signed, spans},
};
use crate::model::Rule;

/// A counter.
const COUNTER: Metric = Metric {
    name: "",
    kind: Kind::Counter,
    unit: Unit::None,
    labels: &[],
    help: "",
    hooks: &[],
    basis: "",
    remedy: "",
    only: None,
};

families! {
    /// Sets of namespaces.
    Nsproxies, "Sets of namespaces (nsproxies)" {
        alive: Gauge = Gauge::default(), Metric {
            name: "nslife_nsproxies",
            kind: Kind::Gauge,
            unit: Unit::Of("nsproxies"),
            help: "Sets of namespaces shared by tasks",
            hooks: &["nsproxy_installed", "nsproxy_freed"],
            remedy: "as many as there are containers and sandboxes, and some; if they grow without \
                     end, so do namespaces",
            ..COUNTER
        };
        lifetimes: Histogram = spans(), Metric {
            name: "nslife_nsproxy_lifetime_seconds",
            kind: Kind::Histogram,
            unit: Unit::Seconds,
            help: "Time from a set of namespaces being put to use to its end, where both were seen",
            hooks: &["nsproxy_", "task_new"],
            remedy: "nothing is wrong with a long life; many short ones are work for the kernel: \
                     each setns makes one",
            ..COUNTER
        };
        switches: Family<OfReason, Counter> = Family::default(), Metric {
            name: "nslife_nsproxy_switches",
            unit: Unit::Of("switches"),
            labels: &[REASON],
            help: "Tasks that changed their set of namespaces, by how",
            hooks: &["nsproxy_switched", "nsproxy_unshared", "task_new", "task_exit", "exec_"],
            basis: "`exit` is every task that exits, counted in the kernel",
            remedy: "`nslife trace --event switched` names who does it; `setns` in great number is \
                     somebody who polls containers",
            ..COUNTER
        };
        violations: Family<OfRule, Counter> = Family::default(), Metric {
            name: "nslife_rule_violations",
            unit: Unit::Of("violations"),
            labels: &[RULE],
            help: "Rules of its own that the kernel broke",
            hooks: &["nsproxy_", "task_"],
            basis: "walks",
            remedy: "a bug of the kernel: the log has the evidence",
            ..COUNTER
        };
        checks: Family<OfRule, Counter> = Family::default(), Metric {
            name: "nslife_rule_checks",
            unit: Unit::Of("checks"),
            labels: &[RULE],
            help: "How often nslife judged whether the kernel keeps such a rule",
            hooks: &["nsproxy_", "task_"],
            basis: "walks",
            remedy: "nothing; 0 says that the rule above was never put to the test",
            ..COUNTER
        };
    }
}

impl Default for Nsproxies {
    /// With every series.
    fn default() -> Self {
        let nsproxies = Self::empty();
        for reason in Reason::ALL {
            nsproxies.switches(reason);
        }
        for rule in Rule::ALL {
            nsproxies.violations(rule);
        }
        nsproxies.checks(&[0; Rule::COUNT]);
        nsproxies
    }
}

impl Nsproxies {
    /// Takes over how many there are.
    pub(super) fn set(&self, count: u64) {
        self.alive.set(signed(count));
    }

    /// Takes over how often each rule was judged.
    pub(super) fn checks(&self, checks: &[u64; Rule::COUNT]) {
        for (rule, &count) in Rule::ALL.into_iter().zip(checks) {
            let labels = OfRule { rule: rule.name() };
            raise(&self.checks.get_or_create(&labels), count);
        }
    }

    /// The counter of switches of this kind.
    pub(super) fn switches(&self, reason: Reason) -> Counter {
        self.switches.get_or_create_owned(&OfReason {
            reason: reason.name(),
        })
    }

    /// The counter of violations of this rule.
    pub(super) fn violations(&self, rule: Rule) -> Counter {
        self.violations
            .get_or_create_owned(&OfRule { rule: rule.name() })
    }
}
