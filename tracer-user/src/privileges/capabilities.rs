//! Capabilities belong to threads: what one gives up another may still have.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::Pid,
    thread::{
        CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
        clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
        set_no_new_privs,
    },
};

use super::{PrivilegeError, system};

/// How long a thread may take from its birth to [`give_up_here`].
const BIRTH: Duration = Duration::from_secs(5);

const NONE: CapabilitySets = CapabilitySets {
    effective: CapabilitySet::empty(),
    permitted: CapabilitySet::empty(),
    inheritable: CapabilitySet::empty(),
};

/// Gives up for ever what the start does not need: no program that is executed
/// gains anything, and of the capabilities the two for the kernel programs are
/// left, and the one for ports below 1024. To be called before there are other
/// threads: they inherit what is left.
pub fn keep_for_start() -> Result<(), PrivilegeError> {
    set_no_new_privs(true).map_err(system("PR_SET_NO_NEW_PRIVS"))?;
    clear_ambient_capability_set().map_err(system("PR_CAP_AMBIENT"))?;
    let held = capabilities(None).map_err(system("capget"))?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        empty_bounding_set()?;
    }
    let kept = needed_for_start(held.permitted);
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )
    .map_err(system("capset"))
}

/// Of these capabilities, those that the start needs. `CAP_SYS_ADMIN` does for
/// who lacks one of the two, as in the kernel.
fn needed_for_start(permitted: CapabilitySet) -> CapabilitySet {
    let programs = CapabilitySet::BPF | CapabilitySet::PERFMON;
    let instead = if permitted.contains(programs) {
        CapabilitySet::empty()
    } else {
        CapabilitySet::SYS_ADMIN
    };
    permitted & (programs | CapabilitySet::NET_BIND_SERVICE | instead)
}

/// Takes all that the kernel knows out of the bounding set. That takes
/// `CAP_SETPCAP`; whoever lacks it gains nothing by execution all the same.
fn empty_bounding_set() -> Result<(), PrivilegeError> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match capability_is_in_bounding_set(capability) {
            Ok(false) => {}
            Ok(true) => remove_capability_from_bounding_set(capability)
                .map_err(system("PR_CAPBSET_DROP"))?,
            // The kernel knows no more of them.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(system("PR_CAPBSET_READ")(errno)),
        }
    }
    Ok(())
}

/// Gives up all capabilities of the calling thread, for ever.
pub fn give_up_here() -> Result<(), PrivilegeError> {
    set_capabilities(None, NONE).map_err(system("capset"))
}

/// Gives up those of the calling thread, and makes sure that no other one has
/// any. Each of the others is to call [`give_up_here`] when it is born.
pub fn give_up_in_all_threads() -> Result<(), PrivilegeError> {
    give_up_here()?;
    let deadline = Instant::now() + BIRTH;
    while let Some(thread) = thread_with_capabilities()? {
        if Instant::now() > deadline {
            return Err(PrivilegeError::Kept(thread.as_raw_nonzero().get()));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// A thread of this process that has capabilities.
fn thread_with_capabilities() -> Result<Option<Pid>, PrivilegeError> {
    let unreadable = |error| PrivilegeError::System {
        call: "reading /proc/self/task",
        error,
    };
    for entry in fs::read_dir("/proc/self/task").map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let thread = name
            .to_str()
            .and_then(|name| name.parse().ok())
            .and_then(Pid::from_raw)
            .ok_or_else(|| unreadable(io::Error::from(io::ErrorKind::InvalidData)))?;
        match capabilities(Some(thread)) {
            Ok(sets) if sets == NONE => {}
            Ok(_) => return Ok(Some(thread)),
            // It has ended since.
            Err(Errno::SRCH) => {}
            Err(errno) => return Err(system("capget")(errno)),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn the_start_keeps_what_it_needs() {
        let programs = CapabilitySet::BPF | CapabilitySet::PERFMON;
        let port = CapabilitySet::NET_BIND_SERVICE;
        let kept = needed_for_start;
        assert_eq!(kept(CapabilitySet::all()), programs | port);
        assert_eq!(kept(programs), programs);
        let old = CapabilitySet::SYS_ADMIN | CapabilitySet::CHOWN;
        assert_eq!(kept(old), CapabilitySet::SYS_ADMIN);
        assert_eq!(kept(CapabilitySet::empty()), CapabilitySet::empty());
    }

    /// Only as root, as in a virtual machine or a container, there is something
    /// to give up: otherwise this shows that it does no harm.
    #[test]
    fn a_thread_gives_up_its_own() {
        thread::spawn(|| {
            let (ask, asked) = mpsc::channel::<()>();
            let other = thread::spawn(move || {
                let before = capabilities(None).unwrap();
                asked.recv().unwrap();
                (before, capabilities(None).unwrap())
            });
            keep_for_start().unwrap();
            give_up_here().unwrap();
            assert_eq!(capabilities(None).unwrap(), NONE);
            ask.send(()).unwrap();
            let (before, after) = other.join().unwrap();
            assert_eq!(before, after, "another thread is left alone");
        })
        .join()
        .unwrap();
    }
}
