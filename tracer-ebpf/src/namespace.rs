//! Creation, last reference and freeing of namespaces.

use aya_ebpf::{
    EbpfContext,
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use aya_log_ebpf::warn;
use tracer_common::{
    event::{Counter, What},
    kind::NsKind,
};

use crate::{
    emit::{self, common_of, kind_of},
    known::{Known, has_parted, is_initial, part, recall, remember},
    maps::{NAMESPACES, count},
    mem::{number, offset, peek, read},
    select,
};

/// Largest value that the kernel returns as an error (`MAX_ERRNO`).
const MAX_ERRNO: i64 = 4095;

/// How a map says that somebody else has removed an entry (`-ENOENT`).
const NO_ENTRY: i32 = -2;

/// A new namespace: remember it by its inode number, tell userspace.
#[inline(always)]
fn created(ctx: &impl EbpfContext, key: u64, kind: NsKind) {
    let inum: u32 = read(key, offset!(ns_inum));
    let known = Known::new(key, kind);
    if NAMESPACES.insert(inum, known, 0).is_err() {
        count(Counter::MapFull);
        warn!(
            ctx,
            "no room to remember namespace {}: its freeing will be missed", inum
        );
    }
    emit::namespace(What::NsCreated, select::own_deed(), key, kind, 0);
}

/// 6.18+: `void __ns_tree_add_raw(struct ns_common *ns, …)`, called last in
/// every creation. What is known by this address and number is the same one,
/// or a predecessor whose freeing was missed.
#[inline(always)]
fn added(ctx: &FEntryContext) -> bool {
    let key = number(ctx, 0);
    match kind_of(key) {
        Some(kind) if recall(read(key, offset!(ns_inum)), key).is_none_or(has_parted) => {
            created(ctx, key, kind);
            true
        }
        _ => false,
    }
}

/// Up to 6.17: a `copy_*` function that was handed `old` and returned `new`.
#[inline(always)]
fn copied(ctx: &impl EbpfContext, kind: NsKind, old: u64, new: u64) {
    if new == old || new == 0 || (-MAX_ERRNO..0).contains(&(new as i64)) {
        return;
    }
    created(ctx, common_of(new, kind), kind);
}

/// One program per `copy_*(flags, user_ns, old)`.
macro_rules! copy_programs {
    ($($name:ident: $kind:ident, old $old:literal, new $new:literal;)+) => {$(
        /// See the attach plan for the kernel function.
        #[fexit]
        pub fn $name(ctx: FExitContext) -> i32 {
            copied(&ctx, NsKind::$kind, ctx.arg($old), ctx.arg($new));
            0
        }
    )+};
}

copy_programs! {
    copy_mnt: Mnt, old 1, new 4;
    copy_uts: Uts, old 2, new 3;
    copy_ipc: Ipc, old 2, new 3;
    copy_pid: Pid, old 2, new 3;
    copy_net: Net, old 2, new 3;
    copy_cgroup: Cgroup, old 2, new 3;
    copy_time: Time, old 2, new 3;
}

/// Up to 6.17: `int create_user_ns(struct cred *new)`.
#[fexit]
pub fn create_user(ctx: FExitContext) -> i32 {
    let result: i32 = ctx.arg(1);
    let made = read(ctx.arg(0), offset!(cred_user_ns));
    if result == 0 {
        created(&ctx, common_of(made, NsKind::User), NsKind::User);
    }
    0
}

/// The last reference to a namespace is gone.
#[inline(always)]
fn last_reference(key: u64, kind: NsKind) {
    // A mount namespace without a number is anonymous: a detached tree that
    // userspace cannot enter.
    if read::<u32>(key, offset!(ns_inum)) != 0 {
        emit::perhaps_new(What::NsLastRef, 0, key, kind, 0);
    }
}

/// 6.18+: `void __ns_tree_remove(struct ns_common *ns, …)`. Network namespaces
/// get there only when their clean-up has begun, mount namespaces when their
/// number has been given back, and may be another's already: what is not
/// remembered of them has been said to be freed.
#[inline(always)]
fn removed(ctx: &FEntryContext) -> bool {
    let key = number(ctx, 0);
    let inum: u32 = read(key, offset!(ns_inum));
    let Some(kind) = kind_of(key) else {
        return false;
    };
    let known = match kind {
        NsKind::Net => None,
        NsKind::Mnt => recall(inum, key),
        _ => remember(inum, key, kind),
    };
    let is_first = known.is_some_and(part);
    if is_first {
        emit::namespace(What::NsLastRef, 0, key, kind, 0);
    }
    is_first
}

/// One program per function that is called, with the structure, when its
/// last reference has been dropped.
macro_rules! last_ref_programs {
    ($($name:ident: $kind:ident;)+) => {$(
        /// See the attach plan for the kernel function.
        #[fentry]
        pub fn $name(ctx: FEntryContext) -> i32 {
            last_reference(common_of(ctx.arg(0), NsKind::$kind), NsKind::$kind);
            0
        }
    )+};
}

last_ref_programs! {
    last_ref_mnt: Mnt;
    last_ref_uts: Uts;
    last_ref_user: User;
    last_ref_net: Net;
    last_ref_cgroup: Cgroup;
    last_ref_time: Time;
}

/// A reference to the namespace at `key` was dropped; if it was the last one,
/// the namespace waits for a worker or is gone. What still has its number is
/// there.
#[inline(always)]
fn dropped(key: u64, kind: NsKind) {
    let inum: u32 = peek(key, offset!(ns_inum));
    let is_unused = peek::<u32>(key, offset!(ns_refs)) == 0;
    if is_unused && recall(inum, key).is_some() {
        emit::parting(What::NsLastRef, key, kind as u32, inum);
    }
}

/// Up to 6.17: `void put_ipc_ns(struct ipc_namespace *ns)`, left.
#[fexit]
pub fn ipc_put(ctx: FExitContext) -> i32 {
    dropped(common_of(ctx.arg(0), NsKind::Ipc), NsKind::Ipc);
    0
}

/// `void netns_put(struct ns_common *ns)`, left: how nsfs drops a reference.
/// `__put_net` may be inlined there.
#[fexit]
pub fn net_put(ctx: FExitContext) -> i32 {
    dropped(number(&ctx, 0), NsKind::Net);
    0
}

/// `void userns_put(struct ns_common *ns)`, left: likewise.
#[fexit]
pub fn user_put(ctx: FExitContext) -> i32 {
    dropped(number(&ctx, 0), NsKind::User);
    0
}

/// `void proc_free_inum(unsigned int inum)`, for all types on all kernels,
/// before the number can be reused. Entries of procfs share the numbers:
/// those are not in the map.
#[inline(always)]
fn freed(ctx: &FEntryContext) -> bool {
    let inum: u32 = ctx.arg(0);
    if is_initial(inum) {
        return false;
    }
    // SAFETY: the map does not preallocate, so the value stays valid (RCU)
    // while this program runs, even if another CPU deletes it.
    let Some(&Known { key, kind, .. }) = (unsafe { NAMESPACES.get(inum) }) else {
        return false;
    };
    if NAMESPACES.remove(inum) == Err(NO_ENTRY) {
        return false;
    }
    emit::parting(What::NsFreed, key, kind, inum);
    true
}

/// Two programs for the same. The kernel skips a program that is running on
/// this CPU already, in a task that was preempted or below a softirq: both
/// happen here. The other one is not running then, most of the time.
macro_rules! twins {
    ($($name:ident, $again:ident: $act:expr, counts $counter:ident, $counter_again:ident;)+) => {$(
        /// See the attach plan for the kernel function.
        #[fentry]
        pub fn $name(ctx: FEntryContext) -> i32 {
            if $act(&ctx) {
                count(Counter::$counter);
            }
            0
        }

        /// Its twin.
        #[fentry]
        pub fn $again(ctx: FEntryContext) -> i32 {
            if $act(&ctx) {
                count(Counter::$counter_again);
            }
            0
        }
    )+};
}

twins! {
    ns_tree_add, ns_tree_add_again: added, counts Added, AddedAgain;
    ns_tree_remove, ns_tree_remove_again: removed, counts Removed, RemovedAgain;
    free_inum, free_inum_again: freed, counts Freed, FreedAgain;
}
