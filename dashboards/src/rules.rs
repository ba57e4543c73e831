//! The rules for Prometheus.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// The files as they are, by name.
pub const FILES: [(&str, &str); 2] = [
    (
        "recording.rules.yml",
        include_str!("../prometheus/recording.rules.yml"),
    ),
    (
        "alerts.rules.yml",
        include_str!("../prometheus/alerts.rules.yml"),
    ),
];

/// A rule.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(untagged)]
pub enum Rule {
    /// What is to be kept under a name of its own.
    Recording(Recording),
    /// What somebody is to be told.
    Alert(Alert),
}

/// What is to be kept under a name of its own.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// The name.
    pub record: String,
    /// What it stands for.
    pub expr: String,
}

/// What somebody is to be told.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Its name.
    pub alert: String,
    /// When.
    pub expr: String,
    /// For how long that has to hold.
    pub r#for: Option<String>,
    /// What the alert is told apart by, besides the labels of what the expression finds.
    pub labels: BTreeMap<String, String>,
    /// What is told.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(rename = "name")]
    _name: String,
    rules: Vec<Rule>,
}

/// All rules, in the order of the files.
pub fn all() -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for (name, text) in FILES {
        let file: File = serde_saphyr::from_str(text).with_context(|| name.to_owned())?;
        rules.extend(file.groups.into_iter().flat_map(|group| group.rules));
    }
    Ok(rules)
}

/// Those that keep something.
pub fn recordings() -> Result<Vec<Recording>> {
    let of = |rule| match rule {
        Rule::Recording(recording) => Some(recording),
        Rule::Alert(_) => None,
    };
    Ok(all()?.into_iter().filter_map(of).collect())
}

/// Those that tell something.
pub fn alerts() -> Result<Vec<Alert>> {
    let of = |rule| match rule {
        Rule::Recording(_) => None,
        Rule::Alert(alert) => Some(alert),
    };
    Ok(all()?.into_iter().filter_map(of).collect())
}
