//! Whole lives, from creation to freeing.

use std::{fs, os::unix::fs::MetadataExt as _};

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind;

use crate::{
    expect::{EXIT, Life, same, unshare},
    process::Finally,
    stage::Stage,
    trace::Step::{Activated, Created, Deactivated, Destroyed, Freed},
    world::World,
};

/// As long as it is in use.
pub(super) const IN_USE: Life = Life::new(&[Created, Activated]);

/// From beginning to end.
pub(super) const WHOLE: Life = Life::new(&[Created, Activated, Deactivated, Destroyed, Freed]);

/// The slot of an nsproxy that a new namespace of this type goes to. User namespaces are not in
/// it.
const fn slot_of(kind: NsKind) -> Option<&'static [&'static str]> {
    match kind {
        NsKind::Mnt => Some(&["mnt"]),
        NsKind::Uts => Some(&["uts"]),
        NsKind::Ipc => Some(&["ipc"]),
        NsKind::User => None,
        NsKind::Pid => Some(&["pid_for_children"]),
        NsKind::Net => Some(&["net"]),
        NsKind::Cgroup => Some(&["cgroup"]),
        NsKind::Time => Some(&["time_for_children"]),
    }
}

/// The link to what a task has just made for itself or its children.
const fn link_of(kind: NsKind) -> &'static str {
    match kind {
        NsKind::Time => "time_for_children",
        // The link exists once there is a child.
        NsKind::Pid => "pid_for_children",
        kind => kind.name(),
    }
}

/// A process takes a new namespace of this type, and exits.
pub(super) fn life_of(world: &World, kind: NsKind) -> Result<()> {
    let mut stage = Stage::new(world);
    let change = slot_of(kind).map(unshare);

    let puppet = stage.puppet("maker")?;
    puppet.unshare(&[kind])?;
    let ns = stage.born(&puppet, kind)?;
    stage.lives(&ns, IN_USE)?;
    stage.changes(&puppet.task(), change.as_slice())?;
    if kind != NsKind::Pid {
        stage.is_linked(&puppet, link_of(kind), &ns)?;
    }
    same("its owner", Some(world.initial_user), ns.owner)?;
    same(
        "whether it has a parent",
        is_nested(kind),
        ns.parent.is_some(),
    )?;
    same("its level", is_nested(kind).then_some(1), ns.level)?;
    same(
        "who owns it",
        (kind == NsKind::User).then_some(0),
        ns.owner_uid,
    )?;
    ensure!(
        ns.ref_count.is_none_or(|count| count > 0),
        "created without a reference"
    );

    let task = puppet.task();
    puppet.end()?;
    stage.lives(&ns, WHOLE)?;
    stage.because(
        &ns,
        match kind {
            NsKind::User => &["cred_changed", "cred_reaped"],
            _ => &["nsproxy_installed", "nsproxy_dropped"],
        },
    )?;
    if let Some(change) = change {
        stage.changes(&task, &[change, EXIT])?;
    }
    stage.close()
}

/// A user namespace belongs to whoever made it.
pub(super) fn user_namespace_of_nobody(world: &World) -> Result<()> {
    const NOBODY: u32 = 65534;

    let mut stage = Stage::new(world);
    let puppet = stage.puppet("nobody")?;
    puppet.set_user(NOBODY)?;
    puppet.unshare(&[NsKind::User])?;
    let ns = stage.born(&puppet, NsKind::User)?;
    same("who owns it", Some(NOBODY), ns.owner_uid)?;
    puppet.end()?;
    stage.lives(&ns, WHOLE)?;
    stage.close()
}

/// The creator's cgroup is known by the number that its folder has.
pub(super) fn creator_has_a_cgroup(world: &World) -> Result<()> {
    const FOLDER: &str = "/sys/fs/cgroup/nslife-scenario";

    fs::create_dir(FOLDER).context(FOLDER)?;
    let _clean = Finally(|| {
        // Whoever was in it has left it by then, if all went well.
        let _ = fs::remove_dir(FOLDER);
    });
    let mut stage = Stage::new(world);
    let puppet = stage.puppet("member")?;
    fs::write(format!("{FOLDER}/cgroup.procs"), puppet.pid.to_string()).context(FOLDER)?;
    puppet.unshare(&[NsKind::Uts])?;
    let ns = stage.born(&puppet, NsKind::Uts)?;
    let expected = fs::metadata(FOLDER)?.ino();
    same(
        "its creator's cgroup",
        Some(expected),
        ns.creator.as_ref().and_then(|creator| creator.cgroup_id),
    )?;
    let task = puppet.task();
    puppet.end()?;
    stage.lives(&ns, WHOLE)?;
    stage.changes(&task, &[unshare(&["uts"]), EXIT])?;
    stage.close()
}

/// A process takes new namespaces of all types, and exits.
pub(super) fn all_types_at_once(world: &World) -> Result<()> {
    let mut stage = Stage::new(world);
    let puppet = stage.puppet("maker")?;
    puppet.unshare(&NsKind::ALL)?;
    let all = NsKind::ALL
        .into_iter()
        .map(|kind| stage.born(&puppet, kind))
        .collect::<Result<Vec<_>>>()?;
    stage.all_live(&all, IN_USE)?;
    let made = unshare(&[
        "uts",
        "ipc",
        "mnt",
        "pid_for_children",
        "net",
        "time_for_children",
        "cgroup",
    ]);
    let task = puppet.task();
    puppet.end()?;
    stage.all_live(&all, WHOLE)?;
    stage.changes(&task, &[made, EXIT])?;
    stage.close()
}

const fn is_nested(kind: NsKind) -> bool {
    matches!(kind, NsKind::User | NsKind::Pid)
}
