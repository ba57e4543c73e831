//! What refers to a namespace although no task is in it and no task has it open.

use std::fs;

use anyhow::{Context as _, Result};
use tracer_common::kind::NsKind::{Mnt, Net, Pid, User, Uts};

use super::{
    holders::OUT_OF_REACH,
    lives::{IN_USE, WHOLE},
};
use crate::{
    expect::{EXIT, clone, same, unshare},
    held::HELD,
    process::Finally,
    stage::Stage,
    trace::Step::{Activated, Deactivated, Destroyed},
    world::{SCRATCH, World},
};

/// A file refers to the credentials of the task that opened it, and they to a user namespace. That
/// can be reached by nobody: it is inactive until the file is closed.
pub(super) fn credentials_of_a_file_alone(world: &World) -> Result<()> {
    let path = format!("{SCRATCH}/plain");
    fs::write(&path, "").with_context(|| path.clone())?;
    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    let keeper = stage.puppet("keeper")?;
    maker.unshare(&[User])?;
    let user = stage.born(&maker, User)?;
    let file = maker.open(&path)?;
    let kept = keeper.receive(maker.send(file)?)?;
    maker.end()?;
    stage.still_live([&user], OUT_OF_REACH)?;
    stage.shows([(&user, HELD)])?;

    keeper.close(kept)?;
    stage.lives(&user, WHOLE)?;
    keeper.end()?;
    stage.close()
}

/// A procfs belongs to a pid namespace, and refers to it for as long as it is mounted somewhere.
/// It lets nobody in: the namespace is inactive when its tasks are gone.
pub(super) fn procfs_mount_alone(world: &World) -> Result<()> {
    let place = format!("{SCRATCH}/proc");
    fs::create_dir(&place).with_context(|| place.clone())?;
    let _clean = Finally(|| {
        // It is mounted in a namespace that is gone by then.
        let _ = fs::remove_dir(&place);
    });
    let mut stage = Stage::new(world);
    let keeper = stage.puppet("keeper")?;
    keeper.unshare(&[Mnt])?;
    let mnt = stage.born(&keeper, Mnt)?;
    keeper.keep_mounts()?;
    let inside = stage.child(&keeper, "inside", &[Pid])?;
    let pid = stage.born(&keeper, Pid)?;
    let in_use = HELD.tasks(1).nsproxies(1).pids(1);
    stage.shows([(&pid, in_use)])?;
    inside.mount_procfs(&place)?;
    stage.shows([(&pid, in_use.procfs_mounts(1))])?;

    inside.exit()?;
    keeper.reap_child(&inside)?;
    stage.still_live([&pid], OUT_OF_REACH)?;
    stage.shows([(&pid, HELD.procfs_mounts(1))])?;

    keeper.unmount(&place)?;
    stage.lives(&pid, WHOLE)?;
    for (step, mounts) in [(Activated, 0), (Deactivated, 1), (Destroyed, 0)] {
        let shown = stage.when(step, &pid)?;
        same(
            &format!("procfs mounts when {step}"),
            Some(mounts),
            shown.procfs_mounts,
        )?;
    }
    stage.changes(&inside.task(), &[clone(&["pid_for_children"]), EXIT])?;
    let task = keeper.task();
    keeper.end()?;
    stage.lives(&mnt, WHOLE)?;
    stage.changes(&task, &[unshare(&["mnt"]), EXIT])?;
    stage.close()
}

/// A file that was sent and not yet received keeps a namespace active, though no task has it open.
pub(super) fn descriptor_in_flight(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    maker.unshare(&[Net, Uts])?;
    let net = stage.born(&maker, Net)?;
    let uts = stage.born(&maker, Uts)?;
    let sender = stage.puppet("sender")?;
    let net_file = sender.open(&maker.link("net"))?;
    let net_parcel = sender.send(net_file)?;
    let uts_file = sender.open(&maker.link("uts"))?;
    let uts_parcel = sender.send(uts_file)?;
    let task = maker.task();
    maker.end()?;
    sender.end()?;
    stage.still_live([&net, &uts], IN_USE)?;
    stage.shows([(&net, HELD.nsfs())])?;
    stage.shows_if_there_are_lists([(&uts, HELD.nsfs())])?;

    let receiver = stage.puppet("receiver")?;
    let file = receiver.receive(net_parcel)?;
    stage.still_live([&net, &uts], IN_USE)?;
    receiver.close(file)?;
    stage.lives(&net, WHOLE)?;
    drop(uts_parcel);
    stage.lives(&uts, WHOLE)?;
    stage.changes(&task, &[unshare(&["uts", "net"]), EXIT])?;
    receiver.end()?;
    stage.close()
}
