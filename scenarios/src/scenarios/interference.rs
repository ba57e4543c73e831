//! nslife changes nothing in what it watches.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::{
    NsKind::{self, Ipc, Mnt, Net, Pid, User, Uts},
    Slot,
};

use super::faults::PORT;
use crate::{
    PATIENCE,
    daemon::Daemon,
    kernel::COUNTS,
    nslife::List,
    process::{Finally, poll_until},
    puppet::{File, Puppet},
    sys,
    trace::{ActiveBecause, Namespace, State, Trace},
    world::{SCRATCH, World},
};

/// Between two looks at something that is to be at rest.
const PAUSE: Duration = Duration::from_millis(200);

/// What the kernel has of a play at one moment, without numbers that differ from time to time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Moment {
    /// By player and link: the same number for the same namespace, 0 for the initial one.
    links: BTreeMap<(String, &'static str), usize>,
    /// From 6.19 on: how many namespaces the kernel calls active besides those there were before.
    active: Option<usize>,
    /// What a walk finds besides those that were there before.
    namespaces: Vec<Found>,
}

/// A namespace that a walk found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    ns_type: String,
    level: Option<u32>,
    state: State,
    ref_count: Option<u32>,
    active_count: Option<u32>,
    because: [u32; 5],
    procfs_mounts: Option<u32>,
    tasks: Option<u32>,
    zombies: Option<u32>,
    /// Level and references of its owner.
    owner: Option<(Option<u32>, Option<u32>)>,
}

/// What was there before a play.
struct Before {
    namespaces: BTreeSet<(String, u32)>,
    active: BTreeSet<u64>,
}

impl Before {
    fn look(world: &World) -> Result<Self> {
        let list = world.nslife.list()?;
        let namespaces = list.namespaces.iter();
        Ok(Self {
            namespaces: namespaces.map(|ns| (ns.ns_type.clone(), ns.inum)).collect(),
            active: listns(world)?.unwrap_or_default().into_iter().collect(),
        })
    }

    /// What there is now beyond that.
    fn moment(&self, world: &World, players: &[&Puppet]) -> Result<Moment> {
        let list = world.nslife.list()?;
        let is_new = |ns: &&Namespace| !self.namespaces.contains(&(ns.ns_type.clone(), ns.inum));
        let new = list.namespaces.iter().filter(is_new);
        let mut namespaces: Vec<_> = new.map(|ns| found(&list, ns)).collect();
        namespaces.sort();
        let active = listns(world)?.map(|ids| {
            let is_new = |id: &&u64| !self.active.contains(id);
            ids.iter().filter(is_new).count()
        });
        Ok(Moment {
            links: links(players)?,
            active,
            namespaces,
        })
    }
}

fn listns(world: &World) -> Result<Option<Vec<u64>>> {
    let there = world.kernel >= COUNTS;
    there.then(|| sys::listns().context("listns")).transpose()
}

fn found(list: &List, ns: &Namespace) -> Found {
    let owner = ns.owner.and_then(|owner| {
        let owner = list.namespaces.iter().find(|other| other.id == owner)?;
        // As many refer to the initial one as there are tasks, those of nslife among them.
        Some((owner.level, owner.ref_count.filter(|_| !owner.initial)))
    });
    let ActiveBecause {
        nsproxies,
        creds,
        pids,
        nsfs,
        owned,
    } = ns.active_because.unwrap_or_default();
    Found {
        ns_type: ns.ns_type.clone(),
        level: ns.level,
        state: ns.state,
        ref_count: ns.ref_count,
        active_count: ns.active_count,
        because: [nsproxies, creds, pids, nsfs, owned],
        procfs_mounts: ns.procfs_mounts,
        tasks: ns.tasks,
        zombies: ns.zombies,
        owner,
    }
}

/// Which links of these tasks lead to the same namespace. A zombie has none.
fn links(players: &[&Puppet]) -> Result<BTreeMap<(String, &'static str), usize>> {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for slot in slots() {
        let own = fs::read_link(format!("/proc/self/ns/{slot}"))?;
        numbers.insert(own.to_string_lossy().into_owned(), 0);
    }
    let mut links = BTreeMap::new();
    for player in players {
        for slot in slots() {
            if let Ok(link) = fs::read_link(player.link(slot)) {
                let next = numbers.len();
                let number = numbers.entry(link.to_string_lossy().into_owned());
                links.insert((player.name.clone(), slot), *number.or_insert(next));
            }
        }
    }
    Ok(links)
}

/// The names of the links.
fn slots() -> impl Iterator<Item = &'static str> {
    let kinds = [User, Pid].into_iter().map(NsKind::name);
    kinds.chain(Slot::ALL.into_iter().map(Slot::name))
}

/// The same play, once alone and once with a daemon and a trace beside it: at each rest the kernel
/// has the same tasks in the same namespaces, with the same references and the same activity.
/// Neither of the two has a namespace open at any time, or is in one of its own.
pub(super) fn watching_changes_nothing(world: &World) -> Result<String> {
    world.retire()?;
    let mut bare = Vec::new();
    let before = Before::look(world)?;
    play(&mut |players| {
        bare.push(settled(|| before.moment(world, players))?);
        Ok(())
    })?;
    let found: usize = bare.iter().map(|moment| moment.namespaces.len()).sum();
    ensure!(found > 20, "there is nothing to compare: {bare:?}");
    let inactive = bare.iter().flat_map(|moment| &moment.namespaces);
    ensure!(
        inactive.filter(|ns| ns.state == State::Inactive).count() > 1,
        "nothing is inactive, so nothing could be revived"
    );

    let daemon = Daemon::start(&world.nslife, &world.results, PORT)?;
    let trace = Trace::start(&world.nslife, &world.results, "beside")?;
    let breeder = Puppet::start("breeder")?;
    let tells = poll_until(PATIENCE * 4, || {
        breeder.breed_into(1, &[Uts])?;
        Ok((trace.log.len() > 0).then_some(()))
    })?;
    tells.context("the trace says nothing")?;
    breeder.end()?;
    let told = trace.log.len();
    let mut rests = bare.iter().enumerate();
    let before = Before::look(world)?;
    play(&mut |players| {
        let (rest, expected) = rests.next().context("a rest too many")?;
        // Has it walk.
        daemon.list(&world.nslife, &[])?;
        let mut seen = Moment::default();
        let same = poll_until(PATIENCE, || {
            seen = before.moment(world, players)?;
            Ok((seen == *expected).then_some(()))
        })?;
        same.with_context(|| {
            format!("at rest {rest}: unwatched {expected:#?}, watched {seen:#?}")
        })?;
        for pid in [daemon.pid(), trace.pid()] {
            holds_nothing(pid)?;
        }
        Ok(())
    })?;
    ensure!(rests.next().is_none(), "a rest is missing");
    ensure!(trace.log.len() > told, "the trace has not told of the play");
    daemon.stop()?;
    Ok(format!("{} rests, {found} namespaces compared", bare.len()))
}

/// Looks until it looks the same twice.
fn settled(mut look: impl FnMut() -> Result<Moment>) -> Result<Moment> {
    let mut last = look()?;
    let same = poll_until(PATIENCE, || {
        std::thread::sleep(PAUSE);
        let now = look()?;
        let same = now == last;
        last = now;
        Ok(same.then_some(()))
    })?;
    same.context("the system does not come to rest")?;
    Ok(last)
}

/// Fails if a process has a namespace open, or is in another than this one.
fn holds_nothing(pid: u32) -> Result<()> {
    let folder = format!("/proc/{pid}/fd");
    for file in fs::read_dir(&folder).with_context(|| folder.clone())? {
        // A connection may be closed meanwhile.
        let Ok(target) = fs::read_link(file?.path()) else {
            continue;
        };
        let target = target.to_string_lossy();
        let is_namespace = |slot: &str| target.starts_with(&format!("{slot}:["));
        ensure!(
            !slots().any(is_namespace),
            "nslife, {pid}, has {target} open"
        );
    }
    for slot in slots() {
        let of = |whose: &str| fs::read_link(format!("/proc/{whose}/ns/{slot}"));
        let (own, other) = (of("self")?, of(&pid.to_string())?);
        ensure!(own == other, "nslife, {pid}, is in {}", other.display());
    }
    Ok(())
}

/// Namespaces in use, kept by files, mounts, sockets and zombies, revived and let go.
fn play(rest: &mut dyn FnMut(&[&Puppet]) -> Result<()>) -> Result<()> {
    let place = format!("{SCRATCH}/beside");
    fs::create_dir_all(&place).with_context(|| place.clone())?;
    let _clean = Finally(|| {
        // Mounted in a namespace that is gone by then.
        let _ = fs::remove_dir(&place);
    });
    let keeper = Puppet::start("keeper")?;
    keeper.unshare(&[Mnt])?;
    keeper.keep_mounts()?;
    let nested = keeper.clone_into("nested", &[User, Pid, Net])?;
    nested.map_root()?;
    let inner = nested.clone_into("inner", &[User, Ipc])?;
    let thread = nested.thread("thread")?;
    thread.unshare(&[Uts])?;
    rest(&[&keeper, &nested, &inner, &thread])?;

    let zombie = keeper.clone_into("zombie", &[User, Pid, Uts])?;
    zombie.exit()?;
    let shown = keeper.clone_into("shown", &[Pid])?;
    shown.mount_procfs(&place)?;
    shown.exit()?;
    keeper.reap_child(&shown)?;
    let file = file_of_net(&keeper)?;
    let socket = socket_of_net(&keeper)?;
    rest(&[&keeper, &nested, &inner, &thread, &zombie])?;

    let revived = keeper.net_of_socket(socket)?;
    rest(&[&keeper, &nested, &inner, &thread, &zombie])?;

    keeper.close(revived)?;
    inner.exit()?;
    nested.reap_child(&inner)?;
    nested.exit()?;
    keeper.reap_child(&nested)?;
    keeper.reap_child(&zombie)?;
    keeper.close(file)?;
    rest(&[&keeper])?;

    keeper.close(socket)?;
    keeper.unmount(&place)?;
    keeper.end()?;
    rest(&[])
}

/// A network namespace that an open file keeps.
fn file_of_net(keeper: &Puppet) -> Result<File> {
    let maker = Puppet::start("maker")?;
    maker.unshare(&[Net])?;
    let file = keeper.open(&maker.link("net"))?;
    maker.end()?;
    Ok(file)
}

/// A network namespace, with a user namespace for its owner, of which a socket is left.
fn socket_of_net(keeper: &Puppet) -> Result<File> {
    let maker = Puppet::start("maker")?;
    maker.unshare(&[User, Net])?;
    let socket = keeper.socket_in(&maker)?;
    maker.end()?;
    Ok(socket)
}
