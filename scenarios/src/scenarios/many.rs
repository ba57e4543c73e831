//! More namespaces than anybody has.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind::Uts;

use crate::{
    expect::same,
    kernel::LISTS,
    nslife::List,
    puppet::Puppet,
    trace::{Namespace, State},
    world::World,
};

/// How many.
const MANY: u32 = 50_000;

/// How many the kernel allows a user to have.
const LIMIT: &str = "/proc/sys/user/max_uts_namespaces";

/// How long it may take to make them, and to let them go.
const LONGEST: Duration = Duration::from_secs(120);

/// `nslife list` shows all of 50,000 namespaces that nothing but a file each keeps. It does so
/// alone: what has watched the other scenarios would have as many births and deaths to tell.
pub(super) fn fifty_thousand(world: &World) -> Result<String> {
    world.retire()?;
    fs::write(LIMIT, (2 * MANY).to_string()).context(LIMIT)?;
    let hoarder = Puppet::start("hoarder")?;
    hoarder.hoard(MANY, LONGEST)?;

    let start = Instant::now();
    let ran = world
        .nslife
        .run(&["list", "--from", "walk", "--output", "json"])?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(ran.code == Some(0), "nslife list: {}", ran.stderr);
    let list: List = serde_json::from_str(&ran.stdout)?;
    let is_meant = |ns: &&Namespace| ns.ns_type == Uts.name() && !ns.initial;
    let inums: BTreeSet<_> = list
        .namespaces
        .iter()
        .filter(is_meant)
        .map(|ns| ns.inum)
        .collect();
    same("UTS namespaces", MANY as usize, inums.len())?;
    let is_active = |ns: &Namespace| same(&format!("the state of {ns}"), State::Active, ns.state);
    list.namespaces.iter().try_for_each(is_active)?;
    same(
        "whether the list is complete",
        world.kernel >= LISTS,
        list.complete,
    )?;
    hoarder.end()?;
    let complete = if list.complete {
        "complete"
    } else {
        "not complete"
    };
    Ok(format!(
        "the list took {seconds:.1} s, {:.1} s of it the walk, and says that it is {complete}",
        list.walk_seconds
    ))
}
