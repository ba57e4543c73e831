//! The text format of Prometheus, as far as it takes to find a number. Whether it is all in order
//! `promtool` says.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context as _, Result};

/// One scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metrics {
    samples: BTreeMap<Series, f64>,
}

/// A name and labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    name: String,
    labels: BTreeMap<String, String>,
}

impl Series {
    /// The value of a label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

/// A name and labels.
pub(crate) fn series(name: &str, labels: &[(&str, &str)]) -> Series {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Series {
        name: name.to_owned(),
        labels: labels.iter().map(owned).collect(),
    }
}

impl Metrics {
    /// Reads a scrape.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let samples = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| sample(line).with_context(|| format!("no sample: {line}")))
            .collect::<Result<_>>()?;
        Ok(Self { samples })
    }

    /// The value of a series.
    pub(crate) fn get(&self, series: &Series) -> Result<f64> {
        let value = self.samples.get(series).copied();
        value.with_context(|| format!("there is no {series}"))
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.samples.len()
    }

    /// All series of a name that have these labels, and others.
    pub(crate) fn having(&self, some: &Series) -> Vec<&Series> {
        let has = |series: &&Series| {
            series.name == some.name
                && some
                    .labels
                    .iter()
                    .all(|(name, value)| series.labels.get(name) == Some(value))
        };
        self.samples.keys().filter(has).collect()
    }

    /// The value of a series that has no labels.
    pub(crate) fn plain(&self, name: &str) -> Result<f64> {
        self.get(&series(name, &[]))
    }
}

fn sample(line: &str) -> Option<(Series, f64)> {
    let (id, value) = line.rsplit_once(' ')?;
    let (name, labels) = match id.split_once('{') {
        Some((name, rest)) => (name, labels(rest.strip_suffix('}')?)?),
        None => (id, BTreeMap::new()),
    };
    let series = Series {
        name: name.to_owned(),
        labels,
    };
    Some((series, value.parse().ok()?))
}

/// None of nslife's label values has anything in it that would be escaped.
fn labels(text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for label in text.split(',').filter(|label| !label.is_empty()) {
        let (name, value) = label.split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        labels.insert(name.to_owned(), value.to_owned());
    }
    Some(labels)
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        match labels.is_empty() {
            true => f.write_str(&self.name),
            false => write!(f, "{}{{{}}}", self.name, labels.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_by_name_and_labels() {
        let metrics = Metrics::parse(
            "# HELP a_total What.\n# TYPE a_total counter\n\
             a_total{x=\"1\",y=\"two\"} 3\nb 4.5e-1\n",
        )
        .unwrap();
        let a = series("a_total", &[("y", "two"), ("x", "1")]);
        assert_eq!(metrics.get(&a).unwrap(), 3.0);
        assert_eq!(metrics.plain("b").unwrap(), 0.45);
        assert!(metrics.plain("a_total").is_err());
        assert_eq!(metrics.having(&series("a_total", &[("x", "1")])), [&a]);
        assert!(metrics.having(&series("a_total", &[("x", "2")])).is_empty());
        assert_eq!(a.label("y"), Some("two"));
        assert_eq!(a.to_string(), "a_total{x=\"1\",y=\"two\"}");
    }

    #[test]
    fn what_is_no_sample_is_an_error() {
        for text in ["a", "a{x=\"1\" 3", "a{x=1} 3", "a three"] {
            assert!(Metrics::parse(text).is_err(), "{text}");
        }
    }
}
