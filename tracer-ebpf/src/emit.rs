//! Filling records and writing them to the ring buffer.

use core::{ffi::c_void, hint::black_box, mem::MaybeUninit};

use aya_ebpf::{
    helpers::{
        bpf_get_current_pid_tgid, generated::bpf_get_current_cgroup_id,
        generated::bpf_get_current_comm, generated::bpf_ktime_get_boot_ns, generated::bpf_loop,
    },
    maps::ring_buf::RingBufEntry,
};
use tracer_common::{
    event::{
        BREACH_FOREIGN, Counter, Header, NS_ACTIVE_MINUS_ONE, NS_PIDS_DISABLED, NetCleanupEvent,
        NsEvent, NsInfo, NsproxyEvent, NsproxyInfo, Phase, UNKNOWN, What,
    },
    kind::{NsKind, Slot},
    layout::{ABSENT, KindLayout},
};

use crate::{
    known::{Reading, creds, recall, remember},
    maps::{EVENTS, count, raise},
    mem::{LAYOUT, Reads, constant, kind_layout, offset, peek, put, read, read_or},
    netns::Round,
    pid,
};

/// The first inode number that a namespace can have.
const FIRST_INUM: u32 = 0xEFFF_FFF8;

/// Where a [`Cause`](tracer_common::event::Cause) is expected and none is
/// known. Causes are numbers here: the verifier would follow each way to turn
/// one into the enum.
pub const UNKNOWN_CAUSE: u32 = 0;

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

/// [`NsKind`] by the number of the bit that is its `CLONE_NEW*` flag; 255 for
/// the others. A table, since the verifier would follow each arm of a `match`
/// to the end of the program.
#[unsafe(no_mangle)]
static KIND_OF_BIT: [u8; 32] = {
    let mut table = [u8::MAX; 32];
    let mut index = 0;
    while index < NsKind::COUNT {
        let kind = NsKind::ALL[index];
        table[kind.clone_flag().trailing_zeros() as usize] = kind as u8;
        index += 1;
    }
    table
};

/// The type of the namespace whose `ns_common` is at `key`.
#[inline(always)]
pub fn kind_of(key: u64) -> Option<NsKind> {
    let flag: u32 = match offset!(ns_type) {
        ABSENT => read(read(key, offset!(ns_ops)), offset!(ops_type)),
        ns_type => read(key, ns_type),
    };
    let bit = (flag.trailing_zeros() & 31) as usize;
    NsKind::from_u32(u32::from(constant(&KIND_OF_BIT[bit])))
}

/// The `CLONE_NEW*` flags by [`NsKind`].
#[unsafe(no_mangle)]
static FLAG_OF_KIND: [u32; NsKind::COUNT] = {
    let mut table = [0; NsKind::COUNT];
    let mut index = 0;
    while index < NsKind::COUNT {
        table[index] = NsKind::ALL[index].clone_flag();
        index += 1;
    }
    table
};

/// The `CLONE_NEW*` flag of a type.
#[inline(always)]
pub fn flag_of(kind: NsKind) -> u32 {
    constant(&FLAG_OF_KIND[black_box(kind as usize) & (NsKind::COUNT - 1)])
}

/// Whether there is a namespace of this type at `key`, which may be anything.
#[inline(always)]
pub fn is_namespace(key: u64, kind: NsKind) -> bool {
    let flag: u32 = match offset!(ns_type) {
        ABSENT => peek(peek(key, offset!(ns_ops)), offset!(ops_type)),
        ns_type => peek(key, ns_type),
    };
    flag == flag_of(kind) && peek::<u32>(key, offset!(ns_inum)) >= FIRST_INUM
}

/// The `ns_common` of the user namespace that owns the one at `key`; 0 if
/// none.
#[inline(always)]
pub fn owner_of(key: u64, kind: NsKind) -> u64 {
    let layout = kind_layout(kind);
    let base = key - u64::from(constant(&layout.common));
    common_of(read(base, constant(&layout.owner)), NsKind::User)
}

/// The address of the `ns_common` in the structure of this kind at `base`; 0
/// for none. Without a branch: the verifier would follow both ways from there
/// on. It has to be a number, see [`number`](crate::mem::number).
#[inline(always)]
pub fn common_of(base: u64, kind: NsKind) -> u64 {
    common_in(base, kind_layout(kind))
}

/// As [`common_of`], where this is known of the kind.
#[inline(always)]
fn common_in(base: u64, layout: &'static KindLayout) -> u64 {
    let is_some = black_box((base | base.wrapping_neg()) >> 63);
    let common = base.wrapping_add(u64::from(constant(&layout.common)));
    common & is_some.wrapping_neg()
}

/// Reads everything about the namespace at `key`.
#[inline(never)]
pub fn fill_ns(info: *mut NsInfo, key: u64, kind: NsKind) -> i32 {
    let layout = kind_layout(kind);
    let mut reads = Reads::begin();
    // SAFETY: `info` points into a reserved record or a map value, whose
    // content the verifier does not follow.
    unsafe {
        let base = key - u64::from(constant(&layout.common));
        (*info).key = key;
        (*info).kind = kind as u32;
        (*info).inum = reads.read(key, offset!(ns_inum));
        (*info).ns_id = reads.read_or(key, offset!(ns_id), 0);
        (*info).refs = reads.read(key, offset!(ns_refs));
        (*info).active = reads.read_or(key, offset!(ns_active), UNKNOWN);
        let dentry = reads.read_or(key, offset!(ns_stashed), 0);
        // It may be on its way out, and there need be none: at null nothing can be
        // read.
        (*info).inode = peek(dentry, offset!(dentry_inode));
        let owner = reads.read(base, constant(&layout.owner));
        (*info).owner = common_of(owner, NsKind::User);
        let parent = reads.read_or(base, constant(&layout.parent), 0);
        (*info).parent = common_of(parent, kind);
        (*info).level = reads.read_or(base, constant(&layout.level), UNKNOWN);
        (*info).guard = reads.read_or(base, constant(&layout.guard), 0);
        (*info).owner_uid = UNKNOWN;
        (*info).creds = UNKNOWN;
        (*info).pids = UNKNOWN;
        (*info).flags = 0;
        match kind {
            NsKind::User => {
                (*info).owner_uid = reads.read(base, offset!(user_owner_uid));
                if let Some(known) = recall((*info).inum, key) {
                    (*info).creds = creds(known).load() as u32;
                }
            }
            NsKind::Pid => {
                let pids = pid::allocated(base);
                (*info).pids = pids.count;
                (*info).flags = pids.disabled * NS_PIDS_DISABLED;
            }
            _ => {}
        }
        reads.end();
        if offset!(ns_active) != ABSENT {
            set_active(info, (*info).active);
        }
        (*info).reserved = 0;
    }
    0
}

/// Sets the active count to one that was read. Without a branch: the verifier
/// would follow both ways from there on.
#[inline(always)]
fn set_active(info: *mut NsInfo, count: u32) {
    // One if it is one below zero, else zero.
    let carry = (black_box(u64::from(count) + 1) >> 32) as u32;
    let flag = NS_ACTIVE_MINUS_ONE.trailing_zeros();
    // SAFETY: as for `fill_ns`.
    unsafe {
        (*info).active = count;
        (*info).flags = ((*info).flags & !NS_ACTIVE_MINUS_ONE) | (carry << flag);
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
    flags: u32,
    (key, kind): (u64, NsKind),
    reading: &Reading,
    cause: u32,
    below: u64,
) -> bool {
    let about = About {
        aux: reading.sequence,
        count: Some(reading.count),
        cause,
        below,
    };
    record(what, flags, key, kind, &about)
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

/// Puts the count that was read into the field that it belongs to.
#[inline(always)]
pub fn set_count(info: *mut NsInfo, what: What, kind: NsKind, count: u32) {
    // SAFETY: `info` points into a record that is being filled.
    unsafe {
        match (what, kind) {
            (What::NsActivity, _) => set_active(info, count),
            (_, NsKind::User) => (*info).creds = count,
            _ => (*info).pids = count,
        }
    }
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

/// No nsproxy.
pub static NO_NSPROXY: NsproxyInfo = NsproxyInfo {
    key: 0,
    slots: [0; Slot::COUNT],
    inums: [0; Slot::COUNT],
    count: 0,
    reserved: 0,
};

/// The types of an nsproxy's slots.
#[unsafe(no_mangle)]
static KIND_OF_SLOT: [u8; Slot::COUNT] = {
    let mut table = [0; Slot::COUNT];
    let mut index = 0;
    while index < Slot::COUNT {
        table[index] = Slot::ALL[index].kind() as u8;
        index += 1;
    }
    table
};

/// An nsproxy that is read, slot by slot.
#[repr(C)]
struct Filling {
    info: *mut NsproxyInfo,
    key: u64,
}

extern "C" fn fill_slot(index: u32, filling: *mut Filling) -> i64 {
    // The verifier does not know that the helper counts to the number of slots.
    let index = black_box(index as usize) & (Slot::COUNT - 1);
    // SAFETY: `bpf_loop` hands back the context it was given, see `fill_nsproxy`;
    // `index` is below the length of the arrays.
    unsafe {
        let Filling { info, key } = *filling;
        let offset = constant(&LAYOUT.nsproxy_slots[index]);
        let kind = black_box(usize::from(constant(&KIND_OF_SLOT[index])));
        let pointer: u64 = read_or(key, offset, 0);
        let common = common_in(pointer, &LAYOUT.kinds[kind & (NsKind::COUNT - 1)]);
        let slot = (&raw mut (*info).slots).cast::<u64>().add(index);
        let inum = (&raw mut (*info).inums).cast::<u32>().add(index);
        *slot = common;
        *inum = if common == 0 {
            0
        } else {
            read(common, offset!(ns_inum))
        };
    }
    0
}

/// Reads the nsproxy at `key`, or nothing if that is 0. The slots in a loop of
/// the helper's: of another one the verifier would look at each round.
#[inline(never)]
pub fn fill_nsproxy(info: *mut NsproxyInfo, key: u64) -> i32 {
    // SAFETY: `info` points into a reserved record or a map value, whose
    // content the verifier does not follow; the callback has the signature that
    // the helper documents, and its context outlives the call.
    unsafe {
        if key == 0 {
            put(info, &NO_NSPROXY);
            return 0;
        }
        (*info).key = key;
        (*info).reserved = 0;
        (*info).count = read(key, offset!(nsproxy_count));
        let mut filling = Filling { info, key };
        bpf_loop(
            Slot::COUNT as u32,
            fill_slot as *mut c_void,
            (&raw mut filling).cast(),
            0,
        );
    }
    0
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
