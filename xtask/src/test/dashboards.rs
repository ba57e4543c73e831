//! What Prometheus's own tool says of the rules in `dashboards/`.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{
    process::{Chatter, run},
    project::Project,
    prometheus,
};

/// That it can read them.
pub(super) fn rules_are_valid(project: &Project) -> Result<()> {
    promtool(project, "check", files(project, "", ".rules.yml")?)
}

/// That they come out as the cases say.
pub(super) fn cases_hold(project: &Project) -> Result<()> {
    promtool(project, "test", files(project, "tests", ".test.yml")?)
}

fn promtool(project: &Project, verb: &str, files: Vec<PathBuf>) -> Result<()> {
    let mut promtool = Command::new(prometheus::find_or_fetch(&project.cache)?.join("promtool"));
    promtool.args([verb, "rules"]).args(files);
    run(&mut promtool, Chatter::OnFailure)
}

/// Those in a folder of `dashboards/prometheus`, in order.
fn files(project: &Project, folder: &str, ending: &str) -> Result<Vec<PathBuf>> {
    let folder = project.root.join("dashboards/prometheus").join(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(ending) {
            files.push(path);
        }
    }
    ensure!(
        !files.is_empty(),
        "no file *{ending} is in {}",
        folder.display()
    );
    files.sort();
    Ok(files)
}
