//! Up to 6.17: every open file of every task. One of nsfs stands for a
//! namespace; every file has the credentials of who opened it, and with them
//! a user namespace.

use core::ffi::c_void;

use tracer_common::kind::NsKind;

use super::{Meta, Out, TaskContext, visit, visit_all};
use crate::{
    mem::{offset, read},
    ns_common::{common_of, kind_of},
};

/// `super_block.s_magic` of nsfs (`NSFS_MAGIC`).
pub(super) const NSFS_MAGIC: u64 = 0x6e73_6673;

/// `struct bpf_iter__task_file`, part of the BPF interface.
#[repr(C)]
struct FileContext {
    meta: *const Meta,
    task: *const c_void,
    fd: u64,
    file: *const c_void,
}

/// Writes the namespaces that a file leads to.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
extern "C" fn walk_files(context: *const FileContext) -> i32 {
    let Some(out) = Out::of(context.cast::<TaskContext>()) else {
        return 0;
    };
    // SAFETY: the kernel passes a `bpf_iter__task_file`.
    let file = unsafe { (*context).file };
    if file.is_null() {
        return 0;
    }
    let file = file as u64;
    let user_ns = read(read(file, offset!(file_cred)), offset!(cred_user_ns));
    visit(out, common_of(user_ns, NsKind::User), NsKind::User);
    visit_nsfs(out, read(file, offset!(file_inode)));
    0
}

/// Writes the namespace that an inode stands for, if it is one of nsfs.
#[inline(always)]
pub(super) fn visit_nsfs(out: Out, inode: u64) {
    let superblock: u64 = read(inode, offset!(inode_super));
    if read::<u64>(superblock, offset!(super_magic)) != NSFS_MAGIC {
        return;
    }
    let key: u64 = read(inode, offset!(inode_private));
    if key != 0
        && let Some(kind) = kind_of(key)
    {
        visit_all(out, key, kind);
    }
}
