//! Filling records and writing them to the ring buffer.

use core::mem::MaybeUninit;

use aya_ebpf::{
    helpers::{
        bpf_get_current_pid_tgid, generated::bpf_get_current_cgroup_id,
        generated::bpf_get_current_comm, generated::bpf_ktime_get_boot_ns,
    },
    maps::ring_buf::RingBufEntry,
};
use tracer_common::{
    event::{
        BREACH_FOREIGN, Counter, Header, NetCleanupEvent, NsEvent, NsInfo, NsproxyEvent,
        NsproxyInfo, Phase, UNKNOWN, What,
    },
    kind::NsKind,
};

use crate::{
    fill::{fill_ns, fill_nsproxy, set_count},
    known::{Reading, remember},
    maps::{EVENTS, count, raise},
    mem::{offset, put, read},
    netns::Round,
};

/// Where a [`Cause`](tracer_common::event::Cause) is expected and none is
/// known. Causes are numbers here: the verifier would follow each way to turn
/// one into the enum.
pub const UNKNOWN_CAUSE: u32 = 0;

/// Why a state is another one, and whether the running task did it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Why {
    /// A [`Cause`](tracer_common::event::Cause), or [`UNKNOWN_CAUSE`].
    pub cause: u32,
    /// The flags of the record.
    pub flags: u32,
}

/// What to ask of a ring buffer: how much of it is taken (`BPF_RB_AVAIL_DATA`).
const AVAILABLE: u64 = 0;

/// Reserves a record, or counts that the ring buffer was full.
#[inline(always)]
pub fn reserve<T: 'static>() -> Option<RingBufEntry<T>> {
    let entry = EVENTS.reserve::<T>(0);
    raise(Counter::RingTaken, EVENTS.query(AVAILABLE));
    count(match entry {
        Some(_) => Counter::Records,
        None => Counter::RingFull,
    });
    entry
}

/// Nanoseconds since boot, suspended time included.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// Describes the running task, and what happened when.
#[inline(always)]
pub fn fill_header(header: *mut Header, what: What, flags: u32, at: u64) {
    let id = bpf_get_current_pid_tgid();
    // SAFETY: `header` points into a reserved record of at least its size.
    unsafe {
        (*header).what = what as u32;
        (*header).flags = flags;
        (*header).time = at;
        (*header).cgroup = bpf_get_current_cgroup_id();
        (*header).pid = id as u32;
        (*header).tgid = (id >> 32) as u32;
        let comm = &raw mut (*header).comm;
        // It ends up as zeroes should that fail.
        bpf_get_current_comm(comm.cast(), size_of::<[u8; 16]>() as u32);
    }
}

/// Describes another task: one that does not run yet.
#[inline(always)]
fn fill_header_of(header: *mut Header, task: u64) {
    // SAFETY: `header` points into a reserved record of at least its size.
    unsafe {
        (*header).pid = read(task, offset!(task_pid));
        (*header).tgid = read(task, offset!(task_tgid));
        (*header).comm = read(task, offset!(task_comm));
    }
}

/// What a record says besides what the namespace is.
struct About {
    aux: u64,
    count: Option<u32>,
    cause: u32,
    below: u64,
}

impl About {
    const NOTHING: Self = Self {
        aux: 0,
        count: None,
        cause: UNKNOWN_CAUSE,
        below: 0,
    };
}

/// Writes what happened to the namespace at `key`. False if it was lost.
#[inline(always)]
pub fn namespace(what: What, flags: u32, key: u64, kind: NsKind, aux: u64) -> bool {
    let about = About {
        aux,
        ..About::NOTHING
    };
    record(what, flags, key, kind, &about)
}

/// As [`namespace`], for one that may not have been heard of. Who hears of a
/// namespace shall hear of its end, so it is remembered.
#[inline(always)]
pub fn perhaps_new(what: What, flags: u32, key: u64, kind: NsKind, aux: u64) {
    remember(read(key, offset!(ns_inum)), key, kind);
    namespace(what, flags, key, kind, aux);
}

/// As [`namespace`], for a reading: what was read is what the record says.
#[inline(always)]
pub fn reading(
    what: What,
    why: Why,
    (key, kind): (u64, NsKind),
    reading: &Reading,
    below: u64,
) -> bool {
    let about = About {
        aux: reading.sequence,
        count: Some(reading.count),
        cause: why.cause,
        below,
    };
    record(what, why.flags, key, kind, &about)
}

#[inline(always)]
fn record(what: What, flags: u32, key: u64, kind: NsKind, about: &About) -> bool {
    let Some(mut entry) = reserve::<NsEvent>() else {
        return false;
    };
    let event = MaybeUninit::as_mut_ptr(&mut entry);
    // SAFETY: `event` is the reserved record; all its fields are written.
    unsafe {
        fill_header(&raw mut (*event).header, what, flags, now());
        fill_ns(&raw mut (*event).ns, key, kind);
        (*event).aux = about.aux;
        (*event).cause = about.cause;
        (*event).reserved = 0;
        (*event).below = about.below;
    }
    if let Some(count) = about.count {
        // SAFETY: likewise.
        set_count(unsafe { &raw mut (*event).ns }, what, kind, count);
    }
    entry.submit(0);
    true
}

/// Writes that a namespace of which only this much is still true was freed, or
/// is about to be: at this time, for whoever writes may be kept from it while
/// others go on.
#[inline(always)]
pub fn parting(what: What, at: u64, key: u64, kind: u32, inum: u32) {
    let Some(mut entry) = reserve::<NsEvent>() else {
        return;
    };
    let event = MaybeUninit::as_mut_ptr(&mut entry);
    // SAFETY: `event` is the reserved record; all its fields are written.
    unsafe {
        fill_header(&raw mut (*event).header, what, 0, at);
        (*event).ns = NsInfo {
            key,
            ns_id: 0,
            owner: 0,
            parent: 0,
            guard: 0,
            inum,
            kind,
            refs: UNKNOWN,
            active: UNKNOWN,
            level: UNKNOWN,
            owner_uid: UNKNOWN,
            inode: 0,
            creds: UNKNOWN,
            pids: UNKNOWN,
            flags: 0,
            reserved: 0,
        };
        (*event).aux = 0;
        (*event).cause = 0;
        (*event).reserved = 0;
        (*event).below = 0;
    }
    entry.submit(0);
}

/// An nsproxy in a record: read now, or copied from an earlier reading.
pub enum Subject<'a> {
    /// The one at this address; 0 for none.
    At(u64),
    /// As it was.
    Was(&'a NsproxyInfo),
}

/// Whom an nsproxy record is about.
pub enum Whom {
    /// The running task.
    Current,
    /// This one, which does not run yet.
    Task(u64),
    /// This one, which should have done it itself.
    Victim(u64),
}

/// Writes what happened to an nsproxy or to a task's choice of one.
#[inline(always)]
pub fn nsproxy(what: What, flags: u32, reason: u32, whom: Whom, from: Subject, to: u64) {
    let breaches = match whom {
        Whom::Victim(_) => BREACH_FOREIGN,
        Whom::Current | Whom::Task(_) => 0,
    };
    judged(what, flags, (reason, breaches), whom, from, to);
}

/// Writes that an nsproxy was freed, and which rules that breaks.
#[inline(always)]
pub fn nsproxy_freed(nsproxy: u64, breaches: u32) {
    judged(
        What::NsproxyFreed,
        0,
        (0, breaches),
        Whom::Current,
        Subject::At(nsproxy),
        0,
    );
}

#[inline(always)]
fn judged(
    what: What,
    flags: u32,
    (reason, breaches): (u32, u32),
    whom: Whom,
    from: Subject,
    to: u64,
) {
    let Some(mut entry) = reserve::<NsproxyEvent>() else {
        return;
    };
    let event = MaybeUninit::as_mut_ptr(&mut entry);
    // SAFETY: `event` is the reserved record; all its fields are written.
    unsafe {
        fill_header(&raw mut (*event).header, what, flags, now());
        if let Whom::Task(task) | Whom::Victim(task) = whom {
            fill_header_of(&raw mut (*event).header, task);
        }
        (*event).reason = reason;
        (*event).breaches = breaches;
        match from {
            Subject::At(key) => {
                fill_nsproxy(&raw mut (*event).from, key);
            }
            Subject::Was(info) => put(&raw mut (*event).from, info),
        }
        fill_nsproxy(&raw mut (*event).to, to);
    }
    entry.submit(0);
}

/// Writes that a round of cleaning up network namespaces began or ended.
#[inline(always)]
pub fn net_cleanup(phase: Phase, round: &Round, end: u64) {
    let Some(mut entry) = reserve::<NetCleanupEvent>() else {
        return;
    };
    let event = MaybeUninit::as_mut_ptr(&mut entry);
    // SAFETY: `event` is the reserved record; all its fields are written.
    unsafe {
        fill_header(&raw mut (*event).header, What::NetCleanup, 0, now());
        (*event).phase = phase as u32;
        (*event).reserved = 0;
        (*event).begin = round.begin;
        (*event).exits_begin = round.exits_begin;
        (*event).exits_end = round.exits_end;
        (*event).end = end;
    }
    entry.submit(0);
}
