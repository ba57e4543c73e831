//! Runs the command and whatever it leaves behind.

use std::{
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, WaitOptions, setrlimit, wait};
use vm_init::{Job, STDERR_FILE, STDOUT_FILE};

use crate::filesystems::ControlFolder;

/// What shells answer for a command that they cannot run.
const NOT_RUN: i32 = 127;

/// Runs the job's command to its end and returns its exit status, as a shell would put it.
///
/// As PID 1 this process reaps every orphan on the way.
pub(crate) fn run(job: &Job, control: &ControlFolder) -> Result<i32> {
    let [program, arguments @ ..] = &job.command[..] else {
        bail!("the job has no command");
    };
    // As systemd has it; the kernel's own limit for PID 1 is a mere 4096.
    let open_files = Rlimit {
        current: Some(1024),
        maximum: Some(524_288),
    };
    setrlimit(Resource::Nofile, open_files).context("cannot raise the limit of open files")?;
    let folder = if job.working_folder.is_dir() {
        &job.working_folder
    } else {
        std::path::Path::new("/")
    };
    let spawned = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(job.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(control.append(STDOUT_FILE)?)
        .stderr(control.append(STDERR_FILE)?)
        .spawn();
    match spawned {
        Ok(child) => {
            let child = Pid::from_child(&child);
            loop {
                let reaped = wait(WaitOptions::empty()).context("cannot wait for the command")?;
                if let Some((pid, status)) = reaped
                    && pid == child
                {
                    return Ok(shell_status(ExitStatus::from_raw(status.as_raw())));
                }
            }
        }
        Err(error) => {
            use std::io::Write as _;
            let mut stderr = control.append(STDERR_FILE)?;
            writeln!(stderr, "{}: {error}", program.display())?;
            Ok(NOT_RUN)
        }
    }
}

/// Becomes the job's command, which then is PID 1. Returns if that is not possible.
pub(crate) fn become_first_process(job: &Job) -> Result<()> {
    let [program, arguments @ ..] = &job.command[..] else {
        bail!("the job has no command");
    };
    let error = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(job.environment.iter().map(|(name, value)| (name, value)))
        .exec();
    Err(error).with_context(|| format!("cannot become {}", program.display()))
}

/// 128 and the signal's number for a command that a signal ended.
fn shell_status(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(NOT_RUN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_a_shell() {
        assert_eq!(shell_status(ExitStatus::from_raw(0)), 0);
        assert_eq!(shell_status(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(shell_status(ExitStatus::from_raw(libc::SIGKILL)), 137);
    }
}
