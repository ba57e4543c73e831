//! What the kernel's recursion guard skipped, and what was lost by it.

use std::collections::BTreeMap;

use tracer_common::event::Counter;

/// A program that looks at the same as another, and what it counts: what it
/// was the first to see.
type Twin = (&'static str, Counter);

/// Pairs of programs: when one is skipped the other one does it.
const TWINS: [[Twin; 2]; 3] = [
    [
        ("ns_tree_add", Counter::Added),
        ("ns_tree_add_again", Counter::AddedAgain),
    ],
    [
        ("ns_tree_remove", Counter::Removed),
        ("ns_tree_remove_again", Counter::RemovedAgain),
    ],
    [
        ("free_inum", Counter::Freed),
        ("free_inum_again", Counter::FreedAgain),
    ],
];

/// How many runs were skipped that nobody made up for, by what was skipped of
/// each program. The counters have to be read after the misses: a twin counts
/// later than its pair was skipped.
///
/// The kernel runs one of two always first, which therefore is the first to
/// see everything, except when it is skipped: then it is the second one, and
/// counts. What was not seen by it either is lost. To skip the second one does
/// no harm.
pub(super) fn lost<E>(
    mut misses: BTreeMap<String, u64>,
    mut counted: impl FnMut(Counter) -> Result<u64, E>,
) -> Result<u64, E> {
    let mut lost = 0;
    for [(one, by_one), (other, by_other)] in TWINS {
        let one_missed = misses.remove(one).unwrap_or(0);
        let other_missed = misses.remove(other).unwrap_or(0);
        lost += one_missed
            .saturating_sub(counted(by_other)?)
            .max(other_missed.saturating_sub(counted(by_one)?));
    }
    Ok(lost + misses.values().sum::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost_of(misses: &[(&str, u64)], counts: &[(Counter, u64)]) -> u64 {
        let misses = misses.iter().map(|&(name, count)| (name.to_owned(), count));
        let counted = |wanted| {
            let found = counts.iter().find(|(counter, _)| *counter == wanted);
            Ok::<_, ()>(found.map_or(0, |&(_, count)| count))
        };
        lost(misses.collect(), counted).unwrap()
    }

    #[test]
    fn what_has_no_twin_is_lost() {
        assert_eq!(lost_of(&[("active_put", 2), ("switched", 1)], &[]), 3);
    }

    #[test]
    fn what_the_twin_saw_is_not_lost() {
        let counts = [(Counter::Freed, 1000), (Counter::FreedAgain, 4)];
        let skipped = |first, second| {
            lost_of(
                &[("free_inum", first), ("free_inum_again", second)],
                &counts,
            )
        };
        assert_eq!(skipped(4, 0), 0);
        assert_eq!(skipped(4, 9), 0, "nothing was left to do for it");
        assert_eq!(skipped(5, 9), 1, "both were skipped, once");
    }

    #[test]
    fn whichever_the_kernel_runs_first() {
        let counts = [(Counter::Freed, 4), (Counter::FreedAgain, 1000)];
        let skipped = [("free_inum", 9), ("free_inum_again", 6)];
        assert_eq!(lost_of(&skipped, &counts), 2);
    }
}
