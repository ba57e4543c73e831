//! Whether systemd finds the unit as confined as it can be, and the unit says why it is not more so.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::{
    install,
    process::{Chatter, run, stdout_of},
    project::Project,
};

/// What `systemd-analyze security` may say at most, in tenths.
const THRESHOLD: u32 = 20;

/// How the unit begins to say why something stays as it is.
const REASON: &str = "# x ";

/// One thing that systemd looks at.
#[derive(Debug, Deserialize)]
struct Finding {
    /// Whether all is well.
    set: Option<bool>,
    name: String,
}

fn unit(project: &Project) -> PathBuf {
    project.root.join("packaging/systemd/nslife.service")
}

/// That the exposure is below the threshold.
pub(super) fn exposure(project: &Project) -> Result<()> {
    let mut security = security(&unit(project))?;
    security.arg(format!("--threshold={THRESHOLD}"));
    run(&mut security, Chatter::OnFailure)
}

/// That the unit gives a reason for each thing that systemd would have otherwise, and for nothing
/// else.
pub(super) fn reasons(project: &Project) -> Result<()> {
    let unit = unit(project);
    let json = stdout_of(security(&unit)?.arg("--json=short"))?;
    let text = fs::read_to_string(&unit)?;
    compare(&json, &text).with_context(|| unit.display().to_string())
}

fn security(unit: &Path) -> Result<Command> {
    install::program("systemd-analyze", "systemd")?;
    let mut command = Command::new("systemd-analyze");
    command
        .args(["security", "--offline=true", "--no-pager"])
        .arg(unit);
    Ok(command)
}

fn compare(json: &str, unit: &str) -> Result<()> {
    let findings: Vec<Finding> =
        serde_json::from_str(json).context("systemd-analyze says something else than expected")?;
    ensure!(!findings.is_empty(), "systemd-analyze finds nothing at all");
    let found: BTreeSet<_> = findings
        .iter()
        .filter(|finding| finding.set == Some(false))
        .map(|finding| finding.name.as_str())
        .collect();
    let justified: BTreeSet<_> = unit
        .lines()
        .filter_map(|line| line.strip_prefix(REASON)?.split_once(": "))
        .map(|(name, _)| name)
        .collect();
    let list = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
    let unsaid = list(&found - &justified);
    let needless = list(&justified - &found);
    match (unsaid.as_str(), needless.as_str()) {
        ("", "") => Ok(()),
        (unsaid, "") => bail!("no reason is given for {unsaid}"),
        (_, needless) => bail!("a reason is given for {needless}, which systemd does not mind"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"[{"set":false,"name":"A="},{"set":true,"name":"B="},
        {"set":null,"name":"C="}]"#;

    #[test]
    fn each_finding_takes_a_reason() {
        assert!(compare(JSON, "# x A=: for a reason\nB=yes\n").is_ok());
        let unsaid = compare(JSON, "B=yes\n").unwrap_err();
        assert_eq!(unsaid.to_string(), "no reason is given for A=");
        let needless = compare(JSON, "# x A=: yes\n# x B=: no\n").unwrap_err();
        assert!(needless.to_string().contains("for B="), "{needless}");
        assert!(compare("[]", "").is_err());
    }
}
