//! What holds for everything that was said in the whole run.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::{
    expect::same,
    metrics::series,
    schema::Schema,
    trace::{Line, What, brief},
    world::World,
};

/// Every line of the trace and every document that nslife printed is as its schema says.
pub(super) fn schema(world: &World) -> Result<()> {
    let trace = Schema::named("trace")?;
    let lines = world.trace.log.look(0, |lines| {
        lines.iter().try_for_each(|line| trace.check(&line.text))?;
        anyhow::Ok(lines.len())
    })?;
    ensure!(lines > 0, "there is no line to check");

    let mut schemas = BTreeMap::new();
    for document in world.nslife.documents() {
        let schema = match schemas.remove(document.schema) {
            Some(schema) => schema,
            None => Schema::named(document.schema)?,
        };
        schema.check(&document.text)?;
        schemas.insert(document.schema, schema);
    }
    ensure!(schemas.contains_key("list"), "there is no list to check");
    Ok(())
}

/// Whoever watches is never taken for the one who does.
pub(super) fn own_pid_is_never_blamed(world: &World) -> Result<()> {
    let own = world.nslife.pids();
    world.trace.log.look(0, |lines| {
        let blamed: Vec<&Line> = lines
            .iter()
            .filter(|line| match &line.what {
                What::Step(_, ns, actor) => [ns.made_by(), actor.as_ref()]
                    .into_iter()
                    .flatten()
                    .any(|task| own.contains(&task.tgid)),
                What::Switched(task, _) => own.contains(&task.tgid),
                What::Failed(failed) => failed
                    .actor
                    .as_ref()
                    .is_some_and(|task| own.contains(&task.tgid)),
                What::NsproxyFreed(_)
                | What::NetCleanup(_)
                | What::Chain(..)
                | What::Init(_)
                | What::Trouble(_)
                | What::Violation(_) => false,
            })
            .collect();
        ensure!(
            blamed.is_empty(),
            "nslife was {own:?}, and the trace says {}",
            brief(blamed)
        );
        Ok(())
    })
}

/// Nothing was lost, but for what programs miss that meet on one processor: that can happen at any
/// time, and is counted.
pub(super) fn nothing_was_lost(world: &World) -> Result<()> {
    let metrics = world.daemon().scrape()?;
    for cause in ["ring_full", "map_full", "read_failed", "undecodable"] {
        let series = series("nslife_events_lost_total", &[("cause", cause)]);
        same(&series.to_string(), 0.0, metrics.get(&series)?)?;
    }
    world.barrier()?;
    world.trace.log.look(0, |lines| {
        let is_trouble = |line: &&Line| match &line.what {
            What::Trouble(text) => {
                !text.contains(r#""cause":"recursion""#) && !text.contains(r#""event":"resync""#)
            }
            _ => false,
        };
        let trouble: Vec<_> = lines.iter().filter(is_trouble).collect();
        ensure!(
            trouble.is_empty(),
            "expected no losses, saw {}",
            brief(trouble)
        );
        Ok(())
    })
}

/// The kernel kept its own rules of nsproxies, whatever was done; and that was looked at.
pub(super) fn no_rule_was_broken(world: &World) -> Result<()> {
    super::rules::none_is_broken(&world.daemon().scrape()?)?;
    world.barrier()?;
    world.trace.log.look(0, |lines| {
        let is_violation = |line: &&Line| matches!(line.what, What::Violation(_));
        let violations: Vec<_> = lines.iter().filter(is_violation).collect();
        ensure!(
            violations.is_empty(),
            "expected that all rules are kept, saw {}",
            brief(violations)
        );
        Ok(())
    })
}
