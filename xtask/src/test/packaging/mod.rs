//! Whether what people install is as it should be.

mod manuals;
mod unit;

use super::{checks::check, report::Entry};
use crate::project::Project;

/// Runs all checks.
pub(super) fn run(project: &Project) -> Vec<Entry> {
    vec![
        check("what systemd thinks of the unit", || {
            unit::exposure(project)
        }),
        check("why the unit is not more confined", || {
            unit::reasons(project)
        }),
        check("manual pages and completions", || manuals::check(project)),
    ]
}
