//! What nslife says, compared with what the kernel says to others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use anyhow::{Context as _, Result, bail, ensure};
use tracer_common::kind::NsKind;

use crate::{
    daemon::Daemon,
    expect::same,
    kernel::LISTS,
    metrics::series,
    nslife::List,
    puppet::{File, Puppet},
    sys,
    trace::{State, Step, What},
    world::World,
};

/// How often a comparison is repeated if the system moved meanwhile.
const ATTEMPTS: usize = 10;

/// Some namespaces to compare: with several tasks, with threads, with a zombie, with a file only.
pub(super) struct Population {
    parent: Puppet,
    _members: Vec<Puppet>,
    zombie: Puppet,
    file: File,
}

impl Population {
    pub(super) fn settle() -> Result<Self> {
        let parent = Puppet::start("parent")?;
        parent.unshare(&[NsKind::Mnt, NsKind::Time])?;
        let traveller = parent.clone_into("traveller", &[NsKind::Uts])?;
        let nested = parent.clone_into("nested", &[NsKind::User, NsKind::Pid, NsKind::Net])?;
        nested.map_root()?;
        let inner = nested.clone_into("inner", &[NsKind::User, NsKind::Ipc])?;
        let second = nested.clone_into("second", &[])?;
        let thread = nested.thread("thread")?;
        thread.unshare(&[NsKind::Cgroup])?;
        let zombie = parent.clone_into("zombie", &[NsKind::User, NsKind::Pid])?;
        let gone = Puppet::start("gone")?;
        gone.unshare(&[NsKind::Net])?;
        let file = parent.open(&gone.link("net"))?;
        gone.end()?;
        zombie.exit()?;
        Ok(Self {
            parent,
            _members: vec![traveller, nested, inner, second, thread],
            zombie,
            file,
        })
    }

    pub(super) fn leave(self) -> Result<()> {
        self.parent.close(self.file)?;
        self.parent.reap_child(&self.zombie)?;
        self.parent.end()
    }
}

/// Every namespace that a task is in is listed, as active and with the right number of tasks; none
/// is listed with tasks that are not there.
pub(super) fn list_agrees_with_proc(world: &World) -> Result<()> {
    let population = Population::settle()?;
    let (list, tasks) = undisturbed(tasks_by_namespace, || world.nslife.list())?;
    ensure!(tasks.len() > 8, "there is nothing to compare: {tasks:?}");
    let mut seen = BTreeMap::new();
    for ns in &list.namespaces {
        if let Some(tasks) = ns.tasks.filter(|&tasks| tasks > 0) {
            // `nslife list` itself is no more.
            let own = u32::from(ns.initial);
            seen.insert((ns.ns_type.clone(), ns.inum), tasks - own);
            same(&format!("the state of {ns}"), State::Active, ns.state)?;
        }
    }
    same("tasks by namespace", &tasks, &seen)?;
    is_complete(world, &list)?;
    population.leave()
}

/// Whether a list says to be complete, and if not why.
fn is_complete(world: &World, list: &List) -> Result<()> {
    let expected = world.kernel >= LISTS;
    same("whether the list is complete", expected, list.complete)?;
    same(
        "whether it says why not",
        !expected,
        !list.incomplete_because.is_empty(),
    )?;
    let release = rustix::system::uname();
    same(
        "the kernel",
        &*release.release().to_string_lossy(),
        &*list.kernel,
    )
}

/// The namespaces that the kernel calls active are those that `nslife list` lists as active, those
/// that the trace has left active, and as many as the daemon counts.
pub(super) fn list_agrees_with_listns(world: &World) -> Result<()> {
    let population = Population::settle()?;
    let listns = || Ok(sys::listns()?.into_iter().collect::<BTreeSet<u64>>());
    let (list, expected) = undisturbed(listns, || world.nslife.list())?;
    let active: BTreeSet<_> = list
        .namespaces
        .iter()
        .filter(|ns| ns.state == State::Active)
        .filter_map(|ns| ns.ns_id)
        .collect();
    same("ids that nslife list calls active", &expected, &active)?;

    let (traced, expected) = undisturbed(listns, || {
        world.barrier()?;
        Ok(left_active(world))
    })?;
    let since: BTreeSet<_> = expected.difference(&world.there_before).copied().collect();
    same("ids that the trace left active", since, traced)?;

    daemon_counts(world.daemon(), &list)?;
    population.leave()
}

/// Fails unless a daemon counts as many namespaces of each type and state as this list has.
pub(super) fn daemon_counts(daemon: &Daemon, list: &List) -> Result<()> {
    for kind in NsKind::ALL {
        for (word, state) in [("active", State::Active), ("inactive", State::Inactive)] {
            let count = list
                .namespaces
                .iter()
                .filter(|ns| ns.ns_type == kind.name() && ns.state == state)
                .count();
            let labels = [("ns_type", kind.name()), ("state", word)];
            let series = series("nslife_namespaces", &labels);
            let expected = count as f64;
            daemon.wait_for(&series, &expected.to_string(), |value| value == expected)?;
        }
    }
    Ok(())
}

/// The ids of the namespaces that came to be since the trace started and are active now, by what
/// it said.
fn left_active(world: &World) -> BTreeSet<u64> {
    world.trace.log.look(0, |lines| {
        let mut active = BTreeSet::new();
        for line in lines {
            if let What::Step(step, ns, _) = &line.what {
                match step {
                    Step::Activated | Step::Resurrected => active.insert(ns.id),
                    _ => active.remove(&ns.id),
                };
            }
        }
        &active - &world.there_before
    })
}

/// Looks at something while something else stays the same.
fn undisturbed<S: PartialEq, T>(
    mut surroundings: impl FnMut() -> Result<S>,
    mut look: impl FnMut() -> Result<T>,
) -> Result<(T, S)> {
    let mut before = surroundings()?;
    for _ in 0..ATTEMPTS {
        let seen = look()?;
        let after = surroundings()?;
        if before == after {
            return Ok((seen, after));
        }
        before = after;
    }
    bail!("the system does not come to rest")
}

/// How many tasks are in each namespace. Reading a link opens nothing.
fn tasks_by_namespace() -> Result<BTreeMap<(String, u32), u32>> {
    let mut tasks = BTreeMap::new();
    for process in numbers_in("/proc")? {
        for thread in numbers_in(&format!("/proc/{process}/task"))? {
            for kind in NsKind::ALL {
                let path = format!("/proc/{process}/task/{thread}/ns/{}", kind.name());
                if let Some(link) = if_there(fs::read_link(&path)).with_context(|| path.clone())? {
                    let inum = inum_of(&link.to_string_lossy());
                    let inum = inum.with_context(|| format!("{path}: {}", link.display()))?;
                    *tasks.entry((kind.name().to_owned(), inum)).or_insert(0) += 1;
                }
            }
        }
    }
    Ok(tasks)
}

fn numbers_in(folder: &str) -> Result<Vec<u32>> {
    let entries = if_there(fs::read_dir(folder)).with_context(|| folder.to_owned())?;
    let names = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name());
    Ok(names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect())
}

/// `None` for what belongs to a task that is gone, or has left its namespaces as a zombie.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH | libc::EACCES) => Ok(None),
            _ => Err(error),
        },
    }
}

/// The number in `net:[4026531840]`.
fn inum_of(link: &str) -> Option<u32> {
    let (_, rest) = link.split_once(":[")?;
    rest.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_a_number() {
        assert_eq!(inum_of("net:[4026531840]"), Some(4_026_531_840));
        assert_eq!(inum_of("net:[]"), None);
        assert_eq!(inum_of("/"), None);
    }

    #[test]
    fn a_moving_system_is_looked_at_again() {
        let mut moves = [1, 2, 2].into_iter();
        let mut looks = 0;
        let seen = undisturbed(
            || moves.next().context("too often"),
            || {
                looks += 1;
                Ok(looks)
            },
        );
        assert_eq!(seen.unwrap(), (2, 2));
    }
}
