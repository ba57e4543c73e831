//! Keeps the order of waves among threads that attach hooks.

use std::sync::{Condvar, Mutex, PoisonError};

/// Blocks a hook until every hook of an earlier wave was attached or refused.
pub(super) struct Gate(Mutex<State>, Condvar);

struct State {
    /// The waves of the hooks that have been neither attached nor refused.
    open: Vec<u8>,
    /// The waves of those that were refused.
    refused: Vec<u8>,
}

impl Gate {
    /// A gate for hooks of these waves.
    pub(super) fn before(waves: impl Iterator<Item = u8>) -> Self {
        let state = State {
            open: waves.collect(),
            refused: Vec::new(),
        };
        Self(Mutex::new(state), Condvar::new())
    }

    /// Blocks until no hook of an earlier wave is open. False if one of them was
    /// refused: what is planned in its place comes first.
    pub(super) fn wait_for_turn(&self, wave: u8) -> bool {
        let Self(state, changed) = self;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |state: &mut State| state.open.iter().any(|&other| other < wave);
        let waited = changed.wait_while(state, waits);
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        state.refused.iter().all(|&other| other >= wave)
    }

    /// Notes that a hook of this wave was refused.
    pub(super) fn refuse(&self, wave: u8) {
        let Self(state, _) = self;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.refused.push(wave);
    }

    /// Takes a hook of this wave off the open ones when the returned value is
    /// dropped.
    pub(super) fn passes(&self, wave: u8) -> Passing<'_> {
        Passing { gate: self, wave }
    }
}

/// An open hook of a [`Gate`].
pub(super) struct Passing<'g> {
    gate: &'g Gate,
    wave: u8,
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let Gate(state, changed) = self.gate;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = state.open.iter().position(|&wave| wave == self.wave) {
            state.open.swap_remove(position);
        }
        changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::parallel::on_threads, *};

    #[test]
    fn a_wave_passes_when_all_before_it_have() {
        let gate = Gate::before([1, 0, 2, 0].into_iter());
        let order = Mutex::new(Vec::new());
        // Each has a thread of its own, or the first one would wait for ever.
        on_threads(vec![2, 1, 0, 0], 4, |wave| {
            let passing = gate.passes(wave);
            assert!(gate.wait_for_turn(wave));
            order.lock().unwrap().push(wave);
            drop(passing);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 0, 1, 2]);
    }

    #[test]
    fn what_comes_after_a_refused_wave_is_put_off() {
        let gate = Gate::before([0, 1, 2].into_iter());
        let first = gate.passes(0);
        assert!(gate.wait_for_turn(0));
        drop(first);
        let second = gate.passes(1);
        assert!(gate.wait_for_turn(1));
        gate.refuse(1);
        drop(second);
        assert!(gate.wait_for_turn(1), "others of its wave are not");
        assert!(!gate.wait_for_turn(2));
    }
}
