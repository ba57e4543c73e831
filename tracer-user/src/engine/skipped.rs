//! What the kernel's recursion guard skipped, and what was lost by it.

use tracer_common::twins;

/// Whether it matters how often this program was skipped. Of a twin it does not:
/// if there was something for it to do, the program that it is the twin of was
/// skipped as well, and nobody stood in for that.
pub(super) fn counts(name: &str) -> bool {
    name.strip_suffix(twins::SUFFIX)
        .is_none_or(|first| twins::slot(first).is_none())
}

/// How many of the runs of this program that were skipped nobody made up for.
/// How often its twin stood in for it is asked afterwards: a program is skipped
/// before its twin runs.
pub(super) fn lost<E>(
    name: &str,
    misses: u64,
    stood_in: impl FnOnce(u32) -> Result<u64, E>,
) -> Result<u64, E> {
    Ok(match twins::slot(name) {
        Some(slot) if misses > 0 => misses.saturating_sub(stood_in(slot)?),
        _ => misses,
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn lost_of(name: &str, misses: u64, stood_in: u64) -> u64 {
        lost(name, misses, |_| Ok::<_, Infallible>(stood_in)).unwrap()
    }

    #[test]
    fn what_has_no_twin_is_lost() {
        assert_eq!(lost_of("walk_tasks", 2, 0), 2);
    }

    #[test]
    fn what_the_twin_did_is_not_lost() {
        assert_eq!(lost_of("free_inum", 4, 4), 0);
        assert_eq!(lost_of("free_inum", 5, 4), 1, "both were skipped, once");
    }

    #[test]
    fn each_program_is_made_up_for_by_its_own_twin() {
        let slot_of = |name| lost(name, 1, Err::<u64, _>).unwrap_err();
        assert_ne!(slot_of("switched"), slot_of("unshared"));
    }

    #[test]
    fn what_a_twin_missed_is_no_loss_by_itself() {
        assert!(counts("switched"));
        assert!(counts("walk_tasks"));
        assert!(!counts("switched_again"));
    }
}
