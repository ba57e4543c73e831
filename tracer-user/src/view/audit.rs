//! What an audit that a person asked for has found.

use super::json::Source;
use crate::model::audit::{Difference, Findings};

/// The walk, as who says what the kernel has.
pub const WALK: &str = "walk";

/// The whole audit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Release of the kernel.
    pub kernel: String,
    /// Whose picture was compared: a daemon's, or one that was made for it.
    pub source: Source,
    /// The process whose picture it was.
    pub pid: u32,
    /// See [`Findings::creds`].
    pub creds: u64,
    /// One for each who can say what the kernel has.
    pub checks: Vec<Check>,
}

/// The picture, compared with what one of them says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Who: the walk, or a [`crate::witness::Witness`].
    pub against: &'static str,
    /// What came of it, or why it could not be asked.
    pub outcome: Result<Outcome, String>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Namespaces compared.
    pub compared: usize,
    /// Differences that prove nothing.
    pub moving: usize,
    /// In what the picture was wrong.
    pub drift: Vec<Difference>,
}

impl Report {
    /// Whether the picture was right in everything that was compared.
    pub fn is_clean(&self) -> bool {
        let drifts = |check: &Check| {
            let outcome = check.outcome.as_ref();
            outcome.is_ok_and(|outcome| !outcome.drift.is_empty())
        };
        self.creds == 0 && !self.checks.iter().any(drifts)
    }
}

impl From<Findings> for Outcome {
    fn from(findings: Findings) -> Self {
        Self {
            compared: findings.compared,
            moving: findings.moving,
            drift: findings.drift,
        }
    }
}
