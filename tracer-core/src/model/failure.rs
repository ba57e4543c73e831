//! Namespaces that could not be made.

use std::fmt;

use serde::{Deserialize, Serialize};
use tracer_common::kind::NsKind;

use super::Actor;

/// A namespace that somebody wanted and the kernel did not make.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Its type.
    pub kind: NsKind,
    /// Why.
    pub errno: Errno,
    /// Who wanted it.
    pub actor: Option<Actor>,
}

/// A number of an error, positive, as the kernel has it inside: some never get
/// to userspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Errno(pub u32);

/// The numbers that functions which make namespaces are known to return.
const KNOWN: [(u32, &str, &str); 9] = [
    (1, "EPERM", "not permitted"),
    (4, "EINTR", "interrupted by a signal"),
    (11, "EAGAIN", "try again"),
    (12, "ENOMEM", "no memory, or the pid namespace is dying"),
    (22, "EINVAL", "invalid"),
    (
        28,
        "ENOSPC",
        "a limit in /proc/sys/user, or of nesting, is reached",
    ),
    (87, "EUSERS", "nested too deeply"),
    (512, "ERESTARTSYS", "interrupted by a signal"),
    (513, "ERESTARTNOINTR", "interrupted by a signal"),
];

impl Errno {
    /// All that have a name of their own.
    pub fn known() -> impl Iterator<Item = Self> {
        KNOWN.into_iter().map(|(number, ..)| Self(number))
    }

    /// Its name (`errno(3)`, `include/linux/errno.h`); none for one that is not
    /// expected here.
    pub fn name(self) -> Option<&'static str> {
        self.entry().map(|(_, name, _)| *name)
    }

    /// What it means where a namespace is made.
    pub fn meaning(self) -> Option<&'static str> {
        self.entry().map(|(_, _, meaning)| *meaning)
    }

    fn entry(self) -> Option<&'static (u32, &'static str, &'static str)> {
        KNOWN.iter().find(|(number, ..)| *number == self.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error {}", self.0),
        }
    }
}
