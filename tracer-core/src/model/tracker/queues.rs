//! Since when namespaces have been in their state: by type and state they stand
//! in line, the one that has been there longest first. Coming, leaving and
//! growing older take as long however many there are, and need no memory: each
//! entry knows its neighbours.

use std::iter::successors;

use slotmap::SlotMap;
use tracer_common::kind::NsKind;

use super::super::{Namespace, State};
use super::Tracker;
use super::entry::{Entry, NsHandle};

/// For how long a namespace has to be inactive to be counted as such, by
/// [`Standing::inactive_over`], nanoseconds: a minute, ten, an hour, a day.
const AGES: [u64; Standing::AGES.len()] = [
    60_000_000_000,
    600_000_000_000,
    3_600_000_000_000,
    86_400_000_000_000,
];

/// Lines of one type and state: one for each age that can be reached, and one
/// for those that have not reached any.
const LINES: usize = AGES.len() + 1;

/// Namespaces that grow older at a time: with more, the count is late.
const MOST: u32 = 1 << 14;

/// How long the namespaces that there are have been what they are. Initial ones
/// have always been.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// By [`NsKind`], then by [`State`]: since when the first of them has been
    /// in that state, `CLOCK_BOOTTIME` nanoseconds; if that was not seen, since
    /// when it has been known.
    pub oldest: [[Option<u64>; State::ALL.len()]; NsKind::COUNT],
    /// By [`NsKind`], how many have been inactive for longer than each of
    /// [`Self::AGES`].
    pub inactive_over: [[u64; Self::AGES.len()]; NsKind::COUNT],
    /// By [`NsKind`], how many are active, have a file or a bind mount, and no
    /// task in them.
    pub kept_by_files: [u64; NsKind::COUNT],
    /// How many pid namespaces have a dying init.
    pub dying: u64,
    /// Since when the first of them has been dying, likewise.
    pub dying_oldest: Option<u64>,
    /// Tasks that have exited and are not reaped, in user namespaces other than
    /// the initial one, when last walked.
    pub zombies_in_user: u64,
    /// Likewise, in pid namespaces.
    pub zombies_in_pid: u64,
    /// When a walk first met the one of them that has waited for longest.
    pub zombies_oldest: Option<u64>,
    /// When the last walk began.
    pub walked_at: Option<u64>,
}

impl Standing {
    /// The ages that are told apart.
    pub const AGES: [&'static str; 4] = ["1m", "10m", "1h", "1d"];
}

/// Where a namespace stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Since when it has been in its state.
    since: u64,
    /// The line; `None` while it is in none.
    line: Option<Line>,
    older: Option<NsHandle>,
    younger: Option<NsHandle>,
}

/// The name of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Line {
    kind: NsKind,
    state: State,
    age: u8,
}

/// Both ends of a line.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    oldest: Option<NsHandle>,
    youngest: Option<NsHandle>,
    length: u64,
}

/// All lines.
#[derive(Debug, Default)]
pub(super) struct Queues {
    ends: [[[Ends; LINES]; State::ALL.len()]; NsKind::COUNT],
}

impl Queues {
    fn ends(&mut self, line: Line) -> &mut Ends {
        &mut self.ends[line.kind as usize][line.state as usize][usize::from(line.age)]
    }

    /// Lines up at the end. What is told late is taken to be as young as the
    /// one before, so that the line stays in order.
    fn push(
        &mut self,
        entries: &mut SlotMap<NsHandle, Entry>,
        handle: NsHandle,
        line: Line,
        since: u64,
    ) {
        let ends = self.ends(line);
        let older = ends.youngest;
        let not_before = older.and_then(|older| entries.get(older));
        let since = not_before.map_or(since, |older| since.max(older.place.since));
        let Some(entry) = entries.get_mut(handle) else {
            return;
        };
        entry.place = Place {
            since,
            line: Some(line),
            older,
            younger: None,
        };
        ends.youngest = Some(handle);
        ends.length += 1;
        match older.and_then(|older| entries.get_mut(older)) {
            Some(older) => older.place.younger = Some(handle),
            None => ends.oldest = Some(handle),
        }
    }

    /// Leaves its line, if it is in one.
    fn remove(&mut self, entries: &mut SlotMap<NsHandle, Entry>, handle: NsHandle) {
        let Some(entry) = entries.get_mut(handle) else {
            return;
        };
        let Place {
            line: Some(line),
            older,
            younger,
            ..
        } = std::mem::take(&mut entry.place)
        else {
            return;
        };
        let ends = self.ends(line);
        ends.length -= 1;
        match older.and_then(|older| entries.get_mut(older)) {
            Some(older) => older.place.younger = younger,
            None => ends.oldest = younger,
        }
        match younger.and_then(|younger| entries.get_mut(younger)) {
            Some(younger) => younger.place.older = older,
            None => ends.youngest = older,
        }
    }
}

impl Tracker {
    /// A namespace has come to be in its state at `time`, or to be known.
    pub(super) fn line_up(&mut self, handle: NsHandle, time: u64) {
        self.queues.remove(&mut self.namespaces, handle);
        let Some(entry) = self.namespaces.get(handle) else {
            return;
        };
        if let Some(ns) = &entry.ns
            && !ns.initial
        {
            let line = Line {
                kind: ns.kind,
                state: ns.state,
                age: 0,
            };
            self.queues.push(&mut self.namespaces, handle, line, time);
        }
    }

    /// A namespace is no more, or is not to be in any line.
    pub(super) fn step_out(&mut self, handle: NsHandle) {
        self.queues.remove(&mut self.namespaces, handle);
    }

    /// Lets time pass: it is `now`, `CLOCK_BOOTTIME` nanoseconds. Only
    /// [`Self::standing`] depends on it.
    pub fn advance(&mut self, now: u64) {
        for kind in NsKind::ALL {
            for (age, length) in (1..).zip(AGES) {
                let from = Line {
                    kind,
                    state: State::Inactive,
                    age: age - 1,
                };
                let to = Line { age, ..from };
                for _ in 0..MOST {
                    let Some(handle) = self.queues.ends(from).oldest else {
                        break;
                    };
                    let since = self.namespaces.get(handle).map(|entry| entry.place.since);
                    let Some(since) = since.filter(|since| since.saturating_add(length) <= now)
                    else {
                        break;
                    };
                    self.queues.remove(&mut self.namespaces, handle);
                    self.queues.push(&mut self.namespaces, handle, to, since);
                }
            }
        }
    }

    /// Those of a type and state, the one that has been there longest first.
    fn in_line(&self, kind: NsKind, state: State) -> impl Iterator<Item = &Entry> {
        // Who has reached an age has been there for longer than who has not.
        let lines = &self.queues.ends[kind as usize][state as usize];
        let younger = |handle: &NsHandle| self.namespaces.get(*handle)?.place.younger;
        lines
            .iter()
            .rev()
            .flat_map(move |ends| successors(ends.oldest, younger))
            .filter_map(|handle| self.namespaces.get(handle))
    }

    /// Of each type and state the `count` namespaces that have been in it for
    /// longest, and since when, as in [`Standing::oldest`]. Costs the same however
    /// many others there are.
    pub fn longest(&self, count: usize) -> impl Iterator<Item = (u64, Namespace)> + '_ {
        let lines = NsKind::ALL
            .into_iter()
            .flat_map(|kind| State::ALL.map(|state| (kind, state)));
        lines
            .flat_map(move |(kind, state)| self.in_line(kind, state).take(count))
            .filter_map(|entry| Some((entry.place.since, self.view_of(entry)?)))
    }

    /// How long what there is has been what it is; costs the same however much
    /// there is.
    pub fn standing(&self) -> Standing {
        let mut standing = Standing {
            kept_by_files: self.kept_by_files,
            dying: self.dying.len() as u64,
            dying_oldest: self.dying_since.first().map(|&(since, _)| since),
            zombies_in_user: self.waiting.in_user,
            zombies_in_pid: self.waiting.in_pid,
            zombies_oldest: self.waiting.oldest,
            walked_at: self.waiting.walked_at,
            ..Standing::default()
        };
        for kind in NsKind::ALL {
            let lines = &self.queues.ends[kind as usize];
            for state in State::ALL {
                let first = self.in_line(kind, state).next();
                standing.oldest[kind as usize][state as usize] =
                    first.map(|entry| entry.place.since);
            }
            let [_, aged @ ..] = &lines[State::Inactive as usize];
            let mut older = 0;
            for (count, ends) in standing.inactive_over[kind as usize]
                .iter_mut()
                .zip(aged)
                .rev()
            {
                older += ends.length;
                *count = older;
            }
        }
        standing
    }
}
