//! Rings of kernel objects (`list_head`), followed from one that is known and
//! held until it comes round again.
//!
//! Nothing is locked. Namespaces leave their lists under RCU, so that who is
//! at one still finds the next. Superblocks and mounts do not; who is at one
//! of those that leaves finds itself, or poison, and the ring is started
//! anew. Between two chunks anything may leave, so a place is taken up again
//! only if its neighbour still points back to it.

use core::{ffi::c_void, hint::black_box};

use aya_ebpf::helpers::generated::bpf_loop;
use tracer_common::{
    kind::{NsKind, Slot},
    layout::ABSENT,
    walk::{RING_DONE, RING_LOST, RING_MORE, RING_NONE, RING_START, Ring, Tag, WalkProcfs},
};

use super::{
    Out, TaskContext,
    files::{NSFS_MAGIC, visit_nsfs},
    visit, visit_pid, write_namespace,
};
use crate::{
    emit::now,
    maps::{NSFS_SUPERBLOCK, WALK_CURSOR, WALK_SCRATCH},
    mem::{LAYOUT, constant, current, forget, kind_layout, offset, peek, read, read_or},
    ns_common::{common_of, is_namespace},
    procfs,
};

/// Records after which a chunk ends. They have 112 bytes each and have to fit
/// into a buffer of 32 KiB, with the owners and parents that the last place
/// may bring.
const CHUNK: u64 = 200;

/// Places that one chunk may pass.
const MAX_STEPS: u32 = 1 << 20;

/// `super_block.s_magic` of procfs (`PROC_SUPER_MAGIC`).
const PROC_MAGIC: u64 = 0x9fa0;
/// That of mqueue (`MQUEUE_MAGIC`).
const MQUEUE_MAGIC: u64 = 0x1980_0202;

/// How far a pass along a ring has come. The verifier is to know nothing of it,
/// see [`forget`].
#[repr(C)]
#[derive(Clone, Copy)]
struct Place {
    /// Where the ring started, and ends.
    anchor: u64,
    /// The place that is next.
    node: u64,
    /// A [`Ring`].
    ring: u32,
    /// `RING_*`
    state: u32,
}

/// A pass along a ring.
struct Pass {
    out: Out,
    at: Place,
    /// Records written, in the scratch: on the stack the verifier would count
    /// along with it.
    written: *mut u64,
}

/// The slot of a [`NsKind`] in an nsproxy; 255 for user. A table, since the
/// verifier would follow each arm of a `match` to the end of the program.
#[unsafe(no_mangle)]
static SLOT_OF_KIND: [u8; NsKind::COUNT] = {
    let mut table = [u8::MAX; NsKind::COUNT];
    // From the last to the first: of two slots of a type the first counts, that
    // of pid being the only one.
    let mut index = Slot::COUNT;
    while index > 0 {
        index -= 1;
        table[Slot::ALL[index].kind() as usize] = index as u8;
    }
    table
};

/// A namespace of the reader's own, which is held and in its type's ring.
#[inline(always)]
fn own_namespace(kind: NsKind) -> u64 {
    let task = current();
    if matches!(kind, NsKind::User) {
        return read(read(task, offset!(task_real_cred)), offset!(cred_user_ns));
    }
    let slot = constant(&SLOT_OF_KIND[black_box(kind as usize) & (NsKind::COUNT - 1)]);
    let offset = constant(&LAYOUT.nsproxy_slots[usize::from(slot) & (Slot::COUNT - 1)]);
    read_or(read(task, offset!(task_nsproxy)), offset, 0)
}

/// Where a ring starts; 0 if nothing leads to it.
#[inline(always)]
fn anchor(ring: u32) -> u64 {
    if let Some(kind) = NsKind::from_u32(ring) {
        let list = constant(&kind_layout(kind).list);
        let own = own_namespace(kind);
        if own == 0 || list == ABSENT {
            return 0;
        }
        return own + u64::from(list);
    }
    if ring == Ring::Superblocks as u32 {
        let dentry: u64 = read(read(current(), offset!(task_fs)), offset!(fs_root));
        return read::<u64>(dentry, offset!(dentry_super)) + u64::from(offset!(super_list));
    }
    let superblock = NSFS_SUPERBLOCK.get(0).copied().unwrap_or(0);
    if superblock == 0 || offset!(super_mounts) == ABSENT {
        return 0;
    }
    superblock + u64::from(offset!(super_mounts))
}

/// Whether user namespaces have a ring of their own, as all types have where
/// one of them other than net has: nothing need be led to then.
#[inline(always)]
fn owners_are_listed() -> bool {
    constant(&kind_layout(NsKind::User).list) != ABSENT
}

/// Writes the namespace at a place, unless that is the head of the list.
#[inline(always)]
fn meet_namespace(pass: &Pass, kind: NsKind) {
    let layout = kind_layout(kind);
    let base = pass.at.node.wrapping_sub(u64::from(constant(&layout.list)));
    let key = base.wrapping_add(u64::from(constant(&layout.common)));
    // The head has no mark of its own; what is taken for a namespace there is
    // not of the right type.
    if !is_namespace(key, kind) {
        return;
    }
    // What was removed keeps its place in the list for a moment, but not its
    // reference. Network namespaces are removed long after that.
    if !matches!(kind, NsKind::Net) && peek::<u32>(key, offset!(ns_refs)) == 0 {
        return;
    }
    if owners_are_listed() {
        write_namespace(&pass.out, key, kind);
    } else {
        visit(pass.out, key, kind);
    }
}

/// What a superblock leads to.
#[inline(always)]
fn meet_superblock(pass: &Pass) {
    let superblock = pass.at.node.wrapping_sub(u64::from(offset!(super_list)));
    let magic: u64 = peek(superblock, offset!(super_magic));
    if magic == NSFS_MAGIC
        && let Some(place) = NSFS_SUPERBLOCK.get_ptr_mut(0)
    {
        // SAFETY: an aligned word of a map value.
        unsafe { *place = superblock };
    }
    if magic == PROC_MAGIC {
        let pid_ns = procfs::pid_namespace_of(superblock);
        if pid_ns != 0 {
            // SAFETY: `written` points into the scratch.
            unsafe { *pass.written += 1 };
            pass.out.write(&WalkProcfs {
                tag: Tag::Procfs as u32,
                reserved: 0,
                time: now(),
                superblock,
                pid_ns,
            });
            if !owners_are_listed() {
                visit_pid(pass.out, pid_ns);
            }
        }
    }
    if owners_are_listed() {
        return;
    }
    if magic == MQUEUE_MAGIC {
        visit_if_one(pass, peek(superblock, offset!(super_info)), NsKind::Ipc);
    }
    visit_if_one(pass, peek(superblock, offset!(super_user_ns)), NsKind::User);
}

/// Writes the namespace whose structure is at `base`, if there is one: at the
/// head of the list there is something else.
#[inline(always)]
fn visit_if_one(pass: &Pass, base: u64, kind: NsKind) {
    let key = common_of(base, kind);
    if key != 0 && is_namespace(key, kind) {
        visit(pass.out, key, kind);
    }
}

/// Meets what is at a place, and goes on to the next.
#[inline(always)]
fn step(pass: &mut Pass) -> i64 {
    // SAFETY: `written` points into the scratch.
    if unsafe { *pass.written } >= CHUNK {
        pass.at.state = RING_MORE;
        return 1;
    }
    if let Some(kind) = NsKind::from_u32(pass.at.ring) {
        meet_namespace(pass, kind);
    } else if pass.at.ring == Ring::Superblocks as u32 {
        meet_superblock(pass);
    } else if pass.at.node != pass.at.anchor {
        let mount = pass.at.node - u64::from(offset!(mount_instance));
        visit_nsfs(
            pass.out,
            peek(peek(mount, offset!(mount_root)), offset!(dentry_inode)),
        );
    }
    // `list_head.next` comes first.
    let next: u64 = peek(pass.at.node, 0);
    pass.at.state = if next == pass.at.anchor {
        RING_DONE
    } else if next == pass.at.node || next == 0 {
        RING_LOST
    } else {
        RING_MORE
    };
    pass.at.node = next;
    i64::from(pass.at.state != RING_MORE)
}

extern "C" fn step_callback(_index: u32, pass: *mut Pass) -> i64 {
    // SAFETY: `bpf_loop` hands back the context it was given.
    step(unsafe { &mut *pass })
}

/// Writes the next chunk of the ring that [`WALK_CURSOR`] names.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn walk_ring(context: *const TaskContext) -> i32 {
    let Some(out) = Out::once(context) else {
        return 0;
    };
    let (Some(cursor), Some(scratch)) = (WALK_CURSOR.get_ptr_mut(0), WALK_SCRATCH.get_ptr_mut(0))
    else {
        return 0;
    };
    // SAFETY: both are this walk's own while it runs: a map value that
    // userspace has finished writing, and the scratch.
    let (ring, state, node, written) = unsafe {
        (*scratch).written = 0;
        (
            (*cursor).ring,
            (*cursor).state,
            (*cursor).node,
            &raw mut (*scratch).written,
        )
    };
    let anchor = anchor(ring);
    let mut at = Place {
        anchor,
        node: if state == RING_START { anchor } else { node },
        ring,
        state: RING_NONE,
    };
    forget(&mut at);
    let mut pass = Pass { out, at, written };
    if pass.at.anchor != 0 {
        // `list_head.prev` comes second.
        let next: u64 = peek(pass.at.node, 0);
        if peek::<u64>(next, 8) == pass.at.node {
            // SAFETY: the callback has the signature that the helper
            // documents, and the context outlives the call.
            unsafe {
                bpf_loop(
                    MAX_STEPS,
                    step_callback as *mut c_void,
                    (&raw mut pass).cast(),
                    0,
                );
            }
        } else {
            pass.at.state = RING_LOST;
        }
    }
    // SAFETY: as above.
    unsafe {
        (*cursor).state = pass.at.state;
        (*cursor).node = pass.at.node;
    }
    0
}
