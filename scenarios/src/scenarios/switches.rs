//! How a task comes by its nsproxy.

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind::{Net, Time, Uts};

use super::lives::{IN_USE, WHOLE};
use crate::{
    expect::{EXIT, clone, exec, same, setns, unshare},
    stage::Stage,
    trace::{Namespace, Switch},
    world::World,
};

/// A task is born into new namespaces.
pub(super) fn clone_reason(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let parent = stage.puppet("parent")?;
    let child = stage.child(&parent, "child", &[Net, Uts])?;
    let net = stage.born(&parent, Net)?;
    let uts = stage.born(&parent, Uts)?;
    stage.all_live([&net, &uts], IN_USE)?;
    stage.is_linked(&child, "net", &net)?;
    stage.is_linked(&child, "uts", &uts)?;
    let born = clone(&["uts", "net"]);
    let seen = stage.changes(&child.task(), &[born])?;
    leads_to(&seen, "net", &net)?;
    leads_to(&seen, "uts", &uts)?;

    child.exit()?;
    parent.reap_child(&child)?;
    stage.all_live([&net, &uts], WHOLE)?;
    stage.changes(&child.task(), &[born, EXIT])?;
    parent.end()?;
    stage.close()
}

/// A task enters the namespaces of another and leaves them: one by its file, several at once by
/// the number of the process.
pub(super) fn setns_in_and_out(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let host = stage.puppet("host")?;
    host.unshare(&[Net, Uts])?;
    let net = stage.born(&host, Net)?;
    let uts = stage.born(&host, Uts)?;

    let visitor = stage.puppet("visitor")?;
    let home = visitor.open("/proc/self/ns/net")?;
    let away = visitor.open(&host.link("net"))?;
    visitor.enter(away)?;
    stage.is_linked(&visitor, "net", &net)?;
    let in_by_file = setns(&["net"]);
    let seen = stage.changes(&visitor.task(), &[in_by_file])?;
    leads_to(&seen, "net", &net)?;
    visitor.enter(home)?;
    let out_by_file = setns(&["net"]);
    let seen = stage.changes(&visitor.task(), &[in_by_file, out_by_file])?;
    let last = seen.last().context("nothing was seen")?;
    same("what it left", Some(net.id), last.from.namespaces["net"])?;
    visitor.close(away)?;
    visitor.close(home)?;

    visitor.join(host.pid, &[Net, Uts])?;
    stage.is_linked(&visitor, "uts", &uts)?;
    let in_by_number = setns(&["uts", "net"]);
    let seen = stage.changes(&visitor.task(), &[in_by_file, out_by_file, in_by_number])?;
    leads_to(&seen, "net", &net)?;
    leads_to(&seen, "uts", &uts)?;

    let (host_task, visitor_task) = (host.task(), visitor.task());
    host.end()?;
    stage.still_live([&net, &uts], IN_USE)?;
    visitor.end()?;
    stage.all_live([&net, &uts], WHOLE)?;
    stage.changes(&host_task, &[unshare(&["uts", "net"]), EXIT])?;
    stage.changes(
        &visitor_task,
        &[in_by_file, out_by_file, in_by_number, EXIT],
    )?;
    stage.close()
}

/// A task that has a time namespace for its children enters it by executing a program.
pub(super) fn exec_into_time_namespace(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let mut puppet = stage.puppet("traveller")?;
    puppet.unshare(&[Time])?;
    let time = stage.born(&puppet, Time)?;
    let made = unshare(&["time_for_children"]);
    stage.changes(&puppet.task(), &[made])?;

    puppet.execute()?;
    stage.is_linked(&puppet, "time", &time)?;
    let entered = exec(&["time"]);
    let seen = stage.changes(&puppet.task(), &[made, entered])?;
    leads_to(&seen, "time", &time)?;
    stage.still_live([&time], IN_USE)?;

    let task = puppet.task();
    puppet.end()?;
    stage.lives(&time, WHOLE)?;
    stage.changes(&task, &[made, entered, EXIT])?;
    stage.close()
}

/// Fails unless the last change put this namespace in that slot, where another was before.
fn leads_to(seen: &[Switch], slot: &str, ns: &Namespace) -> Result<()> {
    let last = seen.last().context("nothing was seen")?;
    let to = last.to.as_ref().context("it leads to nothing")?;
    same(
        &format!("the {slot} it leads to"),
        Some(ns.id),
        to.namespaces[slot],
    )?;
    ensure!(
        last.from.namespaces[slot].is_some(),
        "the {slot} it left is not known"
    );
    Ok(())
}
