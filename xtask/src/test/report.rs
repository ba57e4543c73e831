//! The results of all checks, as a table for people.

use std::{fmt, time::Duration};

/// Everything that was checked, in order.
#[derive(Debug, Default)]
pub(super) struct Report {
    entries: Vec<Entry>,
}

/// The result of one check, or of several that count together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it ran: `host` or a kernel.
    pub(super) place: String,
    /// What it is called.
    pub(super) name: String,
    /// How it came out.
    pub(super) verdict: Verdict,
    /// How long it took.
    pub(super) duration: Duration,
    /// What there is to say about it.
    pub(super) detail: String,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// So many tests passed, so many failed.
    Counted {
        /// Tests that passed.
        passed: usize,
        /// Tests that failed.
        failed: usize,
    },
    /// It does not count, for the reason in the detail.
    NotCounted,
}

impl Verdict {
    pub(super) const PASSED: Self = Self::Counted {
        passed: 1,
        failed: 0,
    };
    pub(super) const FAILED: Self = Self::Counted {
        passed: 0,
        failed: 1,
    };
}

impl Entry {
    /// A check that failed before it could say anything itself.
    pub(super) fn failed(place: &str, name: &str, error: &anyhow::Error) -> Self {
        Self {
            place: place.to_owned(),
            name: name.to_owned(),
            verdict: Verdict::FAILED,
            duration: Duration::ZERO,
            detail: format!("{error:#}"),
        }
    }

    fn counts(&self) -> (usize, usize) {
        match self.verdict {
            Verdict::Counted { passed, failed } => (passed, failed),
            Verdict::NotCounted => (0, 0),
        }
    }
}

impl Report {
    /// Adds results to the end.
    pub(super) fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.entries.extend(entries);
    }

    /// Whether anything failed, or nothing was checked at all.
    pub(super) fn has_failures(&self) -> bool {
        let (passed, failed) = self.counts();
        failed > 0 || passed == 0
    }

    fn counts(&self) -> (usize, usize) {
        self.entries
            .iter()
            .map(Entry::counts)
            .fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn(&Entry) -> &str| self.entries.iter().map(|e| of(e).len()).max();
        let place_width = width(|entry| &entry.place).unwrap_or(0);
        let name_width = width(|entry| &entry.name).unwrap_or(0);
        for entry in &self.entries {
            let verdict = match entry.verdict {
                Verdict::Counted { failed: 0, .. } => "passed",
                Verdict::Counted { .. } => "FAILED",
                Verdict::NotCounted => "-",
            };
            write!(
                formatter,
                "{:place_width$}  {:name_width$}  {verdict:6}  {:7.1} s",
                entry.place,
                entry.name,
                entry.duration.as_secs_f64()
            )?;
            match entry.detail.split_once('\n') {
                None if entry.detail.is_empty() => writeln!(formatter)?,
                None => writeln!(formatter, "  {}", entry.detail)?,
                Some((first, rest)) => {
                    writeln!(formatter, "  {first}")?;
                    for line in rest.lines() {
                        writeln!(formatter, "    {line}")?;
                    }
                }
            }
        }
        let (passed, failed) = self.counts();
        writeln!(formatter, "{passed} passed, {failed} failed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(place: &str, name: &str, verdict: Verdict, detail: &str) -> Entry {
        Entry {
            place: place.to_owned(),
            name: name.to_owned(),
            verdict,
            duration: Duration::from_millis(1250),
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn the_last_line_counts() {
        let mut report = Report::default();
        report.extend([
            entry(
                "host",
                "unit",
                Verdict::Counted {
                    passed: 41,
                    failed: 0,
                },
                "",
            ),
            entry("6.1", "clone", Verdict::FAILED, "no event\nafter 5 s"),
            entry(
                "6.12",
                "resurrection",
                Verdict::NotCounted,
                "not on this kernel",
            ),
        ]);
        assert_eq!(
            report.to_string(),
            "host  unit          passed      1.2 s\n\
             6.1   clone         FAILED      1.2 s  no event\n    after 5 s\n\
             6.12  resurrection  -           1.2 s  not on this kernel\n\
             41 passed, 1 failed\n"
        );
        assert!(report.has_failures());
    }

    #[test]
    fn to_check_nothing_is_a_failure() {
        let mut report = Report::default();
        assert!(report.has_failures());
        report.extend([entry("host", "fmt", Verdict::PASSED, "")]);
        assert!(!report.has_failures());
    }
}
