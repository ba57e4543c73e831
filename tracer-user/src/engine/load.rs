//! Loads the kernel programs.

use std::thread;

use aya::{
    Btf, Ebpf, EbpfLoader,
    programs::{BtfTracePoint, FEntry, FExit, Iter, Program, ProgramError},
};
use aya_log::EbpfLogger;
use rustix::thread::gettid;
use tracer_common::twins;

use super::{
    Options, StartError,
    describe::Described,
    kernel::{Kernel, Part},
    parallel::{on_threads, wait_for_end},
    skipped::Skipped,
};
use crate::{
    plan::{Candidate, How},
    privileges::without_files,
};

/// All programs, compiled by `cargo xtask build`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/nslife-ebpf"));

/// The programs of the walk alone: the loader relocates every program of an
/// object, loaded or not.
static WALK: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/nslife-walk"));

/// `SELECTION` in `tracer-ebpf/src/select.rs`: nothing is selected, or what the
/// map lists.
const SELECT_NOTHING: u32 = 0;
const SELECT_LISTED: u32 = 1;

/// Maps that only the hooks for the ends of tasks use. They take their memory at
/// once.
const MAPS_OF_TASK_ENDS: [&str; 3] = ["LEAVING", "EXITED", "ADOPTED"];

/// The names of a hook's programs: the one that stands in for the other when the
/// kernel skips that ([`twins`]), and the other. In the order of attaching: what is
/// attached last runs first (`bpf_trampoline_link_prog`), and a twin is to find
/// what its program has noted.
pub(super) fn programs_of(candidate: Candidate) -> impl Iterator<Item = String> {
    let name = candidate.program;
    let twin = twins::slot(name).map(|_| format!("{name}{}", twins::SUFFIX));
    twin.into_iter().chain([name.to_owned()])
}

impl Kernel {
    /// Creates the maps; loads and attaches nothing.
    ///
    /// # Errors
    ///
    /// [`StartError::Refused`] or [`StartError::Capabilities`] if the kernel
    /// does not allow it.
    pub(super) fn new(described: &Described, options: &Options) -> Result<Self, StartError> {
        let mut ebpf = create_maps(described, options)?;
        let diagnostics = EbpfLogger::init(&mut ebpf).map_err(StartError::diagnostics)?;
        Ok(Self {
            ebpf,
            diagnostics,
            layout: described.layout,
            parts: Part::of(&described.layout, options.walk_only),
            hooks: Vec::new(),
            links: Vec::new(),
            skipped: Skipped::new(),
            #[cfg(feature = "faults")]
            detached: Vec::new(),
        })
    }

    /// Loads the programs of the walk alone.
    ///
    /// # Errors
    ///
    /// As [`Self::attach`].
    pub(super) fn load_walk(&mut self, described: &Described) -> Result<(), StartError> {
        let parts = self.parts_to_load();
        let names: Vec<_> = parts.iter().map(|part| part.program).collect();
        let programs = pick(&mut self.ebpf, &names)?;
        let jobs: Vec<_> = parts.into_iter().zip(programs).collect();
        let threads = jobs.len();
        on_threads(jobs, threads, |(part, program)| {
            load_part(program, part, &described.btf)
        })
        .into_iter()
        .try_for_each(|loaded| loaded.map_err(|error| StartError::program("the walk", error)))
    }

    /// The parts of the walk whose programs have not been loaded, the costliest
    /// first.
    pub(super) fn parts_to_load(&self) -> Vec<Part> {
        let is_missing = |part: &Part| {
            let program = self.ebpf.program(part.program);
            program.is_some_and(|program| program.fd().is_err())
        };
        let mut parts: Vec<_> = self.parts.iter().copied().filter(is_missing).collect();
        parts.reverse();
        parts
    }
}

/// Reads the object and creates its maps.
fn create_maps(described: &Described, options: &Options) -> Result<Ebpf, StartError> {
    let selection = if options.selecting {
        SELECT_LISTED
    } else {
        SELECT_NOTHING
    };
    let task_ends = u32::from(options.task_ends);
    let layout = described.layout;
    #[cfg(feature = "faults")]
    let layout = super::faults::layout(layout, options);
    let mut loader = new_loader();
    loader
        .btf(Some(&described.btf))
        .override_global("LAYOUT", &layout, true)
        .override_global("SELECTION", &selection, true)
        .override_global("TASK_EVENTS", &task_ends, true)
        .map_max_entries("EVENTS", options.ring.bytes())
        .map_max_entries("NAMESPACES", options.max_namespaces);
    if !options.selecting {
        loader.map_max_entries("SELECTED", 1);
    }
    if !options.task_ends {
        for map in MAPS_OF_TASK_ENDS {
            loader.map_max_entries(map, 1);
        }
    }
    let object = if options.walk_only { WALK } else { OBJECT };
    Ok(loader.load(object)?)
}

/// A loader that has not read the kernel's BTF.
///
/// The only constructor that aya has reads and parses all of it at once, for
/// relocations that these programs do not have: tens of megabytes, and more time
/// than all else in userspace. It does without if the file cannot be opened, so it
/// runs on a thread that may open none.
fn new_loader<'a>() -> EbpfLoader<'a> {
    let made = thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, || {
            // Where that is not to be had the loader does read it.
            let _ = without_files();
            (gettid(), EbpfLoader::new())
        });
        thread.ok()?.join().ok()
    });
    match made {
        Some((thread, loader)) => {
            wait_for_end(thread);
            loader
        }
        None => EbpfLoader::new(),
    }
}

/// The programs of these names, in their order.
pub(super) fn pick<'e>(
    ebpf: &'e mut Ebpf,
    names: &[&str],
) -> Result<Vec<&'e mut Program>, StartError> {
    let mut picked: Vec<_> = ebpf
        .programs_mut()
        .filter_map(|(name, program)| {
            let position = names.iter().position(|wanted| *wanted == name)?;
            Some((position, program))
        })
        .collect();
    picked.sort_unstable_by_key(|&(position, _)| position);
    // The table and the object come from one build; a test compares them.
    if picked.len() < names.len() {
        let programs = "programs that the attach plan names";
        return Err(StartError::Object { name: programs });
    }
    Ok(picked.into_iter().map(|(_, program)| program).collect())
}

/// Loads a part of the walk.
pub(super) fn load_part(program: &mut Program, part: Part, btf: &Btf) -> Result<(), ProgramError> {
    <&mut Iter>::try_from(program)?.load(part.iterator, btf)
}

/// Loads a program of a hook, unless it has been loaded before.
pub(super) fn load_hook(
    program: &mut Program,
    candidate: Candidate,
    btf: &Btf,
) -> Result<(), ProgramError> {
    if program.fd().is_ok() {
        return Ok(());
    }
    let function = candidate.function;
    match candidate.how {
        How::Fentry => <&mut FEntry>::try_from(program)?.load(function, btf),
        How::Fexit => <&mut FExit>::try_from(program)?.load(function, btf),
        How::Tracepoint => <&mut BtfTracePoint>::try_from(program)?.load(function, btf),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan;

    #[test]
    fn the_table_and_the_object_name_the_same_programs() {
        let compiled = |object| {
            let object = aya_obj::Object::parse(object).unwrap();
            assert_eq!(object.license.as_bytes(), b"Dual MIT/GPL");
            object.programs.keys().cloned().collect::<BTreeSet<_>>()
        };
        let mut planned: BTreeSet<String> = Part::ALL
            .into_iter()
            .map(|part| part.program.to_owned())
            .collect();
        assert_eq!(compiled(WALK), planned);
        planned.extend(plan::wanted().flat_map(programs_of));
        assert_eq!(compiled(OBJECT), planned);
    }

    #[test]
    fn a_twin_is_attached_before_its_program() {
        let candidate = |program| Candidate {
            function: "free_nsproxy",
            how: How::Fentry,
            program,
        };
        let names = |program| -> Vec<_> { programs_of(candidate(program)).collect() };
        assert_eq!(
            names("nsproxy_freed"),
            ["nsproxy_freed_again", "nsproxy_freed"]
        );
        assert_eq!(names("task_new"), ["task_new"]);
    }
}
