//! Readings of the kernel's active count, taken by many CPUs at once.
//!
//! The pretend kernel counts as `__ns_ref_active_get` and `_put` do, and the
//! pretend programs read as those in `tracer-ebpf` do: draw a number, read,
//! report if the state flipped, for the namespace and each of its owners. Any
//! of these steps may come between any two of another CPU, and the reports
//! arrive in any order.

mod support;

use proptest::prelude::*;
use support::{COUNTS, World};

/// What one CPU is about to do.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Count this namespace up or down.
    Count { ns: usize, by: i64 },
    /// Draw a number for a reading of this one.
    Draw { ns: usize },
    /// Read the count.
    Read { ns: usize, sequence: u64 },
    /// Report it, if that is news.
    Report {
        ns: usize,
        sequence: u64,
        count: u32,
    },
}

#[derive(Clone, Debug, Default)]
struct Counter {
    owner: Option<usize>,
    active: i64,
    drawn: u64,
    /// Number and state of the newest reading.
    newest: Option<(u64, bool)>,
}

/// A call of get or put, which began with this namespace.
#[derive(Clone, Copy, Debug)]
struct Call {
    began: usize,
    is_get: bool,
    step: Step,
}

#[derive(Default)]
struct Cpus {
    counters: Vec<Counter>,
    calls: Vec<Call>,
    /// Namespaces that somebody has got and may put.
    held: Vec<usize>,
    reports: Vec<(usize, u64, u32)>,
}

impl Cpus {
    fn new(owners: &[Option<usize>]) -> Self {
        let counter = |&owner| Counter {
            owner,
            ..Counter::default()
        };
        Self {
            counters: owners.iter().map(counter).collect(),
            ..Self::default()
        }
    }

    fn call(&mut self, ns: usize, is_get: bool) {
        let by = if is_get { 1 } else { -1 };
        self.calls.push(Call {
            began: ns,
            is_get,
            step: Step::Count { ns, by },
        });
    }

    /// Lets one call take its next step.
    fn advance(&mut self, index: usize) {
        let call = self.calls[index];
        match self.next(call) {
            Some(step) => self.calls[index].step = step,
            None => {
                self.calls.swap_remove(index);
                if call.is_get {
                    self.held.push(call.began);
                }
            }
        }
    }

    fn next(&mut self, call: Call) -> Option<Step> {
        match call.step {
            Step::Count { ns, by } => {
                let counter = &mut self.counters[ns];
                let before = counter.active;
                counter.active += by;
                let edge = if call.is_get { before } else { counter.active };
                match counter.owner {
                    Some(owner) if edge == 0 => Some(Step::Count { ns: owner, by }),
                    _ => Some(Step::Draw { ns: call.began }),
                }
            }
            Step::Draw { ns } => {
                let counter = &mut self.counters[ns];
                counter.drawn += 1;
                let sequence = counter.drawn;
                Some(Step::Read { ns, sequence })
            }
            Step::Read { ns, sequence } => Some(Step::Report {
                ns,
                sequence,
                count: self.counters[ns].active as u32,
            }),
            Step::Report {
                ns,
                sequence,
                count,
            } => {
                let counter = &mut self.counters[ns];
                let active = count.cast_signed() > 0;
                if counter.newest.is_none_or(|(newest, _)| newest < sequence) {
                    let flipped = counter.newest.is_none_or(|(_, state)| state != active);
                    counter.newest = Some((sequence, active));
                    if flipped {
                        self.reports.push((ns, sequence, count));
                    }
                }
                counter.owner.map(|ns| Step::Draw { ns })
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1024,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_final_state_is_the_truth(
        history in prop::collection::vec((0_u8..8, any::<prop::sample::Index>()), 0..400),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..50),
    ) {
        // Two trees: 0 <- 1 <- 2 <- {3, 4}, 0 <- 5.
        let owners = [None, Some(0), Some(1), Some(2), Some(2), Some(0)];
        let mut cpus = Cpus::new(&owners);
        for (deed, index) in history {
            match deed {
                0 => cpus.call(index.index(owners.len()), true),
                1 if !cpus.held.is_empty() => {
                    let index = index.index(cpus.held.len());
                    let ns = cpus.held.swap_remove(index);
                    cpus.call(ns, false);
                }
                _ if !cpus.calls.is_empty() => cpus.advance(index.index(cpus.calls.len())),
                _ => {}
            }
        }
        while !cpus.calls.is_empty() {
            cpus.advance(0);
        }

        let mut world = World::walked(COUNTS);
        let namespaces = owners.map(|_| world.ns("user"));
        for ns in &namespaces {
            world.created(ns);
        }
        // Some arrive twice.
        let again = cpus.reports.iter().step_by(3);
        let mut reports: Vec<_> = cpus.reports.iter().chain(again).collect();
        for index in order.iter().cycle() {
            if reports.is_empty() {
                break;
            }
            let &(ns, sequence, count) = reports.swap_remove(index.index(reports.len()));
            world.count_numbered(&namespaces[ns], sequence, count);
        }
        for (ns, counter) in namespaces.iter().zip(&cpus.counters) {
            let shown = world.state(ns).map(|state| state.name());
            let truth = if counter.active > 0 { "active" } else { "inactive" };
            prop_assert_eq!(shown, Some(truth));
        }
    }
}
