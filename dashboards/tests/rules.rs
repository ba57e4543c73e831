//! The rules ask for what there is, and nobody is told of anything without being told what to do.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use dashboards::{query, rules, series::TARGET};
use serde::Deserialize;

/// As urgent as an alert can be.
const SEVERITIES: [&str; 2] = ["critical", "warning"];

/// What each alert tells.
const ANNOTATIONS: [&str; 3] = ["description", "runbook_url", "summary"];

/// The page of all runbooks.
const RUNBOOKS: &str = "dashboards/runbooks.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What is before the first colon of a recording's name says by what its series are told apart.
#[test]
fn names_of_recordings_say_their_labels() {
    let catalogue = support::catalogue();
    for recording in rules::recordings().unwrap() {
        let labels = query::check(&recording.expr, &catalogue).unwrap().unwrap();
        let others = labels
            .iter()
            .filter(|label| !TARGET.contains(&label.as_str()));
        let level: Vec<_> = ["instance"]
            .into_iter()
            .chain(others.map(String::as_str))
            .collect();
        let (first, _) = recording.record.split_once(':').unwrap();
        assert_eq!(first, level.join("_"), "{}", recording.record);
        assert!(TARGET.iter().all(|label| labels.contains(*label)));
    }
}

#[test]
fn alerts_ask_for_what_there_is() {
    let catalogue = support::catalogue();
    for alert in rules::alerts().unwrap() {
        let labels = query::check(&alert.expr, &catalogue)
            .unwrap_or_else(|error| panic!("{}: {error:#}", alert.alert))
            .unwrap();
        // What a text refers to has to be there.
        for text in alert.annotations.values() {
            for (_, rest) in text
                .match_indices("$labels.")
                .map(|(at, w)| text.split_at(at + w.len()))
            {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let label = &rest[..end.unwrap_or(rest.len())];
                assert!(labels.contains(label), "{}: no label {label}", alert.alert);
            }
        }
    }
}

#[test]
fn alerts_say_what_to_do() {
    let mut named = BTreeSet::new();
    for alert in rules::alerts().unwrap() {
        let name = &alert.alert;
        let severity = alert.labels.get("severity").map(String::as_str);
        assert!(severity.is_some_and(|s| SEVERITIES.contains(&s)), "{name}");
        let told: Vec<_> = alert.annotations.keys().map(String::as_str).collect();
        assert_eq!(told, ANNOTATIONS, "{name}");
        let anchor = format!("{RUNBOOKS}#{}", name.to_lowercase());
        assert_eq!(alert.annotations["runbook_url"], anchor);
        assert!(named.insert(name.clone()), "two alerts are called {name}");
    }
    let page = fs::read_to_string(root().join(RUNBOOKS)).unwrap();
    let titles = page.lines().filter_map(|line| line.strip_prefix("## "));
    let runbooks: BTreeSet<_> = titles.map(str::to_owned).collect();
    assert_eq!(
        runbooks, named,
        "each alert has a runbook, and each runbook an alert"
    );
}

#[derive(Deserialize)]
struct File {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    alert_rule_test: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    alertname: String,
    exp_alerts: Vec<BTreeMap<String, BTreeMap<String, String>>>,
}

/// `promtool test rules` says whether each of these comes out so.
#[test]
fn each_alert_fires_in_one_case_and_does_not_in_another() {
    let mut fires = BTreeSet::new();
    let mut is_silent = BTreeSet::new();
    for entry in fs::read_dir(root().join("dashboards/prometheus/tests")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let file: File = serde_saphyr::from_str(&text).unwrap();
        for case in file.tests.into_iter().flat_map(|test| test.alert_rule_test) {
            let cases = if case.exp_alerts.is_empty() {
                &mut is_silent
            } else {
                &mut fires
            };
            cases.insert(case.alertname);
        }
    }
    let alerts = rules::alerts().unwrap().into_iter();
    let alerts: BTreeSet<_> = alerts.map(|alert| alert.alert).collect();
    assert_eq!(fires, alerts);
    assert_eq!(is_silent, alerts);
}
