//! A scrape is as large, and costs as much, with 50,000 namespaces as with 50.

#[path = "../../tracer-core/tests/support/mod.rs"]
mod support;

use std::time::Duration;

use nslife::model::{Body, NsFacts, Tracker};
use nslife::view::clock::Clock;
use nslife::view::metrics::{Format, Metrics};
use rustix::time::{ClockId, clock_gettime};
use support::sim::event_at;
use support::{COUNTS, World};
use tracer_common::kind::NsKind;

const FEW: usize = 50;
const MANY: usize = 50_000;

/// Nanoseconds, far more than the oldest age that is told apart.
const LATER: u64 = 200_000_000_000_000;

/// Of so many scrapes the cheapest one counts: others use the machine, too.
const SCRAPES: usize = 20;

/// Everything that the daemon would know of so many namespaces, of all types and in all states.
fn watched(count: usize) -> (Tracker, Metrics) {
    let mut world = World::walked(COUNTS);
    let mut tracker = Tracker::new(COUNTS);
    let metrics = Metrics::new("0");
    let mut transitions = Vec::new();
    let owner = world.ns_of(NsKind::User);
    for index in 0..count {
        let kind = NsKind::ALL[index % NsKind::COUNT];
        let ns = world.ns_of(kind).owned_by(&owner);
        let read = |active, sequence| Body::Activity {
            ns: NsFacts {
                active: Some(active),
                ..ns.facts
            },
            sequence,
            cause: None,
            below: None,
        };
        let bodies = [
            Body::created(ns.facts),
            read(1, 1),
            read(0, 2),
            Body::LastRef(ns.facts),
        ];
        // A quarter of them gets no further than each step.
        for body in bodies.into_iter().take(1 + index / NsKind::COUNT % 4) {
            let at = 1_000_000 * (index as u64 + 1);
            tracker.apply(&event_at(at, body), &mut transitions);
        }
    }
    assert_eq!(tracker.namespaces().count(), count);
    for transition in &transitions {
        metrics.transition(transition);
    }
    (tracker, metrics)
}

/// What a scrape takes of this thread's time, and of the daemon's second before it.
fn cost(tracker: &mut Tracker, metrics: &Metrics) -> Duration {
    let clock = Clock::sample();
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(
            u64::try_from(time.tv_sec).unwrap(),
            u32::try_from(time.tv_nsec).unwrap(),
        )
    };
    let scrape = || {
        let began = now();
        tracker.advance(LATER);
        metrics.census(tracker.census());
        metrics.standing(&tracker.standing(), &clock);
        metrics.encode(Format::OpenMetrics).unwrap();
        now() - began
    };
    // The first ones let all grow older.
    let costs: Vec<_> = std::iter::repeat_with(scrape).take(SCRAPES).collect();
    costs.into_iter().min().unwrap()
}

/// The names and labels of all series.
fn series(metrics: &Metrics) -> Vec<String> {
    let text = metrics.encode(Format::OpenMetrics).unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let names = samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned());
    names.collect()
}

#[test]
fn many_namespaces_cost_what_few_do() {
    let (mut few, few_metrics) = watched(FEW);
    let (mut many, many_metrics) = watched(MANY);
    let costs = (cost(&mut few, &few_metrics), cost(&mut many, &many_metrics));
    let series = (series(&few_metrics), series(&many_metrics));
    println!("{} series, {costs:?} for {FEW} and {MANY}", series.0.len());
    assert_eq!(series.0, series.1);
    assert!(costs.1 < 2 * costs.0, "{costs:?}");
    let standing = many.standing();
    let inactive = many
        .census()
        .count(NsKind::Net, nslife::model::State::Inactive);
    assert_eq!(standing.inactive_over[NsKind::Net as usize], [inactive; 4]);
}
