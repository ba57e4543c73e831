//! The kernel's own active count (6.19 and later).
//!
//! `__ns_ref_active_get` and `__ns_ref_active_put` run on every fork and exit
//! inside a container, so a record is written only when the state flips, by
//! the rule of [`crate::known`]. Looking only for counts of 0 and 1 would not
//! do: two gets can both read 2.

use aya_ebpf::{helpers::generated::bpf_loop, programs::FExitContext};
use tracer_common::{
    event::{Cause, What},
    kind::NsKind,
};

use crate::{
    doing,
    emit::{self, Why},
    known::{Known, Reading, Watched, observe, remember, unreport},
    mem::{forget, number, offset, read},
    ns_common::{kind_of, owner_of},
    select,
    twins::programs,
};

/// Deepest nesting of user namespaces that the kernel allows, and one.
const MAX_LEVELS: u32 = 33;

/// Initial namespaces have these ids and below, and are not counted.
const LAST_INITIAL_ID: u64 = 8;

/// Reads the active count of the namespace at `key`.
#[inline(always)]
pub fn observe_count(known: *mut Known, key: u64) -> Reading {
    observe(known, Watched::Active, || read(key, offset!(ns_active)))
}

/// What climbs from owner to owner. The verifier is to know nothing of it, see
/// [`forget`].
#[repr(C)]
#[derive(Clone, Copy)]
struct Climb {
    key: u64,
    kind: u32,
    /// The flags for what the running task does itself: asked for once, since
    /// the verifier would follow each answer through the climb.
    own_deed: u32,
    /// The namespace below, if it was seen to flip on the way; else 0.
    below: u64,
    /// 1 if a reference was taken, 0 if it was dropped.
    rises: u32,
    /// 1 at the bottom, 0 above.
    is_first: u32,
    /// 1 if one was reported because of one below, else 0.
    has_pulled: u32,
    /// Zero.
    reserved: u32,
}

impl Climb {
    /// Why the namespace that has been reached flipped. Whether one below can
    /// have pulled it along the model judges: each question here would double
    /// what the verifier follows.
    #[inline(always)]
    fn cause(&self, known: *mut Known, kind: NsKind) -> u32 {
        if self.is_first != 0 {
            doing::cause(known, kind, self.rises != 0)
        } else if self.rises != 0 {
            Cause::OwnedCame as u32
        } else {
            Cause::OwnedWent as u32
        }
    }
}

/// Observes one namespace and moves to its owner. Returns 1 at the top.
#[inline(always)]
fn step(climb: &mut Climb) -> i64 {
    let Some(kind) = NsKind::from_u32(climb.kind) else {
        return 1;
    };
    let key = climb.key;
    let id: u64 = read(key, offset!(ns_id));
    let inum: u32 = read(key, offset!(ns_inum));
    if id <= LAST_INITIAL_ID {
        return 1;
    }
    let Some(known) = remember(inum, key, kind) else {
        return 1;
    };
    let mut reading = observe_count(known, key);
    if reading.flipped {
        // Lets the verifier merge the paths that lead here.
        forget(&mut reading);
        let below = climb.below;
        let cause = climb.cause(known, kind);
        // Who takes a reference does so itself. Who drops one only cleans up, but
        // for a task that changes its credentials.
        let flags = if climb.rises != 0 || cause == Cause::CredChanged as u32 {
            climb.own_deed
        } else {
            0
        };
        // Or each cause would be followed to the end of the record.
        let mut why = Why { cause, flags };
        forget(&mut why);
        if below != 0 {
            climb.has_pulled = 1;
        }
        if !emit::reading(What::NsActivity, why, (key, kind), &reading, below) {
            unreport(inum, Watched::Active);
        }
        climb.below = key;
    } else {
        climb.below = 0;
    }
    climb.is_first = 0;
    climb.key = owner_of(key, kind);
    climb.kind = NsKind::User as u32;
    forget(climb);
    i64::from(climb.key == 0)
}

extern "C" fn climb_step(_index: u32, climb: *mut Climb) -> i64 {
    // SAFETY: `bpf_loop` hands back the context it was given.
    step(unsafe { &mut *climb })
}

/// The namespace and its owners: a count that left or reached zero has moved
/// theirs too, and the caller still holds them all.
#[inline(always)]
fn changed(ctx: &FExitContext, rises: bool) {
    if read::<u64>(ctx.arg(0), offset!(ns_id)) <= LAST_INITIAL_ID {
        return;
    }
    let key = number(ctx, 0);
    let Some(kind) = kind_of(key) else {
        return;
    };
    let mut climb = Climb {
        key,
        kind: kind as u32,
        own_deed: select::own_deed(),
        below: 0,
        rises: rises.into(),
        is_first: 1,
        has_pulled: 0,
        reserved: 0,
    };
    forget(&mut climb);
    // SAFETY: the callback has the signature that the helper documents, and
    // the context outlives the call.
    unsafe {
        bpf_loop(
            MAX_LEVELS,
            climb_step as *mut core::ffi::c_void,
            (&raw mut climb).cast(),
            0,
        );
    }
    if climb.has_pulled != 0 {
        emit::namespace(What::ClimbEnded, 0, key, kind, 0);
    }
}

/// `void __ns_ref_active_get(struct ns_common *ns)`. Always called by the
/// task that starts to use the namespace.
#[inline(always)]
fn on_active_get(ctx: &FExitContext) {
    changed(ctx, true);
}

/// `void __ns_ref_active_put(struct ns_common *ns)`. Called by whoever
/// happens to drop the last user: nobody to name.
#[inline(always)]
fn on_active_put(ctx: &FExitContext) {
    changed(ctx, false);
}

programs! {
    fexit active_get, active_get_again: on_active_get;
    fexit active_put, active_put_again: on_active_put;
}
