//! How namespaces are made, and which are not.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tracer_common::kind::NsKind;

use super::rules::fails_with;
use crate::{
    PATIENCE,
    metrics::series,
    process::Finally,
    puppet::Puppet,
    trace::{Failed, What},
    world::World,
};

/// One of each type is made, with the time that took; then one of each type cannot be made, the
/// user having as many as the limit allows: together with one that can, and before one that could.
/// Trace and metrics say who wanted which.
pub(super) fn limits_are_hit(world: &World) -> Result<()> {
    let daemon = world.daemon();
    let from = world.trace.log.len();
    let maker = Puppet::start("maker")?;
    maker.unshare(&NsKind::AS_MADE)?;
    let made = |text: &str| -> Result<bool> {
        let line: Value = serde_json::from_str(text)?;
        let by_maker = line["actor"]["pid"] == maker.pid && line["event"] == "created";
        if by_maker {
            let took = line["creation_seconds"].as_f64();
            ensure!(
                took.is_some_and(|took| took > 0.0),
                "{text}: made in {took:?}"
            );
        }
        Ok(by_maker)
    };
    let all = world.trace.log.wait(from, PATIENCE, |lines| {
        let mut count = 0;
        for line in lines {
            count += usize::from(made(&line.text)?);
        }
        Ok((count == NsKind::COUNT).then_some(()))
    })?;
    all.context("not all creations were told")?;
    maker.end()?;

    let wanting = Puppet::start("wanting")?;
    for (index, &kind) in NsKind::AS_MADE.iter().enumerate() {
        let around = index.saturating_sub(1)..NsKind::COUNT.min(index + 2);
        let around = &NsKind::AS_MADE[around];
        let from = world.trace.log.len();
        let limit = format!("/proc/sys/user/max_{}_namespaces", kind.name());
        let before = fs::read_to_string(&limit).context(limit.clone())?;
        fs::write(&limit, "0").context(limit.clone())?;
        let restore = Finally(|| {
            // Should that fail, whoever makes one next says so.
            let _ = fs::write(&limit, &before);
        });
        let failures = series(
            "nslife_namespace_create_failed_total",
            &[("ns_type", kind.name()), ("errno", "ENOSPC")],
        );
        let one_more = daemon.scrape()?.get(&failures)? + 1.0;
        fails_with(wanting.unshare(around), libc::ENOSPC)?;
        drop(restore);
        let told = world.trace.log.wait(from, PATIENCE, |lines| {
            let first = lines.iter().find_map(|line| match &line.what {
                What::Failed(failed) if is_by(failed, &wanting) => Some(failed),
                _ => None,
            });
            let Some(failed) = first else {
                return Ok(None);
            };
            let (ns_type, error) = (failed.ns_type.as_str(), failed.error.as_str());
            if (ns_type, error) != (kind.name(), "ENOSPC") {
                bail!("{ns_type} failed with {error}");
            }
            Ok(Some(()))
        })?;
        told.with_context(|| format!("nobody was told that {} failed", kind.name()))?;
        daemon.wait_for(&failures, "one more", |count| count == one_more)?;
        let makings = series(
            "nslife_namespace_creation_seconds_count",
            &[("ns_type", kind.name())],
        );
        daemon.wait_for(&makings, "at least 1", |count| count >= 1.0)?;
    }
    wanting.end()
}

fn is_by(failed: &Failed, puppet: &Puppet) -> bool {
    failed
        .actor
        .as_ref()
        .is_some_and(|task| task.pid == puppet.pid)
}
