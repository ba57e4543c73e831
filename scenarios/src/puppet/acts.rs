//! What a puppet does that takes more than a system call.

use std::{
    fs,
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use rustix::{
    fs::{CWD, Mode, OFlags, open},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsmount, fsopen,
        open_tree,
    },
    process::{Pid, Resource, Rlimit, setpgid, setrlimit},
    thread::{set_name, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};
use tracer_common::kind::NsKind;

use super::{Ran, Reply};
use crate::sys;

/// `OPEN_TREE_NAMESPACE` (7.0 and later) and `FSMOUNT_NAMESPACE` (7.1 and later) of
/// `linux/mount.h`.
const OPEN_TREE_NAMESPACE: u32 = 1 << 1;
const FSMOUNT_NAMESPACE: u32 = 1 << 1;

/// Files that a process has open anyway.
const OTHER_FILES: u64 = 64;

/// Takes this name. The numbers are those of the procfs that is mounted, which belongs to the
/// initial pid namespace, in whatever pid namespace this process is.
pub(super) fn introduce(name: &str) -> Result<Reply> {
    set_name(&std::ffi::CString::new(name)?)?;
    let link = fs::read_link("/proc/thread-self").context("/proc/thread-self")?;
    let link = link.to_str().context("/proc/thread-self")?;
    let (pid, tid) = link.split_once("/task/").context("/proc/thread-self")?;
    Ok(Reply::Me {
        pid: pid.parse()?,
        tid: tid.parse()?,
    })
}

/// Maps uid and gid 0 to those of the user namespace above.
pub(crate) fn map_root() -> Result<()> {
    for (file, content) in [
        ("setgroups", "deny"),
        ("uid_map", "0 0 1"),
        ("gid_map", "0 0 1"),
    ] {
        fs::write(format!("/proc/thread-self/{file}"), content).context(file)?;
    }
    Ok(())
}

/// Becomes another user, in no group but its own.
pub(super) fn set_user(uid: u32) -> Result<()> {
    set_thread_groups(&[])?;
    let gid = rustix::process::Gid::from_raw(uid);
    set_thread_res_gid(gid, gid, gid)?;
    let uid = rustix::process::Uid::from_raw(uid);
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

/// Runs a program to its end.
pub(super) fn run(argv: &[String]) -> Result<Ran> {
    let (program, arguments) = argv.split_first().context("nothing to run")?;
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    Ok(Ran::from(output))
}

/// Goes to the process group that this one leads, or to one of its own.
pub(super) fn join_group(leader: Option<u32>) -> Result<()> {
    let leader = leader.map(|pid| i32::try_from(pid).ok().and_then(Pid::from_raw));
    let group = leader
        .map(|pid| pid.context("no such number"))
        .transpose()?;
    Ok(setpgid(None, group)?)
}

/// Makes a mount namespace out of what is mounted there.
pub(crate) fn mounts_of_tree(path: &str) -> Result<OwnedFd> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::from_bits_retain(OPEN_TREE_NAMESPACE);
    Ok(open_tree(CWD, path, flags)?)
}

/// Makes a mount namespace out of an empty file system.
pub(crate) fn mounts_of_nothing() -> Result<OwnedFd> {
    let file_system = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&file_system)?;
    let flags = FsMountFlags::FSMOUNT_CLOEXEC | FsMountFlags::from_bits_retain(FSMOUNT_NAMESPACE);
    Ok(fsmount(&file_system, flags, MountAttrFlags::empty())?)
}

/// Lets this process open as many files, besides a few others.
pub(super) fn allow_files(count: u32) -> Result<()> {
    let most = Some(u64::from(count) + OTHER_FILES);
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// Takes a new namespace, and opens it.
pub(super) fn new_namespace(kind: NsKind) -> Result<OwnedFd> {
    sys::unshare(&[kind])?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let path = format!("/proc/thread-self/ns/{}", kind.name());
    open(&*path, flags, Mode::empty()).context(path)
}
