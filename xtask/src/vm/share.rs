//! Folders of the host in the guest: one virtiofsd each.

use std::{
    fs::File,
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixListener, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use rustix::{
    mount::{MountPropagationFlags, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::child::Child;
use crate::{
    process::is_root,
    qemu::{Tools, VirtiofsdKind},
};

/// What the guest can do with a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Read it. What the guest has seen once stays as it is.
    ReadOnly,
    /// Read and write it. What the guest opens is looked at anew.
    Writable,
    /// Read and write it, while nobody else does.
    Alone,
}

impl Access {
    /// How virtiofsd's option for it is called.
    fn cache_policy(self) -> &'static str {
        match self {
            Self::ReadOnly | Self::Alone => "always",
            Self::Writable => "auto",
        }
    }
}

/// A folder being served to a virtual machine.
pub(super) struct Server {
    /// The name under which the guest mounts it.
    pub(super) tag: String,
    /// Where QEMU connects to.
    pub(super) socket: PathBuf,
    /// Where the server complains.
    pub(super) log: PathBuf,
    _process: Child,
}

impl Server {
    /// Serves `folder`; socket and log go to the folder `state`.
    ///
    /// What the guest may not write to, the server cannot write to either.
    pub(super) fn start(
        tools: &Tools,
        state: &Path,
        tag: &str,
        folder: &Path,
        access: Access,
    ) -> Result<Self> {
        let socket = state.join(format!("{tag}.socket"));
        let log = state.join(format!("{tag}.log"));
        // The socket listens before the server runs, so QEMU can be started at once.
        let listener = UnixListener::bind(&socket)
            .with_context(|| format!("cannot listen at {}", socket.display()))?;
        let mut command = tools.virtiofsd.command();
        let cache = access.cache_policy();
        match tools.virtiofsd_kind {
            VirtiofsdKind::OfQemu => command
                .args(["-f", "--fd=0", "-o"])
                .arg(format!("sandbox=chroot,log_level=warn,cache={cache}"))
                .arg("-o")
                .arg(prefixed("source=", folder)),
            VirtiofsdKind::InRust => command
                .args(["--fd=0", "--sandbox=chroot", "--log-level=warn"])
                .arg(format!("--cache={cache}"))
                .arg(prefixed("--shared-dir=", folder)),
        };
        if access == Access::ReadOnly && is_root() {
            see_everything_read_only(&mut command);
        }
        command
            .stdin(OwnedFd::from(listener))
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        Ok(Self {
            tag: tag.to_owned(),
            socket,
            log,
            _process: Child::spawn(&mut command)?,
        })
    }
}

/// Gives the process a mount namespace in which nothing can be written to.
///
/// The guest mounts the host's root read-only, but its root user could mount it again.
fn see_everything_read_only(command: &mut Command) {
    let hide = || {
        // SAFETY: there is one thread in this process, and it shares no mounts with anyone it
        // would have to agree with.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
        mount_change(
            c"/",
            MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
        )?;
        let attributes = libc::mount_attr {
            attr_set: libc::MOUNT_ATTR_RDONLY,
            attr_clr: 0,
            propagation: 0,
            userns_fd: 0,
        };
        // SAFETY: the path is terminated, and the attributes are as large as is claimed.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                libc::AT_FDCWD,
                c"/".as_ptr(),
                libc::AT_RECURSIVE,
                &raw const attributes,
                size_of::<libc::mount_attr>(),
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: between fork and exec this makes system calls and allocates nothing.
    unsafe { command.pre_exec(hide) };
}

fn prefixed(prefix: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(prefix);
    argument.push(path);
    argument
}
