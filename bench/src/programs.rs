//! How often each kernel program runs, and how many instructions a run takes: the kernel's own
//! statistics, which it keeps in nanoseconds.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use aya::{
    programs::loaded_programs,
    sys::{Stats, enable_stats},
};

/// Runs and instructions of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// How often it ran.
    pub(crate) runs: u64,
    /// Instructions of all runs together.
    pub(crate) instructions: u64,
}

impl Usage {
    /// Instructions of a run.
    pub(crate) fn each(&self) -> f64 {
        self.instructions as f64 / self.runs as f64
    }

    /// Instructions of all runs beyond so many of each.
    pub(crate) fn beyond(&self, floor: f64) -> f64 {
        self.instructions as f64 - floor * self.runs as f64
    }
}

/// What programs did, by their names.
pub(crate) type Used = BTreeMap<String, Usage>;

/// How often something is done, to see what the programs do for it.
pub(crate) const LOOKS: u32 = 3;

/// What the programs do, by their names, while something is done, of [`LOOKS`] times the one with
/// the shortest runs: an interrupt that falls into a program is counted as the program's.
pub(crate) fn during(mut act: impl FnMut() -> Result<()>) -> Result<Used> {
    let mut least = Used::new();
    for _ in 0..LOOKS {
        for (name, usage) in look(&mut act)? {
            let kept = least.entry(name).or_insert(usage);
            if usage.each() < kept.each() {
                *kept = usage;
            }
        }
    }
    Ok(least)
}

/// What the programs did, by their names, while something was done. Programs that did not run are
/// left out.
fn look(act: impl FnOnce() -> Result<()>) -> Result<Used> {
    let kept = enable_stats(Stats::RunTime).context("the kernel keeps no statistics")?;
    let before = all()?;
    act()?;
    let after = all()?;
    drop(kept);
    let mut used = BTreeMap::new();
    for ((id, name), now) in after {
        let then = before.get(&(id, name.clone())).copied().unwrap_or_default();
        if now.runs > then.runs {
            let sum: &mut Usage = used.entry(name).or_default();
            sum.runs += now.runs - then.runs;
            sum.instructions += now.instructions - then.instructions;
        }
    }
    Ok(used)
}

/// All that are loaded, by number and name.
fn all() -> Result<BTreeMap<(u32, String), Usage>> {
    loaded_programs()
        .map(|program| {
            let program = program.context("cannot ask for the kernel programs")?;
            let name = program.name_as_str().unwrap_or_default().to_owned();
            let usage = Usage {
                runs: program.run_count(),
                instructions: u64::try_from(program.run_time().as_nanos())?,
            };
            Ok(((program.id(), name), usage))
        })
        .collect()
}
