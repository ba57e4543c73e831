//! Credentials: each task keeps the user namespace of its real ones active,
//! from the fork that made it until it is reaped.
//!
//! The tasks are a set, by their address, so that no order and no repetition
//! of events can count one twice. The initial user namespace needs nobody, so
//! tasks of a system without user namespaces are not in the set. Where the
//! kernel keeps no active count (before 6.19) a record is written when the
//! first task of a namespace comes or the last one goes. The counter itself
//! has exactly one change from 0 and one to 0 in turn, so only those read the
//! state, by the rule of [`crate::known`].

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    programs::{FEntryContext, FExitContext},
};
use tracer_common::{
    event::{Cause, Counter, What},
    kind::NsKind,
    layout::ABSENT,
};

use crate::{
    emit::{self, UNKNOWN_CAUSE, Why, now},
    known::{Known, Watched, creds, observe, recall, remember, unreport},
    maps::{CREDS, count},
    mem::{constant, current, kind_layout, offset, read},
    ns_common::common_of,
    select,
    twins::programs,
};

/// `task_struct.exit_state`: about to be released (`EXIT_DEAD`). Every way to
/// `release_task` sets it before.
const EXIT_DEAD: u32 = 16;

/// What a failed insertion returns if the key is there.
const EEXIST: i32 = 17;

/// A task in the set.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Cred {
    /// Key of the user namespace that it keeps active.
    pub user_ns: u64,
    /// When it entered the set, or a walk met it, `CLOCK_BOOTTIME`.
    pub seen: u64,
    /// Inode number of that namespace.
    pub inum: u32,
    /// Zero.
    pub reserved: u32,
}

impl Cred {
    /// Seen now, in this user namespace.
    #[inline(always)]
    fn new(user_ns: u64) -> Self {
        Self {
            user_ns,
            seen: now(),
            inum: read(user_ns, offset!(ns_inum)),
            reserved: 0,
        }
    }
}

/// Key of the user namespace of these credentials; 0 for the initial one.
#[inline(always)]
fn counted_namespace(cred: u64) -> u64 {
    let user_ns: u64 = read(cred, offset!(cred_user_ns));
    let level: u32 = read(user_ns, constant(&kind_layout(NsKind::User).level));
    if level == 0 {
        0
    } else {
        common_of(user_ns, NsKind::User)
    }
}

/// A walk finds out what has happened, not why.
const UNKNOWN: Why = Why {
    cause: UNKNOWN_CAUSE,
    flags: 0,
};

/// One more or one less.
#[derive(Clone, Copy)]
enum Step {
    Gain,
    Lose,
}

/// Counts and, on the first and the last, remembers why and, unless the
/// kernel's own count is to tell, says so.
#[inline(always)]
fn add(known: *mut Known, key: u64, inum: u32, step: Step, why: Why) {
    let (amount, edge) = match step {
        Step::Gain => (1, 0),
        Step::Lose => (-1_i64 as u64, 1),
    };
    if creds(known).fetch_add(amount) != edge {
        return;
    }
    // SAFETY: an aligned word of a map value, see `known::recall`.
    unsafe { (&raw mut (*known).creds_cause).write_volatile(why.cause) };
    if offset!(ns_active) != ABSENT {
        return;
    }
    let reading = observe(known, Watched::Tasks, || creds(known).load() as u32);
    let user = (key, NsKind::User);
    if reading.flipped && !emit::reading(What::NsTasks, why, user, &reading, 0) {
        unreport(inum, Watched::Tasks);
    }
}

#[inline(always)]
fn gain(key: u64, inum: u32, why: Why) {
    if let Some(known) = remember(inum, key, NsKind::User) {
        add(known, key, inum, Step::Gain, why);
    }
}

/// The namespace may be gone, if the task was kept by mistake.
#[inline(always)]
fn lose(key: u64, inum: u32, why: Why) {
    if let Some(known) = recall(inum, key) {
        add(known, key, inum, Step::Lose, why);
    }
}

/// The task's real credentials are in this user namespace from now on.
#[inline(always)]
fn enter(task: u64, key: u64, why: Why) {
    let cred = Cred::new(key);
    let mut before = None;
    if let Err(error) = CREDS.insert(task, cred, u64::from(BPF_NOEXIST)) {
        if error != -EEXIST {
            count(Counter::MapFull);
            return;
        }
        // SAFETY: only the task's own changes, or its parent's while it does not
        // run, replace an entry.
        before = unsafe { CREDS.get(task) }.copied();
        let is_other = before.is_some_and(|before| before.user_ns != key);
        if !is_other || CREDS.insert(task, cred, 0).is_err() {
            return;
        }
    }
    gain(key, cred.inum, why);
    if let Some(before) = before {
        lose(before.user_ns, before.inum, why);
    }
}

/// The task has no credentials to count any more. Cheap for all others.
#[inline(always)]
fn leave(task: u64, why: impl FnOnce() -> Why) {
    // SAFETY: the value is copied at once; it stays valid (RCU) meanwhile.
    if let Some(&old) = unsafe { CREDS.get(task) }
        && CREDS.remove(task).is_ok()
    {
        lose(old.user_ns, old.inum, why());
    }
}

/// A walk met this task: it is in the set from now on, unless it is about to
/// leave. Writes nothing: the walk reads the namespaces afterwards.
#[inline(always)]
pub fn met(task: u64) {
    let key = counted_namespace(read(task, offset!(task_real_cred)));
    if key == 0 || read::<u32>(task, offset!(task_exit_state)) == EXIT_DEAD {
        return;
    }
    if let Some(cred) = CREDS.get_ptr_mut(task) {
        // SAFETY: an aligned word of a map value, see `known::recall`.
        unsafe { (*cred).seen = now() };
        return;
    }
    let cred = Cred::new(key);
    match CREDS.insert(task, cred, u64::from(BPF_NOEXIST)) {
        Ok(()) => {
            count(Counter::CredsCorrected);
            if let Some(known) = remember(cred.inum, key, NsKind::User) {
                creds(known).fetch_add(1);
            }
        }
        // It entered by itself meanwhile.
        Err(error) if error == -EEXIST => return,
        Err(_) => {
            count(Counter::MapFull);
            return;
        }
    }
    // Whoever releases it has set this before looking into the set. If it is
    // not set, the entry will be found there.
    if read::<u32>(task, offset!(task_exit_state)) == EXIT_DEAD {
        leave(task, || UNKNOWN);
    }
}

/// How long a task may be in the set before a walk can meet it: a fork takes
/// it in before anybody can see the child. Nanoseconds.
const FORKING: u64 = 1_000_000_000;

/// A task of the set that a walk of all tasks did not meet, and that was there
/// well before, is gone: its end was missed.
#[inline(always)]
pub fn sweep(task: u64, cred: &Cred, walk_started: u64) {
    if cred.seen + FORKING < walk_started {
        count(Counter::CredsCorrected);
        leave(task, || UNKNOWN);
    }
}

/// Up to 6.18: `int copy_creds(struct task_struct *p, …)`: a task is made.
#[inline(always)]
fn on_cred_copied(ctx: &FExitContext) {
    let result: i32 = ctx.arg(2);
    if result == 0 {
        taken(ctx.arg(0));
    }
}

/// 6.19+: `void get_cred_namespaces(struct task_struct *tsk)`, at the end of
/// the same.
#[inline(always)]
fn on_cred_taken(ctx: &FEntryContext) {
    taken(ctx.arg(0));
}

#[inline(always)]
fn taken(task: u64) {
    let key = counted_namespace(read(task, offset!(task_real_cred)));
    if key != 0 {
        let why = Why {
            cause: Cause::CredTaken as u32,
            flags: select::own_deed(),
        };
        enter(task, key, why);
    }
}

/// `int commit_creds(struct cred *new)`: the running task is about to change
/// its credentials. Most changes stay in the user namespace.
#[inline(always)]
fn on_cred_changed(ctx: &FEntryContext) {
    let task = current();
    let new: u64 = ctx.arg(0);
    let old: u64 = read(task, offset!(task_real_cred));
    let field = offset!(cred_user_ns);
    if read::<u64>(old, field) == read::<u64>(new, field) {
        return;
    }
    let why = Why {
        cause: Cause::CredChanged as u32,
        flags: select::own_deed(),
    };
    match counted_namespace(new) {
        0 => leave(task, || why),
        key => enter(task, key, why),
    }
}

/// A task is reaped. 6.19+ `void exit_cred_namespaces(struct task_struct
/// *tsk)`, before `void cgroup_release(struct task_struct *task)`: unlike
/// `release_task` both run once for each task, also for a leader that goes
/// with its last thread.
#[inline(always)]
fn on_cred_dropped(ctx: &FEntryContext) {
    dropped(ctx.arg(0));
}

/// Up to 6.18: `void exit_creds(struct task_struct *tsk)`: a fork fails; or a
/// task is freed, which has left long ago.
#[inline(always)]
fn on_cred_freed(ctx: &FEntryContext) {
    dropped(ctx.arg(0));
}

/// Nobody is named: whoever reaps a task only cleans up.
#[inline(always)]
fn dropped(task: u64) {
    leave(task, || {
        let reaped = read::<u32>(task, offset!(task_exit_state)) == EXIT_DEAD;
        let cause = if reaped {
            Cause::CredReaped
        } else {
            Cause::ForkFailed
        };
        Why {
            cause: cause as u32,
            flags: 0,
        }
    });
}

programs! {
    fexit cred_copied, cred_copied_again: on_cred_copied;
    fentry cred_taken, cred_taken_again: on_cred_taken;
    fentry cred_changed, cred_changed_again: on_cred_changed;
    fentry cred_dropped, cred_dropped_again: on_cred_dropped;
    fentry cred_freed, cred_freed_again: on_cred_freed;
}
