//! What keeps a namespace active, or merely alive, when no task is in it.

use std::{
    fs,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{UnmountFlags, unmount};
use tracer_common::kind::NsKind::{Net, User};

use super::lives::{IN_USE, WHOLE};
use crate::{
    expect::{EXIT, Life, same, setns, unshare},
    held::HELD,
    process::Finally,
    puppet::{File, Puppet},
    stage::Stage,
    trace::{
        Step::{Activated, Created, Deactivated, Destroyed, Freed, Resurrected},
        Task,
    },
    world::{SCRATCH, World},
};

/// Out of reach, but referred to.
pub(super) const OUT_OF_REACH: Life = Life::new(&[Created, Activated, Deactivated]);

/// In reach again.
pub(super) const RESURRECTED: Life = Life::new(&[Created, Activated, Deactivated, Resurrected]);

/// Out of reach for the second time.
pub(super) const OUT_OF_REACH_AGAIN: Life =
    Life::new(&[Created, Activated, Deactivated, Resurrected, Deactivated]);

/// From beginning to end, with a resurrection.
pub(super) const WHOLE_TWICE: Life = Life::new(&[
    Created,
    Activated,
    Deactivated,
    Resurrected,
    Deactivated,
    Destroyed,
    Freed,
]);

/// An open file keeps a namespace active; closing it ends that.
pub(super) fn fd_keeps_it(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    let keeper = stage.puppet("keeper")?;
    maker.unshare(&[Net])?;
    let net = stage.born(&maker, Net)?;
    let file = keeper.open(&maker.link("net"))?;

    end_maker(&mut stage, maker)?;
    stage.still_live([&net], IN_USE)?;
    stage.shows([(&net, HELD.nsfs())])?;

    keeper.close(file)?;
    stage.lives(&net, WHOLE)?;
    keeper.end()?;
    stage.close()
}

/// A bind mount keeps a namespace active; unmounting ends that.
pub(super) fn bind_mount_keeps_it(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    let keeper = stage.puppet("keeper")?;
    maker.unshare(&[Net])?;
    let net = stage.born(&maker, Net)?;
    let place = format!("{SCRATCH}/bound");
    let _clean = remove_mount(place.clone());
    fs::write(&place, "").with_context(|| place.clone())?;
    keeper.bind(&maker.link("net"), &place)?;

    end_maker(&mut stage, maker)?;
    stage.still_live([&net], IN_USE)?;
    stage.shows([(&net, HELD.nsfs())])?;

    keeper.unmount(&place)?;
    stage.lives(&net, WHOLE)?;
    keeper.end()?;
    stage.close()
}

/// What most people do first.
pub(super) fn ip_netns_add_and_delete(world: &World) -> Result<()> {
    const NAME: &str = "nslife-scenario";

    let mut stage = Stage::new(world);
    let _clean = remove_mount(format!("/run/netns/{NAME}"));
    let task = ip(&["netns", "add", NAME])?;
    stage.stranger(&task);
    let net = stage.born_to(&task, Net)?;
    same("its owner", Some(world.initial_user), net.owner)?;
    stage.still_live([&net], IN_USE)?;
    stage.shows([(&net, HELD.nsfs())])?;

    stage.stranger(&ip(&["netns", "delete", NAME])?);
    stage.lives(&net, WHOLE)?;
    stage.close()
}

/// In the end removes a file, and what may still be mounted on it.
fn remove_mount(place: String) -> Finally<impl FnMut()> {
    Finally(move || {
        // Neither is there any more if all went well.
        let _ = unmount(&*place, UnmountFlags::DETACH);
        let _ = fs::remove_file(&place);
    })
}

/// Runs `ip`, and says who that was.
fn ip(arguments: &[&str]) -> Result<Task> {
    let mut child = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
        .context("cannot run ip")?;
    let pid = child.id();
    let status = child.wait()?;
    ensure!(
        status.success(),
        "ip {} ended with {status}",
        arguments.join(" ")
    );
    Ok(Task {
        pid,
        tgid: pid,
        comm: "ip".to_owned(),
    })
}

/// A socket alone leaves a network namespace inactive, but referenced. `SIOCGSKNS` on it
/// resurrects the namespace and its owner; closing all that ends both.
pub(super) fn socket_alone(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    maker.unshare(&[User, Net])?;
    let user = stage.born(&maker, User)?;
    let net = stage.born(&maker, Net)?;
    same("its owner", Some(user.id), net.owner)?;
    stage.all_live([&net, &user], IN_USE)?;
    stage.in_order(Activated, &[&net, &user])?;

    let sitter = stage.puppet("sitter")?;
    let socket = socket_in(&mut stage, &sitter, &maker)?;
    end_maker(&mut stage, maker)?;
    stage.all_live([&net, &user], OUT_OF_REACH)?;
    stage.in_order(Deactivated, &[&net, &user])?;
    stage.shows([&net, &user].map(|ns| (ns, HELD)))?;

    let file = sitter.net_of_socket(socket)?;
    stage.all_live([&net, &user], RESURRECTED)?;
    stage.in_order(Resurrected, &[&net, &user])?;
    sitter.close(file)?;
    stage.all_live([&net, &user], OUT_OF_REACH_AGAIN)?;
    stage.in_order(Deactivated, &[&net, &user])?;
    sitter.close(socket)?;
    stage.all_live([&net, &user], WHOLE_TWICE)?;
    end_sitter(&mut stage, sitter)?;
    stage.close()
}

/// Leaves a socket of the sitter's in the network namespace of another, and nothing else.
pub(super) fn socket_in(stage: &mut Stage<'_>, sitter: &Puppet, other: &Puppet) -> Result<File> {
    let socket = sitter.socket_in(other)?;
    stage.changes(&sitter.task(), &[setns(&["net"]), setns(&["net"])])?;
    Ok(socket)
}

/// Lets a puppet go that has made a network namespace.
pub(super) fn end_maker(stage: &mut Stage<'_>, maker: Puppet) -> Result<()> {
    let task = maker.task();
    maker.end()?;
    stage.changes(&task, &[unshare(&["net"]), EXIT])?;
    Ok(())
}

/// Lets a puppet go that has made a [`socket_in`] another network namespace.
pub(super) fn end_sitter(stage: &mut Stage<'_>, sitter: Puppet) -> Result<()> {
    let task = sitter.task();
    sitter.end()?;
    stage.changes(&task, &[setns(&["net"]), setns(&["net"]), EXIT])?;
    Ok(())
}
