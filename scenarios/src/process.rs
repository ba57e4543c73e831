//! Processes that must not take for ever.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{MemfdFlags, memfd_create},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};

use crate::{PATIENCE, puppet::Ran};

/// How long a program may run that has an end.
const LONGEST: Duration = Duration::from_secs(120);

/// Waits for the end of a process, but not for ever.
pub(crate) fn end_of(child: &mut Child, patience: Duration) -> Result<ExitStatus> {
    exits(child, patience)?;
    child.wait().context("cannot wait for a process")
}

/// Waits until a process has exited, but not for ever. It is not reaped.
fn exits(child: &Child, patience: Duration) -> Result<()> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let timeout = Timespec::try_from(patience)?;
    let ready = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&timeout))?;
    if ready == 0 {
        bail!("it still runs after {} s", patience.as_secs());
    }
    Ok(())
}

/// Runs a command line to its end, but not for ever, and collects what it says. What it says goes
/// to memory: a pipe would take a thread to empty it, which would be one more task to count.
pub(crate) fn run(
    command: &mut Command,
    started: impl FnOnce(&mut Child) -> Result<()>,
) -> Result<Ran> {
    let (mut stdout, mut stderr) = (memory()?, memory()?);
    let mut child = command
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    started(&mut child)?;
    let status = end_of(&mut child, LONGEST);
    if status.is_err() {
        child.kill()?;
        child.wait()?;
    }
    let ran = Ran {
        code: status.as_ref().ok().and_then(ExitStatus::code),
        stdout: content(&mut stdout)?,
        stderr: content(&mut stderr)?,
    };
    status.with_context(|| format!("{command:?}: {ran}"))?;
    Ok(ran)
}

/// A file that is nowhere.
fn memory() -> Result<File> {
    let file = memfd_create("output", MemfdFlags::CLOEXEC).context("cannot make a file")?;
    Ok(File::from(file))
}

fn content(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Asks to end it.
pub(crate) fn terminate(child: &Child) -> Result<()> {
    kill_process(Pid::from_child(child), Signal::TERM).context("cannot send SIGTERM")
}

/// Ends it at once. Whoever waits for it reaps it.
pub(crate) fn kill(child: &Child) -> Result<()> {
    kill_process(Pid::from_child(child), Signal::KILL).context("cannot send SIGKILL")?;
    exits(child, PATIENCE)
}

/// Asks again and again, until there is an answer. For what nobody announces.
pub(crate) fn poll_until<T>(
    patience: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    const PAUSE: Duration = Duration::from_millis(50);

    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
}

/// Does something when it is dropped, however a scenario comes out.
pub(crate) struct Finally<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
