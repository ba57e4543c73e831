//! The system call filter (seccomp), as the kernel takes it.
//!
//! Two filters, of which the kernel takes the stricter answer. What no running
//! daemon has a use for and an intruder has (`syscalls::FATAL`) ends it at
//! once. All else that is not allowed fails with ENOSYS, as if the kernel did
//! not have it: the C library of another system may try a call that nobody has
//! heard of here, and knows what to do without; a daemon that watches for months
//! is not to die of that. Either way the kernel logs the call and its number.

use std::{collections::BTreeMap, io};

use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, sock_filter};

use super::{PrivilegeError, syscalls};

/// `struct sock_fprog` of `linux/filter.h`.
#[repr(C)]
struct Program {
    len: u16,
    filter: *const sock_filter,
}

/// Confines all threads of this process, and those to come, to what is left to
/// do once the engine has started. For ever; needs [`super::keep_for_start`].
pub fn confine() -> Result<(), PrivilegeError> {
    let allowed = compile(
        syscalls::allowed()?,
        SeccompAction::Errno(Errno::NOSYS.raw_os_error().unsigned_abs()),
        SeccompAction::Allow,
    )?;
    let fatal = compile(
        syscalls::fatal()?,
        SeccompAction::Allow,
        SeccompAction::KillProcess,
    )?;
    // In this order: the second one is installed by a call that the first one
    // does not allow.
    install(&fatal)?;
    install(&allowed)
}

/// Has the calling thread fail with EACCES whenever it opens a file, for ever. Other
/// threads are not affected.
pub(crate) fn without_files() -> Result<(), PrivilegeError> {
    let always = Vec::new;
    let opening = BTreeMap::from([(libc::SYS_open, always()), (libc::SYS_openat, always())]);
    let filter = compile(
        opening,
        SeccompAction::Allow,
        SeccompAction::Errno(Errno::ACCESS.raw_os_error().unsigned_abs()),
    )?;
    Ok(seccompiler::apply_filter(&filter)?)
}

fn compile(
    rules: syscalls::Rules,
    otherwise: SeccompAction,
    matching: SeccompAction,
) -> Result<BpfProgram, PrivilegeError> {
    let arch = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, otherwise, matching, arch)?.try_into()?)
}

/// Gives the filter to the kernel, for all threads, and asks it to log what it
/// refuses: the crate has no call that does both.
fn install(filter: &BpfProgram) -> Result<(), PrivilegeError> {
    let failed = |error| PrivilegeError::System {
        call: "seccomp",
        error,
    };
    let program = Program {
        len: u16::try_from(filter.len())
            .map_err(|_| failed(io::Error::from(io::ErrorKind::InvalidInput)))?,
        filter: filter.as_ptr(),
    };
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_LOG;
    // SAFETY: the kernel copies the program, which lives until then and has as
    // many instructions as it says.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        -1 => Err(failed(io::Error::last_os_error())),
        // The number of a thread that has a filter of its own.
        _ => Err(failed(io::Error::from(io::ErrorKind::ResourceBusy))),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::ErrorKind, thread};

    use super::*;

    #[test]
    fn one_thread_opens_no_files_and_others_do() {
        let read = || fs::read("/proc/self/comm").map_err(|error| error.kind());
        let inside = thread::spawn(move || {
            without_files().unwrap();
            read()
        });
        assert_eq!(inside.join().unwrap(), Err(ErrorKind::PermissionDenied));
        assert!(read().is_ok());
    }
}
