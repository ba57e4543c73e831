//! What virtual machines are made of.

use std::fs;

use clap::{Args, value_parser};

/// The hardware of a virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hardware {
    /// Memory, as QEMU writes sizes.
    pub(crate) memory: String,
    /// Number of processors.
    pub(crate) cpus: u32,
    /// QEMU's accelerator and its options.
    pub(crate) accelerator: String,
    /// What its clock shows.
    pub(crate) clock: Clock,
}

/// What the clock of a machine shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The time of the host.
    Time,
    /// Instructions, one a nanosecond; while nothing runs it jumps to whatever comes next. Takes
    /// emulation with one thread.
    Instructions,
}

impl Hardware {
    /// A machine that costs can be measured on: what it does takes as many nanoseconds of its own
    /// as instructions, however fast the host is and whatever else it does.
    pub(crate) fn counting(memory: &str) -> Self {
        Self {
            memory: memory.to_owned(),
            cpus: 1,
            accelerator: "tcg,thread=single".to_owned(),
            clock: Clock::Instructions,
        }
    }
}

/// Processors, where nothing speaks for another number.
const CPUS: u32 = 2;

/// What of it can be chosen on the command line.
#[derive(Clone, Debug, Args)]
pub(crate) struct HardwareOptions {
    /// Memory of the machine.
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    memory: String,
    /// Processors of the machine [default: 2; for churn 16].
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u32).range(1..))]
    cpus: Option<u32>,
    /// QEMU's accelerator [default: kvm where it works, else tcg].
    #[arg(long, value_name = "NAME")]
    accel: Option<String>,
}

impl HardwareOptions {
    /// Decides what was left open.
    pub(crate) fn resolve(self) -> Hardware {
        self.with_processors(CPUS)
    }

    /// The same, with so many processors unless somebody asks for another number.
    pub(crate) fn with_processors(self, cpus: u32) -> Hardware {
        Hardware {
            memory: self.memory,
            cpus: self.cpus.unwrap_or(cpus),
            accelerator: self.accel.unwrap_or_else(|| {
                let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
                let kvm_opens = fs::File::options()
                    .read(true)
                    .write(true)
                    .open("/dev/kvm")
                    .is_ok();
                default_accelerator(&cpuinfo, kvm_opens).to_owned()
            }),
            clock: Clock::Time,
        }
    }
}

/// Emulation, each processor of the machine by a thread of its own.
const EMULATION: &str = "tcg,thread=multi";

/// KVM on hardware; nested in another hypervisor, where it exists, it is not to be trusted.
fn default_accelerator(cpuinfo: &str, kvm_opens: bool) -> &'static str {
    let is_virtual = cpuinfo
        .lines()
        .filter(|line| line.starts_with("flags"))
        .any(|line| line.split_whitespace().any(|flag| flag == "hypervisor"));
    if kvm_opens && !is_virtual {
        "kvm"
    } else {
        EMULATION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kvm_only_on_hardware() {
        let hardware = "model name : x\nflags\t\t: fpu vmx lahf_lm\n";
        let virtual_machine = "flags\t\t: fpu hypervisor lahf_lm\n";
        assert_eq!(default_accelerator(hardware, true), "kvm");
        assert_eq!(default_accelerator(hardware, false), EMULATION);
        assert_eq!(default_accelerator(virtual_machine, true), EMULATION);
    }
}
