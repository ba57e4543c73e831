//! `nslife audit`: whether the picture is the kernel's, as everybody who can say so has it.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::truth::Population;
use crate::{expect::same, kernel::COUNTS, metrics::series, world::World};

/// What `nslife audit --output json` says.
#[derive(Debug, Deserialize)]
pub(super) struct Audit {
    source: String,
    pub(super) pid: u32,
    clean: bool,
    creds_corrected: u64,
    checks: Vec<Check>,
    drift: Vec<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Check {
    against: String,
    compared: Option<usize>,
    unavailable: Option<String>,
}

/// A daemon that has seen namespaces of all kinds come has a picture in which the walk, `listns` and
/// `/proc` find nothing wrong; nor do they in one that is made for the audit.
pub(super) fn audit_finds_no_drift(world: &World) -> Result<()> {
    let daemon = world.daemon();
    let audits = series("nslife_audits_total", &[]);
    let before = daemon.scrape()?.get(&audits)?;
    let population = Population::settle()?;
    let own = audit(world, &["--control-socket", &daemon.socket])?;
    same("whose picture", "daemon", &*own.source)?;
    same("which process", daemon.pid(), own.pid)?;
    daemon.wait_for(&audits, "one more", |count| count > before)?;
    let made = audit(world, &["--from", "watch"])?;
    same("whose picture", "walk", &*made.source)?;
    population.leave()?;
    // What was there is gone, and both know.
    audit(world, &["--control-socket", &daemon.socket])?;
    Ok(())
}

/// Audits, and fails unless it is clean and everybody was asked who can be on this kernel.
pub(super) fn audit(world: &World, whose: &[&str]) -> Result<Audit> {
    let arguments = [&["audit", "--output", "json"], whose].concat();
    let ran = world.nslife.run(&arguments)?;
    ensure!(
        ran.code == Some(0),
        "nslife audit {}: {ran}",
        whose.join(" ")
    );
    world.nslife.remember("audit", &ran.stdout);
    let audit: Audit = serde_json::from_str(&ran.stdout).context("that is no audit")?;
    ensure!(
        audit.clean && audit.drift.is_empty() && audit.creds_corrected == 0,
        "exit status 0, and yet {audit:?}"
    );
    for against in ["walk", "listns", "proc"] {
        let check = audit.checks.iter().find(|check| check.against == against);
        let check = check.with_context(|| format!("no word of {against} in {audit:?}"))?;
        if against == "listns" && world.kernel < COUNTS {
            let because = check.unavailable.as_deref().unwrap_or_default();
            ensure!(because.contains("6.19"), "listns: {check:?}");
        } else {
            let some = check.compared.is_some_and(|compared| compared > 8);
            ensure!(some && check.unavailable.is_none(), "{against}: {check:?}");
        }
    }
    Ok(audit)
}
