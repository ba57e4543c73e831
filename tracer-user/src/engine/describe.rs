//! What the kernel says about itself: read once, before anything is loaded.

use std::{
    fs::{self, File},
    io,
    ops::Deref,
    path::Path,
};

use aya::{Btf, EbpfError, Endianness};
use memmap2::{Mmap, MmapOptions};
use tracer_common::layout::Layout;

use super::{StartError, kernel::Part};
use crate::{
    btf::{KernelBtf, tracepoint_type},
    plan::{self, Candidate, How, Offered},
};

/// Where the kernel describes itself.
const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// `linux/btf.h`: the beginning of a header that is this long.
const MAGIC_AND_VERSION: u32 = 0x0001_eb9f;
const HEADER: u32 = 24;

/// `BTF_KIND_*`. A forward declaration is what takes the least room.
const NAMELESS: u32 = 7;
const TYPEDEF: u32 = 8;
const FUNC: u32 = 12;

/// What nslife knows of the running kernel.
pub(super) struct Described {
    /// Where it keeps things.
    pub(super) layout: Layout,
    /// What the attach plan may choose from.
    pub(super) offered: Offered,
    /// What the loader has to know: see [`for_loader`].
    pub(super) btf: Btf,
}

/// Reads and understands the kernel's BTF.
///
/// # Errors
///
/// [`StartError::NoBtf`] where there is none, [`StartError::Btf`] where it is
/// of no use.
pub(super) fn describe() -> Result<Described, StartError> {
    let bytes = Bytes::of_kernel().map_err(|error| StartError::NoBtf {
        path: Path::new(BTF_PATH),
        error,
    })?;
    let kernel = KernelBtf::parse(&bytes)?;
    let (layout, offered) = (kernel.layout()?, plan::offered(&kernel));
    let targets = targets(&kernel);
    // Either takes megabytes.
    drop(kernel);
    drop(bytes);
    Ok(Described {
        layout,
        offered,
        btf: for_loader(&targets)?,
    })
}

/// A function or tracepoint that a program may be attached to.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Target {
    /// Its number in the kernel's BTF.
    number: u32,
    /// [`FUNC`] or [`TYPEDEF`].
    kind: u32,
    name: String,
}

/// Content of a file.
enum Bytes {
    Mapped(Mmap),
    Read(Vec<u8>),
}

impl Bytes {
    /// The kernel's BTF, some six megabytes. From 6.16 on the file can be
    /// mapped; up to then it is read, one page for each system call.
    fn of_kernel() -> io::Result<Self> {
        let file = File::open(BTF_PATH)?;
        // The kernel wants the mapping to be private (`btf_sysfs_vmlinux_mmap`).
        //
        // SAFETY: the file is memory of the running kernel that never changes,
        // and that nobody can write to.
        match unsafe { MmapOptions::new().map_copy_read_only(&file) } {
            Ok(mapped) => Ok(Self::Mapped(mapped)),
            Err(_) => fs::read(BTF_PATH).map(Self::Read),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Read(bytes) => bytes,
        }
    }
}

/// What nslife may attach to on this kernel, by number.
fn targets(kernel: &KernelBtf<'_>) -> Vec<Target> {
    let hooks = plan::wanted().map(|Candidate { function, how, .. }| match how {
        How::Fentry | How::Fexit => (FUNC, function.to_owned(), kernel.function(function)),
        How::Tracepoint => {
            let number = kernel.tracepoint(function);
            (TYPEDEF, tracepoint_type(function), number)
        }
    });
    let walks = Part::ALL.into_iter().map(|part| {
        let function = part.function();
        let number = kernel.function(&function);
        (FUNC, function, number)
    });
    let mut targets: Vec<_> = hooks
        .chain(walks)
        .filter_map(|(kind, name, number)| {
            Some(Target {
                number: number?,
                kind,
                name,
            })
        })
        .collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

/// BTF in which these functions and tracepoints have the numbers that they have
/// in the kernel's own, and every other type is nameless.
///
/// The loader asks its BTF for that number alone, once for each program, by
/// comparing the names of all functions one after another. There are 60,000 of
/// them in the kernel's own, which would take longer than all else that nslife
/// does in userspace to start.
fn for_loader(targets: &[Target]) -> Result<Btf, StartError> {
    /// A type without anything that follows: three words.
    const TYPE: usize = 12;
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);

    let last = targets.last().map_or(0, |target| target.number as usize);
    // The header is written once the lengths are known.
    let mut bytes = vec![0; HEADER as usize];
    bytes.reserve(last * TYPE);
    // The empty name is at the beginning.
    let mut strings = vec![0];
    let mut add = |name: u32, kind: u32| {
        for word in [name, kind << 24, 0] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
    };
    let mut next = 1;
    for target in targets {
        for _ in next..target.number {
            add(0, NAMELESS);
        }
        add(length(strings.len()), target.kind);
        strings.extend_from_slice(target.name.as_bytes());
        strings.push(0);
        next = target.number + 1;
    }
    let types = length(last * TYPE);
    let header = [
        MAGIC_AND_VERSION,
        HEADER,
        0,
        types,
        types,
        length(strings.len()),
    ];
    for (place, word) in bytes.chunks_exact_mut(size_of::<u32>()).zip(header) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    bytes.extend_from_slice(&strings);
    Ok(Btf::parse(&bytes, Endianness::default()).map_err(EbpfError::BtfError)?)
}

#[cfg(test)]
mod tests {
    use aya_obj::btf::BtfKind;

    use super::*;

    #[test]
    fn the_loader_finds_the_numbers_that_the_kernel_has() {
        let bytes = include_bytes!("../../../tracer-core/tests/btf/7.3.btf");
        let reduced = for_loader(&targets(&KernelBtf::parse(bytes).unwrap())).unwrap();
        let whole = Btf::parse(bytes, Endianness::default()).unwrap();
        let number = |btf: &Btf, name: &str, kind| btf.id_by_type_name_kind(name, kind).ok();
        let mut found = 0;
        for candidate in plan::wanted() {
            let (name, kind) = match candidate.how {
                How::Tracepoint => (tracepoint_type(candidate.function), BtfKind::Typedef),
                _ => (candidate.function.to_owned(), BtfKind::Func),
            };
            let expected = number(&whole, &name, kind);
            assert_eq!(number(&reduced, &name, kind), expected, "{name}");
            found += usize::from(expected.is_some());
        }
        assert!(found > 40, "{found}");
        assert_eq!(number(&reduced, "do_exit", BtfKind::Func), None);
        assert!(number(&whole, "do_exit", BtfKind::Func).is_some());
    }
}
