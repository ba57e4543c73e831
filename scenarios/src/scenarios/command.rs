//! `nslife trace -- COMMAND`: what a command and its descendants do, and nothing else.

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    expect::same,
    trace::{
        Line,
        Step::{Activated, Created, Deactivated, Destroyed, Freed},
        What, brief,
    },
    world::World,
};

/// All that two processes do with namespaces is shown, each of it once, whether or not the rest of
/// the system is shown, too.
pub(super) fn command_is_followed(world: &World) -> Result<()> {
    for flags in [&[][..], &["--all"]] {
        let lines = trace(
            world,
            flags,
            &["unshare", "--uts", "--pid", "--fork", "true"],
        )?;
        shows_all_once(&lines).with_context(|| format!("{flags:?}: {}", brief(&lines)))?;
    }
    Ok(())
}

fn shows_all_once(lines: &[Line]) -> Result<()> {
    let switches: Vec<_> = lines
        .iter()
        .filter_map(|line| match &line.what {
            What::Switched(task, switch) => Some((task.pid, switch.reason.as_str())),
            _ => None,
        })
        .collect();
    let [(parent, _), (child, _), ..] = switches[..] else {
        bail!("expected an unshare and exits");
    };
    let expected = vec![(parent, "unshare"), (child, "exit"), (parent, "exit")];
    same("switches", &expected, &switches)?;
    for kind in ["uts", "pid"] {
        let steps: Vec<_> = lines
            .iter()
            .filter_map(|line| match &line.what {
                What::Step(step, ns, _) if ns.ns_type == kind => Some(*step),
                _ => None,
            })
            .collect();
        let whole = [Created, Activated, Deactivated, Destroyed, Freed];
        same(kind, &whole[..], &steps)?;
    }
    Ok(())
}

/// Filters leave out what was not asked for, and nothing else.
pub(super) fn trace_filters(world: &World) -> Result<()> {
    let flags = ["--ns-type", "net", "--event", "created,freed"];
    let lines = trace(world, &flags, &["unshare", "--net", "--uts", "true"])?;
    let seen: Vec<_> = lines
        .iter()
        .map(|line| match &line.what {
            What::Step(step, ns, _) => format!("{step} {}", ns.ns_type),
            other => other.to_string(),
        })
        .collect();
    same(
        "lines",
        vec!["created net", "freed net"],
        seen.iter().map(String::as_str).collect(),
    )
}

/// What a trace of a command says while somebody else does something, too.
fn trace(world: &World, flags: &[&str], command: &[&str]) -> Result<Vec<Line>> {
    let arguments = [
        &["trace", "--output", "json", "--linger", "30s"],
        flags,
        &["--"],
        command,
    ];
    let ran = world.nslife.run(&arguments.concat())?;
    ensure!(ran.code == Some(0), "{ran}");
    let mut lines = Vec::new();
    for line in ran.stdout.lines() {
        world.nslife.remember("trace", line);
        lines.extend(Line::parse(line)?);
    }
    Ok(lines)
}
