//! What holds for every namespace and every nsproxy, whatever happens to them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};

use super::{is_step_of, steps};
use crate::{
    expect::{Life, same},
    trace::{Line, Namespace, State, Step, Switch, Task, What, brief},
};

/// Checks all rules on the lines about these tasks and namespaces.
pub(super) fn check(
    lines: &[Line],
    actors: &[Task],
    strangers: &[Task],
    lives: &BTreeMap<u64, Life>,
) -> Result<()> {
    let known: Vec<_> = actors.iter().chain(strangers).collect();
    for &id in lives.keys() {
        let context = || brief(lines.iter().filter(|line| is_step_of(line, id)));
        keeps_its_identity(lines, id).with_context(context)?;
        is_in_the_state_of_its_step(lines, id).with_context(context)?;
        was_counted(lines, id).with_context(context)?;
        has_causes(lines, id).with_context(context)?;
        is_changed_by_those_who_play(lines, id, &known).with_context(context)?;
    }
    for actor in actors {
        goes_from_one_to_the_next(lines, actor)?;
    }
    nsproxies_are_freed_once(lines, actors)
}

/// What a namespace is never changes.
fn keeps_its_identity(lines: &[Line], id: u64) -> Result<()> {
    let identity = |ns: &Namespace| Namespace {
        state: State::Active,
        since: None,
        ref_count: None,
        active_count: None,
        active_because: None,
        procfs_mounts: None,
        tasks: None,
        zombies: None,
        init: None,
        ..ns.clone()
    };
    let mut all = steps(lines)
        .filter(|(_, ns, _)| ns.id == id)
        .map(|(_, ns, _)| identity(ns));
    let first = all.next().context("nothing was said about it")?;
    same("whether it is initial", false, first.initial)?;
    ensure!(first.owner.is_some(), "its owner is not known");
    ensure!(
        first.created_at.is_some(),
        "the time of its creation is not known"
    );
    ensure!(
        first.ns_id.is_none_or(|ns_id| ns_id == first.id),
        "it has two ids"
    );
    all.try_for_each(|ns| same("what it is", &first, &ns))
}

/// A step leads to the state that is said with it.
fn is_in_the_state_of_its_step(lines: &[Line], id: u64) -> Result<()> {
    for (step, ns, _) in steps(lines).filter(|(_, ns, _)| ns.id == id) {
        let state = match step {
            Step::Activated | Step::Resurrected => State::Active,
            Step::Created | Step::Deactivated => State::Inactive,
            Step::Destroyed | Step::Freed => State::Destroyed,
        };
        same(&format!("its state when {step}"), state, ns.state)?;
    }
    Ok(())
}

/// It is known what brought about each step that has a cause, and no other has one.
fn has_causes(lines: &[Line], id: u64) -> Result<()> {
    for line in lines.iter().filter(|line| is_step_of(line, id)) {
        let What::Step(step, ..) = &line.what else {
            continue;
        };
        let is_caused = !matches!(step, Step::Created | Step::Freed);
        same(
            &format!("whether it has a cause to be {step}"),
            is_caused,
            line.cause.is_some(),
        )?;
    }
    Ok(())
}

/// The active count that is said with a step, where there is one, is the reason for it.
fn was_counted(lines: &[Line], id: u64) -> Result<()> {
    for (step, ns, _) in steps(lines).filter(|(_, ns, _)| ns.id == id) {
        let Some(count) = ns.active_count else {
            continue;
        };
        let fits = match step {
            Step::Activated | Step::Resurrected => count > 0,
            Step::Created | Step::Deactivated | Step::Destroyed | Step::Freed => count == 0,
        };
        ensure!(fits, "{step} with an active count of {count}");
    }
    Ok(())
}

/// Creation has an author, who is the creator; the end has none, whoever happened to run.
fn is_changed_by_those_who_play(lines: &[Line], id: u64, known: &[&Task]) -> Result<()> {
    for (step, ns, actor) in steps(lines).filter(|(_, ns, _)| ns.id == id) {
        match step {
            Step::Created => same("who created it", ns.made_by(), actor)?,
            Step::Activated | Step::Resurrected => {
                ensure!(
                    actor.is_none_or(|actor| known.contains(&actor)),
                    "{step} by a stranger"
                );
            }
            Step::Deactivated | Step::Destroyed | Step::Freed => {
                same(&format!("by whom it was {step}"), None, actor)?;
            }
        }
    }
    Ok(())
}

/// A task leaves the nsproxy that it took up before.
fn goes_from_one_to_the_next(lines: &[Line], actor: &Task) -> Result<()> {
    let switches = lines.iter().filter_map(|line| match &line.what {
        What::Switched(task, switch) if task.pid == actor.pid => Some((task, switch)),
        _ => None,
    });
    let mut last: Option<&Switch> = None;
    for (task, switch) in switches {
        same("the process of a thread", actor.tgid, task.tgid)?;
        // A newborn has its parent's name.
        if switch.reason != "clone" {
            same("the name of a thread", &actor.comm, &task.comm)?;
        }
        if let Some(to) = last.and_then(|last| last.to.as_ref()) {
            let left = (to.nsproxy, &to.namespaces);
            let expected = (switch.from.nsproxy, &switch.from.namespaces);
            same(&format!("what {task} leaves"), left, expected)?;
        }
        if let Some(to) = &switch.to {
            let differs = |slot: &&String| switch.from.namespaces[*slot] != to.namespaces[*slot];
            let differing: BTreeSet<_> = to.namespaces.keys().filter(differs).collect();
            let changed: BTreeSet<_> = switch.changed.iter().collect();
            same(
                &format!("what {task} changed by {}", switch.reason),
                differing,
                changed,
            )?;
        }
        last = Some(switch);
    }
    Ok(())
}

/// An nsproxy that a task took up is freed once, and nobody leaves it afterwards, other than by
/// the exit that freed it.
fn nsproxies_are_freed_once(lines: &[Line], actors: &[Task]) -> Result<()> {
    let taken_up: BTreeSet<_> = lines
        .iter()
        .filter_map(|line| match &line.what {
            What::Switched(task, switch) if actors.iter().any(|a| a.pid == task.pid) => {
                switch.to.as_ref().map(|to| to.nsproxy)
            }
            _ => None,
        })
        .collect();
    for nsproxy in taken_up {
        let concerns = |line: &&Line| match &line.what {
            What::NsproxyFreed(freed) => *freed == nsproxy,
            What::Switched(_, switch) => {
                switch.from.nsproxy == nsproxy
                    || switch.to.as_ref().is_some_and(|to| to.nsproxy == nsproxy)
            }
            _ => false,
        };
        let story: Vec<_> = lines.iter().filter(concerns).collect();
        let freed = |line: &&&Line| matches!(line.what, What::NsproxyFreed(_));
        let ends =
            story.iter().filter(freed).count() == 1 && story.last().is_some_and(|l| freed(&l));
        ensure!(
            ends,
            "nsproxy {nsproxy}: expected that it is freed once, at the end; saw {}",
            brief(story)
        );
    }
    Ok(())
}
