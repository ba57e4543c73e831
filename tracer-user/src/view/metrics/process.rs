//! The `process_*` metrics that every exporter has, read when scraped.

use std::{fmt, fs};

use prometheus_client::{
    collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

use super::catalogue::{Chapter, Kind, Metric, Unit};

/// About this process.
const OWN: Metric = Metric {
    name: "",
    kind: Kind::Gauge,
    unit: Unit::Bytes,
    labels: &[],
    help: "",
    hooks: &[],
    basis: "/proc/self",
    remedy: "",
    only: None,
};

const CPU: Metric = Metric {
    name: "process_cpu_seconds",
    kind: Kind::Counter,
    unit: Unit::Seconds,
    help: "Processor time used, user and system",
    remedy: "many records: look at nslife_events_total; or many walks: look at \
             nslife_resyncs_total",
    ..OWN
};
const RESIDENT: Metric = Metric {
    name: "process_resident_memory_bytes",
    help: "Resident memory",
    remedy: "about 1 KiB for each namespace is what it takes (docs/proof.md)",
    ..OWN
};
const VIRTUAL: Metric = Metric {
    name: "process_virtual_memory_bytes",
    help: "Virtual memory",
    remedy: "nothing: it costs nothing",
    ..OWN
};
const START: Metric = Metric {
    name: "process_start_time_seconds",
    unit: Unit::Timestamp,
    help: "When the process started, in seconds since the epoch",
    remedy: "if it moves, nslife is being restarted: its log says why",
    ..OWN
};
const OPEN_FILES: Metric = Metric {
    name: "process_open_fds",
    unit: Unit::Of("file descriptors"),
    help: "Open file descriptors",
    remedy: "each hook and each connection is one",
    ..OWN
};
const MOST_FILES: Metric = Metric {
    name: "process_max_fds",
    unit: Unit::Of("file descriptors"),
    help: "How many file descriptors may be open",
    remedy: "nothing",
    ..OWN
};

/// What this collector adds.
pub(super) const CHAPTER: Chapter = Chapter {
    title: "The process",
    families: &[CPU, RESIDENT, VIRTUAL, START, OPEN_FILES, MOST_FILES],
};

/// Reads `/proc/self` on every scrape; what cannot be read is left out.
#[derive(Debug)]
pub(super) struct Collector;

impl collector::Collector for Collector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut put = |family: &Metric, metric: &dyn EncodeMetric| {
            // A registry ends the sentence by itself, a collector does not.
            let help = format!("{}.", family.help);
            let descriptor =
                encoder.encode_descriptor(family.name, &help, None, metric.metric_type())?;
            metric.encode(descriptor)
        };
        let stat = fs::read_to_string("/proc/self/stat").ok();
        if let Some(usage) = stat.as_deref().and_then(Usage::parse) {
            put(&CPU, &ConstCounter::new(ticks_to_seconds(usage.cpu_ticks)))?;
            let resident = usage.resident_pages.saturating_mul(page_size() as u64);
            put(&RESIDENT, &ConstGauge::new(resident))?;
            put(&VIRTUAL, &ConstGauge::new(usage.virtual_bytes))?;
            let stat = fs::read_to_string("/proc/stat").ok();
            if let Some(boot) = stat.as_deref().and_then(boot_time) {
                let start = boot as f64 + ticks_to_seconds(usage.start_ticks);
                put(&START, &ConstGauge::new(start))?;
            }
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // One of them is the one that reads the directory.
            put(
                &OPEN_FILES,
                &ConstGauge::new(files.count().saturating_sub(1)),
            )?;
        }
        if let Some(limit) = getrlimit(Resource::Nofile).current {
            put(&MOST_FILES, &ConstGauge::new(limit))?;
        }
        Ok(())
    }
}

/// What `/proc/self/stat` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Usage {
    /// User and system time.
    cpu_ticks: u64,
    /// Start, after boot.
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Usage {
    fn parse(stat: &str) -> Option<Self> {
        // The name in parentheses may itself hold spaces and parentheses.
        // The field after it is the third of proc_pid_stat(5).
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<_> = fields.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.checked_add(field(15)?)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// `btime` of `/proc/stat`: boot, in seconds since the epoch.
fn boot_time(stat: &str) -> Option<u64> {
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

fn ticks_to_seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_a_hostile_name() {
        let stat = "1 (a) R 9 (x) S 1 1 1 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 3 0 777 8192 12 18446744073709551615";
        assert_eq!(
            Usage::parse(stat),
            Some(Usage {
                cpu_ticks: 200,
                start_ticks: 777,
                virtual_bytes: 8192,
                resident_pages: 12,
            })
        );
    }

    #[test]
    fn what_is_cut_short_is_not_guessed() {
        assert_eq!(Usage::parse(""), None);
        assert_eq!(Usage::parse("1 (a) S 1 2"), None);
        assert_eq!(boot_time("cpu 1 2\n"), None);
        assert_eq!(
            boot_time("cpu 1 2\nbtime 1700000000\n"),
            Some(1_700_000_000)
        );
    }
}
