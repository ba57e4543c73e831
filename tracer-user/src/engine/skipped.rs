//! What the kernel's recursion guard skipped, and what was lost by it.

use tracer_common::twins;

/// Whether it matters how often this program was skipped. Of a twin it does not:
/// if there was something for it to do, the program that it is the twin of was
/// skipped as well, and nobody stood in for that.
pub(super) fn counts(name: &str) -> bool {
    name.strip_suffix(twins::SUFFIX)
        .is_none_or(|first| twins::slot(first).is_none())
}

/// How often programs were skipped so far, those aside that [`counts`] does not
/// count.
pub(super) struct Misses {
    /// By slot.
    twinned: [u64; twins::NAMES.len()],
    /// Of all that have no twin.
    alone: u64,
}

impl Misses {
    /// Of no program.
    pub(super) fn none() -> Self {
        Self {
            twinned: [0; twins::NAMES.len()],
            alone: 0,
        }
    }

    /// Adds those of a program.
    pub(super) fn add(&mut self, name: &str, misses: u64) {
        match twins::slot(name) {
            Some(slot) => self.twinned[slot as usize] += misses,
            None => self.alone += misses,
        }
    }
}

/// What was lost, as far as anybody has looked.
pub(super) struct Skipped {
    /// By slot.
    seen: [Seen; twins::NAMES.len()],
    /// In spite of twins.
    twinned: u64,
    /// Where there are none.
    alone: u64,
}

/// A program with a twin, as it was when somebody looked last.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// How often it had been skipped.
    misses: u64,
    /// How often its twin had stood in.
    stood_in: u64,
    /// How much of that was for what had not been seen to be skipped.
    ahead: u64,
}

impl Skipped {
    /// Nobody has looked yet.
    pub(super) fn new() -> Self {
        Self {
            seen: [Seen::default(); twins::NAMES.len()],
            twinned: 0,
            alone: 0,
        }
    }

    /// How much was lost so far, which never falls. How often the twin of each
    /// slot stood in is asked after how often programs were skipped.
    ///
    /// What happens between the two questions is seen to have been skipped by
    /// who looks next. Not later: a twin may stand in for nothing, once in a
    /// great while (`CELL_BITS` in `tracer-ebpf/src/twins.rs`), and that is not
    /// to hide what will be lost some day.
    pub(super) fn look(&mut self, misses: &Misses, stood_in: impl Fn(usize) -> u64) -> u64 {
        let now = misses.twinned.iter().enumerate();
        for (before, (slot, &misses)) in self.seen.iter_mut().zip(now) {
            let stood_in = stood_in(slot);
            // A hook that was detached and attached anew counts from zero.
            let missed = misses.saturating_sub(before.misses);
            let missed = missed.saturating_sub(before.ahead);
            let made_up_for = stood_in.saturating_sub(before.stood_in);
            self.twinned += missed.saturating_sub(made_up_for);
            *before = Seen {
                misses,
                stood_in,
                ahead: made_up_for.saturating_sub(missed),
            };
        }
        self.alone = self.alone.max(misses.alone);
        self.twinned + self.alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks when one program alone was skipped so often, and the twin of one
    /// stood in so often.
    fn look(skipped: &mut Skipped, (name, count): (&str, u64), twin: (&str, u64)) -> u64 {
        let mut misses = Misses::none();
        misses.add(name, count);
        let slot = twins::slot(twin.0).unwrap() as usize;
        skipped.look(&misses, |asked| if asked == slot { twin.1 } else { 0 })
    }

    /// Looks at a program and its own twin.
    fn look_at(skipped: &mut Skipped, misses: u64, stood_in: u64) -> u64 {
        look(skipped, ("free_inum", misses), ("free_inum", stood_in))
    }

    #[test]
    fn what_has_no_twin_is_lost() {
        let mut skipped = Skipped::new();
        let none = ("free_inum", 0);
        assert_eq!(look(&mut skipped, ("walk_tasks", 2), none), 2);
        assert_eq!(look(&mut skipped, ("walk_tasks", 2), none), 2);
        assert_eq!(look(&mut skipped, ("walk_tasks", 0), none), 2, "unloaded");
    }

    #[test]
    fn what_the_twin_did_is_not_lost() {
        let mut skipped = Skipped::new();
        assert_eq!(look_at(&mut skipped, 4, 4), 0);
        let lost = look_at(&mut skipped, 7, 6);
        assert_eq!(lost, 1, "both were skipped, once");
        let lost = look_at(&mut skipped, 7, 6);
        assert_eq!(lost, 1, "which is not said again");
    }

    #[test]
    fn what_happens_between_the_questions_is_not_lost() {
        let mut skipped = Skipped::new();
        look_at(&mut skipped, 1, 3);
        assert_eq!(look_at(&mut skipped, 3, 3), 0);
        let lost = look_at(&mut skipped, 4, 3);
        assert_eq!(lost, 1, "that was for the two before");
    }

    #[test]
    fn who_stood_in_for_nothing_hides_no_loss_to_come() {
        let mut skipped = Skipped::new();
        look_at(&mut skipped, 0, 3);
        look_at(&mut skipped, 0, 3);
        assert_eq!(look_at(&mut skipped, 1, 3), 1);
    }

    #[test]
    fn each_program_is_made_up_for_by_its_own_twin() {
        let mut skipped = Skipped::new();
        let lost = look(&mut skipped, ("switched", 1), ("unshared", 1));
        assert_eq!(lost, 1);
    }

    #[test]
    fn a_hook_that_was_attached_anew_has_lost_nothing() {
        let mut skipped = Skipped::new();
        look_at(&mut skipped, 5, 5);
        assert_eq!(look_at(&mut skipped, 0, 5), 0);
        assert_eq!(look_at(&mut skipped, 1, 5), 1);
    }

    #[test]
    fn what_a_twin_missed_is_no_loss_by_itself() {
        assert!(counts("switched"));
        assert!(counts("walk_tasks"));
        assert!(!counts("switched_again"));
    }
}
