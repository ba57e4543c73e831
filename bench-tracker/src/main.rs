//! How many records and events a second one core takes, and whether that depends on how many
//! namespaces there are. Each line that it prints is a figure of `cargo xtask bench`.
//!
//! With `--short` less is measured. With `--instructions` it is the number of instructions that is
//! told: where a nanosecond is one, in a virtual machine of `cargo xtask bench`.

mod clock;
mod events;
#[path = "../../tracer-core/tests/support/mod.rs"]
mod support;

use std::{env, fs, hint::black_box, path::Path};

use tracer_core::decode;

use clock::{nanoseconds, spent};
use events::{KINDS, Kind};

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
    events: 1_000_000,
    runs: 3,
    live: [100, 10_000, 1_000_000],
    table: "tracker",
    unit: "million a second",
    told: |nanoseconds| 1000.0 / nanoseconds,
};

const SHORT_RATE: Plan = Plan {
    events: 300_000,
    runs: 2,
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

/// Records that kernels wrote: the stored recordings of all of them.
fn records() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tracer-core/tests/recordings");
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
