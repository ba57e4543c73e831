//! What was measured before, kept in the repository by kernel.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::figure::{Figure, number};
use crate::{kernels::Series, project::Project};

/// Where results are kept.
const FOLDER: &str = "bench/results";

/// One run on one kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Results {
    /// The kernel's package and its version.
    pub(super) kernel: String,
    /// The day, in UTC.
    pub(super) date: String,
    /// The commit that was measured; with a `+` if there were changes.
    pub(super) commit: String,
    /// What was measured.
    pub(super) figures: Vec<Figure>,
}

impl Results {
    /// What was kept of a kernel, if anything.
    pub(super) fn read(project: &Project, series: Series) -> Result<Option<Self>> {
        let path = path(project, series);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged", path.display()))
                .map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Keeps it in place of what was kept before, and says where.
    pub(super) fn write(&self, project: &Project, series: Series) -> Result<PathBuf> {
        let path = path(project, series);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let text = self.to_json()?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// A figure a line, so that two runs can be compared by eye, too.
    fn to_json(&self) -> serde_json::Result<String> {
        let figures = self.figures.iter().map(|figure| {
            let rounded = Figure {
                value: round(figure.value),
                low: round(figure.low),
                high: round(figure.high),
                ..figure.clone()
            };
            serde_json::to_string(&rounded)
        });
        let figures = figures.collect::<serde_json::Result<Vec<_>>>()?;
        let quoted = serde_json::to_string::<str>;
        Ok(format!(
            "{{\n\"kernel\": {},\n\"date\": {},\n\"commit\": {},\n\"figures\": [\n{}\n]\n}}\n",
            quoted(&self.kernel)?,
            quoted(&self.date)?,
            quoted(&self.commit)?,
            figures.join(",\n")
        ))
    }

    /// What has changed since, by more than it changes by itself.
    pub(super) fn changes(&self, now: &[Figure]) -> Vec<String> {
        let before = |figure: &Figure| {
            let mut figures = self.figures.iter();
            figures.find(|old| old.is_at(&figure.table, &figure.row, &figure.column))
        };
        now.iter()
            .filter_map(|figure| Some((before(figure)?, figure)))
            .filter(|(before, now)| differ(before, now))
            .map(|(before, now)| {
                let (old, new) = (number(before.value), number(now.value));
                format!("{}: {old} → {new} {}", now.place(), now.unit)
            })
            .collect()
    }
}

/// Digits beyond these mean nothing.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn path(project: &Project, series: Series) -> PathBuf {
    project.root.join(FOLDER).join(format!("{series}.json"))
}

/// Whether two measurements differ by more than noise: neither is among what the other saw, give or
/// take what is usual between two runs.
fn differ(before: &Figure, now: &Figure) -> bool {
    let slack = slack(&now.unit, before.value);
    let outside = |value: f64, of: &Figure| value < of.low - slack || value > of.high + slack;
    outside(now.value, before) && outside(before.value, now)
}

/// By how much a figure differs from one run to the next while nothing has changed.
fn slack(unit: &str, value: f64) -> f64 {
    match unit {
        "%" => 0.3,
        // What several namespaces share, such as a round of their clean-up, varies.
        "records" | "runs" => 0.01 + 0.05 * value.abs(),
        // Of the host, with whatever else it does.
        "million a second" => 0.3 * value.abs(),
        "ratio" => 0.15 * value.abs(),
        "MiB" | "KiB" => 0.05 * value.abs(),
        _ => 0.03 * value.abs() + 10.0,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::figure::sample, *};

    fn kept(figures: Vec<Figure>) -> Results {
        Results {
            kernel: "linux".to_owned(),
            date: "2026-01-01".to_owned(),
            commit: "abc".to_owned(),
            figures,
        }
    }

    #[test]
    fn what_changes_by_more_than_noise_is_named() {
        let kept = kept(vec![
            sample("fork", "bare", "instructions", 300_000.0),
            sample("fork", "records", "records", 0.0),
            sample("gone", "bare", "instructions", 5.0),
        ]);
        let same = sample("fork", "bare", "instructions", 308_000.0);
        let fresh = sample("setns", "bare", "instructions", 9.0);
        assert!(kept.changes(&[same, fresh]).is_empty());
        let more = sample("fork", "bare", "instructions", 310_000.0);
        let record = sample("fork", "records", "records", 1.0);
        assert_eq!(
            kept.changes(&[more, record]),
            [
                "t: fork, bare: 300000 → 310000 instructions",
                "t: fork, records: 0.00 → 1.00 records"
            ]
        );
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let kept = kept(vec![
            sample("fork \"x\"", "bare", "instructions", 300_000.0),
            sample("fork", "more", "%", 1.125),
        ]);
        let text = kept.to_json().unwrap();
        assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), kept);
        assert_eq!(text.lines().count(), 9, "{text}");
    }

    #[test]
    fn what_was_seen_before_is_no_change() {
        let before = Figure {
            low: 280_000.0,
            high: 320_000.0,
            ..sample("fork", "bare", "instructions", 300_000.0)
        };
        let now = sample("fork", "bare", "instructions", 325_000.0);
        assert!(!differ(&before, &now));
    }
}
