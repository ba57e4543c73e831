//! The kernel programs, once they are loaded: their maps, and the walks.

use std::{
    fs,
    io::{self, Read as _},
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{
    Ebpf,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf},
    programs::{Iter, ProgramError},
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
    EngineError, HookReport, KernelTotals, StartError,
    attach::Attached,
    parallel::on_threads,
    skipped::{self, Misses, Skipped},
};
use crate::model::Unmet;
#[cfg(feature = "faults")]
use crate::plan::Candidate;

/// Threads that detach hooks. The kernel does one hook after another, see
/// `detach.rs`; what little it does besides overlaps.
const DETACHING: usize = 8;

/// A part of the walk: a program, and the iterator that it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    pub(super) program: &'static str,
    pub(super) iterator: &'static str,
}

impl Part {
    /// Every task, its nsproxy, its credentials.
    pub(super) const TASKS: Self = Self::new("walk_tasks", "task");
    /// Forgets the credentials of tasks that [`Self::TASKS`] did not meet, and
    /// namespaces whose freeing was missed.
    pub(super) const SWEEP: Self = Self::new("walk_sweep", "task");
    /// What the kernel chains, see [`Kernel::walk_ring`].
    pub(super) const RING: Self = Self::new("walk_ring", "task");
    /// Up to 6.17: the namespaces that tasks show.
    pub(super) const SHOWN: Self = Self::new("walk_shown", "task");
    /// Up to 6.17: those that open files lead to.
    pub(super) const FILES: Self = Self::new("walk_files", "task_file");

    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::TASKS,
        Self::SWEEP,
        Self::RING,
        Self::SHOWN,
        Self::FILES,
    ];

    /// Those that walks on a kernel of this layout have. Whoever walks once, and
    /// hooks nothing (`walk_only`), has nothing to forget.
    pub(super) fn of(layout: &Layout, walk_only: bool) -> Vec<Self> {
        let without_lists = [Self::SHOWN, Self::FILES];
        let mut parts = Self::ALL.to_vec();
        parts.retain(|part| {
            let needless = match *part {
                Self::SWEEP => walk_only,
                part => without_lists.contains(&part) && layout.lists_all(),
            };
            !needless
        });
        parts
    }

    /// The kernel function that stands for the iterator.
    pub(super) fn function(self) -> String {
        format!("bpf_iter_{}", self.iterator)
    }

    const fn new(program: &'static str, iterator: &'static str) -> Self {
        Self { program, iterator }
    }
}

/// In the map of selected thread groups: this one alone, or its descendants
/// too.
const ALONE: u8 = 0;
const AND_DESCENDANTS: u8 = 1;

/// Programs in the kernel, and the maps to talk to them.
pub(super) struct Kernel {
    pub(super) ebpf: Ebpf,
    pub(super) layout: Layout,
    pub(super) hooks: Vec<HookReport>,
    /// The parts of its walks.
    pub(super) parts: Vec<Part>,
    /// The programs that are attached.
    pub(super) links: Vec<Attached>,
    /// What the recursion guard has cost in spite of twins.
    pub(super) skipped: Skipped,
    /// Rare diagnostics of the programs themselves.
    pub(super) diagnostics: EbpfLogger<&'static dyn log::Log>,
    /// What a test has taken away for a while.
    #[cfg(feature = "faults")]
    pub(super) detached: Vec<Candidate>,
}

impl Kernel {
    /// The hooks, as [`Self::attach`] left them; none before that.
    pub(super) fn hooks(&self) -> &[HookReport] {
        &self.hooks
    }

    /// The kernel function that this hook is attached to.
    #[cfg(feature = "faults")]
    pub(super) fn attached_to(&self, name: &str) -> Option<&'static str> {
        let hook = self.hooks.iter().find(|hook| hook.name == name)?;
        match hook.state {
            super::HookState::Attached { function, .. } => Some(function),
            super::HookState::NotNeeded { .. } | super::HookState::Missing { .. } => None,
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

    /// Whether walks have this part.
    pub(super) fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
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

impl Drop for Kernel {
    /// Detaches the programs on several threads. The kernel would detach one
    /// after the other at the end of the process.
    fn drop(&mut self) {
        on_threads(std::mem::take(&mut self.links), DETACHING, drop);
    }
}
