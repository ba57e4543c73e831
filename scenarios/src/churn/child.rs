//! What children of a worker do. Whatever goes otherwise than it has to is an error.

use std::{
    fs::{self, File},
    hint,
    io::{self, Read as _},
    os::fd::OwnedFd,
    process::exit,
    thread,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::{
    fs::{Mode, OFlags, open},
    io::{Errno, write},
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
    pipe::{PipeFlags, pipe_with},
    process::{Pid, WaitOptions, WaitStatus, waitpid},
    thread::set_name,
};
use tracer_common::kind::NsKind;

use super::{
    board::Board,
    kinds::Kinds,
    plan::{Act, Step},
};
use crate::{
    channel::Channel,
    puppet::acts::map_root,
    sys::{self, Cloned, Flaw},
};

/// Names that a process may give itself.
const NAMES: [&[u8]; 8] = [
    b"churn",
    b"two words",
    b") S 1 1 (",
    b"a\nb\tc",
    b"\"quoted\\",
    b"\xff\xfe\x80",
    b"\x1b[31mred",
    b"fifteen-letters",
];

/// Has a child in new namespaces of these types, which does this and exits.
pub(super) fn spawn(board: Board, kinds: Kinds, act: impl FnOnce() -> Result<()>) -> Result<Pid> {
    match sys::clone3(&kinds.list(), None).with_context(|| format!("clone into new {kinds}"))? {
        Cloned::Parent(pid) => {
            board.made(kinds);
            Ok(pid)
        }
        Cloned::Child => exit(match act() {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("nslife-scenarios: {error:#}");
                1
            }
        }),
    }
}

/// Waits for the end of a child.
pub(super) fn end_of(pid: Pid) -> Result<WaitStatus> {
    let ended = waitpid(Some(pid), WaitOptions::empty()).context("cannot wait for a child")?;
    Ok(ended.context("no child has ended")?.1)
}

/// Waits for the end of a child that has succeeded in what it was to do.
pub(super) fn reap(pid: Pid) -> Result<()> {
    let status = end_of(pid)?;
    ensure!(
        status.exit_status() == Some(0),
        "a child ended with {status:?}"
    );
    Ok(())
}

/// Takes a name out of many, one that a program that prints it has to take care of.
pub(super) fn take_name(choice: u32) -> Result<()> {
    let name = NAMES[choice as usize % NAMES.len()];
    Ok(set_name(&std::ffi::CString::new(name)?)?)
}

/// Takes new namespaces of these types.
pub(super) fn unshare(board: Board, kinds: Kinds) -> Result<()> {
    sys::unshare(&kinds.list()).with_context(|| format!("unshare {kinds}"))?;
    board.made(kinds);
    Ok(())
}

/// Takes one set of namespaces after the other, a user namespace in the one before.
pub(super) fn unshare_all(board: Board, step: Step) -> Result<()> {
    for kinds in step.sets() {
        unshare(board, kinds)?;
        if kinds.has(NsKind::User) {
            map_root()?;
        }
    }
    Ok(())
}

/// What the innermost does.
#[derive(Clone, Copy, Debug)]
pub(super) enum End<'a> {
    Exit,
    /// It says that it is there, and stays.
    Stay(&'a OwnedFd),
}

/// In new user and pid namespaces (and others): has such a child, and so on.
pub(super) fn nest(board: Board, kinds: Kinds, levels: u32, end: End<'_>) -> Result<()> {
    if levels > 0 {
        map_root()?;
        return reap(spawn(board, kinds, || nest(board, kinds, levels - 1, end))?);
    }
    match end {
        End::Exit => Ok(()),
        End::Stay(ready) => {
            write(ready, b"!")?;
            stay()
        }
    }
}

/// Stays until somebody kills it.
pub(super) fn stay() -> ! {
    loop {
        thread::park();
    }
}

/// Sends a socket of its network namespace.
pub(super) fn send_socket(to: &Channel) -> Result<()> {
    use std::os::fd::AsFd as _;
    let (family, kind) = (AddressFamily::INET, SocketType::DGRAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    to.send(&(), Some(socket.as_fd()))
}

/// Sends a file that it has opened with its credentials.
pub(super) fn send_file(to: &Channel) -> Result<()> {
    use std::os::fd::AsFd as _;
    to.send(&(), Some(File::open("/dev/null")?.as_fd()))
}

/// Has threads that take new namespaces of these types, and ends before they do.
pub(super) fn leave_threads(board: Board, kinds: Kinds, choice: u32) -> ! {
    for number in 0..Step::THREADS {
        thread::spawn(move || {
            if let Err(error) = unshare(board, kinds) {
                eprintln!("nslife-scenarios: in a thread: {error:#}");
                board.stumbled();
            }
            spin(choice >> (8 * number) & 0xff);
        });
    }
    sys::exit_thread()
}

/// Has a child in new namespaces that outlives this process.
pub(super) fn leave_orphan(board: Board, kinds: Kinds) -> Result<()> {
    let (orphan, parent) = pipe_with(PipeFlags::CLOEXEC)?;
    spawn(board, kinds, || {
        // It has a copy of that end, too.
        drop(parent);
        let read = File::from(orphan).read(&mut [0])?;
        ensure!(read == 0, "nobody writes there");
        Ok(())
    })?;
    Ok(())
}

/// Mounts the procfs of its own pid namespace, in its own mount namespace.
pub(super) fn mount_procfs(place: &str) -> Result<()> {
    let propagation = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", propagation).context("cannot keep mounts to itself")?;
    mount("proc", place, "proc", MountFlags::empty(), None).context("cannot mount procfs")
}

/// Takes new namespaces of which there may be none of one type.
pub(super) fn exceed(board: Board, kinds: Kinds, choice: u32) -> Result<()> {
    unshare(board, Kinds::of(&[NsKind::User]))?;
    map_root()?;
    let kind = kinds.choose(choice).context("no type")?.name();
    let file = format!("/proc/sys/user/max_{kind}_namespaces");
    fs::write(&file, "0").context(file)?;
    fails(kinds, Errno::NOSPC, sys::unshare(&kinds.list()))
}

/// Takes a second pid namespace for its children, which comes after others.
pub(super) fn take_twice(board: Board, kinds: Kinds) -> Result<()> {
    unshare(board, Kinds::of(&[NsKind::Pid]))?;
    fails(kinds, Errno::INVAL, sys::unshare(&kinds.list()))
}

/// Has no child, for the kernel finds out in the end that it cannot be had.
pub(super) fn miscarry(kinds: Kinds, choice: u32) -> Result<()> {
    let (flaw, errno) = match (choice % 2, kinds.has(NsKind::Pid)) {
        (0, _) => (Flaw::Pidfd, Errno::FAULT),
        // The first one in a pid namespace has the number 1.
        (_, true) => (Flaw::Number(2), Errno::INVAL),
        (_, false) => (Flaw::Number(std::process::id().try_into()?), Errno::EXIST),
    };
    let result = match sys::clone3(&kinds.list(), Some(flaw)) {
        Ok(Cloned::Child) => exit(1),
        result => result.map(|_| ()),
    };
    fails(kinds, errno, result).with_context(|| format!("{flaw:?}"))
}

fn fails(kinds: Kinds, errno: Errno, result: io::Result<()>) -> Result<()> {
    match result {
        Ok(()) => bail!("new {kinds} are there, where {errno} was expected"),
        Err(error) if Errno::from_io_error(&error) == Some(errno) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("new {kinds}: {errno} was expected")),
    }
}

/// Does one of these two again and again, until it is killed.
pub(super) fn go_on(board: Board, act: Act, kinds: Kinds) -> Result<()> {
    loop {
        match act {
            Act::KillClone => reap(spawn(board, kinds, || Ok(()))?)?,
            _ => unshare(board, kinds)?,
        }
    }
}

/// Does nothing for a while: so many turns.
pub(super) fn spin(turns: u32) {
    for _ in 0..turns {
        hint::spin_loop();
    }
}

/// Opens a file that is a link to a namespace.
pub(super) fn open_link(pid: Pid, kind: NsKind) -> Result<OwnedFd> {
    let path = link(pid, kind);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    open(&*path, flags, Mode::empty()).with_context(|| path.clone())
}

/// The link to a namespace of a process of this pid namespace.
pub(super) fn link(pid: Pid, kind: NsKind) -> String {
    // Its own time namespace is the one for its children, until it has executed something: a child
    // of `clone` is in it.
    format!("/proc/{}/ns/{}", pid.as_raw_pid(), kind.name())
}
