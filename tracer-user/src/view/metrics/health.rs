//! How well nslife itself is doing.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use tracer_common::kind::NsKind;

use super::{
    catalogue::{Kind, Metric, Unit, families},
    labels::{FIELD, LOSS, NS_TYPE, OfCause, OfTypeField},
    values::{Fraction, raise, signed},
};
use crate::{
    engine::{KernelTotals, Loss},
    model::audit::{Field, Findings},
};

/// A counter of nslife's own doings.
const OWN: Metric = Metric {
    name: "",
    kind: Kind::Counter,
    unit: Unit::None,
    labels: &[],
    help: "",
    hooks: &[],
    basis: "nslife itself",
    remedy: "",
    only: None,
};

families! {
    /// What was heard, lost, and put right.
    Health, "The health of nslife" {
        events: Counter = Counter::default(), Metric {
            name: "nslife_events",
            unit: Unit::Of("records"),
            help: "Records that the kernel programs wrote",
            basis: "a counter of the kernel programs, read each second",
            remedy: "many namespaces come and go: look at nslife_namespace_created_total",
            ..OWN
        };
        lost: Family<OfCause, Counter> = Family::default(), Metric {
            name: "nslife_events_lost",
            unit: Unit::Of("records"),
            labels: &[LOSS],
            help: "What did not reach nslife, by cause; each loss leads to a resync",
            basis: "counters of the kernel programs, read each second",
            remedy: "`ring_full`: a larger `--ring-buffer`; `map_full`: a larger \
                     `--max-namespaces`; others heal by themselves, and are worth a bug report",
            ..OWN
        };
        resyncs: Counter = Counter::default(), Metric {
            name: "nslife_resyncs",
            unit: Unit::Of("walks"),
            help: "Walks that renewed the picture",
            remedy: "look at nslife_events_lost_total for the cause",
            ..OWN
        };
        corrections: Counter = Counter::default(), Metric {
            name: "nslife_resync_corrections",
            unit: Unit::Of("mistakes"),
            help: "Mistakes in the picture that those walks corrected",
            remedy: "look at nslife_events_lost_total for the cause",
            ..OWN
        };
        audits: Counter = Counter::default(), Metric {
            name: "nslife_audits",
            unit: Unit::Of("audits"),
            help: "Comparisons of the picture with the kernel that came to an end",
            remedy: "nothing; `--audit.interval` says how often there is one",
            ..OWN
        };
        audited_at: Fraction = Fraction::default(), Metric {
            name: "nslife_audit_last_timestamp_seconds",
            kind: Kind::Gauge,
            unit: Unit::Timestamp,
            help: "When the last of them ended, in Unix time; 0 if none has",
            remedy: "if it is long ago although audits are on, nslife is stuck or starved",
            ..OWN
        };
        moving: Gauge = Gauge::default(), Metric {
            name: "nslife_audit_moving",
            kind: Kind::Gauge,
            unit: Unit::Of("differences"),
            help: "Differences in the last of them that prove nothing, since the kernel moved \
                   meanwhile",
            remedy: "nothing: the system was busy",
            ..OWN
        };
        drift: Family<OfTypeField, Counter> = Family::default(), Metric {
            name: "nslife_drift",
            unit: Unit::Of("differences"),
            labels: &[NS_TYPE, FIELD],
            help: "What the picture had wrong in a comparison with the kernel, and was put right",
            basis: "two walks and nothing heard in between (docs/proof.md)",
            remedy: "a bug of nslife unless records were lost: `nslife audit`, `nslife doctor`, and \
                     a bug report",
            ..OWN
        };
        scrape: Fraction = Fraction::default(), Metric {
            name: "nslife_scrape_duration_seconds",
            kind: Kind::Gauge,
            unit: Unit::Seconds,
            help: "How long the scrape before this one took to put together",
            remedy: "the machine is short of processors: the work is the same each time, however \
                     many namespaces there are",
            ..OWN
        };
    }
}

impl Default for Health {
    /// With every series.
    fn default() -> Self {
        let health = Self::empty();
        health.totals(&KernelTotals::default());
        health.lost(Loss::Undecodable);
        for kind in NsKind::ALL {
            for field in Field::ALL {
                health.drift(kind, field);
            }
        }
        health
    }
}

impl Health {
    /// Takes over the counters of the kernel programs.
    pub(super) fn totals(&self, totals: &KernelTotals) {
        raise(&self.events, totals.records);
        raise(&self.lost(Loss::RingFull), totals.lost_ring_full);
        raise(&self.lost(Loss::MapFull), totals.lost_map_full);
        raise(&self.lost(Loss::ReadFailed), totals.lost_read_failed);
        raise(&self.lost(Loss::Recursion), totals.lost_recursion);
    }

    /// Takes over what an audit that ends now has found.
    pub(super) fn audit(&self, findings: &Findings) {
        self.audits.inc();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0.0, |now| now.as_secs_f64());
        self.audited_at.set(now);
        self.moving.set(signed(findings.moving as u64));
        for difference in &findings.drift {
            self.drift(difference.kind, difference.field).inc();
        }
        self.drift(NsKind::User, Field::Creds)
            .inc_by(findings.creds);
    }

    fn drift(&self, kind: NsKind, field: Field) -> Counter {
        self.drift.get_or_create_owned(&OfTypeField {
            ns_type: kind.name(),
            field: field.name(),
        })
    }

    /// The counter of what was lost for this cause.
    pub(super) fn lost(&self, cause: Loss) -> Counter {
        self.lost.get_or_create_owned(&OfCause {
            cause: cause.name(),
        })
    }
}
