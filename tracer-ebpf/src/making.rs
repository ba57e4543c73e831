//! How long it takes to make namespaces, and which could not be made.
//!
//! A thread makes one after the other ([`NsKind::AS_MADE`]). So each took as long
//! as it was since the one before, and if there is an error it is about the
//! first that is not there yet.

use core::mem::MaybeUninit;

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid,
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use tracer_common::{
    event::{Counter, FailEvent, What},
    kind::NsKind,
};

use crate::{
    emit::{fill_header, now, reserve},
    maps::{MAKING, count},
    mem::number,
    ns_common::flag_of,
    select,
};

/// Largest value that the kernel returns as an error (`MAX_ERRNO`).
const MAX_ERRNO: i64 = 4095;

/// Whether a function that returns a pointer or a status has failed.
#[inline(always)]
pub fn is_error(result: i64) -> bool {
    (-MAX_ERRNO..0).contains(&result)
}

/// What a thread is making.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Making {
    /// When it began with what it is making now, `CLOCK_BOOTTIME`.
    since: u64,
    /// `CLONE_NEW*` of what is not made yet.
    left: u64,
}

/// The running thread begins to make these.
#[inline(always)]
fn begin(flags: u64) {
    let making = Making {
        since: now(),
        left: flags,
    };
    // An LRU map makes room.
    if MAKING
        .insert(bpf_get_current_pid_tgid(), making, 0)
        .is_err()
    {
        count(Counter::MapFull);
    }
}

/// The running thread has made one of this type: how long that took,
/// nanoseconds; 0 if it was not seen to begin.
#[inline(always)]
pub fn made(kind: NsKind) -> u64 {
    let Some(making) = MAKING.get_ptr_mut(bpf_get_current_pid_tgid()) else {
        return 0;
    };
    let at = now();
    // SAFETY: the entry is this thread's own; nobody else writes it.
    unsafe {
        let took = at - (*making).since;
        (*making).since = at;
        (*making).left &= !u64::from(flag_of(kind));
        took
    }
}

/// The function that makes them returns this.
#[inline(always)]
fn end(result: i64) {
    let thread = bpf_get_current_pid_tgid();
    // SAFETY: the entry is this thread's own; nobody else writes it.
    let Some(&Making { left, .. }) = (unsafe { MAKING.get(thread) }) else {
        return;
    };
    let _ = MAKING.remove(thread);
    if !is_error(result) {
        return;
    }
    let mut index = 0;
    while index < NsKind::COUNT {
        let kind = NsKind::AS_MADE[index];
        if left & u64::from(kind.clone_flag()) != 0 {
            failed(kind, result.unsigned_abs() as u32);
            return;
        }
        index += 1;
    }
}

#[inline(always)]
fn failed(kind: NsKind, errno: u32) {
    let Some(mut entry) = reserve::<FailEvent>() else {
        return;
    };
    let event = MaybeUninit::as_mut_ptr(&mut entry);
    // SAFETY: `event` is the reserved record; all its fields are written.
    unsafe {
        fill_header(
            &raw mut (*event).header,
            What::NsFailed,
            select::own_deed(),
            now(),
        );
        (*event).kind = kind as u32;
        (*event).errno = errno;
    }
    entry.submit(0);
}

/// `struct nsproxy *create_new_namespaces(flags, tsk, user_ns, new_fs)`,
/// entered. A `setns` copies an nsproxy this way, without anything new in it.
#[fentry]
pub fn making_begins(ctx: FEntryContext) -> i32 {
    // If there is a user namespace among them, it is there already.
    begin(number(&ctx, 0) & !u64::from(NsKind::User.clone_flag()));
    0
}

/// The same, left.
#[fexit]
pub fn making_ends(ctx: FExitContext) -> i32 {
    end(number(&ctx, 4).cast_signed());
    0
}

/// `int create_user_ns(struct cred *new)`, entered.
#[fentry]
pub fn making_user_begins(_ctx: FEntryContext) -> i32 {
    begin(u64::from(NsKind::User.clone_flag()));
    0
}

/// The same, left.
#[fexit]
pub fn making_user_ends(ctx: FExitContext) -> i32 {
    end(i64::from(ctx.arg::<i32>(1)));
    0
}
