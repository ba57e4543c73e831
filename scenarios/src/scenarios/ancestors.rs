//! Ways from a namespace that is in reach to those above it.

use anyhow::Result;
use tracer_common::kind::NsKind::{Net, Pid, User};

use super::{
    cascade::nest,
    holders::{
        OUT_OF_REACH, OUT_OF_REACH_AGAIN, RESURRECTED, WHOLE_TWICE, end_maker, end_sitter,
        socket_in,
    },
    lives::{IN_USE, WHOLE},
};
use crate::{
    expect::{EXIT, clone, same},
    held::HELD,
    stage::Stage,
    trace::Step::Resurrected,
    world::World,
};

/// `NS_GET_USERNS` takes hold of owners that came back with what they own, so that they stay when
/// that goes again.
pub(super) fn ns_get_userns_revives(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    let users = nest(&mut stage, &maker, 2)?;
    let [outer, inner] = &users[..] else {
        unreachable!("as many as were asked for");
    };
    maker.unshare(&[Net])?;
    let net = stage.born(&maker, Net)?;
    let sitter = stage.puppet("sitter")?;
    let socket = socket_in(&mut stage, &sitter, &maker)?;
    end_maker(&mut stage, maker)?;
    stage.all_live([&net, inner, outer], OUT_OF_REACH)?;

    let net_file = sitter.net_of_socket(socket)?;
    let inner_file = sitter.owner_of(net_file)?;
    stage.all_live([&net, inner, outer], RESURRECTED)?;
    stage.in_order(Resurrected, &[&net, inner, outer])?;
    sitter.close(net_file)?;
    stage.lives(&net, OUT_OF_REACH_AGAIN)?;
    stage.still_live([inner, outer], RESURRECTED)?;
    stage.shows([(&net, HELD), (inner, HELD.nsfs()), (outer, HELD.owned(1))])?;

    let outer_file = sitter.owner_of(inner_file)?;
    sitter.close(inner_file)?;
    stage.lives(inner, OUT_OF_REACH_AGAIN)?;
    stage.still_live([outer], RESURRECTED)?;
    stage.shows([(inner, HELD), (outer, HELD.nsfs())])?;

    sitter.close(outer_file)?;
    stage.lives(outer, OUT_OF_REACH_AGAIN)?;
    let (came, went) = ("nsfs_opened", "nsfs_closed");
    stage.because(&net, &["nsproxy_installed", "nsproxy_dropped", came, went])?;
    stage.because(inner, &["cred_changed", "cred_reaped", "owned_came", went])?;
    stage.because(outer, &["cred_changed", "owned_went", "owned_came", went])?;
    sitter.close(socket)?;
    stage.all_live([&net, inner, outer], WHOLE_TWICE)?;
    end_sitter(&mut stage, sitter)?;
    stage.close()
}

/// A pid namespace does not keep its parent active, unlike what it does for its owner. So when all
/// tasks are gone and a file keeps the child, `NS_GET_PARENT` on that revives the parent.
pub(super) fn ns_get_parent_revives(world: &World) -> Result<()> {
    let born = clone(&["pid_for_children"]);

    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    let init = stage.child(&maker, "init", &[User, Pid])?;
    let owner = stage.born(&maker, User)?;
    let outer = stage.born(&maker, Pid)?;
    let child = stage.child(&init, "child", &[Pid])?;
    let inner = stage.born(&init, Pid)?;
    same("its owner", Some(owner.id), inner.owner)?;
    same("its parent", Some(outer.id), inner.parent)?;
    same("its level", Some(2), inner.level)?;
    let keeper = stage.puppet("keeper")?;
    let inner_file = keeper.open(&child.link("pid"))?;
    stage.all_live([&inner, &outer, &owner], IN_USE)?;
    stage.shows([
        (&inner, HELD.tasks(1).nsproxies(1).pids(1).nsfs()),
        (&outer, HELD.tasks(1).nsproxies(1).pids(1)),
        (&owner, HELD.tasks(2).creds(2).owned(2)),
    ])?;

    // That kills its child, too.
    init.exit()?;
    maker.reap_child(&init)?;
    stage.lives(&outer, OUT_OF_REACH)?;
    stage.still_live([&inner, &owner], IN_USE)?;
    stage.shows([
        (&inner, HELD.nsfs()),
        (&outer, HELD),
        (&owner, HELD.owned(1)),
    ])?;

    let outer_file = keeper.parent_of(inner_file)?;
    stage.lives(&outer, RESURRECTED)?;
    stage.shows([(&outer, HELD.nsfs()), (&owner, HELD.owned(2))])?;
    keeper.close(outer_file)?;
    stage.lives(&outer, OUT_OF_REACH_AGAIN)?;
    stage.still_live([&inner, &owner], IN_USE)?;
    keeper.close(inner_file)?;
    stage.all_live([&inner, &owner], WHOLE)?;
    stage.lives(&outer, WHOLE_TWICE)?;
    stage.because(
        &outer,
        &[
            "nsproxy_installed",
            "pid_freed",
            "nsfs_opened",
            "nsfs_closed",
        ],
    )?;
    stage.because(&inner, &["nsproxy_installed", "nsfs_closed"])?;
    stage.because(&owner, &["cred_taken", "owned_went"])?;

    stage.changes(&init.task(), &[born, EXIT])?;
    stage.changes(&child.task(), &[born, EXIT])?;
    keeper.end()?;
    maker.end()?;
    stage.close()
}
