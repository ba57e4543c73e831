//! Whether what people install is as it should be.

mod deb;
mod manuals;
mod unit;

use super::{checks::check, report::Entry};
use crate::{package::Stage, process::Chatter, project::Project, vm::Hardware};

/// Runs all checks.
pub(super) fn run(project: &Project, hardware: &Hardware) -> Vec<Entry> {
    let mut entries = vec![
        check("what systemd thinks of the unit", || {
            unit::exposure(project)
        }),
        check("why the unit is not more confined", || {
            unit::reasons(project)
        }),
        check("manual pages and completions", || manuals::check(project)),
    ];
    let mut stage = None;
    entries.push(check("the static program", || {
        deb::static_program(stage.insert(Stage::set_up(project, Chatter::OnFailure)?))
    }));
    if let Some(stage) = &stage {
        entries.push(check("the life of a package", || {
            deb::life(project, stage, hardware)
        }));
    }
    entries
}
