//! The stored descriptions.

use tracer_core::btf::KernelBtf;

/// A kernel series and its BTF, as stored.
pub(crate) struct Kernel {
    pub(crate) series: &'static str,
    pub(crate) bytes: &'static [u8],
}

macro_rules! kernels {
    ($($series:literal),+) => {
        &[$(Kernel {
            series: $series,
            bytes: include_bytes!(concat!("../btf/", $series, ".btf")),
        }),+]
    };
}

/// The matrix, the oldest first.
pub(crate) const KERNELS: &[Kernel] = kernels!(
    "6.1", "6.12", "6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3"
);

/// Kernels from the first to the last named, both included.
#[derive(Clone, Copy)]
pub(crate) struct Span(pub(crate) &'static str, pub(crate) &'static str);

/// All of the matrix.
pub(crate) const ALL: Span = Span("6.1", "7.3");

impl Kernel {
    pub(crate) fn parse(&self) -> KernelBtf<'static> {
        KernelBtf::parse(self.bytes).unwrap()
    }
}

impl Span {
    pub(crate) fn has(self, kernel: &Kernel) -> bool {
        (position(self.0)..=position(self.1)).contains(&position(kernel.series))
    }
}

fn position(series: &str) -> usize {
    KERNELS
        .iter()
        .position(|kernel| kernel.series == series)
        .unwrap_or_else(|| panic!("{series} is not in the matrix"))
}

#[test]
fn the_index_says_which_kernel_each_is_of() {
    let index: Vec<_> = include_str!("../btf/kernels.txt")
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    assert_eq!(index.len(), KERNELS.len());
    for (kernel, (series, package)) in KERNELS.iter().zip(index) {
        assert_eq!(series, kernel.series);
        assert!(package.contains(&format!("-{series}.")), "{package}");
    }
}
