//! Takes the hooks away again.
//!
//! The kernel takes its time for that: for each function it patches its own code,
//! and up to 6.12 it also waits for grace periods, a tenth of a second in all,
//! while it holds a lock that all others need (`direct_mutex` in
//! `kernel/trace/ftrace.c`). So threads do not help, and forty functions take
//! seconds. A hook goes when the last descriptor of its link is closed. To have
//! nobody wait, that is left to a process of its own.

use std::{io, os::fd::AsRawFd as _};

use rustix::pipe::{PipeFlags, pipe_with};

use super::{Engine, kernel::Kernel};

/// Descriptors from here on were not inherited.
const INHERITED: libc::c_int = 1024;

impl Engine {
    /// Ends watching. The hooks are detached by a process that outlives this one
    /// by some seconds at most; where there can be none, before this returns.
    pub fn end(mut self) {
        self.kernel.end();
    }
}

impl Kernel {
    /// As [`Engine::end`].
    pub(super) fn end(&mut self) {
        if self.links.is_empty() {
            return;
        }
        // Where it fails the links are closed here.
        let _ = close_elsewhere(|| self.links.clear());
    }
}

/// Forks a process that holds copies of all descriptors, runs `close`, then has
/// that process exit.
fn close_elsewhere(close: impl FnOnce()) -> io::Result<()> {
    let (waits, keeps_waiting) = pipe_with(PipeFlags::CLOEXEC)?;
    let (waits_for, not_for) = (waits.as_raw_fd(), keeps_waiting.as_raw_fd());
    // SAFETY: the child calls nothing but what may be called after a fork
    // (signal-safety(7)), allocates nothing and does not return.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        // SAFETY: likewise; `byte` is there for what is read.
        0 => unsafe {
            // Nobody is to wait for it: no shell for its job, no umount for its folder,
            // no reader for the end of an output.
            libc::setsid();
            libc::chdir(c"/".as_ptr());
            libc::close(not_for);
            for descriptor in 0..INHERITED {
                // Those of nslife itself, links among them, are not for other programs.
                if libc::fcntl(descriptor, libc::F_GETFD) & libc::FD_CLOEXEC == 0 {
                    libc::close(descriptor);
                }
            }
            // Until the other end is closed.
            let mut byte = 0_u8;
            libc::read(waits_for, (&raw mut byte).cast(), 1);
            libc::_exit(0)
        },
        _ => {}
    }
    close();
    drop(keeps_waiting);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, pipe},
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn a_descriptor_is_closed_last_by_another_process() {
        let (mut reader, writer) = pipe().unwrap();
        close_elsewhere(|| drop(writer)).unwrap();
        // Without another process that closes it this would wait for ever, and the
        // end of it is not before the other one's.
        let began = Instant::now();
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
