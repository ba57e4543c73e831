//! What people get wrong, and what a system refuses: each has a clear message and a sensible
//! status, and none shows the inside of the program.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    process::Stdio,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tracer_common::kind::NsKind;

use crate::{
    PATIENCE,
    expect::same,
    process::{end_of, poll_until},
    puppet::{Puppet, Ran},
    world::{SCRATCH, World},
};

/// A user without capabilities (`nobody`).
const NOBODY: u32 = 65534;

/// Fails unless a program ended with this status, and its message has all of this in it.
pub(super) fn fails_clearly(ran: &Ran, code: i32, words: &[&str]) -> Result<()> {
    ensure!(ran.code == Some(code), "expected status {code}, saw {ran}");
    for word in words {
        ensure!(
            ran.stderr.contains(word),
            "expected {word:?} in the message, saw {ran}"
        );
    }
    keeps_its_inside_to_itself(ran)
}

fn keeps_its_inside_to_itself(ran: &Ran) -> Result<()> {
    for word in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
        let shown = ran.stderr.contains(word) || ran.stdout.contains(word);
        ensure!(!shown, "expected no {word:?}, saw {ran}");
    }
    Ok(())
}

/// Fails unless the message is short: what is wrong, and where to look.
fn is_short(ran: &Ran) -> Result<()> {
    let lines = ran.stderr.lines().count();
    ensure!(
        (1..=2).contains(&lines),
        "expected one line or two, saw {ran}"
    );
    Ok(())
}

/// Command lines that make no sense.
pub(super) fn unknown_flags(world: &World) -> Result<()> {
    let wrong: [&[&str]; 9] = [
        &[],
        &["watch"],
        &["--frobnicate"],
        &["trace", "--ns-type", "network"],
        &["trace", "--event", "born"],
        &["trace", "--output", "xml"],
        &["trace", "--duration", "10"],
        &["list", "--state", "dead"],
        &["daemon", "--web.listen-address", "nowhere"],
    ];
    for arguments in wrong {
        let ran = world.nslife.run(arguments)?;
        fails_clearly(&ran, 2, &["Usage:"])
            .or_else(|_| fails_clearly(&ran, 2, &["--help"]))
            .with_context(|| format!("nslife {}", arguments.join(" ")))?;
    }
    Ok(())
}

/// Without capabilities nothing starts, and the message says which are missing.
pub(super) fn no_capability(world: &World) -> Result<()> {
    let verbs: [&[&str]; 3] = [
        &["list"],
        &["trace", "--duration", "1s"],
        &["daemon", "--web.listen-address", "127.0.0.1:0"],
    ];
    for arguments in verbs {
        let mut command = world.nslife.command(arguments);
        let ran = world.nslife.finish(command.uid(NOBODY).gid(NOBODY))?;
        fails_clearly(&ran, 1, &["CAP_BPF", "nslife doctor"])
            .and_then(|()| is_short(&ran))
            .with_context(|| format!("nslife {}", arguments.join(" ")))?;
    }
    let mut doctor = world.nslife.command(&["doctor", "--output", "json"]);
    let ran = world.nslife.finish(doctor.uid(NOBODY).gid(NOBODY))?;
    same("the status of doctor", Some(1), ran.code)?;
    keeps_its_inside_to_itself(&ran)?;
    world.nslife.remember("doctor", &ran.stdout);
    let report: Value = serde_json::from_str(&ran.stdout)?;
    same("whether it runs", Some(false), report["runs"].as_bool())?;
    let lacks_bpf = report["capabilities"]
        .as_array()
        .is_some_and(|capabilities| {
            capabilities.iter().any(|capability| {
                capability["name"] == "CAP_BPF" && capability["effective"] == false
            })
        });
    ensure!(
        lacks_bpf,
        "expected CAP_BPF not to be effective, saw {}",
        report["capabilities"]
    );
    Ok(())
}

/// A kernel that does not describe itself, as far as a process can tell.
pub(super) fn no_btf(world: &World) -> Result<()> {
    let puppet = Puppet::start("blind")?;
    puppet.unshare(&[NsKind::Mnt])?;
    puppet.keep_mounts()?;
    puppet.cover("/sys/kernel/btf")?;
    let program = world
        .nslife
        .program
        .to_str()
        .context("nslife's path is not text")?;
    for arguments in [&["list"][..], &["trace", "--duration", "1s"]] {
        let ran = puppet.run(&[&[program], arguments].concat())?;
        fails_clearly(&ran, 1, &["/sys/kernel/btf/vmlinux", "nslife doctor"])
            .and_then(|()| is_short(&ran))
            .with_context(|| format!("nslife {}", arguments.join(" ")))?;
    }
    let ran = puppet.run(&[program, "doctor", "--output", "json"])?;
    same("the status of doctor", Some(1), ran.code)?;
    keeps_its_inside_to_itself(&ran)?;
    world.nslife.remember("doctor", &ran.stdout);
    let report: Value = serde_json::from_str(&ran.stdout)?;
    ensure!(
        report["btf_problem"].is_string(),
        "expected a problem with BTF, saw {report}"
    );
    puppet.end()
}

/// Here all is well, and `nslife doctor` says so, both ways.
pub(super) fn doctor_runs(world: &World) -> Result<()> {
    let ran = world.nslife.run(&["doctor"])?;
    same("the status of doctor", Some(0), ran.code)?;
    ensure!(!ran.stdout.is_empty(), "doctor has nothing to say");
    keeps_its_inside_to_itself(&ran)?;
    let report: Value = serde_json::from_str(&world.nslife.document("doctor")?)?;
    same("whether it runs", Some(true), report["runs"].as_bool())?;
    let hooks = report["hooks"].as_array().context("no hooks")?;
    let missing: Vec<_> = hooks
        .iter()
        .filter(|hook| hook["state"] == "missing")
        .map(|hook| &hook["name"])
        .collect();
    ensure!(
        missing.is_empty(),
        "expected no missing hook, saw {missing:?}"
    );
    ensure!(!hooks.is_empty(), "expected hooks, saw none");
    Ok(())
}

/// A command that cannot be run.
pub(super) fn command_not_found(world: &World) -> Result<()> {
    for (name, code, message) in [
        ("no-such-command", 127, "no-such-command: command not found"),
        (
            "/no/such/command",
            127,
            "/no/such/command: command not found",
        ),
        ("/etc/passwd", 126, "/etc/passwd: cannot be executed"),
    ] {
        let ran = world.nslife.run(&["trace", "--", name])?;
        fails_clearly(&ran, code, &[message])?;
        is_short(&ran)?;
    }
    Ok(())
}

/// A trace of a command ends as the command did.
pub(super) fn command_status(world: &World) -> Result<()> {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137)] {
        let ran = world.nslife.run(&["trace", "--", "sh", "-c", script])?;
        fails_clearly(&ran, code, &[]).with_context(|| script)?;
    }
    Ok(())
}

/// A command gets nslife's standard input, output and error, and no other descriptor.
pub(super) fn command_inherits_no_fd(world: &World) -> Result<()> {
    // What the shell itself opens to read the folder, or to redirect, is closed when it tests.
    const SCRIPT: &str = "for fd in /proc/$$/fd/*; do [ -e $fd ] && echo ${fd##*/} >&2; done; :";
    let ran = world.nslife.run(&["trace", "--", "sh", "-c", SCRIPT])?;
    fails_clearly(&ran, 0, &[])?;
    // nslife has something to say there, too.
    let is_number = |line: &&str| line.parse::<u32>().is_ok();
    let seen: Vec<_> = ran.stderr.lines().filter(is_number).collect();
    same("the descriptors of a command", vec!["0", "1", "2"], seen)
}

/// Whoever reads a trace has seen enough.
pub(super) fn broken_pipe(world: &World) -> Result<()> {
    let errors = format!("{SCRATCH}/broken_pipe.stderr");
    let mut process = world
        .nslife
        .command(&["trace", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(File::create(&errors)?)
        .spawn()?;
    world.nslife.started(&process);
    let stdout = process.stdout.take().context("no standard output")?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        // From here on nobody reads.
        sender.send(read.map(|_| line))
    });
    let line = poll_until(PATIENCE, || {
        world.barrier()?;
        Ok(receiver.try_recv().ok())
    })?;
    let Some(line) = line else {
        process.kill()?;
        bail!("nslife trace shows nothing");
    };
    ensure!(
        line?.ends_with('\n'),
        "nslife trace ended before it showed anything"
    );
    if reader.join().is_err() {
        bail!("the reader panicked");
    }
    world.barrier()?;
    let code = end_of(&mut process, PATIENCE)?.code();
    let stderr = std::fs::read_to_string(&errors)?;
    let ran = Ran {
        code,
        stdout: String::new(),
        stderr,
    };
    fails_clearly(&ran, 0, &[])?;
    ensure!(
        !ran.stderr.to_lowercase().contains("broken pipe"),
        "expected silence, saw {ran}"
    );
    Ok(())
}
