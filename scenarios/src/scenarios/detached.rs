//! Faults that somebody has to make: hooks that are taken away for a while, of which nothing counts
//! what is missed, and an audit finds it; memory that cannot be read, which is counted.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Deserialize;
use tracer_common::kind::NsKind::{Ipc, Net, User, Uts};

use crate::{
    expect::same,
    process::{end_of, poll_until},
    puppet::Puppet,
    scenario::CannotRun,
    world::World,
};

/// The program that can do that, beside nslife.
const PROGRAM: &str = "nslife-faults";

/// How long it may take to start, or to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// All that says that a namespace comes, goes, or is in use.
const HOOKS: &str = "ns_ nsproxy_ active_ cred_ pid_ nsfs_";

/// How often an audit may find something before the picture is right, and how long to wait between
/// two: what was freed without being seen is taken for gone when walks have found it unused for ten
/// seconds.
const AUDITS: usize = 4;
const BETWEEN: Duration = Duration::from_secs(11);

/// Until the walk for a loss: the counters are looked at once a second. Emulated kernels are slow.
const SOON: Duration = Duration::from_secs(2);

/// How long walks are counted.
const A_WHILE: Duration = Duration::from_secs(5);

/// What the program answers.
#[derive(Debug, Deserialize)]
struct Answer {
    detached: usize,
    lost: BTreeMap<String, u64>,
    resyncs: u64,
    corrections: u64,
    drift: Vec<String>,
    creds: u64,
}

struct Faults {
    process: Child,
    /// `None` once nothing more is to come.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Faults {
    fn start(world: &World, flags: &[&str]) -> Result<Self> {
        let nslife = std::path::Path::new(world.nslife.path()?);
        let program = nslife.with_file_name(PROGRAM);
        if !program.is_file() {
            return Err(CannotRun(format!("there is no {}", program.display())).into());
        }
        let mut process = Command::new(&program)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        world.nslife.started(&process);
        let answers = process.stdout.take().context("its output is piped")?;
        let mut faults = Self {
            orders: process.stdin.take(),
            process,
            answers: BufReader::new(answers),
        };
        faults.answer().context("it does not start")?;
        Ok(faults)
    }

    /// Gives an order, and waits for the answer. Whatever else it did not hear of in time it has
    /// heard of by then.
    fn tell(&mut self, order: &str) -> Result<Answer> {
        let orders = self.orders.as_mut().context("it takes no more orders")?;
        writeln!(orders, "{order}")?;
        self.answer().with_context(|| order.to_owned())
    }

    fn answer(&mut self) -> Result<Answer> {
        let timeout = Timespec::try_from(PATIENCE)?;
        let mut files = [PollFd::new(self.answers.get_ref(), PollFlags::IN)];
        if poll(&mut files, Some(&timeout))? == 0 {
            bail!("no answer after {} s", PATIENCE.as_secs());
        }
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("{PROGRAM} says {line:?}"))
    }

    /// Has it audit until nothing is found. Returns what was.
    fn audit(&mut self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for _ in 0..AUDITS {
            let answer = self.tell("audit")?;
            let corrections = self.tell("walk")?.corrections;
            if answer.drift.is_empty() && answer.creds == 0 && corrections == 0 {
                return Ok(found);
            }
            found.extend(answer.drift);
            found.extend((answer.creds > 0).then(|| format!("credentials of {}", answer.creds)));
            thread::sleep(BETWEEN);
        }
        bail!("there is no end to what audits find: {found:?}")
    }

    /// Says that nothing more is to come, and waits for its end.
    fn end(mut self) -> Result<()> {
        self.orders = None;
        let status = end_of(&mut self.process, PATIENCE)?;
        ensure!(status.success(), "{PROGRAM} ended with {status}");
        Ok(())
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// While its hooks are detached nslife misses the end of one namespace and the beginning of another,
/// and does not know that it does. An audit finds out, and puts it right.
pub(super) fn hooks_are_detached_for_a_while(world: &World) -> Result<String> {
    world.retire()?;
    let mut faults = Faults::start(world, &[])?;
    let leaver = Puppet::start("leaver")?;
    leaver.unshare(&[User, Uts, Net])?;
    let switcher = Puppet::start("switcher")?;
    switcher.unshare(&[Ipc])?;
    same("found before", Vec::<String>::new(), faults.audit()?)?;

    let detached = faults.tell(&format!("detach {HOOKS}"))?.detached;
    ensure!(detached > 5, "only {detached} hooks are detached");
    leaver.end()?;
    switcher.unshare(&[Ipc])?;
    let comer = Puppet::start("comer")?;
    comer.unshare(&[User, Net])?;
    let back = faults.tell("attach")?;
    same("detached", 0, back.detached)?;
    same("lost", (BTreeMap::new(), 0), (back.lost, back.resyncs))?;

    let found = faults.audit()?;
    for (what, kind) in [
        ("the end of one", "uts"),
        ("the beginning of another", "net"),
    ] {
        ensure!(
            found.iter().any(|drift| drift.starts_with(kind)),
            "the audit has not found {what}: {found:?}"
        );
    }
    // From then on all is seen again.
    comer.end()?;
    switcher.end()?;
    let after = faults.audit()?;
    same("found after", Vec::<String>::new(), after)?;
    faults.end()?;
    Ok(format!("{detached} hooks; {} differences", found.len()))
}

/// Kernel memory that cannot be read is a loss of its own kind, and answered by a walk within about a
/// second. Here walks meet with it, too; they go on, but leave time for others, and what was read of
/// the rest is right.
pub(super) fn reads_that_fail(world: &World) -> Result<String> {
    world.retire()?;
    let mut faults = Faults::start(world, &["--unreadable"])?;
    let start = Instant::now();
    let answered = poll_until(PATIENCE, || {
        let now = faults.tell("look")?;
        Ok((now.resyncs > 0).then_some((now, start.elapsed())))
    })?;
    let (answer, took) = answered.context("no walk because of that")?;
    let causes: Vec<_> = answer.lost.keys().map(String::as_str).collect();
    same("causes of losses", vec!["read_failed"], causes)?;
    ensure!(took < SOON, "the walk came after {took:?}");

    let puppet = Puppet::start("comer")?;
    puppet.unshare(&[User, Net])?;
    let before = faults.tell("look")?.resyncs;
    let start = Instant::now();
    thread::sleep(A_WHILE);
    let walks = faults.tell("look")?.resyncs - before;
    let most = start.elapsed().as_secs() + 1;
    ensure!(walks <= most, "{walks} walks in {:?}", start.elapsed());
    let mistakes = faults.tell("audit")?;
    same("drift", Vec::<String>::new(), mistakes.drift)?;
    same("credentials put right", 0, mistakes.creds)?;
    puppet.end()?;
    faults.end()?;
    Ok(format!(
        "a walk after {} ms; {walks} in {} s",
        took.as_millis(),
        A_WHILE.as_secs()
    ))
}
