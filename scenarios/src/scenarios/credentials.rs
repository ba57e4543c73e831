//! Tasks whose credentials change.

use anyhow::Result;
use tracer_common::kind::NsKind::User;

use super::{
    cascade::nest,
    lives::{IN_USE, WHOLE},
};
use crate::{
    expect::{ENTERED_USER, EXIT, same},
    held::HELD,
    stage::Stage,
    world::World,
};

/// A task enters a user namespace, takes one of its own and another in that, and executes a
/// program: as its only thread, and as one of two.
pub(super) fn credentials_change(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let host = stage.puppet("host")?;
    let outer = nest(&mut stage, &host, 1)?.remove(0);
    let mut guest = stage.puppet("guest")?;
    let file = guest.open(&host.link("user"))?;
    guest.enter(file)?;
    guest.close(file)?;
    stage.is_linked(&guest, "user", &outer)?;
    stage.shows([(&outer, HELD.tasks(2).creds(2))])?;

    guest.unshare(&[User])?;
    let middle = stage.born(&guest, User)?;
    same("its parent", Some(outer.id), middle.parent)?;
    guest.map_root()?;
    guest.unshare(&[User])?;
    let inner = stage.born(&guest, User)?;
    same("its parent", Some(middle.id), inner.parent)?;
    stage.all_live([&outer, &middle, &inner], IN_USE)?;
    host.end()?;
    stage.still_live([&outer, &middle, &inner], IN_USE)?;
    stage.shows([
        (&outer, HELD.owned(1)),
        (&middle, HELD.owned(1)),
        (&inner, HELD.tasks(1).creds(1)),
    ])?;

    guest.execute()?;
    let mut thread = stage.thread(&guest, "guest")?;
    stage.shows([(&inner, HELD.tasks(2).creds(2))])?;
    thread.execute()?;
    same(
        "its number, which was the first thread's",
        guest.tid,
        thread.tid,
    )?;
    stage.shows([(&inner, HELD.tasks(1).creds(1))])?;
    stage.still_live([&outer, &middle, &inner], IN_USE)?;

    thread.exit()?;
    guest.reap()?;
    stage.all_live([&outer, &middle, &inner], WHOLE)?;
    stage.changes(&guest.task(), &[ENTERED_USER, EXIT])?;
    stage.close()
}
