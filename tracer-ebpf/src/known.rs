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

use core::mem::MaybeUninit;

use aya_ebpf::bindings::BPF_NOEXIST;
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

/// The word that holds the last report of a state.
#[inline(always)]
fn word(known: *mut Known, watched: Watched) -> Word {
    // SAFETY: both fields are aligned 64-bit words of a map value, touched
    // only atomically by programs.
    unsafe {
        match watched {
            Watched::Active => Word::new(&raw mut (*known).active),
            Watched::Tasks => Word::new(&raw mut (*known).tasks),
        }
    }
}

/// The number of credentials in a user namespace.
#[inline(always)]
pub fn creds(known: *mut Known) -> Word {
    // SAFETY: as for `word`.
    unsafe { Word::new(&raw mut (*known).creds) }
}

/// Reads a state by the rule above.
#[inline(always)]
pub fn observe(known: *mut Known, watched: Watched, read: impl FnOnce() -> u32) -> Reading {
    // SAFETY: as for `word`.
    let sequence = unsafe { Word::new(&raw mut (*known).drawn) }.fetch_add(1) + 1;
    let count = read();
    let state = REPORTED | if count.cast_signed() > 0 { YES } else { 0 };
    let new = (sequence << SEQUENCE_SHIFT) | state;
    let word = word(known, watched);
    let mut tries = 0;
    while tries < MAX_TRIES {
        let old = word.load();
        if old >> SEQUENCE_SHIFT >= sequence {
            return Reading {
                sequence,
                count,
                flipped: false,
            };
        }
        if word.replace(old, new) {
            return Reading {
                sequence,
                count,
                flipped: old & (REPORTED | YES) != state,
            };
        }
        tries += 1;
    }
    // Each of them lost to another CPU. Report it rather than miss a flip: who
    // reads the records looks at the sequence numbers.
    Reading {
        sequence,
        count,
        flipped: true,
    }
}

/// Whether the last report of this state was "yes".
#[inline(always)]
pub fn was_reported(known: *mut Known, watched: Watched) -> bool {
    word(known, watched).load() & (REPORTED | YES) == REPORTED | YES
}

/// Forgets what was reported, so that the next reading is written again.
#[inline(always)]
pub fn unreport(inum: u32, watched: Watched) {
    if let Some(known) = NAMESPACES.get_ptr_mut(inum) {
        word(known, watched).and(!REPORTED);
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
