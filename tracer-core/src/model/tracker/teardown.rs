//! What comes between the last reference to a network namespace and its end.
//!
//! They queue for one thread, which takes all of them at once and goes through
//! the stages with them together (`cleanup_net`). In each round, and in that
//! thread, the inode numbers of exactly those that it took are given back: so
//! it is known who was in it.

use tracer_common::kind::NsKind;

use super::super::{CleanupTimes, NetCleanup, State, WalkNs, What};
use super::Tracker;
use super::entry::{Identity, NsHandle};
use super::identity::Met;
use super::life::{Arrival, End};
use super::sink::Sink;

/// Network namespaces of one round whose waits are kept: a bound, far above
/// what systems have.
const MOST: usize = 1 << 16;

/// The round that goes on.
#[derive(Debug)]
pub(super) struct Round {
    /// Who does it.
    thread: u32,
    began: u64,
    /// See [`NetCleanup`].
    namespaces: u32,
    waits: Vec<u64>,
}

impl Tracker {
    /// A round begins: the kernel has one thread for them, so the one before,
    /// whose end was missed, is over.
    pub(super) fn net_cleanup_began(&mut self, at: u64, sink: &Sink<'_>) {
        self.round = Some(Round {
            thread: sink.thread(),
            began: at,
            namespaces: 0,
            waits: Vec::new(),
        });
    }

    /// A round is over.
    pub(super) fn net_cleanup_ended(&mut self, times: &CleanupTimes, sink: &mut Sink<'_>) {
        let is_this = |round: &Round| round.thread == sink.thread() && round.began == times.began;
        let Some(round) = self.round.take().filter(is_this) else {
            return;
        };
        if round.namespaces == 0 {
            return;
        }
        let between = |from: Option<u64>, to: Option<u64>| to?.checked_sub(from?);
        sink.say(What::NetCleanup(Box::new(NetCleanup {
            namespaces: round.namespaces,
            waits: round.waits,
            unlist: between(Some(times.began), times.exits_began),
            exits: between(times.exits_began, times.exits_ended),
            end: between(times.exits_ended, Some(times.ended)),
        })));
    }

    /// A thread gave back the inode number of a namespace.
    pub(super) fn cleaned_up(&mut self, handle: NsHandle, thread: u32) {
        let destroyed_at = self
            .namespaces
            .get(handle)
            .and_then(|entry| entry.ns.as_ref())
            .filter(|ns| ns.kind == NsKind::Net)
            .and_then(|ns| ns.destroyed_at);
        if let Some(destroyed_at) = destroyed_at
            && let Some(round) = &mut self.round
            && round.thread == thread
        {
            round.namespaces += 1;
            // The last reference may be heard of when the round has begun, by
            // a function that tells it at its return: how long that waited
            // is not known.
            if let Some(wait) = round.began.checked_sub(destroyed_at)
                && round.waits.len() < MOST
            {
                round.waits.push(wait);
            }
        }
    }

    /// A walk met a namespace without a reference. Those of the network stay
    /// on the kernel's list until a round takes them; others are about to
    /// leave theirs, and not worth a word. True if it was not known.
    pub(super) fn merge_ended(&mut self, record: &WalkNs, sink: &mut Sink<'_>) -> bool {
        let (facts, time) = (&record.ns, record.time);
        if facts.kind != NsKind::Net {
            return false;
        }
        let who = Identity::from(facts);
        let destroyed = self.known_at(&who).filter(|&at| self.is_destroyed(at));
        let met = match destroyed {
            Some(handle) => Met::Known(handle),
            None => self.meet(&who, time, sink),
        };
        let known = match met {
            Met::Known(handle) => Some(handle),
            Met::Stranger => None,
            Met::Gone => return false,
        };
        let handle = match known {
            Some(handle) => {
                self.destroy(handle, End::Concluded, sink);
                handle
            }
            None => {
                if self.grave_of(&who).is_some() {
                    return false;
                }
                let arrival = self.arrival(facts.kind);
                let Some(handle) = self.learn(facts, time, &arrival, sink) else {
                    return false;
                };
                match arrival {
                    Arrival::Discovered => self.found_destroyed(handle),
                    _ => self.destroy(handle, End::Concluded, sink),
                }
                handle
            }
        };
        if let Some(entry) = self.namespaces.get_mut(handle) {
            entry.seen(time);
            entry.walked = self.walks;
        }
        known.is_none()
    }

    /// What is discovered is no news, in whatever state it is.
    fn found_destroyed(&mut self, handle: NsHandle) {
        if let Some(entry) = self.namespaces.get_mut(handle)
            && !entry.is_initial()
            && let Some(ns) = &mut entry.ns
        {
            self.census.leave(ns.kind, ns.state);
            ns.state = State::Destroyed;
            ns.since = None;
            self.census.enter(ns.kind, ns.state);
            let time = entry.last_seen;
            self.line_up(handle, time);
            self.weigh(handle);
        }
    }
}
