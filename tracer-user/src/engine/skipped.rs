//! What the kernel's recursion guard skipped, and what was lost by it.

use tracer_common::twins;

/// Whether it matters how often this program was skipped. Of a twin it does not:
/// if there was something for it to do, the program that it is the twin of was
/// skipped as well, and nobody stood in for that.
pub(super) fn counts(name: &str) -> bool {
    name.strip_suffix(twins::SUFFIX)
        .is_none_or(|first| twins::slot(first).is_none())
}

/// What was lost although there are twins, as far as anybody has looked.
#[derive(Debug)]
pub(super) struct Skipped {
    /// By slot.
    seen: [Seen; twins::NAMES.len()],
    lost: u64,
}

/// A program with a twin, as it was when somebody looked last.
#[derive(Clone, Copy, Default, Debug)]
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
            lost: 0,
        }
    }

    /// Looks at a program that has a twin, by its slot: how often it was skipped
    /// so far, and how often, asked afterwards, its twin stood in for it.
    ///
    /// What happens between the two questions is seen to have been skipped by
    /// who looks next. Not later: a twin may stand in for nothing, once in a
    /// great while (`CELL_BITS` in `tracer-ebpf/src/twins.rs`), and that is not
    /// to hide what will be lost some day.
    pub(super) fn look(&mut self, slot: usize, misses: u64, stood_in: u64) {
        let before = self.seen[slot];
        // A hook that was detached and attached anew counts from zero.
        let missed = misses.saturating_sub(before.misses);
        let missed = missed.saturating_sub(before.ahead);
        let made_up_for = stood_in.saturating_sub(before.stood_in);
        self.lost += missed.saturating_sub(made_up_for);
        self.seen[slot] = Seen {
            misses,
            stood_in,
            ahead: made_up_for.saturating_sub(missed),
        };
    }

    /// How much was lost. Never falls.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(name: &str) -> usize {
        twins::slot(name).unwrap() as usize
    }

    #[test]
    fn what_the_twin_did_is_not_lost() {
        let mut skipped = Skipped::new();
        skipped.look(slot("free_inum"), 4, 4);
        assert_eq!(skipped.lost(), 0);
        skipped.look(slot("free_inum"), 7, 6);
        assert_eq!(skipped.lost(), 1, "both were skipped, once");
        skipped.look(slot("free_inum"), 7, 6);
        assert_eq!(skipped.lost(), 1, "which is not said again");
    }

    #[test]
    fn what_happens_between_the_questions_is_not_lost() {
        let mut skipped = Skipped::new();
        skipped.look(slot("free_inum"), 1, 3);
        skipped.look(slot("free_inum"), 3, 3);
        assert_eq!(skipped.lost(), 0);
        skipped.look(slot("free_inum"), 4, 3);
        assert_eq!(skipped.lost(), 1, "that was for the two before");
    }

    #[test]
    fn who_stood_in_for_nothing_hides_no_loss_to_come() {
        let mut skipped = Skipped::new();
        skipped.look(slot("free_inum"), 0, 3);
        skipped.look(slot("free_inum"), 0, 3);
        skipped.look(slot("free_inum"), 1, 3);
        assert_eq!(skipped.lost(), 1);
    }

    #[test]
    fn each_program_is_made_up_for_by_its_own_twin() {
        let mut skipped = Skipped::new();
        skipped.look(slot("switched"), 1, 0);
        skipped.look(slot("unshared"), 0, 1);
        assert_eq!(skipped.lost(), 1);
    }

    #[test]
    fn a_hook_that_was_attached_anew_has_lost_nothing() {
        let mut skipped = Skipped::new();
        skipped.look(slot("switched"), 5, 5);
        skipped.look(slot("switched"), 0, 5);
        assert_eq!(skipped.lost(), 0);
        skipped.look(slot("switched"), 1, 5);
        assert_eq!(skipped.lost(), 1);
    }

    #[test]
    fn what_a_twin_missed_is_no_loss_by_itself() {
        assert!(counts("switched"));
        assert!(counts("walk_tasks"));
        assert!(!counts("switched_again"));
    }
}
