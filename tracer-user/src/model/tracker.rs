//! The state machine.

/// What the kernel offers, as far as the model must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// The kernel numbers its namespaces (`ns_common.ns_id`, 6.18+).
    pub kernel_ids: bool,
    /// The kernel keeps an active count (`__ns_ref_active`, 6.19+).
    pub kernel_counts: bool,
}

/// How many of everything, kept up to date with each event: reading it costs
/// nothing, however many namespaces there are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Census {
    /// Namespaces by [`super::State`] (in the order of `State::ALL`) and by
    /// [`tracer_common::kind::NsKind`].
    pub namespaces: [[u64; 3]; 8],
    /// Live nsproxies.
    pub nsproxies: u64,
}

/// Skeleton.
pub struct Tracker;
