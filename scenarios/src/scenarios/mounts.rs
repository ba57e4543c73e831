//! Mount namespaces that are born as a file, with no task in them.

use anyhow::Result;
use tracer_common::kind::NsKind::Mnt;

use super::lives::{IN_USE, WHOLE};
use crate::{
    expect::{EXIT, same, setns},
    held::HELD,
    puppet::{File, Puppet},
    stage::Stage,
    world::World,
};

/// The file is made by `open_tree`, out of what is mounted already.
pub(super) fn mount_namespace_of_open_tree(world: &World) -> Result<()> {
    lives_as_a_file(world, |maker| maker.mounts_of_tree("/"))
}

/// The file is made by `fsmount`, out of a new file system.
pub(super) fn mount_namespace_of_fsmount(world: &World) -> Result<()> {
    lives_as_a_file(world, Puppet::mounts_of_nothing)
}

/// One of them goes with its file, another with the task that entered it.
fn lives_as_a_file(world: &World, make: impl Fn(&Puppet) -> Result<File>) -> Result<()> {
    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    let file = make(&maker)?;
    let mnt = stage.born(&maker, Mnt)?;
    same("its owner", Some(world.initial_user), mnt.owner)?;
    stage.still_live([&mnt], IN_USE)?;
    stage.shows([(&mnt, HELD.nsfs())])?;
    maker.close(file)?;
    stage.lives(&mnt, WHOLE)?;

    let file = make(&maker)?;
    let mnt = stage.born(&maker, Mnt)?;
    maker.enter(file)?;
    maker.close(file)?;
    stage.is_linked(&maker, "mnt", &mnt)?;
    stage.still_live([&mnt], IN_USE)?;
    stage.shows([(&mnt, HELD.tasks(1).nsproxies(1))])?;
    let task = maker.task();
    maker.end()?;
    stage.lives(&mnt, WHOLE)?;
    stage.changes(&task, &[setns(&["mnt"]), EXIT])?;
    stage.close()
}
