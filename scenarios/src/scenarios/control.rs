//! `nslife list` and a daemon that it can ask.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tracer_common::kind::NsKind::{Net, User};

use super::{
    holders::{OUT_OF_REACH, end_maker, end_sitter, socket_in},
    input::{NOBODY, fails_clearly},
    lives::WHOLE,
};
use crate::{
    PATIENCE,
    daemon::{Daemon, socket_of},
    expect::same,
    kernel::LISTS,
    nslife::List,
    process::poll_until,
    puppet::Ran,
    schema::Schema,
    stage::Stage,
    trace::{Namespace, State},
    world::World,
};

/// Where the daemons listen.
const PORT: u16 = 19622;
const SECOND_PORT: u16 = 19623;

/// Where a daemon answers unless it is told otherwise.
pub(super) const USUAL: &str = "/run/nslife/control.sock";

/// A daemon that saw a namespace come and go out of reach says when that was and who made it; a
/// look of its own tells `nslife list` nothing of that. Of what there is now both say the same.
pub(super) fn list_asks_the_daemon(world: &World) -> Result<()> {
    let daemon = Daemon::start(&world.nslife, &world.results, PORT)?;
    let socket = socket_of(PORT);
    let mut stage = Stage::new(world);
    let maker = stage.puppet("maker")?;
    let by = maker.task();
    maker.unshare(&[User, Net])?;
    let user = stage.born(&maker, User)?;
    let net = stage.born(&maker, Net)?;
    let sitter = stage.puppet("sitter")?;
    let kept = socket_in(&mut stage, &sitter, &maker)?;
    let ask = || daemon.list(&world.nslife, &[]);
    let before = until(ask, |list| is(list, &net, State::Active))?;
    end_maker(&mut stage, maker)?;
    stage.all_live([&net, &user], OUT_OF_REACH)?;

    let asked = until(ask, |list| is(list, &net, State::Inactive))?;
    same("who looked", "daemon", &*asked.source)?;
    for ns in [&net, &user] {
        let seen = asked.find(ns).with_context(|| format!("no {ns}"))?;
        same("who made it", Some(&by), seen.made_by())?;
        // Times of one form, in one zone: their order is that of the letters.
        let moments = [
            ("the start of watching", &asked.watching_since),
            ("the birth", &seen.created_at),
            ("the list before", &Some(before.taken_at.clone())),
            ("the end of activity", &seen.since),
            ("the list after", &Some(asked.taken_at.clone())),
        ];
        for pair in moments.windows(2) {
            let [(earlier, a), (later, b)] = pair else {
                continue;
            };
            ensure!(
                a.is_some() && a <= b,
                "expected {earlier} before {later}, saw {a:?} and {b:?} for {seen:?}"
            );
        }
    }
    let own = until(
        || world.nslife.list(),
        |own| both_agree(world, own, &ask()?),
    )?;
    same("who looked", "walk", &*own.source)?;
    same("since when", None, own.watching_since.as_deref())?;
    for ns in [&net, &user] {
        let seen = own.find(ns).with_context(|| format!("no {ns}"))?;
        same("since when", None, seen.since.as_deref())?;
        same("the birth", None, seen.created_at.as_deref())?;
        same("who made it", None, seen.made_by())?;
    }

    // What happened before anybody asked is told, too.
    let past = told(world, &socket)?;
    for ns in [&net, &user] {
        let created = past.iter().find(|line| is_creation(line, ns));
        let created = created.with_context(|| format!("nobody is told that {ns} was made"))?;
        same(
            "who made it",
            Some(by.pid.into()),
            created["actor"]["pid"].as_u64(),
        )?;
    }

    // Without being told to, it asks whoever answers, and tells people so.
    let ran = list_at(world, &socket, &[])?;
    fails_clearly(&ran, 0, &["from the daemon", "watching since"])?;
    same("the daemon's end", Some(0), daemon.stop()?.code())?;
    ensure!(!Path::new(&socket).exists(), "{socket} is left behind");

    sitter.close(kept)?;
    stage.all_live([&net, &user], WHOLE)?;
    end_sitter(&mut stage, sitter)?;
    stage.close()
}

/// What a daemon says to have happened.
fn told(world: &World, socket: &str) -> Result<Vec<Value>> {
    let arguments = ["trace", "--daemon", "--control-socket", socket];
    let mut command = world.nslife.command(&arguments);
    command.args(["--duration", "1s", "--output", "json"]);
    let ran = world.nslife.finish(&mut command)?;
    fails_clearly(&ran, 0, &["from the daemon", "watching since"])?;
    let schema = Schema::named("trace")?;
    let lines = ran.stdout.lines().map(|line| {
        schema.check(line)?;
        Ok(serde_json::from_str(line)?)
    });
    lines.collect()
}

fn is_creation(line: &Value, ns: &Namespace) -> bool {
    line["event"] == "created" && line["namespace"]["inum"] == ns.inum
}

/// Looks until the list is as it should be.
fn until(look: impl Fn() -> Result<List>, fits: impl Fn(&List) -> Result<()>) -> Result<List> {
    let mut wrong = None;
    let found = poll_until(PATIENCE, || {
        let list = look()?;
        wrong = fits(&list).err();
        Ok(wrong.is_none().then_some(list))
    })?;
    match (found, wrong) {
        (Some(list), _) => Ok(list),
        (None, wrong) => Err(wrong.context("no list was seen")?),
    }
}

fn is(list: &List, ns: &Namespace, state: State) -> Result<()> {
    let found = list.find(ns).with_context(|| format!("no {ns}"))?;
    same(&format!("the state of {ns}"), state, found.state)
}

/// Fails unless both show the same namespaces, in the same state and for the same reasons.
fn both_agree(world: &World, own: &List, asked: &List) -> Result<()> {
    same("how many", own.namespaces.len(), asked.namespaces.len())?;
    for ns in &own.namespaces {
        let other = asked.find(ns).with_context(|| format!("no {ns}"))?;
        same(&format!("what is said of {ns}"), plain(ns), plain(other))?;
        if world.kernel >= LISTS {
            same("its id", ns.ns_id, other.ns_id)?;
            same("its owner", ns.owner, other.owner)?;
            same("its parent", ns.parent, other.parent)?;
        }
    }
    same("whether it is complete", own.complete, asked.complete)?;
    let (own, asked) = (&own.incomplete_because, &asked.incomplete_because);
    same("why not", own, asked)
}

/// A namespace without what only one who watched knows, without ids, which below 6.18 are
/// anybody's own, and, for an initial one, without counts: those change all the time.
fn plain(ns: &Namespace) -> Namespace {
    let mut plain = Namespace {
        id: 0,
        ns_id: None,
        owner: None,
        parent: None,
        since: None,
        created_at: None,
        creator: None,
        ..ns.clone()
    };
    if ns.initial {
        plain.ref_count = None;
        plain.tasks = None;
        plain.zombies = None;
    }
    plain
}

/// `nslife list` for people, told where a daemon answers.
fn list_at(world: &World, socket: &str, more: &[&str]) -> Result<Ran> {
    let mut command = world.nslife.command(&["list", "--control-socket", socket]);
    world.nslife.finish(command.args(more))
}

/// Nobody but its owner may ask: what a daemon tells names the tasks of everybody.
pub(super) fn control_socket_is_private(world: &World) -> Result<()> {
    let daemon = Daemon::start(&world.nslife, &world.results, PORT)?;
    let socket = socket_of(PORT);
    let file = fs::symlink_metadata(&socket)?;
    ensure!(file.file_type().is_socket(), "{socket} is no socket");
    same("its mode", 0o600, file.permissions().mode() & 0o7777)?;

    let as_nobody = |more: &[&str]| {
        let arguments = [&["list", "--control-socket", &socket], more].concat();
        let mut command = world.nslife.command(&arguments);
        world.nslife.finish(command.uid(NOBODY).gid(NOBODY))
    };
    let refused = [&socket, "Permission denied"];
    fails_clearly(&as_nobody(&["--daemon"])?, 1, &refused)?;
    // It then looks for itself, which nobody may either.
    let ran = as_nobody(&[])?;
    fails_clearly(&ran, 1, &["Permission denied", "CAP_BPF"])?;
    ensure!(
        ran.stdout.is_empty(),
        "expected nothing to be shown, saw {ran}"
    );
    // Whoever may open it needs no other privilege.
    fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
    fails_clearly(&as_nobody(&["--daemon"])?, 0, &["from the daemon"])?;
    let arguments = ["trace", "--daemon", "--duration", "100ms"];
    let mut command = world.nslife.command(&arguments);
    command.args(["--control-socket", &socket]);
    let traced = world.nslife.finish(command.uid(NOBODY).gid(NOBODY))?;
    fails_clearly(&traced, 0, &["from the daemon", "shown"])?;
    same("the daemon's end", Some(0), daemon.stop()?.code())
}

/// A control socket that a daemon left behind is nobody's: `nslife list` looks for itself, and the
/// next daemon takes the place. A second one runs without, and says so; it does not if it was told
/// which one to have.
pub(super) fn control_socket_belongs_to_one(world: &World) -> Result<()> {
    let (nslife, results) = (&world.nslife, &world.results);
    Daemon::start_with(nslife, results, PORT, &[])?.kill()?;
    ensure!(Path::new(USUAL).exists(), "{USUAL} is not left behind");
    same("who looked", "walk", &*nslife.list_from(&[])?.source)?;
    fails_clearly(&list_at(world, USUAL, &[])?, 0, &["no daemon answers"])?;
    let insisting = list_at(world, USUAL, &["--from", "daemon"])?;
    fails_clearly(&insisting, 1, &["no daemon answers", USUAL])?;

    let first = Daemon::start_with(nslife, results, PORT, &[])?;
    same("who looked", "daemon", &*nslife.list_from(&[])?.source)?;
    let second = Daemon::start_with(nslife, results, SECOND_PORT, &[])?;
    let log = second.log()?;
    for word in [USUAL, "in use", "--control-socket"] {
        ensure!(
            log.contains(word),
            "expected {word:?} in the log, saw {log}"
        );
    }
    let third = ["daemon", "--web.listen-address", "127.0.0.1:0"];
    let ran = nslife.run(&[&third[..], &["--control-socket", USUAL]].concat())?;
    fails_clearly(&ran, 1, &[USUAL, "in use", "--no-control-socket"])?;
    second.stop()?;

    // The first one still answers, and takes its socket with it when it goes.
    same("who looked", "daemon", &*nslife.list_from(&[])?.source)?;
    let status = first.stop()?;
    ensure!(!Path::new(USUAL).exists(), "{USUAL} is left behind");
    same("who looked", "walk", &*nslife.list_from(&[])?.source)?;
    same("the daemon's end", Some(0), status.code())
}
