//! The kernel's own active count (6.19 and later).
//!
//! `__ns_ref_active_get` and `__ns_ref_active_put` run on every fork and exit
//! inside a container, so a record is written only when the state flips, by
//! the rule of [`crate::known`]. Looking only for counts of 0 and 1 would not
//! do: two gets can both read 2.

use aya_ebpf::{helpers::generated::bpf_loop, macros::fexit, programs::FExitContext};
use tracer_common::{event::What, kind::NsKind};

use crate::{
    emit::{self, kind_of, owner_of},
    known::{Reading, Watched, observe, remember, unreport},
    mem::{number, offset, read},
    select,
};

/// Deepest nesting of user namespaces that the kernel allows, and one.
const MAX_LEVELS: u32 = 33;

/// Initial namespaces have these ids and below, and are not counted.
const LAST_INITIAL_ID: u64 = 8;

/// Reads the active count of the namespace at `key`.
#[inline(always)]
pub fn observe_count(key: u64, inum: u32, kind: NsKind) -> Option<Reading> {
    let known = remember(inum, key, kind)?;
    Some(observe(known, Watched::Active, || {
        read(key, offset!(ns_active))
    }))
}

/// What climbs from owner to owner.
struct Climb {
    key: u64,
    kind: u32,
    flags: u32,
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
    if let Some(reading) = observe_count(key, inum, kind)
        && reading.flipped
        && !emit::reading(What::NsActivity, climb.flags, key, kind, &reading)
    {
        unreport(inum, Watched::Active);
    }
    climb.key = owner_of(key, kind);
    climb.kind = NsKind::User as u32;
    i64::from(climb.key == 0)
}

extern "C" fn climb_step(_index: u32, climb: *mut Climb) -> i64 {
    // SAFETY: `bpf_loop` hands back the context it was given.
    step(unsafe { &mut *climb })
}

/// The namespace and its owners: a count that left or reached zero has moved
/// theirs too, and the caller still holds them all.
#[inline(always)]
fn changed(ctx: &FExitContext, flags: u32) -> i32 {
    if read::<u64>(ctx.arg(0), offset!(ns_id)) <= LAST_INITIAL_ID {
        return 0;
    }
    let key = number(ctx, 0);
    let Some(kind) = kind_of(key) else {
        return 0;
    };
    let mut climb = Climb {
        key,
        kind: kind as u32,
        flags,
    };
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
    0
}

/// `void __ns_ref_active_get(struct ns_common *ns)`. Always called by the
/// task that starts to use the namespace.
#[fexit]
pub fn active_get(ctx: FExitContext) -> i32 {
    changed(&ctx, select::own_deed())
}

/// `void __ns_ref_active_put(struct ns_common *ns)`. Called by whoever
/// happens to drop the last user: nobody to name.
#[fexit]
pub fn active_put(ctx: FExitContext) -> i32 {
    changed(&ctx, 0)
}
