//! What nslife may cost.

use super::figure::{Figure, number};
use crate::kernels::Series;

/// Something that may cost so much.
struct Budget {
    table: &'static str,
    row: &'static str,
    column: &'static str,
    limit: Limit,
    /// Since which series, and up to which one.
    kernels: (&'static str, &'static str),
    /// Whether the short form measures it, too.
    short: bool,
}

/// How much.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

const ALL_KERNELS: (&str, &str) = ("6.1", "7.3");
const WITH_COUNT: (&str, &str) = ("6.19", "7.3");

const fn at_most(row: &'static str, column: &'static str, limit: f64) -> Budget {
    Budget {
        table: "operations",
        row,
        column,
        limit: Limit::AtMost(limit),
        kernels: ALL_KERNELS,
        short: true,
    }
}

/// MiB. It takes 10.7, of which 8.6 are files: nslife itself, and pages of the ring buffer.
const MEMORY_AT_REST: f64 = 16.0;
/// KiB. 1 is what was wanted; 1.4 is what it takes, see docs/proof.md.
const MEMORY_OF_EACH: f64 = 1.5;

/// Instructions. Five milliseconds of a core that executes 3,000 million a second.
const SCRAPE: f64 = 15e6;

/// Million instructions to start a daemon, and to stop it: a seventh more than it takes.
const START: f64 = 3500.0;
const STOP: f64 = 1400.0;
/// What nslife itself does to find its way in the kernel's BTF.
const START_BTF: f64 = 150.0;

/// What a start or a stop takes, of which instructions say most.
const fn starting(row: &'static str, limit: f64) -> Budget {
    Budget {
        table: "start and stop",
        kernels: ("7.3", "7.3"),
        ..at_most(row, "executed", limit)
    }
}

/// However many namespaces there are.
const fn scrape(column: &'static str) -> Budget {
    Budget {
        table: "daemon",
        ..at_most("for each scrape", column, SCRAPE)
    }
}

/// Of the 3 million events a second that the tracker is to take on a core of its own, this many are
/// enough here: the host's clock is not to be relied on, and others use its caches.
const TRACKER_FLOOR: f64 = 1.0;

/// What an event may take of a core that executes 10,000 million instructions a second and is to
/// take 3 million events.
const TRACKER_CEILING: f64 = 3333.0;

/// By the clock: nothing for a machine that has other things to do meanwhile.
const fn tracker(row: &'static str) -> Budget {
    Budget {
        table: "tracker",
        row,
        column: "10000 live",
        limit: Limit::AtLeast(TRACKER_FLOOR),
        kernels: ALL_KERNELS,
        short: false,
    }
}

/// The same in instructions.
const fn light(row: &'static str) -> Budget {
    Budget {
        table: "tracker, instructions",
        limit: Limit::AtMost(TRACKER_CEILING),
        short: true,
        ..tracker(row)
    }
}

/// Whatever there is, an event takes as many instructions.
const fn flat(row: &'static str) -> Budget {
    Budget {
        table: "tracker, instructions",
        column: "cost of most/fewest",
        limit: Limit::AtMost(1.2),
        ..light(row)
    }
}

/// Everything that is limited.
const BUDGETS: &[Budget] = &[
    Budget {
        kernels: WITH_COUNT,
        short: false,
        ..at_most("fork_exit", "nslife more", 1.5)
    },
    // The short form has one round, in which forks may not have settled.
    at_most("fork_exit", "nslife more", 3.0),
    Budget {
        short: false,
        ..at_most("fork_exit", "nslife/bpftrace", 1.0 / 3.0)
    },
    at_most("fork_exit", "records", 0.0),
    at_most("fork_exec_exit", "records", 0.0),
    at_most("fork_exit_inside", "records", 0.0),
    at_most("fork_exec_exit_inside", "records", 0.0),
    Budget {
        table: "daemon",
        ..at_most("at rest", "memory", MEMORY_AT_REST)
    },
    Budget {
        table: "daemon",
        short: false,
        ..at_most("for each that is there", "memory", MEMORY_OF_EACH)
    },
    Budget {
        table: "list",
        short: false,
        ..at_most("2000 processes", "nslife list/lsns", 0.25)
    },
    starting("start of the daemon", START),
    starting("of it: btf", START_BTF),
    starting("stop of the daemon", STOP),
    scrape("few namespaces"),
    scrape("many namespaces"),
    tracker("flips of the count"),
    tracker("credentials"),
    tracker("pids"),
    tracker("nsfs inodes"),
    tracker("nsproxies"),
    tracker("whole lives"),
    light("flips of the count"),
    light("credentials"),
    light("pids"),
    light("nsfs inodes"),
    light("nsproxies"),
    light("whole lives"),
    flat("flips of the count"),
    flat("credentials"),
    flat("pids"),
    flat("nsfs inodes"),
    flat("nsproxies"),
    flat("whole lives"),
];

/// What is over its budget, or was not measured although it has one.
pub(super) fn exceeded(figures: &[Figure], kernel: Series, short: bool) -> Vec<String> {
    BUDGETS
        .iter()
        .filter(|budget| budget.applies(kernel) && (budget.short || !short))
        .filter_map(|budget| budget.complaint(figures))
        .collect()
}

impl Budget {
    fn applies(&self, kernel: Series) -> bool {
        let bound = |text: &str| text.parse::<Series>().ok();
        let (first, last) = (bound(self.kernels.0), bound(self.kernels.1));
        first.is_none_or(|first| first <= kernel) && last.is_none_or(|last| kernel <= last)
    }

    fn complaint(&self, figures: &[Figure]) -> Option<String> {
        let place = format!("{}: {}, {}", self.table, self.row, self.column);
        let mut figures = figures.iter();
        let Some(figure) = figures.find(|figure| figure.is_at(self.table, self.row, self.column))
        else {
            return Some(format!(
                "{place}: there is a budget, but it was not measured"
            ));
        };
        let (met, limit, words) = match self.limit {
            Limit::AtMost(limit) => (figure.value <= limit, limit, "at most"),
            Limit::AtLeast(limit) => (figure.value >= limit, limit, "at least"),
        };
        (!met).then(|| {
            let (value, limit) = (number(figure.value), number(limit));
            format!(
                "{place}: {value} {}, and the budget is {words} {limit}",
                figure.unit
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::figure::sample, *};

    fn operation(row: &str, column: &str, value: f64) -> Figure {
        Figure {
            table: "operations".to_owned(),
            ..sample(row, column, "%", value)
        }
    }

    /// Within all budgets of the short form.
    fn good(more: f64) -> Vec<Figure> {
        let memory = Figure {
            table: "daemon".to_owned(),
            ..sample("at rest", "memory", "MiB", 8.0)
        };
        let scrape = |column| Figure {
            table: "daemon".to_owned(),
            ..sample("for each scrape", column, "instructions", 1e6)
        };
        let mut figures = vec![
            operation("fork_exit", "nslife more", more),
            operation("fork_exit", "nslife/bpftrace", 0.2),
            memory,
            scrape("few namespaces"),
            scrape("many namespaces"),
        ];
        let others = BUDGETS.iter().filter(|budget| {
            budget.table.starts_with("tracker") || budget.table == "start and stop"
        });
        figures.extend(others.map(|budget| Figure {
            table: budget.table.to_owned(),
            ..sample(budget.row, budget.column, "", 1.0)
        }));
        for row in [
            "fork_exit",
            "fork_exec_exit",
            "fork_exit_inside",
            "fork_exec_exit_inside",
        ] {
            figures.push(operation(row, "records", 0.0));
        }
        figures
    }

    fn complaints(figures: &[Figure], kernel: &str) -> Vec<String> {
        exceeded(figures, kernel.parse().unwrap(), true)
    }

    #[test]
    fn a_fork_may_cost_more_where_nslife_counts_and_in_a_single_round() {
        let more = "operations: fork_exit, nslife more";
        let complains = |figures: &[Figure], kernel: &str, short| {
            exceeded(figures, kernel.parse().unwrap(), short)
                .iter()
                .any(|complaint| complaint.starts_with(more))
        };
        assert!(!complains(&good(1.4), "7.3", false));
        assert!(complains(&good(1.6), "6.19", false));
        assert!(!complains(&good(1.6), "6.19", true));
        assert!(!complains(&good(2.9), "6.18", false));
        assert!(complains(&good(3.1), "6.1", false));
        assert!(complains(&good(3.1), "7.3", true));
    }

    #[test]
    fn a_record_is_one_too_many() {
        let mut figures = good(1.0);
        figures.last_mut().unwrap().value = 0.01;
        assert_eq!(complaints(&figures, "7.3").len(), 1);
    }

    #[test]
    fn what_was_not_measured_is_not_within_its_budget() {
        let mut figures = good(1.0);
        figures.pop();
        let complaints = complaints(&figures, "7.3");
        assert!(complaints[0].contains("not measured"), "{complaints:?}");
        // The long form has more budgets: for each namespace that is there, and for a list.
        assert_eq!(exceeded(&good(1.0), "7.3".parse().unwrap(), false).len(), 2);
    }
}
