//! The capabilities that nslife needs to start.

use rustix::thread::{CapabilitySet, capabilities};

use super::CapabilityStatus;

/// Name, bit, and what it is for.
const NEEDED: [(&str, CapabilitySet, &str); 2] = [
    ("CAP_BPF", CapabilitySet::BPF, "loading programs and maps"),
    (
        "CAP_PERFMON",
        CapabilitySet::PERFMON,
        "attaching to kernel functions and reading kernel memory",
    ),
];

/// Each needed capability, and whether this process has it. `CAP_SYS_ADMIN`
/// implies both, as in the kernel.
pub(super) fn status() -> Vec<CapabilityStatus> {
    // A process can always ask for its own; if not, it has none.
    let effective = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    NEEDED
        .iter()
        .map(|&(name, bit, purpose)| CapabilityStatus {
            name,
            purpose,
            effective: effective.intersects(bit | CapabilitySet::SYS_ADMIN),
        })
        .collect()
}

/// The names of those that are lacking.
pub(super) fn missing() -> Vec<&'static str> {
    status()
        .into_iter()
        .filter(|capability| !capability.effective)
        .map(|capability| capability.name)
        .collect()
}
