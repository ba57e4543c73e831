//! What holds for every history, on each kind of kernel.

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod late;
mod order;
mod repetition;
mod truth;
mod walks;

use proptest::prelude::*;
use proptest::test_runner::Config as ProptestConfig;
use support::sim::listener::Listener;
use support::sim::{Choice, DEEDS, Kernel, Sim};
use tracer_core::model::Event;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn kernels() -> impl Strategy<Value = Kernel> {
    prop::sample::select(&Kernel::ALL[..])
}

fn choices(count: usize) -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec(
        (0..DEEDS, any::<u16>(), any::<u16>(), any::<u16>()),
        0..count,
    )
}

/// Percent of something, again and again.
fn luck() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0_u8..100, 1..40)
}

/// Everything that a kernel says while it does all this.
fn told(sim: &mut Sim, history: &[Choice]) -> Vec<Event> {
    let steps = history.iter().flat_map(|&choice| sim.step(choice));
    steps.collect()
}
