//! Where a scenario plays: its puppets and their namespaces, and what is expected of them.
//!
//! A stage knows which lines of the trace are about its scenario, and looks at nothing else. What
//! is expected of a namespace or a task is its whole history up to then, in order; anything else
//! in between fails. At the end the histories have to be the same still, and the stage checks
//! what holds for all of them.

mod causes;
mod inits;
mod listed;
mod rules;
mod sums;

use std::{cell::Cell, collections::BTreeMap, fmt::Display, fs};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use tracer_common::kind::NsKind;

use crate::{
    PATIENCE,
    expect::{Change, Expected, Life, Progress, progress, row, same},
    puppet::Puppet,
    trace::{Line, Namespace, Step, Switch, Task, What, brief},
    world::World,
};

/// The lines of a trace from the start of a scenario on, and what it expects there.
pub(crate) struct Stage<'w> {
    /// What all scenarios share.
    pub(crate) world: &'w World,
    /// The first line.
    from: usize,
    actors: Vec<Task>,
    strangers: Vec<Task>,
    lives: BTreeMap<u64, Life>,
    changes: BTreeMap<u32, Vec<Change>>,
    /// Whether [`Self::sums_agree`] was asked.
    summed_up: Cell<bool>,
}

impl<'w> Stage<'w> {
    /// An empty stage.
    pub(crate) fn new(world: &'w World) -> Self {
        Self {
            world,
            from: world.trace.log.len(),
            actors: Vec::new(),
            strangers: Vec::new(),
            lives: BTreeMap::new(),
            changes: BTreeMap::new(),
            summed_up: Cell::new(false),
        }
    }

    /// Starts a process.
    pub(crate) fn puppet(&mut self, name: &str) -> Result<Puppet> {
        Ok(self.enter(Puppet::start(name)?))
    }

    /// Lets a puppet's child in new namespaces of these types play, too.
    pub(crate) fn child(&mut self, of: &Puppet, name: &str, kinds: &[NsKind]) -> Result<Puppet> {
        Ok(self.enter(of.clone_into(name, kinds)?))
    }

    /// Lets another thread of a puppet play, too.
    pub(crate) fn thread(&mut self, of: &Puppet, name: &str) -> Result<Puppet> {
        Ok(self.enter(of.thread(name)?))
    }

    fn enter(&mut self, puppet: Puppet) -> Puppet {
        self.actors.push(puppet.task());
        puppet
    }

    /// Lets a program that is no puppet play. What it does to its own nsproxy is its business.
    pub(crate) fn stranger(&mut self, task: &Task) {
        self.strangers.push(task.clone());
    }

    /// Waits until it is said that this puppet created a namespace of this type, other than those
    /// known so far.
    pub(crate) fn born(&mut self, creator: &Puppet, kind: NsKind) -> Result<Namespace> {
        self.born_to(&creator.task(), kind)
    }

    /// As [`Self::born`], for any task.
    pub(crate) fn born_to(&mut self, task: &Task, kind: NsKind) -> Result<Namespace> {
        let found = self.world.trace.log.wait(self.from, PATIENCE, |lines| {
            let found = steps(lines).find(|(step, ns, _)| {
                *step == Step::Created
                    && ns.ns_type == kind.name()
                    && ns.made_by().is_some_and(|creator| creator.pid == task.pid)
                    && !self.lives.contains_key(&ns.id)
            });
            Ok(found.map(|(_, ns, _)| ns.clone()))
        })?;
        let Some(ns) = found else {
            bail!(
                "expected that {task} creates a {} namespace, saw {}",
                kind.name(),
                self.own_lines()
            );
        };
        same("its creator", Some(task), ns.made_by())?;
        self.lives.insert(ns.id, Life::new(&[Step::Created]));
        Ok(ns)
    }

    /// Waits until this is the history of a namespace.
    pub(crate) fn lives(&mut self, ns: &Namespace, life: Life) -> Result<()> {
        self.lives.insert(ns.id, life);
        let Expected { steps, because } = life.on(self.world.kernel);
        self.history(ns, steps, because, |what| match what {
            What::Step(step, about, _) if about.id == ns.id => Some(*step),
            _ => None,
        })?;
        Ok(())
    }

    /// Waits until one of these is the history of a namespace, each of which is over: which one is
    /// for the kernel to decide, in a race.
    pub(crate) fn lives_one_of(&mut self, ns: &Namespace, lives: &[Life]) -> Result<()> {
        let history = self.world.trace.log.wait(self.from, PATIENCE, |lines| {
            let own = steps(lines).filter(|(_, about, _)| about.id == ns.id);
            let history: Vec<_> = own.map(|(step, ..)| step).collect();
            Ok(history.contains(&Step::Freed).then_some(history))
        })?;
        let is_it = |life: &&Life| Some(life.on(self.world.kernel).steps) == history.as_deref();
        let life = lives.iter().find(is_it).or_else(|| lives.first());
        self.lives(ns, *life.context("no life is expected")?)
    }

    /// Waits until this is the history of all of these.
    pub(crate) fn all_live<'n>(
        &mut self,
        all: impl IntoIterator<Item = &'n Namespace>,
        life: Life,
    ) -> Result<()> {
        all.into_iter().try_for_each(|ns| self.lives(ns, life))
    }

    /// Waits until everything up to now has been said, and fails if this is not, or no longer,
    /// the history of all of these.
    pub(crate) fn still_live<'n>(
        &mut self,
        all: impl IntoIterator<Item = &'n Namespace>,
        life: Life,
    ) -> Result<()> {
        self.world.barrier()?;
        self.all_live(all, life)?;
        self.sum_up_once()
    }

    /// Has [`Self::sums_agree`] checked while there is something to sum up, but not again and
    /// again, for a list takes its time.
    fn sum_up_once(&self) -> Result<()> {
        if !self.summed_up.get() {
            self.sums_agree()?;
        }
        Ok(())
    }

    /// Waits until these are the changes of nsproxy that a task has made. Returns them as the
    /// trace has them.
    pub(crate) fn changes(&mut self, task: &Task, expected: &[Change]) -> Result<Vec<Switch>> {
        self.changes.insert(task.pid, expected.to_vec());
        self.history(task, expected, "", |what| match what {
            What::Switched(about, switch) if about.pid == task.pid => Some(switch.as_ref().clone()),
            _ => None,
        })
    }

    /// Waits until what the lines tell of something is all that is expected, in that order.
    fn history<E: Display, S: PartialEq<E>>(
        &self,
        of: &dyn Display,
        expected: &[E],
        because: &str,
        tells: impl Fn(&What) -> Option<S>,
    ) -> Result<Vec<S>> {
        let read = |lines: &[Line]| lines.iter().filter_map(|l| tells(&l.what)).collect();
        let complaint = |problem: &str, lines: &[Line]| {
            let seen = lines.iter().filter(|line| tells(&line.what).is_some());
            let reason = match because {
                "" => String::new(),
                because => format!(" ({because})"),
            };
            anyhow!(
                "{problem}: {of}: expected {}{reason}; saw {}",
                row(expected),
                brief(seen)
            )
        };
        let log = &self.world.trace.log;
        let complete = log.wait(self.from, PATIENCE, |lines| {
            let seen: Vec<S> = read(lines);
            match progress(expected, &seen) {
                Progress::Complete => Ok(Some(seen)),
                Progress::Underway => Ok(None),
                Progress::Astray => Err(complaint("unexpected", lines)),
            }
        })?;
        complete.ok_or_else(|| log.look(self.from, |lines| complaint("time is up", lines)))
    }

    /// A namespace as the trace showed it when it took this step for the last time.
    pub(crate) fn when(&self, step: Step, ns: &Namespace) -> Result<Namespace> {
        let shown = self.world.trace.log.look(self.from, |lines| {
            let is_it =
                |&(taken, about, _): &(_, &Namespace, _)| taken == step && about.id == ns.id;
            steps(lines)
                .filter(is_it)
                .last()
                .map(|(_, ns, _)| ns.clone())
        });
        shown.with_context(|| format!("{ns} was not {step}"))
    }

    /// Fails unless these namespaces took a step in this order, each of them for the last time.
    pub(crate) fn in_order(&self, step: Step, expected: &[&Namespace]) -> Result<()> {
        let seen = self.world.trace.log.look(self.from, |lines| {
            let mut seen: Vec<u64> = Vec::new();
            for (taken, ns, _) in steps(lines) {
                if taken == step && expected.iter().any(|wanted| wanted.id == ns.id) {
                    seen.retain(|&id| id != ns.id);
                    seen.push(ns.id);
                }
            }
            seen
        });
        let expected: Vec<_> = expected.iter().map(|ns| ns.id).collect();
        same(
            &format!("ids, in the order in which they were {step}"),
            expected,
            seen,
        )
    }

    /// Fails unless the link that a puppet has for this slot is the namespace's.
    pub(crate) fn is_linked(&self, puppet: &Puppet, slot: &str, ns: &Namespace) -> Result<()> {
        let path = puppet.link(slot);
        let link = fs::read_link(&path).with_context(|| path.clone())?;
        let expected = format!("{}:[{}]", ns.ns_type, ns.inum);
        same(&path, expected.as_str(), &*link.to_string_lossy())
    }

    /// Fails unless everything is still as it was expected last, and as it always has to be.
    pub(crate) fn close(mut self) -> Result<()> {
        self.world.barrier()?;
        self.sum_up_once()?;
        for (id, life) in self.lives.clone() {
            let ns = self.world.trace.log.look(self.from, |lines| {
                steps(lines)
                    .find(|(_, ns, _)| ns.id == id)
                    .map(|(_, ns, _)| ns.clone())
            });
            self.lives(&ns.context("a namespace was forgotten")?, life)?;
        }
        for task in self.actors.clone() {
            let expected = self.changes.get(&task.pid).cloned().unwrap_or_default();
            self.changes(&task, &expected)?;
        }
        self.world.trace.log.look(self.from, |lines| {
            self.nobody_else_was_created(lines)?;
            rules::check(lines, &self.actors, &self.strangers, &self.lives)
        })
    }

    fn nobody_else_was_created(&self, lines: &[Line]) -> Result<()> {
        let surprise = steps(lines).find(|(_, ns, _)| {
            !self.lives.contains_key(&ns.id)
                && ns.made_by().is_some_and(|creator| self.plays(creator.pid))
        });
        ensure!(
            surprise.is_none(),
            "unexpected: a namespace nobody asked for: {}",
            self.own_lines_of(lines)
        );
        Ok(())
    }

    fn plays(&self, pid: u32) -> bool {
        self.actors
            .iter()
            .chain(&self.strangers)
            .any(|task| task.pid == pid)
    }

    /// All that was said about this scenario.
    fn own_lines(&self) -> String {
        self.world
            .trace
            .log
            .look(self.from, |lines| self.own_lines_of(lines))
    }

    fn own_lines_of(&self, lines: &[Line]) -> String {
        brief(lines.iter().filter(|line| {
            match &line.what {
                What::Step(_, ns, actor) => [ns.made_by(), actor.as_ref()]
                    .into_iter()
                    .flatten()
                    .any(|task| self.plays(task.pid)),
                What::Switched(task, _) => self.plays(task.pid),
                What::NsproxyFreed(_) | What::NetCleanup(_) | What::Chain(..) | What::Init(_) => {
                    false
                }
                What::Failed(failed) => failed
                    .actor
                    .as_ref()
                    .is_some_and(|task| self.plays(task.pid)),
                What::Trouble(_) | What::Violation(_) => true,
            }
        }))
    }
}

/// The steps among these lines.
fn steps(lines: &[Line]) -> impl Iterator<Item = (Step, &Namespace, Option<&Task>)> {
    lines.iter().filter_map(|line| match &line.what {
        What::Step(step, ns, actor) => Some((*step, ns.as_ref(), actor.as_ref())),
        _ => None,
    })
}

fn is_step_of(line: &Line, id: u64) -> bool {
    matches!(&line.what, What::Step(_, ns, _) if ns.id == id)
}

impl PartialEq<Change> for Switch {
    fn eq(&self, expected: &Change) -> bool {
        self.reason == expected.reason && self.changed == expected.changed
    }
}
