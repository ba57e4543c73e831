//! Superblocks of procfs: each keeps the pid namespace that it shows
//! allocated, also when nothing keeps it active any more.

use aya_ebpf::programs::{FEntryContext, FExitContext};
use tracer_common::{event::What, kind::NsKind};

use crate::{
    emit,
    known::is_initial,
    mem::{offset, peek, read},
    ns_common::common_of,
    select,
    twins::programs,
};

/// Key of the pid namespace that a procfs superblock shows; 0 if it has none
/// (any more).
#[inline(always)]
pub fn pid_namespace_of(superblock: u64) -> u64 {
    let info: u64 = read(superblock, offset!(super_info));
    if info == 0 {
        0
    } else {
        // A walk holds nothing of this.
        common_of(peek(info, offset!(procfs_pid_ns)), NsKind::Pid)
    }
}

#[inline(always)]
fn report(what: What, flags: u32, superblock: u64) {
    let key = pid_namespace_of(superblock);
    if key != 0 && !is_initial(read(key, offset!(ns_inum))) {
        emit::perhaps_new(what, flags, key, NsKind::Pid, superblock);
    }
}

/// `int proc_fill_super(struct super_block *s, struct fs_context *fc)`.
#[inline(always)]
fn on_procfs_mounted(ctx: &FExitContext) {
    let result: i32 = ctx.arg(2);
    if result == 0 {
        report(What::ProcfsMounted, select::own_deed(), ctx.arg(0));
    }
}

/// `void proc_kill_sb(struct super_block *sb)`.
#[inline(always)]
fn on_procfs_gone(ctx: &FEntryContext) {
    report(What::ProcfsGone, 0, ctx.arg(0));
}

programs! {
    fexit procfs_mounted, procfs_mounted_again: on_procfs_mounted;
    fentry procfs_gone, procfs_gone_again: on_procfs_gone;
}
