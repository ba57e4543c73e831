//! Folders of the host in the guest: one virtiofsd each.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::child::Child;
use crate::qemu::{Tools, VirtiofsdKind};

/// Whether the guest may believe that nobody else changes the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    /// What the guest has seen once stays as it is.
    Always,
    /// What the guest opens is looked at anew.
    Auto,
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
    pub(super) fn start(
        tools: &Tools,
        state: &Path,
        tag: &str,
        folder: &Path,
        caching: Caching,
    ) -> Result<Self> {
        let socket = state.join(format!("{tag}.socket"));
        let log = state.join(format!("{tag}.log"));
        // The socket listens before the server runs, so QEMU can be started at once.
        let listener = UnixListener::bind(&socket)
            .with_context(|| format!("cannot listen at {}", socket.display()))?;
        let mut command = tools.virtiofsd.command();
        match tools.virtiofsd_kind {
            VirtiofsdKind::OfQemu => {
                let cache = match caching {
                    Caching::Always => "always",
                    Caching::Auto => "auto",
                };
                command
                    .args(["-f", "--fd=0", "-o"])
                    .arg(format!("sandbox=chroot,cache={cache}"))
                    .arg("-o")
                    .arg(prefixed("source=", folder));
            }
            VirtiofsdKind::InRust => {
                let cache = match caching {
                    Caching::Always => "--cache=always",
                    Caching::Auto => "--cache=auto",
                };
                command
                    .args(["--fd=0", "--sandbox=chroot", cache])
                    .arg(prefixed("--shared-dir=", folder));
            }
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

fn prefixed(prefix: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(prefix);
    argument.push(path);
    argument
}
