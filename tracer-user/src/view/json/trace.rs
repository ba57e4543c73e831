//! The lines of a trace (`docs/schema/trace.schema.json`).

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use tracer_common::{event::Cause, kind::Slot};

use super::{
    NamespaceJson, SCHEMA, TaskJson, namespace, task,
    task::{EndJson, end},
};
use crate::{
    engine,
    model::{Lifecycle, Nsproxy, Transition, What},
    view::{
        clock::{Clock, rfc3339, seconds},
        filter::EventName,
        switch::changed,
    },
};

/// One line.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Record {
    schema: u32,
    ts: String,
    event: &'static str,
    #[serde(flatten)]
    body: Body,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
enum Body {
    Namespace {
        namespace: NamespaceJson,
        cause: Option<&'static str>,
        actor: Option<TaskJson>,
        creation_seconds: Option<f64>,
        teardown_seconds: Option<f64>,
    },
    Failed {
        ns_type: &'static str,
        error: String,
        actor: Option<TaskJson>,
    },
    Chain {
        namespace: NamespaceJson,
        actor: Option<TaskJson>,
        members: Vec<MemberJson>,
    },
    Init {
        namespace: NamespaceJson,
        left: Option<u32>,
        took_seconds: Option<f64>,
        init: Option<TaskJson>,
    },
    Switched {
        #[serde(flatten)]
        task: TaskJson,
        reason: &'static str,
        from: NsproxyJson,
        to: Option<NsproxyJson>,
        changed: Vec<&'static str>,
    },
    NsproxyFreed {
        nsproxy: u64,
        namespaces: Slots,
    },
    NetCleanup {
        namespaces: u32,
        queue_seconds: Option<f64>,
        unlist_seconds: Option<f64>,
        exits_seconds: Option<f64>,
        end_seconds: Option<f64>,
    },
    Violation {
        rule: &'static str,
        task: Option<TaskJson>,
        nsproxy: Option<NsproxyJson>,
        namespace: Option<NamespaceJson>,
        counts: CountsJson,
    },
    TaskEnd(EndJson),
    Notice(Notice),
}

/// Counts with their sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
struct CountsJson {
    holders: Option<i32>,
    references: Option<i32>,
    active: Option<i32>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct MemberJson {
    event: &'static str,
    cause: &'static str,
    namespace: NamespaceJson,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct NsproxyJson {
    nsproxy: u64,
    count: u32,
    namespaces: Slots,
}

/// The ids in an nsproxy by the slot's name, null where there is none or it
/// is not known.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Slots([Option<u64>; Slot::COUNT]);

impl Serialize for Slots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Slot::COUNT))?;
        for slot in Slot::ALL {
            map.serialize_entry(slot.name(), &self.0[slot as usize])?;
        }
        map.end()
    }
}

/// What is not a transition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Notice {
    /// Records were lost.
    Lost {
        /// Which counter moved.
        cause: &'static str,
        /// By how much.
        count: u64,
    },
    /// The picture was renewed.
    Resync {
        /// What that corrected.
        corrections: u64,
    },
}

/// The line of a transition.
pub fn transition(transition: &Transition, clock: &Clock) -> Record {
    let body = match &transition.what {
        What::Namespace {
            step,
            ns,
            cause,
            actor,
            took,
        } => Body::Namespace {
            namespace: namespace(ns, clock),
            cause: cause.map(Cause::name),
            actor: actor.as_ref().map(task),
            creation_seconds: took.filter(|_| *step == Lifecycle::Created).map(seconds),
            teardown_seconds: took.filter(|_| *step == Lifecycle::Freed).map(seconds),
        },
        What::Failed(failure) => Body::Failed {
            ns_type: failure.kind.name(),
            error: failure.errno.to_string(),
            actor: failure.actor.as_ref().map(task),
        },
        What::Chain(chain) => Body::Chain {
            namespace: namespace(&chain.namespace, clock),
            actor: chain.actor.as_ref().map(task),
            members: chain
                .links
                .iter()
                .map(|link| MemberJson {
                    event: link.step.name(),
                    cause: link.cause.name(),
                    namespace: namespace(&link.ns, clock),
                })
                .collect(),
        },
        What::Init {
            ns,
            left,
            took,
            actor,
            ..
        } => Body::Init {
            namespace: namespace(ns, clock),
            left: *left,
            took_seconds: took.map(seconds),
            init: actor.as_ref().map(task),
        },
        What::Switched(switch) => Body::Switched {
            task: task(&switch.task),
            reason: switch.reason.name(),
            from: nsproxy(&switch.from),
            to: switch.to.as_ref().map(nsproxy),
            changed: switch
                .to
                .iter()
                .flat_map(|to| changed(&switch.from, to))
                .map(Slot::name)
                .collect(),
        },
        What::NsproxyFreed(freed) => Body::NsproxyFreed {
            nsproxy: freed.id.0,
            namespaces: slots(freed),
        },
        What::NetCleanup(cleanup) => Body::NetCleanup {
            namespaces: cleanup.namespaces,
            queue_seconds: cleanup.waits.iter().max().copied().map(seconds),
            unlist_seconds: cleanup.unlist.map(seconds),
            exits_seconds: cleanup.exits.map(seconds),
            end_seconds: cleanup.end.map(seconds),
        },
        What::Violation(violation) => Body::Violation {
            rule: violation.rule.name(),
            task: violation.task.as_ref().map(task),
            nsproxy: violation.nsproxy.as_ref().map(nsproxy),
            namespace: violation.namespace.as_ref().map(|ns| namespace(ns, clock)),
            counts: CountsJson {
                holders: violation.counts.nsproxy,
                references: violation.counts.refs,
                active: violation.counts.active,
            },
        },
        What::TaskEnd(ended) => Body::TaskEnd(end(ended, transition.at, clock)),
    };
    Record {
        schema: SCHEMA,
        ts: rfc3339(clock.wall(transition.at)),
        event: EventName::of(transition).name(),
        body,
    }
}

/// The line of a notice.
pub fn notice(notice: &engine::Notice, at: Timestamp) -> Record {
    let event = EventName::of_notice(notice);
    let notice = match *notice {
        engine::Notice::Lost { cause, count } => Notice::Lost {
            cause: cause.name(),
            count,
        },
        engine::Notice::Resync { corrections } => Notice::Resync { corrections },
    };
    Record {
        schema: SCHEMA,
        ts: rfc3339(at),
        event: event.name(),
        body: Body::Notice(notice),
    }
}

fn nsproxy(nsproxy: &Nsproxy) -> NsproxyJson {
    NsproxyJson {
        nsproxy: nsproxy.id.0,
        count: nsproxy.count,
        namespaces: slots(nsproxy),
    }
}

fn slots(nsproxy: &Nsproxy) -> Slots {
    Slots(nsproxy.namespaces.map(|id| id.map(|id| id.0)))
}
