//! Which format of the metrics a client wants (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

use crate::view::metrics::Format;

/// The format to answer with. OpenMetrics only for those who name it: whoever
/// takes anything gets what everything reads. Nobody is refused, since a
/// person with curl or a browser can read the older format as well.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let (mut openmetrics, mut older) = (Best::default(), Best::default());
    let values = headers.get_all(header::ACCEPT).iter();
    let ranges = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse);
    for range in ranges {
        match (&*range.media_type, range.version.as_deref()) {
            ("application/openmetrics-text", None | Some("1.0.0")) => {
                openmetrics.take(2, range.weight);
            }
            ("text/plain", None | Some("0.0.4")) => older.take(2, range.weight),
            ("text/*", None) => older.take(1, range.weight),
            ("*/*", None) => older.take(0, range.weight),
            _ => {}
        }
    }
    if openmetrics.weight > 0 && openmetrics.weight >= older.weight {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

/// How welcome a format is: what the most specific range says that takes it.
#[derive(Default)]
struct Best {
    precision: u8,
    weight: u16,
}

impl Best {
    fn take(&mut self, precision: u8, weight: u16) {
        if precision > self.precision {
            *self = Self { precision, weight };
        } else if precision == self.precision {
            self.weight = self.weight.max(weight);
        }
    }
}

/// A range of media types that somebody takes.
struct Range {
    /// In lower case.
    media_type: String,
    /// The parameter that tells versions of one format apart.
    version: Option<String>,
    /// In thousandths; 0 is a refusal.
    weight: u16,
}

impl Range {
    /// `None` for what makes no sense, which is passed over.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next()?.to_ascii_lowercase();
        let mut range = Self {
            media_type,
            version: None,
            weight: 1000,
        };
        for part in parts {
            let (name, value) = part.split_once('=')?;
            match &*name.trim().to_ascii_lowercase() {
                "version" => range.version = Some(value.trim().trim_matches('"').to_owned()),
                "q" => range.weight = thousandths(value.trim())?,
                _ => {}
            }
        }
        Some(range)
    }
}

/// A weight from 0 to 1 with at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let plain = decimals.len() <= 3 && decimals.bytes().all(|digit| digit.is_ascii_digit());
    let weight = match whole {
        "0" => format!("{decimals:0<3}").parse().ok()?,
        "1" if decimals.bytes().all(|digit| digit == b'0') => 1000,
        _ => return None,
    };
    plain.then_some(weight)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn for_accept(values: &[&'static str]) -> Format {
        let values = values.iter().copied().map(HeaderValue::from_static);
        format(&values.map(|value| (header::ACCEPT, value)).collect())
    }

    #[test]
    fn openmetrics_only_for_those_who_name_it() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
            text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for accept in [
            prometheus_3,
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\"",
            "application/openmetrics-text; q=1.000, text/plain",
            "*/*;q=1, text/plain;q=0.2, application/openmetrics-text;q=0.3",
        ] {
            assert_eq!(for_accept(&[accept]), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/openmetrics-text;version=0.0.1",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily",
        ] {
            assert_eq!(for_accept(&[accept]), Format::Prometheus, "{accept}");
        }
    }

    #[test]
    fn weights_decide() {
        for accept in [
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.000, */*",
            "text/plain, application/openmetrics-text;q=0.999",
            "application/openmetrics-text;q=0.5, text/*;q=0.6",
        ] {
            assert_eq!(for_accept(&[accept]), Format::Prometheus, "{accept}");
        }
        let several = ["text/plain;q=0.4", "application/openmetrics-text;q=0.5"];
        assert_eq!(for_accept(&several), Format::OpenMetrics);
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        for accept in [
            "application/openmetrics-text;q=2",
            "application/openmetrics-text;q=0.1234",
            "application/openmetrics-text;q=-1",
            "application/openmetrics-text;q=0.-1",
            "application/openmetrics-text;q",
            ";;;,,,=",
        ] {
            assert_eq!(for_accept(&[accept]), Format::Prometheus, "{accept}");
            let sense = ["application/openmetrics-text", accept];
            assert_eq!(for_accept(&sense), Format::OpenMetrics, "{accept}");
        }
    }
}
