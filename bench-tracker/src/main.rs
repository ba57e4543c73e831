//! How many records and events a second one core takes, and whether that depends on how many
//! namespaces there are. Each line that it prints is a figure of `cargo xtask bench`. With `--short`
//! less is measured.

#[path = "../../tracer-user/tests/support/mod.rs"]
mod support;

use std::{
    env, fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use nslife::decode;

use nslife::model::{Body, Config, Event, NsFacts, Tracker, Transition};
use support::sim::event_at;
use support::{COUNTS, Ns, OLD, World};
use tracer_common::kind::NsKind;

/// Events of one measurement, and how often it is done.
const EVENTS: usize = 2_000_000;
const RUNS: usize = 5;
const SHORT_EVENTS: usize = 500_000;
const SHORT_RUNS: usize = 3;
/// Events that are made before they are measured.
const BATCH: usize = 10_000;

/// How many namespaces there are.
const LIVE: [usize; 3] = [100, 10_000, 1_000_000];

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
    let short = env::args().any(|argument| argument == "--short");
    let (events, runs) = if short {
        (SHORT_EVENTS, SHORT_RUNS)
    } else {
        (EVENTS, RUNS)
    };
    let records = records();
    let rates: Vec<_> = (0..runs).map(|_| decoded(&records, events)).collect();
    print(
        "decode",
        "records of all kernels",
        "million a second",
        rates,
    );
    for Kind { name, measure } in KINDS {
        let mut rates = LIVE.map(|_| Vec::new());
        // In turn, so that what else the machine does is in none of them.
        for _ in 0..runs {
            for (rates, live) in rates.iter_mut().zip(LIVE) {
                rates.push(measure(live, events));
            }
        }
        let [few, _, many] = &rates;
        let ratios = few.iter().zip(many).map(|(few, many)| many / few).collect();
        for (rates, live) in rates.into_iter().zip(LIVE) {
            print(name, &format!("{live} live"), "million a second", rates);
        }
        print(name, "most/fewest", "ratio", ratios);
    }
}

/// One figure: the median of what was measured, and its ends.
fn print(row: &str, column: &str, unit: &str, mut samples: Vec<f64>) {
    samples.sort_by(f64::total_cmp);
    let figure = serde_json::json!({
        "table": "tracker",
        "row": row,
        "column": column,
        "value": samples[samples.len() / 2],
        "low": samples[0],
        "high": samples[samples.len() - 1],
        "unit": unit,
    });
    println!("{figure}");
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

/// Millions of records that are decoded in a second.
fn decoded(records: &[Vec<u8>], count: usize) -> f64 {
    let start = Instant::now();
    for record in records.iter().cycle().take(count) {
        black_box(decode::event(record).expect("a kernel wrote it"));
    }
    count as f64 / start.elapsed().as_secs_f64() / 1e6
}

/// Millions of events that the tracker takes in a second.
fn rate(mut tracker: Tracker, events: usize, mut event: impl FnMut(usize) -> Event) -> f64 {
    let mut transitions: Vec<Transition> = Vec::new();
    let mut spent = Duration::ZERO;
    let mut batch = Vec::with_capacity(BATCH);
    for first in (0..events).step_by(BATCH) {
        // As the ring buffer has them: one after the other in memory.
        batch.clear();
        batch.extend((first..first + BATCH).map(&mut event));
        let start = Instant::now();
        for event in &batch {
            transitions.clear();
            tracker.apply(event, &mut transitions);
            black_box(&transitions);
        }
        spent += start.elapsed();
    }
    events as f64 / spent.as_secs_f64() / 1e6
}

fn flips(live: usize, events: usize) -> f64 {
    let (tracker, namespaces) = populated(COUNTS, live);
    rate(tracker, events, |index| {
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
    rate(tracker, events, |index| {
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
    rate(tracker, events, |index| {
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
    rate(tracker, events, |index| {
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
    rate(tracker, events, |index| {
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
