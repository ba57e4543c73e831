//! Faults on purpose, for tests: hooks that are taken away for a while, memory
//! that cannot be read. Only with the feature `faults`, which no shipped binary
//! has.

use tracer_common::layout::Layout;

use super::{Engine, Options, StartError, describe, error::EngineError, kernel::Kernel};
use crate::plan::{Candidate, HOOKS};

/// So far from the beginning of anything that nothing is there.
const NOWHERE: u32 = 0xFFFF_0000;

/// Where things are, or are said to be.
pub(super) fn layout(mut layout: Layout, options: &Options) -> Layout {
    if options.unreadable {
        layout.user_owner_uid = NOWHERE;
    }
    layout
}

impl Engine {
    /// Takes away all hooks whose names start so, as if somebody had detached
    /// them: nothing else is told, and nothing is counted as lost.
    pub fn detach(&mut self, prefix: &str) -> Result<(), EngineError> {
        self.kernel.detach(prefix);
        Ok(())
    }

    /// Puts back all hooks that were taken away.
    pub fn attach_again(&mut self) -> Result<(), StartError> {
        self.kernel.attach_again()
    }

    /// How many are taken away.
    pub fn detached(&self) -> usize {
        self.kernel.detached.len()
    }
}

impl Kernel {
    fn detach(&mut self, prefix: &str) {
        let candidates: Vec<Candidate> = HOOKS
            .iter()
            .filter(|hook| hook.name.starts_with(prefix))
            .filter_map(|hook| {
                let function = self.attached_to(hook.name)?;
                let mut candidates = hook.candidates.iter();
                candidates.find(|candidate| candidate.function == function)
            })
            .copied()
            .collect();
        for candidate in candidates {
            self.unload(candidate);
            self.detached.push(candidate);
        }
    }

    fn attach_again(&mut self) -> Result<(), StartError> {
        let described = describe::describe()?;
        let detached = std::mem::take(&mut self.detached);
        self.attach_again_to(detached, &described.btf)
    }
}
