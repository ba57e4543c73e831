//! The lines of a trace.

use std::{collections::BTreeSet, fmt};

use jiff::{Timestamp, tz::TimeZone};
use tracer_common::{
    event::Cause,
    kind::{NsKind, Slot},
};

use super::{
    ends,
    style::{self, Palette},
    words::{self, Span, held_by, list, task},
};
use crate::{
    engine::Notice,
    model::{
        Actor, Chain, Failure, InitStep, Lifecycle, Namespace, NetCleanup, NsId, Nsproxy, Switch,
        Transition, Violation, What,
    },
    view::{
        clock::Clock,
        filter::EventName,
        switch::{changed, holds},
    },
};

/// How to write the lines of a trace.
#[derive(Clone, Debug)]
pub struct TraceText {
    /// Colours.
    pub palette: Palette,
    /// The time zone to show times in.
    pub zone: TimeZone,
    /// The initial namespaces: that a task was in them goes without saying.
    pub initial: BTreeSet<NsId>,
}

/// One line, in columns.
struct Row<'a> {
    palette: Palette,
    time: &'a str,
    event: &'a str,
    event_style: anstyle::Style,
    ns_type: &'a str,
    inum: &'a str,
    id: &'a str,
    what: &'a str,
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = format!("{:<13}", self.event);
        let line = format!(
            "{:<15}  {}  {:<6}  {:>10}  {:>6}  {}",
            self.time,
            self.palette.paint(self.event_style, event),
            self.ns_type,
            self.inum,
            self.id,
            self.what
        );
        f.write_str(line.trim_end())
    }
}

/// What stands in a column that an event has nothing for.
const NOTHING: &str = "-";

impl TraceText {
    /// The names of the columns.
    pub fn header(&self) -> String {
        let row = Row {
            palette: Palette::PLAIN,
            time: "TIME",
            event: "EVENT",
            event_style: anstyle::Style::new(),
            ns_type: "TYPE",
            inum: "INUM",
            id: "ID",
            what: "WHAT",
        };
        self.palette.paint(style::HEADING, row).to_string()
    }

    /// The line of a transition.
    pub fn transition(&self, transition: &Transition, clock: &Clock) -> String {
        let name = EventName::of(transition);
        let at = clock.wall(transition.at);
        match &transition.what {
            What::Namespace {
                step,
                ns,
                cause,
                actor,
                took,
            } => {
                // That of a destruction says what the step does.
                let cause = cause.filter(|cause| *cause != Cause::ReferenceDropped);
                let why = cause.map(|cause| words::cause(cause).into());
                let parts = step_of(*step, ns, actor.as_ref(), transition.at);
                let took = took.map(|took| match step {
                    Lifecycle::Created => format!("made in {}", Span(took)),
                    _ => format!("{} after the last reference", Span(took)),
                });
                let what = list(why.into_iter().chain(parts).chain(took)).unwrap_or_default();
                self.row(name, at, Some(ns), &what)
            }
            What::Failed(failure) => self.failure(name, at, failure),
            What::Chain(chain) => self.chain(chain, at, transition.at),
            What::Init {
                step,
                ns,
                left,
                took,
                actor,
            } => {
                let parts = match step {
                    InitStep::Dying => left.map(|left| format!("{left} left")),
                    InitStep::Dead => took.map(|took| format!("nobody left after {}", Span(took))),
                };
                let actor = actor
                    .as_ref()
                    .map(|actor| format!("its init {}", task(actor)));
                let what = list(parts.into_iter().chain(actor)).unwrap_or_default();
                self.row(name, at, Some(ns), &what)
            }
            What::Switched(switch) => self.row(name, at, None, &self.switch(switch)),
            What::NsproxyFreed(nsproxy) => {
                let what = format!("nsproxy {}: {}", nsproxy.id.0, self.contents(nsproxy));
                self.row(name, at, None, &what)
            }
            What::NetCleanup(cleanup) => self.row(name, at, None, &cleaned(cleanup)),
            What::Violation(violation) => {
                let what = self.violation(violation);
                self.row(name, at, violation.namespace.as_ref(), &what)
            }
            What::TaskEnd(end) => self.row(name, at, None, &ends::end(end, transition.at)),
        }
    }

    /// The line of a notice.
    pub fn notice(&self, notice: &Notice, at: Timestamp) -> String {
        match notice {
            Notice::Lost { cause, count } => self.row(
                EventName::Lost,
                at,
                None,
                &format!("{count} by {}", cause.name()),
            ),
            Notice::Resync { corrections } => self.row(
                EventName::Resync,
                at,
                None,
                &format!("walked again, corrections: {corrections}"),
            ),
        }
    }

    fn row(&self, name: EventName, at: Timestamp, ns: Option<&Namespace>, what: &str) -> String {
        self.row_of(name, at, ns.map(|ns| ns.kind), ns, what)
    }

    fn row_of(
        &self,
        name: EventName,
        at: Timestamp,
        kind: Option<NsKind>,
        ns: Option<&Namespace>,
        what: &str,
    ) -> String {
        let time = at.to_zoned(self.zone.clone()).strftime("%H:%M:%S%.6f");
        let number = |number: Option<u64>| number.map_or(NOTHING.into(), |n| n.to_string());
        Row {
            palette: self.palette,
            time: &time.to_string(),
            event: name.name(),
            event_style: style::event(name),
            ns_type: kind.map_or(NOTHING, NsKind::name),
            inum: &number(ns.map(|ns| ns.inum.into())),
            id: &number(ns.map(|ns| ns.id.0)),
            what,
        }
        .to_string()
    }

    /// A namespace that there is not.
    fn failure(&self, name: EventName, at: Timestamp, failure: &Failure) -> String {
        let why = match failure.errno.meaning() {
            Some(meaning) => format!("{}: {meaning}", failure.errno),
            None => failure.errno.to_string(),
        };
        let actor = failure.actor.as_ref();
        let actor = actor.map(|actor| format!("wanted by {}", task(actor)));
        let what = list(std::iter::once(why).chain(actor)).unwrap_or_default();
        self.row_of(name, at, Some(failure.kind), None, &what)
    }

    /// A line for each owner that was pulled along, each below the one that
    /// pulled it.
    fn chain(&self, chain: &Chain, at: Timestamp, time: u64) -> String {
        let mut below = &chain.namespace;
        let mut lines = Vec::with_capacity(chain.links.len());
        for (depth, link) in chain.links.iter().enumerate() {
            let what = format!(
                "{:indent$}└ with {} {}",
                "",
                below.kind.name(),
                below.inum,
                indent = 2 * depth
            );
            let step = step_of(link.step, &link.ns, None, time);
            let what = list(std::iter::once(what).chain(step)).unwrap_or_default();
            lines.push(self.row(EventName::Namespace(link.step), at, Some(&link.ns), &what));
            below = &link.ns;
        }
        lines.join("\n")
    }

    fn switch(&self, switch: &Switch) -> String {
        let task = task(&switch.task);
        let reason = switch.reason.name();
        let Some(to) = &switch.to else {
            let last = if switch.from.count <= 1 {
                " (the last in it)"
            } else {
                ""
            };
            return format!(
                "{task} {reason}: left {}{last}",
                self.contents(&switch.from)
            );
        };
        let moves = changed(&switch.from, to).map(|slot| {
            format!(
                "{} {}→{}",
                slot.name(),
                inum(&switch.from, slot),
                inum(to, slot)
            )
        });
        let moves = list(moves).unwrap_or_else(|| "the same namespaces".into());
        format!("{task} {reason}: {moves}")
    }

    /// Which rule was broken, and the evidence.
    fn violation(&self, violation: &Violation) -> String {
        let counts = [
            ("active", violation.counts.active),
            ("references", violation.counts.refs),
            ("holders", violation.counts.nsproxy),
        ];
        let counts = counts
            .into_iter()
            .filter_map(|(name, count)| Some(format!("{name} {}", count?)));
        let nsproxy = violation
            .nsproxy
            .as_ref()
            .map(|nsproxy| format!("nsproxy {}: {}", nsproxy.id.0, self.contents(nsproxy)));
        let evidence = violation.task.as_ref().map(task).into_iter().chain(counts);
        let what = list(evidence.chain(nsproxy));
        let rule = violation.rule.name();
        what.map_or_else(|| rule.to_owned(), |what| format!("{rule}: {what}"))
    }

    /// What is in an nsproxy, without the initial namespaces.
    fn contents(&self, nsproxy: &Nsproxy) -> String {
        let named = holds(nsproxy, &self.initial)
            .map(|slot| format!("{} {}", slot.name(), inum(nsproxy, slot)));
        list(named).unwrap_or_else(|| "initial namespaces only".into())
    }
}

fn inum(nsproxy: &Nsproxy, slot: Slot) -> String {
    nsproxy.inums[slot as usize].map_or(NOTHING.into(), |inum| inum.to_string())
}

/// A round of cleaning up network namespaces, in words.
fn cleaned(cleanup: &NetCleanup) -> String {
    let count = match cleanup.namespaces {
        1 => "1 network namespace".into(),
        count => format!("{count} network namespaces"),
    };
    let stages = [
        ("waited up to", cleanup.waits.iter().max().copied()),
        ("unlisting", cleanup.unlist),
        ("exits", cleanup.exits),
        ("end", cleanup.end),
    ];
    let stages = stages
        .into_iter()
        .filter_map(|(name, took)| Some(format!("{name} {}", Span(took?))));
    list(std::iter::once(count).chain(stages)).unwrap_or_default()
}

/// A step in the life of a namespace, in words.
fn step_of(step: Lifecycle, ns: &Namespace, actor: Option<&Actor>, at: u64) -> Option<String> {
    let since = |start: Option<u64>| start.map(|start| Span(at.saturating_sub(start)));
    let mut parts: Vec<Option<String>> = match step {
        Lifecycle::Created => vec![
            ns.owner.map(|owner| format!("owner {}", owner.0)),
            ns.level.map(|level| format!("level {level}")),
            ns.owner_uid.map(|uid| format!("uid {uid}")),
        ],
        Lifecycle::Activated | Lifecycle::Resurrected => {
            vec![held_by(&ns.because).map(|holders| format!("held by {holders}"))]
        }
        Lifecycle::Deactivated => {
            // Unless the count was read then it says nothing about then.
            let refs = ns.counts.refs.filter(|_| ns.counts.at == at);
            vec![refs.map(|refs| format!("references left: {refs}"))]
        }
        Lifecycle::Destroyed => vec![
            since(ns.created_at).map(|age| format!("after {age}")),
            (!ns.was_active).then(|| "never active".into()),
        ],
        Lifecycle::Freed => Vec::new(),
    };
    parts.push(actor.map(|actor| format!("by {}", task(actor))));
    list(parts.into_iter().flatten())
}
