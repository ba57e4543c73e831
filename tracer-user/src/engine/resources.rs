//! What the kernel programs use: room, and time where the system measures it.

use std::{
    collections::BTreeMap,
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::maps::{Array, PerCpuArray};
use tracer_common::{event::Counter, twins};

use super::{Engine, EngineError, kernel::Kernel};

/// Says whether the kernel measures what BPF programs cost.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Maps that can be full, in the order in which walks say how full they are,
/// and what they are called in metrics.
const MAPS: [(&str, &str); 2] = [("CREDS", "creds"), ("NAMESPACES", "namespaces")];

/// How full a map of the kernel programs is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapUse {
    /// What it is called.
    pub name: &'static str,
    /// Entries that it had when a walk went through it last.
    pub entries: u64,
    /// Entries that it has room for.
    pub capacity: u64,
}

/// What it has cost to run a program, its twin included, while statistics were
/// on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProgramRuns {
    /// The program.
    pub program: String,
    /// How often it ran.
    pub runs: u64,
    /// For how long, nanoseconds.
    pub took: u64,
}

/// What the kernel programs use.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Resources {
    /// The size of the ring buffer, bytes; 0 if there is none.
    pub ring: u64,
    /// How much of it was taken at most, bytes.
    pub ring_most: u64,
    /// The maps.
    pub maps: Vec<MapUse>,
    /// What each loaded program has cost; empty where the system does not
    /// measure it (`kernel.bpf_stats_enabled`).
    pub programs: Vec<ProgramRuns>,
}

impl Engine {
    /// What the kernel programs use.
    pub fn resources(&self) -> Result<Resources, EngineError> {
        let ring = self.stream.as_ref().map_or(0, |stream| stream.size.bytes());
        Ok(Resources {
            ring: ring.into(),
            ring_most: self.kernel.ring_most()?,
            maps: self.kernel.map_use()?,
            programs: match statistics_are_on() {
                true => self.kernel.program_runs()?,
                false => Vec::new(),
            },
        })
    }
}

/// Where that cannot be read nobody can have turned it on.
fn statistics_are_on() -> bool {
    fs::read_to_string(STATISTICS).is_ok_and(|text| text.trim() != "0")
}

impl Kernel {
    fn ring_most(&self) -> Result<u64, EngineError> {
        let counters: PerCpuArray<_, u64> = self.map("COUNTERS")?.try_into()?;
        let seen = counters.get(&(Counter::RingTaken as u32), 0)?;
        Ok(seen.iter().copied().max().unwrap_or(0))
    }

    fn map_use(&self) -> Result<Vec<MapUse>, EngineError> {
        let entries: Array<_, u64> = self.map("ENTRIES")?.try_into()?;
        let use_of = |(index, (map, name)): (u32, (&'static str, &'static str))| {
            Ok(MapUse {
                name,
                entries: entries.get(&index, 0)?,
                capacity: self.capacity(map)?,
            })
        };
        (0..).zip(MAPS).map(use_of).collect()
    }

    fn program_runs(&self) -> Result<Vec<ProgramRuns>, EngineError> {
        let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (name, program) in self.ebpf.programs() {
            // Only what is loaded has a descriptor.
            let Ok(fd) = program.fd() else { continue };
            let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
            let text = fs::read_to_string(&path)?;
            let field = |name: &str| {
                let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
                let value = lines.next().and_then(|value| value.trim().parse().ok());
                value.ok_or_else(|| {
                    let text = format!("{path} has no {name}");
                    io::Error::new(io::ErrorKind::InvalidData, text)
                })
            };
            let (took, runs): (u64, u64) = (field("run_time_ns:")?, field("run_cnt:")?);
            let first = name.strip_suffix(twins::SUFFIX);
            let (all, longest) = sums.entry(first.unwrap_or(name)).or_default();
            *all += runs;
            *longest += took;
        }
        let sums = sums.into_iter().map(|(program, (runs, took))| ProgramRuns {
            program: program.to_owned(),
            runs,
            took,
        });
        Ok(sums.collect())
    }
}
