//! When to walk again: soon after a loss, but not all the time.

use std::time::{Duration, Instant};

/// How many times as long as a walk took none is made for a loss. While losses
/// go on, nine tenths of the time are left for what comes from the kernel.
const REST: u32 = 9;

/// How long after a walk for a loss there is another one: what was about to be
/// freed when the first one came, or seemed so because its freeing was missed,
/// has been freed by then. Longer than `FREEING` in `tracer-ebpf/src/known.rs`.
const AGAIN: Duration = Duration::from_secs(11);

/// Whether the picture may be wrong, and when it may be renewed.
#[derive(Debug, Default)]
pub(super) struct Resync {
    /// Something was lost since the last walk began.
    owed: bool,
    /// `None` before the first walk.
    not_before: Option<Instant>,
    /// When to make sure of what a walk for a loss has left open.
    again: Option<Instant>,
    /// The last walk has left something open: what is destroyed and not known to
    /// be freed.
    pub(super) is_open: bool,
}

impl Resync {
    /// Something was lost.
    pub(super) fn lost(&mut self) {
        self.owed = true;
    }

    /// Whether it is time for a walk because of that.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let wanted = self.owed || self.again.is_some_and(|moment| now >= moment);
        wanted && self.not_before.is_none_or(|moment| now >= moment)
    }

    /// A walk was made, for whatever reason.
    pub(super) fn walked(&mut self, now: Instant, took: Duration) {
        let was_due = self.again.is_some_and(|moment| now >= moment);
        if self.owed || was_due {
            let goes_on = self.owed || self.is_open;
            self.again = now.checked_add(AGAIN).filter(|_| goes_on);
        }
        self.owed = false;
        self.not_before = now.checked_add(took.saturating_mul(REST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(100);

    #[test]
    fn a_loss_is_answered_at_once_and_once() {
        let mut resync = Resync::default();
        let now = Instant::now();
        assert!(!resync.is_due(now));
        resync.lost();
        assert!(resync.is_due(now));
        resync.walked(now, MOMENT);
        assert!(!resync.is_due(now + MOMENT * 100));
    }

    #[test]
    fn what_an_answer_left_open_is_looked_at_again() {
        let mut resync = Resync::default();
        let mut now = Instant::now();
        resync.walked(now, MOMENT);
        assert!(!resync.is_due(now + AGAIN * 2), "nothing was lost");
        resync.lost();
        resync.walked(now, MOMENT);
        // Somebody wants a list meanwhile.
        resync.walked(now + AGAIN / 2, MOMENT);
        for is_open in [true, true, false] {
            assert!(!resync.is_due(now + AGAIN / 2));
            now += AGAIN;
            assert!(resync.is_due(now));
            resync.is_open = is_open;
            resync.walked(now, MOMENT);
        }
        assert!(!resync.is_due(now + AGAIN * 2));
    }

    #[test]
    fn losses_that_go_on_leave_time_for_others() {
        let mut resync = Resync::default();
        let mut now = Instant::now();
        let end = now + MOMENT * 1000;
        let mut walking = Duration::ZERO;
        while now < end {
            resync.lost();
            if resync.is_due(now) {
                now += MOMENT;
                walking += MOMENT;
                resync.walked(now, MOMENT);
            }
            now += MOMENT / 10;
        }
        let tenth = MOMENT * 100;
        assert!(walking <= tenth, "{walking:?}");
        assert!(walking >= tenth * 9 / 10, "{walking:?}");
    }

    #[test]
    fn what_was_lost_meanwhile_is_not_forgotten() {
        let mut resync = Resync::default();
        let now = Instant::now();
        resync.walked(now, MOMENT);
        resync.lost();
        assert!(!resync.is_due(now));
        assert!(resync.is_due(now + MOMENT * REST));
    }
}
