//! A command that is started, but waits before it becomes itself.

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, access},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};
use tokio::{
    process::{Child, Command},
    task::{JoinHandle, spawn_blocking},
};

/// Why a command cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// There is none of this name.
    #[error("{}: command not found", .0.display())]
    NotFound(OsString),
    /// There is, but it is not to be executed.
    #[error("{}: cannot be executed: {error}", name.display())]
    NotExecutable {
        /// As given.
        name: OsString,
        /// Why.
        error: io::Error,
    },
}

impl CommandError {
    /// The exit status that shells and their like use for it.
    pub(super) const fn status(&self) -> u8 {
        match self {
            Self::NotFound(_) => 127,
            Self::NotExecutable { .. } => 126,
        }
    }

    fn new(name: &OsStr, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::NotFound(name.to_owned())
        } else {
            Self::NotExecutable {
                name: name.to_owned(),
                error,
            }
        }
    }
}

/// Checks that a command can probably be run, in the way in which the kernel
/// and the C library will look for it, before anything else is started for
/// its sake.
pub(super) fn check(name: &OsStr) -> Result<(), CommandError> {
    let path = env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    find(name, &path).map_err(|error| CommandError::new(name, error))
}

fn find(name: &OsStr, path: &OsStr) -> io::Result<()> {
    if name.as_encoded_bytes().contains(&b'/') {
        return executable(Path::new(name));
    }
    if name.is_empty() {
        return Err(Errno::NOENT.into());
    }
    // What is there but may not be executed is passed over, and told if
    // nothing better follows.
    let mut last = io::Error::from(Errno::NOENT);
    for folder in env::split_paths(path) {
        let candidate: PathBuf = folder.join(name);
        match executable(&candidate) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}

fn executable(path: &Path) -> io::Result<()> {
    if path.metadata()?.is_dir() {
        return Err(Errno::ACCESS.into());
    }
    Ok(access(path, Access::EXEC_OK)?)
}

/// A process that will become the command once it is let go.
pub(super) struct Held {
    name: OsString,
    pid: u32,
    go: OwnedFd,
    child: JoinHandle<io::Result<Child>>,
}

impl Held {
    /// Forks. The process is there afterwards and waits.
    pub(super) async fn start(argv: &[OsString], inherited: &Inherited) -> anyhow::Result<Self> {
        let (name, arguments) = argv.split_first().ok_or(Errno::INVAL)?;
        let (ready_reader, ready_writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let (go_reader, go_writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let go_in_child = go_writer.as_raw_fd();
        let others = inherited.others();

        let mut command = Command::new(name);
        command.args(arguments);
        // SAFETY: `hold` makes system calls on descriptors of its own process
        // and touches neither the heap nor a lock, so it may run between fork
        // and exec.
        unsafe {
            command.pre_exec(move || {
                hold(
                    &others,
                    ready_writer.as_fd(),
                    go_reader.as_fd(),
                    go_in_child,
                )
            });
        }
        // `spawn` returns once the command was executed, or could not be: it
        // must wait elsewhere while the process is held.
        let child = spawn_blocking(move || command.spawn());
        let mut pid = [0; 4];
        let read = spawn_blocking(move || {
            File::from(ready_reader).read_exact(&mut pid)?;
            Ok::<_, io::Error>(u32::from_ne_bytes(pid))
        });
        match read.await? {
            Ok(pid) => Ok(Self {
                name: name.clone(),
                pid,
                go: go_writer,
                child,
            }),
            // Nobody wrote: there was no fork.
            Err(_) => match child.await? {
                Err(error) => Err(CommandError::new(name, error).into()),
                Ok(_) => Err(io::Error::from(Errno::PIPE).into()),
            },
        }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets it execute the command.
    pub(super) async fn release(self) -> anyhow::Result<Child> {
        // Should it not be there any more, waiting for it tells.
        let _ = File::from(self.go).write_all(&[1]);
        let child = self.child.await?;
        child.map_err(|error| CommandError::new(&self.name, error).into())
    }
}

/// In the child: says that it is there, and waits to be let go. If its parent
/// goes away instead, it ends.
fn hold(
    others: &[(u32, u32)],
    ready: BorrowedFd<'_>,
    go: BorrowedFd<'_>,
    go_writer: RawFd,
) -> io::Result<()> {
    close_on_exec(others)?;
    // SAFETY: this process owns its copy of the descriptor, which nothing
    // else in it uses. While it is open, the end of the parent would go
    // unnoticed.
    unsafe { rustix::io::close(go_writer) };
    let pid = rustix::process::getpid().as_raw_pid().to_ne_bytes();
    rustix::io::write(ready, &pid)?;
    match rustix::io::retry_on_intr(|| rustix::io::read(go, &mut [0_u8; 1]))? {
        0 => Err(Errno::CANCELED.into()),
        _ => Ok(()),
    }
}

/// Ends all descriptors in these ranges with exec, whoever opened them and
/// however.
fn close_on_exec(ranges: &[(u32, u32)]) -> io::Result<()> {
    for &(first, last) in ranges {
        // SAFETY: changes flags of descriptors only.
        let result = unsafe {
            libc::syscall(
                libc::SYS_close_range,
                first,
                last,
                libc::CLOSE_RANGE_CLOEXEC,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The descriptors that this process was given, to be passed on to a command:
/// the shell's redirections, a jobserver. Taken before anything is opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Inherited(BTreeSet<u32>);

impl Inherited {
    /// The descriptors that are open now.
    pub(super) fn now() -> io::Result<Self> {
        let mut open = BTreeSet::from([0, 1, 2]);
        for entry in fs::read_dir("/proc/self/fd")? {
            let name = entry?.file_name();
            open.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        // One of these was only the folder that was read.
        let still_open = |fd: &u32| fs::read_link(format!("/proc/self/fd/{fd}")).is_ok();
        open.retain(|fd| *fd <= 2 || still_open(fd));
        Ok(Self(open))
    }

    /// The ranges of all other descriptors, whether open or not.
    fn others(&self) -> Vec<(u32, u32)> {
        let mut ranges = Vec::new();
        let mut first = 0;
        for &fd in &self.0 {
            if first < fd {
                ranges.push((first, fd - 1));
            }
            first = fd.saturating_add(1);
        }
        ranges.push((first, u32::MAX));
        ranges
    }
}

#[cfg(test)]
mod tests;
