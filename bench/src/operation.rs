//! What is measured: things that happen on systems with containers, again and again.

use std::{
    ffi::{CStr, CString},
    fs::File,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::{
    process::{Pid, WaitOptions, waitpid},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use tracer_common::kind::NsKind;

use crate::{NOTHING, PROGRAM, sys};

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// A process forks, the child exits and is reaped.
    ForkExit,
    /// The child executes a program, which exits.
    ForkExecExit,
    /// The child takes a new namespace and exits, and the namespace goes.
    Unshare(NsKind),
    /// A process enters the UTS namespace that it is in.
    Setns,
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A process in the initial namespaces.
    Initial,
    /// One in a user and a pid namespace that were made for it.
    Inside,
}

/// Something that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Its name in the tables.
    pub(crate) name: &'static str,
    /// What happens.
    pub(crate) act: Act,
    /// Where.
    pub(crate) place: Place,
    /// How often for one measurement.
    pub(crate) count: u32,
    /// How long to wait afterwards, so that what the kernel puts off is part of it.
    pub(crate) rest: Duration,
    /// Whether it is part of the short form.
    pub(crate) short: bool,
}

const fn cheap(name: &'static str, act: Act, place: Place, count: u32) -> Operation {
    Operation {
        name,
        act,
        place,
        count,
        rest: Duration::ZERO,
        short: true,
    }
}

const fn unshare(name: &'static str, kind: NsKind, count: u32, short: bool) -> Operation {
    Operation {
        name,
        act: Act::Unshare(kind),
        place: Place::Initial,
        count,
        rest: Duration::from_secs(1),
        short,
    }
}

/// Everything that is measured.
pub(crate) const ALL: &[Operation] = &[
    cheap("fork_exit", Act::ForkExit, Place::Initial, 1000),
    cheap("fork_exec_exit", Act::ForkExecExit, Place::Initial, 100),
    cheap("fork_exit_inside", Act::ForkExit, Place::Inside, 1000),
    cheap(
        "fork_exec_exit_inside",
        Act::ForkExecExit,
        Place::Inside,
        100,
    ),
    unshare("unshare_mnt", NsKind::Mnt, 50, false),
    unshare("unshare_uts", NsKind::Uts, 60, true),
    unshare("unshare_ipc", NsKind::Ipc, 50, false),
    unshare("unshare_user", NsKind::User, 60, true),
    unshare("unshare_pid", NsKind::Pid, 60, false),
    unshare("unshare_net", NsKind::Net, 30, true),
    unshare("unshare_cgroup", NsKind::Cgroup, 60, false),
    unshare("unshare_time", NsKind::Time, 60, false),
    cheap("setns", Act::Setns, Place::Initial, 500),
];

/// The most ordinary one, which comes first.
pub(crate) const FORK: &Operation = &ALL[0];

/// What it takes to act.
pub(crate) struct Stage {
    program: CString,
    argument: CString,
    uts: File,
}

impl Stage {
    /// Prepared, so that nothing but the act itself is measured.
    pub(crate) fn open() -> Result<Self> {
        Ok(Self {
            program: CString::new(PROGRAM)?,
            argument: CString::new(NOTHING)?,
            uts: File::open("/proc/self/ns/uts").context("cannot open the own namespace")?,
        })
    }

    /// Does it so often.
    pub(crate) fn act(&self, act: Act, count: u32) -> Result<()> {
        for _ in 0..count {
            match act {
                Act::ForkExit => reap(sys::fork(&[], || 0)?)?,
                Act::ForkExecExit => {
                    reap(sys::fork(&[], || execute(&self.program, &self.argument))?)?
                }
                Act::Unshare(kind) => {
                    reap(sys::fork(&[], || sys::unshare(kind).map_or(1, |()| 0))?)?
                }
                Act::Setns => {
                    move_into_link_name_space(
                        std::os::fd::AsFd::as_fd(&self.uts),
                        Some(LinkNameSpaceType::HostNameAndNISDomainName),
                    )?;
                }
            }
        }
        Ok(())
    }
}

fn execute(program: &CStr, argument: &CStr) -> i32 {
    sys::execute(program, argument);
    127
}

/// Waits for the end of a child, which has to be a good one.
pub(crate) fn reap(child: Pid) -> Result<()> {
    let status = waitpid(Some(child), WaitOptions::empty())?.map(|(_, status)| status);
    let code = status.and_then(|status| status.exit_status());
    ensure!(code == Some(0), "a child ended with {status:?}");
    Ok(())
}
