//! What the daemon needs for its start, and what it is left with: nothing.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder},
    os::unix::fs::{DirBuilderExt as _, chown},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use tracer_common::kind::NsKind::{Ipc, Net, Pid, User};

use super::{
    audit::audit,
    input::{NOBODY, fails_clearly},
};
use crate::{
    daemon::Daemon,
    expect::same,
    metrics::series,
    process::run,
    puppet::Puppet,
    world::{SCRATCH, World},
};

/// Where the daemons listen.
const PORT: u16 = 19641;

/// What nslife needs to start.
const NEEDED: [(&str, &str); 2] = [("CAP_BPF", "+bpf"), ("CAP_PERFMON", "+perfmon")];

/// No capability at all, as `/proc` shows a set.
const EMPTY: &str = "0000000000000000";

/// Once it is ready no thread of a daemon that root has started has a capability, nor can it get
/// one; and still it walks, audits and counts.
pub(super) fn no_thread_keeps_a_capability(world: &World) -> Result<()> {
    let daemon = world.daemon();
    all_threads_are_bare(daemon, &["CapBnd"])?;
    goes_on(world, daemon)?;
    all_threads_are_bare(daemon, &["CapBnd"])
}

/// It starts as anybody with just the capabilities that it needs, as systemd's `DynamicUser` and
/// `AmbientCapabilities` start it, and goes on without them.
pub(super) fn daemon_without_root(world: &World) -> Result<()> {
    let folder = format!("{SCRATCH}/nobody");
    let _ = fs::remove_dir_all(&folder);
    DirBuilder::new().mode(0o755).create(&folder)?;
    chown(&folder, Some(NOBODY), Some(NOBODY))?;
    let wrapper = as_nobody(&NEEDED.map(|(_, capability)| capability));
    let wrapper: Vec<_> = wrapper.iter().map(String::as_str).collect();
    let socket = format!("{folder}/control.sock");
    let daemon = Daemon::start_through(&world.nslife, &world.results, PORT, &wrapper, &socket)?;
    let user = statuses(&daemon)?;
    for fields in user.values() {
        let ids = fields.get("Uid").map(String::as_str);
        same("whose it is", Some("65534\t65534\t65534\t65534"), ids)?;
    }
    all_threads_are_bare(&daemon, &[])?;
    goes_on(world, &daemon)?;
    all_threads_are_bare(&daemon, &[])?;
    same("the daemon's end", Some(0), daemon.stop()?.code())?;
    ensure!(
        !fs::exists(&socket)?,
        "{socket} is left behind by who may not do more than remove it"
    );
    Ok(())
}

/// With one of them missing it says which.
pub(super) fn missing_capability_is_named(world: &World) -> Result<()> {
    for (name, missing) in NEEDED {
        let mut others = NEEDED.map(|(_, capability)| capability).to_vec();
        others.retain(|&capability| capability != missing);
        let wrapper = as_nobody(&others);
        let verbs: [&[&str]; 3] = [
            &["list", "--from", "walk"],
            &["trace", "--duration", "1s"],
            &["daemon", "--web.listen-address", "127.0.0.1:0"],
        ];
        for arguments in verbs {
            let mut command = Command::new(&wrapper[0]);
            command.args(&wrapper[1..]).arg(world.nslife.path()?);
            let ran = run(command.args(arguments), |process| {
                world.nslife.started(process);
                Ok(())
            })?;
            fails_clearly(&ran, 1, &[&format!("missing {name}:"), "nslife doctor"])
                .with_context(|| format!("nslife {}", arguments.join(" ")))?;
        }
    }
    Ok(())
}

/// The beginning of a command line that is run by nobody, with these capabilities and no way to
/// others.
fn as_nobody(capabilities: &[&str]) -> Vec<String> {
    let set = ["-all"]
        .iter()
        .chain(capabilities)
        .copied()
        .collect::<Vec<_>>()
        .join(",");
    let user = NOBODY.to_string();
    [
        "setpriv",
        "--reuid",
        &user,
        "--regid",
        &user,
        "--clear-groups",
        "--no-new-privs",
        "--inh-caps",
        &set,
        "--ambient-caps",
        &set,
        "--bounding-set",
        &set,
        "--",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A daemon sees what comes, lists it, audits itself, and has nothing to complain of.
fn goes_on(world: &World, daemon: &Daemon) -> Result<()> {
    let puppet = Puppet::start("newcomer")?;
    puppet.unshare(&[User, Net, Ipc, Pid])?;
    let list = daemon.list(&world.nslife, &[])?;
    same("who looked", "daemon", &*list.source)?;
    let seen = list
        .namespaces
        .iter()
        .filter(|ns| {
            ns.made_by()
                .is_some_and(|creator| creator.comm == "newcomer")
        })
        .count();
    same("how many new namespaces it lists", 4, seen)?;
    let audited = audit(world, &["--control-socket", &daemon.socket])?;
    same("who was audited", daemon.pid(), audited.pid)?;
    puppet.end()?;
    // The counters of the kernel programs are read once a second.
    let events = series("nslife_events_total", &[]);
    daemon.wait_for(&events, "some", |count| count > 0.0)?;
    let log = daemon.log()?;
    // Below 6.18 not everything can be seen, whoever looks; and what the kernel skipped is no matter of
    // privileges.
    const KNOWN: [&str; 2] = ["keeps no list", "records lost cause=\"recursion\""];
    let complaint = log.lines().find(|line| {
        (line.contains("ERROR") || line.contains("WARN"))
            && !KNOWN.iter().any(|known| line.contains(known))
    });
    same("its complaints", None, complaint)
}

/// Fails unless each thread has no capability in any set that it could use, nor in these.
fn all_threads_are_bare(daemon: &Daemon, and_in: &[&str]) -> Result<()> {
    let threads = statuses(daemon)?;
    ensure!(
        threads.len() > 2,
        "expected several threads, saw {}",
        threads.len()
    );
    for (thread, fields) in &threads {
        let sets = ["CapEff", "CapPrm", "CapInh", "CapAmb"];
        for set in sets.iter().chain(and_in) {
            let value = fields.get(*set).map(String::as_str);
            same(&format!("{set} of thread {thread}"), Some(EMPTY), value)?;
        }
        // Two is a filter of system calls.
        for (field, expected) in [("NoNewPrivs", "1"), ("Seccomp", "2")] {
            let value = fields.get(field).map(String::as_str);
            same(
                &format!("{field} of thread {thread}"),
                Some(expected),
                value,
            )?;
        }
    }
    Ok(())
}

/// What `/proc` says of each thread, by field.
fn statuses(daemon: &Daemon) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let folder = format!("/proc/{}/task", daemon.pid());
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
        let entry = entry?;
        let text = fs::read_to_string(entry.path().join("status"))?;
        let fields = text
            .lines()
            .filter_map(|line| line.split_once(":\t"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        threads.insert(entry.file_name().to_string_lossy().into_owned(), fields);
    }
    Ok(threads)
}
