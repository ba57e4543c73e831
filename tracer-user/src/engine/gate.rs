//! Keeps the order of waves among threads that attach hooks.

use std::sync::{Condvar, Mutex, PoisonError};

/// Lets hooks of a wave be attached when all of the waves before it have been,
/// or cannot be.
pub(super) struct Gate {
    /// The waves of those that have not passed yet.
    to_pass: Mutex<Vec<u8>>,
    passed: Condvar,
}

impl Gate {
    /// A gate that hooks of these waves are to pass.
    pub(super) fn before(waves: impl Iterator<Item = u8>) -> Self {
        Self {
            to_pass: Mutex::new(waves.collect()),
            passed: Condvar::new(),
        }
    }

    /// Waits until no hook of an earlier wave is left.
    pub(super) fn wait_for_turn(&self, wave: u8) {
        let to_pass = self.to_pass.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |to_pass: &mut Vec<u8>| to_pass.iter().any(|&other| other < wave);
        drop(self.passed.wait_while(to_pass, waits));
    }

    /// A hook of this wave has passed when what is returned is dropped.
    pub(super) fn passes(&self, wave: u8) -> Passing<'_> {
        Passing { gate: self, wave }
    }
}

/// A hook on its way through a [`Gate`].
pub(super) struct Passing<'g> {
    gate: &'g Gate,
    wave: u8,
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let to_pass = self.gate.to_pass.lock();
        let mut to_pass = to_pass.unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = to_pass.iter().position(|&wave| wave == self.wave) {
            to_pass.swap_remove(position);
        }
        self.gate.passed.notify_all();
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
            gate.wait_for_turn(wave);
            order.lock().unwrap().push(wave);
            drop(passing);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 0, 1, 2]);
    }
}
