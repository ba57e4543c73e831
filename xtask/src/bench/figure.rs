//! What was measured, and tables of it for people.

use std::fmt;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// A figure, in its place in a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Figure {
    /// Which table.
    pub(super) table: String,
    /// Which line of it.
    pub(super) row: String,
    /// Which column of it.
    pub(super) column: String,
    /// The median of what was measured.
    pub(super) value: f64,
    /// The least that was measured.
    pub(super) low: f64,
    /// The most.
    pub(super) high: f64,
    /// What it is counted in.
    pub(super) unit: String,
}

impl Figure {
    /// Reads what a program measured, one a line. Other lines are refused.
    pub(super) fn parse_all(text: &str) -> Result<Vec<Self>> {
        text.lines()
            .map(|line| {
                serde_json::from_str(line)
                    .with_context(|| format!("this was printed in place of a figure: {line}"))
            })
            .collect()
    }

    /// Whether it is in this place.
    pub(super) fn is_at(&self, table: &str, row: &str, column: &str) -> bool {
        self.table == table && self.row == row && self.column == column
    }

    /// Its place, for people.
    pub(super) fn place(&self) -> String {
        format!("{}: {}, {}", self.table, self.row, self.column)
    }
}

/// All figures of all tables, in the order in which they came.
pub(super) struct Tables<'a>(pub(super) &'a [Figure]);

impl fmt::Display for Tables<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in distinct(self.0, |figure| &figure.table) {
            let of_table = |figure: &&Figure| figure.table == table;
            let figures: Vec<_> = self.0.iter().filter(of_table).cloned().collect();
            write_table(formatter, table, &figures)?;
        }
        Ok(())
    }
}

fn write_table(formatter: &mut fmt::Formatter<'_>, name: &str, figures: &[Figure]) -> fmt::Result {
    let rows = distinct(figures, |figure| &figure.row);
    let columns = distinct(figures, |figure| &figure.column);
    let width = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let width = width.max(name.len());
    let cells: Vec<Vec<String>> = columns
        .iter()
        .map(|column| {
            let cell = |row: &&str| {
                let figure = figures
                    .iter()
                    .find(|figure| figure.is_at(name, row, column));
                figure.map_or_else(String::new, |figure| {
                    format!("{} {}", number(figure.value), short(&figure.unit))
                })
            };
            rows.iter().map(cell).collect()
        })
        .collect();
    let widths: Vec<_> = cells
        .iter()
        .zip(&columns)
        .map(|(cells, column)| {
            cells
                .iter()
                .map(String::len)
                .max()
                .unwrap_or(0)
                .max(column.len())
        })
        .collect();
    write!(formatter, "\n{name:width$}")?;
    for (column, width) in columns.iter().zip(&widths) {
        write!(formatter, "  {column:>width$}")?;
    }
    writeln!(formatter)?;
    for (index, row) in rows.iter().enumerate() {
        write!(formatter, "{row:width$}")?;
        for (column, width) in cells.iter().zip(&widths) {
            write!(formatter, "  {:>width$}", column[index])?;
        }
        writeln!(formatter)?;
    }
    Ok(())
}

/// The values of a field, each once, in the order in which they first come.
fn distinct(figures: &[Figure], field: fn(&Figure) -> &String) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for value in figures.iter().map(field) {
        if !found.contains(&value.as_str()) {
            found.push(value);
        }
    }
    found
}

/// Units that would fill the table.
fn short(unit: &str) -> &str {
    match unit {
        "instructions" => "i",
        "million instructions" => "Mi",
        "million a second" => "M/s",
        "records" | "runs" | "ratio" => "",
        unit => unit,
    }
}

/// As many digits as mean something.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 1000.0 => format!("{value:.0}"),
        magnitude if magnitude >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
pub(super) fn sample(row: &str, column: &str, unit: &str, value: f64) -> Figure {
    Figure {
        table: "t".to_owned(),
        row: row.to_owned(),
        column: column.to_owned(),
        value,
        low: value,
        high: value,
        unit: unit.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_lines_of_json_and_nothing_else() {
        let line = serde_json::to_string(&sample("r", "c", "%", 1.5)).unwrap();
        let read = Figure::parse_all(&format!("{line}\n{line}\n")).unwrap();
        assert_eq!(
            read,
            [sample("r", "c", "%", 1.5), sample("r", "c", "%", 1.5)]
        );
        let error = Figure::parse_all("Segmentation fault\n").unwrap_err();
        assert!(error.to_string().contains("Segmentation fault"));
    }

    #[test]
    fn a_table_has_a_line_for_each_row_and_gaps() {
        let figures = [
            sample("fork", "bare", "instructions", 328_500.0),
            sample("fork", "more", "%", 1.123),
            sample("setns", "bare", "instructions", 99.0),
        ];
        assert_eq!(
            Tables(&figures).to_string(),
            "\nt          bare    more\n\
             fork   328500 i  1.12 %\n\
             setns   99.00 i        \n"
        );
    }
}
