//! How much can be seen on this kernel.

use std::fmt;

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, family::Family, gauge::Gauge},
};

use super::{
    catalogue::{Kind, Metric, Unit, families},
    labels::{
        self, ATTACHED, HOOK, HOOK_STATE, MISSING, NOT_NEEDED, OfHook, OfState, REVISION, VERSION,
    },
};
use crate::{
    engine::{HookReport, HookState, Limits},
    version::{EBPF_OBJECT, Version},
};

/// Which nslife this is, which is all label.
#[derive(Clone, Debug)]
pub(super) struct Build(Version);

impl Default for Build {
    fn default() -> Self {
        Self(Version::this(None))
    }
}

impl EncodeMetric for Build {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.encode_info(&[
            (VERSION.name, self.0.number),
            (REVISION.name, self.0.commit),
            (labels::EBPF_OBJECT.name, EBPF_OBJECT),
        ])
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Info
    }
}

/// A gauge.
const GAUGE: Metric = Metric {
    name: "",
    kind: Kind::Gauge,
    unit: Unit::YesNo,
    labels: &[],
    help: "",
    hooks: &[],
    basis: "nslife itself",
    remedy: "",
    only: None,
};

families! {
    /// What is hooked and what is not.
    Coverage, "What can be seen" {
        build: Build = Build::default(), Metric {
            name: "nslife_build",
            kind: Kind::Info,
            unit: Unit::None,
            labels: &[VERSION, REVISION, labels::EBPF_OBJECT],
            help: "Which nslife this is",
            remedy: "nothing",
            ..GAUGE
        };
        hooks: Family<OfState, Gauge> = Family::default(), Metric {
            name: "nslife_hooks",
            unit: Unit::Of("hooks"),
            labels: &[HOOK_STATE],
            help: "Hooks by what became of them on this kernel; a missing one is a loss of sight",
            remedy: "if any is missing, `nslife doctor` says what is not seen, and why",
            ..GAUGE
        };
        hook_attached: Family<OfHook, Gauge> = Family::default(), Metric {
            name: "nslife_hook_attached",
            labels: &[HOOK],
            help: "Whether a hook that this kernel calls for is attached",
            remedy: "0: `nslife doctor` says what is not seen, and why",
            ..GAUGE
        };
        complete: Gauge = Gauge::default(), Metric {
            name: "nslife_complete",
            help: "Whether every namespace of this system is known",
            basis: "the last walk",
            remedy: "0: `nslife doctor` says why; before 6.18 that cannot be helped",
            ..GAUGE
        };
        activity_partial: Gauge = Gauge::default(), Metric {
            name: "nslife_activity_partial",
            help: "Whether the active state is derived from only some of what keeps a namespace \
                   active",
            remedy: "1: `nslife doctor` names the hooks that are missing",
            ..GAUGE
        };
    }
}

impl Coverage {
    /// Of this nslife, with nothing attached.
    pub(super) fn new(version: Version) -> Self {
        let coverage = Self {
            build: Build(version),
            ..Self::empty()
        };
        coverage.hooks(&[]);
        coverage
    }

    /// Takes over what became of the hooks.
    pub(super) fn hooks(&self, hooks: &[HookReport]) {
        let (mut attached, mut not_needed, mut missing) = (0, 0, 0);
        for hook in hooks {
            let (count, value) = match hook.state {
                HookState::Attached { .. } => (&mut attached, Some(1)),
                HookState::Missing { .. } => (&mut missing, Some(0)),
                HookState::NotNeeded { .. } => (&mut not_needed, None),
            };
            *count += 1;
            if let Some(value) = value {
                let labels = OfHook { hook: hook.name };
                self.hook_attached.get_or_create(&labels).set(value);
            }
        }
        for (state, count) in [
            (ATTACHED, attached),
            (NOT_NEEDED, not_needed),
            (MISSING, missing),
        ] {
            self.hooks.get_or_create(&OfState { state }).set(count);
        }
    }

    /// Takes over what cannot be seen.
    pub(super) fn limits(&self, limits: &Limits) {
        self.complete.set(limits.complete.into());
        self.activity_partial.set(limits.partial_activity.into());
    }
}
