//! Activity that spreads from a namespace to its owners, and theirs.

use anyhow::Result;
use tracer_common::kind::NsKind::{Net, User};

use super::{
    holders::{
        OUT_OF_REACH, OUT_OF_REACH_AGAIN, RESURRECTED, WHOLE_TWICE, are_merely_referenced,
        end_maker, end_sitter, socket_in,
    },
    lives::IN_USE,
};
use crate::{
    expect::same,
    stage::Stage,
    trace::{
        Namespace,
        Step::{Deactivated, Destroyed, Resurrected},
    },
    world::World,
};

/// Three levels of user namespaces with a network namespace below: when the last file of that is
/// closed, all of them go inactive, level by level; when a socket brings it back, so does it
/// bring back its owners.
pub(super) fn user_cascade(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    let mut users: Vec<Namespace> = Vec::new();
    for level in 1..=3 {
        maker.unshare(&[User])?;
        let user = stage.born(&maker, User)?;
        let above = users.last().map_or(world.initial_user, |user| user.id);
        same("its level", Some(level), user.level)?;
        same("its owner", Some(above), user.owner)?;
        same("its parent", Some(above), user.parent)?;
        stage.is_linked(&maker, "user", &user)?;
        stage.lives(&user, IN_USE)?;
        maker.map_root()?;
        users.push(user);
    }
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
    are_merely_referenced(&stage, all())?;

    let file = sitter.net_of_socket(socket)?;
    stage.all_live(all(), RESURRECTED)?;
    stage.in_order(Resurrected, &upwards)?;
    sitter.close(file)?;
    stage.all_live(all(), OUT_OF_REACH_AGAIN)?;
    stage.in_order(Deactivated, &upwards)?;
    sitter.close(socket)?;
    stage.all_live(all(), WHOLE_TWICE)?;
    stage.in_order(Destroyed, &upwards)?;
    end_sitter(&mut stage, sitter)?;
    stage.close()
}
