//! Values in words.

/// A value in this unit of Grafana's, short enough for an axis.
pub(super) fn show(unit: &str, value: f64) -> String {
    match unit {
        "s" if value >= 100.0 => format!("{:.0} min", value / 60.0),
        "s" if value >= 1.0 => format!("{} s", short(value)),
        "s" if value > 0.0 => format!("{} ms", short(1000.0 * value)),
        "percentunit" => format!("{} %", short(100.0 * value)),
        "cps" => format!("{}/s", short(value)),
        "bool_yes_no" if value == 0.0 => "no".to_owned(),
        "bool_yes_no" => "yes".to_owned(),
        _ => short(value),
    }
}

/// Three figures are enough.
fn short(value: f64) -> String {
    let figures = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.figures$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}
