//! The ends of tasks, in words.

use super::words::{Span, list, task};
use crate::model::{Actor, HandedOver, Reaped, TaskEnd};

/// The end of a task, said at this time (`CLOCK_BOOTTIME`).
pub(super) fn end(end: &TaskEnd, at: u64) -> String {
    match end {
        TaskEnd::Exited {
            task,
            dropped_at,
            children,
            more_children,
        } => exited(task, since(*dropped_at, at), children, *more_children),
        TaskEnd::Reaped { task: gone, reaped } => {
            let after = since(reaped.dropped_at, at).map(|span| format!(" after {span}"));
            format!("{}{} {}", task(gone), after.unwrap_or_default(), by(reaped))
        }
    }
}

fn since(start: Option<u64>, at: u64) -> Option<Span> {
    start.map(|start| Span(at.saturating_sub(start)))
}

fn exited(gone: &Actor, span: Option<Span>, children: &[HandedOver], more: u32) -> String {
    let given: Vec<_> = children
        .iter()
        .map(|given| format!("{} to {}", task(&given.child), task(&given.parent)))
        .collect();
    let handed = match given.len() {
        0 => "no child to hand over".into(),
        1 => "handed 1 child over".into(),
        count => format!("handed {count} children over"),
    };
    let mut text = format!("{} left its namespaces, {handed}", task(gone));
    if let Some(span) = span {
        text += &format!(" after {span}");
    }
    if let Some(given) = list(given) {
        text += &format!(": {given}");
    }
    if more > 0 {
        text += &format!(" (of {more} more children nothing is known)");
    }
    text
}

fn by(reaped: &Reaped) -> String {
    let mut text = match &reaped.by {
        Some(by) => format!("by {}", task(by)),
        None => "by itself: nobody waits for it".into(),
    };
    if let Some(original) = &reaped.original_parent {
        let whose = match &reaped.parent {
            Some(parent) if reaped.by.is_some_and(|by| by.tgid == parent.tgid) => {
                "whose it became when".into()
            }
            Some(parent) => format!("{}'s since", task(parent)),
            None => "handed over when".into(),
        };
        text += &format!(", {whose} {} exited", task(original));
    }
    text
}
