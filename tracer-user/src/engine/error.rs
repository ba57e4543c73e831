//! What can go wrong between userspace and kernel.

use std::{io, path::Path};

use aya::{
    EbpfError,
    maps::MapError,
    programs::{ProgramError, links::LinkError},
};

use super::capabilities;
use crate::btf::BtfError;

/// Why the tracer cannot start. `Display` is one line that names the thing
/// and the way out.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel does not describe itself.
    #[error(
        "this kernel has no BTF ({}: {error}); nslife needs one built with \
         CONFIG_DEBUG_INFO_BTF=y, as all large distributions build theirs",
        path.display()
    )]
    NoBtf {
        /// Where it should be.
        path: &'static Path,
        /// Why it is not.
        error: io::Error,
    },
    /// It does, in a way that nslife does not understand.
    #[error("{0}: is it older than 6.1?")]
    Btf(#[from] BtfError),
    /// Capabilities are lacking.
    #[error(
        "missing {}: run it as root, or with exactly these capabilities",
        .missing.join(", ")
    )]
    Capabilities {
        /// `CAP_BPF` and so on.
        missing: Vec<&'static str>,
    },
    /// The kernel refuses although the capabilities are there.
    #[error(
        "the kernel refuses BPF programs to this process ({call}: {error}) although its \
         capabilities suffice: a lockdown, a seccomp filter or another policy is in the way"
    )]
    Refused {
        /// What was refused.
        call: &'static str,
        /// The kernel's answer.
        error: io::Error,
    },
    /// Loading failed for another reason.
    #[error("cannot load the kernel programs: {0}")]
    Load(#[source] Box<EbpfError>),
    /// A program that does not belong to a hook was rejected.
    #[error("the kernel rejects {what}: {error}")]
    Program {
        /// What the program is for.
        what: &'static str,
        /// Why.
        #[source]
        error: Box<ProgramError>,
    },
    /// A hook without which nothing works.
    #[error("cannot see {purpose} on this kernel: {because}")]
    Hook {
        /// What is not seen.
        purpose: &'static str,
        /// Why.
        because: String,
    },
    /// The object file and this program do not belong together.
    #[error("the kernel programs lack {name}: this binary was built wrongly")]
    Object {
        /// Program or map.
        name: &'static str,
    },
    /// The programs' own diagnostics cannot be read.
    #[error("cannot read the diagnostics of the kernel programs: {0}")]
    Diagnostics(#[source] Box<aya_log::Error>),
    /// The ring buffer or a first read failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl StartError {
    /// Sorts out refusals by what would have to change.
    pub(super) fn refused(call: &'static str, error: io::Error) -> Self {
        let missing = capabilities::missing();
        if missing.is_empty() {
            Self::Refused { call, error }
        } else {
            Self::Capabilities { missing }
        }
    }
}

/// `EPERM`, as opposed to `EACCES`, by which the verifier rejects a program.
fn is_refusal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPERM)
}

/// The system call and the error in it, if the kernel said "no" rather than
/// "wrong".
pub(super) fn refusal(error: &ProgramError) -> Option<(&'static str, &io::Error)> {
    let (call, error) = match error {
        ProgramError::LoadError { io_error, .. } => ("BPF_PROG_LOAD", io_error),
        ProgramError::SyscallError(syscall) => (syscall.call, &syscall.io_error),
        _ => return None,
    };
    is_refusal(error).then_some((call, error))
}

impl From<EbpfError> for StartError {
    fn from(error: EbpfError) -> Self {
        if let EbpfError::MapError(MapError::CreateError { io_error, .. }) = &error
            && is_refusal(io_error)
        {
            return Self::refused("BPF_MAP_CREATE", again(io_error));
        }
        Self::Load(Box::new(error))
    }
}

impl StartError {
    /// The programs' own diagnostics cannot be read.
    pub(super) fn diagnostics(error: aya_log::Error) -> Self {
        Self::Diagnostics(Box::new(error))
    }

    /// A program without a hook of its own was not accepted.
    pub(super) fn program(what: &'static str, error: ProgramError) -> Self {
        match refusal(&error) {
            Some((call, io)) => Self::refused(call, again(io)),
            None => Self::Program {
                what,
                error: Box::new(error),
            },
        }
    }
}

/// The same error once more: `io::Error` cannot be cloned.
pub(super) fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::from(error.kind()),
    }
}

/// Why a running tracer had to stop.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The ring buffer or an iterator could not be read.
    #[error("cannot read from the kernel programs: {0}")]
    Read(#[from] io::Error),
    /// A map of the kernel programs could not be used.
    #[error("cannot use a map of the kernel programs: {0}")]
    Map(#[from] MapError),
    /// A program could not be run.
    #[error("cannot run the walk: {0}")]
    Program(#[from] ProgramError),
    /// An iterator could not be opened.
    #[error("cannot run the walk: {0}")]
    Link(#[from] LinkError),
    /// An iterator over tasks did not even show the reader.
    #[error("cannot run the walk: the kernel shows this process no tasks")]
    Blind,
    /// The object file and this program do not belong together.
    #[error("the kernel programs lack the map {map}: this binary was built wrongly")]
    NoMap {
        /// Its name.
        map: &'static str,
    },
}
