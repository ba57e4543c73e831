//! Namespaces one by one, for those who ask for that: of each type and state
//! the few that have been in it for longest.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use super::{
    catalogue::{Chapter, Kind, Metric, Unit},
    labels::{CREATOR, NAMESPACE, NS_TYPE, STATE},
};
use crate::{
    model::Namespace,
    view::{clock::Clock, escape::Shown},
};

const SINCE: Metric = Metric {
    name: "nslife_namespace_longest_timestamp_seconds",
    kind: Kind::Gauge,
    unit: Unit::Timestamp,
    labels: &[NS_TYPE, STATE, NAMESPACE, CREATOR],
    help: "Since when a namespace has been in its state, of those that have been in it for longest, \
           the initial ones left out",
    hooks: &["ns_", "active_", "nsproxy_", "nsfs_", "cred_", "pid_"],
    basis: "of one that was there before nslife: since when nslife has known it; taken over each \
            second",
    remedy: "low is old: `nslife list` says of this one what holds it",
    only: Some("with `--collector.namespace.top N`: N of each type and state"),
};

/// What this collector adds.
pub(super) const CHAPTER: Chapter = Chapter {
    title: "Namespaces one by one",
    families: &[SINCE],
};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, EncodeLabelSet)]
struct OfNamespace {
    ns_type: &'static str,
    state: &'static str,
    namespace: u32,
    creator: String,
}

/// Since when each of them has been what it is, seconds since 1970. In a map:
/// whoever scrapes takes nothing at all if two series are the same.
#[derive(Debug, Default)]
pub(super) struct Longest(Mutex<BTreeMap<OfNamespace, f64>>);

impl Longest {
    /// Takes over which they are.
    pub(super) fn set(&self, namespaces: impl Iterator<Item = (u64, Namespace)>, clock: &Clock) {
        let series = namespaces.map(|(since, ns)| {
            let creator = ns.creator.map(|creator| creator.task.comm);
            let labels = OfNamespace {
                ns_type: ns.kind.name(),
                state: ns.state.name(),
                namespace: ns.inum,
                creator: creator.map_or_else(String::new, |comm| Shown(&comm).to_string()),
            };
            (labels, clock.unix_seconds(since))
        });
        let series = series.collect();
        // A thread cannot leave it in a bad state, whatever becomes of it.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = series;
    }
}

/// Shows them, if there is anything to show.
#[derive(Debug)]
pub(super) struct Collector(pub(super) std::sync::Arc<Longest>);

impl collector::Collector for Collector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Longest(series) = &*self.0;
        let series = series.lock().unwrap_or_else(PoisonError::into_inner);
        if series.is_empty() {
            return Ok(());
        }
        // A registry ends the sentence by itself, a collector does not.
        let help = format!("{}.", SINCE.help);
        let mut family = encoder.encode_descriptor(SINCE.name, &help, None, MetricType::Gauge)?;
        for (labels, &since) in &*series {
            ConstGauge::new(since).encode(family.encode_family(labels)?)?;
        }
        Ok(())
    }
}
