//! What was measured, as it is handed over.

use serde::Serialize;

/// A figure, in its place in a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    /// Which table.
    pub(crate) table: &'static str,
    /// Which line of it.
    pub(crate) row: String,
    /// Which column of it.
    pub(crate) column: String,
    /// The median of what was measured.
    pub(crate) value: f64,
    /// The least that was measured.
    pub(crate) low: f64,
    /// The most.
    pub(crate) high: f64,
    /// What it is counted in.
    pub(crate) unit: &'static str,
}

impl Figure {
    /// The median of what was measured several times.
    pub(crate) fn of(
        table: &'static str,
        row: &str,
        column: &str,
        unit: &'static str,
        samples: &[f64],
    ) -> Self {
        let ends = |pick: fn(f64, f64) -> f64| samples.iter().copied().reduce(pick);
        Self {
            table,
            row: row.to_owned(),
            column: column.to_owned(),
            value: median(samples),
            low: ends(f64::min).unwrap_or(f64::NAN),
            high: ends(f64::max).unwrap_or(f64::NAN),
            unit,
        }
    }

    /// Hands it over.
    pub(crate) fn print(&self) -> serde_json::Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// The one in the middle; of two, what is between them. There has to be one.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 100.0]), 3.0);
        assert_eq!(median(&[4.0, 1.0, 100.0, 2.0]), 3.0);
        let figure = Figure::of("t", "r", "c", "u", &[3.0, 1.0, 100.0]);
        assert_eq!((figure.low, figure.value, figure.high), (1.0, 3.0, 100.0));
    }
}
