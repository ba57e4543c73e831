//! Activity that spreads from a namespace to its owners, and theirs.

use anyhow::Result;
use tracer_common::kind::NsKind::{Net, User};

use super::{
    holders::{
        OUT_OF_REACH, OUT_OF_REACH_AGAIN, RESURRECTED, WHOLE_TWICE, end_maker, end_sitter,
        socket_in,
    },
    lives::{IN_USE, WHOLE},
};
use crate::{
    expect::{ENTERED_USER, EXIT, same},
    held::HELD,
    puppet::Puppet,
    stage::Stage,
    trace::{
        Namespace,
        Step::{Deactivated, Destroyed, Freed, Resurrected},
    },
    world::World,
};

/// Three levels of user namespaces with a network namespace below: when the last file of that is
/// closed, all of them go inactive, level by level; when a socket brings it back, so does it
/// bring back its owners.
pub(super) fn user_cascade(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    let users = nest(&mut stage, &maker, 3)?;
    maker.unshare(&[Net])?;
    let net = stage.born(&maker, Net)?;
    same("its owner", users.last().map(|user| user.id), net.owner)?;
    let upwards: Vec<_> = std::iter::once(&net).chain(users.iter().rev()).collect();
    let all = || upwards.iter().copied();
    stage.all_live(all(), IN_USE)?;

    let sitter = stage.puppet("sitter")?;
    let socket = socket_in(&mut stage, &sitter, &maker)?;
    let file = sitter.open(&maker.link("net"))?;
    end_maker(&mut stage, maker)?;
    stage.still_live(all(), IN_USE)?;

    sitter.close(file)?;
    stage.all_live(all(), OUT_OF_REACH)?;
    stage.in_order(Deactivated, &upwards)?;
    stage.pulled_along(&upwards, 1)?;
    stage.shows(all().map(|ns| (ns, HELD)))?;

    let file = sitter.net_of_socket(socket)?;
    stage.all_live(all(), RESURRECTED)?;
    stage.in_order(Resurrected, &upwards)?;
    sitter.close(file)?;
    stage.all_live(all(), OUT_OF_REACH_AGAIN)?;
    stage.in_order(Deactivated, &upwards)?;
    stage.pulled_along(&upwards, 3)?;
    stage.because(
        &net,
        &[
            "nsproxy_installed",
            "nsfs_closed",
            "nsfs_opened",
            "nsfs_closed",
        ],
    )?;
    for user in &users {
        stage.because(
            user,
            &["cred_changed", "owned_went", "owned_came", "owned_went"],
        )?;
    }
    sitter.close(socket)?;
    stage.all_live(all(), WHOLE_TWICE)?;
    stage.in_order(Destroyed, &upwards)?;
    end_sitter(&mut stage, sitter)?;
    stage.close()
}

/// A user namespace is active as long as one that it owns is, whoever was in it.
pub(super) fn child_user_namespace_outlives_parents_tasks(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let first = stage.puppet("first")?;
    let outer = nest(&mut stage, &first, 1)?.remove(0);
    let second = stage.puppet("second")?;
    let file = second.open(&first.link("user"))?;
    second.enter(file)?;
    second.close(file)?;
    second.unshare(&[User])?;
    let inner = stage.born(&second, User)?;
    same("its parent", Some(outer.id), inner.parent)?;
    stage.all_live([&inner, &outer], IN_USE)?;

    first.end()?;
    stage.still_live([&inner, &outer], IN_USE)?;
    stage.shows([(&inner, HELD.tasks(1).creds(1)), (&outer, HELD.owned(1))])?;

    let task = second.task();
    second.end()?;
    stage.all_live([&inner, &outer], WHOLE)?;
    stage.changes(&task, &[ENTERED_USER, EXIT])?;
    for step in [Deactivated, Destroyed, Freed] {
        stage.in_order(step, &[&inner, &outer])?;
    }
    stage.close()
}

/// Lets a puppet take as many user namespaces, one in the other, and be root there. The innermost
/// is the last.
pub(super) fn nest(stage: &mut Stage<'_>, puppet: &Puppet, levels: u32) -> Result<Vec<Namespace>> {
    let mut users: Vec<Namespace> = Vec::new();
    for level in 1..=levels {
        puppet.unshare(&[User])?;
        let user = stage.born(puppet, User)?;
        let initial = stage.world.initial_user;
        let above = users.last().map_or(initial, |user| user.id);
        same("its level", Some(level), user.level)?;
        same("its owner", Some(above), user.owner)?;
        same("its parent", Some(above), user.parent)?;
        stage.is_linked(puppet, "user", &user)?;
        stage.lives(&user, IN_USE)?;
        puppet.map_root()?;
        users.push(user);
    }
    Ok(users)
}
