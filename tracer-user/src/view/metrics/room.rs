//! What nslife and its kernel programs use.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use super::{
    catalogue::{Kind, Metric, Unit, families},
    labels::{MAP, OfMap, PROGRAM},
    values::{Fraction, raise, signed},
};
use crate::{engine::Resources, model::Standing, view::clock::seconds};

/// A program, by the name that the kernel programs' object gives it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct OfProgram {
    program: String,
}

/// Counts seconds.
type SecondsTotal = Counter<f64, AtomicU64>;

/// Only where somebody pays for it.
const MEASURED: Option<&str> = Some(
    "while `kernel.bpf_stats_enabled` is 1 (`sysctl kernel.bpf_stats_enabled=1`), which makes \
     each run of any BPF program of the system a little slower",
);

/// A gauge.
const GAUGE: Metric = Metric {
    name: "",
    kind: Kind::Gauge,
    unit: Unit::Bytes,
    labels: &[],
    help: "",
    hooks: &[],
    basis: "the kernel programs, asked each second",
    remedy: "",
    only: None,
};

families! {
    /// Room and time.
    Room, "What nslife uses" {
        ring: Gauge = Gauge::default(), Metric {
            name: "nslife_ring_buffer_bytes",
            help: "Size of the ring buffer through which the kernel programs speak",
            remedy: "nothing; `--ring-buffer` sets it",
            ..GAUGE
        };
        ring_most: Gauge = Gauge::default(), Metric {
            name: "nslife_ring_buffer_most_bytes",
            help: "The most of it that was ever taken by what nslife had not read yet",
            remedy: "near nslife_ring_buffer_bytes: a larger `--ring-buffer`, before \
                     nslife_events_lost_total says `ring_full`",
            ..GAUGE
        };
        entries: Family<OfMap, Gauge> = Family::default(), Metric {
            name: "nslife_map_entries",
            unit: Unit::Of("entries"),
            labels: &[MAP],
            help: "Entries of the kernel programs' maps, as of the last walk",
            basis: "counted where a walk goes through them",
            remedy: "near nslife_map_capacity: a larger `--max-namespaces`, before \
                     nslife_events_lost_total says `map_full`",
            ..GAUGE
        };
        capacity: Family<OfMap, Gauge> = Family::default(), Metric {
            name: "nslife_map_capacity",
            unit: Unit::Of("entries"),
            labels: &[MAP],
            help: "Entries that they have room for",
            remedy: "nothing; `--max-namespaces` sets that of `namespaces`",
            ..GAUGE
        };
        walked_at: Fraction = Fraction::default(), Metric {
            name: "nslife_walk_last_timestamp_seconds",
            unit: Unit::Timestamp,
            help: "When the last walk through the kernel's tasks and namespaces began",
            basis: "nslife itself",
            remedy: "if it is long ago although audits are on, nslife is stuck or starved",
            ..GAUGE
        };
        waiting: Gauge = Gauge::default(), Metric {
            name: "nslife_requests_waiting",
            unit: Unit::Of("requests"),
            help: "Requests at the control socket that wait for an answer to be put together",
            basis: "nslife itself, each second",
            remedy: "somebody runs `nslife list` in a loop: each walks, at most once a second",
            ..GAUGE
        };
        runs: Family<OfProgram, Counter> = Family::default(), Metric {
            name: "nslife_bpf_runs",
            kind: Kind::Counter,
            unit: Unit::Of("runs"),
            labels: &[PROGRAM],
            help: "Runs of each kernel program",
            basis: "the kernel's statistics of its programs",
            remedy: "that hook is busy: `docs/proof.md` says what each operation costs",
            only: MEASURED,
            ..GAUGE
        };
        took: Family<OfProgram, SecondsTotal> = Family::default(), Metric {
            name: "nslife_bpf_run_seconds",
            kind: Kind::Counter,
            unit: Unit::Seconds,
            labels: &[PROGRAM],
            help: "Time that those runs took, of all processors",
            basis: "the kernel's statistics of its programs",
            remedy: "divide it by nslife_bpf_runs_total: hundreds of nanoseconds are what it takes",
            only: MEASURED,
            ..GAUGE
        };
    }
}

impl Default for Room {
    /// With every series that does not depend on the system.
    fn default() -> Self {
        let room = Self::empty();
        for map in (MAP.values)() {
            room.entries.get_or_create_owned(&OfMap { map });
            room.capacity.get_or_create_owned(&OfMap { map });
        }
        room
    }
}

impl Room {
    /// Takes over when the last walk began.
    pub(super) fn walked(&self, standing: &Standing, wall: impl Fn(u64) -> f64) {
        self.walked_at.set(standing.walked_at.map_or(0.0, wall));
    }

    /// Takes over what the kernel programs use, and how many requests wait.
    pub(super) fn resources(&self, resources: &Resources, waiting: usize) {
        self.ring.set(signed(resources.ring));
        self.ring_most.set(signed(resources.ring_most));
        self.waiting.set(signed(waiting as u64));
        for map in &resources.maps {
            let labels = OfMap { map: map.name };
            let set = |family: &Family<OfMap, Gauge>, value| {
                family.get_or_create(&labels).set(signed(value));
            };
            set(&self.entries, map.entries);
            set(&self.capacity, map.capacity);
        }
        if resources.programs.is_empty() {
            self.runs.clear();
            self.took.clear();
        }
        for program in &resources.programs {
            let labels = OfProgram {
                program: program.program.clone(),
            };
            raise(&self.runs.get_or_create_owned(&labels), program.runs);
            let took = self.took.get_or_create_owned(&labels);
            let more = seconds(program.took) - took.get();
            took.inc_by(more.max(0.0));
        }
    }
}
