//! What a scenario is, and how one comes out.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::{kernel::Version, world::World};

/// How often a scenario is run again after a loss.
const MOST_LOSSES: usize = 2;

/// Something that is to be seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// Its name, in snake case.
    pub(crate) name: &'static str,
    /// Where it can be seen.
    pub(crate) on: On,
    /// Makes it happen and looks.
    pub(crate) run: Run,
}

/// What makes something happen and looks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// It passes, or it does not.
    Plain(fn(&World) -> Result<()>),
    /// There is something to remark if it passes.
    WithRemark(fn(&World) -> Result<String>),
}

impl Run {
    fn run(self, world: &World) -> Result<Option<String>> {
        match self {
            Self::Plain(run) => run(world).map(|()| None),
            Self::WithRemark(run) => run(world).map(Some),
        }
    }
}

/// The kernels on which a scenario applies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum On {
    /// All of them.
    AllKernels,
    /// This one and later ones: others lack something.
    Since(Version, &'static str),
    /// Whichever: it is about what nslife does by itself, which one kernel is enough for.
    Any,
}

/// How a scenario came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    name: String,
    /// In a word.
    pub(crate) status: Status,
    detail: String,
    seconds: f64,
}

/// How a scenario came out, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Passed,
    Failed,
    /// It could have been run, had everything been there.
    Skipped,
    /// There is nothing to see on this kernel.
    NotApplicable,
}

/// Why a scenario could not be run, though the kernel would have allowed it.
#[derive(Debug)]
pub(crate) struct CannotRun(pub(crate) String);

impl std::fmt::Display for CannotRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotRun {}

impl Scenario {
    /// Says that it is left to another kernel.
    pub(crate) fn leave(&self) -> Outcome {
        let because = "left to another kernel, on which it is the same";
        self.outcome(Status::NotApplicable, because.to_owned(), Duration::ZERO)
    }

    /// Runs it.
    pub(crate) fn run(&self, world: &World) -> Outcome {
        let start = Instant::now();
        let (status, detail) = match self.on {
            On::Since(version, lacking) if world.kernel < version => (
                Status::NotApplicable,
                format!("before {version}: {lacking}"),
            ),
            _ => self.attempt(world),
        };
        self.outcome(status, detail, start.elapsed())
    }

    /// Runs it, and runs it again if it failed while nslife said that it lost something: a loss may
    /// happen (two programs meet on one processor), as long as it is not kept quiet.
    fn attempt(&self, world: &World) -> (Status, String) {
        let mut remarks = Vec::new();
        loop {
            let losses = world.losses();
            let result = self.run.run(world);
            let lost = world.losses() != losses;
            match result {
                Ok(remark) => {
                    remarks.extend(remark);
                    return (Status::Passed, remarks.join("; "));
                }
                Err(error) if error.is::<CannotRun>() => {
                    return (Status::Skipped, format!("{error:#}"));
                }
                Err(error) if lost && remarks.len() < MOST_LOSSES => {
                    remarks.push(format!("not at once, for something was lost: {error:#}"));
                }
                Err(error) => {
                    remarks.push(format!("{error:#}"));
                    return (Status::Failed, remarks.join("; "));
                }
            }
        }
    }

    /// It failed before it was begun.
    pub(crate) fn fail(&self, because: String) -> Outcome {
        self.outcome(Status::Failed, because, Duration::ZERO)
    }

    fn outcome(&self, status: Status, detail: String, duration: Duration) -> Outcome {
        Outcome::new(self.name.to_owned(), status, detail, duration)
    }
}

impl Outcome {
    pub(crate) fn new(name: String, status: Status, detail: String, duration: Duration) -> Self {
        Self {
            name,
            status,
            detail,
            seconds: duration.as_secs_f64(),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = match self.status {
            Status::Passed => "ok",
            Status::Failed => "FAILED",
            Status::Skipped => "SKIPPED",
            Status::NotApplicable => "-",
        };
        let Self {
            name,
            detail,
            seconds,
            ..
        } = self;
        write!(f, "{status:7} {seconds:6.1} s  {name}")?;
        if !detail.is_empty() {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}
