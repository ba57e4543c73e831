//! Which nslife this is.

use std::fmt;

/// The version of the package.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// The first twelve digits of the SHA-256 of the kernel programs in it.
pub const EBPF_OBJECT: &str = env!("NSLIFE_EBPF_OBJECT_HASH");

/// A commit that nobody named.
const UNKNOWN: &str = "unknown";

/// What tells one build from another. `Display` is one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    /// The version of the package.
    pub number: &'static str,
    /// The git commit that it was built from, with `-dirty` behind it if
    /// anything was changed since; `unknown` if whoever built it did not say.
    pub commit: &'static str,
}

impl Version {
    /// This one. Only the program itself knows its commit: the library is the
    /// same for many.
    pub const fn this(commit: Option<&'static str>) -> Self {
        Self {
            number: NUMBER,
            commit: match commit {
                Some(commit) if !commit.is_empty() => commit,
                _ => UNKNOWN,
            },
        }
    }
}

/// Of this number, and of no commit that is known.
impl From<&'static str> for Version {
    fn from(number: &'static str) -> Self {
        Self {
            number,
            commit: UNKNOWN,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, commit } = self;
        write!(f, "{number} (commit {commit}, eBPF object {EBPF_OBJECT})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_known_or_said_to_be_unknown() {
        let said = |commit| Version::this(commit).to_string();
        let expected = |commit| format!("{NUMBER} (commit {commit}, eBPF object {EBPF_OBJECT})");
        assert_eq!(said(Some("0123456789ab")), expected("0123456789ab"));
        assert_eq!(said(Some("")), expected("unknown"));
        assert_eq!(said(None), expected("unknown"));
    }

    #[test]
    fn the_hash_of_the_kernel_programs_is_short() {
        assert_eq!(EBPF_OBJECT.len(), 12);
        assert!(EBPF_OBJECT.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
}
