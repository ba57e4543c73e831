//! Many processes, each in a UTS namespace of its own.

use anyhow::{Context as _, Result};
use rustix::{
    event::pause,
    process::{Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid},
};
use tracer_common::kind::NsKind;

use crate::sys;

/// Processes that do nothing.
#[derive(Default)]
pub(crate) struct Crowd(Vec<Pid>);

impl Crowd {
    /// So many of them.
    pub(crate) fn gather(count: u32) -> Result<Self> {
        let mut crowd = Self::default();
        for _ in 0..count {
            let child = sys::fork(&[NsKind::Uts], || {
                if set_parent_process_death_signal(Some(Signal::KILL)).is_ok() {
                    pause();
                }
                1
            });
            crowd.0.push(child.context("cannot fork any more")?);
        }
        Ok(crowd)
    }

    /// Ends them.
    pub(crate) fn disperse(mut self) -> Result<()> {
        let members = std::mem::take(&mut self.0);
        for &member in &members {
            kill_process(member, Signal::KILL)?;
        }
        for member in members {
            waitpid(Some(member), WaitOptions::empty())?;
        }
        Ok(())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for &member in &self.0 {
            // They end with their parent anyway.
            let _ = kill_process(member, Signal::KILL);
        }
    }
}
