//! Inodes of nsfs: one stands for a namespace while a file or bind mount of
//! it exists, however many there are.

use aya_ebpf::programs::{FEntryContext, FExitContext};
use tracer_common::event::{Cause, What};

use crate::{
    doing, emit,
    known::is_initial,
    mem::{number, offset, read},
    ns_common::kind_of,
    select,
    twins::programs,
};

#[inline(always)]
fn report(what: What, flags: u32, inode: u64, key: u64) {
    if is_initial(read(key, offset!(ns_inum))) {
        return;
    }
    if let Some(kind) = kind_of(key) {
        emit::perhaps_new(what, flags, key, kind, inode);
    }
}

/// 6.9+: `int nsfs_init_inode(struct inode *inode, void *data)`, `data` being
/// the `ns_common`; it cannot fail. Entered, so that this is known before the
/// active count rises for it.
#[inline(always)]
fn on_nsfs_init(ctx: &FEntryContext) {
    doing::begin(Cause::NsfsOpened);
    report(
        What::NsfsOpened,
        select::own_deed(),
        ctx.arg(0),
        number(ctx, 1),
    );
}

/// Up to 6.8: `int __ns_get_path(struct path *path, struct ns_common *ns)`;
/// says so for an inode that was there already, too.
#[inline(always)]
fn on_nsfs_path(ctx: &FExitContext) {
    let result: i32 = ctx.arg(2);
    if result != 0 {
        return;
    }
    let inode = read(
        read(ctx.arg(0), offset!(path_dentry)),
        offset!(dentry_inode),
    );
    report(What::NsfsOpened, select::own_deed(), inode, number(ctx, 1));
}

/// `void nsfs_evict(struct inode *inode)`.
#[inline(always)]
fn on_nsfs_evicted(ctx: &FEntryContext) {
    let inode: u64 = ctx.arg(0);
    let key = read(inode, offset!(inode_private));
    if key != 0 {
        doing::begin(Cause::NsfsClosed);
        report(What::NsfsEvicted, 0, inode, key);
    }
}

programs! {
    fentry nsfs_init, nsfs_init_again: on_nsfs_init;
    fexit nsfs_path, nsfs_path_again: on_nsfs_path;
    fentry nsfs_evicted, nsfs_evicted_again: on_nsfs_evicted;
}
