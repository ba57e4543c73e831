//! Phrases that several texts share.

use std::fmt;

use tracer_common::event::Cause;

use crate::{
    model::{Actor, Contributors, Namespace, People, Person, Reaper, State},
    view::escape::Shown,
};

/// A length of time, nanoseconds, in the unit that suits it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        let seconds = self.0 / 1_000_000_000;
        match seconds {
            0 if self.0 < 1_000_000 => write!(f, "{} µs", self.0 / 1_000),
            0 => write!(f, "{:.1} ms", self.0 as f64 / 1e6),
            s if s < MINUTE => write!(f, "{:.1} s", self.0 as f64 / 1e9),
            s if s < HOUR => write!(f, "{} min {} s", s / MINUTE, s % MINUTE),
            s if s < DAY => write!(f, "{} h {} min", s / HOUR, s % HOUR / MINUTE),
            s => write!(f, "{} d {} h", s / DAY, s % DAY / HOUR),
        }
    }
}

/// A task as `comm[pid]`.
pub fn task(actor: &Actor) -> String {
    format!("{}[{}]", Shown(&actor.comm), actor.pid)
}

/// Items joined by commas; `None` if there are none.
pub fn list(items: impl IntoIterator<Item = String>) -> Option<String> {
    items
        .into_iter()
        .reduce(|list, item| format!("{list}, {item}"))
}

/// What keeps a namespace active; `None` if nothing is known to.
pub fn held_by(because: &Contributors) -> Option<String> {
    let some = |count: u32, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    };
    list(
        [
            some(because.nsproxies, "nsproxy", "nsproxies"),
            some(because.creds, "task's credentials", "tasks' credentials"),
            some(because.pids, "pid", "pids"),
            some(because.nsfs, "file or mount", "files or mounts"),
            some(because.owned, "owned namespace", "owned namespaces"),
        ]
        .into_iter()
        .flatten(),
    )
}

/// What made a namespace active or inactive, or destroyed it.
pub const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::NsproxyInstalled => "nsproxy installed",
        Cause::NsproxyDropped => "nsproxy dropped",
        Cause::CredTaken => "credentials taken by a new task",
        Cause::CredChanged => "credentials changed",
        Cause::CredReaped => "credentials reaped",
        Cause::ForkFailed => "fork failed",
        Cause::PidAllocated => "pid allocated",
        Cause::PidFreed => "pid freed",
        Cause::NsfsOpened => "file or mount opened",
        Cause::NsfsClosed => "file or mount closed",
        Cause::OwnedCame => "owned namespace came",
        Cause::OwnedWent => "owned namespace went",
        Cause::ReferenceDropped => "last reference dropped",
    }
}

/// A task with the letter that `ps` shows, and what it waits for.
fn person(person: &Person) -> String {
    let state = person.state.letter();
    match &person.waits_for {
        Some(other) => format!("{} {state} waiting for {}", task(&person.task), task(other)),
        None => format!("{} {state}", task(&person.task)),
    }
}

/// Tasks that are named in a line of a table.
const NAMED: usize = 4;

/// Some tasks by name, and how many more there are.
fn persons(named: &[Person], count: u32) -> String {
    let shown = named.len().min(NAMED);
    let names = list(named.iter().take(shown).map(person)).unwrap_or_default();
    match usize::try_from(count)
        .unwrap_or(usize::MAX)
        .saturating_sub(shown)
    {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

/// What is worth saying of the tasks of a namespace at this time
/// (`CLOCK_BOOTTIME`): its init and how that is, who is left, who is not
/// reaped.
pub fn people(ns: &Namespace, people: Option<&People>, now: u64) -> Option<String> {
    let init = people.and_then(|people| people.init.as_ref()).map(|init| {
        let numbers: Vec<_> = init.numbers.iter().map(u32::to_string).collect();
        format!("init {}[{}]", Shown(&init.task.comm), numbers.join("→"))
    });
    let reaper = ns.reaper.map(|reaper| match reaper {
        Reaper::Dying { began: Some(began) } => {
            format!("dying for {}", Span(now.saturating_sub(began)))
        }
        Reaper::Dying { began: None } => "dying".into(),
        Reaper::Dead => "dead".into(),
    });
    let left = people.filter(|people| people.left_count > 0).map(|people| {
        let count = people.left_count;
        format!("{count} left: {}", persons(&people.left, count))
    });
    let zombies = people
        // Those who are left are named with what they wait for.
        .filter(|people| people.left_count == 0 && !people.zombies.is_empty())
        .map(|people| {
            let count = ns.zombies.unwrap_or(0);
            format!("not reaped: {}", persons(&people.zombies, count))
        });
    list([init, reaper, left, zombies].into_iter().flatten())
}

/// Why a namespace is there, as far as nslife knows.
pub fn why(ns: &Namespace) -> Option<String> {
    match ns.state {
        _ if ns.initial => Some("initial".into()),
        State::Active => held_by(&ns.because),
        State::Inactive => Some(match ns.procfs {
            None | Some(0) => "references alone".into(),
            Some(1) => "1 procfs mount".into(),
            Some(mounts) => format!("{mounts} procfs mounts"),
        }),
        State::Destroyed => Some("nothing".into()),
    }
}

/// Of a namespace that nothing keeps active: for how long that has been so at
/// this time (`CLOCK_BOOTTIME`), how many must go before it, and who made it, if
/// nslife saw it.
pub fn history(ns: &Namespace, now: u64, before: Option<u32>) -> Option<String> {
    let is_out_of_use = ns.state != State::Active;
    let begun = ns.since.filter(|_| is_out_of_use);
    let creator = ns.creator.as_ref().filter(|_| is_out_of_use);
    list(
        [
            begun.map(|since| format!("for {}", Span(now.saturating_sub(since)))),
            before.map(|before| format!("{before} before it")),
            creator.map(|creator| format!("made by {}", task(&creator.task))),
        ]
        .into_iter()
        .flatten(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_fitting_unit() {
        let shown = |ns| Span(ns).to_string();
        assert_eq!(shown(0), "0 µs");
        assert_eq!(shown(999_999), "999 µs");
        assert_eq!(shown(1_500_000), "1.5 ms");
        assert_eq!(shown(1_250_000_000), "1.2 s");
        assert_eq!(shown(61_000_000_000), "1 min 1 s");
        assert_eq!(shown(3_660_000_000_000), "1 h 1 min");
        assert_eq!(shown(90_000_000_000_000), "1 d 1 h");
        assert_eq!(shown(u64::MAX), "213503 d 23 h");
    }

    #[test]
    fn holders_are_counted_in_words() {
        let mut because = Contributors::default();
        assert_eq!(held_by(&because), None);
        because.nsproxies = 1;
        because.owned = 2;
        assert_eq!(
            held_by(&because).as_deref(),
            Some("1 nsproxy, 2 owned namespaces")
        );
        let one = Contributors {
            nsproxies: 1,
            creds: 1,
            pids: 1,
            nsfs: 1,
            owned: 1,
        };
        assert_eq!(
            held_by(&one).as_deref(),
            Some("1 nsproxy, 1 task's credentials, 1 pid, 1 file or mount, 1 owned namespace")
        );
        let many = Contributors {
            nsproxies: 2,
            creds: 3,
            pids: 4,
            nsfs: 5,
            owned: 6,
        };
        assert_eq!(
            held_by(&many).as_deref(),
            Some(
                "2 nsproxies, 3 tasks' credentials, 4 pids, 5 files or mounts, \
                 6 owned namespaces"
            )
        );
    }
}
