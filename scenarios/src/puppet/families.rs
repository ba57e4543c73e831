//! Children that a puppet has by the dozen, and that are no puppets.

use std::{
    hint,
    io::{self, Read as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio, exit},
};

use anyhow::{Context as _, Result, bail};
use rustix::{
    io::Errno,
    pipe::{PipeFlags, pipe_with},
    process::{Pid, PidfdFlags, WaitOptions, pidfd_open, waitpid},
    thread::{ThreadNameSpaceType, move_into_thread_name_spaces},
};
use tracer_common::kind::NsKind;

use crate::sys::{self, Cloned, clone_flags};

/// How much later each pursuer sets off than the one before, in turns of an idle loop.
const DELAY: u32 = 2_000;

/// What a pursuer's exit status says.
const ENTERED: i32 = 0;
const TOO_LATE: i32 = 1;
const STUMBLED: i32 = 2;

/// Has children in new namespaces of these types, one after the other, which execute a program, or
/// nothing, and exit.
pub(super) fn breed(count: u32, kinds: &[NsKind], program: Option<&str>) -> Result<()> {
    for _ in 0..count {
        let Cloned::Parent(child) = sys::clone(kinds)? else {
            let error = program.map(|program| Command::new(program).stdin(Stdio::null()).exec());
            exit(i32::from(error.is_some()));
        };
        match status_of(child)? {
            Some(0) => {}
            status => bail!("a child ended with {status:?}"),
        }
    }
    Ok(())
}

/// Tries to have as many children in new namespaces of these types. Returns what the kernel says
/// to each.
pub(super) fn fail_to_fork(count: u32, kinds: &[NsKind]) -> Result<i32> {
    let mut last = None;
    for _ in 0..count {
        let errno = match sys::clone(kinds) {
            Ok(Cloned::Child) => exit(0),
            Ok(Cloned::Parent(child)) => {
                status_of(child)?;
                bail!("there is a child");
            }
            Err(error) => error.raw_os_error().context("that is no system call")?,
        };
        if last.is_some_and(|last| last != errno) {
            bail!("the kernel says {last:?}, then {errno}");
        }
        last = Some(errno);
    }
    last.context("none was asked for")
}

/// Has children in new namespaces of these types, each of which exits while a sibling enters these
/// namespaces by the number of the process. Returns the numbers of those that got in.
pub(super) fn chase(count: u32, kinds: &[NsKind]) -> Result<Vec<i32>> {
    let mut entered = Vec::new();
    for attempt in 0..count {
        let (starter, gun) = pipe_with(PipeFlags::CLOEXEC)?;
        let Cloned::Parent(prey) = sys::clone(kinds)? else {
            drop(gun);
            exit(i32::from(wait_for_end(starter).is_err()));
        };
        drop(starter);
        let Cloned::Parent(pursuer) = sys::clone(&[])? else {
            exit(match pursue(prey, gun, kinds, attempt * DELAY) {
                Ok(()) => ENTERED,
                Err(Errno::SRCH) => TOO_LATE,
                Err(_) => STUMBLED,
            });
        };
        drop(gun);
        // The prey stays a zombie meanwhile, so its credentials do not come and go.
        let outcome = status_of(pursuer)?;
        status_of(prey)?;
        match outcome {
            Some(ENTERED) => entered.push(pursuer.as_raw_pid()),
            Some(TOO_LATE) => {}
            outcome => bail!("a pursuer ended with {outcome:?}"),
        }
    }
    Ok(entered)
}

/// Lets the prey exit, and enters its namespaces after so many turns of an idle loop.
fn pursue(prey: Pid, gun: OwnedFd, kinds: &[NsKind], turns: u32) -> rustix::io::Result<()> {
    let process = pidfd_open(prey, PidfdFlags::empty())?;
    drop(gun);
    for _ in 0..turns {
        hint::spin_loop();
    }
    let types = ThreadNameSpaceType::from_bits_retain(clone_flags(kinds));
    move_into_thread_name_spaces(process.as_fd(), types)
}

/// Waits until nobody has the other end of a pipe.
fn wait_for_end(pipe: OwnedFd) -> io::Result<usize> {
    std::fs::File::from(pipe).read(&mut [0])
}

/// Reaps a child. `None` if a signal ended it.
fn status_of(child: Pid) -> Result<Option<i32>> {
    let ended = waitpid(Some(child), WaitOptions::empty())?;
    Ok(ended.and_then(|(_, status)| status.exit_status()))
}
