//! The end of a pid namespace's init: everybody else in it is killed and reaped
//! before it may go itself, which can take for ever.

use aya_ebpf::programs::{FEntryContext, FExitContext};
use tracer_common::{event::What, kind::NsKind};

use crate::{emit, mem::number, ns_common::common_of, select, twins::programs};

/// `void zap_pid_ns_processes(struct pid_namespace *pid_ns)`, called by the
/// last thread of its init.
#[inline(always)]
fn on_init_dying(ctx: &FEntryContext) {
    report(What::InitDying, number(ctx, 0));
}

/// The same, left: nobody else has a pid there.
#[inline(always)]
fn on_init_dead(ctx: &FExitContext) {
    report(What::InitDead, number(ctx, 0));
}

#[inline(always)]
fn report(what: What, pid_ns: u64) {
    let key = common_of(pid_ns, NsKind::Pid);
    emit::perhaps_new(what, select::own_deed(), key, NsKind::Pid, 0);
}

programs! {
    fentry init_dying, init_dying_again: on_init_dying;
    fexit init_dead, init_dead_again: on_init_dead;
}
