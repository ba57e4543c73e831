//! How many records and events a second one core takes, and whether that depends on how many
//! namespaces there are. Each line that it prints is a figure of `cargo xtask bench`.
//!
//! With `--short` less is measured. With `--instructions` it is the number of instructions that is
//! told: where a nanosecond is one, in a virtual machine of `cargo xtask bench`.

#[path = "../../tracer-user/tests/support/mod.rs"]
mod support;

use std::{env, fs, hint::black_box, path::Path, time::Duration};

use nslife::decode;

use nslife::model::{Body, Config, Event, NsFacts, Tracker, Transition};
use rustix::time::{ClockId, clock_gettime};
use support::sim::event_at;
use support::{COUNTS, Ns, OLD, World};
use tracer_common::kind::NsKind;

/// Events that are made before they are measured.
const BATCH: usize = 10_000;

/// How much is measured, and how it is told.
struct Plan {
    /// Events of one measurement.
    events: usize,
    /// How often it is done.
    runs: usize,
    /// How many namespaces there are.
    live: [usize; 3],
    /// The table, what it is counted in, and that, of nanoseconds an event.
    table: &'static str,
    unit: &'static str,
    told: fn(f64) -> f64,
}

/// By the clock, on a core that others may use, too.
const RATE: Plan = Plan {
    events: 2_000_000,
    runs: 5,
    live: [100, 10_000, 1_000_000],
    table: "tracker",
    unit: "million a second",
    told: |nanoseconds| 1000.0 / nanoseconds,
};

const SHORT_RATE: Plan = Plan {
    events: 500_000,
    runs: 3,
    ..RATE
};

/// Always the same, so once is enough.
const INSTRUCTIONS: Plan = Plan {
    events: 100_000,
    runs: 1,
    live: [100, 10_000, 100_000],
    table: "tracker, instructions",
    unit: "instructions",
    told: |nanoseconds| nanoseconds,
};

/// How deep pid namespaces may be.
const MAX_LEVELS: usize = 32;

/// A generator of numbers that are not in any order (splitmix64).
fn scatter(seed: u64) -> usize {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) as usize
}

/// A world with a user namespace that owns `count` network namespaces.
fn populated(config: Config, count: usize) -> (Tracker, Vec<Ns>) {
    populated_with(NsKind::Net, config, count)
}

/// The same with others. Of pid namespaces each is the parent of the next, as
/// deep as the kernel lets them.
fn populated_with(kind: NsKind, config: Config, count: usize) -> (Tracker, Vec<Ns>) {
    let mut world = World::new(config);
    let mut tracker = Tracker::new(config);
    let mut transitions = Vec::new();
    let user = world.ns_of(NsKind::User);
    tracker.apply(&event_at(1, Body::Created(user.facts)), &mut transitions);
    let mut parent: Option<Ns> = None;
    let namespaces: Vec<Ns> = (0..count)
        .map(|index| {
            let mut ns = world.ns_of(kind).owned_by(&user);
            if let Some(parent) = &parent
                && index % MAX_LEVELS > 0
            {
                ns = ns.child_of(parent);
            }
            parent = (kind == NsKind::Pid).then_some(ns);
            transitions.clear();
            tracker.apply(&event_at(2, Body::Created(ns.facts)), &mut transitions);
            ns
        })
        .collect();
    (tracker, namespaces)
}

/// One kind of event.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    measure: fn(usize, usize) -> f64,
}

const KINDS: [Kind; 6] = [
    Kind {
        name: "flips of the count",
        measure: flips,
    },
    Kind {
        name: "credentials",
        measure: |live, events| tasks(NsKind::User, live, events),
    },
    Kind {
        name: "pids",
        measure: |live, events| tasks(NsKind::Pid, live, events),
    },
    Kind {
        name: "nsfs inodes",
        measure: inodes,
    },
    Kind {
        name: "nsproxies",
        measure: nsproxies,
    },
    Kind {
        name: "whole lives",
        measure: lives,
    },
];

fn main() {
    let asked = |option| env::args().any(|argument| argument == option);
    let plan = match (asked("--instructions"), asked("--short")) {
        (true, _) => INSTRUCTIONS,
        (false, true) => SHORT_RATE,
        (false, false) => RATE,
    };
    let records = records();
    let spent = (0..plan.runs).map(|_| decoded(&records, plan.events));
    plan.print("decode", "records of all kernels", spent.collect());
    for Kind { name, measure } in KINDS {
        let mut spent = plan.live.map(|_| Vec::new());
        // In turn, so that what else the machine does is in none of them.
        for _ in 0..plan.runs {
            for (spent, live) in spent.iter_mut().zip(plan.live) {
                spent.push(measure(live, plan.events));
            }
        }
        let [few, _, many] = &spent;
        let ratios = few.iter().zip(many).map(|(few, many)| many / few).collect();
        for (spent, live) in spent.into_iter().zip(plan.live) {
            plan.print(name, &format!("{live} live"), spent);
        }
        plan.print_as(name, "cost of most/fewest", "ratio", ratios);
    }
}

impl Plan {
    /// One figure: nanoseconds an event.
    fn print(&self, row: &str, column: &str, spent: Vec<f64>) {
        let told = spent.into_iter().map(self.told).collect();
        self.print_as(row, column, self.unit, told);
    }

    /// The median of what was measured, and its ends.
    fn print_as(&self, row: &str, column: &str, unit: &str, mut samples: Vec<f64>) {
        samples.sort_by(f64::total_cmp);
        let figure = serde_json::json!({
            "table": self.table,
            "row": row,
            "column": column,
            "value": samples[samples.len() / 2],
            "low": samples[0],
            "high": samples[samples.len() - 1],
            "unit": unit,
        });
        println!("{figure}");
    }
}

/// For how long this thread has had a processor.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("no time before the start")
}

/// Records that kernels wrote: the stored recordings of all of them.
fn records() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tracer-user/tests/recordings");
    let mut records = Vec::new();
    for file in fs::read_dir(folder).expect("recordings are stored") {
        let path = file.expect("a folder can be read").path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = fs::read_to_string(path).expect("recordings are text");
            let lines = text.lines().filter_map(|line| line.strip_prefix("record "));
            records.extend(lines.map(bytes));
        }
    }
    assert!(!records.is_empty(), "nothing is recorded");
    records
}

/// The bytes that these 32-bit words, in hexadecimal, were.
fn bytes(words: &str) -> Vec<u8> {
    words
        .split_whitespace()
        .map(|word| u32::from_str_radix(word, 16).expect("a number"))
        .flat_map(u32::to_ne_bytes)
        .collect()
}

/// Nanoseconds that it takes to decode a record.
fn decoded(records: &[Vec<u8>], count: usize) -> f64 {
    let start = spent();
    for record in records.iter().cycle().take(count) {
        black_box(decode::event(record).expect("a kernel wrote it"));
    }
    nanoseconds(spent() - start, count)
}

/// Of each.
fn nanoseconds(all: Duration, count: usize) -> f64 {
    all.as_nanos() as f64 / count as f64
}

/// Nanoseconds that the tracker takes for an event.
fn cost(mut tracker: Tracker, events: usize, mut event: impl FnMut(usize) -> Event) -> f64 {
    let mut transitions: Vec<Transition> = Vec::new();
    let mut sum = Duration::ZERO;
    let mut batch = Vec::with_capacity(BATCH);
    for first in (0..events).step_by(BATCH) {
        // As the ring buffer has them: one after the other in memory.
        batch.clear();
        batch.extend((first..first + BATCH).map(&mut event));
        let start = spent();
        for event in &batch {
            transitions.clear();
            tracker.apply(event, &mut transitions);
            black_box(&transitions);
        }
        sum += spent() - start;
    }
    nanoseconds(sum, events)
}

fn flips(live: usize, events: usize) -> f64 {
    let (tracker, namespaces) = populated(COUNTS, live);
    cost(tracker, events, |index| {
        let ns = NsFacts {
            active: Some(index as u32 % 2),
            ..namespaces[scatter(index as u64 / 2) % live].facts
        };
        event_at(
            index as u64 + 3,
            Body::Activity {
                ns,
                sequence: index as u64,
                cause: None,
                below: None,
            },
        )
    })
}

fn tasks(kind: NsKind, live: usize, events: usize) -> f64 {
    let (tracker, namespaces) = populated_with(kind, OLD, live);
    cost(tracker, events, |index| {
        let ns = &namespaces[scatter(index as u64 / 2) % live];
        let ns = ns.with_tasks((index as u32 + 1) % 2).facts;
        let sequence = index as u64;
        event_at(
            index as u64 + 3,
            Body::Tasks {
                ns,
                sequence,
                cause: None,
            },
        )
    })
}

fn inodes(live: usize, events: usize) -> f64 {
    let (tracker, namespaces) = populated(OLD, live);
    cost(tracker, events, |index| {
        let ns = namespaces[scatter(index as u64 / 2) % live].facts;
        let inode = ns.key;
        let body = if index % 2 == 0 {
            Body::NsfsOpened { ns, inode }
        } else {
            Body::NsfsEvicted { ns, inode }
        };
        event_at(index as u64 + 3, body)
    })
}

fn nsproxies(live: usize, events: usize) -> f64 {
    let (tracker, namespaces) = populated(OLD, live);
    let mut world = World::new(OLD);
    let mut nsproxy = world.nsproxy(&[]);
    cost(tracker, events, |index| {
        if index % 2 == 0 {
            let ns = &namespaces[scatter(index as u64) % live];
            nsproxy = world.nsproxy(&[ns]);
            event_at(index as u64 + 3, Body::NsproxyInstalled(nsproxy))
        } else {
            event_at(index as u64 + 3, Body::NsproxyFreed(nsproxy))
        }
    })
}

fn lives(live: usize, events: usize) -> f64 {
    let (tracker, mut namespaces) = populated(COUNTS, live);
    let mut world = World::new(COUNTS);
    let user = world.ns_of(NsKind::User);
    let mut fresh = world.ns_of(NsKind::Net);
    cost(tracker, events, |index| {
        let count = |ns: Ns, count| Body::Activity {
            ns: NsFacts {
                active: Some(count),
                ..ns.facts
            },
            sequence: index as u64 + 1,
            cause: None,
            below: None,
        };
        let body = match index % 5 {
            0 => {
                // In place of one that the last round freed.
                let old = &mut namespaces[scatter(index as u64) % live];
                fresh = world.ns_of(NsKind::Net).owned_by(&user);
                fresh.facts.ns_id = fresh.facts.ns_id.map(|id| id | (1 << 40));
                fresh.facts.key = support::key(1 << 50 | scatter(index as u64) as u64 >> 20);
                *old = fresh;
                Body::Created(fresh.facts)
            }
            1 => count(fresh, 1),
            2 => count(fresh, 0),
            3 => Body::LastRef(fresh.facts),
            _ => Body::Freed(fresh.facts.as_ref()),
        };
        event_at(index as u64 + 3, body)
    })
}
