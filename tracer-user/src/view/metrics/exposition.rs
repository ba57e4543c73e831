//! The text formats: OpenMetrics 1.0, and the older one of Prometheus.

use std::fmt::{self, Write as _};

use prometheus_client::{encoding::text, registry::Registry};

/// A format in which metrics can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format 0.0.4, for everything older and for people with curl.
    Prometheus,
}

impl Format {
    /// The value of `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All metrics of a registry.
pub(super) fn encode(registry: &Registry, format: Format) -> Result<String, fmt::Error> {
    let mut unordered = String::new();
    text::encode(&mut unordered, registry)?;
    let openmetrics = in_order(&unordered);
    match format {
        Format::OpenMetrics => Ok(openmetrics),
        Format::Prometheus => to_prometheus(&openmetrics),
    }
}

/// Sorts the samples of each family, which come in another order from each
/// process: people read them too. Those of one histogram stay together, and as
/// they are: the order of buckets has a meaning.
fn in_order(openmetrics: &str) -> String {
    let is_sample = |line: &&str| !line.starts_with('#');
    let lines: Vec<_> = openmetrics.lines().collect();
    let mut out = String::with_capacity(openmetrics.len());
    for family in lines.chunk_by(|a, b| is_sample(a) == is_sample(b)) {
        let mut family = family.to_vec();
        if family.first().is_some_and(is_sample) {
            family.sort_by_key(|line| own_labels(line));
        }
        for line in family {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The labels of a sample, without the bound of a bucket, which comes first.
fn own_labels(sample: &str) -> &str {
    let Some((_, labels)) = sample.split_once('{') else {
        return "";
    };
    let labels = labels.rsplit_once('}').map_or(labels, |(labels, _)| labels);
    let Some(rest) = labels.strip_prefix("le=") else {
        return labels;
    };
    rest.split_once(',').map_or("", |(_, others)| others)
}

/// Turns OpenMetrics into the older format. The samples are the same; there
/// a family is called as its samples are, there are no info families, no
/// units, and nothing marks the end.
fn to_prometheus(openmetrics: &str) -> Result<String, fmt::Error> {
    let mut out = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            // The type comes next, and with it the family's name.
            (Some("#"), Some("HELP"), Some(_), text) => help = text,
            (Some("#"), Some("TYPE"), Some(name), Some(of)) => {
                let (suffix, of) = match of {
                    "counter" => ("_total", of),
                    "info" => ("_info", "gauge"),
                    _ => ("", of),
                };
                if let Some(help) = help.take() {
                    writeln!(out, "# HELP {name}{suffix} {help}")?;
                }
                writeln!(out, "# TYPE {name}{suffix} {of}")?;
            }
            (Some("#"), ..) => {}
            _ => writeln!(out, "{line}")?,
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_in_order_within_their_family() {
        let unordered = "# TYPE b gauge\nb{x=\"2\"} 0\nb{x=\"1\"} 9\n# TYPE a gauge\na 1\n# EOF\n";
        assert_eq!(
            in_order(unordered),
            "# TYPE b gauge\nb{x=\"1\"} 9\nb{x=\"2\"} 0\n# TYPE a gauge\na 1\n# EOF\n"
        );
    }

    #[test]
    fn a_histogram_stays_as_it_is() {
        let text = |histograms: [&str; 2]| format!("# TYPE h histogram\n{}", histograms.concat());
        let histogram = |x| {
            let bucket = |le| format!("h_bucket{{le=\"{le}\",x=\"{x}\"}} 0\n");
            let sum = format!("h_sum{{x=\"{x}\"}} 0\n");
            [sum, bucket("2.0"), bucket("10.0"), bucket("+Inf")].concat()
        };
        let (a, b) = (histogram("a"), histogram("b"));
        assert_eq!(in_order(&text([&b, &a])), text([&a, &b]));
        let plain =
            "# TYPE h histogram\nh_sum 0\nh_bucket{le=\"2.0\"} 0\nh_bucket{le=\"10.0\"} 0\n";
        assert_eq!(in_order(plain), plain);
    }

    #[test]
    fn the_older_format_names_families_as_their_samples() {
        let openmetrics = "\
# HELP a_build What it is.
# TYPE a_build info
a_build_info{version=\"1\"} 1
# HELP a_things Things.
# TYPE a_things counter
a_things_total{kind=\"x y\"} 3
# HELP a_size_bytes Size.
# TYPE a_size_bytes gauge
# UNIT a_size_bytes bytes
a_size_bytes 4.0
# EOF
";
        assert_eq!(
            to_prometheus(openmetrics).unwrap(),
            "\
# HELP a_build_info What it is.
# TYPE a_build_info gauge
a_build_info{version=\"1\"} 1
# HELP a_things_total Things.
# TYPE a_things_total counter
a_things_total{kind=\"x y\"} 3
# HELP a_size_bytes Size.
# TYPE a_size_bytes gauge
a_size_bytes 4.0
"
        );
    }
}
