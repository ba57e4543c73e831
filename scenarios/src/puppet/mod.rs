//! Processes that do one system call after the other, as a scenario tells them.
//!
//! Whoever changes its namespaces cannot be the process that watches, so each scenario has
//! puppets: this program again, with a single thread and a [`crate::channel::Channel`] to take
//! orders from. They can have children and threads, which are puppets too.

pub(crate) mod acts;
mod families;
mod handle;
mod orders;
mod parcel;
mod serve;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use handle::{File, Puppet, Ran};
pub(crate) use serve::main;

/// What a puppet is told to do. Files that it opened are named by their place in its table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Order {
    /// Say who you are.
    Introduce { name: String },
    /// `unshare`, with these `CLONE_NEW*` flags.
    Unshare { flags: u32 },
    /// `clone`, with these `CLONE_NEW*` flags; the child listens to the enclosed channel.
    Clone { flags: u32 },
    /// Start a thread that listens to the enclosed channel.
    Thread,
    /// Open this for reading.
    Open { path: String },
    /// Close that file.
    Close { file: usize },
    /// Send that file through the enclosed channel, and close both.
    Send { file: usize },
    /// Take a file out of the enclosed channel.
    Receive,
    /// `setns`.
    Enter { file: usize },
    /// `setns` into several of a process's namespaces, with these `CLONE_NEW*` flags.
    Join { pid: u32, flags: u32 },
    /// Make a socket.
    Socket,
    /// `SIOCGSKNS`.
    NetOfSocket { file: usize },
    /// `NS_GET_USERNS`.
    OwnerOf { file: usize },
    /// `NS_GET_PARENT`.
    ParentOf { file: usize },
    /// Open the network namespace that has these numbers.
    OpenByHandle { ns_id: u64, inum: u32 },
    /// Make a mount namespace out of what is mounted there.
    MountsOfTree { path: String },
    /// Make a mount namespace out of an empty file system.
    MountsOfNothing,
    /// Bind one path to another.
    Bind { source: String, target: String },
    /// Mount an empty file system.
    Cover { target: String },
    /// Mount the procfs of its pid namespace.
    MountProcfs { target: String },
    /// Detach whatever is mounted there.
    Unmount { target: String },
    /// Keep all mounts to yourself from now on.
    KeepMounts,
    /// Map uid and gid 0 of this user namespace to those of the one above.
    MapRoot,
    /// Become this user.
    SetUser { uid: u32 },
    /// Go to the process group that this one leads, or to one of your own.
    JoinGroup { leader: Option<u32> },
    /// Let children vanish when they exit.
    IgnoreChildren,
    /// Take in descendants whose parent is gone.
    BeSubreaper,
    /// Execute this program anew, and go on.
    Execute,
    /// Have as many children with these `CLONE_NEW*` flags, one after the other, which execute this,
    /// or nothing, and exit.
    Breed {
        count: u32,
        flags: u32,
        program: Option<String>,
    },
    /// Have as many children with these `CLONE_NEW*` flags, none of which comes to be.
    FailToFork { count: u32, flags: u32 },
    /// Have as many children with these `CLONE_NEW*` flags, each of which exits while another
    /// enters its namespaces.
    Chase { count: u32, flags: u32 },
    /// Make as many namespaces of each of these types, and keep a file of each open.
    Hoard { count: u32, flags: u32 },
    /// Run this, and say what it said.
    Run { argv: Vec<String> },
    /// Trace this process from now on (`PTRACE_SEIZE`).
    Seize { pid: u32 },
    /// Wait for the end of this child.
    Reap { pid: i32 },
    /// Exit, and the thread only, or the whole process.
    LeaveThread,
    /// Exit with this status.
    Leave { status: u8 },
}

/// What a puppet answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Reply {
    /// That is done.
    Done,
    /// Its numbers in the initial pid namespace.
    Me { pid: u32, tid: u32 },
    /// The place of a file in its table.
    File(usize),
    /// The number of a child in its own pid namespace.
    Child(i32),
    /// The numbers of these children in its own pid namespace.
    Children(Vec<i32>),
    /// What the kernel said to something that had to fail.
    Errno(i32),
    /// What a program said.
    Ran(Ran),
    /// That could not be done.
    Failed(Failure),
}

/// Why a puppet could not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// What the kernel said to it, if that was the reason.
    pub(crate) errno: Option<i32>,
    because: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.because)
    }
}

impl std::error::Error for Failure {}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let of_system = error.downcast_ref::<std::io::Error>();
        let errno = of_system.and_then(std::io::Error::raw_os_error);
        let of_rustix = || error.downcast_ref::<rustix::io::Errno>();
        Self {
            errno: errno.or_else(|| of_rustix().map(|errno| errno.raw_os_error())),
            because: format!("{error:#}"),
        }
    }
}
