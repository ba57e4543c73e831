//! The walk: what exists now, written to the file of a BPF iterator.
//!
//! Userspace runs its parts one after the other:
//!
//! 1. [`tasks`]: every task, its nsproxy, its credentials; then the set of
//!    credentials is swept.
//! 2. [`rings`]: lists that the kernel keeps, followed in chunks that fit the
//!    iterator's buffer: from 6.18 on those of all namespaces, before that of
//!    network namespaces; superblocks; mounts of nsfs.
//! 3. Up to 6.17, what else leads to a namespace: [`tasks`] once more, and
//!    [`files`].
//!
//! A namespace is read after the tasks, so that its credentials are all
//! counted. Nothing is held, and nothing but the file is written.

mod files;
mod rings;
mod tasks;

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_loop, bpf_seq_write};
use tracer_common::{event::What, kind::NsKind, layout::ABSENT, walk::Tag};

use crate::{
    active::observe_count,
    emit::now,
    fill::{fill_ns, pids_of, set_count},
    known::{Known, Reading, Watched, creds, is_initial, observe, remember},
    maps::{WALK_SCRATCH, WALKED, WalkMark},
    mem::{constant, kind_layout, offset, read},
    ns_common::{common_of, owner_of},
};

/// Deepest nesting of user namespaces that the kernel allows, and one.
const MAX_LEVELS: u32 = 33;

/// `struct bpf_iter_meta`, part of the BPF interface.
#[repr(C)]
struct Meta {
    seq: *mut c_void,
    session: u64,
    number: u64,
}

/// `struct bpf_iter__task`, part of the BPF interface; that of `task_file`
/// starts like it.
#[repr(C)]
struct TaskContext {
    meta: *const Meta,
    task: *const c_void,
}

/// Where records go, and what has been written there.
#[derive(Clone, Copy)]
struct Out {
    /// The iterator's file.
    seq: *mut c_void,
    /// This reading of it.
    session: u64,
    /// The task that the iterator shows; 0 for a program that runs once in a
    /// reading.
    task: u64,
}

impl Out {
    /// Of a context with a task; `None` after the last one.
    #[inline(always)]
    fn of(context: *const TaskContext) -> Option<Self> {
        // SAFETY: the kernel passes a `bpf_iter__task`, or one of `task_file`.
        unsafe {
            let meta = (*context).meta;
            let task = (*context).task;
            if task.is_null() {
                return None;
            }
            Some(Self {
                seq: (*meta).seq,
                session: (*meta).session,
                task: task as u64,
            })
        }
    }

    /// As [`Self::of`], for a program that has something to say only once.
    #[inline(always)]
    fn once(context: *const TaskContext) -> Option<Self> {
        // SAFETY: as above.
        if unsafe { (*(*context).meta).number } != 0 {
            return None;
        }
        Some(Self {
            task: 0,
            ..Self::of(context)?
        })
    }

    /// Appends a record. An overflow is the iterator's business: it shows the
    /// same object again with an empty buffer.
    #[inline(always)]
    fn write<T>(&self, record: &T) {
        // SAFETY: `seq` is the iterator's own file, `record` is fully
        // initialized and lives through the call.
        unsafe {
            bpf_seq_write(
                self.seq.cast(),
                (&raw const *record).cast(),
                size_of::<T>() as u32,
            );
        }
    }

    /// Whether this object has yet to be written.
    #[inline(always)]
    fn first_visit(&self, key: u64) -> bool {
        // SAFETY: a value that is replaced while it is read can at worst make
        // an object appear twice.
        if let Some(mark) = unsafe { WALKED.get(key) }
            && mark.session == self.session
            // What this task wrote may have been dropped, see `WalkMark`.
            && (mark.task != self.task || self.task == 0)
        {
            return false;
        }
        let mark = WalkMark {
            session: self.session,
            task: self.task,
        };
        let _ = WALKED.insert(key, mark, 0);
        true
    }
}

/// Whether tasks keep the namespace active, as far as that is of consequence.
#[inline(always)]
fn observe_tasks(known: *mut Known, key: u64, kind: NsKind) -> Option<Reading> {
    Some(match kind {
        NsKind::User => observe(known, Watched::Tasks, || creds(known).load() as u32),
        NsKind::Pid => {
            let pid_ns = key - u64::from(constant(&kind_layout(kind).common));
            observe(known, Watched::Tasks, || pids_of(pid_ns).count)
        }
        _ => return None,
    })
}

/// Writes one namespace.
#[inline(never)]
fn write_namespace(out: &Out, key: u64, kind: NsKind) -> i32 {
    let Some(scratch) = WALK_SCRATCH.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the scratch is this program's own, see `WALK_SCRATCH`.
    unsafe {
        let record = &raw mut (*scratch).namespace;
        (*record).tag = Tag::Namespace as u32;
        (*record).reserved = 0;
        (*record).time = now();
        (*record).sequence = 0;
        (*record).tasks_sequence = 0;
        fill_ns(&raw mut (*record).ns, key, kind);
        let inum: u32 = (*record).ns.inum;
        if !is_initial(inum) {
            if offset!(ns_active) != ABSENT {
                if let Some(known) = remember(inum, key, kind) {
                    let reading = observe_count(known, key);
                    (*record).sequence = reading.sequence;
                    set_count(&raw mut (*record).ns, What::NsActivity, kind, reading.count);
                }
            } else if let Some(known) = remember(inum, key, kind)
                && let Some(reading) = observe_tasks(known, key, kind)
            {
                (*record).tasks_sequence = reading.sequence;
                set_count(&raw mut (*record).ns, What::NsTasks, kind, reading.count);
            }
        }
        // Read last: a reference that is left now was there all the while. Up to
        // 7.2 an active count is written over once the last one is gone.
        (*record).ns.refs = read(key, offset!(ns_refs));
        out.write(&*record);
        (*scratch).written += 1;
    }
    0
}

/// From a namespace up through its owners.
struct Visit {
    out: Out,
    key: u64,
    kind: u32,
}

#[inline(always)]
fn visit_step(visit: &mut Visit) -> i64 {
    let Some(kind) = NsKind::from_u32(visit.kind) else {
        return 1;
    };
    if visit.key == 0 || !visit.out.first_visit(visit.key) {
        return 1;
    }
    write_namespace(&visit.out, visit.key, kind);
    visit.key = owner_of(visit.key, kind);
    visit.kind = NsKind::User as u32;
    0
}

extern "C" fn visit_callback(_index: u32, visit: *mut Visit) -> i64 {
    // SAFETY: `bpf_loop` hands back the context it was given.
    visit_step(unsafe { &mut *visit })
}

/// Writes a namespace and its owners, as far as they are new.
#[inline(always)]
fn visit(out: Out, key: u64, kind: NsKind) {
    let mut visit = Visit {
        out,
        key,
        kind: kind as u32,
    };
    // SAFETY: the callback has the signature that the helper documents, and
    // the context outlives the call.
    unsafe {
        bpf_loop(
            MAX_LEVELS,
            visit_callback as *mut c_void,
            (&raw mut visit).cast(),
            0,
        );
    }
}

/// From a pid namespace up through its parents.
struct Ancestors {
    out: Out,
    key: u64,
}

extern "C" fn ancestors_callback(_index: u32, ancestors: *mut Ancestors) -> i64 {
    // SAFETY: `bpf_loop` hands back the context it was given.
    let ancestors = unsafe { &mut *ancestors };
    if ancestors.key == 0 {
        return 1;
    }
    visit(ancestors.out, ancestors.key, NsKind::Pid);
    ancestors.key = parent_of(ancestors.key);
    0
}

/// Writes a pid namespace and its parents, with their owners: a parent need
/// not be the owner of anything.
#[inline(always)]
fn visit_pid(out: Out, key: u64) {
    let mut ancestors = Ancestors { out, key };
    // SAFETY: the callback has the signature that the helper documents, and
    // the context outlives the call.
    unsafe {
        bpf_loop(
            MAX_LEVELS,
            ancestors_callback as *mut c_void,
            (&raw mut ancestors).cast(),
            0,
        );
    }
}

/// The parent of the pid namespace at `key`; 0 for the initial one.
#[inline(always)]
fn parent_of(key: u64) -> u64 {
    let layout = kind_layout(NsKind::Pid);
    let base = key - u64::from(constant(&layout.common));
    common_of(read(base, constant(&layout.parent)), NsKind::Pid)
}

/// Writes a namespace of any type, and what it leads to.
#[inline(always)]
fn visit_all(out: Out, key: u64, kind: NsKind) {
    match kind {
        NsKind::Pid => visit_pid(out, key),
        _ => visit(out, key, kind),
    }
}
