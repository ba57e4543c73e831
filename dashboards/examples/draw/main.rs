//! Draws the overview as a picture, from what its own queries found in the scenario
//! `dashboards_and_alerts_find_something`: `cargo xtask overview` runs both. Prints SVG.

mod panel;
mod unit;

use std::{collections::BTreeMap, env, fs};

use anyhow::{Context as _, Result, ensure};
use dashboards::grafana::{self, Place};
use plotters::prelude::{IntoDrawingArea as _, RGBColor, SVGBackend};
use serde::Deserialize;

/// Pixels for a 24th of the width, and for a line.
const CELL: (u32, u32) = (50, 26);

/// Between panels.
const GAP: u32 = 4;

/// Behind the panels.
const GROUND: RGBColor = RGBColor(244, 245, 245);

/// What the queries found.
#[derive(Deserialize)]
struct Shown {
    /// The first and the last moment.
    from: f64,
    to: f64,
    /// By panel, then by query.
    panels: Vec<Vec<Vec<Course>>>,
}

/// How a series went.
#[derive(Deserialize)]
struct Course {
    labels: BTreeMap<String, String>,
    points: Vec<(f64, f64)>,
}

fn main() -> Result<()> {
    let path = env::args().nth(1).context("usage: draw DATA")?;
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let shown: Shown = serde_json::from_str(&text).context(path)?;
    let dashboards = grafana::all()?;
    let overview = dashboards
        .iter()
        .find(|dashboard| dashboard.uid == grafana::OVERVIEW)
        .context("there is no overview")?;
    ensure!(
        overview.panels.len() == shown.panels.len(),
        "the data is of another overview"
    );

    let places = overview.panels.iter().map(|panel| panel.grid_pos);
    let lines = places.map(|place| place.y + place.h).max().unwrap_or(0);
    let size = (24 * CELL.0 + GAP, lines * CELL.1 + GAP);
    let mut svg = String::new();
    {
        let canvas = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        canvas.fill(&GROUND)?;
        for (panel, found) in overview.panels.iter().zip(&shown.panels) {
            let Place { x, y, w, h } = panel.grid_pos;
            let corner = (x * CELL.0 + GAP, y * CELL.1 + GAP);
            let area = (w * CELL.0 - GAP, h * CELL.1 - GAP);
            let area = canvas.clone().shrink(corner, area);
            panel::draw(&area, panel, found, (shown.from, shown.to))
                .with_context(|| panel.title.clone())?;
        }
        canvas.present()?;
    }
    print!("{svg}");
    Ok(())
}
