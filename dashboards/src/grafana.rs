//! The dashboards for Grafana.

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// The files as they are, by name.
pub const FILES: [(&str, &str); 2] = [
    ("overview.json", include_str!("../grafana/overview.json")),
    (
        "nslife-health.json",
        include_str!("../grafana/nslife-health.json"),
    ),
];

/// What Grafana knows the overview by.
pub const OVERVIEW: &str = "nslife-overview";

/// A dashboard, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// By what Grafana knows it.
    pub uid: String,
    /// What it is called.
    pub title: String,
    /// The version of the format.
    pub schema_version: u32,
    /// What the reader can choose.
    pub templating: Templating,
    /// What is on it, rows included.
    pub panels: Vec<Panel>,
}

/// What the reader can choose.
#[derive(Clone, Debug, Deserialize)]
pub struct Templating {
    /// One by one.
    pub list: Vec<Variable>,
}

/// Something that the reader can choose.
#[derive(Clone, Debug, Deserialize)]
pub struct Variable {
    /// Its name in queries.
    pub name: String,
    /// Where its values come from.
    #[serde(rename = "type")]
    pub kind: String,
    /// How they are asked for.
    pub definition: Option<String>,
}

/// A panel, or the title of a row of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Panel {
    /// Its number.
    pub id: u32,
    /// What it looks like; `row` for a title.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is called.
    pub title: String,
    /// What it shows, and what to do about it.
    #[serde(default)]
    pub description: String,
    /// Where it is.
    pub grid_pos: Place,
    /// What it asks.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// How values are shown.
    #[serde(default)]
    pub field_config: FieldConfig,
}

/// Where a panel is, in 24ths of the width and lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct Place {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// How wide.
    pub w: u32,
    /// How high.
    pub h: u32,
}

/// What a panel asks.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The query, with variables.
    pub expr: String,
    /// What a series is called, with labels in double braces.
    pub legend_format: String,
}

/// How values are shown.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct FieldConfig {
    /// Unless something else is said.
    pub defaults: Defaults,
}

/// How values are shown unless something else is said.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Defaults {
    /// Grafana's name of the unit.
    pub unit: Option<String>,
}

impl Panel {
    /// Whether it is only a title.
    pub fn is_row(&self) -> bool {
        self.kind == "row"
    }
}

impl Target {
    /// The query as Grafana would ask it: all instances and types, and rates over this time.
    pub fn filled(&self, rate_interval: &str) -> String {
        self.expr
            .replace("$__rate_interval", rate_interval)
            .replace("$instance", ".+")
            .replace("$ns_type", ".+")
    }
}

/// The dashboard in a file of [`FILES`].
fn read((name, text): (&str, &str)) -> Result<Dashboard> {
    serde_json::from_str(text).with_context(|| name.to_owned())
}

/// All dashboards, the overview first.
pub fn all() -> Result<Vec<Dashboard>> {
    FILES.into_iter().map(read).collect()
}
