//! Expectations, stated as data.

use std::fmt::{Debug, Display};

use anyhow::{Result, bail};

use crate::{kernel::Version, trace::Step};

/// The steps of a namespace's life, from its creation on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    steps: &'static [Step],
    earlier: Option<(Version, Expected)>,
}

impl Life {
    /// The same on all kernels.
    pub(crate) const fn new(steps: &'static [Step]) -> Self {
        Self {
            steps,
            earlier: None,
        }
    }

    /// Another life on kernels before this one, which behave differently: for this reason.
    pub(crate) const fn before(self, version: Version, other: Self, because: &'static str) -> Self {
        let steps = other.steps;
        Self {
            earlier: Some((version, Expected { steps, because })),
            ..self
        }
    }

    /// The steps on this kernel.
    pub(crate) fn on(&self, kernel: Version) -> Expected {
        match self.earlier {
            Some((version, expected)) if kernel < version => expected,
            _ => Expected {
                steps: self.steps,
                because: "",
            },
        }
    }
}

/// The steps of a life on one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The steps.
    pub(crate) steps: &'static [Step],
    /// Why they are not the same on all kernels; empty if they are.
    pub(crate) because: &'static str,
}

/// A change of nsproxy, as it is expected of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// How.
    pub(crate) reason: &'static str,
    /// In which slots; none when it exits.
    pub(crate) changed: &'static [&'static str],
}

/// It makes new namespaces for itself.
pub(crate) const fn unshare(changed: &'static [&'static str]) -> Change {
    Change {
        reason: "unshare",
        changed,
    }
}

/// It enters others.
pub(crate) const fn setns(changed: &'static [&'static str]) -> Change {
    Change {
        reason: "setns",
        changed,
    }
}

/// It enters a user namespace: it gets an nsproxy of its own, with the same namespaces.
pub(crate) const ENTERED_USER: Change = setns(&[]);

/// It is born into others than its parent's.
pub(crate) const fn clone(changed: &'static [&'static str]) -> Change {
    Change {
        reason: "clone",
        changed,
    }
}

/// It enters the time namespace for its children by executing a program.
pub(crate) const fn exec(changed: &'static [&'static str]) -> Change {
    Change {
        reason: "exec",
        changed,
    }
}

/// It exits, and its nsproxy goes with it.
pub(crate) const EXIT: Change = Change {
    reason: "exit",
    changed: &[],
};

/// How far what is seen has come towards what is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Complete,
    Underway,
    Astray,
}

/// Compares what is expected with what has been seen so far.
pub(crate) fn progress<E, S: PartialEq<E>>(expected: &[E], seen: &[S]) -> Progress {
    let agrees = seen.len() <= expected.len() && seen.iter().zip(expected).all(|(s, e)| s == e);
    match (agrees, seen.len() == expected.len()) {
        (true, true) => Progress::Complete,
        (true, false) => Progress::Underway,
        (false, _) => Progress::Astray,
    }
}

/// Several things in a row, for people.
pub(crate) fn row<T: Display>(things: impl IntoIterator<Item = T>) -> String {
    let words: Vec<_> = things.into_iter().map(|thing| thing.to_string()).collect();
    if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join(", ")
    }
}

/// Fails unless both are the same.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, expected: T, seen: T) -> Result<()> {
    if expected != seen {
        bail!("{what}: expected {expected:?}, saw {seen:?}");
    }
    Ok(())
}

impl Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.reason, self.changed.join("+"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::{Activated, Created, Deactivated};

    #[test]
    fn a_wrong_step_is_noticed_before_the_last_one() {
        let expected = [Created, Activated, Deactivated];
        assert_eq!(progress(&expected, &[Created]), Progress::Underway);
        assert_eq!(progress(&expected, &expected), Progress::Complete);
        assert_eq!(
            progress(&expected, &[Created, Deactivated]),
            Progress::Astray
        );
        assert_eq!(progress(&expected[..2], &expected), Progress::Astray);
    }

    #[test]
    fn earlier_kernels_may_differ_for_a_reason() {
        let life =
            Life::new(&[Created, Activated]).before(Version(6, 19), Life::new(&[Created]), "why");
        assert_eq!(life.on(Version(6, 18)).steps, [Created]);
        assert_eq!(life.on(Version(6, 18)).because, "why");
        assert_eq!(life.on(Version(6, 19)).steps, [Created, Activated]);
        assert_eq!(life.on(Version(6, 19)).because, "");
    }
}
