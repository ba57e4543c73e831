//! nsproxies: which are in use, and what they point to.

use tracer_common::event::Reason;
use tracer_common::kind::Slot;

use super::super::{Actor, Key, NsId, Nsproxy, NsproxyFacts, NsproxyId, Switch};
use super::Tracker;
use super::entry::{Identity, NsHandle};
use super::sink::Sink;

/// An nsproxy in use.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: NsproxyId,
    facts: NsproxyFacts,
    /// The entries that its slots count in.
    pub(super) links: [Option<NsHandle>; Slot::COUNT],
    /// Earliest and latest time at which it is known to have been in use.
    pub(super) first_seen: u64,
    pub(super) last_seen: u64,
    /// The number of the last walk that met it.
    pub(super) walked: u64,
    /// A task had it, and yet nobody held it, when last walked.
    pub(super) broken: bool,
    /// When it was put to use, if that was seen.
    installed_at: Option<u64>,
}

/// What is still known of an nsproxy that was freed.
#[derive(Clone, Copy, Debug)]
pub(super) struct NsproxyGrave {
    /// `None` if it never had an id: it was freed before it was heard of.
    id: Option<NsproxyId>,
}

impl Tracker {
    /// An nsproxy was put to use.
    pub(super) fn installed(&mut self, facts: &NsproxyFacts, sink: &mut Sink<'_>) {
        let time = sink.at();
        if self
            .nsproxy_dead_until(facts.key)
            .is_none_or(|until| time >= until)
        {
            self.hold(facts, time, sink.since(), sink);
        }
    }

    /// A task changed its nsproxy.
    pub(super) fn switched(
        &mut self,
        task: Actor,
        reason: Reason,
        from: &NsproxyFacts,
        to: Option<&NsproxyFacts>,
        sink: &mut Sink<'_>,
    ) {
        let time = sink.at();
        // What was left with a count of 0 is on its way out. An exec is
        // reported when it is done, and with what it left as that was before:
        // it may be gone by then.
        let from_lives = from.count > 0
            && reason != Reason::Exec
            && self
                .nsproxy_dead_until(from.key)
                .is_none_or(|until| time > until);
        if from_lives {
            self.hold(from, time, None, sink);
        }
        if let Some(to) = to {
            self.installed(to, sink);
        }
        let switch = Switch {
            task,
            reason,
            from: self.describe(from),
            to: to.map(|to| self.describe(to)),
        };
        sink.switched(switch);
    }

    /// The last count of an nsproxy was dropped. One that is not known was
    /// never put to use (a `setns` that failed), or was there before the
    /// first walk.
    pub(super) fn nsproxy_freed(&mut self, facts: &NsproxyFacts, sink: &mut Sink<'_>) {
        let time = sink.at();
        match self.nsproxies.get(&facts.key) {
            // Seen later, it is another one at the address.
            Some(held) if held.last_seen > time => {}
            Some(_) => self.let_go(facts.key, time, Some(facts.count), sink),
            None => self
                .nsproxy_graves
                .insert(facts.key, time, NsproxyGrave { id: None }),
        }
    }

    /// Up to when what is said about this address can only be about an
    /// nsproxy that was freed.
    pub(super) fn nsproxy_dead_until(&self, key: Key) -> Option<u64> {
        Some(self.nsproxy_graves.get(&key)?.time)
    }

    /// An nsproxy is in use at `time`: counts its pointers, once. True if it
    /// was not known; then it was put to use when `installed_at` says.
    pub(super) fn hold(
        &mut self,
        facts: &NsproxyFacts,
        time: u64,
        installed_at: Option<u64>,
        sink: &mut Sink<'_>,
    ) -> bool {
        if let Some(held) = self.nsproxies.get_mut(&facts.key) {
            if held.facts.slots == facts.slots {
                if time >= held.last_seen {
                    held.facts.count = facts.count;
                }
                held.first_seen = held.first_seen.min(time);
                held.last_seen = held.last_seen.max(time);
                return false;
            }
            if time < held.first_seen {
                return false;
            }
            // It never changes, so this is another one at its address.
            self.let_go(facts.key, time, None, &mut sink.missed());
        }
        let mut links = [None; Slot::COUNT];
        for (link, who) in links.iter_mut().zip(pointers(facts)) {
            *link = who.and_then(|who| self.refer(&who, time, sink));
        }
        let held = Held {
            id: self.new_nsproxy_id(),
            facts: *facts,
            links,
            first_seen: time,
            last_seen: time,
            walked: 0,
            broken: false,
            installed_at,
        };
        self.nsproxies.insert(facts.key, held);
        self.census.nsproxies += 1;
        true
    }

    /// Counts the pointers of nsproxies that count nowhere: what they point to
    /// was taken for somebody else, or for dead, when they were met first.
    pub(super) fn relink_nsproxies(&mut self, sink: &mut Sink<'_>) {
        let is_adrift = |held: &Held| {
            held.links.iter().zip(held.facts.slots).any(|(link, slot)| {
                slot.is_some() && link.is_none_or(|handle| !self.namespaces.contains_key(handle))
            })
        };
        let adrift: Vec<_> = self
            .nsproxies
            .values()
            .filter(|held| is_adrift(held))
            .map(|held| (held.facts, held.links, held.last_seen))
            .collect();
        for (facts, mut links, time) in adrift {
            for (link, who) in links.iter_mut().zip(pointers(&facts)) {
                if link.is_none_or(|handle| !self.namespaces.contains_key(handle)) {
                    *link = who.and_then(|who| self.refer(&who, time, sink));
                }
            }
            if let Some(held) = self.nsproxies.get_mut(&facts.key) {
                held.links = links;
            }
        }
    }

    /// An nsproxy is no longer in use.
    pub(super) fn let_go(&mut self, key: Key, time: u64, count: Option<u32>, sink: &mut Sink<'_>) {
        let Some(held) = self.nsproxies.remove(&key) else {
            return;
        };
        self.census.nsproxies -= 1;
        let mut view = self.view_of_held(&held);
        view.count = count.unwrap_or(view.count);
        let ends = held.installed_at.zip(sink.since());
        view.lived = ends.and_then(|(installed, freed)| freed.checked_sub(installed));
        sink.nsproxy_freed(view);
        for handle in held.links.into_iter().flatten() {
            self.release(handle);
        }
        let grave = NsproxyGrave { id: Some(held.id) };
        self.nsproxy_graves.insert(key, time, grave);
    }

    pub(super) fn view_of_held(&self, held: &Held) -> Nsproxy {
        let mut namespaces = [None; Slot::COUNT];
        for ((id, link), who) in namespaces
            .iter_mut()
            .zip(held.links)
            .zip(pointers(&held.facts))
        {
            *id = link
                .and_then(|handle| self.id_at(handle))
                .or_else(|| self.id_of(&who?));
        }
        view(held.id, &held.facts, namespaces)
    }

    /// An nsproxy as an event shows it, whether or not it is in use.
    pub(super) fn describe(&mut self, facts: &NsproxyFacts) -> Nsproxy {
        if let Some(held) = self.nsproxies.get(&facts.key)
            && held.facts.slots == facts.slots
        {
            let mut view = self.view_of_held(held);
            view.count = facts.count;
            return view;
        }
        let id = self
            .nsproxy_graves
            .get(&facts.key)
            .and_then(|stone| stone.about.id);
        let id = id.unwrap_or_else(|| self.new_nsproxy_id());
        if let Some(stone) = self.nsproxy_graves.get_mut(&facts.key) {
            stone.about.id = Some(id);
        }
        let namespaces = pointers(facts).map(|who| self.id_of(&who?));
        view(id, facts, namespaces)
    }

    fn new_nsproxy_id(&mut self) -> NsproxyId {
        let id = NsproxyId(self.next_nsproxy);
        self.next_nsproxy += 1;
        id
    }
}

/// What the slots say about the namespaces that they point to.
fn pointers(facts: &NsproxyFacts) -> [Option<Identity>; Slot::COUNT] {
    Slot::ALL.map(|slot| {
        facts.slots[slot as usize].map(|pointer| Identity {
            key: pointer.key,
            kind: slot.kind(),
            inum: pointer.inum,
            unique: None,
            owner: None,
            parent: None,
        })
    })
}

fn view(id: NsproxyId, facts: &NsproxyFacts, namespaces: [Option<NsId>; Slot::COUNT]) -> Nsproxy {
    Nsproxy {
        id,
        count: facts.count,
        namespaces,
        inums: facts.slots.map(|slot| Some(slot?.inum?.get())),
        lived: None,
    }
}
