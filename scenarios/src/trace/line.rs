//! What a line of the trace says, as far as scenarios look at it. That it is all as
//! `docs/schema/` has it is checked on the text.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

use super::namespace::{Namespace, Task};

/// A line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// As it was printed.
    pub(crate) text: String,
    /// What it says.
    pub(crate) what: What,
    /// What brought a step about.
    pub(crate) cause: Option<String>,
}

/// What a line can say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// A namespace took a step.
    Step(Step, Box<Namespace>, Option<Task>),
    /// A namespace could not be made.
    Failed(Failed),
    /// A namespace pulled its owners along. The step of each is a line of its own here, as if the
    /// trace had said so.
    Chain(Box<Namespace>, Vec<u64>),
    /// The init of a pid namespace is on its way out.
    Init(Box<Init>),
    /// A task changed its nsproxy.
    Switched(Task, Box<Switch>),
    /// An nsproxy is no more.
    NsproxyFreed(u64),
    /// So many network namespaces were cleaned up.
    NetCleanup(Box<NetCleanup>),
    /// The kernel broke a rule of its own.
    Violation(String),
    /// Something was lost, or put right after a loss.
    Trouble(String),
}

/// The steps in the life of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    Created,
    Activated,
    Deactivated,
    Resurrected,
    Destroyed,
    Freed,
}

/// A namespace that could not be made.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Failed {
    pub(crate) ns_type: String,
    pub(crate) error: String,
    pub(crate) actor: Option<Task>,
}

/// How far an init is on its way out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Init {
    pub(crate) event: String,
    pub(crate) namespace: Namespace,
    pub(crate) left: Option<u32>,
    pub(crate) took_seconds: Option<f64>,
    pub(crate) init: Option<Task>,
}

/// How a task changed its nsproxy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Switch {
    pub(crate) reason: String,
    pub(crate) from: Nsproxy,
    pub(crate) to: Option<Nsproxy>,
    pub(crate) changed: Vec<String>,
}

/// A round of cleaning up network namespaces.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct NetCleanup {
    pub(crate) namespaces: u32,
    pub(crate) queue_seconds: Option<f64>,
    pub(crate) unlist_seconds: Option<f64>,
    pub(crate) exits_seconds: Option<f64>,
    pub(crate) end_seconds: Option<f64>,
}

/// An nsproxy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Nsproxy {
    pub(crate) nsproxy: u64,
    pub(crate) count: u32,
    pub(crate) namespaces: BTreeMap<String, Option<u64>>,
}

impl Line {
    /// Takes a line apart, into several if it is about several steps.
    pub(crate) fn parse(text: &str) -> Result<Vec<Self>> {
        let parsed = Self::all(text)
            .with_context(|| format!("nslife trace said something else than its schema: {text}"))?;
        let line = |(what, cause)| Self {
            text: text.to_owned(),
            what,
            cause,
        };
        Ok(parsed.into_iter().map(line).collect())
    }

    fn all(text: &str) -> Result<Vec<(What, Option<String>)>> {
        #[derive(Deserialize)]
        struct OfNamespace {
            event: Step,
            namespace: Namespace,
            cause: Option<String>,
            actor: Option<Task>,
        }
        #[derive(Deserialize)]
        struct OfChain {
            namespace: Namespace,
            members: Vec<Member>,
        }
        #[derive(Deserialize)]
        struct Member {
            event: Step,
            namespace: Namespace,
            cause: String,
        }
        #[derive(Deserialize)]
        struct OfTask {
            #[serde(flatten)]
            task: Task,
            #[serde(flatten)]
            switch: Switch,
        }
        #[derive(Deserialize)]
        struct OfNsproxy {
            nsproxy: u64,
        }

        let value: Value = serde_json::from_str(text)?;
        let what = match value["event"].as_str().context("no event")? {
            "chain" => {
                let chain: OfChain = serde_json::from_value(value)?;
                let ids = chain.members.iter().map(|member| member.namespace.id);
                let itself = What::Chain(Box::new(chain.namespace), ids.collect());
                let step = |member: Member| {
                    let what = What::Step(member.event, Box::new(member.namespace), None);
                    (what, Some(member.cause))
                };
                let steps = chain.members.into_iter().map(step);
                return Ok(std::iter::once((itself, None)).chain(steps).collect());
            }
            "switched" => {
                let line: OfTask = serde_json::from_value(value)?;
                What::Switched(line.task, Box::new(line.switch))
            }
            "nsproxy_freed" => {
                What::NsproxyFreed(serde_json::from_value::<OfNsproxy>(value)?.nsproxy)
            }
            "create_failed" => What::Failed(serde_json::from_value(value)?),
            "net_cleanup" => What::NetCleanup(serde_json::from_value(value)?),
            "violation" => What::Violation(text.to_owned()),
            "init_dying" | "init_dead" => What::Init(serde_json::from_value(value)?),
            "lost" | "resync" => What::Trouble(text.to_owned()),
            _ => {
                let line: OfNamespace = serde_json::from_value(value)?;
                let what = What::Step(line.event, Box::new(line.namespace), line.actor);
                return Ok(vec![(what, line.cause)]);
            }
        };
        Ok(vec![(what, None)])
    }
}

/// Several lines for people: one after the other, without what does not matter.
pub(crate) fn brief<'a>(lines: impl IntoIterator<Item = &'a Line>) -> String {
    let lines: Vec<_> = lines
        .into_iter()
        .map(|line| match &line.cause {
            Some(cause) => format!("{} ({cause})", line.what),
            None => line.what.to_string(),
        })
        .collect();
    if lines.is_empty() {
        return "nothing".to_owned();
    }
    lines.join("; ")
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step, ns, actor) => {
                write!(f, "{step} {ns}")?;
                match actor {
                    Some(actor) => write!(f, " by {actor}"),
                    None => Ok(()),
                }
            }
            Self::Switched(task, switch) => {
                let Switch {
                    reason,
                    from,
                    to,
                    changed,
                } = switch.as_ref();
                write!(f, "{task} {reason} from {from}")?;
                if let Some(to) = to {
                    write!(f, " to {to}, changed {}", changed.join("+"))?;
                }
                Ok(())
            }
            Self::Failed(failed) => write!(f, "{} failed: {}", failed.ns_type, failed.error),
            Self::Chain(ns, members) => write!(f, "{ns} pulled along {members:?}"),
            Self::Init(init) => write!(f, "{} of {}", init.event, init.namespace),
            Self::NsproxyFreed(nsproxy) => write!(f, "nsproxy {nsproxy} freed"),
            Self::NetCleanup(round) => write!(f, "cleaned up {}", round.namespaces),
            Self::Trouble(text) | Self::Violation(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Activated => "activated",
            Self::Deactivated => "deactivated",
            Self::Resurrected => "resurrected",
            Self::Destroyed => "destroyed",
            Self::Freed => "freed",
        })
    }
}

impl fmt::Display for Nsproxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nsproxy {} ×{}", self.nsproxy, self.count)
    }
}
