//! What `nslife list` says about a stage: the daemon has walked the kernel's own structures, and knows
//! nothing of the trace.

use anyhow::{Context as _, Result, ensure};

use tracer_common::kind::NsKind::Pid;

use super::Stage;
use crate::{
    expect::same,
    held::Held,
    kernel::{COUNTS, LISTS},
    trace::{Namespace, State},
};

impl Stage<'_> {
    /// Fails unless `nslife list` shows these as they are to be.
    pub(crate) fn shows<'n>(
        &self,
        expected: impl IntoIterator<Item = (&'n Namespace, Held)>,
    ) -> Result<()> {
        let list = self.sums_agree()?;
        for (ns, held) in expected {
            let listed = list.find(ns);
            let listed = listed.with_context(|| format!("nslife list does not show {ns}"))?;
            self.is_held(listed, held)
                .with_context(|| format!("nslife list shows {listed:?}"))?;
        }
        Ok(())
    }

    /// As [`Self::shows`], for namespaces that nothing shows but the kernel's own lists, where
    /// there are such.
    pub(crate) fn shows_if_there_are_lists<'n>(
        &self,
        expected: impl IntoIterator<Item = (&'n Namespace, Held)>,
    ) -> Result<()> {
        if self.world.kernel >= LISTS {
            self.shows(expected)?;
        }
        Ok(())
    }

    fn is_held(&self, listed: &Namespace, held: Held) -> Result<()> {
        let sum = held.because.sum();
        let state = if sum > 0 {
            State::Active
        } else {
            State::Inactive
        };
        same("its state", state, listed.state)?;
        same("tasks in it", Some(held.tasks), listed.tasks)?;
        if self.world.kernel >= COUNTS {
            same("its active count", Some(sum), listed.active_count)?;
        }
        same(
            "why it is active",
            Some(held.because),
            listed.active_because,
        )?;
        let mounts = (listed.ns_type == Pid.name()).then_some(held.procfs_mounts);
        same("its procfs mounts", mounts, listed.procfs_mounts)?;
        let refs = listed.ref_count;
        ensure!(refs.is_some_and(|refs| refs > 0), "nothing refers to it");
        Ok(())
    }
}
