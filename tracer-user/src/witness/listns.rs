//! The system call `listns`.

use std::io;

use tracer_common::kind::NsKind;

use super::Named;

/// The same number on every architecture.
const LISTNS: libc::c_long = 470;

/// Ids that are asked for at a time.
const BATCH: usize = 512;

/// `struct ns_id_req`, version 0.
#[repr(C)]
struct Request {
    size: u32,
    spare: u32,
    /// The id after which to go on.
    ns_id: u64,
    /// A `CLONE_NEW*` flag.
    ns_type: u32,
    spare2: u32,
    /// 0 for those of all owners.
    user_ns_id: u64,
}

/// All active namespaces, by their ids.
pub(super) fn active() -> io::Result<Named> {
    let mut all = Named::new();
    for kind in NsKind::ALL {
        of_type(kind, &mut all)?;
    }
    Ok(all)
}

fn of_type(kind: NsKind, all: &mut Named) -> io::Result<()> {
    let mut last = 0;
    loop {
        let request = Request {
            size: size_of::<Request>() as u32,
            spare: 0,
            ns_id: last,
            ns_type: kind.clone_flag(),
            spare2: 0,
            user_ns_id: 0,
        };
        let mut ids = [0_u64; BATCH];
        // SAFETY: the kernel reads as much of the request as its size says, and
        // writes at most as many ids as there is room for.
        let count =
            unsafe { libc::syscall(LISTNS, &raw const request, ids.as_mut_ptr(), ids.len(), 0) };
        match usize::try_from(count) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                let ids = &ids[..count.min(BATCH)];
                all.extend(ids.iter().map(|&id| (kind, id)));
                last = ids.last().copied().unwrap_or(last);
            }
            Err(_) => {
                let error = io::Error::last_os_error();
                return match error.raw_os_error() {
                    // Nothing comes after the last one.
                    Some(libc::ENOENT) => Ok(()),
                    _ => Err(error),
                };
            }
        }
    }
}
