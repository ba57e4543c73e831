//! `nslife trace --event exited,reaped`: the ends of tasks, as such a trace tells them.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use serde::Deserialize;

use super::Task;
use crate::{
    PATIENCE,
    nslife::Nslife,
    process::{end_of, poll_until, terminate},
    puppet::Puppet,
    world::World,
};

/// How long it may take until the trace sees something.
const START: Duration = Duration::from_secs(120);

/// The end of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Exited(Exited),
    Reaped(Reaped),
}

/// It left its namespaces and handed its children over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Exited {
    #[serde(flatten)]
    pub(crate) task: Task,
    pub(crate) nsproxy_dropped_at: Option<Timestamp>,
    pub(crate) handed_over_at: Timestamp,
    pub(crate) children: Vec<HandedOver>,
    pub(crate) children_more: u32,
}

/// A child, and whose it is now.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct HandedOver {
    #[serde(flatten)]
    pub(crate) task: Task,
    pub(crate) parent: Task,
}

/// It was reaped.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Reaped {
    pub(crate) ts: Timestamp,
    #[serde(flatten)]
    pub(crate) task: Task,
    pub(crate) by: Option<Task>,
    pub(crate) itself: bool,
    pub(crate) parent: Option<Task>,
    pub(crate) original_parent: Option<Task>,
    pub(crate) nsproxy_dropped_at: Option<Timestamp>,
}

impl End {
    /// Whose end it is.
    pub(crate) fn task(&self) -> &Task {
        match self {
            Self::Exited(exited) => &exited.task,
            Self::Reaped(reaped) => &reaped.task,
        }
    }

    /// Takes a line apart.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Event {
            event: String,
        }
        let Event { event } = serde_json::from_str(line)?;
        let end = match event.as_str() {
            "exited" => serde_json::from_str(line).map(Self::Exited),
            "reaped" => serde_json::from_str(line).map(Self::Reaped),
            other => bail!("{other} was not asked for"),
        };
        end.with_context(|| format!("nslife trace said something else than its schema: {line}"))
    }
}

/// A trace of the whole system that tells the ends of tasks, and nothing else.
#[derive(Debug)]
pub(crate) struct Ends {
    process: Child,
    output: PathBuf,
}

impl Ends {
    /// Starts one, and waits until it sees something.
    pub(crate) fn watch(world: &World) -> Result<Self> {
        let output = world.results.join("ends.jsonl");
        let file = |path: &PathBuf| {
            File::create(path).with_context(|| format!("cannot create {}", path.display()))
        };
        let mut command = world.nslife.command(&["trace", "--output", "json"]);
        let process = command
            .args(["--event", "exited,reaped"])
            .stdout(Stdio::from(file(&output)?))
            .stderr(Stdio::from(file(&output.with_extension("stderr"))?))
            .spawn()
            .context("cannot start nslife trace")?;
        world.nslife.started(&process);
        let ends = Self { process, output };
        let sees = poll_until(START, || {
            let canary = Puppet::start("canary")?;
            let task = canary.task();
            canary.end()?;
            let seen = ends.of(&task)?;
            Ok((seen.len() == 2).then_some(()))
        })?;
        sees.context("nslife trace shows no end of a task")?;
        Ok(ends)
    }

    /// The process of nslife.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits for the exit and the reaping of a task, which have to come in this order.
    pub(crate) fn whole(&self, task: &Task) -> Result<(Exited, Reaped)> {
        let seen = poll_until(PATIENCE, || {
            let seen = self.of(task)?;
            Ok((seen.len() >= 2).then_some(seen))
        })?;
        let seen = match seen {
            Some(seen) => seen,
            None => self.of(task)?,
        };
        match &seen[..] {
            [End::Exited(exited), End::Reaped(reaped)] => Ok((exited.clone(), reaped.clone())),
            _ => bail!("expected that {task} exits and is reaped, saw {seen:?}"),
        }
    }

    /// What it has said of a task.
    pub(crate) fn of(&self, task: &Task) -> Result<Vec<End>> {
        let mut ends = self.all()?;
        ends.retain(|end| end.task().pid == task.pid && end.task().comm == task.comm);
        Ok(ends)
    }

    fn all(&self) -> Result<Vec<End>> {
        let text = fs::read_to_string(&self.output)?;
        // The last line may not be whole yet.
        let lines = text.split_inclusive('\n');
        let whole = lines.filter(|line| line.ends_with('\n'));
        whole.map(End::parse).collect()
    }

    /// Ends it, and keeps what it said for the schema.
    pub(crate) fn close(mut self, nslife: &Nslife) -> Result<()> {
        terminate(&self.process)?;
        let status = end_of(&mut self.process, PATIENCE)?;
        ensure!(status.success(), "nslife trace ended with {status}");
        for line in fs::read_to_string(&self.output)?.lines() {
            nslife.remember("trace", line);
        }
        Ok(())
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        // It has ended already, unless the scenario failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
