//! What people get wrong, and what a system refuses: each has a clear message and a sensible
//! status, and none shows the inside of the program.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdout, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process},
};
use serde_json::Value;
use tracer_common::kind::NsKind;

use crate::{
    PATIENCE,
    expect::same,
    nslife::List,
    process::{end_of, poll_until},
    puppet::{Puppet, Ran},
    world::{SCRATCH, START, World},
};

/// A user without capabilities (`nobody`).
pub(super) const NOBODY: u32 = 65534;

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

/// What `nslife doctor --output json` says where nslife cannot run.
fn report_of_failure(world: &World, ran: &Ran) -> Result<Value> {
    same("the status of doctor", Some(1), ran.code)?;
    keeps_its_inside_to_itself(ran)?;
    world.nslife.remember("doctor", &ran.stdout);
    let report: Value = serde_json::from_str(&ran.stdout)?;
    let runs = report["runs"].as_bool();
    same("whether it runs", Some(false), runs)?;
    Ok(report)
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
    let report = report_of_failure(world, &ran)?;
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
    let program = world.nslife.path()?;
    for arguments in [&["list"][..], &["trace", "--duration", "1s"]] {
        let ran = puppet.run(&[&[program], arguments].concat())?;
        fails_clearly(&ran, 1, &["/sys/kernel/btf/vmlinux", "nslife doctor"])
            .and_then(|()| is_short(&ran))
            .with_context(|| format!("nslife {}", arguments.join(" ")))?;
    }
    let ran = puppet.run(&[program, "doctor", "--output", "json"])?;
    let report = report_of_failure(world, &ran)?;
    ensure!(
        report["btf_problem"].is_string(),
        "expected a problem with BTF, saw {report}"
    );
    puppet.end()
}

/// Root of a user namespace seems to have all capabilities, but the kernel refuses it BPF.
pub(super) fn bpf_refused(world: &World) -> Result<()> {
    let puppet = Puppet::start("refused")?;
    puppet.unshare(&[NsKind::User])?;
    puppet.map_root()?;
    let program = world.nslife.path()?;
    for arguments in [&["list"][..], &["trace", "--duration", "1s"]] {
        let ran = puppet.run(&[&[program], arguments].concat())?;
        fails_clearly(&ran, 1, &["not permitted", "nslife doctor"])
            .and_then(|()| is_short(&ran))
            .with_context(|| format!("nslife {}", arguments.join(" ")))?;
    }
    let ran = puppet.run(&[program, "doctor", "--output", "json"])?;
    let report = report_of_failure(world, &ran)?;
    ensure!(
        report["bpf_problem"].is_string(),
        "expected a problem with BPF, saw {report}"
    );
    puppet.end()
}

/// In a pid namespace nslife sees only the tasks that are there, and says so.
pub(super) fn inside_a_pid_namespace(world: &World) -> Result<()> {
    let puppet = Puppet::start("outside")?;
    puppet.unshare(&[NsKind::Pid])?;
    let inside = puppet.clone_into("inside", &[])?;
    let program = world.nslife.path()?;
    let ran = inside.run(&[program, "list", "--output", "json"])?;
    fails_clearly(&ran, 0, &[])?;
    world.nslife.remember("list", &ran.stdout);
    let list: List = serde_json::from_str(&ran.stdout)?;
    same("whether the list is complete", false, list.complete)?;
    let because = list.incomplete_because.join("; ");
    ensure!(
        because.contains("initial pid namespace"),
        "expected the pid namespace as a reason, saw {because}"
    );
    let ran = inside.run(&[program, "trace", "--", "true"])?;
    fails_clearly(&ran, 1, &["pid namespace"])?;
    is_short(&ran)?;
    inside.exit()?;
    puppet.reap_child(&inside)?;
    puppet.end()
}

/// Here all is well, and `nslife doctor` says so to people.
pub(super) fn doctor_talks(world: &World) -> Result<()> {
    let ran = world.nslife.run(&["doctor"])?;
    same("the status of doctor", Some(0), ran.code)?;
    ensure!(!ran.stdout.is_empty(), "doctor has nothing to say");
    keeps_its_inside_to_itself(&ran)
}

/// It says so to programs, and no hook is missing.
pub(super) fn doctor_runs(world: &World) -> Result<()> {
    let report = world.doctor()?;
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

/// A trace of a command ends as the command did. That of one that ends well is another scenario's.
pub(super) fn command_status(world: &World) -> Result<()> {
    for (script, code) in [("exit 7", 7), ("kill -KILL $$", 137)] {
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

/// A trace ends when it is told to, or when its time is up, and says how much it showed.
pub(super) fn trace_ends_on_request(world: &World) -> Result<()> {
    let ran = world.nslife.run(&["trace", "--duration", "1s"])?;
    fails_clearly(&ran, 0, &["shown, 0 lost"])?;

    let mut trace = Watched::start(world, "on_request")?;
    trace.first_line(world)?;
    kill_process(Pid::from_child(&trace.process), Signal::INT)?;
    let ran = trace.end()?;
    fails_clearly(&ran, 0, &["shown, "])
}

/// Whoever reads a trace has seen enough.
pub(super) fn broken_pipe(world: &World) -> Result<()> {
    let mut trace = Watched::start(world, "broken_pipe")?;
    trace.first_line(world)?;
    // Nobody reads from here on.
    trace.stdout = None;
    world.barrier()?;
    let ran = trace.end()?;
    fails_clearly(&ran, 0, &[])?;
    ensure!(
        !ran.stderr.to_lowercase().contains("broken pipe"),
        "expected silence, saw {ran}"
    );
    Ok(())
}

/// A trace of the whole system, besides the one that all scenarios share.
struct Watched {
    process: Child,
    stdout: Option<BufReader<ChildStdout>>,
    errors: String,
}

impl Watched {
    fn start(world: &World, name: &str) -> Result<Self> {
        let errors = format!("{SCRATCH}/{name}.stderr");
        let mut process = world
            .nslife
            .command(&["trace", "--output", "json"])
            .stdout(Stdio::piped())
            .stderr(File::create(&errors)?)
            .spawn()
            .context("cannot start nslife trace")?;
        world.nslife.started(&process);
        let stdout = process.stdout.take().map(BufReader::new);
        Ok(Self {
            process,
            stdout,
            errors,
        })
    }

    /// Makes something happen until it shows something.
    fn first_line(&mut self, world: &World) -> Result<()> {
        let stdout = self.stdout.as_mut().context("no standard output")?;
        let shown = poll_until(START, || {
            world.barrier()?;
            let mut fds = [PollFd::new(stdout.get_ref(), PollFlags::IN)];
            Ok((poll(&mut fds, Some(&Timespec::default()))? > 0).then_some(()))
        })?;
        shown.context("nslife trace shows nothing")?;
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "expected a line, saw {line:?}");
        Ok(())
    }

    /// Waits for its end, which must be near.
    fn end(&mut self) -> Result<Ran> {
        let code = end_of(&mut self.process, PATIENCE)?.code();
        Ok(Ran {
            code,
            stdout: String::new(),
            stderr: fs::read_to_string(&self.errors)?,
        })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
