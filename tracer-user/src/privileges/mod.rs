//! What the daemon may do, and how it gives that up: for the start it keeps
//! two capabilities, on one thread and those that it starts; afterwards it has none, on any thread, and of
//! system calls only what is left to do.

mod capabilities;
mod filter;
mod syscalls;

use std::io;

use seccompiler::BackendError;

pub use capabilities::{give_up_here, give_up_in_all_threads, keep_for_start};
pub use filter::confine;
pub(crate) use filter::without_files;

/// Why privileges could not be given up. Nothing runs with more than it should
/// have.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// A system call failed that needs no privilege.
    #[error("cannot give up privileges ({call}): {error}")]
    System {
        /// The call.
        call: &'static str,
        /// Why.
        error: io::Error,
    },
    /// Somebody keeps them.
    #[error("cannot give up privileges: thread {0} still has capabilities")]
    Kept(i32),
    /// The system call filter cannot be put together.
    #[error("cannot make the system call filter: {0}")]
    Filter(#[from] BackendError),
    /// The system call filter of one thread cannot be installed.
    #[error("cannot install the system call filter: {0}")]
    Install(#[from] seccompiler::Error),
}

/// An error of this call.
fn system(call: &'static str) -> impl FnOnce(rustix::io::Errno) -> PrivilegeError {
    move |errno| PrivilegeError::System {
        call,
        error: errno.into(),
    }
}
