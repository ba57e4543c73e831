//! nsproxies: what keeps a set of namespaces active.

use tracer_common::event::Reason;
use tracer_common::kind::Slot;
use tracer_core::model::{Body, NsproxyFacts, SlotFacts};

use super::{Sim, choose};

impl Sim {
    /// Puts a new one to use.
    pub(super) fn install(&mut self, picks: &[u16]) {
        let nsproxy = self.make_nsproxy(picks);
        self.nsproxies.push(nsproxy);
        self.say(Body::NsproxyInstalled(nsproxy));
    }

    fn make_nsproxy(&mut self, picks: &[u16]) -> NsproxyFacts {
        let mut nsproxy = NsproxyFacts {
            key: self.address(picks.iter().copied().fold(0, u16::wrapping_add)),
            slots: [None; Slot::COUNT],
            count: 1,
        };
        for &pick in picks {
            if let Some(&index) = choose(&self.alive(None), pick) {
                let facts = &self.namespaces[index].facts;
                for slot in Slot::ALL {
                    // Odd picks leave the time slot alone.
                    if slot.kind() == facts.kind && (slot != Slot::Time || pick.is_multiple_of(2)) {
                        nsproxy.slots[slot as usize] = Some(SlotFacts {
                            key: facts.key,
                            inum: Some(facts.inum),
                        });
                    }
                }
            }
        }
        nsproxy
    }

    pub(super) fn free_nsproxy(&mut self, pick: u16) {
        if !self.nsproxies.is_empty() {
            self.end_nsproxy(usize::from(pick) % self.nsproxies.len());
        }
    }

    fn end_nsproxy(&mut self, index: usize) {
        let nsproxy = self.nsproxies.swap_remove(index);
        self.vacate(nsproxy.key);
        self.say(Body::NsproxyFreed(NsproxyFacts {
            count: 0,
            ..nsproxy
        }));
    }

    /// A task takes up a new one, and may have been the last with the old.
    pub(super) fn switch(&mut self, from: u16, picks: &[u16]) {
        let Some(&old) = choose(&self.nsproxies, from) else {
            return;
        };
        let new = self.make_nsproxy(picks);
        self.nsproxies.push(new);
        self.say(Body::Switched {
            reason: Reason::Unshare,
            from: old,
            to: Some(new),
        });
        if from.is_multiple_of(2)
            && let Some(index) = self.nsproxies.iter().position(|held| held.key == old.key)
        {
            self.end_nsproxy(index);
        }
    }
}
