//! The kernel that runs, as far as expectations depend on it.

use std::fmt;

use anyhow::{Context as _, Result};
use rustix::system::uname;

/// A version, such as 6.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

/// The first kernel that counts what keeps a namespace active, and that has `listns`.
pub(crate) const COUNTS: Version = Version(6, 19);

/// The first kernel that keeps lists of all namespaces, so that a walk finds each of them. Before,
/// nslife cannot know of some that were there when it started and that no task shows.
pub(crate) const LISTS: Version = Version(6, 18);

/// A kernel on which executing a program takes up the time namespace for children; on 6.1 it does
/// not.
pub(crate) const SWITCHES_ON_EXEC: Version = Version(6, 12);

impl Version {
    /// That of the running kernel.
    pub(crate) fn running() -> Result<Self> {
        let release = uname().release().to_string_lossy().into_owned();
        Self::parse(&release).with_context(|| format!("cannot make sense of release {release}"))
    }

    fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next()?.parse().ok();
        Some(Self(next()?, next()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_by_number() {
        let version = |release| Version::parse(release).unwrap();
        assert_eq!(version("6.1.0-56-cloud-amd64"), Version(6, 1));
        assert_eq!(version("6.12.107+deb13-cloud-amd64"), Version(6, 12));
        assert_eq!(version("7.3-rc1"), Version(7, 3));
        assert!(version("6.9.1") < version("6.12.1"));
        assert_eq!(Version::parse("linux"), None);
    }
}
