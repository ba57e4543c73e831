//! What a trace is about, and when that ends.

use std::{
    fs,
    future::pending,
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    process::ExitStatus,
};

use rustix::{
    fs::{Mode, OFlags},
    process::{Pid, PidfdFlags, getpgrp, kill_process, pidfd_open},
    termios::tcgetpgrp,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    process::Child,
};

use crate::signals::Stop;

/// Why a process cannot be traced.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProcessError {
    /// It is not there.
    #[error("no process {0}: `ps -e` shows those there are")]
    NotFound(u32),
    /// It cannot be watched.
    #[error("cannot watch process {pid}: {error}")]
    Other {
        /// Its number, as given.
        pid: u32,
        /// Why.
        error: io::Error,
    },
}

/// A process that somebody else started.
pub(super) struct Process {
    tgid: u32,
    pidfd: OwnedFd,
}

impl Process {
    /// The process that this thread belongs to.
    pub(super) fn find(pid: u32) -> Result<Self, ProcessError> {
        let not_found = || ProcessError::NotFound(pid);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|_| not_found())?;
        let tgid = thread_group(&status).ok_or_else(not_found)?;
        let leader = i32::try_from(tgid).ok().and_then(Pid::from_raw);
        let pidfd =
            pidfd_open(leader.ok_or_else(not_found)?, PidfdFlags::NONBLOCK).map_err(|error| {
                match error {
                    rustix::io::Errno::SRCH => not_found(),
                    error => ProcessError::Other {
                        pid,
                        error: error.into(),
                    },
                }
            })?;
        Ok(Self { tgid, pidfd })
    }

    /// Its thread group.
    pub(super) fn tgid(&self) -> u32 {
        self.tgid
    }
}

/// `Tgid` in a `/proc/PID/status`.
fn thread_group(status: &str) -> Option<u32> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:"))?
        .trim()
        .parse()
        .ok()
}

/// What a trace is about.
pub(super) enum Target {
    /// The whole system: it never ends.
    System,
    /// A process that somebody else started.
    Process(AsyncFd<OwnedFd>),
    /// A command.
    Command(Child),
}

impl Target {
    /// Takes on a process. Needs a tokio runtime.
    pub(super) fn process(process: Process) -> io::Result<Self> {
        // SAFETY: an owned descriptor stays open and the same until it is
        // dropped, which is when the `AsyncFd` that owns it is.
        let watched = unsafe { AsyncFd::register_with_interest(process.pidfd, Interest::READABLE) };
        Ok(Self::Process(watched?))
    }

    /// Waits for the end; says with which status a command ended.
    /// Cancel-safe.
    pub(super) async fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        match self {
            Self::System => pending().await,
            Self::Process(pidfd) => {
                // A pidfd becomes readable when the process has ended.
                pidfd.readable().await?.retain_ready();
                Ok(None)
            }
            Self::Command(child) => child.wait().await.map(Some),
        }
    }

    /// Passes a signal on to a command, unless the terminal has done so. False
    /// if there is no command that still runs.
    pub(super) fn forward(&self, stop: Stop) -> bool {
        let Self::Command(child) = self else {
            return false;
        };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let Some(pid) = pid.and_then(Pid::from_raw) else {
            return false;
        };
        if stop != Stop::Interrupt || !in_foreground() {
            // It is not reaped yet, so the number is its own; that it may have
            // ended already is no failure.
            let _ = kill_process(pid, stop.signal());
        }
        true
    }
}

/// Whether the terminal sends its Ctrl-C to the process group that this
/// process and its command are in.
fn in_foreground() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", flags, Mode::empty())
        .and_then(tcgetpgrp)
        .is_ok_and(|group| group == getpgrp())
}

/// The status to exit with after a command: its own, or 128 and the number
/// of the signal that killed it.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_lends_its_status() {
        let ended = |raw| exit_code(ExitStatus::from_raw(raw));
        assert_eq!(ended(0), 0);
        assert_eq!(ended(3 << 8), 3);
        assert_eq!(ended(255 << 8), 255);
        assert_eq!(ended(9), 137);
        assert_eq!(ended(15 | 0x80), 143);
    }

    #[test]
    fn threads_lead_to_their_process() {
        assert_eq!(thread_group("Name:\tx\nTgid:\t12\nPid:\t13\n"), Some(12));
        assert_eq!(thread_group("Name:\tTgid: 3\n"), None);
        let own = std::process::id();
        assert_eq!(Process::find(own).unwrap().tgid(), own);
    }

    #[test]
    fn what_is_not_there_is_said() {
        for pid in [0, 4_194_305, u32::MAX] {
            let Err(error) = Process::find(pid) else {
                panic!("process {pid} found");
            };
            assert!(error.to_string().starts_with(&format!("no process {pid}")));
        }
    }
}
