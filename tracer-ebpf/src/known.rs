//! What the kernel side remembers of each namespace, and the rule by which a
//! state is reported.
//!
//! Two states are watched: whether the kernel's active count is above zero,
//! and, where it keeps none, whether tasks keep the namespace active. Both
//! follow one rule: a sequence number is drawn *before* the state is read, and
//! of all readings the one with the highest number stands. It was taken after
//! every change that drew an earlier number, so once things are quiet it is
//! the truth, in whatever order the readings arrive. A record is written only
//! when the state is another than the one reported last.

use core::{ffi::c_void, hint::black_box, mem::MaybeUninit};

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated::bpf_loop};
pub use tracer_common::known::Known;
use tracer_common::{event::Counter, kind::NsKind};

use crate::{
    atomic::Word,
    maps::{NAMESPACES, count},
    mem::{offset, peek, put},
    ns_common::{FIRST_INUM, is_namespace},
};

/// Last of the inode numbers that are set aside for initial namespaces; above it
/// numbers are given out anew.
const LAST_INITIAL_INUM: u32 = 0xEFFF_FFFF;

/// A state was reported.
const REPORTED: u64 = 1 << 1;
/// It was "yes".
const YES: u64 = 1 << 0;
/// Where the sequence number starts.
const SEQUENCE_SHIFT: u32 = 2;

/// How long after its last reference a namespace may give back its inode
/// number, nanoseconds. Those of the network queue for it.
const FREEING: u64 = 10_000_000_000;
const FREEING_NET: u64 = 300_000_000_000;

/// Attempts to store a reading.
const MAX_TRIES: u32 = 4;

/// A state that is watched.
#[derive(Clone, Copy)]
pub enum Watched {
    /// The kernel's active count is above zero.
    Active,
    /// Credentials or pids of tasks keep it active.
    Tasks,
}

/// One reading of a state.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Reading {
    /// Drawn before the state was read.
    pub sequence: u64,
    /// The count that was read, for the record: a second look could show
    /// another state than the one that was decided on.
    pub count: u32,
    /// Whether it differs from what was last reported.
    pub flipped: bool,
}

/// Whether this inode number belongs to an initial namespace for good.
#[inline(always)]
pub fn is_initial(inum: u32) -> bool {
    (FIRST_INUM..=LAST_INITIAL_INUM).contains(&inum)
}

/// The map entry of the namespace, if there is one.
#[inline(always)]
pub fn recall(inum: u32, key: u64) -> Option<*mut Known> {
    let known = NAMESPACES.get_ptr_mut(inum)?;
    // SAFETY: the map does not preallocate, so the value stays valid (RCU)
    // while this program runs, even if another CPU deletes it.
    (unsafe { (*known).key } == key).then_some(known)
}

/// The map entry of the namespace, made if need be: without it its freeing
/// would not be recognized.
#[inline(always)]
pub fn remember(inum: u32, key: u64, kind: NsKind) -> Option<*mut Known> {
    if let Some(known) = NAMESPACES.get_ptr_mut(inum) {
        // SAFETY: see `recall`.
        if unsafe { (*known).key } == key {
            return Some(known);
        }
        // A predecessor with this number whose freeing was missed.
        let _ = NAMESPACES.remove(inum);
    }
    let inserted = store(inum, key, kind, BPF_NOEXIST);
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

/// Puts a namespace of which nothing was reported into the map.
#[inline(always)]
pub fn store(inum: u32, key: u64, kind: NsKind, flags: u32) -> Result<(), i32> {
    let mut known = MaybeUninit::uninit();
    // SAFETY: it has room for one, and is one afterwards.
    let known = unsafe {
        put(known.as_mut_ptr(), &Known::new(key, kind));
        known.assume_init_ref()
    };
    NAMESPACES.insert(inum, known, flags.into())
}

/// The word that holds the last report of a state: aligned, part of a map value,
/// and touched only atomically by programs.
#[inline(always)]
fn word(known: *mut Known, watched: Watched) -> *mut u64 {
    // SAFETY: `known` points to a map value, see `recall`.
    unsafe {
        match watched {
            Watched::Active => &raw mut (*known).active,
            Watched::Tasks => &raw mut (*known).tasks,
        }
    }
}

/// The number of credentials in a user namespace.
#[inline(always)]
pub fn creds(known: *mut Known) -> Word {
    // SAFETY: as for `word`.
    unsafe { Word::new(&raw mut (*known).creds) }
}

/// An attempt to store a reading, as `bpf_loop` hands it on.
#[repr(C)]
struct Attempt {
    word: *mut u64,
    sequence: u64,
    /// [`REPORTED`], and [`YES`] or not.
    state: u64,
    /// 1 if the state is another than the one reported last, else 0.
    flipped: u64,
}

/// Tries to store a reading. Returns 1 if nothing is left to do, else 0.
#[inline(always)]
fn attempt(attempt: &mut Attempt) -> i64 {
    // SAFETY: see `word`.
    let word = unsafe { Word::new(attempt.word) };
    let old = word.load();
    if old >> SEQUENCE_SHIFT >= attempt.sequence {
        attempt.flipped = 0;
        return 1;
    }
    let new = (attempt.sequence << SEQUENCE_SHIFT) | attempt.state;
    if !word.replace(old, new) {
        return 0;
    }
    let differs = (old ^ attempt.state) & (REPORTED | YES);
    // Without a branch: the verifier would follow both ways from there on.
    attempt.flipped = (differs | differs >> 1) & 1;
    1
}

extern "C" fn attempt_callback(_index: u32, context: *mut Attempt) -> i64 {
    // SAFETY: `bpf_loop` hands back the context it was given.
    attempt(unsafe { &mut *context })
}

/// Reads a state by the rule above.
#[inline(always)]
pub fn observe(known: *mut Known, watched: Watched, read: impl FnOnce() -> u32) -> Reading {
    // SAFETY: as for `word`.
    let sequence = unsafe { Word::new(&raw mut (*known).drawn) }.fetch_add(1) + 1;
    let count = read();
    // One if the count is above zero. Without a branch, likewise.
    let yes = black_box(-i64::from(count.cast_signed())).cast_unsigned() >> 63;
    let mut first = Attempt {
        word: word(known, watched),
        sequence,
        state: REPORTED | yes,
        // Should each attempt lose to another CPU: report it rather than miss a
        // flip. Who reads the records looks at the sequence numbers.
        flipped: 1,
    };
    if attempt(&mut first) == 0 {
        // SAFETY: the callback has the signature that the helper documents, and
        // the context outlives the call.
        unsafe {
            bpf_loop(
                MAX_TRIES - 1,
                attempt_callback as *mut c_void,
                (&raw mut first).cast(),
                0,
            );
        }
    }
    Reading {
        sequence,
        count,
        flipped: first.flipped != 0,
    }
}

/// Whether the last report of this state was "yes".
#[inline(always)]
pub fn was_reported(known: *mut Known, watched: Watched) -> bool {
    // SAFETY: see `word`.
    let word = unsafe { Word::new(word(known, watched)) };
    word.load() & (REPORTED | YES) == REPORTED | YES
}

/// Forgets what was reported, so that the next reading is written again.
#[inline(always)]
pub fn unreport(inum: u32, watched: Watched) {
    if let Some(known) = NAMESPACES.get_ptr_mut(inum) {
        // SAFETY: see `word`.
        unsafe { Word::new(word(known, watched)) }.and(!REPORTED);
    }
}

/// Forgets a namespace whose freeing was missed: what is at its address is
/// something else, or has been unused for too long.
#[inline(always)]
pub fn sweep(inum: u32, known: *mut Known, walk_started: u64) {
    // SAFETY: an aligned word of a map value, see `recall`; walks of one nslife
    // do not overlap, and nobody else writes it.
    let unused = unsafe { &raw mut (*known).unused };
    // SAFETY: likewise.
    let (key, raw, since) = unsafe { ((*known).key, (*known).kind, *unused) };
    let Some(kind) = NsKind::from_u32(raw) else {
        return;
    };
    let is_used = is_namespace(key, kind)
        && peek::<u32>(key, offset!(ns_inum)) == inum
        && peek::<u32>(key, offset!(ns_refs)) != 0;
    let patience = match kind {
        NsKind::Net => FREEING_NET,
        _ => FREEING,
    };
    if is_used || since == 0 {
        let now = if is_used { 0 } else { walk_started };
        // SAFETY: likewise.
        unsafe { unused.write(now) };
    } else if walk_started.saturating_sub(since) > patience {
        let _ = NAMESPACES.remove(inum);
    }
}
