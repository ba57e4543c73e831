//! The dashboards ask for what there is, and say what they show.

mod support;

use std::collections::BTreeSet;

use dashboards::{
    grafana::{self, Panel, Place},
    query, rules,
};

/// The format of Grafana 11, which later ones read as well.
const SCHEMA: u32 = 39;

/// What can be chosen on each dashboard.
const VARIABLES: [(&str, &str); 3] = [
    ("datasource", "datasource"),
    ("instance", "query"),
    ("ns_type", "query"),
];

/// Those of Grafana's units that fit.
const UNITS: [&str; 7] = [
    "bool_yes_no",
    "bytes",
    "cps",
    "none",
    "percentunit",
    "s",
    "short",
];

/// How long rates look back here.
const LOOK_BACK: &str = "1m";

fn panels() -> impl Iterator<Item = (String, Panel)> {
    let dashboards = grafana::all().unwrap().into_iter();
    dashboards.flat_map(|dashboard| {
        let panels = dashboard.panels.into_iter().filter(|panel| !panel.is_row());
        panels.map(move |panel| (format!("{}, {}", dashboard.uid, panel.title), panel))
    })
}

#[test]
fn they_can_be_imported_beside_each_other() {
    let mut known = BTreeSet::new();
    for dashboard in grafana::all().unwrap() {
        assert_eq!(dashboard.schema_version, SCHEMA);
        assert!(known.insert(dashboard.uid) && known.insert(dashboard.title));
        let chosen: Vec<_> = dashboard
            .templating
            .list
            .iter()
            .map(|variable| (variable.name.as_str(), variable.kind.as_str()))
            .collect();
        assert_eq!(chosen, VARIABLES);
        let numbers: BTreeSet<_> = dashboard.panels.iter().map(|panel| panel.id).collect();
        assert_eq!(numbers.len(), dashboard.panels.len());
    }
}

#[test]
fn no_panel_is_on_another() {
    for dashboard in grafana::all().unwrap() {
        let mut taken = BTreeSet::new();
        for panel in &dashboard.panels {
            let Place { x, y, w, h } = panel.grid_pos;
            assert!(x + w <= 24, "{}", panel.title);
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{} at {cell:?}", panel.title);
            }
        }
    }
}

#[test]
fn each_panel_says_what_it_shows() {
    for (name, panel) in panels() {
        assert!(panel.description.ends_with('.'), "{name}");
        let unit = panel.field_config.defaults.unit.as_deref();
        assert!(unit.is_some_and(|unit| UNITS.contains(&unit)), "{name}");
        assert!(!panel.targets.is_empty(), "{name}");
    }
}

/// Each query is about what the reader chose, as far as what it asks for can be told apart so, and
/// legends name labels that there are.
#[test]
fn queries_ask_for_what_there_is() {
    let catalogue = support::catalogue();
    for (name, panel) in panels() {
        for target in &panel.targets {
            let labels = query::check(&target.filled(LOOK_BACK), &catalogue)
                .unwrap_or_else(|error| panic!("{name}: {error:#}"))
                .unwrap_or_else(|| panic!("{name}: a number"));
            for (_, rest) in target
                .legend_format
                .match_indices("{{")
                .map(|(at, _)| target.legend_format.split_at(at + 2))
            {
                let (label, _) = rest.split_once("}}").unwrap();
                assert!(labels.contains(label), "{name}: no label {label}");
            }
            for selector in
                query::selectors(&target.expr.replace("$__rate_interval", LOOK_BACK)).unwrap()
            {
                let series = catalogue.get(&selector.name).unwrap();
                for variable in ["instance", "ns_type"] {
                    let is_asked = selector
                        .matchers
                        .contains(&format!("{variable}=~\"${variable}\""));
                    let can_be = series.labels.contains_key(variable);
                    assert_eq!(is_asked, can_be, "{name}: {variable} of {}", selector.name);
                }
            }
        }
    }
}

/// What can be chosen is what there is to choose from.
#[test]
fn variables_ask_for_what_there_is() {
    let catalogue = support::catalogue();
    for dashboard in grafana::all().unwrap() {
        for variable in dashboard.templating.list {
            let Some(definition) = variable.definition else {
                continue;
            };
            let inner = definition
                .strip_prefix("label_values(")
                .and_then(|d| d.strip_suffix(')'));
            let (series, label) = inner.unwrap().split_once(", ").unwrap();
            assert_eq!(label, variable.name);
            assert!(catalogue.get(series).unwrap().labels.contains_key(label));
        }
    }
}

/// What is recorded is shown, or rests an alert.
#[test]
fn no_recording_is_for_nothing() {
    let mut asked = BTreeSet::new();
    let alerts = rules::alerts().unwrap().into_iter().map(|alert| alert.expr);
    let queries = panels()
        .flat_map(|(_, panel)| panel.targets)
        .map(|t| t.filled(LOOK_BACK));
    for text in alerts.chain(queries) {
        asked.extend(query::selectors(&text).unwrap().into_iter().map(|s| s.name));
    }
    for recording in rules::recordings().unwrap() {
        assert!(asked.contains(&recording.record), "{}", recording.record);
    }
}
