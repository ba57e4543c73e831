//! The catalogue of metrics: what is exposed is in it, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};

use nslife::{
    engine::{HookReport, HookState, ProgramRuns, Resources},
    model::{Namespace, State},
    plan,
    view::metrics::{Format, Kind, Metric, Metrics, Unit, all, reference},
};
use tracer_common::kind::NsKind;

use crate::values::{clock, namespace};

/// A family as a scrape shows it.
#[derive(Debug, Default)]
struct Exposed {
    kind: String,
    help: String,
    /// By label, what values it has.
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// Every hook, attached to the first of its functions.
fn every_hook() -> Vec<HookReport> {
    let attached = |hook: &plan::Hook| HookReport {
        name: hook.name,
        purpose: hook.purpose,
        required: false,
        state: HookState::Attached {
            function: hook.candidates[0].function,
            how: hook.candidates[0].how.name(),
        },
        attempts: vec![],
    };
    plan::HOOKS.iter().map(attached).collect()
}

/// Programs of which everything is measured.
fn measured() -> Resources {
    let programs = all()
        .flat_map(|metric| metric.labels)
        .find(|label| label.name == "program")
        .map(|label| (label.values)())
        .unwrap();
    let runs = |program: &str| ProgramRuns {
        program: program.to_owned(),
        runs: 2,
        took: 3,
    };
    Resources {
        programs: programs.into_iter().map(runs).collect(),
        ..Resources::default()
    }
}

/// A namespace of each type in each state.
fn one_in_each_state() -> impl Iterator<Item = (u64, Namespace)> {
    NsKind::ALL.into_iter().flat_map(|kind| {
        State::ALL.map(|state| {
            let ns = Namespace {
                state,
                ..namespace(1, kind)
            };
            (1, ns)
        })
    })
}

/// Everything that is exposed where every hook is attached, and measured.
fn exposed() -> BTreeMap<String, Exposed> {
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    metrics.hooks(&every_hook());
    metrics.resources(&measured(), 0);
    metrics.longest(one_in_each_state(), &clock());
    let text = metrics.encode(Format::OpenMetrics).unwrap();
    let mut families: BTreeMap<String, Exposed> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => {
                current = name.to_owned();
                families.entry(current.clone()).or_default().help = help.to_owned();
            }
            ["#", "TYPE", name, kind] => {
                families.get_mut(name).unwrap().kind = kind.to_owned();
            }
            _ => {
                let (_, labels) = line.split_once('{').unwrap_or_default();
                let labels = labels.rsplit_once('}').unwrap_or_default().0;
                for label in labels.split(',').filter(|label| !label.is_empty()) {
                    let (name, value) = label.split_once('=').unwrap();
                    let family = families.get_mut(&current).unwrap();
                    let values = family.labels.entry(name.to_owned()).or_default();
                    values.insert(value.trim_matches('"').to_owned());
                }
            }
        }
    }
    families
}

#[test]
fn what_is_exposed_is_what_the_catalogue_says() {
    let exposed = exposed();
    let listed: BTreeSet<_> = all().map(|metric| metric.name).collect();
    let found: BTreeSet<_> = exposed.keys().map(String::as_str).collect();
    assert_eq!(listed, found);
    for metric in all() {
        let family = &exposed[metric.name];
        assert_eq!(family.kind, metric.kind.name(), "{}", metric.name);
        assert_eq!(family.help, format!("{}.", metric.help), "{}", metric.name);
        let mut labels = family.labels.clone();
        let is_histogram = labels.remove("le").is_some();
        assert_eq!(is_histogram, metric.kind == Kind::Histogram);
        let listed: BTreeMap<String, BTreeSet<String>> = metric
            .labels
            .iter()
            .map(|label| {
                let mut values: BTreeSet<_> =
                    (label.values)().into_iter().map(str::to_owned).collect();
                // What each build, and each namespace, has for itself is not in the catalogue.
                match (label.name, labels.get(label.name)) {
                    ("revision" | "ebpf_object" | "namespace" | "creator", Some(own))
                        if own.len() == 1 =>
                    {
                        assert!(values.is_empty());
                        values.clone_from(own);
                    }
                    _ => assert!(!values.is_empty(), "the values of {}", label.name),
                }
                (label.name.to_owned(), values)
            })
            .collect();
        assert_eq!(labels, listed, "the labels of {}", metric.name);
    }
}

#[test]
fn names_say_what_the_values_are() {
    let suffixes = [Unit::Timestamp, Unit::Seconds, Unit::Bytes].map(Unit::suffix);
    for metric in all() {
        let ends = suffixes
            .into_iter()
            .find(|suffix| metric.name.ends_with(suffix));
        // The one name that is older than the rule.
        let expected = match metric.name {
            "process_start_time_seconds" => "_seconds",
            _ => metric.unit.suffix(),
        };
        assert_eq!(ends.unwrap_or_default(), expected, "{}", metric.name);
        for label in metric.labels {
            assert!(
                !["type", "owner", "le", "job", "instance"].contains(&label.name),
                "{} has a label that others use: {}",
                metric.name,
                label.name
            );
        }
    }
}

#[test]
fn every_entry_is_whole() {
    let series: BTreeSet<String> = all().map(Metric::series).collect();
    assert_eq!(series.len(), all().count());
    for metric in all() {
        let texts = [metric.help, metric.basis, metric.remedy];
        for text in texts {
            assert!(!text.ends_with('.'), "{}: {text}", metric.name);
            let named = text
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|word| word.starts_with("nslife_"));
            for name in named {
                assert!(series.contains(name), "{}: no {name}", metric.name);
            }
        }
        assert!(!metric.help.is_empty() && !metric.remedy.is_empty());
        assert!(!metric.hooks.is_empty() || !metric.basis.is_empty());
        for prefix in metric.hooks {
            let is_there = plan::HOOKS.iter().any(|hook| hook.name.starts_with(prefix));
            assert!(is_there, "{} rests on no hook {prefix}", metric.name);
        }
    }
}

#[test]
fn the_page_is_what_the_code_gives() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page == reference(),
        "docs/metrics.md is not what the code gives: `cargo xtask docs` writes it"
    );
}
