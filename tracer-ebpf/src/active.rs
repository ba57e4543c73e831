//! The kernel's own active count (6.19 and later).
//!
//! `__ns_ref_active_get` and `__ns_ref_active_put` run on every fork and exit
//! inside a container, so a record is written only when the state flips, by
//! this rule: per namespace a sequence number is drawn *before* the count is
//! read, and of all readings the one with the highest number stands. It was
//! taken after every change that drew an earlier number, so once things are
//! quiet it is the truth, in whatever order the readings arrive. Looking only
//! for counts of 0 and 1 would not do: two gets can both read 2.

use aya_ebpf::{
    bindings::BPF_NOEXIST, helpers::generated::bpf_loop, macros::fexit, programs::FExitContext,
};
use tracer_common::{
    event::{Counter, What},
    kind::NsKind,
};

use crate::{
    atomic::Word,
    emit::{self, kind_of, owner_of},
    maps::{Known, NAMESPACES, count},
    mem::{number, offset, read},
    select,
};

/// Deepest nesting of user namespaces that the kernel allows, and one.
const MAX_LEVELS: u32 = 33;

/// First of the inode numbers that are set aside for initial namespaces.
const FIRST_INITIAL_INUM: u32 = 0xEFFF_FFF8;
/// Last of them; above it numbers are given out anew.
const LAST_INITIAL_INUM: u32 = 0xEFFF_FFFF;
/// Initial namespaces have these ids and below, and are not counted.
const LAST_INITIAL_ID: u64 = 8;

/// [`Known::word`]: a state was reported.
const REPORTED: u64 = 1 << 1;
/// [`Known::word`]: it was "active".
const ACTIVE: u64 = 1 << 0;
/// [`Known::word`]: where the sequence number starts.
const SEQUENCE_SHIFT: u32 = 2;

/// Attempts to store a reading.
const MAX_TRIES: u32 = 4;

/// Whether this inode number belongs to an initial namespace for good.
#[inline(always)]
pub fn is_initial(inum: u32) -> bool {
    (FIRST_INITIAL_INUM..=LAST_INITIAL_INUM).contains(&inum)
}

/// One reading of an active count.
pub struct Reading {
    /// Drawn before the count was read.
    pub sequence: u64,
    /// Whether it differs from what was last reported.
    pub flipped: bool,
}

/// The map entry of the namespace, made if need be: without it its freeing
/// would not be recognized.
#[inline(always)]
pub fn remember(inum: u32, key: u64, kind: NsKind) -> Option<*mut Known> {
    if let Some(known) = NAMESPACES.get_ptr_mut(inum) {
        // SAFETY: see `free_inum`.
        if unsafe { (*known).key } == key {
            return Some(known);
        }
        // A predecessor with this number whose freeing was missed.
        let _ = NAMESPACES.remove(inum);
    }
    let known = Known::new(key, kind);
    let inserted = NAMESPACES.insert(inum, known, u64::from(BPF_NOEXIST));
    match NAMESPACES.get_ptr_mut(inum) {
        Some(known) => Some(known),
        None => {
            if inserted.is_err() {
                count(Counter::MapFull);
            }
            None
        }
    }
}

/// Reads the active count of the namespace at `key` by the rule above.
#[inline(always)]
pub fn observe(key: u64, inum: u32, kind: NsKind) -> Option<Reading> {
    let known = remember(inum, key, kind)?;
    // SAFETY: both fields are aligned 64-bit words of a map value, touched
    // only atomically by programs.
    let (drawn, word) = unsafe {
        (
            Word::new(&raw mut (*known).drawn),
            Word::new(&raw mut (*known).word),
        )
    };
    let sequence = drawn.fetch_add(1) + 1;
    let active = read::<i32>(key, offset!(ns_active)) > 0;
    let state = REPORTED | if active { ACTIVE } else { 0 };
    let new = (sequence << SEQUENCE_SHIFT) | state;
    let mut tries = 0;
    while tries < MAX_TRIES {
        let old = word.load();
        if old >> SEQUENCE_SHIFT >= sequence {
            return Some(Reading {
                sequence,
                flipped: false,
            });
        }
        if word.replace(old, new) {
            return Some(Reading {
                sequence,
                flipped: old & (REPORTED | ACTIVE) != state,
            });
        }
        tries += 1;
    }
    // Each of them lost to another CPU. Report it rather than miss a flip: who
    // reads the records looks at the sequence numbers.
    Some(Reading {
        sequence,
        flipped: true,
    })
}

/// Forgets what was reported, so that the next reading is written again.
#[inline(always)]
fn unreport(inum: u32) {
    if let Some(known) = NAMESPACES.get_ptr_mut(inum) {
        // SAFETY: as in `observe`.
        unsafe { Word::new(&raw mut (*known).word) }.and(!REPORTED);
    }
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
    if let Some(reading) = observe(key, inum, kind)
        && reading.flipped
        && !emit::namespace(What::NsActivity, climb.flags, key, kind, reading.sequence)
    {
        unreport(inum);
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
