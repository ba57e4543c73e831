//! The program that holds the scenarios, the churn and the play, and what it is told.

use std::path::PathBuf;

use anyhow::Result;

use crate::{build, process::Chatter, project::Project};

/// Its name.
pub(crate) const NAME: &str = "nslife-scenarios";

/// Tells it where it may leave files for people to look at.
pub(crate) const RESULTS: &str = "NSLIFE_RESULTS";

/// Tells it the folder with `prometheus` and `promtool`.
pub(crate) const PROMETHEUS: &str = "NSLIFE_PROMETHEUS";

/// Builds it and returns its path.
pub(crate) fn build(project: &Project) -> Result<PathBuf> {
    build::program(project, "scenarios", NAME, Chatter::OnFailure)
}
