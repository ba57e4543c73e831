//! Processes that do one system call after the other, as a scenario tells them.
//!
//! Whoever changes its namespaces cannot be the process that watches, so each scenario has
//! puppets: this program again, with a single thread and a [`crate::channel::Channel`] to take
//! orders from. They can have children and threads, which are puppets too.

mod handle;
mod serve;

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
    /// `setns`.
    Enter { file: usize },
    /// `setns` into several of a process's namespaces, with these `CLONE_NEW*` flags.
    Join { pid: u32, flags: u32 },
    /// Make a socket.
    Socket,
    /// `SIOCGSKNS`.
    NetOfSocket { file: usize },
    /// Bind one path to another.
    Bind { source: String, target: String },
    /// Mount an empty file system.
    Cover { target: String },
    /// Detach whatever is mounted there.
    Unmount { target: String },
    /// Keep all mounts to yourself from now on.
    KeepMounts,
    /// Map uid and gid 0 of this user namespace to those of the one above.
    MapRoot,
    /// Become this user.
    SetUser { uid: u32 },
    /// Execute this program anew, and go on.
    Execute,
    /// Have as many children, one after the other, which execute this, or nothing, and exit.
    Breed { count: u32, program: Option<String> },
    /// Run this, and say what it said.
    Run { argv: Vec<String> },
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
    /// What a program said.
    Ran(Ran),
    /// That could not be done, for this reason.
    Failed(String),
}
