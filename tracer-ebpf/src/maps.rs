//! Every map, with what bounds it.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use tracer_common::{
    event::{Counter, NsproxyInfo},
    walk::{RingCursor, WalkInit, WalkNs, WalkNsproxy},
};

use crate::{
    cred::Cred,
    exits::{Adopted, Leaving},
    known::Known,
    making::Making,
    netns::Round,
};

/// Records to userspace. Userspace sets the size.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// [`Counter`]s.
#[map]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::COUNT as u32, 0);

/// Namespaces that are not initial, by inode number: the one key that the
/// kernel passes to `proc_free_inum`, unique while the namespace lives.
/// Entries are removed there. Userspace sets the size.
#[map]
pub static NAMESPACES: HashMap<u32, Known> = HashMap::with_max_entries(1 << 17, BPF_F_NO_PREALLOC);

/// Tasks whose real credentials are in a user namespace other than the initial
/// one, by address; removed when they are reaped.
#[map]
pub static CREDS: HashMap<u64, Cred> = HashMap::with_max_entries(1 << 18, BPF_F_NO_PREALLOC);

/// Thread groups whose switches and exits a running trace wants to see.
#[map]
pub static SELECTED: HashMap<u32, u8> = HashMap::with_max_entries(1 << 16, BPF_F_NO_PREALLOC);

/// Between `unshare_nsproxy_namespaces` and the switch that follows in the
/// same thread: the nsproxy it made. Least recently used, since an `unshare`
/// that fails in between leaves its mark behind.
#[map]
pub static UNSHARED: LruHashMap<u64, u64> = LruHashMap::with_max_entries(1024, 0);

/// Threads that are making namespaces. Least recently used, since the end may be
/// missed.
#[map]
pub static MAKING: LruHashMap<u64, Making> = LruHashMap::with_max_entries(1024, 0);

/// Between entry and exit of `exec_task_namespaces`, only where the exec
/// will change the time namespace: the nsproxy before.
#[map]
pub static EXECS: LruHashMap<u64, NsproxyInfo> = LruHashMap::with_max_entries(256, 0);

/// What a thread is in the middle of that makes namespaces active or inactive:
/// a [`Cause`](tracer_common::event::Cause), see [`crate::doing`].
#[map]
pub static DOING: LruHashMap<u64, u32> = LruHashMap::with_max_entries(1024, 0);

/// The nsproxy that a selected thread was last said to leave by exiting, until
/// the nsproxy is freed. Least recently used, since most outlive the thread.
#[map]
pub static LEFT: LruHashMap<u64, u64> = LruHashMap::with_max_entries(1024, 0);

/// The round of cleaning up network namespaces that goes on: the kernel has one
/// thread for it (`netns_wq`).
#[map]
pub static NET_ROUND: Array<Round> = Array::with_max_entries(1, 0);

/// Tasks that have dropped their nsproxy and are not done with their exit, by
/// address. This map and the two that follow are of use only to a trace that
/// asks for the ends of tasks; else userspace makes them as small as can be.
/// Least recently used, since the rest of an exit may be missed.
#[map]
pub static LEAVING: LruHashMap<u64, Leaving> = LruHashMap::with_max_entries(4096, 0);

/// When tasks that are not reaped yet dropped their nsproxy, by address.
#[map]
pub static EXITED: LruHashMap<u64, u64> = LruHashMap::with_max_entries(1 << 16, 0);

/// Tasks that were handed over and are not reaped yet, by address.
#[map]
pub static ADOPTED: LruHashMap<u64, Adopted> = LruHashMap::with_max_entries(1 << 14, 0);

/// Namespaces and nsproxies that the current walk has just written, so that
/// a thousand tasks in one namespace write it once. Forgetting is harmless.
#[map]
pub static WALKED: LruHashMap<u64, WalkMark> = LruHashMap::with_max_entries(4096, 0);

/// See [`WALKED`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct WalkMark {
    /// The walk (`bpf_iter_meta.session_id`).
    pub session: u64,
    /// The task at which it was written: when the iterator's buffer overflows
    /// the kernel drops what this task wrote and shows it again.
    pub task: u64,
}

/// Room to put a walk record together. Not the stack, whose content the
/// verifier follows value by value, doubling its work with each field that
/// may be absent. Walks of one nslife do not overlap.
#[map]
pub static WALK_SCRATCH: PerCpuArray<WalkScratch> = PerCpuArray::with_max_entries(1, 0);

/// See [`WALK_SCRATCH`].
#[repr(C)]
pub struct WalkScratch {
    /// A namespace.
    pub namespace: WalkNs,
    /// An nsproxy, kept while its namespaces are written.
    pub nsproxy: WalkNsproxy,
    /// The first task of a pid namespace.
    pub init: WalkInit,
    /// Records written in this pass along a ring.
    pub written: u64,
}

/// How far the walk along a ring has come.
#[map]
pub static WALK_CURSOR: Array<RingCursor> = Array::with_max_entries(1, 0);

/// When the current walk started, `CLOCK_BOOTTIME`; set by userspace.
#[map]
pub static WALK_STARTED: Array<u64> = Array::with_max_entries(1, 0);

/// How many entries [`CREDS`] and [`NAMESPACES`] had when the last walk went
/// through them.
#[map]
pub static ENTRIES: Array<u64> = Array::with_max_entries(2, 0);

/// The superblock of nsfs, as soon as a walk has met it.
#[map]
pub static NSFS_SUPERBLOCK: Array<u64> = Array::with_max_entries(1, 0);

/// Takes over the size of a map as a walk found it: 0 for [`CREDS`], 1 for
/// [`NAMESPACES`].
#[inline(always)]
pub fn sized(index: u32, entries: i64) {
    if let Some(slot) = ENTRIES.get_ptr_mut(index) {
        // SAFETY: an aligned word of a map value; walks of one nslife do not
        // overlap, and nobody else writes it.
        unsafe { slot.write(entries.max(0) as u64) };
    }
}

/// Raises what this CPU has seen at most.
#[inline(always)]
pub fn raise(counter: Counter, value: u64) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: as for `count`; a program that interrupts this one could have
        // its value put back to this one's, which is as good as seen.
        unsafe {
            if value > *slot {
                *slot = value;
            }
        }
    }
}

/// Adds to a counter of this CPU.
#[inline(always)]
pub fn count(counter: Counter) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the pointer is into a per-CPU map value, eight bytes,
        // aligned; a program on this CPU that interrupts this one could lose
        // one increment, never corrupt memory.
        unsafe { *slot = (*slot).wrapping_add(1) };
    }
}
