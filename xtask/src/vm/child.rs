//! Processes that do not outlive a virtual machine.

use std::{
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::{self, Command, ExitStatus},
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, set_parent_process_death_signal};

use crate::process::describe;

/// A child process that is killed when this value, or the thread that made it, goes away.
pub(super) struct Child {
    process: process::Child,
}

impl Child {
    /// Starts `command`, out of reach of the terminal's signals.
    pub(super) fn spawn(command: &mut Command) -> Result<Self> {
        command.process_group(0);
        // SAFETY: between fork and exec this makes one system call and touches no memory.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        let process = command
            .spawn()
            .with_context(|| format!("cannot run {}", describe(command)))?;
        Ok(Self { process })
    }

    /// A descriptor that becomes readable when the process ends.
    pub(super) fn pidfd(&self) -> Result<OwnedFd> {
        Ok(pidfd_open(
            Pid::from_child(&self.process),
            PidfdFlags::empty(),
        )?)
    }

    /// The status of the process, if it has ended.
    pub(super) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.try_wait()?)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Either fails only for a process that has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
