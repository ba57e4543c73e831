//! Hooks that are taken away for a while: nothing counts what is missed, and an audit finds it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Deserialize;
use tracer_common::kind::NsKind::{Ipc, Net, User, Uts};

use crate::{expect::same, process::end_of, puppet::Puppet, scenario::CannotRun, world::World};

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

/// What the program answers.
#[derive(Debug, Deserialize)]
struct Answer {
    detached: usize,
    lost: u64,
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
    fn start(world: &World) -> Result<Self> {
        let nslife = std::path::Path::new(world.nslife.path()?);
        let program = nslife.with_file_name(PROGRAM);
        if !program.is_file() {
            return Err(CannotRun(format!("there is no {}", program.display())).into());
        }
        let mut process = Command::new(&program)
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
    let mut faults = Faults::start(world)?;
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
    same("lost", (0, 0), (back.lost, back.resyncs))?;

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
