//! System calls that no crate wraps safely. All `unsafe` of this program is here.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr,
    sync::atomic::AtomicU64,
};

use rustix::{
    mm::{MapFlags, ProtFlags, mmap_anonymous},
    process::Pid,
    thread::{UnshareFlags, unshare_unsafe},
};
use tracer_common::kind::NsKind;

/// `SIOCGSKNS` of `linux/sockios.h`, which libc does not have.
const SIOCGSKNS: libc::Ioctl = 0x894C;

/// `NS_GET_USERNS` and `NS_GET_PARENT` of `linux/nsfs.h`.
const NS_GET_USERNS: libc::Ioctl = 0xB701;
const NS_GET_PARENT: libc::Ioctl = 0xB702;

/// `FD_NSFS_ROOT` of `linux/fcntl.h`: nsfs, which is mounted nowhere.
const NSFS_ROOT: libc::c_int = -10003;

/// `FILEID_NSFS` of the kernel's own `linux/exportfs.h`.
const NSFS_HANDLE: libc::c_int = 0xF1;

/// `listns` (6.19 and later), the same number on every architecture.
const LISTNS: libc::c_long = 470;

/// Who returns from [`clone`].
pub(crate) enum Cloned {
    /// The caller, with the child's number in the caller's pid namespace.
    Parent(Pid),
    /// The child.
    Child,
}

/// The `CLONE_NEW*` flags of these types.
pub(crate) fn clone_flags(kinds: &[NsKind]) -> u32 {
    kinds
        .iter()
        .fold(0, |flags, kind| flags | kind.clone_flag())
}

/// Traces a process from now on, without stopping it.
pub(crate) fn seize(pid: u32) -> io::Result<()> {
    // SAFETY: this request takes numbers, and no pointer.
    let result = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0_usize, 0_usize) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Stops a thread that was seized, and it alone, until the caller or the calling thread's end lets
/// it go.
pub(crate) fn interrupt(tid: u32) -> io::Result<()> {
    // SAFETY: this request takes numbers, and no pointer.
    let result = unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, tid, 0_usize, 0_usize) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Waits until a thread that was interrupted has stopped.
pub(crate) fn stopped(tid: u32) -> io::Result<()> {
    let tid = libc::pid_t::try_from(tid).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: nobody wants to know the status, so there is no pointer.
    let result = unsafe { libc::waitpid(tid, ptr::null_mut(), libc::__WALL) };
    if result == tid {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets go of a thread that was seized and has stopped.
pub(crate) fn detach(tid: u32) -> io::Result<()> {
    // SAFETY: this request takes numbers, and no pointer.
    let result = unsafe { libc::ptrace(libc::PTRACE_DETACH, tid, 0_usize, 0_usize) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Forks; the child gets new namespaces of these types. Only for processes with a single thread,
/// in which no lock can be held by another.
pub(crate) fn clone(kinds: &[NsKind]) -> io::Result<Cloned> {
    let flags = u64::from(clone_flags(kinds)) | libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM this is a fork: the child has a copy of this memory and of the one
    // thread that there is, and no pointer is passed.
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0_u64, 0_u64, 0_u64, 0_u64) };
    cloned(result)
}

/// What is wrong with a `clone3`, so that it fails when all the namespaces are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The child asks for this number in the deepest pid namespace.
    Number(i32),
    /// There is no place for the pidfd.
    Pidfd,
}

/// As [`clone`], and for time namespaces too.
pub(crate) fn clone3(kinds: &[NsKind], flaw: Option<Flaw>) -> io::Result<Cloned> {
    let number = match flaw {
        Some(Flaw::Number(number)) => Some(number),
        _ => None,
    };
    let (flag, pidfd) = match flaw {
        // Nothing is ever mapped there.
        Some(Flaw::Pidfd) => (libc::CLONE_PIDFD as u64, 8),
        _ => (0, 0),
    };
    let arguments = libc::clone_args {
        flags: u64::from(clone_flags(kinds)) | flag,
        pidfd,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: number
            .as_ref()
            .map_or(0, |number| ptr::from_ref(number) as u64),
        set_tid_size: u64::from(number.is_some()),
        cgroup: 0,
    };
    // SAFETY: as in `clone`; of the pointers, one is to a number that is only read, and where the
    // other points to, the kernel cannot write.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of_val(&arguments),
        )
    };
    cloned(result)
}

/// Who returns from a system call that makes a process.
fn cloned(result: libc::c_long) -> io::Result<Cloned> {
    match i32::try_from(result) {
        Ok(0) => Ok(Cloned::Child),
        Ok(number) => match Pid::from_raw(number) {
            Some(pid) if number > 0 => Ok(Cloned::Parent(pid)),
            _ => Err(io::Error::last_os_error()),
        },
        Err(_) => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

/// Numbers, zero at first, that all children of this process share with it. They stay for good.
pub(crate) fn shared_numbers<const COUNT: usize>() -> io::Result<&'static [AtomicU64; COUNT]> {
    // SAFETY: a new mapping, in a place that the kernel chooses.
    let mapping = unsafe {
        mmap_anonymous(
            ptr::null_mut(),
            size_of::<[AtomicU64; COUNT]>(),
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
        )
    }?;
    // SAFETY: it is as large, aligned to a page, full of zeros, which are numbers, and never
    // unmapped.
    Ok(unsafe { &*mapping.cast() })
}

/// Gives the calling thread new namespaces of these types.
pub(crate) fn unshare(kinds: &[NsKind]) -> io::Result<()> {
    let flags = UnshareFlags::from_bits_retain(clone_flags(kinds));
    // SAFETY: what is unsafe is CLONE_FILES, which no type of namespace stands for.
    Ok(unsafe { unshare_unsafe(flags) }?)
}

/// Ends the calling thread and no other, even if it is the first of its process.
pub(crate) fn exit_thread() -> ! {
    // SAFETY: nothing of this thread's stack is used by another, and nothing of it runs on.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("a thread survived its own exit")
}

/// Lets children of this process vanish when they exit, without anybody reaping them.
pub(crate) fn ignore_children() {
    // SAFETY: no handler is installed, so there is nothing to be run at a bad moment.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Opens the network namespace that a socket belongs to, whether or not it is still active.
pub(crate) fn net_of_socket(socket: impl AsFd) -> io::Result<OwnedFd> {
    related(socket, SIOCGSKNS)
}

/// Opens the user namespace that owns a namespace.
pub(crate) fn owner(namespace: impl AsFd) -> io::Result<OwnedFd> {
    related(namespace, NS_GET_USERNS)
}

/// Opens the parent of a pid or user namespace.
pub(crate) fn parent(namespace: impl AsFd) -> io::Result<OwnedFd> {
    related(namespace, NS_GET_PARENT)
}

/// Opens the namespace that stands in this relation to a file.
fn related(file: impl AsFd, relation: libc::Ioctl) -> io::Result<OwnedFd> {
    // SAFETY: none of the requests above takes an argument.
    let fd = unsafe { libc::ioctl(file.as_fd().as_raw_fd(), relation) };
    // SAFETY: the kernel has just made this descriptor for the caller.
    unsafe { new_descriptor(fd.into()) }
}

/// `struct file_handle` of `fcntl.h` with `struct nsfs_file_handle` of `linux/nsfs.h`.
#[repr(C)]
struct NamespaceHandle {
    size: libc::c_uint,
    kind: libc::c_int,
    ns_id: u64,
    /// Its `CLONE_NEW*` flag. Later kernels than 6.18 do without.
    ns_type: u32,
    /// Likewise.
    inum: u32,
}

/// Opens the namespace that has this type and these numbers (6.18 and later).
pub(crate) fn open_by_handle(kind: NsKind, ns_id: u64, inum: u32) -> io::Result<OwnedFd> {
    let handle = NamespaceHandle {
        size: 16,
        kind: NSFS_HANDLE,
        ns_id,
        ns_type: kind.clone_flag(),
        inum,
    };
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the kernel reads the handle, whose size is that of what follows its first two fields,
    // and writes nothing.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            NSFS_ROOT,
            &raw const handle,
            flags,
        )
    };
    // SAFETY: the kernel has just made this descriptor for the caller.
    unsafe { new_descriptor(fd) }
}

/// What a system call returned that makes a descriptor.
///
/// # Safety
///
/// It has just been made, for the caller alone.
unsafe fn new_descriptor(fd: libc::c_long) -> io::Result<OwnedFd> {
    match i32::try_from(fd) {
        // SAFETY: so the caller says.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// `struct ns_id_req` of `linux/nsfs.h`.
#[repr(C)]
struct NsIdRequest {
    size: u32,
    spare: u32,
    /// Ids after this one.
    ns_id: u64,
    /// Of these types; 0 for all.
    ns_type: u32,
    spare2: u32,
    user_ns_id: u64,
}

/// The kernel's ids of all namespaces that it calls active (6.19 and later), in ascending order.
pub(crate) fn listns() -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    loop {
        let request = NsIdRequest {
            size: size_of::<NsIdRequest>() as u32,
            spare: 0,
            ns_id: found.last().copied().unwrap_or(0),
            ns_type: 0,
            spare2: 0,
            user_ns_id: 0,
        };
        let mut ids = [0_u64; 512];
        // SAFETY: the kernel reads as much of the request as its size says, and writes at most as
        // many ids as there is room for.
        let count =
            unsafe { libc::syscall(LISTNS, &raw const request, ids.as_mut_ptr(), ids.len(), 0) };
        match usize::try_from(count) {
            Ok(0) => return Ok(found),
            Ok(count) => found.extend_from_slice(&ids[..count]),
            Err(_) => {
                let error = io::Error::last_os_error();
                return match error.raw_os_error() {
                    // Nothing comes after the last one.
                    Some(libc::ENOENT) if !found.is_empty() => Ok(found),
                    _ => Err(error),
                };
            }
        }
    }
}
