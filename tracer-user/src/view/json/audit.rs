//! `nslife audit --output json`.

use serde::Serialize;

use super::{SCHEMA, Source};
use crate::view::audit::{Check, Report};

/// An audit (`docs/schema/audit.schema.json`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AuditJson {
    /// [`SCHEMA`]
    pub schema: u32,
    /// Kernel release.
    pub kernel: String,
    /// Whose picture was compared.
    pub source: Source,
    /// The process whose picture it was.
    pub pid: u32,
    /// Whether the picture was right.
    pub clean: bool,
    /// Tasks whose credentials were not counted, or too long.
    pub creds_corrected: u64,
    /// With whom it was compared.
    pub checks: Vec<CheckJson>,
    /// In what it was wrong.
    pub drift: Vec<DriftJson>,
}

/// A comparison.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CheckJson {
    /// `walk`, `listns` or `proc`.
    pub against: &'static str,
    /// How many namespaces; `None` if it could not be asked.
    pub compared: Option<usize>,
    /// Differences that prove nothing.
    pub moving: Option<usize>,
    /// Why it could not be asked.
    pub unavailable: Option<String>,
}

/// What was wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DriftJson {
    /// Who contradicts.
    pub against: &'static str,
    /// The type of the namespace.
    pub ns_type: &'static str,
    /// Its inode number.
    pub inum: Option<u32>,
    /// Its identity.
    pub id: Option<u64>,
    /// What about it.
    pub field: &'static str,
    /// What nslife had.
    pub nslife: String,
    /// What the kernel has.
    pub kernel: String,
}

/// An audit as JSON.
pub fn audit(report: &Report) -> AuditJson {
    AuditJson {
        schema: SCHEMA,
        kernel: report.kernel.clone(),
        source: report.source,
        pid: report.pid,
        clean: report.is_clean(),
        creds_corrected: report.creds,
        checks: report.checks.iter().map(check).collect(),
        drift: report.checks.iter().flat_map(drift).collect(),
    }
}

fn check(check: &Check) -> CheckJson {
    let outcome = check.outcome.as_ref();
    CheckJson {
        against: check.against,
        compared: outcome.map(|outcome| outcome.compared).ok(),
        moving: outcome.map(|outcome| outcome.moving).ok(),
        unavailable: outcome.err().cloned(),
    }
}

fn drift(check: &Check) -> impl Iterator<Item = DriftJson> {
    let outcome = check.outcome.iter();
    let drift = outcome.flat_map(|outcome| &outcome.drift);
    drift.map(|difference| DriftJson {
        against: check.against,
        ns_type: difference.kind.name(),
        inum: difference.inum,
        id: difference.id.map(|id| id.0),
        field: difference.field.name(),
        nslife: difference.picture.to_string(),
        kernel: difference.kernel.to_string(),
    })
}
