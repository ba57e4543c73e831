//! Creation, last reference and freeing of namespaces.

use aya_ebpf::{
    EbpfContext,
    bindings::BPF_ANY,
    programs::{FEntryContext, FExitContext},
};
use aya_log_ebpf::warn;
use tracer_common::{
    event::{Counter, What},
    kind::NsKind,
};

use crate::{
    emit,
    known::{Known, is_initial, recall, remember, store},
    making,
    maps::{NAMESPACES, count},
    mem::{number, offset, peek, read},
    ns_common::{common_of, kind_of},
    select,
    twins::programs,
};

/// A new namespace: remember it by its inode number, tell userspace.
#[inline(always)]
fn created(ctx: &impl EbpfContext, key: u64, kind: NsKind) {
    let inum: u32 = read(key, offset!(ns_inum));
    if store(inum, key, kind, BPF_ANY).is_err() {
        count(Counter::MapFull);
        warn!(
            ctx,
            "no room to remember namespace {}: its freeing will be missed", inum
        );
    }
    let took = making::made(kind);
    emit::namespace(What::NsCreated, select::own_deed(), key, kind, took);
}

/// 6.18+: `void __ns_tree_add_raw(struct ns_common *ns, …)`, called last in
/// every creation.
#[inline(always)]
fn on_added(ctx: &FEntryContext) {
    let key = number(ctx, 0);
    if let Some(kind) = kind_of(key) {
        created(ctx, key, kind);
    }
}

/// Up to 6.17: a `copy_*` function that was handed `old` and returned `new`.
#[inline(always)]
fn copied(ctx: &impl EbpfContext, kind: NsKind, old: u64, new: u64) {
    if new == old || new == 0 || making::is_error(new as i64) {
        return;
    }
    created(ctx, common_of(new, kind), kind);
}

/// Up to 6.17: `int create_user_ns(struct cred *new)`.
#[inline(always)]
fn on_create_user(ctx: &FExitContext) {
    let result: i32 = ctx.arg(1);
    let made = read(ctx.arg(0), offset!(cred_user_ns));
    if result == 0 {
        created(ctx, common_of(made, NsKind::User), NsKind::User);
    }
}

/// The last reference to a namespace is gone.
#[inline(always)]
fn last_reference(base: u64, kind: NsKind) {
    let key = common_of(base, kind);
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
fn on_removed(ctx: &FEntryContext) {
    let key = number(ctx, 0);
    let inum: u32 = read(key, offset!(ns_inum));
    let Some(kind) = kind_of(key) else {
        return;
    };
    let known = match kind {
        NsKind::Net => None,
        NsKind::Mnt => recall(inum, key),
        _ => remember(inum, key, kind),
    };
    if known.is_some() {
        emit::namespace(What::NsLastRef, 0, key, kind, 0);
    }
}

/// A reference to the namespace at `key` was dropped; if it was the last one,
/// the namespace waits for a worker or is gone. What still has its number is
/// there, and was so before it was looked up: taken later, the time could be
/// one after its freeing, which the worker reports.
#[inline(always)]
fn dropped(key: u64, kind: NsKind) {
    let at = emit::now();
    let inum: u32 = peek(key, offset!(ns_inum));
    let is_unused = peek::<u32>(key, offset!(ns_refs)) == 0;
    if is_unused && recall(inum, key).is_some() {
        emit::parting(What::NsLastRef, at, key, kind as u32, inum);
    }
}

/// Up to 6.17: `void put_ipc_ns(struct ipc_namespace *ns)`, left.
#[inline(always)]
fn on_ipc_put(ctx: &FExitContext) {
    dropped(common_of(number(ctx, 0), NsKind::Ipc), NsKind::Ipc);
}

/// `void netns_put(struct ns_common *ns)`, left: how nsfs drops a reference.
/// `__put_net` may be inlined there.
#[inline(always)]
fn on_net_put(ctx: &FExitContext) {
    dropped(number(ctx, 0), NsKind::Net);
}

/// `void userns_put(struct ns_common *ns)`, left: likewise.
#[inline(always)]
fn on_user_put(ctx: &FExitContext) {
    dropped(number(ctx, 0), NsKind::User);
}

/// `void proc_free_inum(unsigned int inum)`, for all types on all kernels,
/// before the number can be reused. Entries of procfs share the numbers:
/// those are not in the map.
#[inline(always)]
fn on_freed(ctx: &FEntryContext) {
    let inum: u32 = ctx.arg(0);
    if is_initial(inum) {
        return;
    }
    // SAFETY: the map does not preallocate, so the value stays valid (RCU)
    // while this program runs, even if another CPU deletes it.
    if let Some(&Known { key, kind, .. }) = unsafe { NAMESPACES.get(inum) } {
        let _ = NAMESPACES.remove(inum);
        emit::parting(What::NsFreed, emit::now(), key, kind, inum);
    }
}

programs! {
    fentry ns_tree_add, ns_tree_add_again: on_added;
    fentry ns_tree_remove, ns_tree_remove_again: on_removed;
    fentry free_inum, free_inum_again: on_freed;
    fexit create_user, create_user_again: on_create_user;
    fexit ipc_put, ipc_put_again: on_ipc_put;
    fexit net_put, net_put_again: on_net_put;
    fexit user_put, user_put_again: on_user_put;
    fexit copy_mnt, copy_mnt_again:
        |ctx: &FExitContext| copied(ctx, NsKind::Mnt, number(ctx, 1), number(ctx, 4));
    fexit copy_uts, copy_uts_again:
        |ctx: &FExitContext| copied(ctx, NsKind::Uts, number(ctx, 2), number(ctx, 3));
    fexit copy_ipc, copy_ipc_again:
        |ctx: &FExitContext| copied(ctx, NsKind::Ipc, number(ctx, 2), number(ctx, 3));
    fexit copy_pid, copy_pid_again:
        |ctx: &FExitContext| copied(ctx, NsKind::Pid, number(ctx, 2), number(ctx, 3));
    fexit copy_net, copy_net_again:
        |ctx: &FExitContext| copied(ctx, NsKind::Net, number(ctx, 2), number(ctx, 3));
    fexit copy_cgroup, copy_cgroup_again:
        |ctx: &FExitContext| copied(ctx, NsKind::Cgroup, number(ctx, 2), number(ctx, 3));
    fexit copy_time, copy_time_again:
        |ctx: &FExitContext| copied(ctx, NsKind::Time, number(ctx, 2), number(ctx, 3));
    fentry last_ref_mnt, last_ref_mnt_again:
        |ctx: &FEntryContext| last_reference(number(ctx, 0), NsKind::Mnt);
    fentry last_ref_uts, last_ref_uts_again:
        |ctx: &FEntryContext| last_reference(number(ctx, 0), NsKind::Uts);
    fentry last_ref_user, last_ref_user_again:
        |ctx: &FEntryContext| last_reference(number(ctx, 0), NsKind::User);
    fentry last_ref_net, last_ref_net_again:
        |ctx: &FEntryContext| last_reference(number(ctx, 0), NsKind::Net);
    fentry last_ref_cgroup, last_ref_cgroup_again:
        |ctx: &FEntryContext| last_reference(number(ctx, 0), NsKind::Cgroup);
    fentry last_ref_time, last_ref_time_again:
        |ctx: &FEntryContext| last_reference(number(ctx, 0), NsKind::Time);
}
