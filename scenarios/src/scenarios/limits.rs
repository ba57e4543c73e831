//! How near users are to their limits.

use std::fs;

use anyhow::{Context as _, Result};
use tracer_common::kind::NsKind::{User, Uts};

use super::rules::fails_with;
use crate::{
    PATIENCE,
    daemon::Daemon,
    metrics::{Metrics, series},
    process::{Finally, poll_until},
    puppet::Puppet,
    world::World,
};

/// Somebody who has nothing otherwise.
const SOMEBODY: u32 = 4711;

/// How many namespaces a user can have.
const LIMIT: &str = "/proc/sys/user/max_uts_namespaces";

/// What nslife says that a user has is what the kernel counts: one more can be had where the limit
/// leaves room for one, and no more.
pub(super) fn limits_are_the_kernels(world: &World) -> Result<()> {
    let daemon = world.daemon();
    let limit = fs::read_to_string(LIMIT).context(LIMIT)?;
    let restore = Finally(|| {
        // Should that fail, later scenarios say so.
        let _ = fs::write(LIMIT, &limit);
    });
    let somebody = |name: &str| -> Result<Puppet> {
        let puppet = Puppet::start(name)?;
        puppet.set_user(SOMEBODY)?;
        puppet.unshare(&[User])?;
        Ok(puppet)
    };
    let (first, second) = (somebody("first")?, somebody("second")?);
    has(daemon, "user", 2)?;
    has(daemon, "uts", 0)?;
    first.unshare(&[Uts])?;
    // In a user namespace of a user namespace: what is above counts it all the same.
    for map in ["uid_map", "gid_map"] {
        let map = format!("/proc/{}/{map}", second.pid);
        fs::write(&map, format!("0 {SOMEBODY} 1")).context(map)?;
    }
    second.unshare(&[User])?;
    second.unshare(&[Uts])?;
    has(daemon, "user", 3)?;
    has(daemon, "uts", 2)?;

    fs::write(LIMIT, "3").context(LIMIT)?;
    let told = series("nslife_user_namespaces_limit", &[("ns_type", "uts")]);
    daemon.wait_for(&told, "3", |value| value == 3.0)?;
    let third = somebody("third")?;
    third.unshare(&[Uts])?;
    has(daemon, "uts", 3)?;
    let fourth = somebody("fourth")?;
    fails_with(fourth.unshare(&[Uts]), libc::ENOSPC)?;
    has(daemon, "uts", 3)?;

    drop(restore);
    for puppet in [first, second, third, fourth] {
        puppet.end()?;
    }
    has(daemon, "uts", 0)
}

/// Waits until it says that somebody has as many namespaces of a type.
fn has(daemon: &Daemon, ns_type: &str, expected: u32) -> Result<()> {
    let mut last = None;
    let found = poll_until(PATIENCE, || {
        last = Some(share(&daemon.scrape()?, ns_type)?);
        Ok((last == Some(f64::from(expected))).then_some(()))
    })?;
    found.with_context(|| format!("expected {expected} of {ns_type}, saw {last:?} in the end"))
}

/// What a scrape says that somebody has.
fn share(metrics: &Metrics, ns_type: &str) -> Result<f64> {
    for rank in ["1", "2", "3"] {
        let labels = [("ns_type", ns_type), ("rank", rank)];
        if metrics.get(&series("nslife_user_id", &labels))? == f64::from(SOMEBODY) {
            return metrics.get(&series("nslife_user_namespaces", &labels));
        }
    }
    Ok(0.0)
}
