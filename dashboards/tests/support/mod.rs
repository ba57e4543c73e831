//! What nslife exposes, and what the recording rules make of it.

use std::collections::BTreeMap;

use dashboards::{
    query, rules,
    series::{BOUND, Catalogue, Moves, TARGET, Values},
};
use nslife::view::metrics::{self, Kind, Metric};

/// All series of nslife, without what rules make of them.
fn of_nslife() -> Catalogue {
    let mut catalogue = Catalogue::of_prometheus();
    for metric in metrics::all() {
        let moves = match metric.kind {
            Kind::Counter | Kind::Histogram => Moves::Up,
            Kind::Gauge | Kind::Info => Moves::Freely,
        };
        let labels = labels(metric);
        if metric.kind == Kind::Histogram {
            let bound = [(BOUND.to_owned(), Values::Any)];
            let bucket = format!("{}_bucket", metric.name);
            catalogue.add(&bucket, moves, labels.clone().into_iter().chain(bound));
            for suffix in ["_sum", "_count"] {
                catalogue.add(&format!("{}{suffix}", metric.name), moves, labels.clone());
            }
        } else {
            catalogue.add(&metric.series(), moves, labels);
        }
    }
    catalogue
}

fn labels(metric: &Metric) -> BTreeMap<String, Values> {
    let labels = metric.labels.iter().map(|label| {
        let values = (label.values)().into_iter().map(str::to_owned).collect();
        // Each version has its own.
        let values = match label.name {
            "version" => Values::Any,
            _ => Values::OneOf(values),
        };
        (label.name.to_owned(), values)
    });
    labels.collect()
}

/// All series that there are to ask for.
pub(crate) fn catalogue() -> Catalogue {
    let mut catalogue = of_nslife();
    for recording in rules::recordings().unwrap() {
        let labels = query::check(&recording.expr, &catalogue)
            .unwrap_or_else(|error| panic!("{}: {error:#}", recording.record))
            .unwrap_or_else(|| panic!("{} is a number", recording.record));
        let others = labels
            .into_iter()
            .filter(|label| !TARGET.contains(&label.as_str()));
        let labels = others.map(|label| (label, Values::Any));
        catalogue.add(&recording.record, Moves::Freely, labels);
    }
    catalogue
}
