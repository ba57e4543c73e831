//! What did not arrive, by cause.

use super::{KernelTotals, Loss, Notice};

/// What was known of losses when they were looked at last.
#[derive(Debug, Default)]
pub(super) struct Losses {
    totals: KernelTotals,
    undecodable: u64,
}

impl Losses {
    /// What was lost since the last look: each cause by itself.
    pub(super) fn since(
        &mut self,
        now: KernelTotals,
        undecodable: u64,
    ) -> impl Iterator<Item = Notice> {
        let before = std::mem::replace(&mut self.totals, now);
        let undecodable_before = std::mem::replace(&mut self.undecodable, undecodable);
        [
            (Loss::RingFull, now.lost_ring_full, before.lost_ring_full),
            (Loss::MapFull, now.lost_map_full, before.lost_map_full),
            (
                Loss::ReadFailed,
                now.lost_read_failed,
                before.lost_read_failed,
            ),
            (Loss::Recursion, now.lost_recursion, before.lost_recursion),
            (Loss::Undecodable, undecodable, undecodable_before),
        ]
        .into_iter()
        .filter_map(|(cause, now, before)| {
            let count = now.saturating_sub(before);
            (count > 0).then_some(Notice::Lost { cause, count })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No kernel can be made to show all of these.
    #[test]
    fn each_cause_is_told_apart_and_once() {
        let totals = KernelTotals {
            lost_ring_full: 1,
            lost_map_full: 2,
            lost_read_failed: 3,
            lost_recursion: 4,
            exits: 100,
            records: 1000,
            creds_corrected: 10,
        };
        let mut losses = Losses::default();
        let mut look = |totals, undecodable| losses.since(totals, undecodable).collect::<Vec<_>>();
        let lost = |cause, count| Notice::Lost { cause, count };
        assert_eq!(
            look(totals, 5),
            [
                lost(Loss::RingFull, 1),
                lost(Loss::MapFull, 2),
                lost(Loss::ReadFailed, 3),
                lost(Loss::Recursion, 4),
                lost(Loss::Undecodable, 5),
            ]
        );
        assert_eq!(look(totals, 5), []);
        let one_more = |change: fn(&mut KernelTotals)| {
            let mut totals = totals;
            change(&mut totals);
            totals
        };
        let recursion = one_more(|totals| totals.lost_recursion += 1);
        assert_eq!(look(recursion, 5), [lost(Loss::Recursion, 1)]);
        let read_failed = KernelTotals {
            lost_read_failed: 9,
            ..recursion
        };
        assert_eq!(look(read_failed, 5), [lost(Loss::ReadFailed, 6)]);
        assert_eq!(look(read_failed, 6), [lost(Loss::Undecodable, 1)]);
    }
}
