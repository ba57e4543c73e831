//! What holds values.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::metrics::{
    counter::Counter, family::Family, gauge::Gauge, histogram::Histogram,
};

/// A gauge with fractions.
pub(super) type Fraction = Gauge<f64, AtomicU64>;

/// Histograms told apart by labels.
pub(super) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Lengths of time from 1 ms to 30 days: what lives, lies about, or waits.
pub(super) fn spans() -> Histogram {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 60.0 * MINUTE;
    const DAY: f64 = 24.0 * HOUR;
    Histogram::new([
        0.001,
        0.003,
        0.01,
        0.03,
        0.1,
        0.3,
        1.0,
        3.0,
        10.0,
        MINUTE,
        10.0 * MINUTE,
        HOUR,
        6.0 * HOUR,
        DAY,
        7.0 * DAY,
        30.0 * DAY,
    ])
}

/// Lengths of time from 100 µs to 100 s, after which there should be an end.
pub(super) fn moments() -> Histogram {
    Histogram::new([
        0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0,
    ])
}

/// Raises a counter to a total that is counted elsewhere.
pub(super) fn raise(counter: &Counter, total: u64) {
    counter.inner().fetch_max(total, Ordering::Relaxed);
}

/// A count for a gauge.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
