//! The kernel programs, loaded and attached: the only user of aya.

use std::{
    fs,
    io::{self, Read as _},
    os::fd::{AsFd as _, AsRawFd as _},
    path::Path,
};

use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader, Endianness,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf},
    programs::{BtfTracePoint, FEntry, FExit, Iter, ProgramError},
};
use aya_log::EbpfLogger;
use tracer_common::{
    event::Counter,
    known::Known,
    layout::Layout,
    twins,
    walk::{RING_START, RingCursor},
};

use super::{
    Attempt, EngineError, HookReport, HookState, KernelTotals, Options, StartError,
    addresses::without_addresses,
    error::{again, refusal},
    skipped::{self, Misses, Skipped},
};
use crate::{
    btf::KernelBtf,
    model::Unmet,
    plan::{self, Absence, Candidate, HOOKS, Hook, How, Offered, Step, TASK_HOOKS},
};

/// Where the kernel describes itself.
pub(super) const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// The programs, compiled by `cargo xtask build`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/nslife-ebpf"));

/// A part of the walk: a program, and the iterator that it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    program: &'static str,
    iterator: &'static str,
}

impl Part {
    /// Every task, its nsproxy, its credentials.
    pub(super) const TASKS: Self = Self::new("walk_tasks", "task");
    /// Forgets the credentials of tasks that [`Self::TASKS`] did not meet, and
    /// namespaces whose freeing was missed.
    pub(super) const SWEEP: Self = Self::new("walk_sweep", "task");
    /// What the kernel chains, see [`Kernel::walk_ring`].
    const RING: Self = Self::new("walk_ring", "task");
    /// Up to 6.17: the namespaces that tasks show.
    pub(super) const SHOWN: Self = Self::new("walk_shown", "task");
    /// Up to 6.17: those that open files lead to.
    pub(super) const FILES: Self = Self::new("walk_files", "task_file");

    const ALWAYS: [Self; 3] = [Self::TASKS, Self::SWEEP, Self::RING];
    const WITHOUT_LISTS: [Self; 2] = [Self::SHOWN, Self::FILES];

    const fn new(program: &'static str, iterator: &'static str) -> Self {
        Self { program, iterator }
    }
}

/// `SELECTION` in `tracer-ebpf/src/select.rs`: nothing is selected, or what the
/// map lists.
const SELECT_NOTHING: u32 = 0;
const SELECT_LISTED: u32 = 1;

/// In the map of selected thread groups: this one alone, or its descendants
/// too.
const ALONE: u8 = 0;
const AND_DESCENDANTS: u8 = 1;

/// Maps of no use to who does not ask for the ends of tasks. They take their
/// memory at once.
const MAPS_OF_TASK_ENDS: [&str; 3] = ["LEAVING", "EXITED", "ADOPTED"];

/// Programs in the kernel, and the maps to talk to them.
pub(super) struct Kernel {
    pub(super) ebpf: Ebpf,
    layout: Layout,
    hooks: Vec<HookReport>,
    /// What the recursion guard has cost in spite of twins.
    skipped: Skipped,
    /// Rare diagnostics of the programs themselves.
    diagnostics: EbpfLogger<&'static dyn log::Log>,
    /// What a test has taken away for a while.
    #[cfg(feature = "faults")]
    pub(super) detached: Vec<Candidate>,
}

/// The name of the program that stands in for this one when the kernel skips
/// it, see [`twins`].
pub(super) fn twin_of(candidate: Candidate) -> Option<String> {
    let name = candidate.program;
    twins::slot(name).map(|_| format!("{name}{}", twins::SUFFIX))
}

/// What the kernel says about itself, before anything is loaded.
pub(super) struct Described {
    pub(super) btf: Btf,
    pub(super) layout: Layout,
    offered: Offered,
}

/// Reads and understands the kernel's BTF.
pub(super) fn describe() -> Result<Described, StartError> {
    let bytes = fs::read(BTF_PATH).map_err(|error| StartError::NoBtf {
        path: Path::new(BTF_PATH),
        error,
    })?;
    let kernel = KernelBtf::parse(&bytes)?;
    Ok(Described {
        layout: kernel.layout()?,
        offered: plan::offered(&kernel),
        btf: Btf::parse(&bytes, Endianness::default()).map_err(EbpfError::BtfError)?,
    })
}

impl Kernel {
    /// Loads the maps and the walk programs; attaches nothing.
    pub(super) fn load(described: &Described, options: &Options) -> Result<Self, StartError> {
        let selection = if options.selecting {
            SELECT_LISTED
        } else {
            SELECT_NOTHING
        };
        let task_ends = u32::from(options.task_ends);
        let layout = described.layout;
        #[cfg(feature = "faults")]
        let layout = super::faults::layout(layout, options);
        let mut loader = EbpfLoader::new();
        loader
            .btf(Some(&described.btf))
            .override_global("LAYOUT", &layout, true)
            .override_global("SELECTION", &selection, true)
            .override_global("TASK_EVENTS", &task_ends, true)
            .map_max_entries("EVENTS", options.ring.bytes())
            .map_max_entries("NAMESPACES", options.max_namespaces);
        if !options.task_ends {
            for map in MAPS_OF_TASK_ENDS {
                loader.map_max_entries(map, 1);
            }
        }
        let mut ebpf = loader.load(OBJECT)?;
        let diagnostics = EbpfLogger::init(&mut ebpf).map_err(StartError::diagnostics)?;
        let mut kernel = Self {
            ebpf,
            diagnostics,
            layout: described.layout,
            hooks: Vec::new(),
            skipped: Skipped::new(),
            #[cfg(feature = "faults")]
            detached: Vec::new(),
        };
        for part in Part::ALWAYS {
            kernel.load_walk(part, &described.btf)?;
        }
        if !kernel.layout.lists_all() {
            for part in Part::WITHOUT_LISTS {
                kernel.load_walk(part, &described.btf)?;
            }
        }
        Ok(kernel)
    }

    fn load_walk(&mut self, part: Part, btf: &Btf) -> Result<(), StartError> {
        let name = part.program;
        let program = self
            .ebpf
            .program_mut(name)
            .ok_or(StartError::Object { name })?;
        <&mut Iter>::try_from(program)
            .and_then(|program| program.load(part.iterator, btf))
            .map_err(|error| StartError::program("the walk", error))
    }

    /// Carries out the attach plan, row by row: a function that cannot be
    /// hooked is gone for the rows that follow, so that they make up for it.
    /// What nothing makes up for is a named loss, or an error if nothing
    /// works without. Without `task_ends`, rows that only those need are left
    /// out.
    pub(super) fn attach(
        &mut self,
        described: &Described,
        task_ends: bool,
    ) -> Result<(), StartError> {
        let mut offered = described.offered.clone();
        let asked_for = if task_ends { TASK_HOOKS } else { &[] };
        for hook in HOOKS.iter().chain(asked_for) {
            let mut attempts = Vec::new();
            let state = loop {
                match plan::step(hook, &offered) {
                    Step::Attach(candidate) => match self.attach_one(candidate, &described.btf) {
                        Ok(()) => {
                            break HookState::Attached {
                                function: candidate.function,
                                how: candidate.how.name(),
                            };
                        }
                        Err(error) => {
                            if let Some((call, error)) = refusal(&error) {
                                return Err(StartError::refused(call, again(error)));
                            }
                            offered.remove(candidate.function);
                            attempts.push(Attempt {
                                function: candidate.function,
                                because: without_addresses(&one_line(&error)).into_owned(),
                            });
                        }
                    },
                    Step::NotNeeded(because) if attempts.is_empty() => {
                        break HookState::NotNeeded { because };
                    }
                    Step::NotNeeded(_) | Step::Absent => break missing(hook, &attempts),
                }
            };
            self.hooks.push(HookReport {
                name: hook.name,
                purpose: hook.purpose,
                required: hook.absence == Absence::Fatal,
                state,
                attempts,
            });
        }
        if !task_ends {
            self.hooks.extend(TASK_HOOKS.iter().map(|hook| HookReport {
                name: hook.name,
                purpose: hook.purpose,
                required: false,
                state: HookState::NotNeeded {
                    because: "only `nslife trace --event exited,reaped` asks for it",
                },
                attempts: Vec::new(),
            }));
        }
        Ok(())
    }

    /// Attaches a program and, before it, its twin: what is attached last runs
    /// first (`bpf_trampoline_link_prog`), and a twin is to find what its program
    /// has noted.
    pub(super) fn attach_one(
        &mut self,
        candidate: Candidate,
        btf: &Btf,
    ) -> Result<(), ProgramError> {
        if let Some(twin) = twin_of(candidate) {
            self.attach_program(&twin, candidate, btf)?;
        }
        self.attach_program(candidate.program, candidate, btf)
    }

    fn attach_program(
        &mut self,
        name: &str,
        Candidate { function, how, .. }: Candidate,
        btf: &Btf,
    ) -> Result<(), ProgramError> {
        // The table and the object file come from one build; a test compares
        // them.
        let program = self.ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?;
        match how {
            How::Fentry => {
                let program: &mut FEntry = program.try_into()?;
                program.load(function, btf)?;
                program.attach()?;
            }
            How::Fexit => {
                let program: &mut FExit = program.try_into()?;
                program.load(function, btf)?;
                program.attach()?;
            }
            How::Tracepoint => {
                let program: &mut BtfTracePoint = program.try_into()?;
                program.load(function, btf)?;
                program.attach()?;
            }
        }
        Ok(())
    }

    /// The hooks, as [`Self::attach`] left them.
    pub(super) fn hooks(&self) -> &[HookReport] {
        &self.hooks
    }

    /// The kernel function that this hook is attached to.
    #[cfg(feature = "faults")]
    pub(super) fn attached_to(&self, name: &str) -> Option<&'static str> {
        let hook = self.hooks.iter().find(|hook| hook.name == name)?;
        match hook.state {
            HookState::Attached { function, .. } => Some(function),
            HookState::NotNeeded { .. } | HookState::Missing { .. } => None,
        }
    }

    /// Whether all hooks whose names start so are attached.
    pub(super) fn hooks_attached(&self, prefix: &str) -> bool {
        self.hooks
            .iter()
            .filter(|hook| hook.name.starts_with(prefix))
            .all(HookReport::is_attached)
    }

    /// Whether a hook whose name starts so should be attached and is not.
    pub(super) fn lacks_hooks(&self, prefix: &str) -> bool {
        self.hooks
            .iter()
            .any(|hook| hook.name.starts_with(prefix) && hook.problem().is_some())
    }

    /// Where this kernel keeps things.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The records to come. Can be taken once.
    pub(super) fn take_ring(&mut self) -> Result<RingBuf<MapData>, StartError> {
        let map = self
            .ebpf
            .take_map("EVENTS")
            .ok_or(StartError::Object { name: "EVENTS" })?;
        Ok(RingBuf::try_from(map).map_err(EngineError::Map)?)
    }

    /// Selects a thread group for full reporting.
    pub(super) fn select(&mut self, tgid: u32, descendants: bool) -> Result<(), EngineError> {
        let mut selected: HashMap<_, u32, u8> = self.map_mut("SELECTED")?.try_into()?;
        let mark = if descendants { AND_DESCENDANTS } else { ALONE };
        Ok(selected.insert(tgid, mark, 0)?)
    }

    /// Whether a selected thread group is still alive.
    pub(super) fn has_selected(&self) -> Result<bool, EngineError> {
        let map = self.map("SELECTED")?;
        let selected: HashMap<_, u32, u8> = map.try_into()?;
        Ok(selected.keys().next().is_some())
    }

    /// Logs what the programs had to say for themselves.
    pub(super) fn log_diagnostics(&mut self) {
        self.diagnostics.flush();
    }

    /// Sums of the counters, and of what the recursion guard skipped.
    pub(super) fn totals(&mut self) -> Result<KernelTotals, EngineError> {
        let lost_recursion = self.lost_recursion()?;
        let map = self.map("COUNTERS")?;
        let counters: PerCpuArray<_, u64> = map.try_into()?;
        let sum = |counter: Counter| -> Result<u64, EngineError> {
            Ok(counters.get(&(counter as u32), 0)?.iter().sum())
        };
        Ok(KernelTotals {
            lost_ring_full: sum(Counter::RingFull)?,
            lost_map_full: sum(Counter::MapFull)?,
            lost_read_failed: sum(Counter::ReadFailed)?,
            lost_recursion,
            exits: sum(Counter::Exits)?,
            records: sum(Counter::Records)?,
            creds_corrected: sum(Counter::CredsCorrected)?,
        })
    }

    /// What the recursion guard has cost: runs that the kernel skipped because
    /// the program was already running on that CPU
    /// (`bpf_prog_info.recursion_misses`), as the kernel shows them beside each
    /// program's descriptor, and that no twin made up for.
    fn lost_recursion(&mut self) -> Result<u64, EngineError> {
        let misses = self.misses()?;
        let map = self.map("STOOD_IN")?;
        let stood_in: PerCpuArray<_, [u64; twins::NAMES.len()]> = map.try_into()?;
        let by_cpu = stood_in.get(&0, 0)?;
        let stood_in = |slot: usize| by_cpu.iter().map(|cpu| cpu[slot]).sum();
        Ok(self.skipped.look(&misses, stood_in))
    }

    /// How often programs were skipped, see [`Self::lost_recursion`].
    fn misses(&self) -> Result<Misses, EngineError> {
        let mut all = Misses::none();
        for (name, program) in self.ebpf.programs() {
            // Only what is loaded has a descriptor.
            let Ok(fd) = program.fd() else { continue };
            if !skipped::counts(name) {
                continue;
            }
            let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
            let misses = fs::read_to_string(&path)?
                .lines()
                .find_map(|line| line.strip_prefix("recursion_misses:"))
                .and_then(|value| value.trim().parse::<u64>().ok())
                .ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("{path} has no recursion_misses"),
                    )
                })?;
            all.add(name, misses);
        }
        Ok(all)
    }

    /// Those of these that the programs do not remember (any more).
    pub(super) fn forgotten(&self, unmet: &[Unmet]) -> Result<Vec<Unmet>, EngineError> {
        let map = self.map("NAMESPACES")?;
        let known: HashMap<_, u32, Known> = map.try_into()?;
        let mut forgotten = Vec::new();
        for &ns in unmet {
            match known.get(&ns.inum, 0) {
                // Another one's means that the number has been given out anew.
                Ok(known) if known.key == ns.key.address() => {}
                Ok(_) | Err(MapError::KeyNotFound) => forgotten.push(ns),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(forgotten)
    }

    /// Says when the walk that is about to begin started, `CLOCK_BOOTTIME`
    /// nanoseconds.
    pub(super) fn walk_started(&mut self, at: u64) -> Result<(), EngineError> {
        let mut started: Array<_, u64> = self.map_mut("WALK_STARTED")?.try_into()?;
        Ok(started.set(0, at, 0)?)
    }

    /// Runs a part of the walk. What it wrote are records of
    /// [`tracer_common::walk`].
    pub(super) fn walk(&mut self, part: Part) -> Result<Vec<u8>, EngineError> {
        let program: &mut Iter = self
            .ebpf
            .program_mut(part.program)
            .ok_or(ProgramError::NotLoaded)?
            .try_into()?;
        let link = program.attach()?;
        let mut file = program.take_link(link)?.into_file()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Follows a ring from where the cursor is, as far as one buffer goes, and
    /// moves the cursor.
    pub(super) fn walk_ring(&mut self, cursor: &mut RingCursor) -> Result<Vec<u8>, EngineError> {
        let mut place: Array<_, RingCursor> = self.map_mut("WALK_CURSOR")?.try_into()?;
        place.set(0, *cursor, 0)?;
        let bytes = self.walk(Part::RING)?;
        let place: Array<_, RingCursor> = self.map_mut("WALK_CURSOR")?.try_into()?;
        let moved = place.get(&0, 0)?;
        if moved.state == RING_START {
            // The iterator showed no task, so the program did not run.
            return Err(EngineError::Blind);
        }
        *cursor = moved;
        Ok(bytes)
    }

    /// How many entries this map has room for.
    pub(super) fn capacity(&self, map: &'static str) -> Result<u64, EngineError> {
        let info = match self.map(map)? {
            Map::HashMap(data) => data.info()?,
            _ => return Err(EngineError::NoMap { map }),
        };
        Ok(info.max_entries().into())
    }

    pub(super) fn map(&self, map: &'static str) -> Result<&Map, EngineError> {
        self.ebpf.map(map).ok_or(EngineError::NoMap { map })
    }

    fn map_mut(&mut self, map: &'static str) -> Result<&mut Map, EngineError> {
        self.ebpf.map_mut(map).ok_or(EngineError::NoMap { map })
    }
}

fn missing(hook: &Hook, attempts: &[Attempt]) -> HookState {
    let because = match attempts.last() {
        Some(attempt) => format!("{}: {}", attempt.function, attempt.because),
        None => {
            let functions: Vec<_> = hook.candidates.iter().map(|c| c.function).collect();
            format!("this kernel has no {}", functions.join(", no "))
        }
    };
    HookState::Missing { because }
}

/// What the verifier writes after the reason.
const VERIFIER_STATISTICS: [&str; 4] = [
    "processed ",
    "verification time ",
    "stack depth ",
    "subprog ",
];

/// An error and its causes on one line. The verifier's log can have thousands
/// of lines, of which the last one before the statistics (and, on 7.3, before
/// an explanation) is the reason.
fn one_line(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            let reason = log
                .lines()
                .take_while(|line| !line.starts_with("Verification failed"))
                .filter(|line| {
                    !line.is_empty()
                        && !VERIFIER_STATISTICS
                            .iter()
                            .any(|word| line.starts_with(word))
                })
                .last();
            match reason {
                Some(reason) => format!("{io_error}: {reason}"),
                None => io_error.to_string(),
            }
        }
        ProgramError::SyscallError(error) => format!("{}: {}", error.call, error.io_error),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_and_the_object_name_the_same_programs() {
        let object = aya_obj::Object::parse(OBJECT).unwrap();
        let compiled: BTreeSet<&str> = object.programs.keys().map(String::as_str).collect();
        let walks = Part::ALWAYS.into_iter().chain(Part::WITHOUT_LISTS);
        let twins: Vec<String> = plan::wanted().filter_map(twin_of).collect();
        let planned: BTreeSet<&str> = plan::wanted()
            .map(|candidate| candidate.program)
            .chain(twins.iter().map(String::as_str))
            .chain(walks.map(|part| part.program))
            .collect();
        assert_eq!(compiled, planned);
        assert_eq!(object.license.as_bytes(), b"Dual MIT/GPL");
    }
}
