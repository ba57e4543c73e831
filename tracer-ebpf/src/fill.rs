//! Reading what a namespace and an nsproxy are into records and map values.

use core::{ffi::c_void, hint::black_box};

use aya_ebpf::helpers::generated::bpf_loop;
use tracer_common::{
    event::{NS_ACTIVE_MINUS_ONE, NS_PIDS_DISABLED, NsInfo, NsproxyInfo, UNKNOWN, What},
    kind::{NsKind, Slot},
    layout::ABSENT,
};

use crate::{
    known::{creds, recall},
    mem::{LAYOUT, Reads, constant, kind_layout, offset, peek, put, read, read_or},
    ns_common::{common_in, common_of},
};

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
                let pids = pids_of(base);
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

/// `pid_namespace.pid_allocated`: the bit that is not a number, but says that
/// pids may be allocated (`PIDNS_ADDING`).
const PIDNS_ADDING: u32 = 1 << 31;

/// What `pid_namespace.pid_allocated` says.
pub struct Pids {
    /// How many pids have a number there.
    pub count: u32,
    /// 1 if no pid will be allocated any more, else 0.
    pub disabled: u32,
}

/// Reads the pids of the pid namespace whose structure is there.
#[inline(always)]
pub fn pids_of(pid_ns: u64) -> Pids {
    let word: u32 = read(pid_ns, offset!(pid_allocated));
    Pids {
        count: word & !PIDNS_ADDING,
        disabled: 1 - word / PIDNS_ADDING,
    }
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
