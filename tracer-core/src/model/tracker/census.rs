//! How many of everything.

use tracer_common::kind::NsKind;

use super::super::State;

/// How many of everything, kept up to date with each event: reading it costs
/// nothing, however many namespaces there are. Initial namespaces count as
/// active.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Census {
    /// Namespaces by [`NsKind`], then by [`State`] in the order of
    /// [`State::ALL`].
    pub namespaces: [[u64; State::ALL.len()]; NsKind::COUNT],
    /// Live nsproxies.
    pub nsproxies: u64,
}

impl Census {
    /// Namespaces of one type in one state.
    pub fn count(&self, kind: NsKind, state: State) -> u64 {
        self.namespaces[kind as usize][state as usize]
    }

    pub(super) fn enter(&mut self, kind: NsKind, state: State) {
        self.namespaces[kind as usize][state as usize] += 1;
    }

    pub(super) fn leave(&mut self, kind: NsKind, state: State) {
        self.namespaces[kind as usize][state as usize] -= 1;
    }
}
