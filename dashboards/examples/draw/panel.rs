//! One panel.

use anyhow::{Result, bail};
use dashboards::grafana::{Panel, Target};
use plotters::{
    coord::Shift,
    prelude::{
        ChartBuilder, Color as _, DrawingArea, IntoFont as _, LineSeries, RGBColor, Rectangle,
        SVGBackend, Text, TextStyle, WHITE,
    },
};

use crate::{Course, unit};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(36, 41, 46);
const FAINT: RGBColor = RGBColor(110, 118, 129);
const GRID: RGBColor = RGBColor(225, 228, 232);

/// One after the other, for series.
const COLOURS: [RGBColor; 8] = [
    RGBColor(87, 148, 242),
    RGBColor(86, 166, 75),
    RGBColor(242, 153, 54),
    RGBColor(224, 47, 68),
    RGBColor(184, 119, 217),
    RGBColor(0, 150, 136),
    RGBColor(150, 110, 70),
    RGBColor(60, 70, 90),
];

/// Height of a line of small text.
const LINE: i32 = 15;

/// Where the title ends.
const BELOW_TITLE: i32 = 26;

/// Longer than between two points of a course without a gap, seconds.
const GAP: f64 = 1.5;

/// Draws what a panel found in this time.
pub(super) fn draw(
    area: &Area<'_>,
    panel: &Panel,
    found: &[Vec<Course>],
    time: (f64, f64),
) -> Result<()> {
    if panel.is_row() {
        let text = Text::new(panel.title.clone(), (4, 4), style(15, INK));
        return Ok(area.draw(&text)?);
    }
    area.fill(&WHITE)?;
    let title = Text::new(panel.title.clone(), (8, 6), style(13, INK));
    area.draw(&title)?;
    let unit = panel
        .field_config
        .defaults
        .unit
        .as_deref()
        .unwrap_or("none");
    let courses: Vec<_> = panel
        .targets
        .iter()
        .zip(found)
        .flat_map(|(target, courses)| courses.iter().map(move |course| (target, course)))
        .collect();
    match panel.kind.as_str() {
        "timeseries" => lines(area, unit, &courses, time),
        "stat" => number(area, unit, &courses),
        "bargauge" => bars(area, unit, &courses),
        "table" => table(area, found),
        other => bail!("nobody has said how to draw {other}"),
    }
}

fn style(size: u32, colour: RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(&colour)
}

/// The legend with the values of labels in it.
fn name(target: &Target, course: &Course) -> String {
    let mut name = target.legend_format.clone();
    for (label, value) in &course.labels {
        name = name.replace(&format!("{{{{{label}}}}}"), value);
    }
    name
}

/// The last value.
fn last(course: &Course) -> f64 {
    course.points.last().map_or(0.0, |&(_, value)| value)
}

fn lines(
    area: &Area<'_>,
    unit: &str,
    courses: &[(&Target, &Course)],
    (from, to): (f64, f64),
) -> Result<()> {
    let values = courses.iter().flat_map(|(_, course)| &course.points);
    let most = values.map(|&(_, value)| value).fold(0.0, f64::max);
    let most = if most > 0.0 { 1.15 * most } else { 1.0 };
    let (_, height) = area.dim_in_pixel();
    let (plot, legend) = area.split_vertically(height - 2 * LINE.unsigned_abs() - 4);
    let mut chart = ChartBuilder::on(&plot)
        .margin_top(BELOW_TITLE)
        .margin_right(10)
        .x_label_area_size(20)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..to - from, 0.0..most)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .y_labels(4)
        .x_labels(6)
        .label_style(style(11, FAINT))
        .y_label_formatter(&|value| unit::show(unit, *value))
        .x_label_formatter(&|seconds| format!("{seconds:.0} s"))
        .draw()?;
    for ((_, course), colour) in courses.iter().zip(COLOURS.iter().cycle()) {
        for piece in course.points.chunk_by(|a, b| b.0 - a.0 < GAP) {
            let points = piece.iter().map(|&(at, value)| (at - from, value));
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        }
    }
    let (width, _) = legend.dim_in_pixel();
    let (mut x, mut y) = (10, 2);
    for ((target, course), colour) in courses.iter().zip(COLOURS.iter().cycle()) {
        let name = name(target, course);
        let text = Text::new(name.clone(), (x + 14, y), style(11, INK));
        let (wide, _) = legend.estimate_text_size(&name, &style(11, INK))?;
        legend.draw(&Rectangle::new(
            [(x, y + 3), (x + 10, y + 7)],
            colour.filled(),
        ))?;
        legend.draw(&text)?;
        x += i32::try_from(wide)? + 28;
        if x + 60 > i32::try_from(width)? {
            (x, y) = (10, y + LINE);
        }
    }
    Ok(())
}

/// The last values, large.
fn number(area: &Area<'_>, unit: &str, courses: &[(&Target, &Course)]) -> Result<()> {
    let values = courses
        .iter()
        .map(|(_, course)| unit::show(unit, last(course)));
    let text = values.collect::<Vec<_>>().join(", ");
    area.draw(&Text::new(text, (12, 42), style(30, COLOURS[1])))?;
    Ok(())
}

/// The last values, as parts of a whole.
fn bars(area: &Area<'_>, unit: &str, courses: &[(&Target, &Course)]) -> Result<()> {
    let (width, _) = area.dim_in_pixel();
    let room = f64::from(width) - 150.0;
    for ((target, course), y) in courses.iter().zip((BELOW_TITLE..).step_by(20)) {
        let value = last(course);
        let bar = (room * value.clamp(0.0, 1.0)).max(1.0) as i32;
        let whole = [(70, y), (70 + room as i32, y + 12)];
        area.draw(&Text::new(name(target, course), (12, y), style(12, INK)))?;
        area.draw(&Rectangle::new(whole, GRID.filled()))?;
        area.draw(&Rectangle::new(
            [(70, y), (70 + bar, y + 12)],
            COLOURS[1].filled(),
        ))?;
        let text = unit::show(unit, value);
        area.draw(&Text::new(text, (78 + room as i32, y), style(12, INK)))?;
    }
    Ok(())
}

/// Where the columns of a table are, and what is in them.
const COLUMNS: [(i32, &str); 4] = [
    (12, "type"),
    (90, "rank"),
    (150, "user"),
    (240, "namespaces"),
];

/// The last values of each query beside each other, of what has the same labels.
fn table(area: &Area<'_>, found: &[Vec<Course>]) -> Result<()> {
    let (_, height) = area.dim_in_pixel();
    let Some(([first], rest)) = found.split_at_checked(1) else {
        return Ok(());
    };
    let bottom = i32::try_from(height)? - LINE;
    for (x, heading) in COLUMNS {
        area.draw(&Text::new(heading, (x, BELOW_TITLE), style(11, FAINT)))?;
    }
    let lines = (BELOW_TITLE + 18..bottom).step_by(16);
    for (course, y) in first.iter().zip(lines) {
        let beside = rest.iter().flatten();
        let beside = beside.filter(|other| other.labels == course.labels);
        let cells = ["ns_type", "rank"].map(|label| course.labels.get(label).cloned());
        let values = [course]
            .into_iter()
            .chain(beside)
            .map(|course| Some(unit::show("none", last(course))));
        for (cell, (x, _)) in cells.into_iter().chain(values).zip(COLUMNS) {
            let text = cell.unwrap_or_default();
            area.draw(&Text::new(text, (x, y), style(12, INK)))?;
        }
    }
    Ok(())
}
