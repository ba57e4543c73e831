//! What the resolver finds in each kernel.

use std::{collections::BTreeSet, fmt::Debug};

use tracer_common::{
    kind::NsKind,
    layout::{ABSENT, Layout},
};

use crate::stored::{ALL, KERNELS, Kernel, Span};

/// Fields that some kernels lack, and which have them.
const FIELDS: &[(&str, Span)] = &[
    ("ns_type", Span("6.18", "7.3")),
    ("ops_type", Span("6.1", "6.17")),
    ("ns_id", Span("6.18", "7.3")),
    ("ns_active", Span("6.19", "7.3")),
    ("super_mounts", Span("6.1", "6.17")),
    ("mount_instance", Span("6.1", "6.17")),
];

/// Fields that some namespace types lack, and which have them, on which
/// kernels.
const FIELDS_OF_TYPES: &[(&str, NsKind, Span)] = &[
    ("parent", NsKind::User, ALL),
    ("parent", NsKind::Pid, ALL),
    ("level", NsKind::User, ALL),
    ("level", NsKind::Pid, ALL),
    ("guard", NsKind::Net, ALL),
    ("guard", NsKind::Mnt, Span("6.1", "6.17")),
    ("list", NsKind::Mnt, Span("6.18", "7.3")),
    ("list", NsKind::Uts, Span("6.18", "7.3")),
    ("list", NsKind::Ipc, Span("6.18", "7.3")),
    ("list", NsKind::User, Span("6.18", "7.3")),
    ("list", NsKind::Pid, Span("6.18", "7.3")),
    ("list", NsKind::Net, ALL),
    ("list", NsKind::Cgroup, Span("6.18", "7.3")),
    ("list", NsKind::Time, Span("6.18", "7.3")),
];

/// An offset that the resolver found.
type Offset = fn(&Layout) -> u32;

/// Offsets, one for each kernel, as bpftool shows them.
const OFFSETS: &[(&str, Offset, [u32; KERNELS.len()])] = &[
    (
        "inum",
        |layout| layout.ns_inum,
        [16, 16, 16, 16, 24, 24, 88, 88, 88, 88],
    ),
    // In an anonymous structure since 7.0, under another name up to 6.17.
    (
        "__ns_ref",
        |layout| layout.ns_refs,
        [20, 20, 20, 20, 28, 28, 0, 0, 0, 0],
    ),
    // In a structure that has a type's name, but none of its own, since 6.19.
    (
        "ns_id",
        |layout| layout.ns_id,
        [ABSENT, ABSENT, ABSENT, ABSENT, 32, 32, 96, 96, 96, 96],
    ),
    (
        "__ns_ref_active",
        |layout| layout.ns_active,
        [
            ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, 40, 104, 104, 104, 104,
        ],
    ),
    (
        "user_namespace.ns",
        |layout| layout.kinds[NsKind::User as usize].common,
        [240, 216, 216, 216, 216, 216, 256, 256, 256, 256],
    ),
    (
        "mnt_namespace.seq",
        |layout| layout.kinds[NsKind::Mnt as usize].guard,
        [
            72, 56, 72, 72, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT,
        ],
    ),
];

fn layout(kernel: &Kernel) -> Layout {
    kernel.parse().layout().unwrap()
}

/// The names of the fields that are [`ABSENT`].
fn absent(fields: &impl Debug) -> BTreeSet<String> {
    let suffix = format!(": {ABSENT},");
    format!("{fields:#?}")
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.strip_suffix(&suffix))
        // Deeper are the fields of parts.
        .filter(|name| !name.starts_with(' '))
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_kernel_lacks_what_it_is_known_to_lack() {
    for kernel in KERNELS {
        let layout = layout(kernel);
        let lacking: BTreeSet<_> = FIELDS
            .iter()
            .filter(|(_, span)| !span.has(kernel))
            .map(|(field, _)| (*field).to_owned())
            .collect();
        assert_eq!(absent(&layout), lacking, "{}", kernel.series);
        assert!(!layout.nsproxy_slots.contains(&ABSENT), "{}", kernel.series);
    }
}

#[test]
fn so_does_each_namespace_type() {
    for kernel in KERNELS {
        let layout = layout(kernel);
        for kind in NsKind::ALL {
            let has = |field: &str| {
                FIELDS_OF_TYPES
                    .iter()
                    .any(|row| row.0 == field && row.1 == kind && row.2.has(kernel))
            };
            let lacking: BTreeSet<_> = FIELDS_OF_TYPES
                .iter()
                .filter(|(field, ..)| !has(field))
                .map(|(field, ..)| (*field).to_owned())
                .collect();
            let found = absent(&layout.kinds[kind as usize]);
            assert_eq!(found, lacking, "{} on {}", kind.name(), kernel.series);
        }
    }
}

#[test]
fn offsets_are_those_that_another_reader_finds() {
    for (field, offset, expected) in OFFSETS {
        let found: Vec<_> = KERNELS
            .iter()
            .map(|kernel| offset(&layout(kernel)))
            .collect();
        assert_eq!(found, expected, "{field}");
    }
}
