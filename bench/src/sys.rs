//! System calls that no crate wraps safely. All `unsafe` of this program is here.

use std::{ffi::CStr, io, ptr};

use rustix::{
    process::Pid,
    thread::{UnshareFlags, unshare_unsafe},
};
use tracer_common::kind::NsKind;

/// Forks; the child, in new namespaces of these types, does one thing and ends. Only for processes
/// with a single thread, in which no lock can be held by another.
pub(crate) fn fork(kinds: &[NsKind], child: impl FnOnce() -> i32) -> io::Result<Pid> {
    let new = kinds
        .iter()
        .fold(0, |flags, kind| flags | kind.clone_flag());
    let flags = u64::from(new) | libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM this is a fork: the child has a copy of this memory and of the one
    // thread that there is, and no pointer is passed.
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0_u64, 0_u64, 0_u64, 0_u64) };
    match i32::try_from(result) {
        // SAFETY: it ends here, without what the parent would do at its own end.
        Ok(0) => unsafe { libc::_exit(child()) },
        Ok(number) if number > 0 => {
            Pid::from_raw(number).ok_or_else(|| io::ErrorKind::InvalidData.into())
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives the calling process a new namespace of this type.
pub(crate) fn unshare(kind: NsKind) -> io::Result<()> {
    let flags = UnshareFlags::from_bits_retain(kind.clone_flag());
    // SAFETY: what is unsafe is CLONE_FILES, which no type of namespace stands for.
    Ok(unsafe { unshare_unsafe(flags) }?)
}

/// Becomes another program, which gets this one argument and no environment; returns if that fails.
pub(crate) fn execute(program: &CStr, argument: &CStr) -> io::Error {
    let arguments = [program.as_ptr(), argument.as_ptr(), ptr::null()];
    let environment = [ptr::null()];
    // SAFETY: both lists end with a null pointer and hold strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}
